//! IP fragments put back together, within limits (RFC 791 3.2, RFC 8200 4.5).
//!
//! Overlaps with different content are an evasion or damage: the octets that came first are kept, the overlap is
//! counted, and nothing is chosen silently (RFC 5722 has the endpoint drop such datagrams; the tap can't know whether it did).

use std::net::IpAddr;

use hashbrown::HashMap;

use super::expiry::Expiry;
use crate::counters::Counter;
use crate::decode::ip::{self, Fragment, Ip};
use crate::packet::Time;

/// Datagrams under way at once. A real tap has a handful; a flood of first fragments must not grow memory. When full,
/// the oldest goes: the other pieces of an honest datagram are microseconds behind, while a flood that was refused
/// instead would keep every datagram out for as long as the time-out lasts.
const MAX_DATAGRAMS: usize = 4096;

/// Octets held for all datagrams under way.
const MAX_OCTETS: usize = 32 << 20;

/// The largest datagram that IP can carry.
const MAX_DATAGRAM: usize = 65_535;

/// Pieces of one datagram. 65,535 octets in the smallest fragments that real links make (68-octet MTU: 48) would be more, but
/// nobody sends that; a flood of 8-octet pieces is cut off here.
const MAX_PIECES: usize = 1024;

/// RFC 8200 4.5: 60 seconds. Endpoints on Linux wait 30.
const TIMEOUT_SECONDS: i64 = 30;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    id: u32,
    protocol: u8,
}

#[derive(Default)]
struct Datagram {
    /// Tells it from a later datagram under the same key.
    serial: u64,
    octets: Vec<u8>,
    /// What the payload is, as the first fragment says (RFC 8200, 4.5); the others may say something else.
    protocol: u8,
    /// Ranges filled so far, sorted, not touching.
    filled: Vec<(usize, usize)>,
    /// Known once the last fragment came.
    length: Option<usize>,
    pieces: usize,
}

/// Datagrams under way.
#[derive(Default)]
pub(crate) struct Fragments {
    table: HashMap<Key, Datagram>,
    /// One entry a datagram; those of datagrams that are whole or gone are passed over.
    expiry: Expiry<(Key, u64)>,
    next_serial: u64,
    octets: usize,
}

impl Fragments {
    /// Takes a fragment; gives the datagram's payload and its protocol when that made it whole.
    pub(crate) fn accept(
        &mut self,
        ip: &Ip<'_>,
        fragment: Fragment,
        now: Time,
        count: &mut impl FnMut(Counter, u64),
    ) -> Option<(u8, Vec<u8>)> {
        count(Counter::Fragments, 1);
        // IPv6 names the upper protocol in the first fragment only, so the key leaves it out there.
        let protocol = if ip.src.is_ipv4() { ip.protocol } else { 0 };
        let key = Key { src: ip.src, dst: ip.dst, id: fragment.id, protocol };
        let (from, to) = (fragment.offset as usize, fragment.offset as usize + ip.payload.len());
        if to > MAX_DATAGRAM || ip.payload.is_empty() {
            count(Counter::FragmentsDropped, 1);
            return None;
        }
        self.make_room(&key, to, count);
        let serial = self.next_serial;
        let datagram = self.table.entry(key).or_insert_with(|| Datagram { serial, ..Datagram::default() });
        if datagram.serial == serial {
            self.next_serial += 1;
            self.expiry.push(now.plus_seconds(TIMEOUT_SECONDS), (key, serial));
        }
        datagram.pieces += 1;
        if datagram.pieces > MAX_PIECES {
            self.forget(&key);
            count(Counter::FragmentsDropped, 1);
            return None;
        }
        let before = datagram.octets.len();
        if datagram.put(from, ip.payload) {
            count(Counter::FragmentOverlap, 1);
        }
        if from == 0 {
            datagram.protocol = ip.protocol;
        }
        if !fragment.more {
            datagram.length.get_or_insert(to);
        }
        self.octets += datagram.octets.len() - before;
        if datagram.filled.as_slice() != [(0, datagram.length?)] {
            return None;
        }
        let Datagram { protocol, mut octets, .. } = self.forget(&key)?;
        count(Counter::Reassembled, 1);
        if ip.src.is_ipv4() {
            return Some((protocol, octets));
        }
        let Some((protocol, payload, None)) = ip::extensions(protocol, &octets) else {
            // Headers that don't end, or a fragment of a fragment.
            count(Counter::Malformed, 1);
            return None;
        };
        let headers = octets.len() - payload.len();
        octets.drain(..headers);
        Some((protocol, octets))
    }

    /// Forgets the oldest until a piece that ends at `to` fits.
    fn make_room(&mut self, key: &Key, to: usize, count: &mut impl FnMut(Counter, u64)) {
        while self.octets + to > MAX_OCTETS
            || self.table.len() >= MAX_DATAGRAMS && !self.table.contains_key(key)
        {
            let Some((oldest, serial)) = self.expiry.pop_oldest() else { return };
            self.lose(&oldest, serial, count);
        }
        if self.expiry.len() >= 2 * MAX_DATAGRAMS {
            let table = &self.table;
            self.expiry.sweep(|(key, serial)| table.get(key).is_some_and(|d| d.serial == *serial));
        }
    }

    /// Forgets a datagram that isn't whole, if it is still there.
    fn lose(&mut self, key: &Key, serial: u64, count: &mut impl FnMut(Counter, u64)) {
        if self.table.get(key).is_some_and(|d| d.serial == serial)
            && let Some(lost) = self.forget(key)
        {
            count(Counter::FragmentsDropped, lost.pieces as u64);
        }
    }

    /// Forgets datagrams whose other pieces never came.
    pub(crate) fn advance(&mut self, now: Time, count: &mut impl FnMut(Counter, u64)) {
        while let Some((key, serial)) = self.expiry.pop(now) {
            self.lose(&key, serial, count);
        }
    }

    fn forget(&mut self, key: &Key) -> Option<Datagram> {
        let datagram = self.table.remove(key)?;
        self.octets -= datagram.octets.len();
        Some(datagram)
    }
}

impl Datagram {
    /// Puts a piece in its place; octets that are already there stay. True when they differ.
    fn put(&mut self, from: usize, piece: &[u8]) -> bool {
        let to = from + piece.len();
        if self.octets.len() < to {
            self.octets.resize(to, 0);
        }
        let mut differs = false;
        let mut at = from;
        let mut merged = (from, to);
        let mut rest = Vec::with_capacity(self.filled.len() + 1);
        for &(start, end) in &self.filled {
            if end < from || start > to {
                rest.push((start, end));
                continue;
            }
            // The gap before this range is new; the range itself is compared.
            if at < start {
                self.octets[at..start].copy_from_slice(&piece[at - from..start - from]);
            }
            let (low, high) = (start.max(from), end.min(to));
            if low < high {
                differs |= self.octets[low..high] != piece[low - from..high - from];
            }
            at = at.max(end);
            merged = (merged.0.min(start), merged.1.max(end));
        }
        if at < to {
            self.octets[at..to].copy_from_slice(&piece[at - from..]);
        }
        rest.push(merged);
        rest.sort_unstable();
        self.filled = rest;
        differs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn feed(
        all: &mut Fragments,
        offset: usize,
        piece: &[u8],
        more: bool,
        log: &mut Vec<Counter>,
    ) -> Option<Vec<u8>> {
        let ip = Ip {
            src: IpAddr::V4(Ipv4Addr::LOCALHOST),
            dst: IpAddr::V4(Ipv4Addr::LOCALHOST),
            protocol: 17,
            payload: piece,
            fragment: None,
            cut: false,
        };
        let fragment = Fragment { id: 1, offset: u32::try_from(offset).unwrap(), more };
        all.accept(&ip, fragment, Time(0), &mut |c, _| log.push(c)).map(|(_, octets)| octets)
    }

    /// First fragments, each of another datagram, near its end; how many were dropped.
    fn flood(all: &mut Fragments, datagrams: u32) -> u64 {
        let mut dropped = 0;
        for id in 1_000..1_000 + datagrams {
            let ip = Ip {
                src: IpAddr::V4(Ipv4Addr::LOCALHOST),
                dst: IpAddr::V4(Ipv4Addr::LOCALHOST),
                protocol: 17,
                payload: &[0; 1400],
                fragment: None,
                cut: false,
            };
            let fragment = Fragment { id, offset: 60_000, more: true };
            all.accept(&ip, fragment, Time(0), &mut |c, n| {
                if c == Counter::FragmentsDropped {
                    dropped += n;
                }
            });
        }
        dropped
    }

    proptest! {
        #[test]
        fn p04_any_order_with_copies_gives_the_datagram(
            body in proptest::collection::vec(any::<u8>(), 9..600), cuts in proptest::collection::vec(1usize..70, 0..8), seed in any::<u64>(),
        ) {
            let mut edges: Vec<usize> = cuts.iter().map(|c| c * 8).filter(|c| *c < body.len()).collect();
            edges.extend([0, body.len()]);
            edges.sort_unstable();
            edges.dedup();
            let mut pieces: Vec<(usize, usize)> = edges.windows(2).map(|w| (w[0], w[1])).collect();
            let mut state = seed;
            for i in (1..pieces.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                pieces.swap(i, usize::try_from(state >> 33).unwrap() % (i + 1));
            }
            let (mut all, mut log, mut got) = (Fragments::default(), Vec::new(), None);
            let last = pieces.len() - 1;
            for (i, &(from, to)) in pieces.iter().enumerate() {
                if i < last {
                    prop_assert!(feed(&mut all, from, &body[from..to], to < body.len(), &mut log).is_none());
                }
                let whole = feed(&mut all, from, &body[from..to], to < body.len(), &mut log);
                got = got.or(whole);
            }
            prop_assert_eq!(got, Some(body));
            prop_assert!(!log.contains(&Counter::FragmentOverlap));
        }
    }

    #[test]
    fn p04_an_overlap_with_other_content_is_flagged_and_the_first_octets_stay() {
        let (mut all, mut log) = (Fragments::default(), Vec::new());
        feed(&mut all, 0, b"aaaaaaaabbbbbbbb", true, &mut log);
        let whole = feed(&mut all, 8, b"XXXXXXXXcccc", false, &mut log);
        assert_eq!(whole.as_deref(), Some(&b"aaaaaaaabbbbbbbbcccc"[..]));
        assert!(log.contains(&Counter::FragmentOverlap));
    }

    #[test]
    fn p04_what_stays_incomplete_is_forgotten_and_counted() {
        let (mut all, mut log) = (Fragments::default(), Vec::new());
        feed(&mut all, 0, b"aaaaaaaa", true, &mut log);
        all.advance(Time(0).plus_seconds(TIMEOUT_SECONDS + 1), &mut |c, _| log.push(c));
        assert_eq!((all.table.len(), all.octets), (0, 0));
        assert!(log.contains(&Counter::FragmentsDropped));
    }

    #[test]
    fn p04_a_flood_of_first_fragments_does_not_grow_memory() {
        let mut all = Fragments::default();
        let dropped = flood(&mut all, 20_000);
        assert!(all.table.len() <= MAX_DATAGRAMS && all.octets <= MAX_OCTETS);
        assert!(dropped > 0);
    }

    #[test]
    fn p04_a_flood_of_first_fragments_keeps_no_datagram_out() {
        let (mut all, mut log) = (Fragments::default(), Vec::new());
        flood(&mut all, 20_000);
        assert!(feed(&mut all, 0, b"aaaaaaaa", true, &mut log).is_none());
        assert_eq!(feed(&mut all, 8, b"bbbb", false, &mut log).as_deref(), Some(&b"aaaaaaaabbbb"[..]));
    }

    #[test]
    fn datagrams_that_are_whole_leave_nothing_behind() {
        let (mut all, mut log) = (Fragments::default(), Vec::new());
        for _ in 0..3 * MAX_DATAGRAMS {
            feed(&mut all, 0, b"aaaaaaaa", true, &mut log);
            feed(&mut all, 8, b"bbbb", false, &mut log);
        }
        assert_eq!((all.table.len(), all.octets), (0, 0));
        assert!(all.expiry.len() <= 2 * MAX_DATAGRAMS);
    }

    /// A sender may put destination options behind the fragment header; they must not hide what follows them.
    #[test]
    fn p04_extension_headers_within_the_datagram_are_walked_over() {
        let mut datagram = vec![17, 0, 1, 4, 0, 0, 0, 0];
        datagram.extend_from_slice(b"a UDP datagram, say ....");
        let (mut all, mut log, mut whole) = (Fragments::default(), Vec::new(), None);
        for (offset, piece) in [(0_u16, &datagram[..16]), (16, &datagram[16..])] {
            let more = u16::from(offset == 0);
            let length = u16::try_from(8 + piece.len()).unwrap().to_be_bytes();
            let mut packet = vec![0x60, 0, 0, 0, length[0], length[1], 44, 64];
            packet.extend_from_slice(&[1; 32]);
            packet.extend_from_slice(&[60, 0]);
            packet.extend_from_slice(&(offset | more).to_be_bytes());
            packet.extend_from_slice(&[0, 0, 0, 5]);
            packet.extend_from_slice(piece);
            let ip = ip::parse(&packet).unwrap();
            whole = all.accept(&ip, ip.fragment.unwrap(), Time(0), &mut |c, _| log.push(c));
        }
        assert_eq!(whole, Some((17, b"a UDP datagram, say ....".to_vec())));
    }
}
