//! Calls as transcripts: what is said on the wire, and what an observer is told.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::product::Encoding;
use crate::session::{Flow, NameVia, Text};

const ALICE: &str = "192.0.2.1:5060";
const BOB: &str = "198.51.100.2:5060";

/// Writes down what it is told.
#[derive(Default)]
struct Recorder {
    told: Vec<String>,
    counted: Vec<(Counter, u64)>,
    streams: Vec<(Side, u64, u64, u64, Encoding, u64)>,
    attributions: Vec<Attribution>,
    protections: Vec<Protection>,
    /// What each packet carried, once opened and without RED.
    carried: Vec<(u8, Encoding, Vec<u8>)>,
}

impl Observer for Recorder {
    fn signal(&mut self, call: &mut Call, change: Change, _: &sip::Message<'_>, _: &Seen<'_>) {
        if change != Change::Nothing {
            self.told.push(format!("{} {change:?}", call.call_id.text()));
        }
    }
    fn rtp(&mut self, call: &mut Call, stream: usize, packet: &rtp::Packet<'_>, seen: &Seen<'_>) {
        call.open(stream, seen.payload, &mut Vec::new());
        let carried = call.streams[stream].carried(packet.payload_type, packet.payload);
        self.carried.push((carried.payload_type, carried.encoding.clone(), carried.payload.to_vec()));
        let stream = &call.streams[stream];
        let name = match &stream.encoding {
            Encoding::Other(name) => name.to_string(),
            known => format!("{known:?}"),
        };
        self.told.push(format!("{} {:?} {name}/{}", call.call_id.text(), stream.side, stream.clock));
    }
    fn rtcp(&mut self, call: &mut Call, side: Side, _: &Seen<'_>) {
        self.told.push(format!("{} {side:?} RTCP", call.call_id.text()));
    }
    fn fax(&mut self, call: &mut Call, side: Side, _: &Seen<'_>) {
        self.told.push(format!("{} {side:?} fax", call.call_id.text()));
    }
    fn call_closed(&mut self, call: &mut Call, _: Time) {
        let at = |t: Option<Time>| t.map_or("-".to_owned(), |t| format!("{}", t.seconds()));
        self.told.push(format!(
            "{} closed {:?} {} start {} ringing {} answer {} end {}",
            call.call_id.text(),
            call.end_reason.expect("a reason"),
            call.final_status.map_or("-".to_owned(), |s| s.to_string()),
            at(Some(call.start)),
            at(call.ringing),
            at(call.answer),
            at(call.end)
        ));
        let numbers = |s: &Stream| (s.side, s.expected, s.seen, s.duplicates, s.encoding.clone(), s.events);
        self.streams.extend(call.streams.iter().map(numbers));
        self.attributions.extend(call.streams.iter().map(|s| s.attribution));
        let known = call.protections.as_deref();
        self.protections.extend(call.streams.iter().map(|s| s.protection(known, false)));
    }
    fn text(&mut self, _: &Text<'_>, _: &Seen<'_>) {}
    fn name(&mut self, _: &mut Flow, _: NameVia, _: &str, _: &Seen<'_>) {}
    fn flow_closed(&mut self, _: &mut Flow, _: Time) {}
    fn count(&mut self, what: Counter, n: u64) {
        self.counted.push((what, n));
    }
}

fn endpoint(text: &str) -> Endpoint {
    let at: std::net::SocketAddr = text.parse().expect("an address");
    Endpoint { ip: at.ip(), port: at.port() }
}

/// A tap with a clock.
pub(super) struct Tap {
    pub(super) calls: Calls,
    heard: Recorder,
    now: Time,
}

impl Tap {
    pub(super) fn new() -> Self {
        Self { calls: Calls::new(), heard: Recorder::default(), now: Time(0) }
    }

    /// The time, in seconds.
    pub(super) fn at(&mut self, seconds: i64) -> &mut Self {
        self.now = Time(0).plus_seconds(seconds);
        self.calls.advance(self.now, &mut self.heard);
        self
    }

    pub(super) fn seen<'a>(&self, src: &str, dst: &str, payload: &'a [u8]) -> Seen<'a> {
        let (src, dst) = (endpoint(src), endpoint(dst));
        Seen { ts: self.now, src, dst, transport: Transport::Udp, packet: None, payload }
    }

    /// One message: first line, the To tag, `CSeq`, the Via branch, and a media address to describe.
    pub(super) fn says(
        &mut self,
        from: Side,
        line: &str,
        tag: &str,
        cseq: &str,
        branch: &str,
        sdp: &str,
    ) -> &mut Self {
        let raw = message("1", from, line, tag, cseq, branch, sdp);
        self.raw(raw.as_bytes())
    }

    pub(super) fn raw(&mut self, raw: &[u8]) -> &mut Self {
        let message = sip::Message::parse(raw).expect("a message");
        let seen = self.seen(ALICE, BOB, raw);
        self.calls.signal(&message, &seen, &mut self.heard);
        self
    }

    pub(super) fn alice(&mut self, line: &str, tag: &str, cseq: &str, sdp: &str) -> &mut Self {
        let branch = cseq.to_owned();
        self.says(Side::Caller, line, tag, cseq, &branch, sdp)
    }

    pub(super) fn bob(&mut self, line: &str, tag: &str, cseq: &str, sdp: &str) -> &mut Self {
        let branch = cseq.to_owned();
        self.says(Side::Callee, line, tag, cseq, &branch, sdp)
    }

    pub(super) fn rtp(&mut self, src: &str, dst: &str, pt: u8, sequence: u16, ssrc: u8) -> bool {
        let [high, low] = sequence.to_be_bytes();
        let datagram = [0x80, pt, high, low, 0, 0, 0, 0, 0, 0, 0, ssrc, 1, 0, 0, 160];
        let seen = self.seen(src, dst, &datagram);
        self.calls.media(&seen, &mut self.heard)
    }

    pub(super) fn rtp_of(&mut self, src: &str, dst: &str, pt: u8, payload: &[u8]) -> bool {
        let datagram = [&[0x80, pt, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1][..], payload].concat();
        let seen = self.seen(src, dst, &datagram);
        self.calls.media(&seen, &mut self.heard)
    }

    pub(super) fn rtcp(&mut self, src: &str, dst: &str) -> bool {
        let seen = self.seen(src, dst, &[0x80, 201, 0, 1, 0, 0, 0, 1]);
        self.calls.media(&seen, &mut self.heard)
    }

    pub(super) fn finish(&mut self) {
        self.calls.finish(self.now, &mut self.heard);
    }

    /// Everything told since the last look.
    pub(super) fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.heard.told)
    }

    pub(super) fn counted(&self, what: Counter) -> u64 {
        self.heard.counted.iter().filter(|(c, _)| *c == what).map(|(_, n)| n).sum()
    }
}

/// `from` is the side that sends; a response is to a request of the other side, and keeps that one's From.
pub(super) fn message(
    id: &str,
    from: Side,
    line: &str,
    tag: &str,
    cseq: &str,
    branch: &str,
    sdp: &str,
) -> String {
    let line = if line.starts_with(|c: char| c.is_ascii_digit()) {
        format!("SIP/2.0 {line} x")
    } else {
        format!("{line} sip:bob@b.example SIP/2.0")
    };
    let alice = "<sip:alice@a.example>;tag=alice".to_owned();
    let bob = if tag.is_empty() {
        "<sip:bob@b.example>".to_owned()
    } else {
        format!("<sip:bob@b.example>;tag={tag}")
    };
    let by_alice = line.starts_with("SIP/2.0") != (from == Side::Caller);
    let (from, to) = if by_alice { (alice, bob) } else { (bob, alice) };
    let body = if sdp.is_empty() { String::new() } else { offer(sdp) };
    let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{line}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{branch}\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {id}\r\n\
         CSeq: {cseq}\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// `10.0.0.1:4000` or `10.0.0.1:4000 sendonly`.
pub(super) fn offer(sdp: &str) -> String {
    let (address, more) = sdp.split_once(' ').unwrap_or((sdp, ""));
    let at = endpoint(address);
    let family = if at.ip.is_ipv4() { 4 } else { 6 };
    let more = if more.is_empty() { String::new() } else { format!("a={more}\r\n") };
    format!(
        "v=0\r\no=- 1 1 IN IP4 h\r\nc=IN IP{family} {}\r\nm=audio {} RTP/AVP 0 96 101\r\n\
         a=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n{more}",
        at.ip, at.port
    )
}

#[test]
fn a_call_from_invite_to_a_while_after_bye() {
    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000");
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000");
    tap.at(2).bob("100", "", "1 INVITE", "").bob("180", "b", "1 INVITE", "").bob("180", "b", "1 INVITE", "");
    tap.at(5).bob("200", "b", "1 INVITE", "10.0.0.2:5000").alice("ACK", "b", "1 ACK", "");
    tap.at(6).bob("200", "b", "1 INVITE", "10.0.0.2:5000");
    assert!(tap.rtp("10.0.0.1:4000", "10.0.0.2:5000", 0, 1, 1));
    assert!(tap.rtp("10.0.0.2:5000", "10.0.0.1:4000", 96, 1, 2));
    tap.at(9).alice("BYE", "b", "2 BYE", "");
    tap.at(10).alice("BYE", "b", "2 BYE", "").bob("200", "b", "2 BYE", "");
    assert_eq!(
        tap.told(),
        ["1 Begin", "1 Ringing", "1 Answer", "1 Caller Pcmu/8000", "1 Callee OPUS/48000", "1 End"]
    );
    assert!(tap.rtp("10.0.0.1:4000", "10.0.0.2:5000", 0, 2, 1), "late media");
    tap.at(18);
    assert_eq!(tap.told(), ["1 Caller Pcmu/8000"]);
    tap.at(20).at(100).finish();
    assert_eq!(tap.told(), ["1 closed Bye 200 start 1 ringing 2 answer 5 end 9"], "exactly once");
    assert_eq!(tap.calls.media.len(), 0);
    assert!(!tap.rtp("10.0.0.1:4000", "10.0.0.2:5000", 0, 3, 1));
}

#[test]
fn a_challenge_is_no_end_when_the_caller_tries_again() {
    let mut tap = Tap::new();
    tap.at(1)
        .alice("INVITE", "", "1 INVITE", "")
        .bob("407", "p", "1 INVITE", "")
        .alice("ACK", "p", "1 ACK", "");
    tap.at(2).alice("INVITE", "", "2 INVITE", "").bob("200", "b", "2 INVITE", "");
    tap.at(3).bob("BYE", "b", "1 BYE", "").at(60);
    assert_eq!(
        tap.told(),
        ["1 Begin", "1 Answer", "1 End", "1 closed Bye 200 start 1 ringing - answer 2 end 3"]
    );
}

#[test]
fn a_challenge_that_nobody_meets_is_the_end() {
    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "").at(2).bob("401", "p", "1 INVITE", "").at(200);
    assert_eq!(tap.told(), ["1 Begin", "1 closed Failure 401 start 1 ringing - answer - end 2"]);
}

/// A CANCEL over several hops, or repeated until it is heard (RFC 3261, 9.1), ends the call once, with the last of them.
#[test]
fn cancel_and_the_race_against_the_answer() {
    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "");
    tap.at(4).alice("CANCEL", "", "1 CANCEL", "").bob("200", "b", "1 CANCEL", "");
    tap.at(5).bob("487", "b", "1 INVITE", "").bob("487", "b", "1 INVITE", "").at(30);
    assert_eq!(tap.told(), ["1 Begin", "1 End", "1 closed Cancel 487 start 1 ringing - answer - end 4"]);

    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "").at(4).alice("CANCEL", "", "1 CANCEL", "");
    tap.at(5).alice("CANCEL", "", "1 CANCEL", "").at(30);
    assert_eq!(tap.told(), ["1 Begin", "1 End"]);

    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "").at(4).alice("CANCEL", "", "1 CANCEL", "");
    tap.bob("200", "b", "1 INVITE", "").at(5).alice("BYE", "b", "2 BYE", "").at(30);
    let expected =
        ["1 Begin", "1 End", "1 Answer", "1 End", "1 closed Bye 200 start 1 ringing - answer 4 end 5"];
    assert_eq!(tap.told(), expected);
}

#[test]
fn a_forked_call_ends_with_its_last_branch() {
    let mut tap = Tap::new();
    tap.at(1).says(Side::Caller, "INVITE", "", "1 INVITE", "hop1", "10.0.0.1:4000");
    tap.says(Side::Caller, "INVITE", "", "1 INVITE", "b1", "").says(
        Side::Caller,
        "INVITE",
        "",
        "1 INVITE",
        "b2",
        "",
    );
    tap.says(Side::Callee, "183", "x", "1 INVITE", "b1", "10.0.0.2:5000");
    tap.says(Side::Callee, "183", "y", "1 INVITE", "b2", "10.0.0.3:6000");
    assert!(tap.rtp("10.0.0.2:5000", "10.0.0.1:4000", 0, 1, 1), "early media of one");
    assert!(tap.rtp("10.0.0.1:4000", "10.0.0.3:6000", 0, 1, 1), "and to the other");
    tap.at(2).says(Side::Callee, "486", "x", "1 INVITE", "b1", "").at(60);
    tap.says(Side::Callee, "200", "y", "1 INVITE", "b2", "10.0.0.3:6000");
    tap.says(Side::Callee, "200", "y", "1 INVITE", "hop1", "10.0.0.3:6000");
    tap.at(70).bob("BYE", "y", "1 BYE", "").at(90);
    let told = tap.told();
    assert_eq!(told.last().map(String::as_str), Some("1 closed Bye 200 start 1 ringing 1 answer 60 end 70"));
    assert_eq!(told.iter().filter(|t| t.contains("End")).count(), 1, "{told:?}");
}

#[test]
fn two_answered_dialogs_end_with_the_second_bye() {
    let mut tap = Tap::new();
    tap.at(1)
        .alice("INVITE", "", "1 INVITE", "")
        .bob("200", "x", "1 INVITE", "")
        .bob("200", "y", "1 INVITE", "");
    tap.alice("ACK", "x", "1 ACK", "").alice("ACK", "y", "1 ACK", "");
    tap.at(2)
        .alice("BYE", "x", "2 BYE", "")
        .alice("BYE", "x", "2 BYE", "")
        .alice("BYE", "forged", "2 BYE", "");
    assert_eq!(tap.told(), ["1 Begin", "1 Answer"]);
    tap.at(9).bob("BYE", "y", "1 BYE", "");
    assert_eq!(tap.told(), ["1 End"]);
}

#[test]
fn a_proxy_that_hides_tags_shows_one_call_with_two() {
    let mut tap = Tap::new();
    tap.at(1).says(Side::Caller, "INVITE", "", "1 INVITE", "a", "").says(
        Side::Caller,
        "INVITE",
        "",
        "1 INVITE",
        "b",
        "",
    );
    tap.says(Side::Callee, "200", "y", "1 INVITE", "b", "").says(
        Side::Callee,
        "200",
        "x",
        "1 INVITE",
        "a",
        "",
    );
    tap.alice("ACK", "x", "1 ACK", "").at(9).alice("BYE", "x", "2 BYE", "");
    assert_eq!(tap.told(), ["1 Begin", "1 Answer", "1 End"]);
}

#[test]
fn offers_in_any_message_move_the_media() {
    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "").bob("200", "b", "1 INVITE", "10.0.0.2:5000");
    tap.alice("ACK", "b", "1 ACK", "10.0.0.1:4000");
    assert_eq!(tap.told(), ["1 Begin", "1 Answer", "1 Media"], "offer in 200, answer in ACK");
    tap.bob("INVITE", "b", "7 INVITE", "10.0.0.2:5000 sendonly").alice(
        "200",
        "b",
        "7 INVITE",
        "10.0.0.1:4000",
    );
    tap.bob("INVITE", "b", "8 INVITE", "10.0.0.2:5000 sendonly");
    assert_eq!(tap.told(), ["1 Media"], "hold, once");
    tap.alice("UPDATE", "b", "2 UPDATE", "10.0.0.1:4800").bob("200", "b", "2 UPDATE", "10.0.0.2:5000");
    assert_eq!(tap.told(), ["1 Media", "1 Media"], "the new port, and the end of hold");
    assert!(tap.rtp("10.0.0.2:5000", "10.0.0.1:4800", 0, 1, 1));
    assert_eq!(tap.told(), ["1 Callee Pcmu/8000"]);
}

#[test]
fn media_through_a_nat_and_beside_it() {
    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000").bob(
        "200",
        "b",
        "1 INVITE",
        "[2001:db8::2]:5000",
    );
    tap.told();
    assert!(tap.rtp("203.0.113.9:777", "[2001:db8::2]:5000", 0, 1, 1));
    assert!(tap.rtp("[2001:db8::2]:5000", "203.0.113.9:777", 0, 1, 2));
    assert!(tap.rtcp("203.0.113.9:778", "[2001:db8::2]:5001"));
    assert!(tap.rtcp("[2001:db8::2]:5000", "10.0.0.1:4000"), "muxed");
    assert_eq!(tap.told(), ["1 Caller Pcmu/8000", "1 Callee Pcmu/8000", "1 Caller RTCP", "1 Callee RTCP"]);
    assert!(!tap.rtp("203.0.113.9:777", "203.0.113.9:5000", 0, 1, 1));
    let stun = tap.seen("203.0.113.9:777", "10.0.0.1:4000", &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
    assert!(!tap.calls.media(&stun, &mut tap.heard));
}

#[test]
fn rtcp_where_sdp_says() {
    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000 rtcp:9000 IN IP4 10.0.0.9");
    tap.told();
    assert!(tap.rtcp("10.0.0.2:5001", "10.0.0.9:9000"));
    assert_eq!(tap.told(), ["1 Callee RTCP"]);
    assert!(!tap.rtp("10.0.0.2:5001", "10.0.0.9:9000", 0, 1, 1), "no RTP there");
}

#[test]
fn a_port_used_again_belongs_to_the_newer_call() {
    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000").bob("200", "b", "1 INVITE", "");
    tap.alice("BYE", "b", "2 BYE", "");
    tap.raw(message("2", Side::Caller, "INVITE", "", "1 INVITE", "z", "10.0.0.1:4000").as_bytes());
    tap.told();
    assert!(tap.rtp("10.0.0.2:5000", "10.0.0.1:4000", 0, 1, 1));
    assert_eq!(tap.told(), ["2 Callee Pcmu/8000"]);
    tap.at(30);
    assert!(tap.rtp("10.0.0.2:5000", "10.0.0.1:4000", 0, 2, 1), "the older call leaves without it");
    assert_eq!(tap.told(), ["1 closed Bye 200 start 1 ringing - answer 1 end 1", "2 Callee Pcmu/8000"]);
}

#[test]
fn a_lost_bye_is_found_by_silence_but_hold_is_not_silence() {
    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000").bob("200", "b", "1 INVITE", "10.0.0.2:5000");
    assert!(tap.rtp("10.0.0.2:5000", "10.0.0.1:4000", 0, 1, 1));
    tap.at(100);
    assert!(tap.rtcp("10.0.0.2:5001", "10.0.0.1:4001"), "a sign of life");
    tap.told();
    tap.at(390);
    assert!(tap.told().is_empty());
    tap.at(401);
    assert_eq!(tap.told(), ["1 closed Timeout 200 start 1 ringing - answer 1 end -"]);

    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000").bob(
        "200",
        "b",
        "1 INVITE",
        "10.0.0.2:5000 inactive",
    );
    assert!(tap.rtp("10.0.0.2:5000", "10.0.0.1:4000", 0, 1, 1));
    tap.told();
    for hour in 1..24 {
        tap.at(3600 * hour);
    }
    assert!(tap.told().is_empty());
    tap.at(ABSOLUTE + 1).at(ABSOLUTE + 100);
    assert_eq!(tap.told().len(), 1);
}

#[test]
fn an_unanswered_invite_times_out() {
    let mut tap = Tap::new();
    tap.at(0).alice("INVITE", "", "1 INVITE", "").at(200).bob("180", "b", "1 INVITE", "").at(499).at(501);
    assert_eq!(tap.told(), ["1 Begin", "1 Ringing", "1 closed Timeout - start 0 ringing 200 answer - end -"]);
}

#[test]
fn what_is_no_call_makes_none() {
    let mut tap = Tap::new();
    tap.at(0)
        .alice("OPTIONS", "", "1 OPTIONS", "")
        .alice("BYE", "b", "1 BYE", "")
        .bob("200", "b", "1 INVITE", "");
    tap.alice("REGISTER", "", "1 REGISTER", "").alice("CANCEL", "", "1 CANCEL", "");
    assert!(tap.told().is_empty());
    assert_eq!(tap.counted(Counter::Calls), 0);
}

#[test]
fn a_full_table_gives_up_calls_in_setup_first() {
    let mut tap = Tap::new();
    tap.calls = Calls::with_limit(2);
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000").bob("200", "b", "1 INVITE", "");
    for id in ["2", "3", "4"] {
        tap.raw(message(id, Side::Caller, "INVITE", "", "1 INVITE", "z", "").as_bytes());
    }
    let told = tap.told();
    assert!(told.contains(&"2 closed Evicted - start 1 ringing - answer - end -".to_owned()), "{told:?}");
    assert_eq!(tap.counted(Counter::CallsEvicted), 2);
    tap.finish();
    assert_eq!(tap.told().iter().filter(|t| t.contains("closed SourceEnded")).count(), 2);
}

#[test]
fn limits_of_one_call_bite_and_are_counted() {
    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000").bob("200", "b", "1 INVITE", "10.0.0.2:5000");
    for ssrc in 0..100 {
        assert!(tap.rtp("10.0.0.1:4000", "10.0.0.2:5000", 0, 1, ssrc));
    }
    assert_eq!(tap.counted(Counter::StreamsDropped), 100 - MAX_STREAMS as u64);
    for port in 6000..6100 {
        tap.alice("INVITE", "b", "2 INVITE", &format!("10.0.0.1:{port}"));
    }
    assert_eq!(tap.calls.media.len(), media::MAX_ADDRESSES);
    assert!(tap.counted(Counter::MediaAddressesDropped) > 0);
    tap.told();
    assert!(tap.rtp("10.0.0.2:5000", "10.0.0.1:6099", 0, 1, 1), "the newest is kept");
    let mut raw =
        String::from("UPDATE sip:x SIP/2.0\r\nCall-ID: 1\r\nCSeq: 3 UPDATE\r\nTo: <sip:bob@b>;tag=b\r\n");
    for n in 0..100 {
        write!(raw, "Diversion: <sip:{n}@h>\r\n").expect("memory");
    }
    tap.raw(format!("{raw}\r\n").as_bytes());
    assert!(tap.counted(Counter::IdentitiesDropped) > 0);
    tap.at(500).finish();
    assert_eq!(tap.calls.media.len(), 0);
}

#[test]
fn streams_count_loss_copies_and_telephone_events() {
    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000").bob("200", "b", "1 INVITE", "10.0.0.2:5000");
    for sequence in [1, 2, 2, 4] {
        assert!(tap.rtp("10.0.0.1:4000", "10.0.0.2:5000", 0, sequence, 9));
    }
    for sequence in [5, 6, 7] {
        assert!(tap.rtp("10.0.0.1:4000", "10.0.0.2:5000", 101, sequence, 9));
    }
    assert!(tap.rtp("10.0.0.1:4000", "10.0.0.2:5000", 77 - 5, 1, 10), "a new SSRC is a new stream");
    tap.finish();
    assert_eq!(tap.heard.streams[0], (Side::Caller, 7, 6, 1, Encoding::TelephoneEvent, 1));
    assert_eq!(tap.heard.streams[1], (Side::Caller, 1, 1, 0, Encoding::Unknown, 0));
}

#[test]
fn identities_come_once_each() {
    let mut tap = Tap::new();
    tap.at(1)
        .alice("INVITE", "", "1 INVITE", "")
        .bob("180", "b", "1 INVITE", "")
        .alice("ACK", "b", "1 ACK", "");
    let raw = "SIP/2.0 200 OK\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nFrom: <sip:alice@a.example>;tag=alice\r\n\
               To: <sip:other@b.example>;tag=b\r\nP-Asserted-Identity: <tel:+15551>\r\n\r\n";
    tap.raw(raw.as_bytes()).raw(raw.as_bytes()).bob("BYE", "b", "1 BYE", "");
    let at = tap.calls.table.find(b"1").expect("the call");
    let call = tap.calls.table.get(at).expect("the call");
    let found: Vec<_> = call.parties.iter().map(|p| (p.role, &*p.uri.0)).collect();
    let expected = [
        (Role::RequestUri, "sip:bob@b.example"),
        (Role::From, "sip:alice@a.example"),
        (Role::To, "sip:bob@b.example"),
        (Role::PAssertedIdentity, "tel:+15551"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn call_ids_beyond_utf_8_are_found_again() {
    let mut tap = Tap::new();
    for _ in 0..2 {
        tap.at(1).raw(b"INVITE sip:x SIP/2.0\r\ni: \xff\xfe\r\nCSeq: 1 INVITE\r\n\r\n");
    }
    assert_eq!(tap.counted(Counter::Calls), 1);
}

proptest! {
    /// Whatever comes in whatever order, each call closes exactly once and nothing is left behind.
    #[test]
    fn any_order(steps in proptest::collection::vec((0_usize..14, 0_u8..4, 0_u8..3, 0_i64..40), 1..60)) {
        const LINES: [(&str, &str); 14] = [
            ("INVITE", "INVITE"), ("100", "INVITE"), ("180", "INVITE"), ("183", "INVITE"), ("200", "INVITE"),
            ("407", "INVITE"), ("302", "INVITE"), ("486", "INVITE"), ("487", "INVITE"), ("CANCEL", "CANCEL"),
            ("BYE", "BYE"), ("200", "BYE"), ("UPDATE", "UPDATE"), ("ACK", "ACK"),
        ];
        let mut tap = Tap::new();
        tap.calls = Calls::with_limit(2);
        let mut now = 0;
        for (line, tag, id, pause) in steps {
            let (line, method) = LINES[line];
            let tag = ["", "a", "b", "c"][usize::from(tag)];
            let side = if tag == "b" { Side::Callee } else { Side::Caller };
            let sdp = format!("10.0.0.{id}:{}", 4000 + pause);
            now += pause;
            tap.at(now).raw(message(&id.to_string(), side, line, tag, &format!("1 {method}"), tag, &sdp).as_bytes());
            tap.rtp("10.0.0.9:1", &sdp, 0, 1, 1);
        }
        tap.finish();
        let begun = tap.heard.told.iter().filter(|t| t.contains("Begin")).count();
        let closed = tap.heard.told.iter().filter(|t| t.contains("closed")).count();
        prop_assert_eq!(begun, closed);
        prop_assert_eq!(begun as u64, tap.counted(Counter::Calls));
        prop_assert_eq!(tap.calls.media.len(), 0);
        prop_assert!(tap.calls.table.first().is_none());
    }
}

#[test]
fn p21_a_sip_i_body_names_the_numbers_of_the_switch_behind() {
    use crate::decode::isup::tests::{iam, number};
    let national = number(3, 0x10, "0145678901F");
    let original = number(4, 0x10, "4930123456");
    let isup = iam(&national, &[(0x0a, &number(4, 0x17, "33612345678")), (0x28, &original)]);
    let head = "INVITE sip:0145678901@b.example SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:anonymous@a.example>;tag=a\r\n\
        To: <sip:0145678901@b.example>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Type: multipart/mixed; boundary=x\r\nMIME-Version: 1.0\r\n";
    let body = [
        &b"--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--x\r\nContent-Type: application/ISUP; version=itu-t92+\r\n\r\n"[..],
        &isup,
        b"\r\n--x--\r\n",
    ]
    .concat();
    let mut tap = Tap::new();
    tap.raw(&[format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat());
    let at = tap.calls.table.find(b"1").expect("a call");
    let parties: Vec<_> = tap
        .calls
        .table
        .get(at)
        .expect("a call")
        .parties
        .iter()
        .map(|p| (p.role, p.uri.0.to_string()))
        .collect();
    for (role, text) in [
        (Role::CalledParty, "0145678901;ton=2"),
        (Role::CallingParty, "+33612345678"),
        (Role::OriginalCalled, "+4930123456"),
    ] {
        assert!(parties.contains(&(role, text.to_owned())), "{role:?}");
    }
}

/// One side of another call, with SDP.
fn other(id: &str, from: Side, line: &str, tag: &str, cseq: &str, sdp: &str) -> String {
    message(id, from, line, tag, cseq, &format!("{id}{cseq}"), sdp)
}

#[test]
fn forged_answers_push_out_no_call_with_media_and_no_selected_one() {
    let mut tap = Tap::new();
    tap.calls = Calls::with_limit(4);
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000").bob("200", "b", "1 INVITE", "10.0.0.2:5000");
    assert!(tap.rtp("10.0.0.1:4000", "10.0.0.2:5000", 0, 1, 1));
    for n in 2..200 {
        let id = n.to_string();
        tap.raw(other(&id, Side::Caller, "INVITE", "", "1 INVITE", "").as_bytes());
        tap.raw(other(&id, Side::Callee, "200", "b", "1 INVITE", "").as_bytes());
    }
    assert!(tap.calls.table.find(b"1").is_some(), "media vouch for it");
    let told = tap.told();
    assert!(told.contains(&"2 closed Evicted 200 start 1 ringing - answer 1 end -".to_owned()));
    // A call in setup is worth more than the many that were answered and say nothing.
    tap.raw(other("new", Side::Caller, "INVITE", "", "1 INVITE", "").as_bytes());
    tap.raw(other("newer", Side::Caller, "INVITE", "", "1 INVITE", "").as_bytes());
    assert!(tap.calls.table.find(b"new").is_some() && tap.calls.table.find(b"1").is_some());
}

#[test]
fn a_call_id_used_again_begins_a_new_call() {
    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000").bob("200", "b", "1 INVITE", "10.0.0.2:5000");
    assert!(tap.rtp("10.0.0.1:4000", "10.0.0.2:5000", 0, 1, 1));
    tap.at(3).alice("BYE", "b", "2 BYE", "");
    tap.alice("INVITE", "", "1 INVITE", "10.0.0.1:4000");
    assert_eq!(tap.counted(Counter::Calls), 1, "a late copy of the first INVITE begins nothing");
    tap.at(4).says(Side::Caller, "INVITE", "", "9 INVITE", "fresh", "10.0.0.1:4400");
    assert_eq!(tap.counted(Counter::Calls), 2);
    tap.says(Side::Callee, "200", "c", "9 INVITE", "fresh", "10.0.0.2:5500");
    tap.told();
    assert!(tap.rtp("10.0.0.1:4000", "10.0.0.2:5000", 0, 2, 1), "late media of the first");
    assert!(tap.rtp("10.0.0.1:4400", "10.0.0.2:5500", 0, 1, 2));
    tap.at(9).alice("BYE", "c", "10 BYE", "").at(60);
    let told = tap.told();
    assert!(told.contains(&"1 closed Bye 200 start 1 ringing - answer 1 end 3".to_owned()), "{told:?}");
    assert!(told.contains(&"1 closed Bye 200 start 4 ringing - answer 4 end 9".to_owned()), "{told:?}");
    assert_eq!((tap.calls.media.len(), tap.calls.table.first()), (0, None));
}

#[test]
fn a_forged_invite_takes_no_media_of_a_call_that_has_them() {
    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000").bob("200", "b", "1 INVITE", "10.0.0.2:5000");
    assert!(tap.rtp("10.0.0.9:777", "10.0.0.1:4000", 0, 1, 1));
    tap.raw(other("2", Side::Caller, "INVITE", "", "1 INVITE", "10.0.0.1:4000").as_bytes());
    assert_eq!(tap.counted(Counter::MediaContested), 1);
    tap.told();
    assert!(tap.rtp("10.0.0.9:777", "10.0.0.1:4000", 0, 2, 1));
    assert_eq!(tap.told(), ["1 Callee Pcmu/8000"], "where its RTP began");
    for id in ["1", "2"] {
        let at = tap.calls.table.find(id.as_bytes()).expect("the call");
        let call = tap.calls.table.get(at).expect("the call");
        assert!(tap.calls.media.contested(at, &call.described), "{id} says so");
    }
    // Once the first has ended, the second has it; and an address that was contested is announced again in vain.
    tap.at(3).alice("BYE", "b", "2 BYE", "");
    tap.told();
    assert!(tap.rtp("10.0.0.9:777", "10.0.0.1:4000", 0, 3, 1));
    assert_eq!(tap.told(), ["2 Callee Pcmu/8000"]);
}

#[test]
fn the_call_that_announced_both_ends_has_the_packet() {
    let mut tap = Tap::new();
    // The forgery came first and has media of its own making.
    tap.at(1).raw(other("2", Side::Caller, "INVITE", "", "1 INVITE", "10.0.0.1:4000").as_bytes());
    assert!(tap.rtp("10.0.0.66:6", "10.0.0.1:4000", 0, 1, 1));
    tap.alice("INVITE", "", "1 INVITE", "10.0.0.1:4000").bob("200", "b", "1 INVITE", "10.0.0.2:5000");
    tap.told();
    assert!(tap.rtp("10.0.0.2:5000", "10.0.0.1:4000", 0, 1, 7));
    assert!(tap.rtp("10.0.0.1:4000", "10.0.0.2:5000", 0, 1, 8));
    assert_eq!(tap.told(), ["1 Callee Pcmu/8000", "1 Caller Pcmu/8000"]);
    // A port used again within seconds: what is late still belongs to the older call (both its ends say so).
    tap.at(2).alice("BYE", "b", "2 BYE", "");
    tap.raw(other("3", Side::Caller, "INVITE", "", "1 INVITE", "10.0.0.1:4000").as_bytes());
    tap.raw(other("3", Side::Callee, "200", "c", "1 INVITE", "10.0.0.3:6000").as_bytes());
    tap.told();
    assert!(tap.rtp("10.0.0.3:6000", "10.0.0.1:4000", 0, 1, 9));
    assert!(tap.rtp("10.0.0.2:5000", "10.0.0.1:4000", 0, 2, 7));
    assert_eq!(tap.told(), ["3 Callee Pcmu/8000", "1 Callee Pcmu/8000"]);
    tap.at(600).finish();
    assert_eq!(tap.calls.media.len(), 0);
}

#[test]
fn a_description_repeated_gets_lost_addresses_back() {
    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000").alice("CANCEL", "", "1 CANCEL", "");
    for n in 0..10 {
        let id = format!("x{n}");
        tap.raw(other(&id, Side::Caller, "INVITE", "", "1 INVITE", "10.0.0.1:4000").as_bytes());
    }
    tap.bob("200", "b", "1 INVITE", "10.0.0.2:5000").alice("INVITE", "b", "2 INVITE", "10.0.0.1:4000");
    tap.told();
    assert!(tap.rtp("10.0.0.2:5000", "10.0.0.1:4000", 0, 1, 1));
    assert_eq!(tap.told(), ["1 Callee Pcmu/8000"]);
}

#[path = "media_tests.rs"]
mod media_tests;
