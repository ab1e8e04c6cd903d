//! The table of addresses and who holds them.
//!
//! An address has at most one holder a source of evidence. When a source gives it to another, the earlier holder's time
//! ends at that moment, even if nobody has said so: better to lose the end of a session than to follow a stranger. Two
//! sources that know the subscriber by different kinds of identity stand beside each other; where they contradict each
//! other, the later counts.

use std::collections::BTreeSet;

use hashbrown::{HashMap, HashSet};
use smallvec::SmallVec;

use super::{Via, Who};
use crate::counters::Counter;
use crate::identifier::{MIN_PREFIX_IPV6, Prefix};
use crate::packet::Time;
use crate::session::Observer;
use crate::session::expiry::Expiry;

/// Assignments held at once: half a million subscribers behind one point, at some 500 octets each.
const MAX_BINDINGS: usize = 1 << 19;

/// Identities of one holder. Every source together gives a dozen kinds at most.
const MAX_WHO: usize = 16;

/// Sessions under one key. An access session has an IPv4 address, an IPv6 address and a few prefixes.
const MAX_UNDER_KEY: usize = 16;

/// How long a session that is over is remembered, and how many: a report that was held up comes within minutes.
const OVER_SECONDS: i64 = 600;
const MAX_OVER: usize = 1 << 16;

/// Tells a session of one source.
pub(super) type Key = (Via, Box<[u8]>);

/// Number of a binding, given out once in a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct BindingId(pub(crate) u64);

/// A subscriber holds an address.
pub(crate) struct Binding {
    pub(crate) id: BindingId,
    pub(crate) via: Via,
    pub(crate) address: Prefix,
    pub(crate) who: Who,
    /// First moment.
    pub(crate) start: Time,
    /// First moment at which it is over unless it is renewed.
    pub(crate) due: Time,
    keys: SmallVec<[Key; 2]>,
    group: Option<Key>,
}

/// What a message says.
pub(super) struct Claim {
    pub(super) via: Via,
    /// What the session's end will be told by. None where the source knows no sessions: the holder's identities then
    /// tell it.
    pub(super) keys: SmallVec<[Key; 2]>,
    pub(super) addresses: SmallVec<[Prefix; 3]>,
    pub(super) who: Who,
    pub(super) start: Time,
    pub(super) due: Time,
    /// The node that holds the session, whose restart ends it.
    pub(super) group: Option<Key>,
    /// Whether the session has these addresses and no others.
    pub(super) is_all: bool,
}

/// The table.
#[derive(Default)]
pub(super) struct Bindings {
    all: HashMap<BindingId, Binding>,
    by_address: HashMap<Prefix, SmallVec<[BindingId; 1]>>,
    by_key: HashMap<Key, SmallVec<[BindingId; 2]>>,
    by_group: HashMap<Key, BTreeSet<BindingId>>,
    /// Sessions that are over and whose identifiers are never used again.
    over: HashSet<Key>,
    over_until: Expiry<Key>,
    /// Leases are of any length, so the order of time is kept by a tree.
    due: BTreeSet<(Time, BindingId)>,
    /// How many prefixes of each length stand in `by_address`, for IPv6.
    lengths: HashMap<u8, usize>,
    next: u64,
}

impl Bindings {
    /// Takes a claim in: begins or renews its bindings, and ends those that it contradicts.
    pub(super) fn hold(&mut self, claim: &Claim, out: &mut impl Observer) {
        // A Start that the network has delivered after its Stop begins nothing.
        if claim.keys.iter().any(|k| self.over.contains(k)) {
            out.count(Counter::BindingsRefused, 1);
            return;
        }
        if claim.is_all {
            for id in
                claim.keys.iter().filter_map(|k| self.by_key.get(k)).flatten().copied().collect::<Vec<_>>()
            {
                if self.all.get(&id).is_some_and(|b| !claim.addresses.contains(&b.address)) {
                    self.end(id, claim.start, out);
                }
            }
        }
        for address in &claim.addresses {
            self.hold_one(*address, claim, out);
        }
    }

    fn hold_one(&mut self, address: Prefix, claim: &Claim, out: &mut impl Observer) {
        if !address.is_ipv4() && address.length() < MIN_PREFIX_IPV6 || claim.due <= claim.start {
            out.count(Counter::BindingsRefused, 1);
            return;
        }
        let mut renewed = None;
        for id in self.holders(address) {
            let Some(held) = self.all.get(&id) else { continue };
            let has_key = held.keys.iter().any(|k| claim.keys.contains(k));
            let is_keyless = held.keys.is_empty() || claim.keys.is_empty();
            let is_same =
                held.via == claim.via && (has_key || is_keyless && is_common(&held.who, &claim.who));
            if is_same && held.address == address {
                renewed = Some(id);
            } else if held.via == claim.via && !is_same || contradict(&held.who, &claim.who) {
                if claim.start < held.start {
                    // A report that was held up: its session is over, for the address has gone on since.
                    out.count(Counter::BindingsRefused, 1);
                    return;
                }
                out.count(Counter::BindingsTakenOver, 1);
                self.end(id, claim.start, out);
            }
        }
        match renewed {
            Some(id) => self.renew(id, claim, out),
            None => self.begin(address, claim, out),
        }
    }

    /// Bindings of this address, and of wider prefixes that it lies in.
    fn holders(&self, address: Prefix) -> SmallVec<[BindingId; 4]> {
        let mut found: SmallVec<[BindingId; 4]> = SmallVec::new();
        found.extend(self.by_address.get(&address).into_iter().flatten().copied());
        if !address.is_ipv4() {
            for length in self.lengths.keys().filter(|n| **n < address.length()) {
                found.extend(self.by_address.get(&address.widened(*length)).into_iter().flatten().copied());
            }
        }
        found
    }

    fn renew(&mut self, id: BindingId, claim: &Claim, out: &mut impl Observer) {
        let Some(held) = self.all.get_mut(&id) else { return };
        self.due.remove(&(held.due, id));
        held.due = claim.due;
        self.due.insert((held.due, id));
        for party in &claim.who {
            if held.who.len() < MAX_WHO && !held.who.contains(party) {
                held.who.push(party.clone());
            }
        }
        for key in &claim.keys {
            if !held.keys.contains(key) && held.keys.len() < MAX_UNDER_KEY {
                held.keys.push(key.clone());
                self.by_key.entry(key.clone()).or_default().push(id);
            }
        }
        out.bound(held);
    }

    fn begin(&mut self, address: Prefix, claim: &Claim, out: &mut impl Observer) {
        while self.all.len() >= MAX_BINDINGS {
            let Some((_, id)) = self.due.first().copied() else { return };
            out.count(Counter::BindingsEvicted, 1);
            self.end(id, claim.start, out);
        }
        for key in &claim.keys {
            // The oldest makes room: a session that gathers addresses without end is no subscriber's.
            let oldest =
                self.by_key.get(key).filter(|ids| ids.len() >= MAX_UNDER_KEY).and_then(|ids| ids.first());
            if let Some(id) = oldest.copied() {
                out.count(Counter::BindingsEvicted, 1);
                self.end(id, claim.start, out);
            }
        }
        let id = BindingId(self.next);
        self.next += 1;
        let mut who = claim.who.clone();
        who.truncate(MAX_WHO);
        let binding = Binding {
            id,
            via: claim.via,
            address,
            who,
            start: claim.start,
            due: claim.due,
            keys: claim.keys.clone(),
            group: claim.group.clone(),
        };
        if let Some(group) = &claim.group {
            self.by_group.entry(group.clone()).or_default().insert(id);
        }
        self.by_address.entry(address).or_default().push(id);
        for key in &claim.keys {
            self.by_key.entry(key.clone()).or_default().push(id);
        }
        self.due.insert((binding.due, id));
        *self.lengths.entry(address.length()).or_default() += usize::from(!address.is_ipv4());
        out.count(Counter::Bindings, 1);
        out.bound(&binding);
        self.all.insert(id, binding);
    }

    /// The session is over.
    pub(super) fn release(&mut self, key: &Key, at: Time, out: &mut impl Observer) -> bool {
        let ids = self.by_key.get(key).cloned().unwrap_or_default();
        for id in &ids {
            self.end(*id, at, out);
        }
        // RFC 2866, 5.5, and RFC 6733, 8.8: one identifier, one session.
        if matches!(key.0, Via::Radius | Via::Diameter)
            && self.over.len() < MAX_OVER
            && self.over.insert(key.clone())
        {
            self.over_until.push(at.plus_seconds(OVER_SECONDS), key.clone());
        }
        !ids.is_empty()
    }

    /// The node has restarted: all that it held is over.
    pub(super) fn release_group(&mut self, group: &Key, at: Time, out: &mut impl Observer) {
        for id in self.by_group.remove(group).unwrap_or_default() {
            self.end(id, at, out);
        }
    }

    /// The holder's session is over, which began without a key.
    pub(super) fn release_without_key(&mut self, claim: &Claim, out: &mut impl Observer) {
        for address in &claim.addresses {
            for id in self.by_address.get(address).cloned().unwrap_or_default() {
                let is_it =
                    |b: &Binding| b.via == claim.via && b.keys.is_empty() && is_common(&b.who, &claim.who);
                if self.all.get(&id).is_some_and(is_it) {
                    self.end(id, claim.start, out);
                }
            }
        }
    }

    /// The session gives one of its addresses back.
    pub(super) fn release_one(&mut self, key: &Key, address: Prefix, at: Time, out: &mut impl Observer) {
        for id in self.by_key.get(key).cloned().unwrap_or_default() {
            if self.all.get(&id).is_some_and(|b| b.address == address) {
                self.end(id, at, out);
            }
        }
    }

    fn end(&mut self, id: BindingId, at: Time, out: &mut impl Observer) {
        let Some(binding) = self.all.remove(&id) else { return };
        self.due.remove(&(binding.due, id));
        remove(&mut self.by_address, &binding.address, id);
        for key in &binding.keys {
            remove(&mut self.by_key, key, id);
        }
        if let Some(group) = &binding.group
            && let Some(ids) = self.by_group.get_mut(group)
        {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_group.remove(group);
            }
        }
        if !binding.address.is_ipv4()
            && let Some(count) = self.lengths.get_mut(&binding.address.length())
        {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&binding.address.length());
            }
        }
        // An end that is told late may lie behind the time at which it was due anyway.
        let end = at.min(binding.due).max(binding.start);
        out.unbound(&binding, Some(end));
    }

    pub(super) fn advance(&mut self, now: Time, out: &mut impl Observer) {
        while let Some(key) = self.over_until.pop(now) {
            self.over.remove(&key);
        }
        while let Some((due, id)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            out.count(Counter::BindingsExpired, 1);
            self.end(id, due, out);
        }
    }

    pub(super) fn finish(&mut self, out: &mut impl Observer) {
        let mut all: Vec<_> = self.all.drain().map(|(_, binding)| binding).collect();
        all.sort_unstable_by_key(|b| b.id);
        for binding in &all {
            out.unbound(binding, None);
        }
        *self = Self { next: self.next, ..Self::default() };
    }
}

fn remove<K: Eq + std::hash::Hash, const N: usize>(
    map: &mut HashMap<K, SmallVec<[BindingId; N]>>,
    key: &K,
    id: BindingId,
) where
    [BindingId; N]: smallvec::Array<Item = BindingId>,
{
    if let Some(ids) = map.get_mut(key) {
        ids.retain(|other| *other != id);
        if ids.is_empty() {
            map.remove(key);
        }
    }
}

fn is_common(a: &Who, b: &Who) -> bool {
    a.iter().any(|party| b.contains(party))
}

/// Whether two accounts can't be of one subscriber: they have an identity of one kind that differs, and none in common.
fn contradict(a: &Who, b: &Who) -> bool {
    !is_common(a, b) && a.iter().any(|p| b.iter().any(|q| p.role == q.role))
}
