//! Calls of circuit switches: ISUP (Q.764) and BICC (Q.1902.4). A call lives on a circuit, from the IAM to the RLC; its
//! record is the same as that of a SIP call.
//!
//! Two switches name a circuit by their point codes and its code, whichever of them speaks.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap};

use super::state::{CallState, Event};
use super::{Call, TooMany};
use crate::counters::Counter;
use crate::decode::isup::{self, Message, MessageType, Nature};
use crate::decode::mtp3::Label;
use crate::packet::{Seen, Time};
use crate::product::{Carrier, EndReason, Role};
use crate::session::expiry::Expiry;
use crate::session::{Change, Observer};

/// Most calls at one time: those of two thousand E1 lines, at some 1.5 kB each.
const MAX_CIRCUITS: usize = 1 << 16;

/// A circuit is looked at again after this long, so that what has ended leaves soon after its time.
const CHECK_SECONDS: i64 = 10;

/// An IAM that comes again within this time is the same one at another tap or over another path: no call is set up,
/// released and set up again with the same octets so soon.
const COPY_SECONDS: i64 = 2;

/// The same for subsequent digits: tone and pause of a digit take 80 ms at least (Q.24).
const SAM_COPY_NANOSECONDS: i64 = 50_000_000;

/// Digits of a called number that subsequent messages make longer.
const MAX_DIGITS: usize = 32;

/// A number that the caller had not dialled to its end (Q.850: invalid number format, address incomplete).
const CAUSE_ADDRESS_INCOMPLETE: u8 = 28;

/// RFC 3398, 7.2.4.1: a release that tells no more.
const STATUS_UNKNOWN: u16 = 500;

/// How a call is signalled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Signalling {
    /// RFC 3261.
    Sip,
    /// Q.763.
    Isup,
    /// Q.1902.3.
    Bicc,
}

impl Signalling {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sip => "sip",
            Self::Isup => "isup",
            Self::Bicc => "bicc",
        }
    }
}

/// Where a message belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leg {
    pub(crate) label: Label,
    pub(crate) signalling: Signalling,
    /// Circuit identification code, or BICC's call instance code.
    pub(crate) circuit: u32,
    /// What carried it here.
    pub(crate) carrier: Carrier,
}

/// Network indicator, both point codes with the lower first, circuit.
type Key = (u8, u32, u32, Signalling, u32);

impl Leg {
    fn key(&self) -> Key {
        let Label { opc, dpc, network } = self.label;
        (network, opc.min(dpc), opc.max(dpc), self.signalling, self.circuit)
    }

    /// Q.764, 2.9.1.4: of two switches that seize a circuit at once, that with the higher code keeps the even ones.
    const fn is_in_control(&self) -> bool {
        (self.label.opc > self.label.dpc) == self.circuit.is_multiple_of(2)
    }
}

struct Circuit {
    serial: u64,
    call: Box<Call>,
    /// Who sent the IAM.
    forward: u32,
    /// Hash of the IAM.
    setup: u64,
    called: Called,
}

/// The called number, as far as it was dialled.
struct Called {
    nature: Nature,
    digits: String,
    /// The last subsequent address message, hashed, and when it came: a copy adds no digits.
    last: (u64, Time),
    /// It is among the call's parties. Not before it is complete: the beginning of a number may be somebody else's.
    told: bool,
}

/// All calls on circuits.
pub(crate) struct Circuits {
    table: HashMap<Key, Circuit>,
    /// One entry a call; those of calls that have left meanwhile are passed over.
    expiry: Expiry<(Key, u64)>,
    next_serial: u64,
    hasher: DefaultHashBuilder,
    limit: usize,
}

impl Default for Circuits {
    fn default() -> Self {
        Self::with_limit(MAX_CIRCUITS)
    }
}

impl Circuits {
    fn with_limit(limit: usize) -> Self {
        Self {
            table: HashMap::new(),
            expiry: Expiry::default(),
            next_serial: 0,
            hasher: DefaultHashBuilder::default(),
            limit,
        }
    }

    /// A message. Those of circuits without a call change nothing and are told to nobody.
    pub(crate) fn message(
        &mut self,
        leg: &Leg,
        message: &Message<'_>,
        seen: &Seen<'_>,
        out: &mut impl Observer,
    ) {
        match message.kind {
            MessageType::InitialAddress => self.initial(leg, message, seen, out),
            MessageType::GroupReset => {
                for behind in 0..=u32::from(message.range) {
                    let leg = Leg { circuit: leg.circuit.wrapping_add(behind), ..*leg };
                    self.later(&leg, message, seen, out);
                }
            }
            _ => self.later(leg, message, seen, out),
        }
    }

    fn initial(&mut self, leg: &Leg, message: &Message<'_>, seen: &Seen<'_>, out: &mut impl Observer) {
        let Some(number) = message.called else { return };
        let key = leg.key();
        let numbers: Vec<_> = message.numbers().map(|(role, number)| (role as u8, number.digits())).collect();
        let setup = self.hasher.hash_one((number.digits(), numbers));
        if let Some(held) = self.table.get(&key) {
            let waits =
                held.call.state == CallState::Trying && held.call.inner.last_signal == held.call.start;
            let age = seen.ts.since(held.call.start);
            if waits
                && held.setup == setup
                && held.forward == leg.label.opc
                && age < Time(0).plus_seconds(COPY_SECONDS).0
            {
                return;
            }
            if waits && held.forward == leg.label.dpc && !leg.is_in_control() {
                // The other switch keeps the circuit; this one tries another.
                return;
            }
            // A seizure that has lost, or a call whose release was not seen.
            self.close(key, EndReason::Timeout, seen.ts, out);
        }
        self.make_room(seen.ts, out);
        out.count(Counter::Calls, 1);
        let serial = self.next_serial;
        self.next_serial += 1;
        let mut call = Box::new(Call::new(call_id(leg, seen.ts).as_bytes(), seen.ts, seen.src, seen.dst));
        call.signalling = leg.signalling;
        let mut called =
            Called { nature: number.nature, digits: String::new(), last: (0, seen.ts), told: false };
        let mut dropped = called.extend(&number.digits());
        if number.is_complete() {
            dropped += called.tell(&mut call);
        }
        dropped += parties(&mut call, message);
        count_dropped(dropped, out);
        out.circuit(&mut call, Change::Begin, leg.carrier, seen);
        self.expiry.push(seen.ts.plus_seconds(CHECK_SECONDS), (key, serial));
        self.table.insert(key, Circuit { serial, call, forward: leg.label.opc, setup, called });
    }

    fn later(&mut self, leg: &Leg, message: &Message<'_>, seen: &Seen<'_>, out: &mut impl Observer) {
        let key = leg.key();
        let Some(Circuit { call, forward, called, .. }) = self.table.get_mut(&key) else { return };
        call.inner.last_signal = call.inner.last_signal.max(seen.ts);
        let is_forward = leg.label.opc == *forward;
        let mut dropped = 0;
        if let Some(number) = message.subsequent {
            let digits = number.digits();
            let mark = self.hasher.hash_one((&digits, number.is_complete()));
            // The same octets at another tap: nobody dials one digit twice so fast.
            let is_copy = called.last.0 == mark && seen.ts.since(called.last.1) < SAM_COPY_NANOSECONDS;
            called.last = (mark, seen.ts);
            if !is_copy {
                dropped += called.extend(&digits);
            }
            if number.is_complete() {
                dropped += called.tell(call);
            }
        }
        if says_complete(message) {
            dropped += called.tell(call);
        }
        dropped += parties(call, message);
        count_dropped(dropped, out);
        let change = event(call, message, is_forward).map_or(Change::Nothing, |event| {
            let was_answered = call.answer.is_some();
            let change = call.apply(event, seen.ts);
            outcome(call, message, event, change, was_answered);
            change
        });
        out.circuit(call, change, leg.carrier, seen);
        let is_over = matches!(
            message.kind,
            MessageType::ReleaseComplete | MessageType::ResetCircuit | MessageType::GroupReset
        );
        if is_over {
            self.close(key, EndReason::Timeout, seen.ts, out);
        }
    }

    fn make_room(&mut self, now: Time, out: &mut impl Observer) {
        while self.table.len() >= self.limit {
            let Some((key, serial)) = self.expiry.pop_oldest() else { return };
            if self.is_live(&key, serial) {
                out.count(Counter::CallsEvicted, 1);
                self.close(key, EndReason::Evicted, now, out);
            }
        }
        if self.expiry.len() >= 2 * self.limit {
            let table = &self.table;
            self.expiry.sweep(|(key, serial)| table.get(key).is_some_and(|c| c.serial == *serial));
        }
    }

    fn is_live(&self, key: &Key, serial: u64) -> bool {
        self.table.get(key).is_some_and(|c| c.serial == serial)
    }

    /// Closes the calls whose time has come.
    pub(crate) fn advance(&mut self, now: Time, out: &mut impl Observer) {
        while let Some((key, serial)) = self.expiry.pop(now) {
            let Some(circuit) = self.table.get(&key).filter(|c| c.serial == serial) else { continue };
            if circuit.call.deadline() <= now {
                self.close(key, EndReason::Timeout, now, out);
            } else {
                self.expiry.push(now.plus_seconds(CHECK_SECONDS), (key, serial));
            }
        }
    }

    /// The source has ended: closes all calls, in an order that is the same each time.
    pub(crate) fn finish(&mut self, now: Time, out: &mut impl Observer) {
        let mut left: Vec<_> = self.table.iter().map(|(key, circuit)| (circuit.serial, *key)).collect();
        left.sort_unstable();
        for (_, key) in left {
            self.close(key, EndReason::SourceEnded, now, out);
        }
    }

    fn close(&mut self, key: Key, otherwise: EndReason, now: Time, out: &mut impl Observer) {
        let Some(Circuit { mut call, mut called, .. }) = self.table.remove(&key) else { return };
        // What was dialled belongs into the record, whether or not it was ever complete; it selects nothing any more.
        count_dropped(called.tell(&mut call), out);
        call.conclude(otherwise);
        out.call_closed(&mut call, now);
    }
}

impl Called {
    /// Appends digits. Says whether there was no room.
    fn extend(&mut self, digits: &str) -> u64 {
        let room = MAX_DIGITS.saturating_sub(self.digits.len());
        self.digits.push_str(digits.get(..room).unwrap_or(digits));
        u64::from(digits.len() > room)
    }

    /// Makes it a party of the call.
    fn tell(&mut self, call: &mut Call) -> u64 {
        if self.told || self.digits.is_empty() {
            return 0;
        }
        self.told = true;
        let text = isup::text(self.nature, self.digits.clone());
        u64::from(
            call.add_party(Role::CalledParty, text.as_bytes(), false, Role::CalledParty.isup_side()).is_err(),
        )
    }
}

/// Not an address on any network, and unlike that of any other call: the circuit, and since when.
fn call_id(leg: &Leg, start: Time) -> String {
    let (network, low, high, signalling, circuit) = leg.key();
    format!("{}:{network}:{low}-{high}:{circuit}@{}", signalling.name(), start.0)
}

fn count_dropped(dropped: u64, out: &mut impl Observer) {
    if dropped > 0 {
        out.count(Counter::IdentitiesDropped, dropped);
    }
}

/// Keeps the numbers of a message but the called one.
fn parties(call: &mut Call, message: &Message<'_>) -> u64 {
    let add = |(role, number): (Role, isup::Number<'_>)| {
        call.add_party(role, number.text().as_bytes(), false, role.isup_side())
    };
    message.numbers().map(add).filter(|added| matches!(added, Err(TooMany))).count() as u64
}

/// The switches take the called number for complete (Q.764, 2.1.1): nothing will be added to it.
fn says_complete(message: &Message<'_>) -> bool {
    match message.kind {
        MessageType::AddressComplete
        | MessageType::CallProgress
        | MessageType::Connect
        | MessageType::Answer => true,
        MessageType::Release => message.cause != Some(CAUSE_ADDRESS_INCOMPLETE),
        _ => false,
    }
}

/// What a message means for its call.
fn event(call: &Call, message: &Message<'_>, is_forward: bool) -> Option<Event> {
    let is_open = matches!(call.state, CallState::Trying | CallState::Ringing | CallState::Answered);
    let release = |by_caller: bool| match (call.answer.is_some(), by_caller) {
        (true, _) => Event::Bye,
        (false, true) => Event::Cancel,
        (false, false) => Event::Failure,
    };
    match message.kind {
        MessageType::AddressComplete | MessageType::CallProgress if message.is_alerting() => {
            Some(Event::Ringing)
        }
        MessageType::AddressComplete => Some(Event::Progress),
        MessageType::Answer | MessageType::Connect => is_open.then_some(Event::Answer),
        MessageType::Release | MessageType::ResetCircuit | MessageType::GroupReset => {
            is_open.then(|| release(is_forward))
        }
        // Its release wasn't seen, and was sent by the other side.
        MessageType::ReleaseComplete => is_open.then(|| release(!is_forward)),
        _ => None,
    }
}

/// The outcome as a SIP status, so that records of both kinds read alike (RFC 3398, 7.2.4.1 and 8.2.2).
fn outcome(call: &mut Call, message: &Message<'_>, event: Event, change: Change, was_answered: bool) {
    match event {
        Event::Answer if change == Change::Answer => call.final_status = Some(200),
        Event::Failure if !was_answered => {
            call.final_status = Some(message.cause.map_or(STATUS_UNKNOWN, status_of));
        }
        _ => {}
    }
}

/// RFC 3398, 7.2.4.1.
const fn status_of(cause: u8) -> u16 {
    match cause {
        1..=3 | 26 => 404,
        17 => 486,
        18 => 408,
        19 | 20 | 31 => 480,
        21 | 55 | 57 | 87 => 403,
        22 | 23 => 410,
        27 => 502,
        28 => 484,
        29 | 79 => 501,
        34 | 38 | 41 | 42 | 47 | 58 => 503,
        65 | 70 | 88 => 488,
        102 => 504,
        _ => STATUS_UNKNOWN,
    }
}

#[cfg(test)]
mod tests;
