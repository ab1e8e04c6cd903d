//! PPP (RFC 1661), as it stands in `PPPoE`, L2TP and PPTP.

use super::super::link::Network;
use super::mpls;

/// PPP protocol numbers.
const IPV4: u16 = 0x0021;
const IPV6: u16 = 0x0057;
const MPLS: u16 = 0x0281;

/// What a PPP frame carries. Address and control octets may be left out (RFC 1661, 6.6), and the protocol's first octet
/// when it is zero (6.5): no protocol number has an odd first octet or an even last one.
pub(in super::super) fn ppp(frame: &[u8], depth: usize) -> Network<'_> {
    let frame = frame.strip_prefix(&[0xff, 0x03]).unwrap_or(frame);
    let (number, rest) = match frame {
        [low, rest @ ..] if low & 1 == 1 => (u16::from(*low), rest),
        [high, low, rest @ ..] => (u16::from_be_bytes([*high, *low]), rest),
        _ => return Network::Malformed,
    };
    match number {
        IPV4 | IPV6 => match rest.first().map(|b| b >> 4) {
            Some(4 | 6) => Network::Ip(rest),
            Some(_) => Network::Other,
            None => Network::Malformed,
        },
        MPLS => mpls(rest, depth + 1),
        _ => Network::Other,
    }
}
