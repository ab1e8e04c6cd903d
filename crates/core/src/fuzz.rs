//! Bodies of the fuzz targets in `fuzz/`, one a decoder, behind the feature `fuzz`. Each takes any octets and must
//! neither panic nor loop; where a decoder promises more, the body checks that too.
//!
//! Allocation is bounded by libFuzzer's `-malloc_limit_mb`, time by `-timeout`: see `fuzz/README.md`.
#![allow(clippy::missing_panics_doc, reason = "a panic is how a fuzz body tells of a finding")]

mod state;

use std::hint::black_box;

pub use state::{fragments, mail_session, point, sessions, tcp, web};

use crate::decode::{
    Framing, dhcp, dhcpv6, diameter, dns, dtls, dtmf, gquic, gsm7, gtpv1c, gtpv2c, hep, hpack, http, http2,
    ip, isup, label, link, mail, map, mime, mtp3, quic, radius, red, rs_metadata, rtcp, rtp, sccp, sctp,
    sdes, sdp, sigtran, sip, smpp, sms, srtp, tcap, tls, transport, tunnel, unseen, websocket,
};
use crate::identifier::{Domain, DomainIndex, Identity, NumberingPlans, Target, email};
use crate::keyword::{self, Keywords};
use crate::packet::LinkType;
use crate::session::quic::QuicHello;
use crate::session::web::WebStream;

/// Link headers.
pub fn link(octets: &[u8]) {
    let Some((link, frame)) = link_and_frame(octets) else { return };
    if let link::Network::Ip(packet) = link::network(link, frame) {
        assert!(packet.len() <= frame.len());
    }
}

/// Tunnels: each IP protocol number and each UDP port of one, and UDP between clients of Teredo.
pub fn tunnel(octets: &[u8]) {
    let Some(([number, cut], payload)) = octets.split_first_chunk() else { return };
    if let Some(link::Network::Ip(inner)) = tunnel::over_ip(*number, payload) {
        assert!(inner.len() <= payload.len());
    }
    for dport in [1701, 2152, 3544, 4754, 4789, 4790, 6081, 6635, 37008] {
        let datagram = transport::Udp { sport: 4000, dport, payload };
        if let Some(inner) = tunnel::udp(&datagram, cut & 1 == 1) {
            assert!(inner.len() <= payload.len() && matches!(inner.first().map(|b| b >> 4), Some(4 | 6)));
        }
    }
    _ = black_box(tunnel::teredo_peer(payload));
}

/// An IP packet of either version, and ESP without encryption.
pub fn ip(octets: &[u8]) {
    if let Some(packet) = ip::parse(octets) {
        assert!(packet.payload.len() <= octets.len());
        assert_eq!(packet.src.is_ipv4(), packet.dst.is_ipv4());
    }
    if let Some((_, payload)) = ip::esp_null(octets) {
        assert!(payload.len() < octets.len());
    }
}

/// TCP, UDP and GTP-U headers.
pub fn transport(octets: &[u8]) {
    if let Some(segment) = transport::tcp(octets) {
        assert!(segment.payload.len() + 20 <= octets.len());
    }
    if let Some(datagram) = transport::udp(octets) {
        assert!(datagram.payload.len() + 8 <= octets.len());
    }
    if let Some(inner) = transport::gtp_u(octets) {
        assert!(inner.len() + 8 <= octets.len());
    }
}

/// A SIP message, with every identity and body in it.
pub fn sip(octets: &[u8]) {
    if let Some(message) = sip::Message::parse(octets) {
        message.more(Some(b"X-CID"), |_, value| {
            sip::more::values(value, |one| {
                let _ = (sip::passport::parse(one), sip::more::credentials(one), sip::more::session_id(one));
                let _ = (sip::more::unescape(sip::more::embedded(one, b"Reason")), sip::more::reason(one));
            });
        });
        message.parties(&mut |_, uri| _ = black_box(uri.len()));
        message.bodies(|kind, body| {
            _ = black_box(kind.len());
            _ = black_box(sdp::Session::parse(body).map(|session| session.media.len()));
        });
    }
}

/// Transfer and content encodings of a body: the first octet chooses.
pub fn mime(octets: &[u8]) {
    const ENCODINGS: [&[u8]; 4] = [b"base64", b"quoted-printable", b"gzip", b"deflate"];
    let Some((choice, body)) = octets.split_first() else { return };
    let encoding = ENCODINGS[usize::from(*choice) % ENCODINGS.len()];
    assert!(mime::transfer(encoding, body).len() <= body.len());
    _ = black_box(mime::content(encoding, body).map(|body| body.len()));
}

/// SIP in a stream: where messages begin and end.
pub fn sip_frame(octets: &[u8]) {
    frames(octets, sip::frame);
}

/// A session description.
pub fn sdp(octets: &[u8]) {
    if let Some(session) = sdp::Session::parse(octets) {
        _ = black_box(session.media.iter().filter(|media| media.is_rtp()).count());
    }
}

/// Recording metadata, and the labels of a session description.
pub fn rs_metadata(octets: &[u8]) {
    assert!(label::labels(octets).len() <= sdp::MAX_MEDIA);
    let text = sip::text(octets);
    if let Some(found) = rs_metadata::Metadata::parse(&text) {
        assert!(found.sessions.len() <= rs_metadata::MAX_SESSIONS);
        assert!(found.participants.len() <= rs_metadata::MAX_PARTICIPANTS);
        assert!(found.streams.len() <= rs_metadata::MAX_STREAMS);
        assert!(found.memberships.len().max(found.sends.len()) <= rs_metadata::MAX_ASSOCIATIONS);
        assert!(found.participants.iter().all(|p| p.names.len() <= rs_metadata::MAX_NAME_IDS));
    }
}

/// An RTP packet.
pub fn rtp(octets: &[u8]) {
    if let Some(packet) = rtp::Packet::parse(octets) {
        assert!(packet.payload.len() + 12 <= octets.len());
    }
}

/// SRTP: an octet for how long the `a=crypto` value is, the value, a packet.
pub fn srtp(octets: &[u8]) {
    let Some((length, rest)) = octets.split_first() else { return };
    let Some((value, datagram)) = rest.split_at_checked(usize::from(*length)) else { return };
    let mut out = Vec::new();
    for crypto in sdes::Crypto::parse(value) {
        let Some(keys) = srtp::Keys::derive(&crypto, 0) else { continue };
        if keys.unprotect(datagram, 0..2, &mut out).is_some() {
            assert!(out.len() <= datagram.len());
        }
    }
}

/// Redundant audio.
pub fn red(octets: &[u8]) {
    if let Some((payload_type, primary)) = red::primary(octets) {
        assert!(payload_type < 128 && primary.len() < octets.len());
    }
}

/// A compound of RTCP packets.
pub fn rtcp(octets: &[u8]) {
    assert!(rtcp::packet_types(octets).count() * 4 <= octets.len());
    if rtcp::is_rtcp(octets) {
        assert!(octets[0] >> 6 == 2 && octets.len() >= 4);
    }
}

/// Telephone events of one stream: a timestamp and a payload each. The same packet twice is one key.
pub fn dtmf(octets: &[u8]) {
    let mut detector = dtmf::Detector::default();
    for packet in octets.chunks(8) {
        if let Some((timestamp, payload)) = packet.split_first_chunk()
            && let Some(event) = dtmf::Payload::parse(payload)
        {
            let timestamp = u32::from_be_bytes(*timestamp);
            assert!(detector.packet(timestamp, event).is_none_or(|told| told == event.event));
            assert_eq!(detector.packet(timestamp, event), None);
        }
    }
}

/// An SMPP operation and its framing in a stream.
pub fn smpp(octets: &[u8]) {
    frames(octets, smpp::frame);
    if let Some(operation) = smpp::read(octets, None) {
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

/// SCTP, and each adaptation layer in its chunks and bare.
pub fn sctp(octets: &[u8]) {
    if let Some(packet) = sctp::packet(octets) {
        assert!(packet.data().map(|data| data.payload.len()).sum::<usize>() <= octets.len());
    }
    for layer in [sigtran::Layer::M2ua, sigtran::Layer::M3ua, sigtran::Layer::M2pa] {
        _ = black_box(sigtran::read(layer, octets));
    }
}

/// An ISUP message behind its circuit, in both variants, bare and in a level 3 message.
pub fn isup(octets: &[u8]) {
    for variant in [mtp3::Variant::Itu, mtp3::Variant::Ansi] {
        let inner = mtp3::transfer(octets, variant).map_or(&[][..], |transfer| transfer.payload);
        for octets in [octets, inner] {
            if let Some((_, rest)) = isup::circuit(octets, variant, false)
                && let Some(message) = isup::Message::parse(rest, variant)
            {
                for (_, number) in message.numbers() {
                    assert!(number.text().len() <= 40, "a number without bound");
                }
                _ = black_box((message.is_alerting(), message.cause, message.called.map(|n| n.text())));
            }
        }
    }
}

/// MAP in TCAP, bare and in SCCP.
pub fn map(octets: &[u8]) {
    let inner = sccp::unitdata(octets).map_or(&[][..], |unitdata| unitdata.data);
    for octets in [octets, inner] {
        for invoke in tcap::invokes(octets) {
            if let Some(forward) = map::forward_sm(&invoke) {
                assert!(forward.tpdu.len() <= octets.len());
            }
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

/// A QUIC datagram: its packets, the keys of its Initial, octets as if they had been decrypted, and the hello that
/// several datagrams make.
pub fn quic(octets: &[u8]) {
    let mut hello = QuicHello::new();
    for datagram in octets.chunks(octets.len() / 2 + 1) {
        _ = black_box(hello.feed(datagram));
    }
    assert!(hello.octets() <= octets.len());
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

/// The first message of Google QUIC, in the clear and as if it had been decrypted.
pub fn gquic(octets: &[u8]) {
    for found in [gquic::chlo(octets), gquic::chlo_of_frames(octets)] {
        if let tls::Step::Done(chlo) = found {
            assert!(chlo.server_name.is_none_or(|name| name.len() <= octets.len()));
        }
    }
}

/// The `ClientHello` of DTLS.
pub fn dtls(octets: &[u8]) {
    for fragment in dtls::fragments(octets) {
        assert!(fragment.offset + fragment.data.len() <= fragment.whole);
    }
    if let tls::Step::Done(hello) = dtls::client_hello(octets) {
        _ = black_box(hello.name());
    }
}

/// A header block of HTTP/2.
pub fn hpack(octets: &[u8]) {
    for found in hpack::representations(octets).flatten() {
        if let hpack::Representation::Literal { value, .. } = found {
            assert!(value.decode().is_none_or(|text| text.len() <= octets.len() * 8 / 5));
        }
    }
}

/// HTTP/2 behind its preface, through the header table.
pub fn http2(octets: &[u8]) {
    let mut stream = WebStream::new();
    assert_eq!(stream.data(http2::PREFACE, &mut |_, _| {}), http2::PREFACE.len());
    assert!(stream.data(octets, &mut |_, name| assert!(!name.is_empty())) <= octets.len());
}

/// A datagram of a tunnel.
pub fn unseen(octets: &[u8]) {
    for port in [500, 1194, 4500, 9999] {
        _ = black_box(unseen::tunnel(octets, [port, 1]));
    }
}

/// Lines of SMTP, IMAP and POP3, and a message with its addresses and encoded words.
pub fn mail(octets: &[u8]) {
    if let mail::line::Line::Whole(line, used) = mail::line::next(octets) {
        assert!(line.len() < used && used <= octets.len());
        _ = black_box((mail::smtp::command(line), mail::smtp::reply(line)));
        _ = black_box((mail::pop3::command(line), mail::pop3::response(line)));
        _ = black_box((mail::imap::command(line), mail::imap::response(line), mail::imap::fetched(line)));
        if let Some(literal) = mail::imap::literal(line) {
            assert!(literal.before.len() < line.len());
        }
        _ = black_box((mail::imap::astring(line), mail::imap::append_is_message(line)));
    }
    let end = mail::header::end(octets, 0).unwrap_or(octets.len());
    assert!(end <= octets.len());
    for field in mail::header::fields(&octets[..end]) {
        let body = field.unfolded();
        let mut found = 0;
        mail::address::addresses(&body, &mut |address| found += address.len());
        assert!(found <= body.len());
        _ = black_box(mail::encoded_word::decode(&body));
    }
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "OAUTHBEARER"] {
        _ = black_box(mail::sasl::Mechanism::of(mechanism.as_bytes()).name(octets));
    }
    _ = black_box(email::identity(&String::from_utf8_lossy(octets)).map(|identity| identity.text()));
}

/// Text in search of keywords, folded and not. What is folded stays so.
pub fn keyword(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let keywords = [("tournesol", true), ("straße", false), ("キーワード", false), ("e\u{301}t\u{e9}", true)];
    if let Ok(keywords) = Keywords::new(&keywords) {
        assert!(keywords.find(&text).iter().all(|(id, _)| *id < 4));
    }
    let folded = keyword::fold(&text);
    assert_eq!(folded.as_ref(), keyword::fold(folded.as_ref()).as_ref());
}

/// A URI or address under a numbering plan, a target of a warrant, a domain. A number in normal form is the number
/// that it was made of.
pub fn identity(octets: &[u8]) {
    let Ok(plans) = serde_json::from_str::<NumberingPlans>(PLANS) else { return };
    let text = String::from_utf8_lossy(octets);
    if let Some(identity) = plans.site().identity(&text)
        && let Identity::Number(_) = identity
    {
        let again = plans.site().identity(&format!("tel:+{}", identity.text()));
        assert!(again == Some(identity), "a normal form that reads as another identity");
    }
    for ton in 0..8 {
        _ = black_box(plans.site().address(&text, ton).map(|identity| identity.text().len()));
    }
    for kind in ["e164Number", "sipUri", "telUri"] {
        _ = black_box(Target::parse(kind, &text).is_ok());
    }
    let mut domains = DomainIndex::default();
    if let Ok(domain) = Domain::parse(&text) {
        let name = domain.as_str().to_owned();
        domains.insert(domain, true, 0);
        assert_eq!(domains.find(&name).len(), 1, "a domain that doesn't meet itself");
    }
    _ = black_box(domains.find(&text).len());
}

const PLANS: &str = r#"{"country_code": "33", "international_prefixes": ["00"], "national_prefix": "0"}"#;

/// The first octet chooses the link type.
fn link_and_frame(octets: &[u8]) -> Option<(LinkType, &[u8])> {
    const LINKS: [LinkType; 15] = [
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
        LinkType::MTP2_WITH_PHDR,
        LinkType::MTP2,
        LinkType::MTP3,
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

/// A RADIUS packet.
pub fn radius(octets: &[u8]) {
    _ = black_box(radius::Packet::parse(octets).map(|packet| (packet.is_telling(), packet.facts().delay)));
}

/// A DHCP message of either version.
pub fn dhcp(octets: &[u8]) {
    _ = black_box(dhcp::Message::parse(octets).map(|message| message.lease));
    if let Some(message) = dhcpv6::Message::parse(octets) {
        message.leases(&mut |_, length, _| assert!(length <= 128));
    }
}

/// A GTP-C message of either version.
pub fn gtpc(octets: &[u8]) {
    _ = black_box(gtpv1c::Message::parse(octets).map(|message| message.teid));
    if let Some((message, behind)) = gtpv2c::Message::parse(octets) {
        assert!(behind.len() < octets.len() && message.control.len() <= 2);
    }
}

/// Diameter messages and their framing in a stream.
pub fn diameter(octets: &[u8]) {
    frames(octets, diameter::frame);
    if let Some(message) = diameter::Message::parse(octets) {
        let walked: usize = message.avps.iter().map(|(_, data)| data.len()).sum();
        assert!(walked <= octets.len());
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
