//! The name in a SASL exchange (RFC 4422). Passwords, tokens and digests are passed over: nothing here returns one.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Octets of a name. RFC 4616 2 and RFC 5321 4.5.3.1 stay far below.
pub(crate) const MAX_NAME: usize = 1024;

/// Padding is left out by some clients.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A mechanism, as far as it tells who logs in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mechanism {
    /// RFC 4616: `authzid NUL authcid NUL passwd`.
    Plain,
    /// Never standardised; the name, then the password.
    Login,
    /// RFC 2195: `name digest`.
    CramMd5,
    /// RFC 5802: `n,a=authzid,n=name,r=nonce`.
    Scram,
    /// RFC 7628: `n,a=name,^A…`, and its forerunner: `user=name^Aauth=…`.
    OAuth,
    /// RFC 4422 appendix A: the name, or nothing.
    External,
    /// Any other.
    Other,
}

impl Mechanism {
    /// By its registered name.
    pub(crate) fn of(name: &[u8]) -> Self {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        match () {
            () if is(b"PLAIN") => Self::Plain,
            () if is(b"LOGIN") => Self::Login,
            () if is(b"CRAM-MD5") => Self::CramMd5,
            () if super::line::begins(name, b"SCRAM-") => Self::Scram,
            () if is(b"OAUTHBEARER") || is(b"XOAUTH2") => Self::OAuth,
            () if is(b"EXTERNAL") => Self::External,
            () => Self::Other,
        }
    }

    /// Lines that the client sends, when the server can't be seen.
    pub(crate) const fn lines(self) -> u8 {
        match self {
            Self::Plain | Self::CramMd5 | Self::OAuth | Self::External => 1,
            Self::Login | Self::Scram => 2,
            Self::Other => 0,
        }
    }

    /// The name in the client's first response, in base64 as sent.
    pub(crate) fn name(self, response: &[u8]) -> Option<String> {
        // RFC 4954 4: "=" is an empty response.
        if response.len() > super::line::MAX_LINE || response == b"=" || response == b"*" {
            return None;
        }
        let octets = BASE64.decode(response).ok()?;
        let name = match self {
            Self::Login | Self::External => &octets[..],
            Self::Plain => {
                let mut parts = octets.split(|b| *b == 0);
                let (authority, name) = (parts.next()?, parts.next()?);
                if name.is_empty() { authority } else { name }
            }
            Self::CramMd5 => &octets[..octets.iter().rposition(|b| *b == b' ')?],
            Self::Scram => octets.split(|b| *b == b',').find_map(|part| part.strip_prefix(b"n="))?,
            Self::OAuth => {
                let mut parts = octets.split(|b| matches!(b, 1 | b','));
                parts.find_map(|part| part.strip_prefix(b"user=").or_else(|| part.strip_prefix(b"a=")))?
            }
            Self::Other => return None,
        };
        let name = std::str::from_utf8(name).ok()?;
        (!name.is_empty() && name.len() <= MAX_NAME && !name.contains(char::is_control))
            .then(|| name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sent(text: &str) -> Vec<u8> {
        BASE64.encode(text).into_bytes()
    }

    #[test]
    fn names_are_found_and_secrets_are_not() {
        for (mechanism, text, name) in [
            ("PLAIN", "\0alice@example.com\0s3cret", Some("alice@example.com")),
            ("PLAIN", "admin\0\0s3cret", Some("admin")),
            ("login", "alice", Some("alice")),
            ("CRAM-MD5", "al ice 3dbc88f0624776a737b39093f6eb6427", Some("al ice")),
            ("SCRAM-SHA-256", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", Some("user")),
            ("XOAUTH2", "user=a@b.example\u{1}auth=Bearer ya29\u{1}\u{1}", Some("a@b.example")),
            ("OAUTHBEARER", "n,a=a@b.example,\u{1}auth=Bearer s\u{1}\u{1}", Some("a@b.example")),
            ("EXTERNAL", "", None),
            ("GSSAPI", "alice", None),
        ] {
            assert_eq!(Mechanism::of(mechanism.as_bytes()).name(&sent(text)).as_deref(), name, "{mechanism}");
        }
        // RFC 4616 4, without padding.
        assert_eq!(Mechanism::Plain.name(b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm").as_deref(), Some("tim"));
        assert_eq!(Mechanism::Login.name(b"YWxpY2U").as_deref(), Some("alice"));
    }

    proptest! {
        #[test]
        fn any_response_is_read_without_panic_and_never_gives_the_password(
            name in "[a-z]{1,8}", secret in "[A-Z]{4,8}", noise in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let found = Mechanism::Plain.name(&sent(&format!("\0{name}\0{secret}")));
            prop_assert_eq!(found.as_deref(), Some(&*name));
            for mechanism in [Mechanism::Plain, Mechanism::CramMd5, Mechanism::Scram, Mechanism::OAuth, Mechanism::Login] {
                _ = mechanism.name(&noise);
                _ = mechanism.name(&BASE64.encode(&noise).into_bytes());
            }
        }
    }
}
