//! RTP (RFC 3550, 5.1).

/// Octets of the fixed header.
const HEADER: usize = 12;

/// One RTP packet, borrowed.
pub(crate) struct Packet<'a> {
    /// Seven bits; the eighth is the marker, whose meaning is the profile's business.
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    /// Synchronisation source.
    pub(crate) ssrc: u32,
    /// Without CSRC list, header extension and padding.
    pub(crate) payload: &'a [u8],
}

impl std::fmt::Debug for Packet<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packet").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

/// Whether the first octet says version 2, as RTP and RTCP have it. STUN, DTLS and ZRTP differ here (RFC 7983, 7).
#[inline]
pub(crate) fn is_version_2(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|b| b >> 6 == 2)
}

/// Octets of the header with CSRC list and extension: what SRTP leaves in the clear (RFC 3711, 3.1). `None` when it
/// isn't version 2 or isn't whole.
#[inline]
pub(crate) fn header_length(datagram: &[u8]) -> Option<usize> {
    let flags = *datagram.first_chunk::<HEADER>()?.first()?;
    if flags >> 6 != 2 {
        return None;
    }
    let mut offset = HEADER + 4 * usize::from(flags & 0x0f);
    if flags & 0x10 != 0 {
        // 5.3.1: 16 bits of profile, 16 bits of length in words.
        let [_, _, high, low] = *datagram.get(offset..)?.first_chunk::<4>()?;
        offset += 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
    }
    (offset <= datagram.len()).then_some(offset)
}

impl<'a> Packet<'a> {
    /// Reads a datagram. `None` when it isn't version 2 or its header isn't whole. That the addresses are known from
    /// SDP is what makes it RTP; the format itself has no mark of its own.
    #[inline]
    pub(crate) fn parse(datagram: &'a [u8]) -> Option<Self> {
        let (header, _) = datagram.split_first_chunk::<HEADER>()?;
        let [flags, type_octet, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *header;
        let mut payload = datagram.get(header_length(datagram)?..)?;
        if flags & 0x20 != 0
            && let Some(padding) = payload.last()
        {
            // A count that doesn't fit says nothing, most often because the snapshot length cut it off: keep all.
            let kept = payload.len().checked_sub(usize::from(*padding)).filter(|_| *padding > 0);
            payload = kept.and_then(|n| payload.get(..n)).unwrap_or(payload);
        }
        Some(Self {
            payload_type: type_octet & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Packet;

    #[test]
    fn steps_over_csrc_extension_and_padding() {
        let mut datagram = vec![0xb2, 0x88, 0xff, 0xfe, 0, 0, 0, 1, 0xde, 0xad, 0xbe, 0xef];
        datagram.extend_from_slice(&[0; 8]); // two CSRC
        datagram.extend_from_slice(&[0xbe, 0xde, 0, 1, 1, 2, 3, 4]); // one word of extension
        datagram.extend_from_slice(b"sound");
        datagram.extend_from_slice(&[0, 0, 3]);
        let packet = Packet::parse(&datagram).expect("a packet");
        assert_eq!((packet.payload_type, packet.sequence, packet.timestamp), (8, 0xfffe, 1));
        assert_eq!(packet.ssrc, 0xdead_beef);
        assert_eq!(packet.payload, b"sound");
    }

    #[test]
    fn padding_that_does_not_fit_is_kept() {
        let datagram = [0xa0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 7, 9];
        assert_eq!(Packet::parse(&datagram).expect("a packet").payload, [7, 9]);
    }

    #[test]
    fn refuses_other_versions_and_cut_headers() {
        let good = [0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];
        assert!(Packet::parse(&good).is_some_and(|p| p.payload.is_empty()));
        for cut in 0..good.len() {
            assert!(Packet::parse(&good[..cut]).is_none());
        }
        for first in [0x00, 0x40, 0xc0, 0x81, 0x90] {
            let mut bad = good;
            bad[0] = first;
            assert!(Packet::parse(&bad).is_none(), "{first:#x}");
        }
    }

    proptest! {
        #[test]
        fn any_octets(datagram in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(packet) = Packet::parse(&datagram) {
                prop_assert!(packet.payload.len() + super::HEADER <= datagram.len());
            }
        }

        #[test]
        fn round_trip(pt in 0_u8..128, sequence: u16, timestamp: u32, ssrc: u32, payload in proptest::collection::vec(any::<u8>(), 0..50)) {
            let mut datagram = vec![0x80, pt];
            datagram.extend(sequence.to_be_bytes());
            datagram.extend(timestamp.to_be_bytes());
            datagram.extend(ssrc.to_be_bytes());
            datagram.extend(&payload);
            let packet = Packet::parse(&datagram).expect("a packet");
            prop_assert_eq!((packet.payload_type, packet.sequence, packet.timestamp, packet.ssrc), (pt, sequence, timestamp, ssrc));
            prop_assert_eq!(packet.payload, &payload[..]);
        }
    }
}
