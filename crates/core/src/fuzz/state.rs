//! Bodies of the targets that keep state: reassembly, streams, sessions, the whole point.

use std::net::{IpAddr, Ipv4Addr};

use super::link_and_frame;
use crate::config::Config;
use crate::counters::Counter;
use crate::decode::ip::{Fragment, Ip};
use crate::decode::{rtp, sip};
use crate::matching::Resume;
use crate::packet::{Endpoint, Packet, Seen, Time, Transport};
use crate::point::Point;
use crate::product::{CcKind, Product, Side};
use crate::session::call::Call;
use crate::session::fragments::Fragments;
use crate::session::mail::{Item, Joined, Progress};
use crate::session::tcp::{Direction, Reader};
use crate::session::web::{MAX_KEPT, WebStream};
use crate::session::{Change, Flow, NameVia, Observer, Sessions, Text};

/// Fragments, each behind five octets: datagram and last-fragment bit, offset in units of 8, length, seconds passed. The octets
/// of a datagram follow from their offsets, so that whatever order and overlap they come in, a whole one is known.
pub fn fragments(octets: &[u8]) {
    let (mut all, mut now) = (Fragments::default(), Time(0));
    for step in octets.chunks_exact(5) {
        let (id, more) = (u32::from(step[0] >> 1) % 4, step[0] & 1 == 0);
        let offset = usize::from(u16::from_be_bytes([step[1], step[2]]) & 0x1fff) * 8;
        let payload: Vec<u8> = (offset..offset + usize::from(step[3])).map(|at| (at % 251) as u8).collect();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let ip =
            Ip { src: address, dst: address, protocol: 17, payload: &payload, fragment: None, cut: false };
        now = now.plus_seconds(i64::from(step[4] & 3));
        all.advance(now, &mut |_, _| ());
        let fragment = Fragment { id, offset: offset as u32, more };
        let mut count = |what, _| assert_ne!(what, Counter::FragmentOverlap, "no piece differs");
        if let Some((protocol, whole)) = all.accept(&ip, fragment, now, &mut count) {
            assert!(protocol == 17 && whole.len() <= 65_535);
            assert!(whole.iter().enumerate().all(|(at, octet)| usize::from(*octet) == at % 251));
        }
    }
}

/// Segments, each behind four octets: place in the stream, length, and seconds passed with a SYN bit. The octets of the stream
/// follow from their places, so that whatever order and overlap they come in, the reader's next octet is known.
pub fn tcp(octets: &[u8]) {
    // The sequence numbers wrap inside the stream.
    const BASE: u32 = u32::MAX - 1000;
    let (mut direction, mut reader, mut now) = (Direction::default(), Expecting::default(), Time(0));
    for step in octets.chunks_exact(4) {
        let place = u32::from(u16::from_be_bytes([step[0], step[1]]));
        let syn = step[3] & 0x80 != 0;
        let payload: Vec<u8> = (place..place + u32::from(step[2])).map(|at| (at % 251) as u8).collect();
        now = now.plus_seconds(i64::from(step[3] & 3));
        if syn {
            reader.next = None;
        }
        direction.accept(
            BASE.wrapping_add(place).wrapping_sub(u32::from(syn)),
            syn,
            &payload,
            now,
            &mut reader,
        );
        // Every octet comes from the input; a vector may have room for twice as many.
        assert!(direction.buffered() <= 2 * 256 * octets.len());
    }
    direction.flush(&mut reader);
}

/// Reads in uneven pieces and knows which octet must be the next.
#[derive(Default)]
struct Expecting {
    next: Option<u8>,
}

impl Reader for Expecting {
    fn data(&mut self, octets: &[u8], _: bool) -> usize {
        let first = octets.first().copied().unwrap_or_default();
        let mut expected = self.next.unwrap_or(first);
        for octet in octets {
            assert_eq!(*octet, expected, "out of order");
            expected = (expected + 1) % 251;
        }
        let used = octets.len() - octets.len() % 16;
        self.next = Some(octets.get(used).copied().unwrap_or(expected));
        used
    }
    fn gap(&mut self) {
        self.next = None;
    }
    fn wants(&self) -> bool {
        true
    }
    fn count(&mut self, what: Counter, _: u64) {
        assert_ne!(what, Counter::TcpOverlap, "no segment differs");
    }
}

/// The client's side of a connection, in pieces whose length the first octet says.
pub fn web(octets: &[u8]) {
    let Some((size, octets)) = octets.split_first() else { return };
    let (mut stream, mut kept) = (WebStream::new(), Vec::new());
    for piece in octets.chunks(usize::from(*size) + 1) {
        kept.extend_from_slice(piece);
        let used = stream.data(&kept, &mut |_, name| assert!(!name.is_empty()));
        kept.drain(..used);
        assert!(kept.len() < MAX_KEPT);
        if stream.finished() {
            break;
        }
    }
}

/// A whole capture: packets, each behind its length in two octets, through reassembly and every session.
pub fn sessions(octets: &[u8]) {
    let mut sessions = Sessions::new();
    packets(octets, Time(0), |packet| sessions.handle(packet, &mut Deaf));
    sessions.finish(&mut Deaf);
}

/// A whole capture through the point, with a task of each kind: what comes out belongs to a task that permits it.
pub fn point(octets: &[u8]) {
    let (mut point, start) = tasked();
    let mut released = 0_usize;
    packets(octets, start, |packet| {
        point.handle(packet);
        released += check(&mut point, packet.data.len());
    });
    point.finish();
    released += check(&mut point, 0);
    let told: u64 = point.tasks().map(|task| task.iri + task.cc + task.call_records).sum();
    assert!(told <= released as u64);
}

/// Tasks that `point_tests.rs` has written: 0 a number with content, 1 a keyword, 2 a domain, 3 a retention order.
fn tasked() -> (Point, Time) {
    #[derive(serde::Deserialize)]
    struct Tasks {
        now: i64,
        config: String,
        bundles: Vec<String>,
    }
    let tasks: Option<Tasks> = serde_json::from_str(include_str!("point.json")).ok();
    let point = tasks.and_then(|tasks| {
        let now = Time(0).plus_seconds(tasks.now);
        let mut point = Point::new(Config::parse(tasks.config.as_bytes()).ok()?);
        tasks
            .bundles
            .iter()
            .try_for_each(|bundle| point.admit(bundle.as_bytes(), now, Resume::default()).map(drop).ok())?;
        Some((point, now))
    });
    let Some(point) = point else { panic!("the tasks in point.json are no longer admitted") };
    point
}

fn check(point: &mut Point, longest: usize) -> usize {
    let mut released = 0;
    while let Some(product) = point.poll() {
        released += 1;
        match product {
            Product::Iri(iri) => assert!(iri.task.0 < 3, "facts under a retention order"),
            Product::Cc(cc) => {
                assert_eq!(cc.task.0, 0, "content where only facts are permitted");
                if let CcKind::Rtp(audio) = &cc.kind {
                    let (at, len) = (audio.payload.0 as usize, audio.payload.1 as usize);
                    assert!(at + len <= cc.octets.0.len().max(longest));
                }
            }
            Product::CallClosed(closed) => assert_eq!(closed.task.0, 0),
            Product::CallRecord(record) => assert_eq!(record.task.0, 3),
            Product::Suspended(task, _) => {
                assert!(task.0 == 1 || task.0 == 2, "only screening has a ceiling");
            }
        }
    }
    released
}

/// Packets, each behind its length in two octets; half a second apart, so that a few hundred pass every timer.
fn packets(mut octets: &[u8], mut now: Time, mut handle: impl FnMut(&Packet<'_>)) {
    while let Some((length, rest)) = octets.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (packet, rest) = rest.split_at(length);
        octets = rest;
        if let Some((link, data)) = link_and_frame(packet) {
            now = Time(now.0 + 500_000_000);
            handle(&Packet { ts: now, link, data, wire_len: data.len() as u32 });
        }
    }
}

/// Hears everything and keeps nothing.
struct Deaf;

/// Both directions of a mail session: pieces, each behind an octet that tells its side, its length and whether
/// octets before it are missing.
pub fn mail_session(mut octets: &[u8]) {
    let ends = [25, 40_000].map(|port| Endpoint { ip: Ipv4Addr::LOCALHOST.into(), port });
    let (mut joined, mut held, mut pending) = (Joined::default(), 0, [Vec::new(), Vec::new()]);
    let mut told = [false; 2];
    let seen = |side: usize| Seen {
        ts: Time(1),
        src: ends[side],
        dst: ends[1 - side],
        transport: Transport::Tcp,
        packet: None,
        payload: &[],
    };
    while let Some((&sign, rest)) = octets.split_first() {
        let (piece, rest) = rest.split_at(usize::from(sign >> 2).min(rest.len()));
        octets = rest;
        let side = usize::from(sign & 1);
        let seen = seen(side);
        if sign & 3 == 3 {
            pending[side] = Vec::new();
            joined.gap(&seen, &mut held, &mut Deaf);
        }
        pending[side].extend_from_slice(piece);
        if pending[side].is_empty() {
            continue;
        }
        told[side] = told[side] || joined.tells(&pending[side], &seen) == Some(true);
        if told[side]
            && let Progress::Used(used) = joined.data(&pending[side], &seen, &mut held, &mut Deaf)
        {
            pending[side].drain(..used);
        }
        assert!(held < 1 << 20, "more than was given");
    }
    joined.close(&seen(0), &mut held, &mut Deaf);
    assert_eq!(held, 0, "what is closed holds nothing");
}

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
    fn mail_header(&mut self, item: &mut Item) -> bool {
        item.octets.is_multiple_of(2)
    }
    fn flow_closed(&mut self, _: &mut Flow, _: Time) {}
    fn count(&mut self, _: Counter, _: u64) {}
}
