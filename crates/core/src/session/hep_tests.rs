use std::net::IpAddr;

use super::*;
use crate::counters::Counters;
use crate::decode::hep::tests::{chunk, chunks, packet};
use crate::decode::{rtp, sip};
use crate::packet::{LinkType, Packet};
use crate::product::{EndReason, Side};
use crate::session::call::Call;
use crate::session::{Change, Flow, NameVia, Text};

/// Keeps what the tests ask for.
#[derive(Default)]
struct Heard {
    counters: Counters,
    signals: Vec<(Time, IpAddr, Change)>,
    media: usize,
    reports: usize,
    closed: Vec<Option<EndReason>>,
}

impl Observer for Heard {
    fn signal(&mut self, _: &mut Call, change: Change, _: &sip::Message<'_>, seen: &Seen<'_>) {
        assert!(seen.packet.is_none(), "the captured packet holds more than the message");
        self.signals.push((seen.ts, seen.src.ip, change));
    }
    fn rtp(&mut self, _: &mut Call, _: usize, _: &rtp::Packet<'_>, _: &Seen<'_>) {
        self.media += 1;
    }
    fn rtcp(&mut self, _: &mut Call, _: Side, _: &Seen<'_>) {}
    fn call_closed(&mut self, call: &mut Call, _: Time) {
        self.closed.push(call.end_reason);
    }
    fn text(&mut self, _: &Text<'_>, _: &Seen<'_>) {}
    fn name(&mut self, _: &mut Flow, _: NameVia, _: &str, _: &Seen<'_>) {}
    fn hep(&mut self, _: &Report<'_>, _: &Seen<'_>) {
        self.reports += 1;
    }
    fn flow_closed(&mut self, _: &mut Flow, _: Time) {}
    fn count(&mut self, what: Counter, n: u64) {
        self.counters.add(what, n);
    }
}

const NOW: Time = Time(1_700_000_000 * 1_000_000_000);

const INVITE: &[u8] = b"INVITE sip:+33123456789@a.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\n\
    From: <sip:+33612345678@a.example>;tag=1\r\nTo: <sip:+33123456789@a.example>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
    Content-Type: application/sdp\r\nContent-Length: 97\r\n\r\nv=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\n\
    c=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

const BYE: &[u8] = b"BYE sip:+33123456789@a.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKb\r\n\
    From: <sip:+33612345678@a.example>;tag=1\r\nTo: <sip:+33123456789@a.example>;tag=2\r\nCall-ID: c\r\n\
    CSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n";

fn ip(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let head = [0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 9, 10, 0, 0, 1];
    [&head[..], payload].concat()
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    let words = [40000u16, port, length, 0].map(u16::to_be_bytes).concat();
    ip(17, &[&words[..], payload].concat())
}

fn tcp(seq: u32, payload: &[u8]) -> Vec<u8> {
    let mut head = [40000u16, 9060].map(u16::to_be_bytes).concat();
    head.extend_from_slice(&seq.to_be_bytes());
    head.extend_from_slice(&[0, 0, 0, 0, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    ip(6, &[&head[..], payload].concat())
}

fn handle(sessions: &mut Sessions, heard: &mut Heard, ts: Time, data: &[u8]) {
    sessions.handle(&Packet { ts, link: LinkType::RAW, data, wire_len: data.len() as u32 }, heard);
}

fn heard_of(trust: Trust, packets: &[Vec<u8>]) -> Heard {
    let (mut sessions, mut heard) = (Sessions::new(), Heard::default());
    sessions.trust_agents(trust);
    for data in packets {
        handle(&mut sessions, &mut heard, NOW, data);
    }
    heard
}

fn trust(json: &str) -> Result<Trust, String> {
    Trust::try_from(serde_json::from_str::<TrustText>(json).map_err(|e| e.to_string())?)
}

fn source() -> IpAddr {
    IpAddr::V4([192, 0, 2, 1].into())
}

#[test]
fn hep3_sip_bears_the_agents_addresses_and_time_on_any_port() {
    let reported = packet(&chunks(1_699_999_990, INVITE));
    for port in [hep::PORT, 7777] {
        let heard = heard_of(Trust::default(), &[udp(port, &reported)]);
        let sent = Time(1_699_999_990_500_000_000);
        assert_eq!(heard.signals, [(sent, source(), Change::Begin)]);
        assert_eq!((heard.reports, heard.counters.get(Counter::Hep)), (1, 1));
    }
}

#[test]
fn hep3_of_a_call_binds_the_media_that_the_tap_sees() {
    let mut voice = vec![0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
    voice.extend_from_slice(&[0xff; 160]);
    // From 10.0.0.9 to the address that the reported INVITE gives.
    let mut media = udp(4000, &voice);
    media[16..20].copy_from_slice(&[198, 51, 100, 7]);
    let call = packet(&chunks(1_699_999_990, INVITE));
    let mut reported = chunks(1_699_999_991, &voice);
    reported[3] = chunk(0, 4, &[198, 51, 100, 7]);
    reported[5] = chunk(0, 8, &4000u16.to_be_bytes());
    reported[8] = chunk(0, 11, &[4]);
    let heard = heard_of(Trust::default(), &[udp(9060, &call), media, udp(9060, &packet(&reported))]);
    assert_eq!(heard.media, 2);
}

#[test]
fn hep3_in_a_stream_is_read_however_it_is_cut() {
    let stream = [packet(&chunks(1_699_999_990, INVITE)), packet(&chunks(1_699_999_991, BYE))].concat();
    for size in [1, 7, stream.len()] {
        let mut seq = 1;
        let packets = stream.chunks(size).map(|octets| {
            let segment = tcp(seq, octets);
            seq += octets.len() as u32;
            segment
        });
        let heard = heard_of(Trust::default(), &packets.collect::<Vec<_>>());
        let changes: Vec<_> = heard.signals.iter().map(|s| s.2).collect();
        assert_eq!(changes, [Change::Begin, Change::End], "{size}");
    }
}

#[test]
fn hep3_time_that_nobody_can_believe_is_the_captures() {
    for (seconds, believed) in
        [(0, false), (900_000_000, false), (1_700_000_299, true), (1_700_000_301, false)]
    {
        let heard = heard_of(Trust::default(), &[udp(9060, &packet(&chunks(seconds, INVITE)))]);
        let is_the_agents = heard.signals[0].0 != NOW;
        assert_eq!(
            (is_the_agents, heard.counters.get(Counter::HepTimeReplaced)),
            (believed, u64::from(!believed))
        );
    }
    let mut none = chunks(1, INVITE);
    none.remove(6);
    assert_eq!(heard_of(Trust::default(), &[udp(9060, &packet(&none))]).signals[0].0, NOW);
}

#[test]
fn hep3_of_long_ago_keeps_its_call_together() {
    let (mut sessions, mut heard) = (Sessions::new(), Heard::default());
    for (seconds, message) in [(0, INVITE), (60, BYE)] {
        let reported = packet(&chunks(1_600_000_000 + seconds, message));
        // A minute passes for the capture too, in steps that let every timer look.
        handle(&mut sessions, &mut heard, NOW.plus_seconds(seconds.into()), &udp(9060, &reported));
        handle(&mut sessions, &mut heard, NOW.plus_seconds(i64::from(seconds) + 5), &udp(9, b"?"));
    }
    sessions.finish(&mut heard);
    assert_eq!(heard.signals.iter().map(|s| s.2).collect::<Vec<_>>(), [Change::Begin, Change::End]);
    assert_eq!(heard.closed, [Some(EndReason::Bye)]);
}

#[test]
fn hep3_from_strangers_or_with_a_wrong_key_is_refused_and_counted() {
    let bare = udp(9060, &packet(&chunks(1_699_999_990, INVITE)));
    let keyed =
        |key: &[u8]| udp(9060, &packet(&[&chunks(1_699_999_990, INVITE)[..], &[chunk(0, 14, key)]].concat()));
    for (json, data, refusal) in [
        (r#"{"sources": ["10.0.0.0/24"]}"#, &bare, None),
        (r#"{"sources": ["10.0.1.0/24", "2001:db8::/32"]}"#, &bare, Some(Counter::HepSourceRefused)),
        (r#"{"accept": false}"#, &bare, Some(Counter::HepSourceRefused)),
        (r#"{"key": "right"}"#, &keyed(b"right"), None),
        (r#"{"key": "right"}"#, &keyed(b"wrong"), Some(Counter::HepKeyRefused)),
        (r#"{"key": "right"}"#, &keyed(b"right!"), Some(Counter::HepKeyRefused)),
        (r#"{"key": "right"}"#, &bare, Some(Counter::HepKeyRefused)),
    ] {
        let heard = heard_of(trust(json).expect(json), std::slice::from_ref(data));
        assert_eq!(heard.signals.len(), usize::from(refusal.is_none()), "{json}");
        assert_eq!(refusal.map_or(1, |r| heard.counters.get(r)), 1, "{json}");
    }
    assert!(trust(r#"{"sources": ["10.0.0.1/24"]}"#).is_err());
    assert!(trust(r#"{"password": "x"}"#).is_err());
}

#[test]
fn hep3_within_hep3_ends_somewhere() {
    let mut octets = packet(&chunks(1_699_999_990, INVITE));
    for depth in 1..=5 {
        let heard = heard_of(Trust::default(), &[udp(9060, &octets)]);
        assert_eq!(heard.signals.len(), usize::from(depth <= MAX_DEPTH), "{depth}");
        assert_eq!(heard.counters.get(Counter::HepTooDeep), u64::from(depth > MAX_DEPTH));
        octets = packet(&chunks(1_699_999_990, &octets));
    }
}

#[test]
fn hep3_that_is_damaged_is_counted_and_other_protocols_on_its_port_are_not() {
    let heard = heard_of(
        Trust::default(),
        &[udp(9060, b"HEP3\0\x06"), udp(9060, BYE), udp(9060, b""), udp(9060, b"\x01\x10\x02")],
    );
    assert_eq!(heard.counters.get(Counter::HepMalformed), 1);
}
