//! Identities as they stand in the traffic, looked up among those of the targets.
//!
//! Hardly a party of a network's calls is anybody's target. So the spellings that nearly all of them have are brought to
//! normal form in place, and asked for without an allocation; [`NumberingPlan::identity`] says the same of them.

use std::hash::{Hash, Hasher};

use hashbrown::{Equivalent, HashMap};

use super::Identity;
use super::number::{MAX_DIGITS, Number};
use super::plan::{MAX_PREFIX_DIGITS, NumberingPlan};

/// Digits that the short way reads: E.164 with the longest prefix that a plan may name.
const MAX_PLAIN: usize = MAX_DIGITS + MAX_PREFIX_DIGITS;

/// Octets of a name that the short way reads. Contact addresses with a UUID and a host name stay below.
const MAX_NAME: usize = 94;

/// Port of a `sip:` URI that names none.
const DEFAULT_PORT: &[u8] = b"5060";

impl NumberingPlan {
    /// What `map` has for the identity that a URI names.
    pub(crate) fn find<'m, T>(&self, uri: &str, map: &'m HashMap<Identity, T>) -> Option<&'m T> {
        if let Some(number) = self.plain(uri) {
            map.get(&Identity::Number(number))
        } else if let Some(name) = Name::of(uri) {
            map.get(&name)
        } else {
            map.get(&self.any(uri)?)
        }
    }

    /// The normal form of a URI for records, or the URI as it stands where it has none.
    pub(crate) fn text(&self, uri: &str) -> Box<str> {
        match Plain::of(uri) {
            Some(Plain { global: true, digits }) if Number::from_digits(digits.as_bytes()).is_some() => {
                digits.into()
            }
            _ => self.identity(uri).map_or_else(|| uri.into(), |identity| identity.text()),
        }
    }

    /// The number in a URI that holds digits alone, as nearly all of a network's traffic has them. What isn't exactly that
    /// is left to [`Self::any`], which would say the same of these.
    pub(super) fn plain(&self, uri: &str) -> Option<Number> {
        let Plain { digits, global } = Plain::of(uri)?;
        if global { Number::from_digits(digits.as_bytes()) } else { self.dialled(digits.as_bytes()) }
    }
}

/// `sip:+33612345678@host…`, `sip:0612345678@host…`, `tel:+33612345678…` or `tel:0612345678`.
struct Plain<'a> {
    digits: &'a str,
    /// Began with `+`.
    global: bool,
}

impl<'a> Plain<'a> {
    fn of(uri: &'a str) -> Option<Self> {
        let (scheme, user) = uri.split_at_checked(4)?;
        let (user, global) = user.strip_prefix('+').map_or((user, false), |user| (user, true));
        let length = user.bytes().take(MAX_PLAIN + 1).take_while(u8::is_ascii_digit).count();
        let (digits, after) = user.split_at_checked(length)?;
        let alone = match (scheme, after.as_bytes()) {
            // The last `@` ends the user part: were there another, these would not be digits alone.
            ("sip:", [b'@', host @ ..]) => !host.contains(&b'@'),
            ("tel:", []) => true,
            // What its parameters say matters to a local number only.
            ("tel:", [b';', ..]) => global,
            _ => false,
        };
        alone.then_some(Self { digits, global })
    }
}

/// What an octet may be in a [`Name`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Digits of an extension, if there is nothing else.
    Digit,
    /// Shows that the user is no telephone number.
    Letter,
    /// Stands in names and in numbers.
    Mark,
    /// Divides a URI, is escaped, or has no place in one: left to the general way.
    Other,
}

const USER: [Class; 256] = {
    let mut table = [Class::Other; 256];
    let mut at = 0;
    while at < 256 {
        table[at] = match at as u8 {
            b'0'..=b'9' => Class::Digit,
            b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'!' | b'~' | b'\'' | b'&' | b'=' | b'$' | b',' | b'/' => {
                Class::Letter
            }
            b'-' | b'.' | b'+' | b'*' | b'#' | b'(' | b')' => Class::Mark,
            _ => Class::Other,
        };
        at += 1;
    }
    table
};

/// Octets of a host name or IPv4 address in lower case; 0 for all others.
const HOST: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let octet = at as u8;
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_') {
            table[at] = octet.to_ascii_lowercase();
        }
        at += 1;
    }
    table
};

/// The normal form of `sip:alice@host…`, whose user is no number by any plan.
struct Name {
    octets: [u8; MAX_NAME],
    length: usize,
}

impl Name {
    /// Reads a URI that [`NumberingPlan::plain`] has found no number in.
    fn of(uri: &str) -> Option<Self> {
        let mut name = Self { octets: [0; MAX_NAME], length: 0 };
        let uri = uri.as_bytes();
        let mut rest = uri.strip_prefix(b"sip:")?;
        let (mut letters, mut digits_alone) = (false, true);
        while let [octet, after @ ..] = rest {
            match USER[usize::from(*octet)] {
                Class::Other => break,
                Class::Digit => {}
                Class::Letter => letters = true,
                Class::Mark => digits_alone = false,
            }
            rest = after;
        }
        let ([b'@', after @ ..], true) = (rest, letters || digits_alone) else { return None };
        let user = uri.len() - rest.len();
        if user == b"sip:".len() {
            return None;
        }
        name.push(&uri[..=user])?;
        let host = after.iter().take_while(|octet| HOST[usize::from(**octet)] != 0).count();
        let (host, after) = after.split_at_checked(host)?;
        // A final dot is no part of the name.
        if host.last().is_none_or(|last| *last == b'.') {
            return None;
        }
        name.push_host(host)?;
        let parameters = match after {
            [b':', port @ ..] => name.push_port(port)?,
            all => all,
        };
        match parameters {
            [] => Some(name),
            // Behind an `@` in them, all of this would be the user.
            [b';' | b'?', rest @ ..] if !rest.contains(&b'@') => Some(name),
            _ => None,
        }
    }

    fn push(&mut self, octets: &[u8]) -> Option<()> {
        let end = self.length + octets.len();
        self.octets.get_mut(self.length..end)?.copy_from_slice(octets);
        self.length = end;
        Some(())
    }

    fn push_host(&mut self, host: &[u8]) -> Option<()> {
        let end = self.length + host.len();
        let place = self.octets.get_mut(self.length..end)?;
        place.iter_mut().zip(host).for_each(|(to, octet)| *to = HOST[usize::from(*octet)]);
        self.length = end;
        Some(())
    }

    /// Keeps a port that isn't the default, and gives what is behind it.
    fn push_port<'a>(&mut self, after: &'a [u8]) -> Option<&'a [u8]> {
        let length = after.iter().take_while(|octet| octet.is_ascii_digit()).count();
        let (port, after) = after.split_at_checked(length)?;
        // `05060` is the default as well, and an empty one is none.
        if port.first().is_none_or(|first| *first == b'0') {
            return None;
        }
        if port != DEFAULT_PORT {
            self.push(b":")?;
            self.push(port)?;
        }
        Some(after)
    }

    fn octets(&self) -> &[u8] {
        &self.octets[..self.length]
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.octets());
    }
}

impl Equivalent<Identity> for Name {
    fn equivalent(&self, key: &Identity) -> bool {
        matches!(key, Identity::Uri(uri) if uri.as_bytes() == self.octets())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::plan::tests::plan;
    use super::*;

    /// The spelling that the short ways are for, and what comes near it.
    fn near() -> impl Strategy<Value = String> {
        let user = prop_oneof![
            "(\\+|00|0)?[0-9]{0,30}[a@;:%+ ]?[0-9]?",
            "[a-zA-Z0-9_.+*#()!~'&=$,/%;:@?é -]{0,12}",
            "[a-f0-9-]{0,50}",
        ];
        let rest = prop_oneof![
            Just(String::new()),
            "@[a-z.@;=:?+0-9]{0,12}",
            "@[A-Za-z0-9._-]{1,30}(:(0?506[01]|[0-9]{0,6}))?([;?][a-z=@;0-9 ]{0,8})?",
            ";[a-z=+0-9-]{0,20}",
        ];
        ("(sip:|tel:|sip:\\+|tel:\\+|SIP:|sips:| sip:)", user, rest, " ?")
            .prop_map(|(scheme, user, rest, space)| format!("{scheme}{user}{rest}{space}"))
    }

    #[test]
    fn what_nearly_all_traffic_holds_goes_the_short_way() {
        let plan = plan("33", "00", "0");
        for uri in [
            "sip:+33612345678@10.0.0.1;user=phone",
            "sip:0612345678@op.example:5070",
            "tel:+33612345678",
            "tel:+33612345678;npdi",
            "tel:0612345678",
        ] {
            assert!(plan.plain(uri).is_some(), "{uri}");
        }
        for (uri, name) in [
            ("sip:5387f613@10.1.0.16:5060", "sip:5387f613@10.1.0.16"),
            ("sip:Alice@Op.Example;transport=tcp", "sip:Alice@op.example"),
            ("sip:alice@op.example:5070?x=y", "sip:alice@op.example:5070"),
            ("sip:1001@pbx", "sip:1001@pbx"),
        ] {
            assert_eq!(Name::of(uri).expect(uri).octets(), name.as_bytes());
        }
        assert!(Name::of("sip:*31#0612345678@h").is_none(), "may be a number");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn the_short_ways_say_the_same(uri in near()) {
            let plan = plan("33", "00", "0");
            let general = plan.any(&uri);
            match (plan.plain(&uri), Name::of(&uri)) {
                (Some(number), _) => prop_assert_eq!(&general, &Some(Identity::Number(number))),
                (None, Some(name)) => {
                    let text = std::str::from_utf8(name.octets()).expect("ASCII");
                    prop_assert_eq!(&general, &Some(Identity::Uri(text.into())));
                }
                (None, None) => {}
            }
            let text = general.as_ref().map_or_else(|| uri.as_str().into(), Identity::text);
            prop_assert_eq!(plan.text(&uri), text);
            // Found among others, under the very hash that it was filed by.
            let mut map = HashMap::from([(Identity::Uri("sip:bob@h".into()), 0)]);
            prop_assert_eq!(plan.find(&uri, &map).is_some(), general == Some(Identity::Uri("sip:bob@h".into())));
            if let Some(identity) = general {
                map.insert(identity, 1);
                prop_assert_eq!(plan.find(&uri, &map), Some(&1));
            }
        }

        #[test]
        fn never_panics(uri in "\\PC*") {
            let plan = plan("33", "00", "0");
            let _ = (plan.text(&uri), Name::of(&uri).is_some(), Plain::of(&uri).is_some());
        }
    }
}
