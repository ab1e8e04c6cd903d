//! UDP (RFC 768) and TCP (RFC 9293) headers, and the GTP-U header (TS 29.281) that hides an IP packet behind UDP.

/// A UDP datagram, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Udp<'a> {
    pub(crate) sport: u16,
    pub(crate) dport: u16,
    pub(crate) payload: &'a [u8],
}

/// Reads a UDP header. A length that is wrong either way gives what is there.
#[inline]
pub(crate) fn udp(datagram: &[u8]) -> Option<Udp<'_>> {
    let head = datagram.first_chunk::<8>()?;
    let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
    let end = if length < 8 { datagram.len() } else { length.min(datagram.len()) };
    Some(Udp {
        sport: u16::from_be_bytes([head[0], head[1]]),
        dport: u16::from_be_bytes([head[2], head[3]]),
        payload: &datagram[8..end],
    })
}

/// A TCP segment, borrowed.
#[allow(clippy::struct_excessive_bools, reason = "these are the header's own flags")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tcp<'a> {
    pub(crate) sport: u16,
    pub(crate) dport: u16,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) syn: bool,
    pub(crate) ack_set: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
    pub(crate) payload: &'a [u8],
}

/// Reads a TCP header.
#[inline]
pub(crate) fn tcp(segment: &[u8]) -> Option<Tcp<'_>> {
    let head = segment.first_chunk::<20>()?;
    let header = usize::from(head[12] >> 4) * 4;
    if header < 20 {
        return None;
    }
    let flags = head[13];
    Some(Tcp {
        sport: u16::from_be_bytes([head[0], head[1]]),
        dport: u16::from_be_bytes([head[2], head[3]]),
        seq: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
        ack: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
        syn: flags & 2 != 0,
        ack_set: flags & 16 != 0,
        fin: flags & 1 != 0,
        rst: flags & 4 != 0,
        payload: segment.get(header..)?,
    })
}

/// UDP port of GTP-U.
pub(crate) const GTP_U: u16 = 2152;

/// Extension headers that one GTP-U packet may chain.
const MAX_GTP_EXTENSIONS: usize = 8;

/// The IP packet inside a G-PDU (message type 255), if `payload` is one.
pub(crate) fn gtp_u(payload: &[u8]) -> Option<&[u8]> {
    let head = payload.first_chunk::<8>()?;
    // Version 1, protocol type GTP.
    if head[0] & 0xf0 != 0x30 || head[1] != 255 {
        return None;
    }
    let mut rest = &payload[8..];
    if head[0] & 7 != 0 {
        // Sequence number, N-PDU number, next extension header type: all there when any flag is set.
        let mut next = *rest.get(3)?;
        rest = rest.get(4..)?;
        for _ in 0..MAX_GTP_EXTENSIONS {
            if next == 0 || head[0] & 4 == 0 {
                break;
            }
            let length = usize::from(*rest.first()?) * 4;
            next = *rest.get(length.checked_sub(1)?)?;
            rest = rest.get(length..)?;
        }
    }
    matches!(rest.first()? >> 4, 4 | 6).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn udp_length_may_lie() {
        for (length, want) in [(11u16, &b"abc"[..]), (10, b"ab"), (900, b"abc"), (0, b"abc")] {
            let mut d = vec![0x13, 0xc4, 0, 53];
            d.extend_from_slice(&length.to_be_bytes());
            d.extend_from_slice(&[0, 0]);
            d.extend_from_slice(b"abc");
            let u = udp(&d).unwrap();
            assert_eq!((u.sport, u.dport, u.payload), (5060, 53, want));
        }
    }

    #[test]
    fn gtp_u_with_an_extension_header() {
        let mut p = vec![0x34, 255, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0x10, 0x09, 0, 0x45, 0];
        assert_eq!(gtp_u(&p), Some(&[0x45, 0][..]));
        p[1] = 1; // echo request
        assert_eq!(gtp_u(&p), None);
    }

    proptest! {
        #[test]
        fn never_panics(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (udp(&octets), tcp(&octets), gtp_u(&octets));
        }
    }
}
