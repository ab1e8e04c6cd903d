//! Geneve (RFC 8926).

use super::super::link::{self, Network};

/// Transparent Ethernet bridging.
const ETHERNET: u16 = 0x6558;

/// What a Geneve datagram carries. Options are walked over as a whole: their length stands in the header, and none of
/// them changes where the payload is.
pub(super) fn geneve(datagram: &[u8]) -> Option<Network<'_>> {
    let (head, rest) = datagram.split_first_chunk::<8>()?;
    let [lengths, flags, high, low, _, _, _, 0] = head else { return None };
    // Version 0; bits behind O (control) and C (critical options) are reserved.
    if lengths >> 6 != 0 || flags & 0x3f != 0 {
        return None;
    }
    let inner = rest.get(usize::from(lengths & 0x3f) * 4..)?;
    Some(match u16::from_be_bytes([*high, *low]) {
        ETHERNET => link::ethernet(inner, 0),
        kind => link::payload_of(kind, inner, 0),
    })
}
