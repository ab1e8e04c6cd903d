//! SCCP's connectionless messages (Q.713, 4.10 to 4.20): user data with where it stands in a longer message.
//!
//! The addresses are those of switches and service centres, which are nobody's identity, so they are stepped over.

use super::cursor::Cursor;

/// User data of UDT, XUDT or LUDT. Their returned twins (UDTS, …) bring back what was seen on its way out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unitdata<'a> {
    /// Called and calling party address: with the reference they name a segmented message.
    pub(crate) called: &'a [u8],
    pub(crate) calling: &'a [u8],
    pub(crate) segment: Option<Segment>,
    pub(crate) data: &'a [u8],
}

/// Segmentation parameter (Q.713, 3.17).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    pub(crate) first: bool,
    /// Segments that follow.
    pub(crate) remaining: u8,
    /// Segmentation local reference.
    pub(crate) reference: u32,
}

/// Message types (Q.713, table 1).
const UDT: u8 = 0x09;
const XUDT: u8 = 0x11;
const LUDT: u8 = 0x13;

/// Optional parameters (Q.713, table 2).
const END_OF_OPTIONAL_PARAMETERS: u8 = 0;
const SEGMENTATION: u8 = 0x10;

/// Reads a message; `None` for connection-oriented ones, returned ones and damage.
pub(crate) fn unitdata(octets: &[u8]) -> Option<Unitdata<'_>> {
    let mut cursor = Cursor(octets);
    let kind = cursor.u8()?;
    let fixed = match kind {
        UDT => 1,
        // Protocol class, then hop counter.
        XUDT | LUDT => 2,
        _ => return None,
    };
    cursor.take(fixed)?;
    let is_long = kind == LUDT;
    let called = variable(&mut cursor, is_long, false)?;
    let calling = variable(&mut cursor, is_long, false)?;
    let data = variable(&mut cursor, is_long, is_long)?;
    let segment = if kind == UDT { None } else { segment(cursor.0, is_long) };
    Some(Unitdata { called, calling, segment, data })
}

/// A parameter behind a pointer. Q.713, 3.4: a pointer of one octet counts from itself, one of two from its second.
fn variable<'a>(cursor: &mut Cursor<'a>, is_long: bool, is_long_value: bool) -> Option<&'a [u8]> {
    let mut value = Cursor(behind(cursor, is_long)?);
    if is_long_value {
        // Low octet first.
        let length = u16::from_le_bytes(*value.take(2)?.first_chunk()?);
        value.take(usize::from(length))
    } else {
        value.vec8()
    }
}

/// What a pointer points to; nothing when it is zero.
fn behind<'a>(cursor: &mut Cursor<'a>, is_long: bool) -> Option<&'a [u8]> {
    let (from, pointer) = if is_long {
        let pointer = usize::from(u16::from_le_bytes(*cursor.take(2)?.first_chunk()?));
        (cursor.0, pointer.checked_sub(1))
    } else {
        let from = cursor.0;
        let pointer = usize::from(cursor.u8()?);
        (from, Some(pointer).filter(|p| *p > 0))
    };
    from.get(pointer?..)
}

fn segment(octets: &[u8], is_long: bool) -> Option<Segment> {
    let mut cursor = Cursor(octets);
    let mut optional = Cursor(behind(&mut cursor, is_long)?);
    loop {
        match optional.u8()? {
            END_OF_OPTIONAL_PARAMETERS => return None,
            name => {
                let value = optional.vec8()?;
                if let (SEGMENTATION, &[head, r0, r1, r2]) = (name, value) {
                    let reference = u32::from_le_bytes([r0, r1, r2, 0]);
                    return Some(Segment { first: head & 0x80 != 0, remaining: head & 15, reference });
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A UDT.
    pub(crate) fn udt(data: &[u8]) -> Vec<u8> {
        [&[UDT, 0, 3, 5, 7, 2, 0x42, 8, 2, 0x42, 6, data.len() as u8], data].concat()
    }

    /// An XUDT with a segmentation parameter.
    pub(crate) fn xudt(first: bool, remaining: u8, reference: u8, data: &[u8]) -> Vec<u8> {
        let optional = 8 + data.len() as u8;
        let head = [XUDT, 0x81, 15, 4, 6, 8, optional, 2, 0x42, 8, 2, 0x42, 6, data.len() as u8];
        let segment = [SEGMENTATION, 4, u8::from(first) << 7 | remaining, reference, 0, 0, 0];
        [&head, data, &segment].concat()
    }

    #[test]
    fn unitdata_of_three_kinds() {
        assert_eq!(unitdata(&udt(b"abc")).map(|u| (u.data, u.calling)), Some((&b"abc"[..], &[0x42, 6][..])));
        let extended = xudt(true, 1, 77, b"abc");
        let read = unitdata(&extended).expect("XUDT");
        assert_eq!(
            (read.data, read.segment),
            (&b"abc"[..], Some(Segment { first: true, remaining: 1, reference: 77 }))
        );
        let long =
            [&[LUDT, 0, 15, 7, 0, 8, 0, 9, 0, 0, 0, 2, 0x42, 8, 2, 0x42, 6, 3, 0][..], b"abc"].concat();
        assert_eq!(unitdata(&long).map(|u| (u.data, u.called)), Some((&b"abc"[..], &[0x42, 8][..])));
    }

    #[test]
    fn what_was_returned_is_not_read_again() {
        let mut returned = udt(b"abc");
        returned[0] = 0x0a;
        assert_eq!(unitdata(&returned), None);
    }

    proptest! {
        #[test]
        fn never_panics(octets: Vec<u8>, kind in prop::sample::select(vec![UDT, XUDT, LUDT])) {
            let _ = unitdata(&octets);
            let _ = unitdata(&[&[kind], &octets[..]].concat());
        }
    }
}
