//! Telephony BCD: two digits an octet, the first in the low half, `F` fills an odd last half (TS 29.002, 17.7.8
//! `TBCD-STRING`; TS 24.008, 10.5.4.7).

/// Digits that a subscriber number or identity can have: IMSI, MSISDN (15, E.164 6.2.1) and IMEISV (16).
pub(crate) const MAX_DIGITS: usize = 16;

/// ASCII digits of a TBCD string. `None` for what holds no digit, more than [`MAX_DIGITS`], one of `*#abc`, or a digit
/// behind the filler.
pub(crate) fn digits(octets: &[u8]) -> Option<Digits> {
    let mut found = Digits { ascii: [0; MAX_DIGITS], length: 0 };
    let mut ended = false;
    for nibble in octets.iter().flat_map(|b| [b & 15, b >> 4]) {
        match nibble {
            0..=9 if !ended => {
                *found.ascii.get_mut(found.length)? = b'0' + nibble;
                found.length += 1;
            }
            15 => ended = true,
            _ => return None,
        }
    }
    (found.length > 0).then_some(found)
}

/// What [`digits`] has read.
#[derive(Clone, Copy)]
pub(crate) struct Digits {
    ascii: [u8; MAX_DIGITS],
    length: usize,
}

impl Digits {
    /// ASCII.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.ascii[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digits_come_low_half_first_and_end_at_the_filler() {
        assert_eq!(digits(&[0x64, 0x00, 0xf1]).map(|d| d.as_bytes().to_vec()), Some(b"46001".to_vec()));
        for bad in [&[][..], &[0xff], &[0xf1, 0x21], &[0x1f], &[0xa1], &[0x11; 9]] {
            assert!(digits(bad).is_none(), "{bad:x?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(octets: Vec<u8>) {
            let _ = digits(&octets);
        }
    }
}
