use super::*;
use proptest::prelude::*;

/// An IPv4 header with a right checksum, and three octets.
fn ipv4() -> Vec<u8> {
    let mut p = vec![0x45, 0, 0, 23, 0, 7, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    let sum: u32 = p.chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    let folded = u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    p[10..12].copy_from_slice(&(!folded).to_be_bytes());
    p.extend(b"abc");
    p
}

fn ipv6() -> Vec<u8> {
    let mut p = vec![0x60, 0, 0, 0, 0, 3, 17, 64, 0x20, 0x01, 0, 0];
    p.extend([9; 28]);
    p.extend(b"abc");
    p
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// An Ethernet header for IPv4. Its address begins with 4, as an IP header does.
const ETHERNET: [u8; 14] = [0x45, 0, 0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 0x08, 0x00];

fn over_udp(dport: u16, payload: &[u8]) -> Option<Vec<u8>> {
    udp(&Udp { sport: 50_000, dport, payload }, false).map(<[u8]>::to_vec)
}

fn over(number: u8, payload: &[u8]) -> Option<Vec<u8>> {
    match over_ip(number, payload)? {
        Network::Ip(inner) => Some(inner.to_vec()),
        _ => None,
    }
}

#[test]
fn p08_gre_with_every_flag_and_payload() {
    let ip = ipv4();
    let erspan_2 = [0x10, 5, 0, 1, 0, 0, 0, 0];
    let erspan_3 = [0x20, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut with_platform = erspan_3;
    with_platform[11] = 1;
    let cases: [(&str, Vec<u8>); 13] = [
        ("plain", join(&[&[0, 0, 8, 0], &ip])),
        ("checksum", join(&[&[0x80, 0, 8, 0], &[1; 4], &ip])),
        ("key and sequence", join(&[&[0x30, 0, 8, 0], &[1; 8], &ip])),
        ("all three", join(&[&[0xb0, 0, 8, 0], &[1; 12], &ip])),
        ("routing", join(&[&[0x40, 0, 8, 0], &[0; 4], &[0, 1, 0, 2, 9, 9], &[0; 4], &ip])),
        ("bridged", join(&[&[0x20, 0, 0x65, 0x58], &[1; 4], &ETHERNET, &ip])),
        ("MPLS", join(&[&[0, 0, 0x88, 0x47], &[0, 1, 1, 64], &ip])),
        ("PPTP", join(&[&[0x30, 0x81, 0x88, 0x0b, 0, 29, 0, 1], &[0; 8], &[0xff, 3, 0, 0x21], &ip])),
        ("ERSPAN I", join(&[&[0, 0, 0x88, 0xbe], &ETHERNET, &ip])),
        ("ERSPAN II", join(&[&[0x10, 0, 0x88, 0xbe], &[0; 4], &erspan_2, &ETHERNET, &ip])),
        ("ERSPAN III", join(&[&[0x10, 0, 0x22, 0xeb], &[0; 4], &erspan_3, &ETHERNET, &ip])),
        ("its subheader", join(&[&[0x10, 0, 0x22, 0xeb], &[0; 4], &with_platform, &[7; 8], &ETHERNET, &ip])),
        ("WCCP", join(&[&[0, 0, 0x88, 0x3e], &[0, 1, 2, 3], &ip])),
    ];
    for (what, packet) in cases {
        assert_eq!(over(protocol::GRE, &packet).as_deref(), Some(&ip[..]), "{what}");
    }
    // PPTP's acknowledgement alone carries nothing (RFC 2637, 4.1).
    assert_eq!(over(protocol::GRE, &[0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 1, 0, 0, 0, 9]), None);
}

#[test]
fn p08_label_stacks_and_pseudowires() {
    let ip = ipv4();
    let two = [0, 1, 0, 64, 0, 2, 1, 64];
    for (what, packet) in [
        ("IP", join(&[&two, &ip])),
        ("a frame whose address begins with 4", join(&[&two, &ETHERNET, &ip])),
        ("a control word", join(&[&two, &[0, 0, 0, 9], &ETHERNET, &ip])),
        ("a VLAN in the frame", join(&[&two, &[0; 4], &ETHERNET[..12], &[0x81, 0, 0, 5, 8, 0], &ip])),
    ] {
        assert_eq!(over(protocol::MPLS, &packet).as_deref(), Some(&ip[..]), "{what}");
    }
    assert_eq!(over(protocol::MPLS, &join(&[&two, &[0x10, 0, 0, 7], &ip])), None, "associated channel");
    assert_eq!(over_ip(protocol::MPLS, &[0; 400]), Some(Network::Malformed), "a stack without an end");
}

#[test]
fn p08_tunnels_over_udp() {
    let (ip, six) = (ipv4(), ipv6());
    let frame = join(&[&ETHERNET, &ip]);
    let cases: [(&str, u16, Vec<u8>, &[u8]); 16] = [
        ("GTP-U", 2152, join(&[&[0x30, 255, 0, 0, 0, 0, 0, 1], &ip]), &ip),
        ("VXLAN", 4789, join(&[&[8, 0, 0, 0, 0, 0, 5, 0], &frame]), &ip),
        ("VXLAN as Linux had it", 8472, join(&[&[8, 0, 0, 0, 0, 0, 5, 0], &frame]), &ip),
        ("GPE, IPv4", 4790, join(&[&[12, 0, 0, 1, 0, 0, 5, 0], &ip]), &ip),
        ("GPE, Ethernet", 4790, join(&[&[12, 0, 0, 3, 0, 0, 5, 0], &frame]), &ip),
        ("Geneve", 6081, join(&[&[0, 0, 0x65, 0x58, 0, 0, 5, 0], &frame]), &ip),
        ("Geneve, options", 6081, join(&[&[2, 0x40, 8, 0, 0, 0, 5, 0], &[1; 8], &ip]), &ip),
        ("L2TPv2", 1701, join(&[&[0, 2, 0, 1, 0, 2, 0xff, 3, 0, 0x21], &ip]), &ip),
        (
            "its every field",
            1701,
            join(&[&[0x4a, 2, 0, 41, 0, 1, 0, 2], &[0; 4], &[0, 2, 9, 9, 0, 0x21], &ip]),
            &ip,
        ),
        ("L2TPv3, cookie", 1701, join(&[&[0, 3, 0, 0, 0, 0, 0, 7], &[5; 8], &frame]), &ip),
        ("Teredo", 3544, six.clone(), &six),
        ("its origin", 3544, join(&[&[0; 8], &six]), &six),
        ("both indications", 3544, join(&[&[0, 1, 1, 2, 7, 7, 7], &[0; 9], &[0; 8], &six]), &six),
        ("MPLS", 6635, join(&[&[0, 1, 1, 64], &ip]), &ip),
        ("GRE", 4754, join(&[&[0, 0, 8, 0], &ip]), &ip),
        ("TZSP", 37008, join(&[&[1, 0, 0, 1, 10, 1, 9, 0, 1], &frame]), &ip),
    ];
    for (what, dport, payload, want) in cases {
        assert_eq!(over_udp(dport, &payload).as_deref(), Some(want), "{what}");
    }
    assert_eq!(teredo_peer(&six), Some(&six[..]));
    assert_eq!(teredo_peer(&six[..42]), None, "not its exact length");
}

#[test]
fn l2tp_version_3_over_ip() {
    let ip = ipv4();
    for cookie in [0, 4, 8] {
        let packet = join(&[&[0, 0, 0, 7], &vec![0x45; cookie], &ETHERNET, &ip]);
        assert_eq!(over(protocol::L2TP, &packet).as_deref(), Some(&ip[..]), "a cookie of {cookie}");
    }
    let control = join(&[&[0, 0, 0, 0], &ETHERNET, &ip]);
    assert_eq!(over(protocol::L2TP, &control), None);
}

/// Who sends his INVITE from or to a tunnel's port must not hide it by that (nor his voice).
#[test]
fn p08_nothing_hides_behind_a_tunnels_port() {
    let sip = b"INVITE sip:a@b SIP/2.0\r\nCall-ID: 1\r\n\r\n";
    let rtp = join(&[&[0x88, 0, 0, 0, 0, 0, 5, 0], &ETHERNET, &ipv4()]);
    let cut = join(&[&[8, 0, 0, 0, 0, 0, 5, 0], &ETHERNET, &ipv4()[..21]]);
    for dport in [1701, 2152, 3544, 4754, 4789, 4790, 6081, 6635, 8472, 37008] {
        assert_eq!(over_udp(dport, sip), None, "{dport}");
        assert_eq!(over_udp(dport, &rtp), None, "{dport}");
        assert_eq!(over_udp(dport, &cut), None, "{dport}: less than the inner header says");
    }
    // A question from a tunnel's port is still a question.
    let datagram = Udp { sport: 3544, dport: 53, payload: &ipv6() };
    assert_eq!(udp(&datagram, false), None);
    // The sender's port is nothing for a tunnel that spreads its load by it.
    let payload = join(&[&[8, 0, 0, 0, 0, 0, 5, 0], &ETHERNET, &ipv4()]);
    assert_eq!(udp(&Udp { sport: 4789, dport: 5060, payload: &payload }, false), None);
}

proptest! {
    #[test]
    fn never_panics(
        number: u8, cut: bool, port in 0_usize..9,
        octets in proptest::collection::vec(prop_oneof![Just(0), Just(8), Just(0x45), any::<u8>()], 0..120),
    ) {
        let dport = [1701, 2152, 3544, 4754, 4789, 4790, 6081, 6635, 37008][port];
        let _ = (over_ip(number, &octets), udp(&Udp { sport: 9, dport, payload: &octets }, cut), teredo_peer(&octets));
    }

    #[test]
    fn options_of_any_length_are_walked_over(words in 0_u8..64, options in proptest::collection::vec(any::<u8>(), 252)) {
        let payload = join(&[&[words, 0, 8, 0, 0, 0, 5, 0], &options[..usize::from(words) * 4], &ipv4()]);
        prop_assert_eq!(over_udp(6081, &payload), Some(ipv4()));
    }
}
