//! One direction of a TCP connection put back in order, within limits (RFC 9293 3.4).
//!
//! The fast path copies nothing: octets that come in order and are consumed at once go to the reader straight from
//! the packet. Only an unfinished message, or octets ahead of a gap, are held.

use crate::counters::Counter;
use crate::decode::sip;
use crate::packet::Time;

/// Octets of one unfinished message: the longest SIP message that is taken for one, so that none is lost here.
pub(crate) const MAX_PENDING: usize = sip::MAX_MESSAGE;

/// Octets held ahead of a gap, one direction: what a 100 ms hole lets through at 20 Mbit/s.
const MAX_HELD: usize = 256 << 10;

/// Segments held ahead of a gap.
const MAX_HELD_SEGMENTS: usize = 256;

/// What a held segment takes besides its octets: one octet each would otherwise cost memory that nobody counts.
const SEGMENT_COST: usize = size_of::<(u32, Vec<u8>)>() + 16;

/// How long a gap may stay open. A retransmission comes within a second or two; longer, and the tap has missed it.
const GAP_SECONDS: i64 = 5;

/// What reads the octets of one direction.
pub(crate) trait Reader {
    /// Octets in order, from the first that was not consumed. `alone`: they are one packet's whole payload.
    /// Returns how many were consumed.
    fn data(&mut self, octets: &[u8], alone: bool) -> usize;
    /// Octets are missing here: resynchronise.
    fn gap(&mut self);
    /// False once it needs no more.
    fn wants(&self) -> bool;
    fn count(&mut self, what: Counter, n: u64);
}

/// One direction of a connection.
#[derive(Default)]
pub(crate) struct Direction {
    /// Sequence number of the next octet in order.
    next: Option<u32>,
    /// In order, not yet consumed.
    pending: Vec<u8>,
    /// Ahead of a gap, unordered: sequence number and octets.
    held: Vec<(u32, Vec<u8>)>,
    held_octets: usize,
    /// When the oldest of `held` came.
    held_since: Time,
    /// FIN seen.
    pub(crate) finished: bool,
}

impl Direction {
    /// Octets that this direction keeps in memory.
    pub(crate) fn buffered(&self) -> usize {
        self.pending.capacity() + self.held_octets + self.held.capacity() * SEGMENT_COST
    }

    /// Octets that wait: for the rest of their message, or for those before them.
    pub(crate) fn waiting(&self) -> usize {
        self.pending.len() + self.held_octets
    }

    /// Throws away what is kept: the whole table's memory limit was reached.
    pub(crate) fn give_up(&mut self, reader: &mut impl Reader) {
        reader.count(Counter::StreamUnparsed, (self.pending.len() + self.held_octets) as u64);
        self.pending = Vec::new();
        self.drop_held();
        self.next = None;
        reader.gap();
    }

    /// Takes a segment's octets.
    pub(crate) fn accept(
        &mut self,
        seq: u32,
        syn: bool,
        mut payload: &[u8],
        now: Time,
        reader: &mut impl Reader,
    ) {
        let mut seq = seq;
        if syn {
            seq = seq.wrapping_add(1);
            self.pending.clear();
            self.drop_held();
            self.next = Some(seq);
            self.finished = false;
        }
        if !reader.wants() {
            self.pending = Vec::new();
            self.drop_held();
            self.next = None;
            return;
        }
        if payload.is_empty() {
            return;
        }
        let next = *self.next.get_or_insert(seq);
        let ahead = seq.wrapping_sub(next).cast_signed();
        if ahead < 0 {
            let old = ahead.unsigned_abs() as usize;
            self.compare(old, payload, reader);
            // A whole segment of old octets, or one from long before: a retransmission.
            let Some(fresh) = payload.get(old..) else { return };
            if fresh.is_empty() {
                return;
            }
            payload = fresh;
            self.deliver(payload, false, reader);
        } else if ahead == 0 {
            self.deliver(payload, true, reader);
        } else if ahead.unsigned_abs() as usize > MAX_PENDING + MAX_HELD {
            // Nothing ties this to what came before.
            self.skip_to(seq, reader);
            self.deliver(payload, true, reader);
        } else {
            self.hold(seq, payload, now, reader);
        }
        self.drain(now, reader);
    }

    /// The connection is over: what waits behind a gap is read as well as can be.
    pub(crate) fn flush(&mut self, reader: &mut impl Reader) {
        while !self.held.is_empty() && reader.wants() {
            self.close_gap(reader);
            self.drain(self.held_since, reader);
        }
    }

    fn deliver(&mut self, octets: &[u8], alone: bool, reader: &mut impl Reader) {
        self.next = self.next.map(|n| n.wrapping_add(octets.len() as u32));
        if self.pending.is_empty() {
            let used = reader.data(octets, alone).min(octets.len());
            if reader.wants() {
                self.pending.extend_from_slice(&octets[used..]);
            }
        } else {
            self.pending.extend_from_slice(octets);
            let used = reader.data(&self.pending, false).min(self.pending.len());
            if used == self.pending.len() || !reader.wants() {
                self.pending.clear();
            } else {
                self.pending.drain(..used);
            }
        }
        if self.pending.len() > MAX_PENDING {
            reader.count(Counter::StreamUnparsed, self.pending.len() as u64);
            self.pending = Vec::new();
            reader.gap();
        } else if self.pending.is_empty() && self.pending.capacity() > 4096 {
            self.pending = Vec::new();
        }
    }

    /// Counts a retransmission whose octets differ from those not yet consumed: an evasion or damage. The first stay.
    fn compare(&self, old: usize, payload: &[u8], reader: &mut impl Reader) {
        // `pending` ends where `next` stands; the segment begins `old` octets before that.
        let Some(start) = self.pending.len().checked_sub(old) else { return };
        let kept = &self.pending[start..];
        let length = kept.len().min(payload.len());
        if kept[..length] != payload[..length] {
            reader.count(Counter::TcpOverlap, 1);
        }
    }

    fn hold(&mut self, seq: u32, payload: &[u8], now: Time, reader: &mut impl Reader) {
        if let Some((_, kept)) = self.held.iter().find(|(s, k)| *s == seq && k.len() >= payload.len()) {
            if kept[..payload.len()] != *payload {
                reader.count(Counter::TcpOverlap, 1);
            }
            return;
        }
        if self.held.is_empty() {
            self.held_since = now;
        }
        reader.count(Counter::SegmentsHeld, payload.len() as u64);
        self.held_octets += payload.len();
        self.held.push((seq, payload.to_vec()));
        if self.held_octets > MAX_HELD || self.held.len() > MAX_HELD_SEGMENTS {
            self.close_gap(reader);
        }
    }

    /// Delivers what has become in order; gives a gap up that stayed open too long.
    fn drain(&mut self, now: Time, reader: &mut impl Reader) {
        while !self.held.is_empty() && reader.wants() {
            let Some(next) = self.next else { break };
            let ready = self.held.iter().position(|(seq, _)| seq.wrapping_sub(next).cast_signed() <= 0);
            match ready {
                Some(at) => {
                    let (seq, octets) = self.held.swap_remove(at);
                    self.held_octets -= octets.len();
                    let old = next.wrapping_sub(seq) as usize;
                    if let Some(fresh) = octets.get(old..).filter(|f| !f.is_empty()) {
                        self.deliver(fresh, false, reader);
                    }
                }
                None if now.since(self.held_since) > GAP_SECONDS * 1_000_000_000 => {
                    self.close_gap(reader);
                    self.held_since = now;
                }
                None => break,
            }
        }
        if self.held.is_empty() {
            self.held = Vec::new();
        }
    }

    /// The octets before the first held segment will not come.
    fn close_gap(&mut self, reader: &mut impl Reader) {
        let Some(next) = self.next else { return };
        let nearest = self.held.iter().map(|(seq, _)| *seq).min_by_key(|seq| seq.wrapping_sub(next));
        if let Some(seq) = nearest {
            self.skip_to(seq, reader);
        }
    }

    fn skip_to(&mut self, seq: u32, reader: &mut impl Reader) {
        reader.count(Counter::TcpGaps, 1);
        self.pending = Vec::new();
        self.next = Some(seq);
        reader.gap();
    }

    fn drop_held(&mut self) {
        self.held = Vec::new();
        self.held_octets = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads lines of four octets.
    #[derive(Default)]
    struct Fours {
        got: Vec<u8>,
        gaps: usize,
        overlaps: usize,
    }

    impl Reader for Fours {
        fn data(&mut self, octets: &[u8], _: bool) -> usize {
            let used = octets.len() / 4 * 4;
            self.got.extend_from_slice(&octets[..used]);
            used
        }
        fn gap(&mut self) {
            self.gaps += 1;
        }
        fn wants(&self) -> bool {
            true
        }
        fn count(&mut self, what: Counter, _: u64) {
            self.overlaps += usize::from(what == Counter::TcpOverlap);
        }
    }

    proptest! {
        #[test]
        fn any_order_overlap_and_wrap_gives_the_stream(
            length in 1usize..200, start in prop_oneof![any::<u32>(), Just(u32::MAX - 30)],
            cuts in proptest::collection::vec((any::<prop::sample::Index>(), 1usize..40), 0..60), seed in any::<u64>(),
        ) {
            let body: Vec<u8> = (0..length * 4).map(|i| (i * 7) as u8).collect();
            let mut pieces: Vec<(usize, usize)> =
                cuts.iter().map(|(at, n)| { let a = at.index(body.len()); (a, (a + n).min(body.len())) }).collect();
            let mut at = 0;
            while at < body.len() { pieces.push((at, (at + 13).min(body.len()))); at += 13; }
            let mut state = seed;
            for i in (1..pieces.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                pieces.swap(i, usize::try_from(state >> 33).unwrap() % (i + 1));
            }
            let (mut dir, mut reader) = (Direction::default(), Fours::default());
            dir.accept(start.wrapping_sub(1), true, &[], Time(0), &mut reader);
            for (from, to) in pieces {
                dir.accept(start.wrapping_add(u32::try_from(from).unwrap()), false, &body[from..to], Time(0), &mut reader);
            }
            prop_assert_eq!(reader.got, body);
            prop_assert_eq!((reader.gaps, reader.overlaps), (0, 0));
        }

        #[test]
        fn random_segments_stay_within_the_limits(
            segments in proptest::collection::vec((any::<u32>(), proptest::collection::vec(any::<u8>(), 0..300), any::<bool>()), 0..200),
        ) {
            let (mut dir, mut reader) = (Direction::default(), Fours::default());
            for (i, (seq, octets, near)) in segments.iter().enumerate() {
                let seq = if *near { seq % 100_000 } else { *seq };
                dir.accept(seq, false, octets, Time(i as i64), &mut reader);
                let cost = 2 * MAX_HELD_SEGMENTS * SEGMENT_COST;
                prop_assert!(dir.buffered() <= 2 * (MAX_PENDING + MAX_HELD) + cost);
            }
        }
    }

    #[test]
    fn segments_of_one_octet_are_counted_with_what_they_take() {
        let (mut dir, mut reader) = (Direction::default(), Fours::default());
        dir.accept(0, true, &[], Time(0), &mut reader);
        for n in 0..200 {
            dir.accept(10 + 2 * n, false, b"x", Time(0), &mut reader);
        }
        assert!(dir.buffered() >= 200 * (size_of::<(u32, Vec<u8>)>() + 1), "{}", dir.buffered());
    }

    #[test]
    fn a_gap_that_stays_is_given_up_and_counted() {
        let (mut dir, mut reader) = (Direction::default(), Fours::default());
        dir.accept(0, false, b"aaaa", Time(0), &mut reader);
        dir.accept(8, false, b"cccc", Time(0), &mut reader);
        assert_eq!(reader.got, b"aaaa");
        dir.accept(12, false, b"dddd", Time(0).plus_seconds(GAP_SECONDS + 1), &mut reader);
        assert_eq!((reader.got.as_slice(), reader.gaps), (&b"aaaaccccdddd"[..], 1));
    }

    #[test]
    fn other_octets_in_a_retransmission_are_flagged() {
        let (mut dir, mut reader) = (Direction::default(), Fours::default());
        dir.accept(0, false, b"ab", Time(0), &mut reader);
        dir.accept(0, false, b"aXcd", Time(0), &mut reader);
        assert_eq!((reader.got.as_slice(), reader.overlaps), (&b"abcd"[..], 1));
    }
}
