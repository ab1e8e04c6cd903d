//! Teredo (RFC 4380): IPv6 over UDP through a NAT.

use super::plausible::{self, Trust};

/// `2001:0::/32` (RFC 4380, 2.6): an address of a client stands on one side at least.
const PREFIX: [u8; 4] = [0x20, 0x01, 0, 0];

/// The IPv6 packet of a datagram from or to a server, behind an authentication and an origin indication if they are
/// there, in this order (RFC 4380, 5.1.1).
pub(super) fn server(datagram: &[u8], trust: Trust) -> Option<&[u8]> {
    let mut rest = datagram;
    if let [0, 1, client, authentication, ..] = rest {
        // Both values, a nonce of eight octets, a confirmation of one.
        rest = rest.get(4 + usize::from(*client) + usize::from(*authentication) + 9..)?;
    }
    if let [0, 0, ..] = rest {
        // The mapped port and address.
        rest = rest.get(8..)?;
    }
    (rest.first()? >> 4 == 6).then(|| plausible::ip(rest, trust)).flatten()
}

/// The IPv6 packet of a datagram between clients, which use ports of their own: its length is exact and one of its
/// addresses is a client's.
pub(crate) fn peer(datagram: &[u8]) -> Option<&[u8]> {
    let head = datagram.first_chunk::<40>()?;
    let client = head[8..12] == PREFIX || head[24..28] == PREFIX;
    let exact = datagram.len() == 40 + usize::from(u16::from_be_bytes([head[4], head[5]]));
    (head[0] >> 4 == 6 && client && exact).then_some(datagram)
}
