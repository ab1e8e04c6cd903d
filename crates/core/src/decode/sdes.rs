//! SDES: SRTP keys in session descriptions (`a=crypto`, RFC 4568). They are there for whoever reads the signalling;
//! what the operator's own signalling hides is never looked for.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use smallvec::SmallVec;
use zeroize::Zeroizing;

/// Most keys read of one `a=crypto` line (RFC 4568, 6.1 allows a list, told apart by MKI).
pub(crate) const MAX_KEYS: usize = 4;

/// Longest master key and salt together: 32 and 14 octets (RFC 6188, 4).
const MAX_MASTER: usize = 46;

/// Longest MKI (RFC 4568, 6.1).
const MAX_MKI: u8 = 128;

/// Highest exponent of a key derivation rate (RFC 4568, 6.3.1).
const MAX_RATE: u8 = 24;

/// A crypto suite (IANA, "SRTP Crypto Suite Registrations").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Suite {
    /// RFC 4568, 6.2.1.
    AesCm128Sha1_80,
    /// RFC 4568, 6.2.2.
    AesCm128Sha1_32,
    /// RFC 4568, 6.2.3.
    F8_128Sha1_80,
    /// RFC 6188, 4.
    AesCm192Sha1_80,
    /// RFC 6188, 4.
    AesCm192Sha1_32,
    /// RFC 6188, 4.
    AesCm256Sha1_80,
    /// RFC 6188, 4.
    AesCm256Sha1_32,
    /// RFC 7714, 14.1.
    AeadAes128Gcm,
    /// RFC 7714, 14.1.
    AeadAes256Gcm,
}

impl Suite {
    /// The AES-192 and AES-256 suites have a second spelling, of the drafts, that servers still write.
    fn parse(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"AES_CM_128_HMAC_SHA1_80" => Self::AesCm128Sha1_80,
            b"AES_CM_128_HMAC_SHA1_32" => Self::AesCm128Sha1_32,
            b"F8_128_HMAC_SHA1_80" => Self::F8_128Sha1_80,
            b"AES_192_CM_HMAC_SHA1_80" | b"AES_CM_192_HMAC_SHA1_80" => Self::AesCm192Sha1_80,
            b"AES_192_CM_HMAC_SHA1_32" | b"AES_CM_192_HMAC_SHA1_32" => Self::AesCm192Sha1_32,
            b"AES_256_CM_HMAC_SHA1_80" | b"AES_CM_256_HMAC_SHA1_80" => Self::AesCm256Sha1_80,
            b"AES_256_CM_HMAC_SHA1_32" | b"AES_CM_256_HMAC_SHA1_32" => Self::AesCm256Sha1_32,
            b"AEAD_AES_128_GCM" => Self::AeadAes128Gcm,
            b"AEAD_AES_256_GCM" => Self::AeadAes256Gcm,
            _ => return None,
        })
    }

    /// Octets of a key.
    pub(crate) const fn key(self) -> usize {
        match self {
            Self::AesCm128Sha1_80 | Self::AesCm128Sha1_32 | Self::F8_128Sha1_80 | Self::AeadAes128Gcm => 16,
            Self::AesCm192Sha1_80 | Self::AesCm192Sha1_32 => 24,
            Self::AesCm256Sha1_80 | Self::AesCm256Sha1_32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Octets of a salt.
    pub(crate) const fn salt(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Octets of the tag at the end of each packet.
    pub(crate) const fn tag(self) -> usize {
        match self {
            Self::AesCm128Sha1_32 | Self::AesCm192Sha1_32 | Self::AesCm256Sha1_32 => 4,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            _ => 10,
        }
    }

    /// Whether cipher and authentication are one.
    pub(crate) const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }
}

/// One master key of a description, with the parameters of its session. What its sender's packets are protected with.
#[derive(Clone)]
pub(crate) struct Crypto {
    pub(crate) suite: Suite,
    pub(super) master: Zeroizing<[u8; MAX_MASTER]>,
    /// Octets of the master key identifier in each packet; 0 when there is none.
    pub(crate) mki: u8,
    /// `KDR=n`: session keys are derived anew each 2^n packets.
    pub(crate) rate: Option<u8>,
    /// `UNENCRYPTED_SRTP`: only authenticated.
    pub(crate) unencrypted: bool,
    /// `UNAUTHENTICATED_SRTP`: no tag.
    pub(crate) unauthenticated: bool,
}

impl std::fmt::Debug for Crypto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crypto").field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl PartialEq for Crypto {
    fn eq(&self, other: &Self) -> bool {
        (self.suite, self.mki, self.rate, self.unencrypted, self.unauthenticated)
            == (other.suite, other.mki, other.rate, other.unencrypted, other.unauthenticated)
            && *self.master == *other.master
    }
}

impl Crypto {
    /// Reads the value of an `a=crypto` line:
    /// `1 AES_CM_128_HMAC_SHA1_80 inline:WVNf…|2^20|1:4;inline:… KDR=1 UNENCRYPTED_SRTP`.
    /// Empty when the suite is unknown or nothing in it is a key of the suite's length.
    pub(crate) fn parse(value: &[u8]) -> SmallVec<[Self; 1]> {
        Self::read(value).unwrap_or_default()
    }

    fn read(value: &[u8]) -> Option<SmallVec<[Self; 1]>> {
        let mut fields = value.split(|b| *b == b' ').filter(|f| !f.is_empty());
        let (_tag, suite, keys) = (fields.next()?, Suite::parse(fields.next()?)?, fields.next()?);
        let (mut rate, mut unencrypted, mut unauthenticated) = (None, false, false);
        for parameter in fields {
            match parameter {
                [b'K', b'D', b'R', b'=', n @ ..] => rate = decimal(n).filter(|n| *n <= MAX_RATE),
                b"UNENCRYPTED_SRTP" => unencrypted = true,
                // An AEAD cipher can't go without its tag (RFC 7714, 14.1).
                b"UNAUTHENTICATED_SRTP" => unauthenticated = !suite.is_aead(),
                // UNENCRYPTED_SRTCP, FEC_ORDER, FEC_KEY, WSH and extensions change nothing here; where one does, no tag
                // will fit, and that is said.
                _ => {}
            }
        }
        let each = keys.split(|b| *b == b';').filter_map(|text| {
            let mut parts = text.strip_prefix(b"inline:")?.split(|b| *b == b'|');
            let master = key_and_salt(parts.next()?, suite)?;
            // Lifetime and MKI may both be left out; only the MKI has a colon.
            let mki = parts.find(|p| p.contains(&b':')).map_or(Some(0), mki_length)?;
            Some(Self { suite, master, mki, rate, unencrypted, unauthenticated })
        });
        Some(each.take(MAX_KEYS).collect())
    }

    /// The master key.
    pub(crate) fn key(&self) -> &[u8] {
        self.master.get(..self.suite.key()).unwrap_or_default()
    }

    /// The master salt.
    pub(crate) fn salt(&self) -> &[u8] {
        self.master.get(self.suite.key()..self.suite.key() + self.suite.salt()).unwrap_or_default()
    }

    /// Of known keys, for test vectors.
    #[cfg(test)]
    pub(crate) fn of(suite: Suite, key: &[u8], salt: &[u8]) -> Self {
        let mut master = Zeroizing::new([0; MAX_MASTER]);
        master[..key.len()].copy_from_slice(key);
        master[key.len()..key.len() + salt.len()].copy_from_slice(salt);
        Self { suite, master, mki: 0, rate: None, unencrypted: false, unauthenticated: false }
    }
}

/// Base64 of key and salt; exactly as long as the suite has it. Some senders leave the padding out.
fn key_and_salt(text: &[u8], suite: Suite) -> Option<Zeroizing<[u8; MAX_MASTER]>> {
    let decode = |text| BASE64_STANDARD.decode(text).or_else(|_| BASE64_STANDARD_NO_PAD.decode(text)).ok();
    let octets = Zeroizing::new(decode(text)?);
    let mut master = Zeroizing::new([0; MAX_MASTER]);
    let wanted = master.get_mut(..suite.key() + suite.salt())?;
    if octets.len() != wanted.len() {
        return None;
    }
    wanted.copy_from_slice(&octets);
    Some(master)
}

/// `1:4`: value and length in octets. Which key is meant is told by the tag, so that only the length matters.
fn mki_length(text: &[u8]) -> Option<u8> {
    let colon = text.iter().position(|b| *b == b':')?;
    decimal(text.get(colon + 1..)?).filter(|n| (1..=MAX_MKI).contains(n))
}

fn decimal(text: &[u8]) -> Option<u8> {
    std::str::from_utf8(text).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    /// RFC 4568, 6.1 and 9.1.
    #[test]
    fn reads_the_rfcs_examples() {
        let [one] = &Crypto::parse(format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4").as_bytes())[..]
        else {
            panic!("one key")
        };
        assert_eq!(
            (one.suite, one.mki, one.key().len(), one.salt().len()),
            (Suite::AesCm128Sha1_80, 4, 16, 14)
        );
        assert_eq!(&one.key()[..6], b"YS___s");
        let two =
            format!("2 F8_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4;inline:{KEY}|2^20|2:4 FEC_ORDER=FEC_SRTP");
        assert_eq!(Crypto::parse(two.as_bytes()).len(), 2);
        let all =
            format!("1 AES_CM_128_HMAC_SHA1_32 inline:{KEY} KDR=3 UNENCRYPTED_SRTP UNAUTHENTICATED_SRTP");
        let [all] = &Crypto::parse(all.as_bytes())[..] else { panic!("one key") };
        assert_eq!((all.rate, all.unencrypted, all.unauthenticated, all.mki), (Some(3), true, true, 0));
    }

    #[test]
    fn refuses_what_is_no_key_of_the_suite() {
        for value in [
            "1 AES_256_CM_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
            "1 AES_CM_128_HMAC_SHA1_80 inline:short",
            "1 AES_CM_128_HMAC_SHA1_80 uri:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
            "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|1:129",
            "1 ROT13 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
            "1",
        ] {
            assert!(Crypto::parse(value.as_bytes()).is_empty(), "{value}");
        }
        let many = format!("1 AES_CM_128_HMAC_SHA1_80 {}", vec![format!("inline:{KEY}"); 9].join(";"));
        assert_eq!(Crypto::parse(many.as_bytes()).len(), MAX_KEYS);
    }

    #[test]
    fn a_key_is_never_printed() {
        let shown = format!("{:?}", Crypto::of(Suite::AesCm128Sha1_80, &[7; 16], &[8; 14]));
        assert_eq!(shown, "Crypto { suite: AesCm128Sha1_80, .. }");
    }

    proptest! {
        #[test]
        fn any_octets(value in proptest::collection::vec(any::<u8>(), 0..200), text in "[ -~]{0,60}") {
            prop_assert!(Crypto::parse(&value).len() <= MAX_KEYS);
            _ = Crypto::parse(format!("1 AES_CM_128_HMAC_SHA1_80 inline:{text}").as_bytes());
        }

        #[test]
        fn round_trip(octets in proptest::array::uniform30(any::<u8>()), mki in 1_u8..=128) {
            let text = format!("7 AES_CM_128_HMAC_SHA1_32 inline:{}|9:{mki}", BASE64_STANDARD.encode(octets));
            let keys = Crypto::parse(text.as_bytes());
            prop_assert_eq!(keys[0].key(), &octets[..16]);
            prop_assert_eq!(keys[0].salt(), &octets[16..]);
            prop_assert_eq!(keys[0].mki, mki);
        }
    }
}
