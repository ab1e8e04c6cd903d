//! Redundant audio data (RFC 2198): a packet with its predecessors' payloads in front of its own.

/// Octets of a block header that another follows.
const HEADER: usize = 4;

/// The primary encoding of a payload: its payload type and its octets. `None` when the headers and lengths don't fit.
pub(crate) fn primary(payload: &[u8]) -> Option<(u8, &[u8])> {
    let (mut rest, mut redundant) = (payload, 0_usize);
    loop {
        let first = *rest.first()?;
        if first & 0x80 == 0 {
            // 3: the last header is one octet, and what is left over is its block.
            return Some((first, rest.get(1 + redundant..)?));
        }
        let [_, _, high, low] = *rest.first_chunk::<HEADER>()?;
        // 14 bits of timestamp offset, 10 bits of length.
        redundant += usize::from(u16::from_be_bytes([high, low]) & 0x3ff);
        rest = rest.get(HEADER..)?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::primary;

    #[test]
    fn p30_the_primary_is_what_stands_last() {
        // RFC 2198, 4: DVI4 again, 84 octets; then a primary of LPC. Here shorter.
        let payload = [0x80 | 5, 0x0a, 0x00, 3, 7, 1, 1, 1, 9, 9];
        assert_eq!(primary(&payload), Some((7, &[9, 9][..])));
        assert_eq!(primary(&[0, 1, 2]), Some((0, &[1, 2][..])), "no redundancy, as in the first packet");
        assert_eq!(primary(&[0x80, 0, 0, 9, 0, 1]), None, "longer than the packet");
        assert_eq!(primary(&[]), None);
    }

    proptest! {
        #[test]
        fn any_octets(payload in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Some((payload_type, octets)) = primary(&payload) {
                prop_assert!(payload_type < 128 && octets.len() < payload.len());
            }
        }

        #[test]
        fn round_trip(blocks in proptest::collection::vec((0_u8..128, proptest::collection::vec(any::<u8>(), 0..20)), 0..4), last in proptest::collection::vec(any::<u8>(), 0..20)) {
            let mut payload = Vec::new();
            for (payload_type, octets) in &blocks {
                payload.extend([0x80 | payload_type, 0, 0, octets.len() as u8]);
            }
            payload.push(8);
            payload.extend(blocks.iter().flat_map(|(_, octets)| octets));
            payload.extend(&last);
            prop_assert_eq!(primary(&payload), Some((8, &last[..])));
        }
    }
}
