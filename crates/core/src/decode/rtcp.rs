//! RTCP: what tells it from RTP on one port, and the packets of a compound (RFC 3550, 6; RFC 5761, 4).

/// Whether a datagram is RTCP and not RTP. RFC 5761, 4 keeps RTP payload types 64 to 95 free, so that the second octet
/// (192 to 223) tells them apart; that the first length stays within the datagram guards against RTP of senders that
/// don't know that rule.
#[inline]
pub(crate) fn is_rtcp(datagram: &[u8]) -> bool {
    packet_types(datagram).next().is_some_and(|packet_type| (192..=223).contains(&packet_type))
}

/// The types of the packets of a compound (200 SR, 201 RR, 202 SDES, 203 BYE, 204 APP, 205 RTPFB, 206 PSFB, 207 XR),
/// until one doesn't parse: SRTCP and damage end the walk.
pub(crate) fn packet_types(datagram: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let [flags, packet_type, high, low] = *rest.first_chunk::<4>()?;
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        rest = rest.get(length..)?;
        (flags >> 6 == 2).then_some(packet_type)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{is_rtcp, packet_types};

    /// RR of one source without reports, then SDES of one word, then a BYE that is cut.
    const COMPOUND: &[u8] = &[
        0x80, 201, 0, 1, 1, 2, 3, 4, // RR
        0x81, 202, 0, 2, 1, 2, 3, 4, 0, 0, 0, 0, // SDES
        0x81, 203, 0, 9, 1, 2, 3, 4, // BYE
    ];

    #[test]
    fn walks_a_compound_up_to_damage() {
        let found: Vec<_> = packet_types(COMPOUND).collect();
        assert_eq!(found, [201, 202]);
    }

    #[test]
    fn told_from_rtp() {
        assert!(is_rtcp(COMPOUND));
        assert!(!is_rtcp(&[0x80, 0x88, 0, 1, 1, 2, 3, 4]), "RTP, PCMA with marker");
        assert!(!is_rtcp(&[0x80, 0xc8, 0x77, 1, 1, 2, 3, 4]), "RTP of payload type 72: no length of RTCP");
        assert!(!is_rtcp(&[0x00, 200, 0, 1]), "STUN");
        assert!(!is_rtcp(&[]));
    }

    proptest! {
        #[test]
        fn any_octets(datagram in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = is_rtcp(&datagram);
            prop_assert!(4 * packet_types(&datagram).count() <= datagram.len());
        }
    }
}
