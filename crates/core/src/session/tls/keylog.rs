//! TLS secrets that the operator's own servers log (`SSLKEYLOGFILE`, RFC 9850). Nothing else decrypts anything here: no
//! key is guessed, weakened or asked of anybody.

use hashbrown::HashMap;

/// Octets of a client's random, by which a log names a connection.
pub(crate) const RANDOM: usize = 32;

/// Connections of which secrets are kept. A busy proxy makes some hundred an hour; a log of this length is 100 MB.
const MAX_CONNECTIONS: usize = 1 << 18;

/// Longest secret: the master secret of TLS 1.2 and the hash of SHA-384 both have 48 octets.
const MAX_SECRET: usize = 48;

/// The secrets of one connection.
#[derive(Clone, Default)]
pub(super) struct Secrets {
    /// `CLIENT_RANDOM`: the master secret of TLS 1.2.
    pub(super) master: Option<Box<[u8]>>,
    /// `CLIENT_TRAFFIC_SECRET_0` and `SERVER_TRAFFIC_SECRET_0` of TLS 1.3.
    pub(super) traffic: [Option<Box<[u8]>>; 2],
}

/// All secrets that were logged.
#[derive(Default)]
pub(crate) struct KeyLog {
    connections: HashMap<[u8; RANDOM], Secrets>,
}

impl KeyLog {
    /// Reads lines of a log; those of other labels, and damaged ones, say nothing. Returns how many gave a secret.
    pub(crate) fn read(&mut self, text: &str) -> usize {
        text.lines().filter(|line| self.line(line).is_some()).count()
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let mut words = line.split_ascii_whitespace();
        let (label, random, secret) = (words.next()?, words.next()?, words.next()?);
        if !matches!(label, "CLIENT_RANDOM" | "CLIENT_TRAFFIC_SECRET_0" | "SERVER_TRAFFIC_SECRET_0") {
            return None;
        }
        let random = <[u8; RANDOM]>::try_from(hexadecimal(random)?).ok()?;
        let secret = hexadecimal(secret).filter(|s| (32..=MAX_SECRET).contains(&s.len()))?.into_boxed_slice();
        if self.connections.len() >= MAX_CONNECTIONS && !self.connections.contains_key(&random) {
            return None;
        }
        let secrets = self.connections.entry(random).or_default();
        match label {
            "CLIENT_RANDOM" => secrets.master = Some(secret),
            "CLIENT_TRAFFIC_SECRET_0" => secrets.traffic[0] = Some(secret),
            _ => secrets.traffic[1] = Some(secret),
        }
        Some(())
    }

    pub(super) fn secrets(&self, random: &[u8; RANDOM]) -> Option<&Secrets> {
        self.connections.get(random)
    }

    /// No log was given: TLS is looked at for its names alone.
    pub(crate) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn p7_a_key_log_gives_the_secrets_of_its_labels_and_no_others() {
        let (random, secret) = ("Ab".repeat(32), "01".repeat(48));
        let text = format!(
            "# comment\nCLIENT_RANDOM {random} {secret}\nSERVER_HANDSHAKE_TRAFFIC_SECRET {random} {secret}\n\
             CLIENT_TRAFFIC_SECRET_0 {random} {}\r\nCLIENT_RANDOM {random} 0\nCLIENT_RANDOM {random} {secret}00\n",
            "02".repeat(32)
        );
        let mut log = KeyLog::default();
        assert_eq!(log.read(&text), 2);
        let found = log.secrets(&[0xab; RANDOM]).expect("secrets");
        assert_eq!(found.master.as_deref(), Some(&[1; 48][..]));
        assert_eq!(found.traffic[0].as_deref(), Some(&[2; 32][..]));
        assert!(found.traffic[1].is_none() && log.secrets(&[0; RANDOM]).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_safe(text in "(CLIENT_RANDOM|X)? ?[0-9a-fA-Fé ]{0,80}\n?.{0,20}") {
            KeyLog::default().read(&text);
        }
    }
}
