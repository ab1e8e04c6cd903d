//! Bodies of the fuzz targets in `fuzz/`, one a decoder, behind the feature `fuzz`. Each takes any octets and must
//! neither panic nor loop; where a decoder promises more, the body checks that too.
//!
//! Allocation is bounded by libFuzzer's `-malloc_limit_mb`, time by `-timeout`: see `fuzz/README.md`.
#![allow(clippy::missing_panics_doc, reason = "a panic is how a fuzz body tells of a finding")]

use std::hint::black_box;

use crate::counters::Counter;
use crate::decode::{
    Framing, dns, dtmf, gsm7, hep, http, ip, link, quic, rtcp, rtp, sdp, sip, smpp, sms, tls, transport,
    websocket,
};
use crate::identifier::NumberingPlans;
use crate::keyword::{self, Keywords};
use crate::packet::{LinkType, Packet, Seen, Time};
use crate::product::Side;
use crate::session::call::Call;
use crate::session::{Change, Flow, NameVia, Observer, Sessions, Text};

/// Link and IP headers, down to the transport payload.
pub fn packet(octets: &[u8]) {
    let Some((link, frame)) = link_and_frame(octets) else { return };
    if let link::Network::Ip(packet) = link::network(link, frame)
        && let Some(packet) = ip::parse(packet)
    {
        assert!(packet.payload.len() <= frame.len());
        _ = black_box(transport::tcp(packet.payload).map(|segment| segment.payload.len()));
        if let Some(datagram) = transport::udp(packet.payload) {
            _ = black_box(transport::gtp_u(datagram.payload));
        }
    }
}

/// A SIP message and its framing in a stream, with every identity and body in it.
pub fn sip(octets: &[u8]) {
    frames(octets, sip::frame);
    if let Some(message) = sip::Message::parse(octets) {
        message.parties(&mut |_, uri| _ = black_box(uri.len()));
        message.bodies(|kind, body| {
            assert!(kind.len() <= octets.len() && body.len() <= octets.len());
            _ = black_box(sdp::Session::parse(body).map(|session| session.media.len()));
        });
    }
}

/// A session description.
pub fn sdp(octets: &[u8]) {
    if let Some(session) = sdp::Session::parse(octets) {
        _ = black_box(session.media.iter().filter(|media| media.is_rtp()).count());
    }
}

/// RTP, RTCP and telephone events.
pub fn rtp(octets: &[u8]) {
    if let Some(packet) = rtp::Packet::parse(octets) {
        assert!(packet.payload.len() + 12 <= octets.len());
        if let Some(event) = dtmf::Payload::parse(packet.payload) {
            _ = black_box(dtmf::Detector::default().packet(packet.timestamp, event));
        }
    }
    assert!(rtcp::packet_types(octets).count() * 4 <= octets.len());
}

/// An SMPP operation and its framing in a stream.
pub fn smpp(octets: &[u8]) {
    frames(octets, smpp::frame);
    if let Some(operation) = smpp::read(octets) {
        text_of(operation.data);
        for address in operation.recipients.iter().chain([&operation.originator]) {
            _ = black_box(address.text());
        }
    }
}

/// A 3GPP short message, bare and in its relay layer.
pub fn sms(octets: &[u8]) {
    let relayed = match sms::relay(octets) {
        Some(sms::Rp::Data(direction, transfer)) => Some((direction, transfer)),
        _ => None,
    };
    for (direction, octets) in
        [(sms::Direction::Submit, octets), (sms::Direction::Deliver, octets)].into_iter().chain(relayed)
    {
        if let Some(sms::Transfer::Message(message)) = sms::transfer(octets, direction) {
            _ = black_box(message.address.text());
            text_of(message.data);
        }
    }
}

/// Packed septets of the default alphabet (TS 23.038).
pub fn gsm7(octets: &[u8]) {
    let Some(([fill, count], octets)) = octets.split_first_chunk() else { return };
    let septets = gsm7::unpack(octets, fill % 7, usize::from(*count));
    assert!(septets.len() <= usize::from(*count) && septets.iter().all(|septet| *septet < 128));
}

/// A DNS message and its framing in a stream.
pub fn dns(octets: &[u8]) {
    frames(octets, dns::frame);
    _ = black_box(dns::names(octets, &mut |_, name| assert!(name.len() <= 4 * 255, "longer than any name")));
}

/// A HEP packet of any version and its framing in a stream.
pub fn hep(octets: &[u8]) {
    frames(octets, hep::frame);
    if let Some(payload) = hep::report(octets).and_then(|report| report.payload.octets()) {
        assert!(payload.len() <= octets.len().max(hep::MAX_INFLATED));
    }
}

/// Frames of a WebSocket, and a handshake.
pub fn websocket(mut octets: &[u8]) {
    _ = black_box(websocket::is_sip_handshake(octets));
    while let websocket::Head::Frame(frame) = websocket::head(octets) {
        assert!(2 <= frame.header && frame.header <= octets.len());
        let length = usize::try_from(frame.length).unwrap_or(usize::MAX);
        let mut payload = Vec::new();
        let rest = &octets[frame.header..];
        websocket::unmask(&rest[..length.min(rest.len())], frame.mask, &mut payload);
        octets = &rest[payload.len()..];
    }
}

/// A TLS stream up to the end of its `ClientHello`.
pub fn tls(octets: &[u8]) {
    match tls::handshake(octets) {
        tls::Stream::Whole(handshake) => hello(&handshake),
        tls::Stream::NeedMore(least) => assert!(least > octets.len(), "asked again for what is there"),
        tls::Stream::Foreign => hello(octets),
    }
}

/// A QUIC datagram: its packets, the keys of its Initial, and octets as if they had been decrypted.
pub fn quic(octets: &[u8]) {
    for packet in quic::packets(octets) {
        if let quic::Packet::Initial(initial) = packet
            && let Some(keys) = quic::ClientKeys::derive(initial.version, initial.dcid)
        {
            _ = black_box(keys.open(&initial).map(|frames| quic::crypto_frames(&frames).count()));
        }
    }
    for frame in quic::crypto_frames(octets) {
        assert!(frame.data.len() <= octets.len());
    }
}

/// An HTTP/1 request head, and a chunked body.
pub fn http(octets: &[u8]) {
    if let tls::Step::Done(request) = http::request(octets) {
        assert!(0 < request.head && request.head <= octets.len());
        _ = black_box(request.target_host());
    }
    let mut body = http::Chunked::START;
    if let Some((skipped, _)) = body.skip(octets) {
        assert!(skipped <= octets.len());
    }
}

/// Text in search of keywords, folded and not.
pub fn keyword(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let keywords = [("tournesol", true), ("straße", false), ("キーワード", false), ("e\u{301}t\u{e9}", true)];
    if let Ok(keywords) = Keywords::new(&keywords) {
        assert!(keywords.find(&text).iter().all(|(id, _)| *id < 4));
    }
    _ = black_box(keyword::fold(&text));
}

/// A URI or address under a numbering plan: reading a normal form again must not change it.
pub fn identity(octets: &[u8]) {
    let Ok(plans) = serde_json::from_str::<NumberingPlans>(PLANS) else { return };
    _ = black_box(plans.site().identity(&String::from_utf8_lossy(octets)).map(|identity| identity.text()));
}

const PLANS: &str = r#"{"country_code": "33", "international_prefixes": ["00"], "national_prefix": "0"}"#;

/// A whole capture: packets, each behind its length in two octets, through reassembly and every session.
pub fn sessions(mut octets: &[u8]) {
    let (mut sessions, mut now) = (Sessions::new(), Time(0));
    while let Some((length, rest)) = octets.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (packet, rest) = rest.split_at(length);
        octets = rest;
        if let Some((link, data)) = link_and_frame(packet) {
            // Half a second a packet: a few hundred packets pass every timer.
            now = Time(now.0 + 500_000_000);
            sessions.handle(&Packet { ts: now, link, data, wire_len: data.len() as u32 }, &mut Deaf);
        }
    }
    sessions.finish(&mut Deaf);
}

/// The first octet chooses the link type.
fn link_and_frame(octets: &[u8]) -> Option<(LinkType, &[u8])> {
    const LINKS: [LinkType; 12] = [
        LinkType::ETHERNET,
        LinkType::NULL,
        LinkType::RAW_BSD,
        LinkType::RAW_OPENBSD,
        LinkType::RAW,
        LinkType::LOOP,
        LinkType::LINUX_SLL,
        LinkType::IPV4,
        LinkType::IPV6,
        LinkType::NFLOG,
        LinkType::UPPER_PDU,
        LinkType::LINUX_SLL2,
    ];
    let (choice, frame) = octets.split_first()?;
    Some((LINKS[usize::from(*choice) % LINKS.len()], frame))
}

/// Cuts a whole stream as the session layer does: each step must go forward and stay inside.
fn frames(mut octets: &[u8], frame: fn(&[u8]) -> Framing) {
    while let Framing::Message(n) | Framing::Skip(n) = frame(octets) {
        assert!(0 < n && n <= octets.len(), "a step of {n}");
        octets = &octets[n..];
        if octets.is_empty() {
            break;
        }
    }
}

fn hello(handshake: &[u8]) {
    if let tls::Step::Done(hello) = tls::client_hello(handshake) {
        _ = black_box((hello.name(), hello.protocols().count()));
    }
}

fn text_of(data: sms::UserData<'_>) {
    let alphabet = data.alphabet;
    let mut text = String::new();
    _ = black_box(alphabet.decode(&data.into_owned(), &mut text));
}

/// Hears everything and keeps nothing.
struct Deaf;

impl Observer for Deaf {
    fn signal(&mut self, call: &mut Call, _: Change, _: &sip::Message<'_>, _: &Seen<'_>) {
        call.checked = call.parties.len();
    }
    fn rtp(&mut self, call: &mut Call, stream: usize, _: &rtp::Packet<'_>, _: &Seen<'_>) {
        assert!(call.streams[stream].seen <= call.streams[stream].expected);
    }
    fn rtcp(&mut self, _: &mut Call, _: Side, _: &Seen<'_>) {}
    fn call_closed(&mut self, call: &mut Call, _: Time) {
        assert!(call.end_reason.is_some());
    }
    fn text(&mut self, _: &Text<'_>, _: &Seen<'_>) {}
    fn name(&mut self, _: &mut Flow, _: NameVia, name: &str, _: &Seen<'_>) {
        assert!(!name.is_empty());
    }
    fn flow_closed(&mut self, _: &mut Flow, _: Time) {}
    fn count(&mut self, _: Counter, _: u64) {}
}
