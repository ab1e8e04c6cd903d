//! What the mutations start from: the demo capture, taken apart, and a few octets by hand.

use std::collections::BTreeMap;
use std::path::Path;

use mandat_source::SourceError;

/// Seeds by target.
pub type Seeds = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// Seeds of one target; more of the same kind (media packets) teach nothing.
const MAX_SEEDS: usize = 200;
/// Frames in one seed of `sessions`.
const FRAMES: usize = 12;

/// Texts that no part of the demo holds: SMS-SUBMIT and SMS-DELIVER (TS 23.040), the latter in RP-DATA.
const SMS: [&str; 3] = [
    "01000b913336998910f000000ae8329bfd4697d9ec37",
    "0006913306000000f0040b913336998910f000006260100900008018c8329bfd06",
    "010006913306000000f00014040b913336998910f00008626010090000800400680069",
];

/// A sender report, its source's name, a goodbye (RFC 3550, 6).
const RTCP: &[u8] = &[
    0x80, 200, 0, 6, 1, 2, 3, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 0, 0, 0, 9, 0, 0, 9, 9, 0x81, 202, 0, 2,
    1, 2, 3, 4, 1, 2, b'a', b'b', 0x81, 203, 0, 1, 1, 2, 3, 4,
];

/// Pieces of two datagrams out of order, with an overlap: see the target for the fields.
const FRAGMENTS: [[u8; 5]; 6] = [
    [0, 0, 2, 16, 0],
    [1, 0, 4, 9, 0],
    [2, 0, 0, 80, 1],
    [0, 0, 0, 24, 1],
    [3, 0, 10, 5, 3],
    [0, 0, 1, 8, 3],
];

/// A stream with a late segment, a retransmission and a gap: see the target for the fields.
const SEGMENTS: [[u8; 4]; 7] = [
    [0, 0, 0, 0x80],
    [0, 0, 100, 0],
    [0, 200, 100, 0],
    [0, 100, 100, 1],
    [0, 50, 200, 0],
    [4, 0, 100, 3],
    [5, 0, 0, 3],
];

/// Takes the capture apart.
pub fn of(demo: &Path) -> Result<Seeds, SourceError> {
    let mut seeds = Seeds::new();
    let mut run = Vec::new();
    let mut frames = 0;
    let mut source = mandat_source::open(&[demo])?;
    while let Some(packet) = source.next()? {
        add(&mut seeds, "link", [&[0], packet.data].concat());
        let (ip, segment, ports, payload) = transport(packet.data);
        add(&mut seeds, "ip", ip.to_vec());
        add(&mut seeds, "transport", segment.to_vec());
        let target = target_of(ports, payload);
        if let Some(target) = target.filter(|_| !payload.is_empty()) {
            add(&mut seeds, target, payload.to_vec());
            match target {
                "sip" => {
                    add(&mut seeds, "sip_frame", [payload, b"\r\n\r\n", payload].concat());
                    texts(&mut seeds, payload);
                }
                "http" | "tls" => add(&mut seeds, "web", [&[99], payload].concat()),
                "rtp" if payload.len() == 16 => add(&mut seeds, "dtmf", payload[4..].repeat(3)),
                _ => {}
            }
        }
        // One media packet in fifty keeps `sessions` to what happens.
        frames += 1;
        if target != Some("rtp") || frames % 50 == 0 {
            run.extend((packet.data.len() as u16 + 1).to_be_bytes());
            run.push(0);
            run.extend(packet.data);
            if run.len() > FRAMES * 500 {
                add(&mut seeds, "point", run.clone());
                add(&mut seeds, "sessions", std::mem::take(&mut run));
            }
        }
    }
    for text in SMS {
        let octets: Vec<u8> = (0..text.len() / 2)
            .filter_map(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).ok())
            .collect();
        add(&mut seeds, "gsm7", [&[0, 20], &octets[..]].concat());
        add(&mut seeds, "sms", octets);
    }
    add(&mut seeds, "mime", b"\x00aGVsbG8=".to_vec());
    add(&mut seeds, "mime", b"\x01h=C3=A9=\r\nx".to_vec());
    add(&mut seeds, "keyword", "Le tour\u{200b}ne\u{200d}sol, STRASSE, キーワード, e\u{301}t\u{e9}".into());
    add(&mut seeds, "rtcp", RTCP.to_vec());
    add(&mut seeds, "fragments", FRAGMENTS.concat());
    add(&mut seeds, "tcp", SEGMENTS.concat());
    for (name, file) in [("pcap", capture()), ("pcapng", capture_ng()), ("netmon", capture_netmon())] {
        // The targets supply the magic number; that of pcap is chosen by an octet.
        let rest = file[4..].to_vec();
        add(&mut seeds, name, if name == "pcap" { [&[0], &rest[..]].concat() } else { rest });
        add(&mut seeds, "capture", file);
    }
    Ok(seeds)
}

fn add(seeds: &mut Seeds, target: &'static str, octets: Vec<u8>) {
    let seeds = seeds.entry(target).or_default();
    if seeds.len() < MAX_SEEDS {
        seeds.push(octets);
    }
}

/// The IP packet, its payload, ports and their payload of an Ethernet frame of the demo.
fn transport(frame: &[u8]) -> (&[u8], &[u8], [u16; 2], &[u8]) {
    let word = |at: usize| u16::from_be_bytes([byte(frame, at), byte(frame, at + 1)]);
    let ip = if word(12) == 0x8100 { 18 } else { 14 };
    let (at, protocol) = if byte(frame, ip) >> 4 == 6 {
        (ip + 40, byte(frame, ip + 6))
    } else {
        (ip + 20, byte(frame, ip + 9))
    };
    let header = if protocol == 6 { 20 } else { 8 };
    let from = |at: usize| frame.get(at..).unwrap_or_default();
    (from(ip), from(at), [word(at), word(at + 2)], from(at + header))
}

fn byte(octets: &[u8], at: usize) -> u8 {
    octets.get(at).copied().unwrap_or_default()
}

fn target_of(ports: [u16; 2], payload: &[u8]) -> Option<&'static str> {
    let is = |port| ports.contains(&port);
    if is(5060) {
        Some("sip")
    } else if is(53) {
        Some("dns")
    } else if is(2775) {
        Some("smpp")
    } else if is(80) {
        Some("http")
    } else if is(443) {
        Some(if payload.len() == 1200 { "quic" } else { "tls" })
    } else {
        Some("rtp")
    }
}

/// Bodies and URIs of a SIP message.
fn texts(seeds: &mut Seeds, message: &[u8]) {
    let text = String::from_utf8_lossy(message);
    if let Some((_, body)) = text.split_once("\r\n\r\n") {
        add(seeds, if body.starts_with("v=") { "sdp" } else { "keyword" }, body.into());
    }
    for uri in text.split(['<', '>', ' ']).filter(|part| part.starts_with("sip:") || part.starts_with("tel:"))
    {
        add(seeds, "identity", uri.into());
    }
}

/// One packet in a classic file.
fn capture() -> Vec<u8> {
    let words: [u32; 10] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 1, 1, 2, 4, 4];
    words.iter().flat_map(|word| word.to_le_bytes()).chain(*b"abcd").collect()
}

/// Section, interface with a resolution, one packet of each kind.
fn capture_ng() -> Vec<u8> {
    const TSRESOL: [u32; 3] = [0x0001_0009, 9, 0];
    let blocks: [(u32, &[u32]); 5] = [
        (0x0a0d_0d0a, &[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]),
        (1, &[1, 0, TSRESOL[0], TSRESOL[1], TSRESOL[2]]),
        (6, &[0, 1, 2, 4, 4, 0x6463_6261]),
        (3, &[4, 0x6463_6261]),
        (2, &[0, 1, 3, 4, 4, 0x6463_6261]),
    ];
    let mut out = Vec::new();
    for (kind, body) in blocks {
        let total = body.len() as u32 * 4 + 12;
        for word in [kind, total].iter().chain(body).chain([&total]) {
            out.extend(word.to_le_bytes());
        }
    }
    out
}

/// Two frames and their table.
fn capture_netmon() -> Vec<u8> {
    const START: [u16; 8] = [2026, 6, 1, 1, 9, 0, 0, 0];
    const TABLE: [u32; 2] = [168, 8];
    const FRAME: [u32; 5] = [1, 0, 4, 4, 0x6463_6261];
    let mut out = b"GMBU\0\x02\x01\0".to_vec();
    out.extend(START.iter().flat_map(|field| field.to_le_bytes()));
    out.extend(TABLE.iter().flat_map(|field| field.to_le_bytes()));
    out.resize(128, 0);
    out.extend([FRAME, FRAME].concat().iter().chain(&[128, 148]).flat_map(|word| word.to_le_bytes()));
    out
}
