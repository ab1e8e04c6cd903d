//! Parts of long messages, until the last has come.

use std::borrow::Cow;
use std::collections::VecDeque;

use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;

use super::recent::{Mark, mark};
use super::{count_fallback, tell};
use crate::counters::Counter;
use crate::decode::sms::{Alphabet, Kind, UserData};
use crate::matching::Selection;
use crate::packet::{Endpoint, Seen, Time, Transport};
use crate::product::Party;
use crate::session::{Observer, Text, TextVia};

/// A sender gives all parts to its centre within seconds; a centre that finds the recipient away tries again after
/// minutes. Later parts than this make a message of their own, marked partial as well.
const TIMEOUT_SECONDS: i64 = 600;

/// Messages waited for at once. A network of ten million handsets has some thousands.
const MAX_WAITING: usize = 65_536;

/// Octets of parts and parties held at once.
pub(super) const MAX_HELD: usize = 64 * 1024 * 1024;

/// What a part takes besides its octets: an empty one isn't free.
const PART_COST: usize = size_of::<Piece>() + size_of::<(u8, Mark)>();

/// Octets that one message may hold: 255 parts of 160 septets are 40,800; SMPP payloads may be larger each.
const MAX_MESSAGE: usize = 1024 * 1024;

/// Stands where a part is missing, so that the ends of its neighbours make no word that nobody wrote.
const GAP: char = char::REPLACEMENT_CHARACTER;

/// One part.
pub(super) struct Piece {
    sequence: u8,
    kind: Kind,
    alphabet: Alphabet,
    octets: Vec<u8>,
}

impl Piece {
    pub(super) fn new(sequence: u8, data: UserData<'_>) -> Self {
        Self { sequence, kind: data.kind, alphabet: data.alphabet, octets: data.into_owned() }
    }
}

/// What the pieces are together: the first that is no text says it, and the first part of a push what it pushes.
pub(super) fn kind(pieces: &[Piece]) -> Kind {
    let first = pieces.iter().find(|piece| piece.kind != Kind::Text);
    first.map_or(Kind::Text, |piece| piece.kind.looked_into(&piece.octets))
}

/// The text of pieces in order, and whether some letters come from fallback tables. `None` when one is no text.
///
/// Octets are joined before they are read: a surrogate pair, or an escape and its letter, may be split between parts.
pub(super) fn join(pieces: &[Piece]) -> (Option<String>, bool) {
    let mut text = String::new();
    let mut is_fallback = false;
    let (mut rest, mut before) = (pieces, 0_u8);
    while let [first, ..] = rest {
        let follows = |pair: &[Piece]| {
            pair[0].alphabet == pair[1].alphabet && pair[0].sequence.checked_add(1) == Some(pair[1].sequence)
        };
        let (run, after) = rest.split_at(rest.windows(2).take_while(|pair| follows(pair)).count() + 1);
        if before.checked_add(1) != Some(first.sequence) {
            text.push(GAP);
        }
        if let Alphabet::Gsm7(shifts) = first.alphabet {
            is_fallback |= shifts.is_fallback();
        }
        let joined = match run {
            [one] => Cow::Borrowed(&one.octets[..]),
            many => many.iter().flat_map(|p| p.octets.iter().copied()).collect(),
        };
        if !first.alphabet.decode(&joined, &mut text) {
            return (None, is_fallback);
        }
        before = run.last().map_or(before, |last| last.sequence);
        rest = after;
    }
    (Some(text), is_fallback)
}

/// A message of which some parts have come, or all: it then stays, without its octets, to know copies by.
struct Waiting {
    /// Tells it from a later message under the same key.
    serial: u64,
    total: u8,
    via: TextVia,
    parties: Vec<Party>,
    /// In order of sequence.
    pieces: Vec<Piece>,
    /// Sequence and mark of every part that has come.
    known: Vec<(u8, Mark)>,
    held: usize,
    start: Time,
    last: Time,
    between: (Endpoint, Endpoint, Transport),
}

impl Waiting {
    fn is_told(&self) -> bool {
        self.known.len() == usize::from(self.total)
    }
}

/// The table.
#[derive(Default)]
pub(super) struct Parts {
    waiting: HashMap<Mark, Waiting>,
    /// In order of first part; entries whose serial is gone are passed over.
    order: VecDeque<(Time, Mark, u64)>,
    /// Numbers of messages in `waiting` that aren't told yet.
    untold: HashSet<u64>,
    /// Something was told since the last look.
    has_told: bool,
    next_serial: u64,
    held: usize,
    /// The capture's time: a part that an agent reports late waits for the others from now on.
    now: Time,
    /// Messages told since the last look that somebody got.
    selected: SmallVec<[(u64, Selection); 1]>,
}

impl Parts {
    /// A part has come. `key` names its message, whose number is given back.
    #[allow(
        clippy::too_many_arguments,
        reason = "each is one fact of the part; a struct would be made for this call alone"
    )]
    pub(super) fn add(
        &mut self,
        key: Mark,
        total: u8,
        piece: Piece,
        via: TextVia,
        parties: Vec<Party>,
        seen: &Seen<'_>,
        out: &mut impl Observer,
    ) -> u64 {
        let content = mark(&[&piece.octets]);
        if let Some(waiting) = self.waiting.get(&key) {
            match waiting.known.iter().find(|(sequence, _)| *sequence == piece.sequence) {
                Some((_, known)) if *known == content => {
                    out.count(Counter::MessagesRepeated, 1);
                    return waiting.serial;
                }
                // The sender has come round to the same reference: another message.
                Some(_) => self.give_up(key, out),
                None if waiting.held + piece.octets.len() > MAX_MESSAGE => {
                    out.count(Counter::MessagesEvicted, 1);
                    self.give_up(key, out);
                }
                None => {}
            }
        }
        if !self.waiting.contains_key(&key) {
            self.begin(key, total, via, parties, seen);
        }
        let Some(waiting) = self.waiting.get_mut(&key) else { return self.next_serial() };
        let serial = waiting.serial;
        let cost = piece.octets.len() + PART_COST;
        self.held += cost;
        waiting.held += cost;
        waiting.last = seen.ts;
        waiting.known.push((piece.sequence, content));
        let at = waiting.pieces.partition_point(|p| p.sequence < piece.sequence);
        waiting.pieces.insert(at, piece);
        if waiting.is_told() {
            // The marks stay, to know copies by.
            let kept = waiting.known.len() * PART_COST;
            self.held = self.held - waiting.held + kept;
            let (pieces, parties) =
                (std::mem::take(&mut waiting.pieces), std::mem::take(&mut waiting.parties));
            waiting.held = kept;
            let (text, is_fallback) = join(&pieces);
            let (kind, start) = (kind(&pieces), waiting.start);
            count_fallback(is_fallback, out);
            let text = Text {
                via,
                parties: &parties,
                kind,
                text: text.as_deref(),
                parts: total,
                partial: false,
                start,
            };
            let selection = tell(&text, seen, out);
            self.told(serial, selection);
        }
        self.make_room(out);
        serial
    }

    /// The number of a message that comes in one piece.
    pub(super) const fn next_serial(&mut self) -> u64 {
        self.next_serial += 1;
        self.next_serial
    }

    /// Some parts of message `number` have come, and it isn't told yet.
    pub(super) fn is_untold(&self, number: u64) -> bool {
        self.untold.contains(&number)
    }

    fn told(&mut self, serial: u64, selection: Selection) {
        self.untold.remove(&serial);
        self.has_told = true;
        if !selection.is_empty() {
            self.selected.push((serial, selection));
        }
    }

    /// Whether a message was told since the last look.
    pub(super) const fn take_has_told(&mut self) -> bool {
        std::mem::replace(&mut self.has_told, false)
    }

    /// Messages told since the last look that somebody got.
    pub(super) fn take_selected(&mut self) -> impl Iterator<Item = (u64, Selection)> + use<> {
        std::mem::take(&mut self.selected).into_iter()
    }

    /// Gives up the oldest until the limits hold.
    fn make_room(&mut self, out: &mut impl Observer) {
        while self.waiting.len() > MAX_WAITING || self.held > MAX_HELD {
            let Some((_, oldest, serial)) = self.order.pop_front() else { break };
            if let Some(waiting) = self.waiting.get(&oldest).filter(|w| w.serial == serial) {
                if !waiting.is_told() {
                    out.count(Counter::MessagesEvicted, 1);
                }
                self.give_up(oldest, out);
            }
        }
    }

    /// Octets held.
    #[cfg(test)]
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    fn begin(&mut self, key: Mark, total: u8, via: TextVia, parties: Vec<Party>, seen: &Seen<'_>) {
        let serial = self.next_serial();
        let held = parties.iter().map(|p| p.uri.0.len()).sum();
        self.held += held;
        let waiting = Waiting {
            serial,
            total,
            via,
            parties,
            pieces: Vec::new(),
            known: Vec::new(),
            held,
            start: seen.ts,
            last: seen.ts,
            between: (seen.src, seen.dst, seen.transport),
        };
        self.waiting.insert(key, waiting);
        self.untold.insert(serial);
        self.order.push_back((seen.ts.max(self.now), key, serial));
        // References that come round leave dead entries behind: swept before they can pile up.
        if self.order.len() > 2 * MAX_WAITING {
            let waiting = &self.waiting;
            self.order.retain(|(_, key, serial)| waiting.get(key).is_some_and(|w| w.serial == *serial));
        }
    }

    /// Takes a message out of the table, and tells what there is of it unless it was told whole.
    fn give_up(&mut self, key: Mark, out: &mut impl Observer) {
        let Some(waiting) = self.waiting.remove(&key) else { return };
        self.held -= waiting.held;
        if waiting.is_told() {
            return;
        }
        let count = waiting.pieces.len();
        out.count(Counter::PartsDropped, count as u64);
        let (text, is_fallback) = join(&waiting.pieces);
        count_fallback(is_fallback, out);
        let text = Text {
            via: waiting.via,
            parties: &waiting.parties,
            kind: kind(&waiting.pieces),
            text: text.as_deref(),
            parts: waiting.total,
            partial: true,
            start: waiting.start,
        };
        let (src, dst, transport) = waiting.between;
        let seen = Seen { ts: waiting.last, src, dst, transport, packet: None, payload: &[] };
        let selection = tell(&text, &seen, out);
        self.told(waiting.serial, selection);
    }

    /// Gives up what is too old.
    pub(super) fn advance(&mut self, now: Time, out: &mut impl Observer) {
        self.now = now;
        while let Some((start, key, serial)) = self.order.front().copied() {
            if start.plus_seconds(TIMEOUT_SECONDS) > now {
                return;
            }
            self.order.pop_front();
            if self.waiting.get(&key).is_some_and(|w| w.serial == serial) {
                self.give_up(key, out);
            }
        }
    }

    /// Gives up everything.
    pub(super) fn finish(&mut self, out: &mut impl Observer) {
        while let Some((_, key, serial)) = self.order.pop_front() {
            if self.waiting.get(&key).is_some_and(|w| w.serial == serial) {
                self.give_up(key, out);
            }
        }
    }
}
