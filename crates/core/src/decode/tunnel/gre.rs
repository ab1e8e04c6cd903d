//! GRE (RFC 2784, key and sequence RFC 2890, routing RFC 1701), its version 1 for PPTP (RFC 2637), and ERSPAN
//! (draft-foschiano-erspan), which mirrors a switch's port in it.

use super::super::cursor::Cursor;
use super::super::link::{self, Network};
use super::ppp;

/// Source routes of RFC 1701 in one header. Nobody has sent them for decades; a few are walked over.
const MAX_ROUTES: usize = 8;

/// What GRE says that it carries, where that is no `EtherType` of a frame.
mod kind {
    /// Transparent Ethernet bridging; NVGRE (RFC 7637).
    pub(super) const ETHERNET: u16 = 0x6558;
    pub(super) const PPP: u16 = 0x880b;
    /// ERSPAN type I without, type II with a sequence number.
    pub(super) const ERSPAN: u16 = 0x88be;
    pub(super) const ERSPAN_III: u16 = 0x22eb;
    /// WCCP version 2 puts a redirect header before the packet.
    pub(super) const WCCP: u16 = 0x883e;
}

/// Flags of the first two octets.
mod flag {
    pub(super) const CHECKSUM: u16 = 0x8000;
    pub(super) const ROUTING: u16 = 0x4000;
    pub(super) const KEY: u16 = 0x2000;
    pub(super) const SEQUENCE: u16 = 0x1000;
    /// Version 1 alone.
    pub(super) const ACKNOWLEDGEMENT: u16 = 0x0080;
    pub(super) const VERSION: u16 = 0x0007;
}

/// What a GRE packet carries.
pub(super) fn gre(packet: &[u8]) -> Network<'_> {
    read(Cursor(packet)).unwrap_or(Network::Malformed)
}

fn read(mut at: Cursor<'_>) -> Option<Network<'_>> {
    let (flags, kind) = (at.u16()?, at.u16()?);
    match flags & flag::VERSION {
        0 => version_0(at, flags, kind),
        1 => version_1(at, flags, kind),
        _ => Some(Network::Other),
    }
}

fn version_0(mut at: Cursor<'_>, flags: u16, kind: u16) -> Option<Network<'_>> {
    let has = |bit| usize::from(flags & bit != 0);
    // RFC 1701: the checksum's word is there when either flag is set, as its second half is the routing offset.
    at.take(4 * has(flag::CHECKSUM | flag::ROUTING) + 4 * has(flag::KEY) + 4 * has(flag::SEQUENCE))?;
    if flags & flag::ROUTING != 0 {
        routes(&mut at)?;
    }
    Some(match kind {
        kind::ETHERNET => link::ethernet(at.0, 0),
        kind::PPP => ppp(at.0, 0),
        kind::ERSPAN if flags & flag::SEQUENCE == 0 => link::ethernet(at.0, 0),
        kind::ERSPAN => erspan_2(at)?,
        kind::ERSPAN_III => erspan_3(at)?,
        kind::WCCP if at.0.first()? >> 4 != 4 => Network::Ip(at.0.get(4..)?),
        kind::WCCP => Network::Ip(at.0),
        other => link::payload_of(other, at.0, 0),
    })
}

/// Source routes, each a family, an offset and a length; one without either ends them.
fn routes(at: &mut Cursor<'_>) -> Option<()> {
    for _ in 0..MAX_ROUTES {
        let (family, _, length) = (at.u16()?, at.u8()?, at.u8()?);
        if family == 0 && length == 0 {
            return Some(());
        }
        at.take(usize::from(length))?;
    }
    None
}

/// Version 1 always has a key, whose first half is the payload's length; without a sequence number there is no payload.
fn version_1(mut at: Cursor<'_>, flags: u16, kind: u16) -> Option<Network<'_>> {
    let (length, _call) = (usize::from(at.u16()?), at.u16()?);
    if kind != kind::PPP || flags & flag::KEY == 0 || flags & flag::SEQUENCE == 0 {
        return Some(Network::Other);
    }
    at.take(4)?;
    if flags & flag::ACKNOWLEDGEMENT != 0 {
        at.take(4)?;
    }
    Some(ppp(at.0.get(..length).unwrap_or(at.0), 0))
}

/// Eight octets: version 1 and VLAN, class and session, index.
fn erspan_2(mut at: Cursor<'_>) -> Option<Network<'_>> {
    let head = at.take(8)?;
    Some(if head[0] >> 4 == 1 { link::ethernet(at.0, 0) } else { Network::Other })
}

/// Twelve octets: version 2 and VLAN, class and session, timestamp, group tag, frame type and flags; eight more of the
/// platform when the last bit is set.
fn erspan_3(mut at: Cursor<'_>) -> Option<Network<'_>> {
    let head = at.take(12)?;
    let (version, frame_type, more) = (head[0] >> 4, head[10] >> 2 & 0x1f, head[11] & 1 == 1);
    if more {
        at.take(8)?;
    }
    Some(match (version, frame_type) {
        (2, 0) => link::ethernet(at.0, 0),
        // Frame type 2: an IP packet without its frame.
        (2, 2) if matches!(at.0.first()? >> 4, 4 | 6) => Network::Ip(at.0),
        _ => Network::Other,
    })
}
