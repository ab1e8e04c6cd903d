//! IP addresses and prefixes that a subscriber holds.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address with the number of its leading bits that count; the others are zero, so that one prefix has one spelling.
/// An address in IPv6-mapped form is IPv4.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Prefix {
    ip: IpAddr,
    length: u8,
}

/// Bits of a whole address.
const fn bits(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

impl Prefix {
    /// `None` when `length` is more than the address has bits.
    pub(crate) fn new(ip: IpAddr, length: u8) -> Option<Self> {
        let mapped = ip.to_canonical();
        let length = if mapped.is_ipv4() && ip.is_ipv6() { length.checked_sub(96)? } else { length };
        (length <= bits(mapped)).then(|| Self { ip: mask(mapped, length), length })
    }

    /// One address.
    pub(crate) fn host(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        Self { ip, length: bits(ip) }
    }

    /// The first address.
    pub(crate) const fn ip(self) -> IpAddr {
        self.ip
    }

    pub(crate) const fn is_ipv4(self) -> bool {
        self.ip.is_ipv4()
    }

    pub(crate) const fn length(self) -> u8 {
        self.length
    }

    /// The prefix of `length` bits that this one lies in; itself when it isn't longer.
    #[must_use]
    pub(crate) fn widened(self, length: u8) -> Self {
        let length = length.min(self.length);
        Self { ip: mask(self.ip, length), length }
    }

    /// `192.0.2.1`, `2001:db8::/56`.
    pub(crate) fn text(self) -> String {
        if self.length == bits(self.ip) {
            self.ip.to_string()
        } else {
            format!("{}/{}", self.ip, self.length)
        }
    }

    /// Reads what [`Self::text`] writes. Bits set behind the prefix are a mistake, not a detail: `None`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) if length.bytes().all(|b| b.is_ascii_digit()) => {
                (address, Some(length.parse().ok()?))
            }
            Some(_) => return None,
            None => (text, None),
        };
        let ip: IpAddr = address.parse().ok()?;
        let prefix = Self::new(ip, length.unwrap_or(bits(ip)))?;
        (prefix.ip == ip).then_some(prefix)
    }
}

fn mask(ip: IpAddr, length: u8) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let keep = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() & keep).into()
        }
        IpAddr::V6(ip) => {
            let keep = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            Ipv6Addr::from_bits(ip.to_bits() & keep).into()
        }
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prefix(«redacted»)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_prefix_has_one_spelling() {
        for (text, good) in [
            ("192.0.2.1", true),
            ("192.0.2.0/24", true),
            ("0.0.0.0/0", true),
            ("2001:db8::/56", true),
            ("192.0.2.1/24", false),
            ("192.0.2.0/33", false),
            ("192.0.2.0/+4", false),
            ("2001:db8::1/64", false),
            ("host", false),
        ] {
            let read = Prefix::parse(text);
            assert_eq!(read.map(Prefix::text).as_deref(), good.then_some(text), "{text}");
        }
        let mapped = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(Prefix::host(mapped), Prefix::parse("192.0.2.1").unwrap());
        assert_eq!(Prefix::new(mapped, 128), Prefix::parse("192.0.2.1"));
    }

    proptest! {
        #[test]
        fn a_prefix_holds_its_addresses_and_no_others(a: u128, b: u128, length in 0u8..=128) {
            let of = |bits| Prefix::host(Ipv6Addr::from_bits(bits).into());
            prop_assume!(of(a).length == 128 && of(b).length == 128);
            let prefix = of(a).widened(length);
            let same = length == 0 || (a ^ b) >> (128 - u32::from(length)) == 0;
            prop_assert_eq!(of(b).widened(length) == prefix, same);
        }
    }
}
