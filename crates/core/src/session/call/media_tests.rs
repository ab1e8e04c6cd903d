//! Media: whose a packet is, what it is, and how it is told.

use super::*;
use crate::product::{Attribution, Protection};

const A: &str = "192.0.2.1:4000";
const B: &str = "198.51.100.2:5000";

/// A call between A and B, described by these lines after `m=`.
fn call(offer: &str, answer: &str) -> Tap {
    let mut tap = Tap::new();
    let body = |ip: &str, media: &str| format!("v=0\r\nc=IN IP4 {ip}\r\n{media}");
    let invite = whole(Side::Caller, "INVITE", "", &body("192.0.2.1", offer));
    let ok = whole(Side::Callee, "200", "bob", &body("198.51.100.2", answer));
    tap.at(1).raw(invite.as_bytes()).raw(ok.as_bytes());
    tap
}

/// A message with a body of its own.
fn whole(from: Side, line: &str, tag: &str, body: &str) -> String {
    let bare = message("1", from, line, tag, "1 INVITE", "1", "");
    let head = bare.replace("Content-Length: 0\r\n\r\n", "");
    format!("{head}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

impl Tap {
    /// An RTP packet with its octets as given behind the header.
    fn sends(&mut self, src: &str, dst: &str, pt: u8, sequence: u16, ssrc: u32, payload: &[u8]) -> bool {
        let mut datagram = vec![0x80, pt];
        datagram.extend(sequence.to_be_bytes());
        datagram.extend((u32::from(sequence) * 160).to_be_bytes());
        datagram.extend(ssrc.to_be_bytes());
        datagram.extend(payload);
        let seen = self.seen(src, dst, &datagram);
        self.calls.media(&seen, &mut self.heard)
    }
}

const PCMA: &str = "m=audio 4000 RTP/AVP 8\r\n";
const PCMA_B: &str = "m=audio 5000 RTP/AVP 8\r\n";

#[test]
fn p27_bound_by_destination_the_source_is_learned() {
    let mut tap = call(PCMA, PCMA_B);
    // Bob's NAT sends from elsewhere; Alice sends from where she said.
    assert!(tap.sends("203.0.113.9:61000", A, 8, 1, 1, &[0; 4]));
    assert!(tap.sends(A, B, 8, 1, 2, &[0; 4]));
    assert!(!tap.sends("203.0.113.9:61000", "203.0.113.7:4", 8, 1, 1, &[0; 4]), "neither end is known");
    let told = tap.told();
    assert!(told.iter().any(|t| t == "1 Callee Pcma/8000") && told.iter().any(|t| t == "1 Caller Pcma/8000"));
    tap.finish();
    assert_eq!(tap.heard.attributions, [Attribution::Learned, Attribution::Announced]);
}

#[test]
fn p27_a_port_used_again_belongs_to_the_newer_call() {
    let mut tap = call(PCMA, PCMA_B);
    tap.at(2).bob("BYE", "bob", "2 BYE", "");
    let invite = whole(Side::Caller, "INVITE", "", &format!("v=0\r\nc=IN IP4 192.0.2.1\r\n{PCMA}"))
        .replace("Call-ID: 1", "Call-ID: 2");
    tap.at(4).raw(invite.as_bytes());
    tap.told();
    assert!(tap.sends("198.51.100.77:6000", A, 8, 1, 1, &[0; 4]));
    assert_eq!(tap.told(), ["2 Callee Pcma/8000"]);
}

#[test]
fn p28_rtcp_by_rfc_3605_muxed_and_of_reduced_size() {
    let mut tap = call("m=audio 4000 RTP/AVP 8\r\na=rtcp:4100\r\n", PCMA_B);
    tap.told();
    assert!(tap.rtcp("198.51.100.2:5001", "192.0.2.1:4100"), "a=rtcp");
    assert!(tap.rtcp("192.0.2.1:4001", "198.51.100.2:5001"), "the next port");
    assert!(tap.rtcp(A, B), "on the RTP port, RFC 5761");
    // RFC 5506: a lone PSFB, no SR or RR before it.
    let reduced = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
    let seen = tap.seen(A, B, &reduced);
    assert!(tap.calls.media(&seen, &mut tap.heard));
    assert_eq!(tap.told(), ["1 Callee RTCP", "1 Caller RTCP", "1 Caller RTCP", "1 Caller RTCP"]);
}

#[test]
fn p28_a_bundle_is_told_apart_by_payload_type() {
    let bundle = |port: u16| {
        format!(
            "a=group:BUNDLE 0 1\r\nm=audio {port} RTP/AVP 96\r\na=mid:0\r\na=rtpmap:96 opus/48000/2\r\n\
             m=video {port} RTP/AVP 97\r\na=mid:1\r\na=rtpmap:97 VP8/90000\r\n"
        )
    };
    let mut tap = call(&bundle(4000), &bundle(5000));
    tap.told();
    assert!(tap.sends(A, B, 96, 1, 1, &[0; 4]) && tap.sends(A, B, 97, 1, 2, &[0; 4]));
    assert_eq!(tap.told(), ["1 Caller OPUS/48000", "1 Caller VP8/90000"]);
}

#[test]
fn p29_a_new_ssrc_is_a_new_segment_and_nothing_is_dropped() {
    let mut tap = call(PCMA, PCMA_B);
    for n in 0..5 {
        assert!(tap.sends(A, B, 8, 65_534_u16.wrapping_add(n), 0, &[0; 4]), "SSRC 0 is an SSRC");
    }
    // Music on hold: another SSRC, another sequence; then back.
    assert!(tap.sends(A, B, 8, 900, 77, &[0; 4]));
    assert!(tap.sends(A, B, 8, 3, 0, &[0; 4]));
    tap.finish();
    let streams: Vec<_> = tap.heard.streams.iter().map(|s| (s.1, s.2)).collect();
    assert_eq!(streams, [(6, 6), (1, 1)], "expected and seen, the very first packets too");
}

#[test]
fn p30_payload_types_are_each_directions_own_and_each_offers() {
    let mut tap = call(
        "m=audio 4000 RTP/AVP 96 0\r\na=rtpmap:96 AMR/8000\r\n",
        "m=audio 5000 RTP/AVP 96\r\na=rtpmap:96 AMR-WB/16000\r\n",
    );
    tap.told();
    assert!(tap.sends(A, B, 96, 1, 1, &[0; 4]), "to Bob it is what Bob calls it");
    assert!(tap.sends(B, A, 96, 1, 2, &[0; 4]));
    assert!(tap.sends(B, A, 0, 2, 2, &[0; 4]), "a static type needs no rtpmap");
    assert_eq!(tap.told(), ["1 Caller AMR-WB/16000", "1 Callee AMR/8000", "1 Callee Pcmu/8000"]);
    // A new offer gives 96 another meaning.
    let again = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 96\r\na=rtpmap:96 G726-32/8000\r\n";
    let invite = whole(Side::Caller, "INVITE", "bob", again).replace("CSeq: 1", "CSeq: 2");
    tap.raw(invite.as_bytes());
    tap.told();
    assert!(tap.sends(B, A, 96, 1, 9, &[0; 4]));
    assert_eq!(tap.told(), ["1 Callee G726-32/8000"]);
}

#[test]
fn p30_red_is_taken_off() {
    let red = "m=audio 4000 RTP/AVP 121 8\r\na=rtpmap:121 red/8000\r\na=fmtp:121 8/8\r\n";
    let mut tap = call(red, &red.replace("4000", "5000"));
    tap.sends(A, B, 121, 1, 1, &[0x88, 0, 0, 2, 8, 1, 1, 0xd5, 0xd5]);
    tap.finish();
    let carried = &tap.heard.carried[0];
    assert_eq!((carried.0, &carried.1, &carried.2[..]), (8, &Encoding::Pcma, &[0xd5, 0xd5][..]));
}

#[test]
fn p31_clocks_are_rtp_clocks() {
    let lines = "m=audio 5000 RTP/AVP 9 96 97 98 99 100 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 AMR/8000\r\n\
         a=rtpmap:98 AMR-WB/16000\r\na=rtpmap:99 EVS/16000\r\na=rtpmap:100 telephone-event/16000\r\n\
         a=rtpmap:101 telephone-event/8000\r\n";
    let mut tap = call(PCMA, lines);
    tap.told();
    for pt in [9, 96, 97, 98, 99, 100, 101] {
        tap.sends(A, B, pt, u16::from(pt), 1, &[0; 4]);
    }
    let wanted = [
        "1 Caller G722/8000", // samples at 16 000, by an error that was kept (RFC 3551, 4.5.2)
        "1 Caller OPUS/48000",
        "1 Caller AMR/8000",
        "1 Caller AMR-WB/16000",
        "1 Caller EVS/16000",
        "1 Caller TelephoneEvent/16000",
        "1 Caller TelephoneEvent/8000",
    ];
    assert_eq!(tap.told(), wanted);
}

#[test]
fn p37_only_who_asks_opens_and_the_state_is_told() {
    let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
    let sdp = format!("m=audio 4000 RTP/SAVP 8\r\n{key}");
    let mut tap = call(&sdp, &sdp.replace("4000", "5000"));
    assert!(tap.sends(A, B, 8, 1, 1, &[7; 14]), "nonsense, which no key opens");
    assert!(tap.sends(A, B, 8, 2, 1, &[7; 14]));
    tap.finish();
    assert_eq!(tap.heard.protections, [Protection::SdesFailed]);
}

#[test]
fn p34_fax_by_re_invite_is_content_too() {
    let mut tap = call(PCMA, PCMA_B);
    let udptl = [0, 1, 1, 2, 3, 4, 5, 6, 7];
    let sends = |tap: &mut Tap, src: &str, dst: &str, datagram: &[u8]| {
        let seen = tap.seen(src, dst, datagram);
        tap.calls.fax(&seen, &mut tap.heard)
    };
    assert!(!sends(&mut tap, A, B, &udptl), "nobody has spoken of fax");
    let image = |port: u16| format!("m=image {port} udptl t38\r\na=T38FaxVersion:0\r\n");
    for (side, line, media) in [
        (Side::Caller, "INVITE", format!("v=0\r\nc=IN IP4 192.0.2.1\r\n{}", image(4000))),
        (Side::Callee, "200", format!("v=0\r\nc=IN IP4 198.51.100.2\r\n{}", image(5000))),
    ] {
        let again = whole(side, line, "bob", &media).replace("1 INVITE", "2 INVITE");
        tap.raw(again.as_bytes());
    }
    tap.told();
    assert!(sends(&mut tap, A, B, &udptl) && sends(&mut tap, B, A, &udptl));
    assert!(!sends(&mut tap, A, B, &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]), "STUN");
    assert!(!sends(&mut tap, "10.9.9.9:1", "10.9.9.9:2", &udptl), "of no call");
    // Speech that was still on its way goes to the same port.
    assert!(tap.sends(A, B, 8, 1, 1, &[0; 4]));
    assert_eq!(tap.told(), ["1 Caller fax", "1 Callee fax", "1 Caller Pcma/8000"]);
}
