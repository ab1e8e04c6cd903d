//! Addresses and who holds them now, as the point needs it: which tasks select the holder of a packet's address?
//!
//! It mirrors the table of bindings (`session/identity/`), which bounds it, and adds the addresses that warrants name.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::Match;
use crate::identifier::Prefix;
use crate::packet::Time;
use crate::product::{Party, Role};
use crate::session::identity::BindingId;

/// A moment that may move while others hold on to it: the end of a binding.
pub(crate) type Until = Arc<AtomicI64>;

/// What a held address belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Slot {
    /// A binding that the network made.
    Binding(BindingId),
    /// A target of a task: index of the task and of the target.
    Target(u32, u16),
}

/// A task that selects the holder.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) task: u32,
    pub(crate) target: u16,
    pub(crate) role: Role,
}

/// An address that is held.
pub(crate) struct Held {
    pub(crate) address: Prefix,
    pub(crate) via: &'static str,
    pub(crate) who: Vec<Party>,
    pub(crate) start: Time,
    pub(crate) until: Until,
    pub(crate) wanted: SmallVec<[Wanted; 1]>,
    /// Matches of the access session itself, one a task at most.
    pub(crate) matches: Vec<Match>,
}

impl Held {
    fn is_live(&self, ts: Time) -> bool {
        self.start <= ts && ts < Time(self.until.load(Ordering::Relaxed))
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Watch {
    held: HashMap<Slot, Held>,
    by_address: HashMap<Prefix, SmallVec<[Slot; 1]>>,
    /// How many addresses of each length there are: IPv4, IPv6.
    lengths: [HashMap<u8, usize>; 2],
    /// How many are wanted by some task. While it is none, no packet is looked at.
    wanted: usize,
}

impl Watch {
    /// Nobody is followed: packets need not be looked up.
    pub(crate) const fn is_idle(&self) -> bool {
        self.wanted == 0
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Held> {
        self.held.get_mut(&slot)
    }

    pub(crate) fn insert(&mut self, slot: Slot, held: Held) {
        self.wanted += usize::from(!held.wanted.is_empty());
        *self.lengths[usize::from(!held.address.is_ipv4())].entry(held.address.length()).or_default() += 1;
        self.by_address.entry(held.address).or_default().push(slot);
        self.held.insert(slot, held);
    }

    /// Another task wants the holder.
    pub(crate) fn want(&mut self, slot: Slot, more: Wanted) {
        let Some(held) = self.held.get_mut(&slot) else { return };
        if held.wanted.iter().all(|w| w.task != more.task) {
            self.wanted += usize::from(held.wanted.is_empty());
            held.wanted.push(more);
        }
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Held> {
        let held = self.held.remove(&slot)?;
        self.wanted -= usize::from(!held.wanted.is_empty());
        if let Some(slots) = self.by_address.get_mut(&held.address) {
            slots.retain(|s| *s != slot);
            if slots.is_empty() {
                self.by_address.remove(&held.address);
            }
        }
        let lengths = &mut self.lengths[usize::from(!held.address.is_ipv4())];
        if let Some(count) = lengths.get_mut(&held.address.length()) {
            *count -= 1;
            if *count == 0 {
                lengths.remove(&held.address.length());
            }
        }
        Some(held)
    }

    /// Everything that is held, in order of nothing.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (Slot, &Held)> {
        self.held.iter().map(|(slot, held)| (*slot, held))
    }

    /// Whoever is wanted and holds this address at this moment.
    pub(crate) fn find(&self, ip: IpAddr, ts: Time) -> SmallVec<[Slot; 2]> {
        let all = self.holders(ip, ts).filter(|(_, held)| !held.wanted.is_empty());
        let mut found: SmallVec<[Slot; 2]> = all.map(|(slot, _)| slot).collect();
        // What is released is numbered, so its order must not be a hash table's.
        found.sort_unstable_by_key(|slot| match slot {
            Slot::Target(task, target) => (0, u64::from(*task), u64::from(*target)),
            Slot::Binding(id) => (1, id.0, 0),
        });
        found
    }

    /// Identities of whoever holds this address at this moment, wanted or not.
    pub(crate) fn who(&self, ip: IpAddr, ts: Time) -> Vec<Party> {
        let mut who: Vec<Party> = Vec::new();
        for party in self.holders(ip, ts).flat_map(|(_, held)| &held.who) {
            if !who.contains(party) {
                who.push(party.clone());
            }
        }
        who
    }

    fn holders(&self, ip: IpAddr, ts: Time) -> impl Iterator<Item = (Slot, &Held)> {
        let host = Prefix::host(ip);
        let lengths = self.lengths[usize::from(!host.is_ipv4())].keys();
        let slots = lengths.filter_map(move |n| self.by_address.get(&host.widened(*n))).flatten();
        slots.filter_map(|slot| Some((*slot, self.held.get(slot)?))).filter(move |(_, held)| held.is_live(ts))
    }
}
