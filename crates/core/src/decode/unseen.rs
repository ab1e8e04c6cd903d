//! Protocols that hide the site on purpose: tunnels and encrypted lookups. They are told from their first message, so
//! that a report can say of how many flows the name could not be seen, and why.

/// Why no name can be seen in a flow.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Unseen {
    /// A hello that names nobody.
    NoName,
    /// No whole hello was seen.
    NoHello,
    /// DNS over TLS (RFC 7858).
    Dot,
    /// DNS over QUIC (RFC 9250).
    Doq,
    /// SIP over TLS of which no secrets are logged (RFC 3261, 26.2.1).
    Sips,
    WireGuard,
    OpenVpn,
    /// IKE and ESP in UDP (RFC 7296, RFC 3948).
    Ike,
    /// TURN (RFC 8656).
    Turn,
    /// A stream of another protocol.
    Other,
}

/// The port of DNS over TLS and over QUIC (RFC 7858, 3.1; RFC 9250, 4.1.1).
pub(crate) const PRIVATE_DNS: u16 = 853;
/// The port of SIP over TLS (RFC 3261, 19.1.2).
pub(crate) const SIPS: u16 = 5061;

const IKE: u16 = 500;
const IKE_NAT: u16 = 4500;
const OPENVPN: u16 = 1194;

/// Octets of a handshake initiation and of its response (`WireGuard`, "Protocol & Cryptography").
const WIREGUARD_INITIATION: usize = 148;
const WIREGUARD_RESPONSE: usize = 92;

/// The first octets of an `OpenVPN` session: `P_CONTROL_HARD_RESET_CLIENT_V2` and `_V3`, key 0.
const OPENVPN_RESETS: [u8; 2] = [7 << 3, 10 << 3];
/// Octets of such a reset without `tls-auth`: opcode, session, no acknowledgement, packet 0.
const OPENVPN_RESET: usize = 14;

/// The tunnel that a datagram begins or belongs to. Ports decide only where the octets alone are too few to tell.
pub(crate) fn tunnel(datagram: &[u8], ports: [u16; 2]) -> Option<Unseen> {
    let on = |port| ports.contains(&port);
    match datagram {
        [1, 0, 0, 0, ..] if datagram.len() == WIREGUARD_INITIATION => Some(Unseen::WireGuard),
        [2, 0, 0, 0, ..] if datagram.len() == WIREGUARD_RESPONSE => Some(Unseen::WireGuard),
        [first, ..] if OPENVPN_RESETS.contains(first) && is_reset(datagram, on(OPENVPN)) => {
            Some(Unseen::OpenVpn)
        }
        _ if on(IKE) && is_ike(datagram) => Some(Unseen::Ike),
        [0, 0, 0, 0, ike @ ..] if on(IKE_NAT) && is_ike(ike) => Some(Unseen::Ike),
        // Any SPI but 0 is ESP (RFC 3948, 2.1); it has a sequence number and at least one block.
        [a, b, c, d, ..] if on(IKE_NAT) && [a, b, c, d] != [&0; 4] && datagram.len() >= 24 => {
            Some(Unseen::Ike)
        }
        _ if is_turn(datagram) => Some(Unseen::Turn),
        _ => None,
    }
}

fn is_reset(datagram: &[u8], on_port: bool) -> bool {
    // With `tls-auth` and `tls-crypt` an HMAC and a time follow, which look like anything.
    (datagram.len() == OPENVPN_RESET && datagram[9..] == [0; 5])
        || (on_port && datagram.len() > OPENVPN_RESET)
}

/// The header of IKE (RFC 7296, 3.1; RFC 2408, 3.1): two SPIs, version 1.0 or 2.0, and its own length.
fn is_ike(datagram: &[u8]) -> bool {
    let length = datagram.get(24..28).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize);
    length == Some(datagram.len()) && matches!(datagram[17], 0x10 | 0x20) && datagram[..8] != [0; 8]
}

/// A STUN message (RFC 8489, 5) of one of TURN's methods (RFC 8656, 17). A bare Binding goes to no site: it is how the
/// ends of a call find each other.
fn is_turn(datagram: &[u8]) -> bool {
    let Some(&[high, low, l0, l1, 0x21, 0x12, 0xa4, 0x42]) = datagram.first_chunk() else { return false };
    let kind = u16::from_be_bytes([high, low]);
    let method = (kind & 0x3e00) >> 2 | (kind & 0x00e0) >> 1 | kind & 0x000f;
    high & 0xc0 == 0
        && usize::from(u16::from_be_bytes([l0, l1])) + 20 == datagram.len()
        && matches!(method, 3 | 4 | 6..=9)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sized(head: &[u8], length: usize) -> Vec<u8> {
        let mut out = head.to_vec();
        out.resize(length, 7);
        out
    }

    #[test]
    fn p61_tunnels_are_told_by_what_they_begin_with() {
        let any = [40000, 40001];
        let initiation = sized(&[1, 0, 0, 0], 148);
        assert_eq!(tunnel(&initiation, any), Some(Unseen::WireGuard));
        assert_eq!(tunnel(&initiation[..147], any), None);
        assert_eq!(tunnel(&sized(&[2, 0, 0, 0], 92), any), Some(Unseen::WireGuard));
        let reset = [&[0x38][..], b"sessions", &[0; 5]].concat();
        assert_eq!(tunnel(&reset, any), Some(Unseen::OpenVpn));
        let signed = sized(&reset[..9], 42);
        assert_eq!((tunnel(&signed, any), tunnel(&signed, [9, 1194])), (None, Some(Unseen::OpenVpn)));
    }

    #[test]
    fn p61_ike_is_told_on_its_ports_and_esp_beside_it() {
        let mut ike =
            [&b"spi of i"[..], &[0; 8], &[33, 0x20, 34, 8], &[0; 4], &[0, 0, 0, 30], b"xx"].concat();
        assert_eq!(tunnel(&ike, [500, 500]), Some(Unseen::Ike));
        assert_eq!(tunnel(&[&[0; 4], &ike[..]].concat(), [1025, 4500]), Some(Unseen::Ike));
        assert_eq!(tunnel(&ike, [500, 501]), Some(Unseen::Ike));
        assert_eq!(tunnel(&ike, [5000, 5001]), None);
        assert_eq!(tunnel(&sized(&[0, 0, 0, 9], 60), [1025, 4500]), Some(Unseen::Ike), "ESP");
        assert_eq!(tunnel(&[0xff], [1025, 4500]), None, "a keep-alive");
        ike.push(0);
        assert_eq!(tunnel(&ike, [500, 500]), None, "another length than it says");
    }

    #[test]
    fn p61_a_relay_is_told_from_a_plain_binding() {
        let stun = |kind: u16| {
            let mut out = kind.to_be_bytes().to_vec();
            out.extend([0, 0, 0x21, 0x12, 0xa4, 0x42]);
            sized(&out, 20)
        };
        for (kind, want) in
            [(0x0001, None), (0x0101, None), (0x0003, Some(Unseen::Turn)), (0x0113, Some(Unseen::Turn))]
        {
            assert_eq!(tunnel(&stun(kind), [9, 3478]), want, "{kind:#06x}");
        }
        assert_eq!(tunnel(&stun(0x0016), [9, 3478]), Some(Unseen::Turn), "Send indication");
    }

    proptest! {
        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..200), port: u16) {
            for port in [port, 500, 4500, 1194] {
                let _ = tunnel(&octets, [port, 1]);
            }
        }
    }
}
