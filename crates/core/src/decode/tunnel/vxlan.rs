//! VXLAN (RFC 7348) and its generic protocol extension (draft-ietf-nvo3-vxlan-gpe).

use super::super::link::{self, Network};
use super::mpls;

/// The network identifier is valid: the only flag of plain VXLAN.
const VALID: u8 = 0x08;
/// A next protocol is named.
const NEXT_PROTOCOL: u8 = 0x04;

/// What a VXLAN datagram carries. Reserved bits are checked although receivers ignore them: this is how the header is told
/// from anything else. Group policies set another bit, which is RTP's version: those aren't read.
pub(super) fn vxlan(datagram: &[u8]) -> Option<Network<'_>> {
    let (head, inner) = datagram.split_first_chunk::<8>()?;
    match head {
        [VALID, 0, 0, 0, _, _, _, 0] => Some(link::ethernet(inner, 0)),
        [flags, 0, 0, next, _, _, _, 0] if *flags == VALID | NEXT_PROTOCOL => Some(match next {
            1 | 2 => Network::Ip(inner),
            3 => link::ethernet(inner, 0),
            5 => mpls(inner, 0),
            _ => Network::Other,
        }),
        _ => None,
    }
}
