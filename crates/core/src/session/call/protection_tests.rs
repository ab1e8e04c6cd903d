use super::*;
use crate::decode::sdes::Suite;

const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const OTHER: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNk";

fn endpoint(port: u16) -> Endpoint {
    Endpoint { ip: [192, 0, 2, 1].into(), port }
}

fn offer(port: u16, proto: &str, lines: &str) -> String {
    format!("v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio {port} {proto} 8\r\n{lines}")
}

fn known(descriptions: &[(Side, String)]) -> Option<Box<Protections>> {
    let mut known = None;
    for (side, text) in descriptions {
        let session = sdp::Session::parse(text.as_bytes()).expect("a description");
        Protections::describe(&mut known, *side, &session);
    }
    known
}

fn crypto(key: &str) -> String {
    format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n")
}

/// What the caller sends at a packet index.
fn packet(key: &str, index: u64) -> Vec<u8> {
    let line = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}");
    let crypto = Crypto::parse(line.as_bytes());
    let mut clear = vec![0x80, 8];
    clear.extend((index as u16).to_be_bytes());
    clear.extend([0, 0, 0, 1, 0, 0, 0, 9, 0xd5, 0xd5, 0x55]);
    crate::decode::srtp::protect(&crypto[0], &clear, (index >> 16) as u32, &[])
}

fn secure() -> Protections {
    *known(&[
        (Side::Caller, offer(4000, "RTP/SAVP", &(crypto(OTHER) + &crypto(KEY)))),
        (Side::Callee, offer(5000, "RTP/SAVP", &crypto(OTHER))),
    ])
    .expect("keys")
}

#[test]
fn p37_one_of_several_lines_opens_and_the_counter_rolls() {
    let known = secure();
    let (mut opener, mut out) = (Opener::default(), Vec::new());
    for index in 65_000_u64..66_500 {
        assert!(opener.open(&known, Side::Caller, &packet(KEY, index), &mut out), "{index}");
        assert_eq!(out[12..], [0xd5, 0xd5, 0x55]);
    }
    // Out of order across the wrap.
    assert!(opener.open(&known, Side::Caller, &packet(KEY, 65_530), &mut out));
    assert!(!opener.failed());
}

#[test]
fn p37_joined_late_the_counter_is_found() {
    let known = secure();
    let (mut opener, mut out) = (Opener::default(), Vec::new());
    let index = (41 << 16) + 7;
    assert!(opener.open(&known, Side::Caller, &packet(KEY, index), &mut out));
    assert!(opener.open(&known, Side::Caller, &packet(KEY, index + 1), &mut out));
}

#[test]
fn p37_a_new_key_in_mid_call_keeps_the_counter() {
    let mut known = secure();
    let (mut opener, mut out) = (Opener::default(), Vec::new());
    assert!(opener.open(&known, Side::Caller, &packet(KEY, 70 << 16), &mut out) || opener.failed());
    let mut opener = Opener::default();
    assert!(opener.open(&known, Side::Caller, &packet(KEY, (3 << 16) + 9), &mut out));
    let fresh = "ZZZZREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNk";
    let text = offer(4000, "RTP/SAVP", &crypto(fresh));
    let session = sdp::Session::parse(text.as_bytes()).expect("a description");
    for n in 10..60 {
        assert!(!opener.open(&known, Side::Caller, &packet(fresh, (3 << 16) + n), &mut out));
    }
    assert!(opener.failed());
    let mut boxed = Some(Box::new(std::mem::take(&mut known)));
    Protections::describe(&mut boxed, Side::Caller, &session);
    let known = boxed.expect("keys");
    assert!(opener.open(&known, Side::Caller, &packet(fresh, (3 << 16) + 60), &mut out));
    assert!(!opener.failed());
}

#[test]
fn p37_a_strange_packet_does_not_spoil_the_stream() {
    let known = secure();
    let (mut opener, mut out) = (Opener::default(), Vec::new());
    assert!(opener.open(&known, Side::Caller, &packet(KEY, 100), &mut out));
    let mut forged = packet(KEY, 101);
    *forged.last_mut().expect("a tag") ^= 1;
    assert!(!opener.open(&known, Side::Caller, &forged, &mut out));
    assert!(!opener.failed() && opener.open(&known, Side::Caller, &packet(KEY, 101), &mut out));
}

#[test]
fn p37_each_kind_of_protection_is_named() {
    let (a, b) = (endpoint(4000), endpoint(5000));
    let of = |offered: &str, offer_lines: &str, answered: &str, answer_lines: &str| {
        known(&[
            (Side::Caller, offer(4000, offered, offer_lines)),
            (Side::Callee, offer(5000, answered, answer_lines)),
        ])
        .map_or(Protection::None, |known| known.announced(Side::Caller, a, b))
    };
    let key = crypto(KEY);
    let print = "a=fingerprint:sha-256 AA\r\na=setup:actpass\r\n";
    assert_eq!(of("RTP/AVP", "", "RTP/AVP", ""), Protection::None);
    assert_eq!(of("RTP/SAVP", &key, "RTP/SAVP", &key), Protection::SdesDecrypted);
    assert_eq!(of("UDP/TLS/RTP/SAVPF", print, "UDP/TLS/RTP/SAVPF", print), Protection::DtlsSrtp);
    assert_eq!(of("RTP/SAVP", "", "RTP/SAVP", ""), Protection::Unknown);
    assert_eq!(of("RTP/AVP", &key, "RTP/AVP", ""), Protection::None, "offered, and not taken");
    assert_eq!(of("RTP/AVP", &key, "RTP/AVP", &key), Protection::SdesDecrypted, "RFC 8643");
}

#[test]
fn keys_and_sections_are_bounded() {
    let mut known = None;
    for n in 0..200_u16 {
        let key = format!("{n:04}{}", &KEY[4..]);
        let text = offer(4000 + n, "RTP/SAVP", &crypto(&key));
        let session = sdp::Session::parse(text.as_bytes()).expect("a description");
        Protections::describe(&mut known, Side::Caller, &session);
    }
    let known = known.expect("keys");
    assert_eq!((known.sections.len(), known.keys[0].len()), (MAX_SECTIONS, MAX_KEYS));
    assert_eq!(known.keys(Side::Caller).next().map(|c| c.suite), Some(Suite::AesCm128Sha1_80));
}
