//! Mail addresses (TS 103 280, 6.4 and 6.13; RFC 5321 4.1.2, RFC 6531 3.3) in one normal form.
//!
//! The domain is compared by IDNA (UTS #46). RFC 5321 2.4 leaves the meaning of a local part to its host, case
//! included, and hardly a host tells `Alice` from `alice`: so it is compared without regard to case, in NFC
//! (RFC 6532 3.1), and otherwise exactly. `alice+x@…` is another address than `alice@…`: which of the two belongs to
//! whom only their host knows.

use std::net::IpAddr;

use unicode_normalization::UnicodeNormalization;

use super::Identity;
use super::target::TargetError;

/// Octets of a local part and of an address (RFC 5321 4.5.3.1), doubled for what is sent beyond.
const MAX_LOCAL: usize = 128;
const MAX_ADDRESS: usize = 512;

/// The normal form of an address as written in an envelope, a header, a login or a warrant, without brackets; `None`
/// when it is none.
pub(crate) fn identity(address: &str) -> Option<Identity> {
    normal(address).map(|address| Identity::Mail(address.into()))
}

/// The identity of a target. What would stand for more than one address is refused.
pub(crate) fn of_target(address: &str) -> Result<Identity, TargetError> {
    if address.starts_with('@') {
        return Err(TargetError::NoUser);
    }
    // A star is a letter of local parts (RFC 5322 3.2.3), and in a warrant the sign of somebody who means all of them.
    if address.contains('*') {
        return Err(TargetError::Malformed);
    }
    identity(address).ok_or(TargetError::Malformed)
}

fn normal(address: &str) -> Option<String> {
    if address.len() > MAX_ADDRESS {
        return None;
    }
    // A quoted local part may hold the sign itself; a domain may not.
    let (local, domain) = address.rsplit_once('@')?;
    let local = unquoted(local)?;
    if local.is_empty() || local.len() > MAX_LOCAL {
        return None;
    }
    let mut out: String = local.nfc().flat_map(char::to_lowercase).nfc().collect();
    out.push('@');
    out.push_str(&host(domain)?);
    Some(out)
}

/// `"john doe"` is john doe, and `"alice"` alice (RFC 5321 4.1.2: quoting is not a part of the address).
fn unquoted(local: &str) -> Option<String> {
    let Some(inner) = local.strip_prefix('"') else {
        // Unquoted, these stand in no address.
        let foreign = |c: char| c.is_whitespace() || c.is_control() || "<>()[],;:\\\"@".contains(c);
        return (!local.contains(foreign)).then(|| local.to_owned());
    };
    let inner = inner.strip_suffix('"')?;
    let mut out = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => out.push(letters.next()?),
            '"' => return None,
            other if other.is_control() => return None,
            other => out.push(other),
        }
    }
    Some(out)
}

/// A domain as A-labels, or an address literal (RFC 5321 4.1.3) in one spelling.
fn host(domain: &str) -> Option<String> {
    if let Some(literal) = domain.strip_prefix('[') {
        let literal = literal.strip_suffix(']')?;
        let tagged = literal.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:"));
        let ip: IpAddr = if tagged { &literal[5..] } else { literal }.parse().ok()?;
        return (ip.is_ipv6() == tagged).then(|| format!("[{ip}]"));
    }
    let name = domain.strip_suffix('.').unwrap_or(domain);
    let name = idna::domain_to_ascii_cow(name.as_bytes(), idna::AsciiDenyList::URL).ok()?;
    (!name.is_empty() && name.len() <= 253 && !name.split('.').any(str::is_empty)).then(|| name.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(a: &str, b: &str) -> bool {
        normal(a).is_some() && normal(a) == normal(b)
    }

    #[test]
    fn spellings_of_one_address_are_one() {
        for (a, b) in [
            ("alice@example.com", "Alice@EXAMPLE.com."),
            ("\"alice\"@example.com", "alice@example.com"),
            ("\"al\\ice\"@example.com", "alice@example.com"),
            ("δοκιμή@παράδειγμα.ελ", "ΔΟΚΙΜΉ@xn--hxajbheg2az3al.xn--qxam"),
            ("jose\u{301}@x.example", "jos\u{e9}@x.example"),
            ("a@[IPv6:2001:DB8:0::1]", "a@[ipv6:2001:db8::1]"),
            ("\"a@b\"@x.example", "\"A@B\"@X.example"),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
    }

    #[test]
    fn other_addresses_stay_other() {
        for (a, b) in [
            ("alice@example.com", "alice+shop@example.com"),
            ("alice@example.com", "alice@mail.example.com"),
            ("alice@example.com", "a.lice@example.com"),
            ("alice@example.com", "malice@example.com"),
            ("root@localhost", "root@localhost.example"),
            ("a@[192.0.2.1]", "a@192.0.2.1"),
        ] {
            assert!(normal(a).is_some() && normal(a) != normal(b), "{a} {b}");
        }
        for none in [
            "",
            "alice",
            "@x.example",
            "a b@x.example",
            "a@",
            "a@b..c",
            "\"a@x.example",
            "a@[1.2.3]",
            "a@b@c",
            "a@x y",
        ] {
            assert_eq!(normal(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn a_normal_form_stays_what_it_is(address in "[a-zA-Zéß+.]{1,8}@[a-zA-Zéß]{1,8}\\.[a-z]{2,3}", noise in "\\PC{0,40}") {
            if let Some(once) = normal(&address) {
                prop_assert_eq!(normal(&once), Some(once));
            }
            _ = normal(&noise);
        }
    }
}
