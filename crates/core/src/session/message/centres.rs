//! What a site knows of its message centres: the alphabet that each means by data coding 0.

use serde::Deserialize;

use crate::decode::gsm7::Shifts;
use crate::decode::sms::Alphabet;
use crate::identifier::Prefix;
use crate::packet::Seen;

/// Centres that a site may name. An operator has some tens.
const MAX_CENTRES: usize = 1024;

/// How a site writes that a centre has an alphabet of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CentreText {
    /// Address or network.
    network: String,
    alphabet: Named,
}

/// Alphabets that are met as a centre's default (SMPP 3.4, 5.2.19: "SMSC default alphabet").
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Named {
    /// TS 23.038, 6.2.1, one septet an octet.
    Gsm7,
    Latin1,
    Cp1252,
    Utf8,
}

/// The centres of a site. What isn't listed is told by the octets themselves.
#[derive(Clone, Default)]
pub(crate) struct Centres(Vec<(Prefix, Named)>);

impl Centres {
    /// The alphabet of the centre at either end.
    pub(super) fn alphabet(&self, seen: &Seen<'_>) -> Option<Alphabet> {
        if self.0.is_empty() {
            return None;
        }
        let ends = [seen.src.ip, seen.dst.ip].map(Prefix::host);
        let is_there = |network: &Prefix| {
            ends.iter()
                .any(|end| end.is_ipv4() == network.is_ipv4() && end.widened(network.length()) == *network)
        };
        // The narrowest network that holds it.
        let found = self.0.iter().filter(|(network, _)| is_there(network)).max_by_key(|(n, _)| n.length());
        found.map(|(_, named)| match named {
            Named::Gsm7 => Alphabet::Gsm7(Shifts::default()),
            Named::Latin1 => Alphabet::Latin1,
            Named::Cp1252 => Alphabet::Other(encoding_rs::WINDOWS_1252),
            Named::Utf8 => Alphabet::Other(encoding_rs::UTF_8),
        })
    }
}

impl TryFrom<Vec<CentreText>> for Centres {
    type Error = String;

    fn try_from(texts: Vec<CentreText>) -> Result<Self, String> {
        if texts.len() > MAX_CENTRES {
            return Err(format!("smpp: more than {MAX_CENTRES} centres"));
        }
        let read = |(n, text): (usize, CentreText)| {
            let network = Prefix::parse(&text.network);
            network
                .map(|network| (network, text.alphabet))
                .ok_or_else(|| format!("smpp[{n}].network is no address or network"))
        };
        texts.into_iter().enumerate().map(read).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Endpoint, Time, Transport};

    fn centres(text: &str) -> Result<Centres, String> {
        serde_json::from_str::<Vec<CentreText>>(text).map_err(|e| e.to_string())?.try_into()
    }

    #[test]
    fn the_narrowest_network_at_either_end_counts() {
        let known = centres(
            r#"[{"network": "192.0.2.0/24", "alphabet": "latin1"}, {"network": "192.0.2.7", "alphabet": "cp1252"},
                {"network": "2001:db8::/32", "alphabet": "utf8"}]"#,
        )
        .unwrap();
        let alphabet = |src: &str, dst: &str| {
            let at = |ip: &str| Endpoint { ip: ip.parse().unwrap(), port: 2775 };
            let seen = Seen {
                ts: Time(0),
                src: at(src),
                dst: at(dst),
                transport: Transport::Tcp,
                packet: None,
                payload: &[],
            };
            known.alphabet(&seen)
        };
        assert_eq!(alphabet("10.0.0.1", "192.0.2.9"), Some(Alphabet::Latin1));
        assert_eq!(alphabet("192.0.2.7", "10.0.0.1"), Some(Alphabet::Other(encoding_rs::WINDOWS_1252)));
        assert_eq!(alphabet("2001:db8::1", "::1"), Some(Alphabet::Other(encoding_rs::UTF_8)));
        assert_eq!(alphabet("10.0.0.1", "::"), None);
    }

    #[test]
    fn what_is_no_network_or_no_alphabet_is_refused() {
        for text in [
            r#"[{"network": "192.0.2.1/24", "alphabet": "latin1"}]"#,
            r#"[{"network": "192.0.2.1", "alphabet": "morse"}]"#,
            r#"[{"network": "192.0.2.1", "alphabet": "gsm7", "more": 1}]"#,
        ] {
            assert!(centres(text).is_err(), "{text}");
        }
    }
}
