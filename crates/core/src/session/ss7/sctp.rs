//! SCTP messages out of their chunks (RFC 9260, 6.9): retransmissions are left out, pieces put together.
//!
//! An association's direction is named by its ports and verification tag and not by addresses: it may use several
//! (RFC 9260, 6.4), and a retransmission goes to another one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap};

use crate::counters::Counter;
use crate::decode::sctp::{Data, Packet};
use crate::packet::Time;
use crate::session::expiry::Expiry;

/// Directions followed at once. A switch has two for each of its peers; each takes 2 kB.
const MAX_DIRECTIONS: usize = 8192;

/// Transmission sequence numbers remembered of a direction. A window of 64 kB holds as many small signalling messages.
const REMEMBERED: usize = 256;

/// Most pieces of one message. A signalling message is at most 4 kB (M3UA), and a path of 576 octets makes eight.
const MAX_PIECES: u32 = 64;

/// Octets that incomplete messages of all directions may hold.
const MAX_HELD: usize = 16 << 20;

/// How long a direction may be silent. HEARTBEAT comes every 30 s (RFC 9260, 16) but carries no data; ISUP's own
/// maintenance and the management of layers come within minutes.
const IDLE_SECONDS: i64 = 600;

/// A whole message.
pub(super) struct Message<'a> {
    pub(super) ppid: u32,
    pub(super) octets: Cow<'a, [u8]>,
}

type Key = (u16, u16, u32);

struct Direction {
    serial: u64,
    last: Time,
    /// Hash of the chunk last seen with each sequence number, modulo the table's size: a copy is told by its octets
    /// as well, so that two associations that happen to share a name never lose a message to each other.
    seen: Box<[u64; REMEMBERED]>,
    pieces: BTreeMap<u32, Piece>,
}

struct Piece {
    stream: u16,
    ppid: u32,
    begins: bool,
    ends: bool,
    octets: Box<[u8]>,
}

/// All directions of all associations.
#[derive(Default)]
pub(super) struct Associations {
    table: HashMap<Key, Direction>,
    expiry: Expiry<(Key, u64)>,
    next_serial: u64,
    held: usize,
    hasher: DefaultHashBuilder,
}

impl Associations {
    /// Takes a DATA chunk; gives the message that it completes.
    pub(super) fn accept<'a>(
        &mut self,
        packet: &Packet<'_>,
        data: &Data<'a>,
        now: Time,
        count: &mut impl FnMut(Counter),
    ) -> Option<Message<'a>> {
        let key = (packet.sport, packet.dport, packet.verification_tag);
        if !self.table.contains_key(&key) {
            self.begin(key, now, count);
        }
        let direction = self.table.get_mut(&key)?;
        direction.last = direction.last.max(now);
        let hash = self.hasher.hash_one((data.tsn, data.payload)) | 1;
        let slot = direction.seen.get_mut(data.tsn as usize % REMEMBERED)?;
        if std::mem::replace(slot, hash) == hash {
            count(Counter::SctpRepeated);
            return None;
        }
        if data.begins && data.ends {
            return Some(Message { ppid: data.ppid, octets: Cow::Borrowed(data.payload) });
        }
        if self.held + data.payload.len() > MAX_HELD {
            count(Counter::SctpPiecesDropped);
            return None;
        }
        let Data { stream, ppid, begins, ends, payload, .. } = *data;
        let piece = Piece { stream, ppid, begins, ends, octets: payload.into() };
        self.held += payload.len();
        let before = direction.pieces.insert(data.tsn, piece);
        self.held -= before.map_or(0, |p| p.octets.len());
        let message = direction.join(data.tsn);
        self.held -= message.as_ref().map_or(0, |m| m.octets.len());
        while direction.pieces.len() > 2 * MAX_PIECES as usize {
            let Some((_, oldest)) = direction.pieces.pop_first() else { break };
            self.held -= oldest.octets.len();
            count(Counter::SctpPiecesDropped);
        }
        message
    }

    fn begin(&mut self, key: Key, now: Time, count: &mut impl FnMut(Counter)) {
        while self.table.len() >= MAX_DIRECTIONS {
            let Some(oldest) = self.expiry.pop_oldest() else { return };
            if self.close(&oldest, count) {
                count(Counter::SctpEvicted);
            }
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        self.expiry.push(now.plus_seconds(IDLE_SECONDS), (key, serial));
        let direction =
            Direction { serial, last: now, seen: Box::new([0; REMEMBERED]), pieces: BTreeMap::new() };
        self.table.insert(key, direction);
    }

    fn close(&mut self, (key, serial): &(Key, u64), count: &mut impl FnMut(Counter)) -> bool {
        if self.table.get(key).is_none_or(|d| d.serial != *serial) {
            return false;
        }
        for piece in self.table.remove(key).into_iter().flat_map(|d| d.pieces.into_values()) {
            self.held -= piece.octets.len();
            count(Counter::SctpPiecesDropped);
        }
        true
    }

    /// Forgets directions that have been silent for too long.
    pub(super) fn advance(&mut self, now: Time, count: &mut impl FnMut(Counter)) {
        while let Some(entry) = self.expiry.pop(now) {
            let Some(direction) = self.table.get(&entry.0).filter(|d| d.serial == entry.1) else { continue };
            let due = direction.last.plus_seconds(IDLE_SECONDS);
            if due <= now {
                self.close(&entry, count);
            } else {
                self.expiry.push(due, entry);
            }
        }
    }
}

impl Direction {
    /// The message around `tsn`, if all its pieces are there: their numbers are consecutive (RFC 9260, 6.9). Looks at
    /// no more than [`MAX_PIECES`] each way.
    fn join<'a>(&mut self, tsn: u32) -> Option<Message<'a>> {
        let pieces = &self.pieces;
        let stream = pieces.get(&tsn)?.stream;
        let same = |tsn: u32| pieces.get(&tsn).filter(|p| p.stream == stream);
        let mut first = tsn;
        while !same(first)?.begins {
            first = first.wrapping_sub(1);
            if tsn.wrapping_sub(first) > MAX_PIECES {
                return None;
            }
        }
        let mut last = tsn;
        while !same(last)?.ends {
            last = last.wrapping_add(1);
            if last.wrapping_sub(first) > MAX_PIECES {
                return None;
            }
        }
        let ppid = same(first)?.ppid;
        let mut octets = Vec::new();
        for at in 0..=last.wrapping_sub(first) {
            octets.extend_from_slice(&self.pieces.remove(&first.wrapping_add(at))?.octets);
        }
        Some(Message { ppid, octets: Cow::Owned(octets) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::sctp::{packet, tests::built};

    const WHOLE: u8 = 3;
    const FIRST: u8 = 2;
    const MIDDLE: u8 = 0;
    const LAST: u8 = 1;

    /// What comes out of packets of one chunk each.
    fn run(chunks: &[(u8, u32, &[u8])]) -> (Vec<Vec<u8>>, Associations) {
        let mut all = Associations::default();
        let mut out = Vec::new();
        for (flags, tsn, payload) in chunks {
            let octets = built(7, &[(*flags, *tsn, 3, payload)]);
            let packet = packet(&octets).expect("packet");
            for data in packet.data() {
                out.extend(all.accept(&packet, &data, Time(0), &mut |_| {}).map(|m| m.octets.into_owned()));
            }
        }
        (out, all)
    }

    #[test]
    fn pieces_in_any_order_and_over_the_end_of_the_numbers() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
            let pieces: [(u8, u32, &[u8]); 3] =
                [(FIRST, u32::MAX, b"ab"), (MIDDLE, 0, b"cd"), (LAST, 1, b"ef")];
            let (out, all) = run(&order.map(|i: usize| pieces[i]));
            assert_eq!((out, all.held), (vec![b"abcdef".to_vec()], 0), "{order:?}");
        }
    }

    #[test]
    fn a_retransmission_is_one_message_and_a_number_used_again_is_two() {
        let (out, _) = run(&[(WHOLE, 1, b"a"), (WHOLE, 1, b"a"), (WHOLE, 1, b"b")]);
        assert_eq!(out, [b"a", b"b"]);
    }

    #[test]
    fn a_missing_piece_gives_nothing() {
        let (out, all) = run(&[(FIRST, 1, b"a"), (LAST, 3, b"c"), (WHOLE, 4, b"d")]);
        assert_eq!((out, all.held), (vec![b"d".to_vec()], 2));
    }

    #[test]
    fn endless_pieces_hold_little() {
        let chunks: Vec<(u8, u32, &[u8])> = (0..10_000).map(|tsn| (MIDDLE, tsn, &b"x"[..])).collect();
        let (out, all) = run(&chunks);
        assert!(out.is_empty() && all.held <= 2 * MAX_PIECES as usize);
    }

    #[test]
    fn what_is_silent_is_forgotten_with_what_it_held() {
        let (_, mut all) = run(&[(FIRST, 1, b"a")]);
        let mut dropped = 0;
        all.advance(Time(0).plus_seconds(IDLE_SECONDS), &mut |_| dropped += 1);
        assert_eq!((all.table.len(), all.held, dropped), (0, 0, 1));
    }

    #[test]
    fn a_flood_of_tags_stays_within_the_limit() {
        let mut all = Associations::default();
        let mut evicted = 0_usize;
        for tag in 0..MAX_DIRECTIONS as u32 + 100 {
            let octets = built(tag, &[(WHOLE, 1, 3, b"a")]);
            let packet = packet(&octets).expect("packet");
            for data in packet.data() {
                assert!(all.accept(&packet, &data, Time(0), &mut |_| evicted += 1).is_some());
            }
        }
        assert_eq!((all.table.len(), evicted), (MAX_DIRECTIONS, 100));
    }
}
