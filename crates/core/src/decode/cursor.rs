//! A place in a borrowed buffer, for formats made of integers and length-prefixed vectors (TLS, QUIC, DNS).
//! Every read says `None` at the end of the buffer and moves nothing; nothing here can panic.

/// What is left to read.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|b| u16::from_be_bytes([b[0], b[1]]))
    }

    pub(crate) fn u24(&mut self) -> Option<u32> {
        self.take(3).map(|b| u32::from_be_bytes([0, b[0], b[1], b[2]]))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// `opaque<0..2^8-1>` of the TLS presentation language (RFC 8446, 3.4).
    pub(crate) fn vec8(&mut self) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let n = usize::from(ahead.u8()?);
        let body = ahead.take(n)?;
        *self = ahead;
        Some(body)
    }

    /// `opaque<0..2^16-1>`.
    pub(crate) fn vec16(&mut self) -> Option<&'a [u8]> {
        let mut ahead = *self;
        let n = usize::from(ahead.u16()?);
        let body = ahead.take(n)?;
        *self = ahead;
        Some(body)
    }

    /// QUIC variable-length integer: the two top bits say how many octets (RFC 9000, 16).
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let first = *self.0.first()?;
        let octets = self.take(1 << (first >> 6))?;
        let head = u64::from(first & 0x3f);
        Some(octets[1..].iter().fold(head, |value, b| value << 8 | u64::from(*b)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9000, A.1.
    #[test]
    fn the_rfcs_varints_have_their_values() {
        for (octets, value) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ] {
            let mut cursor = Cursor(octets);
            assert_eq!(cursor.varint(), Some(value));
            assert!(cursor.0.is_empty());
        }
    }

    #[test]
    fn a_read_past_the_end_moves_nothing() {
        let mut cursor = Cursor(&[0, 5, 1]);
        assert_eq!(cursor.vec16(), None);
        assert_eq!(cursor.varint(), Some(0));
        assert_eq!(cursor.vec8(), None);
        assert_eq!(cursor.0, [5, 1]);
    }
}
