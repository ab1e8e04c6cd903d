//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv6 extension headers that one packet may chain; RFC 8200 asks for each at most once or twice.
const MAX_EXTENSIONS: usize = 10;

/// IP protocol numbers that we go into.
pub(crate) mod protocol {
    pub(crate) const IPIP: u8 = 4;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const IPV6: u8 = 41;
    /// RFC 2784.
    pub(crate) const GRE: u8 = 47;
    pub(crate) const ESP: u8 = 50;
    /// Authentication header (RFC 4302).
    pub(crate) const AH: u8 = 51;
    /// RFC 3378.
    pub(crate) const ETHERIP: u8 = 97;
    /// RFC 3931, version 3 without UDP.
    pub(crate) const L2TP: u8 = 115;
    pub(crate) const SCTP: u8 = 132;
    /// RFC 4023.
    pub(crate) const MPLS: u8 = 137;
}

/// An IP packet, borrowed; padding behind its stated length is already cut off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ip<'a> {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) payload: &'a [u8],
    /// Set when the payload is a piece of a larger datagram.
    pub(crate) fragment: Option<Fragment>,
    /// The header says that there were more octets than were captured.
    pub(crate) cut: bool,
}

/// Where a fragment belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fragment {
    pub(crate) id: u32,
    /// Octets from the start of the datagram's payload.
    pub(crate) offset: u32,
    pub(crate) more: bool,
}

/// Reads an IP header and, for IPv6, the extension headers behind it.
pub(crate) fn parse(packet: &[u8]) -> Option<Ip<'_>> {
    match packet.first()? >> 4 {
        4 => v4(packet),
        6 => v6(packet),
        _ => None,
    }
}

#[inline]
fn v4(packet: &[u8]) -> Option<Ip<'_>> {
    let head = packet.first_chunk::<20>()?;
    let header = usize::from(head[0] & 15) * 4;
    let stated = usize::from(u16::from_be_bytes([head[2], head[3]]));
    // Zero: the capture was taken before segmentation offload filled it in. The packet is what was captured.
    let total = if stated == 0 { packet.len() } else { stated };
    if header < 20 || total < header {
        return None;
    }
    let payload = packet.get(header..total.min(packet.len()))?;
    let place = u16::from_be_bytes([head[6], head[7]]);
    let (offset, more) = (u32::from(place & 0x1fff) * 8, place & 0x2000 != 0);
    Some(Ip {
        src: IpAddr::V4(Ipv4Addr::new(head[12], head[13], head[14], head[15])),
        dst: IpAddr::V4(Ipv4Addr::new(head[16], head[17], head[18], head[19])),
        protocol: head[9],
        payload,
        fragment: (more || offset > 0).then(|| Fragment {
            id: u32::from(u16::from_be_bytes([head[4], head[5]])),
            offset,
            more,
        }),
        cut: total > packet.len(),
    })
}

fn v6(packet: &[u8]) -> Option<Ip<'_>> {
    let head = packet.first_chunk::<40>()?;
    let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
    let end = if length == 0 { packet.len() } else { 40 + length };
    let address = |at: usize| {
        let octets: [u8; 16] = head[at..at + 16].try_into().ok()?;
        Some(IpAddr::V6(Ipv6Addr::from(octets)))
    };
    let (src, dst) = (address(8)?, address(24)?);
    let payload = packet.get(40..end.min(packet.len()))?;
    let (protocol, payload, fragment) = extensions(head[6], payload)?;
    Some(Ip { src, dst, protocol, payload, fragment, cut: end > packet.len() })
}

/// Walks over IPv6 extension headers: the protocol behind them and its octets. Stops behind a fragment header, whose
/// payload is a piece of the datagram: further extension headers are the datagram's (RFC 8200, 4.5), and are walked
/// over once it is whole.
pub(crate) fn extensions(mut protocol: u8, mut payload: &[u8]) -> Option<(u8, &[u8], Option<Fragment>)> {
    for _ in 0..MAX_EXTENSIONS {
        let mut fragment = None;
        let skip = match protocol {
            // Hop-by-hop, routing, destination options, mobility, host identity, shim6.
            0 | 43 | 60 | 135 | 139 | 140 => (usize::from(*payload.get(1)?) + 1) * 8,
            51 => (usize::from(*payload.get(1)?) + 2) * 4,
            44 => {
                let place = payload.first_chunk::<8>()?;
                let word = u16::from_be_bytes([place[2], place[3]]);
                let found = Fragment {
                    id: u32::from_be_bytes([place[4], place[5], place[6], place[7]]),
                    offset: u32::from(word & 0xfff8),
                    more: word & 1 != 0,
                };
                // An atomic fragment (RFC 6946) is a whole datagram.
                fragment = (found.more || found.offset > 0).then_some(found);
                8
            }
            _ => return Some((protocol, payload, None)),
        };
        protocol = *payload.first()?;
        payload = payload.get(skip..)?;
        if fragment.is_some() {
            return Some((protocol, payload, fragment));
        }
    }
    None
}

/// What an ESP packet (RFC 4303) carries when its encryption is NULL (RFC 2410), as between handset and P-CSCF in
/// many IMS networks: protocol and payload. Told by the trailer that must then be readable: a next header that we
/// know behind padding that counts 1, 2, 3 (RFC 4303 2.4). Encrypted octets pass that by chance once in 10,000, and
/// then still have to hold a message.
pub(crate) fn esp_null(packet: &[u8]) -> Option<(u8, &[u8])> {
    /// Security parameters index and sequence number.
    const HEAD: usize = 8;
    /// Integrity check values of the usual transforms: HMAC-SHA-1-96 and -MD5-96, HMAC-SHA-256-128, none.
    const CHECKS: [usize; 3] = [12, 16, 0];
    CHECKS.into_iter().find_map(|check| {
        let body = packet.get(HEAD..packet.len().checked_sub(check)?)?;
        let (&next, rest) = body.split_last()?;
        let (&padding, rest) = rest.split_last()?;
        let (payload, padding) = rest.split_at_checked(rest.len().checked_sub(usize::from(padding))?)?;
        let counted = padding.iter().zip(1..).all(|(octet, place)| *octet == place);
        // UDP and TCP end at a multiple of four with their trailer.
        let aligned = body.len().is_multiple_of(4);
        (matches!(next, protocol::UDP | protocol::TCP) && counted && aligned).then_some((next, payload))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v4_packet(place: u16, total: u16, payload: &[u8]) -> Vec<u8> {
        let mut p = vec![0x45, 0, 0, 0, 0, 7, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        p[2..4].copy_from_slice(&total.to_be_bytes());
        p[6..8].copy_from_slice(&place.to_be_bytes());
        p.extend_from_slice(payload);
        p
    }

    #[test]
    fn padding_behind_the_stated_length_is_no_payload() {
        let packet = v4_packet(0x4000, 23, b"abc\0\0\0");
        let ip = parse(&packet).unwrap();
        assert_eq!((ip.payload, ip.fragment, ip.cut), (&b"abc"[..], None, false));
    }

    #[test]
    fn a_length_of_zero_means_what_was_captured() {
        assert_eq!(parse(&v4_packet(0, 0, b"abc")).unwrap().payload, b"abc");
    }

    #[test]
    fn a_cut_capture_says_so() {
        let packet = v4_packet(0, 400, b"abc");
        assert!(parse(&packet).unwrap().cut);
    }

    #[test]
    fn p04_fragments_of_both_versions() {
        let packet = v4_packet(0x2002, 23, b"abc");
        assert_eq!(parse(&packet).unwrap().fragment, Some(Fragment { id: 7, offset: 16, more: true }));
        let mut six = vec![0x60, 0, 0, 0, 0, 19, 0, 64];
        six.extend_from_slice(&[0; 32]);
        six.extend_from_slice(&[44, 0, 0, 0, 0, 0, 0, 0]); // hop-by-hop, then a fragment header
        six.extend_from_slice(&[17, 0, 0, 9, 0, 0, 0, 5]);
        six.extend_from_slice(b"abc");
        let ip = parse(&six).unwrap();
        assert_eq!(ip.fragment, Some(Fragment { id: 5, offset: 8, more: true }));
        assert_eq!((ip.protocol, ip.payload), (protocol::UDP, &b"abc"[..]));
    }

    /// The last fragment may have DF or the reserved bit set (a case that took a long time to be noticed elsewhere); neither says anything of its
    /// place (RFC 791, 3.1).
    #[test]
    fn p04_other_flags_change_no_fragments_place() {
        for flags in [0, 0x4000, 0x8000, 0xc000] {
            let last = v4_packet(flags | 2, 23, b"abc");
            assert_eq!(parse(&last).unwrap().fragment, Some(Fragment { id: 7, offset: 16, more: false }));
            assert_eq!(parse(&v4_packet(flags, 23, b"abc")).unwrap().fragment, None);
        }
    }

    #[test]
    fn p08_esp_without_encryption_is_read_and_other_esp_is_not() {
        let inner = [0x13, 0xc4, 0x13, 0xc4, 0, 10, 0, 0, b'h', b'i'];
        let packet = [&[1; 8][..], &inner, &[1, 2, 3, 4, 4, 17], &[0xaa; 12]].concat();
        assert_eq!(esp_null(&packet), Some((protocol::UDP, &inner[..])));
        assert_eq!(esp_null(&[0xa7; 80]), None);
    }

    #[test]
    fn a_loop_of_extension_headers_ends() {
        let mut six = vec![0x60, 0, 0, 0, 0, 200, 0, 64];
        six.extend_from_slice(&[0; 232]);
        assert_eq!(parse(&six), None);
    }

    proptest! {
        #[test]
        fn never_panics(octets in proptest::collection::vec(any::<u8>(), 0..200), version in prop_oneof![Just(0x45u8), Just(0x60u8), any::<u8>()]) {
            let mut octets = octets;
            if let Some(first) = octets.first_mut() { *first = version; }
            let _ = (parse(&octets), esp_null(&octets));
        }
    }
}
