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

/// Takes the capture apart.
pub fn of(demo: &Path) -> Result<Seeds, SourceError> {
    let mut seeds = Seeds::new();
    let mut run = Vec::new();
    let mut frames = 0;
    let mut source = mandat_source::open(&[demo])?;
    while let Some(packet) = source.next()? {
        add(&mut seeds, "packet", [&[0], packet.data].concat());
        let (ports, payload) = transport(packet.data);
        let target = target_of(ports, payload);
        if let Some(target) = target.filter(|_| !payload.is_empty()) {
            add(&mut seeds, target, payload.to_vec());
        }
        if target == Some("sip") {
            texts(&mut seeds, payload);
        }
        // One media packet in fifty keeps `sessions` to what happens.
        frames += 1;
        if target != Some("rtp") || frames % 50 == 0 {
            run.extend((packet.data.len() as u16 + 1).to_be_bytes());
            run.push(0);
            run.extend(packet.data);
            if run.len() > FRAMES * 500 {
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
    add(&mut seeds, "capture", capture());
    add(&mut seeds, "capture", capture_ng());
    Ok(seeds)
}

fn add(seeds: &mut Seeds, target: &'static str, octets: Vec<u8>) {
    let seeds = seeds.entry(target).or_default();
    if seeds.len() < MAX_SEEDS {
        seeds.push(octets);
    }
}

/// Ports and payload of an Ethernet frame of the demo.
fn transport(frame: &[u8]) -> ([u16; 2], &[u8]) {
    let word = |at: usize| u16::from_be_bytes([byte(frame, at), byte(frame, at + 1)]);
    let ip = if word(12) == 0x8100 { 18 } else { 14 };
    let (at, protocol) = if byte(frame, ip) >> 4 == 6 {
        (ip + 40, byte(frame, ip + 6))
    } else {
        (ip + 20, byte(frame, ip + 9))
    };
    let header = if protocol == 6 { 20 } else { 8 };
    ([word(at), word(at + 2)], frame.get(at + header..).unwrap_or_default())
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
