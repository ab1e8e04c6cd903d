//! Numbering plans: how the digits dialled behind a switch become an E.164 number.

use std::net::IpAddr;

use hashbrown::HashMap;
use serde::Deserialize;
use smallvec::SmallVec;

use super::number::Number;

/// Shortest string of digits that the international and national prefix rules are applied to. Extensions and short
/// codes are shorter (longest in use: six digits), subscriber numbers with their prefix are not.
pub(crate) const MIN_DIALLED: usize = 7;

/// Prefixes that one plan may name: a country has one to four.
const MAX_PREFIXES: usize = 16;
/// Digits of a prefix, carrier selection included (`00` + `xxx`).
pub(super) const MAX_PREFIX_DIGITS: usize = 8;

/// How numbers are dialled at one place.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "PlanText")]
pub(crate) struct NumberingPlan {
    country_code: Number,
    international_prefixes: SmallVec<[Box<[u8]>; 2]>,
    /// Empty where national numbers are dialled without prefix: they are then not told from other digits.
    national_prefix: Box<[u8]>,
}

/// As the site writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanText {
    country_code: String,
    #[serde(default)]
    international_prefixes: Vec<String>,
    #[serde(default)]
    national_prefix: String,
}

fn is_prefix(text: &str) -> bool {
    text.len() <= MAX_PREFIX_DIGITS && text.bytes().all(|b| b.is_ascii_digit())
}

impl TryFrom<PlanText> for NumberingPlan {
    type Error = &'static str;

    fn try_from(text: PlanText) -> Result<Self, Self::Error> {
        if !(1..=3).contains(&text.country_code.len()) {
            return Err("country_code: one to three digits (E.164, 6.2.1)");
        }
        let country_code = Number::from_digits(text.country_code.as_bytes())
            .ok_or("country_code: digits only, the first not 0, no +")?;
        if text.international_prefixes.len() > MAX_PREFIXES
            || text.international_prefixes.iter().any(|p| p.is_empty() || !is_prefix(p))
        {
            return Err("international_prefixes: at most 16, each of one to eight digits");
        }
        if !is_prefix(&text.national_prefix) {
            return Err("national_prefix: at most eight digits; empty if there is none");
        }
        let into_octets = |prefix: String| prefix.into_bytes().into_boxed_slice();
        Ok(Self {
            country_code,
            international_prefixes: text.international_prefixes.into_iter().map(into_octets).collect(),
            national_prefix: into_octets(text.national_prefix),
        })
    }
}

impl NumberingPlan {
    /// What somebody here reaches by dialling `digits`. `None` when no rule fits: a national number without its prefix
    /// is not guessed, nor is an international one.
    pub(crate) fn dialled(&self, digits: &[u8]) -> Option<Number> {
        if digits.len() < MIN_DIALLED {
            return None;
        }
        // `0033…` begins with the national prefix `0` as well: an international prefix, where one fits, decides alone.
        if let Some(prefix) =
            self.international_prefixes.iter().filter(|p| digits.starts_with(p)).max_by_key(|p| p.len())
        {
            return Number::from_digits(&digits[prefix.len()..]);
        }
        if self.national_prefix.is_empty() {
            return None;
        }
        let national = digits.strip_prefix(&*self.national_prefix)?;
        Number::from_parts(self.country_code, national)
    }

    /// A number that its sender declared to be national (type of number 2): with or without the national prefix.
    pub(crate) fn national(&self, digits: &[u8]) -> Option<Number> {
        self.in_context(self.country_code, digits)
    }

    /// A local number with `phone-context=+…` (RFC 3966, 5.1.5).
    pub(super) fn in_context(&self, context: Number, digits: &[u8]) -> Option<Number> {
        let national = if context == self.country_code && !self.national_prefix.is_empty() {
            digits.strip_prefix(&*self.national_prefix).unwrap_or(digits)
        } else if context != self.country_code && digits.first() == Some(&b'0') {
            // Whether another country's 0 is a prefix (+49) or a part of the number (+39) isn't ours to know.
            return None;
        } else {
            digits
        };
        if national.is_empty() {
            return None;
        }
        Number::from_parts(context, national)
    }
}

/// The site's plan, and those of trunks whose switches dial otherwise.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "PlansText")]
pub(crate) struct NumberingPlans {
    site: NumberingPlan,
    trunks: HashMap<Network, NumberingPlan>,
    /// Prefix lengths in use, longest first, so that a look-up costs one hash a length.
    lengths: SmallVec<[u8; 4]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlansText {
    country_code: String,
    #[serde(default)]
    international_prefixes: Vec<String>,
    #[serde(default)]
    national_prefix: String,
    #[serde(default)]
    trunks: Vec<TrunkText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrunkText {
    network: String,
    country_code: String,
    #[serde(default)]
    international_prefixes: Vec<String>,
    #[serde(default)]
    national_prefix: String,
}

impl TryFrom<PlansText> for NumberingPlans {
    type Error = &'static str;

    fn try_from(text: PlansText) -> Result<Self, Self::Error> {
        let PlansText { country_code, international_prefixes, national_prefix, trunks: texts } = text;
        let site = PlanText { country_code, international_prefixes, national_prefix }.try_into()?;
        let mut trunks = HashMap::with_capacity(texts.len());
        let mut lengths = SmallVec::<[u8; 4]>::new();
        for TrunkText { network, country_code, international_prefixes, national_prefix } in texts {
            let network = Network::parse(&network)
                .ok_or("trunks: network as address/length, no bits set beyond the length")?;
            let plan = PlanText { country_code, international_prefixes, national_prefix }.try_into()?;
            if trunks.insert(network, plan).is_some() {
                return Err("trunks: a network is named twice");
            }
            if !lengths.contains(&network.length) {
                lengths.push(network.length);
            }
        }
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Self { site, trunks, lengths })
    }
}

impl NumberingPlans {
    /// The plan by which signalling from `source` is read: that of the smallest network that holds it, else the site's.
    pub(crate) fn of(&self, source: IpAddr) -> &NumberingPlan {
        self.lengths
            .iter()
            .find_map(|length| self.trunks.get(&Network::around(source, *length)?))
            .unwrap_or(&self.site)
    }

    /// The site's own plan.
    pub(crate) const fn site(&self) -> &NumberingPlan {
        &self.site
    }
}

/// An IP network: the address with all bits beyond the length zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Network {
    address: IpAddr,
    length: u8,
}

impl Network {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
        let address: IpAddr = address.parse().ok()?;
        let length = match length {
            Some(length) => length.parse().ok()?,
            None if address.is_ipv4() => 32,
            None => 128,
        };
        let network = Self::around(address, length)?;
        (network.address == address).then_some(network)
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        Self::around(address, self.length) == Some(*self)
    }

    fn around(address: IpAddr, length: u8) -> Option<Self> {
        let length_beyond = u32::from(if address.is_ipv4() { 32u8 } else { 128 }.checked_sub(length)?);
        let address = match address {
            // A shift by the whole width is no shift at all in hardware: `checked_shl` says so, and /0 keeps nothing.
            IpAddr::V4(v4) => {
                IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(length_beyond).unwrap_or(0)).into())
            }
            IpAddr::V6(v6) => {
                IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(length_beyond).unwrap_or(0)).into())
            }
        };
        Some(Self { address, length })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::identifier) fn plan(
        country_code: &str,
        international: &str,
        national: &str,
    ) -> NumberingPlan {
        PlanText {
            country_code: country_code.to_owned(),
            international_prefixes: vec![international.to_owned()],
            national_prefix: national.to_owned(),
        }
        .try_into()
        .expect("plan")
    }

    fn read(number: Option<Number>) -> String {
        number.map_or_else(String::new, |n| n.digits().as_str().to_owned())
    }

    #[test]
    fn dialling_rules() {
        let france = plan("33", "00", "0");
        assert_eq!(read(france.dialled(b"0612345678")), "33612345678");
        assert_eq!(read(france.dialled(b"0033612345678")), "33612345678");
        assert_eq!(read(france.dialled(b"004420794600")), "4420794600");
        for not_guessed in ["612345678", "33612345678", "1001", "0800", "000612345678", "00", ""] {
            assert_eq!(read(france.dialled(not_guessed.as_bytes())), "", "{not_guessed}");
        }
        let america = plan("1", "011", "1");
        assert_eq!(read(america.dialled(b"14155552671")), "14155552671");
        assert_eq!(read(america.dialled(b"01133612345678")), "33612345678");
        let italy = plan("39", "00", "");
        assert_eq!(read(italy.dialled(b"0669812345")), "");
        assert_eq!(read(italy.national(b"0669812345")), "390669812345");
        let russia = plan("7", "810", "8");
        assert_eq!(read(russia.dialled(b"81033612345678")), "33612345678");
        assert_eq!(read(russia.dialled(b"84951234567")), "74951234567");
    }

    #[test]
    fn the_smallest_network_decides() {
        let plans: NumberingPlans = serde_json::from_str(
            r#"{"country_code": "33", "international_prefixes": ["00"], "national_prefix": "0", "trunks": [
                {"network": "10.0.0.0/8", "country_code": "49", "international_prefixes": ["00"], "national_prefix": "0"},
                {"network": "10.9.0.0/16", "country_code": "44", "international_prefixes": ["00"], "national_prefix": "0"},
                {"network": "2001:db8::/32", "country_code": "1", "international_prefixes": ["011"], "national_prefix": "1"},
                {"network": "10.9.1.1", "country_code": "32", "international_prefixes": ["00"], "national_prefix": "0"}]}"#,
        )
        .expect("plans");
        let of = |ip: &str| read(plans.of(ip.parse().expect("ip")).national(b"612345678"));
        assert_eq!(of("192.0.2.1"), "33612345678");
        assert_eq!(of("10.8.0.1"), "49612345678");
        assert_eq!(of("10.9.0.1"), "44612345678");
        assert_eq!(of("10.9.1.1"), "32612345678");
        assert_eq!(of("2001:db8::1"), "1612345678");
        assert_eq!(of("2001:db9::1"), "33612345678");
    }

    #[test]
    fn a_wrong_plan_is_refused() {
        for bad in [
            r#"{"country_code": "+33"}"#,
            r#"{"country_code": "033"}"#,
            r#"{"country_code": "3333"}"#,
            r#"{"country_code": "33", "national_prefx": "0"}"#,
            r#"{"country_code": "33", "international_prefixes": [""]}"#,
            r##"{"country_code": "33", "national_prefix": "#"}"##,
            r#"{"country_code": "33", "trunks": [{"network": "10.0.0.1/8", "country_code": "44"}]}"#,
            r#"{"country_code": "33", "trunks": [{"network": "10.0.0.0/33", "country_code": "44"}]}"#,
        ] {
            assert!(serde_json::from_str::<NumberingPlans>(bad).is_err(), "{bad}");
        }
    }
}
