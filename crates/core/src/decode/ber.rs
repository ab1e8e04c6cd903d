//! ASN.1 basic encoding rules (X.690, 8), as far as TCAP and MAP need them: tag, length, value, borrowed.
//!
//! Our own, because what is wanted is three fields of a few operations: a generated decoder of all of MAP would copy
//! every value and read everything that a hostile sender can put there.

/// Deepest nesting of values of indefinite length. TCAP itself nests five deep.
const MAX_DEPTH: u8 = 16;

/// An element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Element<'a> {
    /// Class, constructed bit and number, as the identifier octet has them; zero for a tag number above 30, which
    /// nothing that we read uses.
    pub(crate) tag: u8,
    pub(crate) value: &'a [u8],
}

/// Splits the first element off. `None` when it is cut short or nested too deep.
pub(crate) fn element(octets: &[u8]) -> Option<(Element<'_>, &[u8])> {
    within(octets, MAX_DEPTH)
}

/// The elements one behind the other; ends at the first that can't be read.
pub(crate) fn elements(octets: &[u8]) -> impl Iterator<Item = Element<'_>> {
    let mut rest = octets;
    std::iter::from_fn(move || {
        let (found, after) = element(rest)?;
        rest = after;
        Some(found)
    })
}

fn within(octets: &[u8], depth: u8) -> Option<(Element<'_>, &[u8])> {
    let (&first, mut rest) = octets.split_first()?;
    let mut tag = first;
    if first & 0x1f == 0x1f {
        tag = 0;
        // X.690, 8.1.2.4: seven bits an octet, the last without the top bit.
        let last = rest.iter().position(|octet| octet & 0x80 == 0)?;
        rest = rest.get(last + 1..)?;
    }
    let (&length, rest) = rest.split_first()?;
    let length = match length {
        0x80 => return indefinite(tag, first, rest, depth),
        0..0x80 => return split(tag, rest, usize::from(length)),
        _ => usize::from(length & 0x7f),
    };
    // Leading zeros are allowed (X.690, 8.1.3.5); a value beyond four octets' worth is in no packet.
    let (octets, rest) = rest.split_at_checked(length)?;
    let length =
        octets.iter().try_fold(0_u32, |sum, octet| Some(sum.checked_mul(256)? | u32::from(*octet)))?;
    split(tag, rest, length as usize)
}

fn split(tag: u8, rest: &[u8], length: usize) -> Option<(Element<'_>, &[u8])> {
    let (value, rest) = rest.split_at_checked(length)?;
    Some((Element { tag, value }, rest))
}

/// X.690, 8.1.3.6: elements up to two zero octets. Only a constructed value may be like that.
fn indefinite(tag: u8, first: u8, octets: &[u8], depth: u8) -> Option<(Element<'_>, &[u8])> {
    let deeper = depth.checked_sub(1).filter(|_| first & 0x20 != 0)?;
    let mut rest = octets;
    loop {
        if let [0, 0, after @ ..] = rest {
            let value = octets.get(..octets.len() - rest.len())?;
            return Some((Element { tag, value }, after));
        }
        (_, rest) = within(rest, deeper)?;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An element of definite length.
    pub(crate) fn built(tag: u8, value: &[u8]) -> Vec<u8> {
        let length = match value.len() {
            n @ 0..0x80 => vec![n as u8],
            n => vec![0x82, (n >> 8) as u8, n as u8],
        };
        [&[tag][..], &length, value].concat()
    }

    #[test]
    fn lengths_of_every_form() {
        for octets in [
            &[0x30, 2, 5, 0, 9][..],
            &[0x30, 0x81, 2, 5, 0, 9],
            &[0x30, 0x83, 0, 0, 2, 5, 0, 9],
            &[0x30, 0x80, 5, 0, 0, 0, 9],
        ] {
            let (found, rest) = element(octets).expect("element");
            assert_eq!((found, rest), (Element { tag: 0x30, value: &[5, 0] }, &[9][..]), "{octets:x?}");
        }
    }

    #[test]
    fn bad_lengths_are_refused() {
        for octets in [
            &[][..],
            &[0x30],
            &[0x30, 3, 5, 0],
            &[0x30, 0x85, 1, 0, 0, 0, 0],
            &[0x04, 0x80, 5, 0, 0, 0],
            &[0x3f, 0x80, 0x80],
            &[0x30, 0x80, 5, 0],
        ] {
            assert_eq!(element(octets), None, "{octets:x?}");
        }
        assert_eq!(element(&[0x30, 0x80].repeat(10_000)), None, "nested for ever");
    }

    proptest! {
        #[test]
        fn never_panics(octets: Vec<u8>) {
            prop_assert!(elements(&octets).map(|e| e.value.len()).sum::<usize>() <= octets.len());
        }

        #[test]
        fn elements_round_trip(tag in 0u8..0x1f, value in proptest::collection::vec(any::<u8>(), 0..300)) {
            let octets = built(tag, &value);
            prop_assert_eq!(element(&octets), Some((Element { tag, value: &value }, &[][..])));
        }
    }
}
