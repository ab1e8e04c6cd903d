//! Link layers: what stands before the IP header.

use super::tunnel;
use crate::packet::LinkType;

/// VLAN tags, label stacks, `PPPoE` headers and frames within frames that one frame may stack; more is an attack or damage.
const MAX_TAGS: usize = 8;

/// `AF_INET6` differs from system to system; a capture's first octets hold that of the machine that made it.
const AF_INET6: [u32; 4] = [10, 24, 28, 30];
const AF_INET: u32 = 2;

/// `NFULA_PAYLOAD`: the attribute of a netfilter log record that holds the packet.
const NFULA_PAYLOAD: u16 = 9;

/// What a frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Network<'a> {
    /// An IPv4 or IPv6 packet.
    Ip(&'a [u8]),
    /// Another network protocol.
    Other,
    /// Too short, or nested too deep.
    Malformed,
    /// A link type that we don't know.
    UnknownLink,
}

/// Strips the link layer.
pub(crate) fn network(link: LinkType, frame: &[u8]) -> Network<'_> {
    match link {
        LinkType::ETHERNET => ethernet(frame, 0),
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD | LinkType::IPV4 | LinkType::IPV6 => {
            ip(frame)
        }
        LinkType::NULL | LinkType::LOOP => null(frame),
        LinkType::LINUX_SLL => match frame.get(14..) {
            Some(rest) => ether_type(rest),
            None => Network::Malformed,
        },
        LinkType::LINUX_SLL2 => match (frame.get(..2), frame.get(20..)) {
            // The protocol stands first in version 2, the payload after 20 octets; read them as if adjacent.
            (Some(kind), Some(rest)) => payload_of(u16::from_be_bytes([kind[0], kind[1]]), rest, 0),
            _ => Network::Malformed,
        },
        LinkType::NFLOG => nflog(frame),
        _ => Network::UnknownLink,
    }
}

fn ip(rest: &[u8]) -> Network<'_> {
    match rest.first().map(|b| b >> 4) {
        Some(4 | 6) => Network::Ip(rest),
        Some(_) => Network::Other,
        None => Network::Malformed,
    }
}

/// An Ethernet frame; `depth` when it stands within another.
pub(super) fn ethernet(frame: &[u8], depth: usize) -> Network<'_> {
    match frame.get(12..) {
        Some([high, low, rest @ ..]) => payload_of(u16::from_be_bytes([*high, *low]), rest, depth),
        _ => Network::Malformed,
    }
}

/// An `EtherType` and what follows it.
fn ether_type(at: &[u8]) -> Network<'_> {
    match at {
        [high, low, rest @ ..] => payload_of(u16::from_be_bytes([*high, *low]), rest, 0),
        _ => Network::Malformed,
    }
}

/// What an `EtherType` says of the octets behind it.
pub(super) fn payload_of(kind: u16, rest: &[u8], depth: usize) -> Network<'_> {
    if depth > MAX_TAGS {
        return Network::Malformed;
    }
    match kind {
        0x0800 | 0x86dd => ip(rest),
        // 802.1Q, 802.1ad, and two numbers that QinQ had before it was a standard.
        0x8100 | 0x88a8 | 0x9100 | 0x9200 => match rest {
            [_, _, high, low, inner @ ..] => payload_of(u16::from_be_bytes([*high, *low]), inner, depth + 1),
            _ => Network::Malformed,
        },
        // PPPoE session (RFC 2516) and, within it, PPP's own protocol numbers.
        0x8864 => match rest {
            [_, _, _, _, _, _, inner @ ..] => tunnel::ppp(inner, depth + 1),
            _ => Network::Malformed,
        },
        // MPLS, and its multicast number.
        0x8847 | 0x8848 => tunnel::mpls(rest, depth + 1),
        // 802.1ah, provider backbone: a service tag, then the customer's frame.
        0x88e7 => rest.get(4..).map_or(Network::Malformed, |frame| ethernet(frame, depth + 1)),
        // 802.1BR and VN-tag, between a switch and its extenders: six octets and four before the next type.
        0x893f => tagged(rest, 6, depth),
        0x8926 => tagged(rest, 4, depth),
        // Not a type but an 802.3 length: SNAP (RFC 1042) has the type behind it.
        0..=1500 => match rest {
            [0xaa, 0xaa, 3, 0, 0, 0, high, low, inner @ ..] => {
                payload_of(u16::from_be_bytes([*high, *low]), inner, depth + 1)
            }
            _ => Network::Other,
        },
        _ => Network::Other,
    }
}

/// A tag of `skip` octets that ends in the type of what follows.
fn tagged(rest: &[u8], skip: usize, depth: usize) -> Network<'_> {
    match rest.get(skip..) {
        Some([high, low, inner @ ..]) => payload_of(u16::from_be_bytes([*high, *low]), inner, depth + 1),
        _ => Network::Malformed,
    }
}

/// BSD loopback. The address family's byte order is that of the capturing host, so both are tried.
fn null(frame: &[u8]) -> Network<'_> {
    let [a, b, c, d, rest @ ..] = frame else { return Network::Malformed };
    let known = |family: u32| family == AF_INET || AF_INET6.contains(&family);
    if known(u32::from_le_bytes([*a, *b, *c, *d])) || known(u32::from_be_bytes([*a, *b, *c, *d])) {
        ip(rest)
    } else {
        // Some drivers put an `EtherType` into the last two octets, whatever the first two are.
        payload_of(u16::from_be_bytes([*c, *d]), rest, 0)
    }
}

/// Netfilter log: a 4-octet header, then attributes in the capturing host's byte order (little-endian in practice),
/// each padded to 4 octets.
fn nflog(frame: &[u8]) -> Network<'_> {
    let Some(mut rest) = frame.get(4..) else { return Network::Malformed };
    while let [l0, l1, t0, t1, ..] = rest {
        let (length, kind) = (usize::from(u16::from_le_bytes([*l0, *l1])), u16::from_le_bytes([*t0, *t1]));
        if length < 4 {
            return Network::Malformed;
        }
        if kind & 0x7fff == NFULA_PAYLOAD {
            // A capture cut short keeps what is there.
            return ip(rest.get(4..length.min(rest.len())).unwrap_or_default());
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Network::Other
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const IPV4: [u8; 4] = [0x45, 0, 0, 20];

    fn frame(head: &[u8]) -> Vec<u8> {
        [head, &IPV4].concat()
    }

    #[test]
    fn p08_strips_every_link_layer() {
        let mac = [0; 12];
        let cases: Vec<(LinkType, Vec<u8>)> = vec![
            (LinkType::ETHERNET, [&mac[..], &[0x08, 0x00]].concat()),
            (LinkType::ETHERNET, [&mac[..], &[0x81, 0x00, 0, 5, 0x08, 0x00]].concat()),
            (LinkType::ETHERNET, [&mac[..], &[0x88, 0xa8, 0, 5, 0x81, 0x00, 0, 6, 0x08, 0x00]].concat()),
            (LinkType::ETHERNET, [&mac[..], &[0x88, 0x64, 0x11, 0, 0, 1, 0, 22, 0x00, 0x21]].concat()),
            (LinkType::RAW, vec![]),
            (LinkType::NULL, vec![2, 0, 0, 0]),
            (LinkType::NULL, vec![15, 0, 8, 0]),
            (LinkType::ETHERNET, [&mac[..], &[0x88, 0x64, 0x11, 0, 0, 1, 0, 22, 0x21]].concat()),
            (LinkType::ETHERNET, [&mac[..], &[0x88, 0xe7, 0, 0, 0, 9], &mac, &[0x08, 0x00]].concat()),
            (LinkType::ETHERNET, [&mac[..], &[0x88, 0x47, 0, 1, 0, 64, 0, 2, 1, 64]].concat()),
            (LinkType::ETHERNET, [&mac[..], &[0x89, 0x26, 0, 0, 0, 9, 0x08, 0x00]].concat()),
            (LinkType::ETHERNET, [&mac[..], &[0x89, 0x3f, 0, 0, 0, 0, 0, 9, 0x08, 0x00]].concat()),
            (LinkType::ETHERNET, [&mac[..], &[0, 99, 0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00]].concat()),
            (LinkType::NULL, vec![0, 0, 0, 30]),
            (LinkType::LOOP, vec![0, 0, 0, 2]),
            (LinkType::LINUX_SLL, [&[0; 14][..], &[0x08, 0x00]].concat()),
            (LinkType::LINUX_SLL2, [&[0x08, 0x00][..], &[0; 18]].concat()),
            (LinkType::NFLOG, vec![2, 0, 0, 0, 5, 0, 10, 0, b'x', 0, 0, 0, 8, 0, 9, 0]),
        ];
        for (link, head) in cases {
            assert_eq!(network(link, &frame(&head)), Network::Ip(&IPV4), "{link:?} {head:?}");
        }
    }

    #[test]
    fn tells_what_it_leaves_out() {
        assert_eq!(network(LinkType::ETHERNET, &[0; 13]), Network::Malformed);
        assert_eq!(
            network(LinkType::ETHERNET, &[&[0; 12][..], &[0x08, 0x06, 0, 1]].concat()),
            Network::Other
        );
        assert_eq!(network(LinkType(147), &IPV4), Network::UnknownLink);
        let tags = [[0x81, 0x00, 0, 1]; 40].concat();
        assert_eq!(network(LinkType::ETHERNET, &[&[0; 12][..], &tags].concat()), Network::Malformed);
    }

    proptest! {
        #[test]
        fn never_panics(link in 0u32..300, octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = network(LinkType(link), &octets);
        }
    }
}
