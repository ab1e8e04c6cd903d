//! Domains: what a warrant names, and the index that host names of the traffic are looked up in.

use std::net::IpAddr;

use hashbrown::{HashMap, HashSet};
use idna::AsciiDenyList;
use smallvec::SmallVec;
use thiserror::Error;

/// RFC 1035, 2.3.4: 255 octets on the wire are 253 characters of text.
const MAX_NAME: usize = 253;

/// Second-level labels under which country registries sell names (`co.uk`, `com.au`, `gouv.fr`): such a domain is
/// everybody's. The list is short on purpose; it catches slips of the pen, not every registry's habits.
const REGISTRY_LABELS: &[&str] = &[
    "ac", "co", "com", "ed", "edu", "go", "gob", "gouv", "gov", "govt", "ltd", "mil", "ne", "net", "nom",
    "or", "org", "plc",
];

/// A domain as a warrant names it: lower-case A-labels (RFC 5890) without final dot.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Domain(crate::redact::Pii<Box<str>>);

/// Why a domain is refused. Never holds the value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum DomainError {
    #[error("not a domain name (UTS #46, RFC 1035)")]
    Malformed,
    #[error("an IP address, not a domain")]
    IpAddress,
    #[error("one label only: it would select everybody under it")]
    TooShort,
    #[error("a registry's own domain: it would select everybody who has a name there")]
    PublicSuffix,
    #[error("holds a wildcard: name the domain itself and set `subdomains`")]
    Wildcard,
}

impl Domain {
    /// From a warrant, in Unicode or A-labels, any case, with or without final dot.
    pub(crate) fn parse(text: &str) -> Result<Self, DomainError> {
        if text.contains('*') {
            return Err(DomainError::Wildcard);
        }
        if text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
            return Err(DomainError::IpAddress);
        }
        let name = idna::domain_to_ascii_strict(text.strip_suffix('.').unwrap_or(text))
            .map_err(|_| DomainError::Malformed)?;
        if name.is_empty() || name.len() > MAX_NAME || name.split('.').any(str::is_empty) {
            return Err(DomainError::Malformed);
        }
        let mut labels = name.rsplit('.');
        let (top, second) = (labels.next().unwrap_or_default(), labels.next());
        // WHATWG URL, "ends in a number": 1.2.3, 0x7f.1 and the like are addresses to the programs that read them.
        if top.bytes().all(|b| b.is_ascii_digit()) || top.starts_with("0x") {
            return Err(DomainError::IpAddress);
        }
        let Some(second) = second else { return Err(DomainError::TooShort) };
        if labels.next().is_none() && top.len() == 2 && REGISTRY_LABELS.contains(&second) {
            return Err(DomainError::PublicSuffix);
        }
        Ok(Self(name.into_boxed_str().into()))
    }

    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0.0
    }
}

/// Criteria found: nearly always none.
pub(crate) type Found = SmallVec<[u32; 2]>;

/// Which criteria a host name meets. Whole labels are looked up, so `notexample.com` is not `example.com`.
#[derive(Clone, Default, Debug)]
pub(crate) struct DomainIndex {
    names: HashMap<Domain, Entry>,
    /// The last two labels of every name: a host name whose own aren't here costs one look-up.
    tails: HashSet<Box<str>>,
}

#[derive(Clone, Default, Debug)]
struct Entry {
    exact: Found,
    with_subdomains: Found,
}

// Lets the map be asked with a borrowed slice of the name at hand.
impl std::borrow::Borrow<str> for Domain {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl DomainIndex {
    /// Adds criterion `id`.
    pub(crate) fn insert(&mut self, domain: Domain, subdomains: bool, id: u32) {
        self.tails.insert(tail(domain.as_str()).into());
        let entry = self.names.entry(domain).or_default();
        if subdomains { &mut entry.with_subdomains } else { &mut entry.exact }.push(id);
    }

    /// The criteria that `name`, as it stood on the wire, meets. Names that are none (too long, not UTS #46) meet none.
    pub(crate) fn find(&self, name: &str) -> Found {
        if self.names.is_empty() {
            return Found::new();
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        if !name.is_ascii() {
            // A U-label where only A-labels belong: a resolver or a browser would have mapped it.
            return match idna::domain_to_ascii_cow(name.as_bytes(), AsciiDenyList::EMPTY) {
                Ok(ascii) if ascii.is_ascii() => self.find_ascii(&ascii),
                _ => Found::new(),
            };
        }
        self.find_ascii(name)
    }

    fn find_ascii(&self, name: &str) -> Found {
        let mut found = Found::new();
        let mut lower = [0; MAX_NAME];
        let Some(lower) = lower.get_mut(..name.len()) else { return found };
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        let Ok(name) = std::str::from_utf8(lower) else { return found };
        if !self.tails.contains(tail(name)) {
            return found;
        }
        let mut rest = name;
        loop {
            if let Some(entry) = self.names.get(rest) {
                found.extend_from_slice(&entry.with_subdomains);
                if rest.len() == name.len() {
                    found.extend_from_slice(&entry.exact);
                }
            }
            match rest.split_once('.') {
                Some((_, parent)) => rest = parent,
                None => return found,
            }
        }
    }
}

/// The last two labels.
fn tail(name: &str) -> &str {
    let mut dots = memchr::memrchr_iter(b'.', name.as_bytes());
    dots.next();
    dots.next().map_or(name, |at| &name[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn index() -> DomainIndex {
        let mut index = DomainIndex::default();
        for (id, (domain, subdomains)) in [
            ("example.com", true),
            ("example.com", false),
            ("mail.example.com", true),
            ("Bücher.example", true),
        ]
        .into_iter()
        .enumerate()
        {
            index.insert(Domain::parse(domain).expect(domain), subdomains, id as u32);
        }
        index
    }

    #[test]
    fn p58_whole_labels_only() {
        let index = index();
        for (name, ids) in [
            ("example.com", &[0, 1][..]),
            ("EXAMPLE.com.", &[0, 1]),
            ("www.example.com", &[0]),
            ("a.mail.example.com", &[0, 2]),
            ("_imaps._tcp.example.com", &[0]),
            ("notexample.com", &[]),
            ("example.com.evil.net", &[]),
            ("example.org", &[]),
            ("com", &[]),
            ("", &[]),
            (".", &[]),
            ("..", &[]),
            ("bücher.example", &[3]),
            ("BÜCHER.example", &[3]),
            ("www.XN--Bcher-KVA.example", &[3]),
            ("bu\u{308}cher.example", &[3]),
            ("bucher.example", &[]),
            ("www。example。com", &[0]),
        ] {
            let mut found = index.find(name);
            found.sort_unstable();
            assert_eq!(found.as_slice(), ids, "{name}");
        }
        assert!(index.find(&format!("{}.example.com", "a".repeat(300))).is_empty());
    }

    #[test]
    fn what_would_select_everybody_is_refused() {
        for (text, error) in [
            ("com", DomainError::TooShort),
            ("localhost.", DomainError::TooShort),
            ("co.uk", DomainError::PublicSuffix),
            ("com.au", DomainError::PublicSuffix),
            ("*.example.com", DomainError::Wildcard),
            ("*", DomainError::Wildcard),
            ("192.0.2.1", DomainError::IpAddress),
            ("192.0.2.1.", DomainError::IpAddress),
            ("[2001:db8::1]", DomainError::IpAddress),
            ("10.1", DomainError::IpAddress),
            ("", DomainError::Malformed),
            (".", DomainError::Malformed),
            ("a..example.com", DomainError::Malformed),
            ("example.com..", DomainError::Malformed),
            ("exa mple.com", DomainError::Malformed),
            ("http://example.com", DomainError::Malformed),
            ("xn--a.example", DomainError::Malformed),
        ] {
            assert_eq!(Domain::parse(text), Err(error), "{text}");
        }
        for (text, name) in [
            ("Example.COM.", "example.com"),
            ("bbc.co.uk", "bbc.co.uk"),
            ("straße.de", "xn--strae-oqa.de"),
            ("t.co", "t.co"),
        ] {
            assert_eq!(Domain::parse(text).expect(text).as_str(), name);
        }
    }

    proptest! {
        #[test]
        fn never_panics(name in "\\PC*") {
            let _ = index().find(&name);
            let _ = Domain::parse(&name);
        }

        #[test]
        fn subdomains_match_and_lookalikes_do_not(label in "[a-z0-9]{1,20}") {
            let under = format!("{label}.example.com");
            let beside = format!("{label}example.com");
            prop_assert!(index().find(&under).contains(&0));
            prop_assert!(index().find(&beside).is_empty());
        }
    }
}
