//! L2TP version 2 (RFC 2661) and version 3 (RFC 3931), the latter over UDP or over IP.

use super::super::cursor::Cursor;
use super::plausible::{self, Trust, inner_ip};
use super::ppp;

/// Flags of the first octet.
const CONTROL: u8 = 0x80;
const LENGTH: u8 = 0x40;
const SEQUENCE: u8 = 0x08;
const OFFSET: u8 = 0x02;

/// The IP packet of an L2TP data message over UDP.
pub(super) fn udp(datagram: &[u8], trust: Trust) -> Option<&[u8]> {
    let mut at = Cursor(datagram);
    let (flags, version) = (at.u8()?, at.u8()?);
    match version {
        _ if flags & CONTROL != 0 => None,
        2 => version_2(at, flags, trust),
        // RFC 3931, 4.1.2.1: the flags are zero, and sixteen bits after the version are reserved.
        3 if flags == 0 && at.u16()? == 0 => ip(at.0),
        _ => None,
    }
}

fn version_2(mut at: Cursor<'_>, flags: u8, trust: Trust) -> Option<&[u8]> {
    if flags & LENGTH != 0 {
        // Counts from the first octet; two are flags and two are this length.
        let left = usize::from(at.u16()?).checked_sub(4)?;
        at.0 = at.0.get(..left).unwrap_or(at.0);
    }
    let (_tunnel, _session) = (at.u16()?, at.u16()?);
    if flags & SEQUENCE != 0 {
        at.take(4)?;
    }
    if flags & OFFSET != 0 {
        let padding = at.u16()?;
        at.take(usize::from(padding))?;
    }
    inner_ip(ppp(at.0, 0), trust)
}

/// The IP packet of a version 3 data message behind its UDP header, or of one over IP (protocol 115): a session, a cookie
/// of none, four or eight octets, perhaps four octets of sequence. Cookie and sequence are agreed on by the two ends and
/// told by nothing, so each place is tried, and the inner header must check in every way.
pub(super) fn ip(message: &[u8]) -> Option<&[u8]> {
    const PLACES: [usize; 4] = [0, 4, 8, 12];
    let (session, rest) = message.split_first_chunk::<4>()?;
    // Session zero is the control channel.
    if *session == [0; 4] {
        return None;
    }
    PLACES.into_iter().find_map(|place| {
        let inner = rest.get(place..)?;
        plausible::ethernet(inner, 0, Trust::Guessed)
            .or_else(|| inner_ip(ppp(inner, 0), Trust::Guessed))
            .or_else(|| plausible::ip(inner, Trust::Guessed))
    })
}
