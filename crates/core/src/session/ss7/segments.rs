//! SCCP messages out of their segments (Q.714, 4.1.1.2.3).

use std::borrow::Cow;

use hashbrown::HashMap;

use crate::counters::Counter;
use crate::decode::sccp::{Segment, Unitdata};
use crate::packet::Time;
use crate::session::expiry::Expiry;

/// Segmented messages put together at once: they are rare, and each takes at most 4 kB (16 segments of 254 octets).
const MAX_MESSAGES: usize = 4096;

/// Timer T(reass): 10 to 20 s (Q.714, table in annex C).
const SECONDS: i64 = 20;

/// Called and calling party address, reference.
type Key = (Box<[u8]>, Box<[u8]>, u32);

struct Held {
    serial: u64,
    remaining: u8,
    octets: Vec<u8>,
}

/// Messages that aren't whole yet.
#[derive(Default)]
pub(super) struct Segments {
    table: HashMap<Key, Held>,
    expiry: Expiry<(Key, u64)>,
    next_serial: u64,
}

impl Segments {
    /// Takes user data; gives the message that it is or completes. Segments come in sequence (class 1): one that is
    /// missing takes the message with it.
    pub(super) fn accept<'a>(
        &mut self,
        unitdata: &Unitdata<'a>,
        now: Time,
        count: &mut impl FnMut(Counter),
    ) -> Option<Cow<'a, [u8]>> {
        let data = unitdata.data;
        let Some(Segment { first, remaining, reference }) = unitdata.segment else {
            return Some(data.into());
        };
        if first && remaining == 0 {
            return Some(data.into());
        }
        let key: Key = (unitdata.called.into(), unitdata.calling.into(), reference);
        if first {
            self.begin(key, remaining, data, now, count);
            return None;
        }
        let held = self.table.get_mut(&key)?;
        if held.remaining.checked_sub(1) != Some(remaining) {
            // The last segment once more, or one out of sequence.
            if held.remaining != remaining {
                self.table.remove(&key);
                count(Counter::SccpSegmentsDropped);
            }
            return None;
        }
        held.remaining = remaining;
        held.octets.extend_from_slice(data);
        if remaining > 0 {
            return None;
        }
        self.table.remove(&key).map(|held| held.octets.into())
    }

    fn begin(&mut self, key: Key, remaining: u8, data: &[u8], now: Time, count: &mut impl FnMut(Counter)) {
        while self.expiry.len() >= MAX_MESSAGES {
            let Some(oldest) = self.expiry.pop_oldest() else { return };
            self.forget(&oldest, count);
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        self.expiry.push(now.plus_seconds(SECONDS), (key.clone(), serial));
        self.table.insert(key, Held { serial, remaining, octets: data.to_vec() });
    }

    fn forget(&mut self, (key, serial): &(Key, u64), count: &mut impl FnMut(Counter)) {
        if self.table.get(key).is_some_and(|held| held.serial == *serial) {
            self.table.remove(key);
            count(Counter::SccpSegmentsDropped);
        }
    }

    /// Gives up what will not be whole any more.
    pub(super) fn advance(&mut self, now: Time, count: &mut impl FnMut(Counter)) {
        while let Some(entry) = self.expiry.pop(now) {
            self.forget(&entry, count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::sccp::{tests::xudt, unitdata};

    fn run(all: &mut Segments, octets: &[u8], dropped: &mut u32) -> Option<Vec<u8>> {
        let read = unitdata(octets).expect("XUDT");
        all.accept(&read, Time(0), &mut |_| *dropped += 1).map(Cow::into_owned)
    }

    #[test]
    fn segments_are_joined_in_sequence_and_copies_left_out() {
        let (mut all, mut dropped) = (Segments::default(), 0);
        assert_eq!(run(&mut all, &xudt(true, 2, 1, b"ab"), &mut dropped), None);
        assert_eq!(run(&mut all, &xudt(true, 1, 2, b"xx"), &mut dropped), None);
        assert_eq!(run(&mut all, &xudt(false, 1, 1, b"cd"), &mut dropped), None);
        assert_eq!(run(&mut all, &xudt(false, 1, 1, b"cd"), &mut dropped), None);
        assert_eq!(run(&mut all, &xudt(false, 0, 1, b"ef"), &mut dropped), Some(b"abcdef".to_vec()));
        assert_eq!((all.table.len(), dropped), (1, 0));
        all.advance(Time(0).plus_seconds(SECONDS), &mut |_| dropped += 1);
        assert_eq!((all.table.len(), dropped), (0, 1));
    }

    #[test]
    fn a_gap_takes_the_message_with_it() {
        let (mut all, mut dropped) = (Segments::default(), 0);
        run(&mut all, &xudt(true, 2, 1, b"ab"), &mut dropped);
        assert_eq!(run(&mut all, &xudt(false, 0, 1, b"ef"), &mut dropped), None);
        assert_eq!((all.table.len(), dropped), (0, 1));
    }

    #[test]
    fn a_flood_of_references_stays_within_the_limit() {
        let (mut all, mut dropped) = (Segments::default(), 0);
        for n in 0..2 * MAX_MESSAGES as u32 {
            let octets = xudt(true, 1, 0, b"ab");
            let mut read = unitdata(&octets).expect("XUDT");
            read.segment = Some(Segment { first: true, remaining: 1, reference: n });
            all.accept(&read, Time(0), &mut |_| dropped += 1);
        }
        assert_eq!((all.table.len(), dropped), (MAX_MESSAGES, MAX_MESSAGES as u32));
    }
}
