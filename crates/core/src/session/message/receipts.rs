//! Receipts: which message each tells of. A receipt is no message: it is told to those who got the message, and to
//! nobody else, and no keyword is looked for in the text that it repeats.

use std::collections::VecDeque;
use std::hash::Hash;
use std::net::IpAddr;

use hashbrown::HashMap;

use super::recent::{Mark, mark};
use crate::counters::Counter;
use crate::decode::receipt::State;
use crate::matching::Selection;
use crate::packet::{Endpoint, Seen, Time, Transport};
use crate::product::Party;
use crate::session::{Observer, TextVia};

/// Requests whose answer hasn't come. A link's window is some hundreds; a busy centre has some hundred links.
const MAX_UNANSWERED: usize = 65_536;

/// Messages whose receipt may still come: four minutes of 1,000 messages a second, in some 20 MB. Most receipts come
/// within seconds; one that comes after its message was forgotten is counted as unlinked.
const MAX_AWAITED: usize = 262_144;

/// Selected messages whose receipt may still come. They are few, so they wait for days while others are forgotten.
const MAX_SELECTED: usize = 65_536;

/// Receipts of parts whose message isn't whole yet: a centre may report the first part before the last is sent.
const MAX_EARLY: usize = 1024;

/// Longest identifier of a message (SMPP 3.4, 5.2.23: 65 octets).
const MAX_ID: usize = 65;

/// A table that forgets its oldest entry when it is full.
struct Bounded<K, V> {
    max: usize,
    entries: HashMap<K, (u64, V)>,
    order: VecDeque<(K, u64)>,
    serial: u64,
}

impl<K: Hash + Eq + Clone, V> Bounded<K, V> {
    fn new(max: usize) -> Self {
        Self { max, entries: HashMap::new(), order: VecDeque::new(), serial: 0 }
    }

    /// True when something else was forgotten for it.
    fn insert(&mut self, key: K, value: V) -> bool {
        self.serial += 1;
        self.entries.insert(key.clone(), (self.serial, value));
        self.order.push_back((key, self.serial));
        let mut forgotten = false;
        // Entries taken out or written over leave their place in the order behind.
        while self.entries.len() > self.max || self.order.len() > 2 * self.max {
            let Some((oldest, serial)) = self.order.pop_front() else { break };
            if self.entries.get(&oldest).is_some_and(|(current, _)| *current == serial) {
                self.entries.remove(&oldest);
                forgotten = true;
            }
        }
        forgotten
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key).map(|(_, value)| value)
    }
}

/// A message, by the number that it has here, and a mark of whom it is between.
#[derive(Clone, Copy)]
struct Sent {
    number: u64,
    between: Mark,
}

/// A receipt that came before its message was told.
pub(super) struct Early {
    pub(super) number: u64,
    pub(super) via: TextVia,
    pub(super) parties: Vec<Party>,
    pub(super) state: State,
    ts: Time,
    between: (Endpoint, Endpoint, Transport),
}

impl Early {
    pub(super) fn new(number: u64, via: TextVia, parties: Vec<Party>, state: State, seen: &Seen<'_>) -> Self {
        Self { number, via, parties, state, ts: seen.ts, between: (seen.src, seen.dst, seen.transport) }
    }

    pub(super) fn seen(&self) -> Seen<'static> {
        let (src, dst, transport) = self.between;
        Seen { ts: self.ts, src, dst, transport, packet: None, payload: &[] }
    }
}

/// Where requests, messages and selections are kept until a receipt comes.
pub(super) struct Receipts {
    unanswered: Bounded<Mark, Sent>,
    awaited: Bounded<Mark, Sent>,
    awaited_selected: Bounded<Mark, Sent>,
    selected: Bounded<u64, Selection>,
    early: VecDeque<Early>,
}

impl Default for Receipts {
    fn default() -> Self {
        Self {
            unanswered: Bounded::new(MAX_UNANSWERED),
            awaited: Bounded::new(MAX_AWAITED),
            awaited_selected: Bounded::new(MAX_SELECTED),
            selected: Bounded::new(MAX_SELECTED),
            early: VecDeque::new(),
        }
    }
}

impl Receipts {
    /// Message `number` was selected.
    pub(super) fn selected(&mut self, number: u64, selection: Selection) {
        self.selected.insert(number, selection);
    }

    /// A receipt waits until its message is told.
    pub(super) fn keep_early(&mut self, receipt: Early, out: &mut impl Observer) {
        if self.early.len() == MAX_EARLY {
            self.early.pop_front();
            out.count(Counter::ReceiptsForgotten, 1);
        }
        self.early.push_back(receipt);
    }

    /// Receipts that no longer wait.
    pub(super) fn take_early(&mut self, is_untold: impl Fn(u64) -> bool) -> Vec<Early> {
        let (wait, go) =
            std::mem::take(&mut self.early).into_iter().partition(|early| is_untold(early.number));
        self.early = wait;
        Vec::from(go)
    }

    /// A request that carries message `number` went to a centre.
    pub(super) fn request(
        &mut self,
        sequence: u32,
        number: u64,
        between: Mark,
        seen: &Seen<'_>,
        out: &mut impl Observer,
    ) {
        let key = exchange(seen.src, seen.dst, seen.transport, sequence);
        if self.unanswered.insert(key, Sent { number, between }) {
            out.count(Counter::ReceiptsForgotten, 1);
        }
    }

    /// The centre has answered with the name that it gave to the message.
    pub(super) fn response(&mut self, sequence: u32, id: &[u8], seen: &Seen<'_>, out: &mut impl Observer) {
        let Some(sent) = self.unanswered.remove(&exchange(seen.dst, seen.src, seen.transport, sequence))
        else {
            return;
        };
        if let Some(id) = canonical(id) {
            self.await_receipt(name(seen.src.ip, &id), sent, out);
        }
    }

    /// Message `number` has a name by which a receipt will call it.
    pub(super) fn named(&mut self, name: Mark, number: u64, out: &mut impl Observer) {
        self.await_receipt(name, Sent { number, between: Mark::default() }, out);
    }

    fn await_receipt(&mut self, name: Mark, sent: Sent, out: &mut impl Observer) {
        let of_selected = self.selected.get(&sent.number).is_some();
        let table = if of_selected { &mut self.awaited_selected } else { &mut self.awaited };
        if table.insert(name, sent) {
            out.count(Counter::ReceiptsForgotten, 1);
        }
    }

    /// The message that a receipt names: by its name, else by the same number written in the other base, which only
    /// counts when it is between the same two (some centres answer in hexadecimal and report in decimal).
    pub(super) fn find(&self, centre: IpAddr, id: &[u8], between: Mark) -> Option<u64> {
        let id = canonical(id)?;
        if let Some(sent) = self.sent(&name(centre, &id)) {
            return Some(sent.number);
        }
        let text = std::str::from_utf8(&id).ok()?;
        let to_hex = text.parse::<u128>().map(|n| format!("{n:x}"));
        let to_decimal = u128::from_str_radix(text, 16).map(|n| n.to_string());
        [to_hex, to_decimal]
            .into_iter()
            .flatten()
            .filter_map(|other| self.sent(&name(centre, other.as_bytes())))
            .find(|sent| sent.between == between)
            .map(|sent| sent.number)
    }

    /// The message that goes by `name`.
    pub(super) fn find_named(&self, name: &Mark) -> Option<u64> {
        self.sent(name).map(|sent| sent.number)
    }

    fn sent(&self, name: &Mark) -> Option<&Sent> {
        self.awaited_selected.get(name).or_else(|| self.awaited.get(name))
    }

    /// Who got the message.
    pub(super) fn selection(&self, number: u64) -> &[Box<crate::matching::Match>] {
        self.selected.get(&number).map_or(&[], |selection| selection)
    }
}

/// Lower case without leading zeros: `0406` and `406` are one name.
fn canonical(id: &[u8]) -> Option<Vec<u8>> {
    let id = id.trim_ascii();
    let zeros = id.iter().take_while(|octet| **octet == b'0').count();
    let rest = id.get(zeros.min(id.len().saturating_sub(1))..)?;
    (!rest.is_empty() && rest.len() <= MAX_ID).then(|| rest.to_ascii_lowercase())
}

/// Names are given by one centre.
fn name(centre: IpAddr, id: &[u8]) -> Mark {
    mark(&[b"smpp", centre.to_string().as_bytes(), id])
}

fn exchange(from: Endpoint, to: Endpoint, transport: Transport, sequence: u32) -> Mark {
    let ends = [from, to].map(|end| format!("{} {}", end.ip, end.port));
    mark(&[ends[0].as_bytes(), ends[1].as_bytes(), transport.name().as_bytes(), &sequence.to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p45_names_are_compared_without_leading_zeros_and_case() {
        for (id, expected) in [
            (&b"0406"[..], Some(&b"406"[..])),
            (b" AbC\n", Some(b"abc")),
            (b"000", Some(b"0")),
            (b"", None),
            (&[b'1'; 66], None),
        ] {
            assert_eq!(canonical(id).as_deref(), expected);
        }
    }

    #[test]
    fn the_oldest_is_forgotten_and_said() {
        let mut table = Bounded::new(2);
        assert_eq!([1, 2, 1, 1].map(|key| table.insert(key, key)), [false; 4]);
        assert!(table.insert(3, 3));
        assert_eq!([1, 2, 3].map(|key| table.get(&key).copied()), [Some(1), None, Some(3)]);
        for n in 4..100 {
            table.insert(n, n);
            table.remove(&n);
        }
        assert!(table.order.len() <= 4 && table.entries.len() <= 2);
    }
}
