//! TZSP, with which routers and access points send copies of what they see.

use super::super::link::{self, Network};

/// Tags of one header; the known ones are a dozen.
const MAX_TAGS: usize = 32;
const TAG_PADDING: u8 = 0;
const TAG_END: u8 = 1;
/// Encapsulated protocol.
const ETHERNET: u16 = 1;

/// The frame in a TZSP datagram.
pub(super) fn tzsp(datagram: &[u8]) -> Option<Network<'_>> {
    // Version 1; type 0 is a received packet and 1 one that is to be sent.
    let [1, 0 | 1, high, low, tags @ ..] = datagram else { return None };
    let mut rest = tags;
    if u16::from_be_bytes([*high, *low]) != ETHERNET {
        return None;
    }
    for _ in 0..MAX_TAGS {
        rest = match rest {
            [TAG_END, frame @ ..] => return Some(link::ethernet(frame, 0)),
            [TAG_PADDING, rest @ ..] => rest,
            [_, length, rest @ ..] => rest.get(usize::from(*length)..)?,
            _ => return None,
        };
    }
    None
}
