//! MPLS label stacks (RFC 3032) and what stands below them: IP, or a pseudowire with an Ethernet frame (RFC 4448), with
//! or without a control word (RFC 4385).
//!
//! Nothing in the packet says what the last label stands for: the two ends have agreed on it. RFC 4928 and RFC 8469 tell
//! routers to look at the first nibble, and so does this.

use super::super::link::Network;
use super::plausible::{self, Trust};

/// Labels of one stack. Segment routing stacks ten or twelve; more is damage.
const MAX_LABELS: usize = 16;

/// What stands below a label stack.
pub(in super::super) fn mpls(octets: &[u8], depth: usize) -> Network<'_> {
    let mut rest = octets;
    for _ in 0..MAX_LABELS {
        let [_, _, low, _, below @ ..] = rest else { return Network::Malformed };
        if low & 1 == 1 {
            return bottom(below, depth + 1);
        }
        rest = below;
    }
    Network::Malformed
}

fn bottom(below: &[u8], depth: usize) -> Network<'_> {
    let Some(first) = below.first() else { return Network::Malformed };
    let frame = |at: usize| plausible::ethernet(below.get(at..)?, depth, Trust::Cut);
    let found = match first >> 4 {
        // An address of an Ethernet frame may begin with 4 or 6, too: the checksum decides between the two.
        4 | 6 => plausible::ip(below, Trust::Guessed).or_else(|| frame(0)).or(Some(below)),
        // The control word, of which the first nibble is zero; or a frame to an address that begins so.
        0 => frame(4).or_else(|| frame(0)),
        // 1 is the associated channel (RFC 4385, 5): management, no traffic.
        1 => None,
        _ => frame(0),
    };
    found.map_or(Network::Other, Network::Ip)
}
