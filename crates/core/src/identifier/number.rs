//! E.164 numbers.

use std::fmt;
use std::num::NonZeroU64;

/// E.164, 6.2.1: country code and national number together have at most 15 digits.
pub(crate) const MAX_DIGITS: usize = 15;

/// An international number without `+`. No country code begins with 0, so the value alone says how many digits there
/// are: eight octets, compared and hashed as an integer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Number(NonZeroU64);

impl Number {
    /// From ASCII digits, the first of which isn't 0; `None` for anything else.
    pub(crate) fn from_digits(digits: &[u8]) -> Option<Self> {
        if digits.len() > MAX_DIGITS || digits.first().is_none_or(|d| *d == b'0') {
            return None;
        }
        Self::append(0, digits)
    }

    /// `country_code` followed by `national`.
    pub(super) fn from_parts(country_code: Self, national: &[u8]) -> Option<Self> {
        if country_code.0.ilog10() as usize + 1 + national.len() > MAX_DIGITS {
            return None;
        }
        Self::append(country_code.0.get(), national)
    }

    /// The callers have checked the length: 15 digits can't overflow.
    fn append(value: u64, digits: &[u8]) -> Option<Self> {
        let mut value = value;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            value = value * 10 + u64::from(digit - b'0');
        }
        NonZeroU64::new(value).map(Self)
    }

    /// The digits, without allocation.
    pub(crate) fn digits(self) -> Digits {
        let mut out = Digits { octets: [b'0'; MAX_DIGITS], start: MAX_DIGITS };
        let mut value = self.0.get();
        while value > 0 && out.start > 0 {
            out.start -= 1;
            out.octets[out.start] = b'0' + (value % 10) as u8;
            value /= 10;
        }
        out
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Number(«redacted»)")
    }
}

/// The digits of a [`Number`].
pub(crate) struct Digits {
    octets: [u8; MAX_DIGITS],
    start: usize,
}

impl Digits {
    /// ASCII digits, no `+`.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.octets[self.start..]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Number;
    use proptest::prelude::*;

    #[test]
    fn only_e164() {
        for bad in ["", "0", "0612345678", "1234567890123456", "33 6", "+33612345678", "٣٣٦"] {
            assert!(Number::from_digits(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(Number::from_digits(b"999999999999999").is_some());
    }

    proptest! {
        #[test]
        fn digits_round_trip(digits in "[1-9][0-9]{0,14}") {
            let number = Number::from_digits(digits.as_bytes()).expect("E.164");
            let written = number.digits();
            prop_assert_eq!(written.as_str(), digits);
        }

        #[test]
        fn distinct_digits_are_distinct(a in "[1-9][0-9]{0,14}", b in "[1-9][0-9]{0,14}") {
            prop_assert_eq!(a == b, Number::from_digits(a.as_bytes()) == Number::from_digits(b.as_bytes()));
        }

        #[test]
        fn octets_never_panic(octets: Vec<u8>) {
            let _ = Number::from_digits(&octets);
        }
    }
}
