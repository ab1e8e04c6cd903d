//! RTCP: what tells it from RTP on one port, and the packets of a compound (RFC 3550, 6; RFC 5761, 4).

/// One packet of a compound, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Packet<'a> {
    /// 200 SR, 201 RR, 202 SDES, 203 BYE, 204 APP, 205 RTPFB, 206 PSFB, 207 XR.
    pub(crate) packet_type: u8,
    /// Five bits whose meaning depends on the type: reports, sources, feedback format.
    pub(crate) count: u8,
    /// Behind the four octets of header.
    pub(crate) body: &'a [u8],
}

/// Whether a datagram is RTCP and not RTP. RFC 5761, 4 keeps RTP payload types 64 to 95 free, so that the second octet
/// (192 to 223) tells them apart; that the first length stays within the datagram guards against RTP of senders that
/// don't know that rule.
#[inline]
pub(crate) fn is_rtcp(datagram: &[u8]) -> bool {
    let Some([flags, packet_type, high, low]) = datagram.first_chunk::<4>() else { return false };
    flags >> 6 == 2
        && (192..=223).contains(packet_type)
        && 4 * (usize::from(u16::from_be_bytes([*high, *low])) + 1) <= datagram.len()
}

/// The packets of a compound, until one doesn't parse: SRTCP and damage end the walk, not the program.
pub(crate) fn packets(datagram: &[u8]) -> impl Iterator<Item = Packet<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let [flags, packet_type, high, low] = *rest.first_chunk::<4>()?;
        if flags >> 6 != 2 {
            return None;
        }
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        let body = rest.get(4..length)?;
        rest = rest.get(length..)?;
        Some(Packet { packet_type, count: flags & 0x1f, body })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{is_rtcp, packets};

    /// RR of one source without reports, then SDES of one word, then a BYE that is cut.
    const COMPOUND: &[u8] = &[
        0x80, 201, 0, 1, 1, 2, 3, 4, // RR
        0x81, 202, 0, 2, 1, 2, 3, 4, 0, 0, 0, 0, // SDES
        0x81, 203, 0, 9, 1, 2, 3, 4, // BYE
    ];

    #[test]
    fn walks_a_compound_up_to_damage() {
        let found: Vec<_> = packets(COMPOUND).map(|p| (p.packet_type, p.count, p.body.len())).collect();
        assert_eq!(found, [(201, 0, 4), (202, 1, 8)]);
    }

    #[test]
    fn told_from_rtp() {
        assert!(is_rtcp(COMPOUND));
        assert!(!is_rtcp(&[0x80, 0x80 | 8, 0, 1, 1, 2, 3, 4]), "RTP, PCMA with marker");
        assert!(
            !is_rtcp(&[0x80, 0x80 | 72, 0x77, 1, 1, 2, 3, 4]),
            "RTP of payload type 72: no length of RTCP"
        );
        assert!(!is_rtcp(&[0x00, 200, 0, 1]), "STUN");
        assert!(!is_rtcp(&[]));
    }

    proptest! {
        #[test]
        fn any_octets(datagram in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = is_rtcp(&datagram);
            let total: usize = packets(&datagram).map(|p| p.body.len() + 4).sum();
            prop_assert!(total <= datagram.len());
        }
    }
}
