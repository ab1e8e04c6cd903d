//! Units of a pcapng timestamp: `if_tsresol` and `if_tsoffset` (draft-ietf-opsawg-pcapng, 4.2).

use mandat_core::Time;

/// How an interface counts time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Resolution {
    /// A unit of this many nanoseconds.
    Nanoseconds(u64),
    /// This many units to the nanosecond.
    PerNanosecond(u64),
    /// A unit of 2^-n seconds.
    Binary(u8),
}

impl Resolution {
    /// Without `if_tsresol` the unit is a microsecond.
    pub(crate) const DEFAULT: Self = Self::Nanoseconds(1000);

    /// Reads the option's octet: bit 7 chooses a power of two, else of ten; the rest is the negative exponent.
    pub(crate) fn from_option(octet: u8) -> Self {
        let exponent = u32::from(octet & 0x7f);
        if octet & 0x80 != 0 {
            Self::Binary(octet & 0x7f)
        } else if exponent <= 9 {
            Self::Nanoseconds(10_u64.pow(9 - exponent))
        } else {
            // Beyond 10^19 units to the nanosecond 64 bits don't reach one nanosecond.
            Self::PerNanosecond(10_u64.checked_pow(exponent - 9).unwrap_or(u64::MAX))
        }
    }

    /// `units` since the epoch plus `offset` seconds; saturates at the ends of [`Time`].
    #[inline]
    pub(crate) fn time(self, units: u64, offset: i64) -> Time {
        let nanoseconds = match self {
            Self::Nanoseconds(each) => units.checked_mul(each).and_then(|ns| i64::try_from(ns).ok()),
            Self::PerNanosecond(units_each) => i64::try_from(units / units_each).ok(),
            Self::Binary(exponent) => i64::try_from((u128::from(units) * 1_000_000_000) >> exponent).ok(),
        };
        Time(nanoseconds.unwrap_or(i64::MAX)).plus_seconds(offset)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_decimal_and_binary_unit_names_the_same_moment() {
        for exponent in 0..=9 {
            let units = 1_780_000_000_u64 * 10_u64.pow(u32::from(exponent));
            assert_eq!(Resolution::from_option(exponent).time(units, 0), Time(1_780_000_000_000_000_000));
        }
        assert_eq!(Resolution::from_option(12).time(1_234_567_891_234, 0), Time(1_234_567_891));
        assert_eq!(Resolution::from_option(0x80 | 0x0a).time(3 << 9, 0), Time(1_500_000_000));
        assert_eq!(Resolution::from_option(0x80 | 0x20).time((7 << 32) + (1 << 31), 0), Time(7_500_000_000));
        assert_eq!(Resolution::from_option(6), Resolution::DEFAULT);
    }

    #[test]
    fn the_offset_is_in_seconds_and_may_be_negative() {
        assert_eq!(Resolution::DEFAULT.time(5_000_000, -7), Time(-2_000_000_000));
    }

    proptest! {
        #[test]
        fn no_octet_and_no_count_overflows(octet: u8, units: u64, offset: i64) {
            let later = Resolution::from_option(octet).time(units, offset);
            prop_assert!(later >= Resolution::from_option(octet).time(units / 2, offset));
        }
    }
}
