//! Where calls are kept: found by Call-ID, bounded in number, expired without a scan.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::Call;
use super::timers::Timers;
use crate::packet::Time;

/// Most calls at one time. A call takes about 1.5 kB, so that a full table stays near 200 MB; it holds twelve hours'
/// worth of a flood's 32-second setups at 4,000 a second, or the busy hour of half a million subscribers.
pub(super) const MAX_CALLS: usize = 1 << 17;

/// Marks the end of a list.
const NONE: u32 = u32::MAX;

/// Names a call as long as it is in the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct CallRef {
    index: u32,
    /// Slots are used again; the generation tells whose turn it is.
    generation: u32,
}

/// A call that the table has let go.
pub(super) struct Gone(CallRef);

/// How many lists there are.
const LISTS: usize = 4;

/// The lists that calls stand in, each in order of entry: the worse a call is vouched for, the sooner it goes when the
/// table is full. What one forged message can make (an INVITE), or two (an INVITE and its answer), never pushes out a
/// call that media flow in, and nothing that no task selects pushes out a call that one does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum List {
    /// Not answered yet.
    Setup = 0,
    /// Answered, and no media seen. A tap may see signalling alone, so these are real calls too; the longer of this
    /// list and [`List::Setup`] goes first, so that a flood of the one kind costs the other nothing below half a table.
    Quiet = 1,
    /// Media were seen.
    Live = 2,
    /// A task selects it.
    Selected = 3,
}

/// What the table itself needs comes first, next to the call's own first fields: see [`Call`].
#[repr(C)]
struct Slot {
    /// Of the Call-ID.
    hash: u64,
    /// When the timers will bring it up.
    due: Time,
    generation: u32,
    previous: u32,
    next: u32,
    list: List,
    call: Option<Call>,
}

/// Slots made at once. They never move, so growing the table costs no more than filling it.
const CHUNK: usize = 256;

/// The slots by index.
#[derive(Default)]
struct Slots(Vec<Vec<Slot>>);

impl Slots {
    #[inline]
    fn get(&self, index: u32) -> Option<&Slot> {
        self.0.get(index as usize / CHUNK)?.get(index as usize % CHUNK)
    }

    #[inline]
    fn get_mut(&mut self, index: u32) -> Option<&mut Slot> {
        self.0.get_mut(index as usize / CHUNK)?.get_mut(index as usize % CHUNK)
    }

    /// Adds an empty slot, and gives its index.
    fn grow(&mut self) -> u32 {
        if self.0.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.0.push(Vec::with_capacity(CHUNK));
        }
        let chunks = self.0.len();
        let Some(chunk) = self.0.last_mut() else { return NONE };
        chunk.push(Slot {
            hash: 0,
            due: Time(i64::MAX),
            generation: 0,
            previous: NONE,
            next: NONE,
            list: List::Setup,
            call: None,
        });
        ((chunks - 1) * CHUNK + chunk.len() - 1) as u32
    }
}

/// The calls.
pub(super) struct Table {
    slots: Slots,
    free: Vec<u32>,
    by_id: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// First and last of each list.
    ends: [(u32, u32); LISTS],
    /// How many stand in each.
    lengths: [usize; LISTS],
    timers: Timers<CallRef>,
    limit: usize,
}

impl Table {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            slots: Slots::default(),
            free: Vec::new(),
            by_id: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            ends: [(NONE, NONE); LISTS],
            lengths: [0; LISTS],
            timers: Timers::default(),
            limit,
        }
    }

    pub(super) fn find(&self, call_id: &[u8]) -> Option<CallRef> {
        let hash = self.hasher.hash_one(call_id);
        let same = |index: &u32| {
            self.slots
                .get(*index)
                .filter(|slot| slot.hash == hash)
                .and_then(|slot| slot.call.as_ref())
                .is_some_and(|call| call.call_id.octets() == call_id)
        };
        let index = *self.by_id.find(hash, same)?;
        Some(CallRef { index, generation: self.slots.get(index)?.generation })
    }

    fn call_at(&self, index: u32) -> Option<&Call> {
        self.slots.get(index)?.call.as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: CallRef) -> Option<&mut Call> {
        self.slots.get_mut(at.index).filter(|s| s.generation == at.generation)?.call.as_mut()
    }

    pub(super) fn get(&self, at: CallRef) -> Option<&Call> {
        self.slots.get(at.index).filter(|s| s.generation == at.generation)?.call.as_ref()
    }

    /// The call that must go before another can be put in.
    pub(super) fn oldest_if_full(&self) -> Option<CallRef> {
        if self.lengths.iter().sum::<usize>() < self.limit {
            return None;
        }
        let [setup, quiet, live, selected] = self.ends.map(|(first, _)| first);
        let flooded = self.lengths[List::Quiet as usize] > self.lengths[List::Setup as usize];
        let order = if flooded { [quiet, setup, live, selected] } else { [setup, quiet, live, selected] };
        let index = order.into_iter().find(|first| *first != NONE)?;
        Some(CallRef { index, generation: self.slots.get(index)?.generation })
    }

    /// Puts a call in; the caller has made room.
    pub(super) fn insert(&mut self, call: Call) -> CallRef {
        let hash = self.hasher.hash_one(call.call_id.octets());
        let index = self.free.pop().unwrap_or_else(|| self.slots.grow());
        let mut generation = 0;
        if let Some(slot) = self.slots.get_mut(index) {
            generation = slot.generation;
            (slot.hash, slot.due, slot.call) = (hash, Time(i64::MAX), Some(call));
        }
        let slots = &self.slots;
        self.by_id.insert_unique(hash, index, |i| slots.get(*i).map_or(0, |s| s.hash));
        self.link(index, List::Setup);
        CallRef { index, generation }
    }

    /// Takes a call out: from now on it is known by [`Gone`] alone. It stays where it is, as it is long to move, until it
    /// is buried, or another needs its place.
    pub(super) fn remove(&mut self, at: CallRef) -> Option<Gone> {
        let slot = self.slots.get_mut(at.index).filter(|s| s.generation == at.generation)?;
        slot.call.as_ref()?;
        slot.generation = slot.generation.wrapping_add(1);
        let gone = Gone(CallRef { generation: slot.generation, ..at });
        let hash = slot.hash;
        if let Ok(entry) = self.by_id.find_entry(hash, |index| *index == at.index) {
            entry.remove();
        }
        self.unlink(at.index);
        self.free.push(at.index);
        Some(gone)
    }

    /// The call that was taken out.
    pub(super) fn gone(&mut self, gone: &Gone) -> Option<&mut Call> {
        self.get_mut(gone.0)
    }

    /// Forgets the call that was taken out.
    pub(super) fn bury(&mut self, gone: &Gone) {
        if let Some(slot) = self.slots.get_mut(gone.0.index).filter(|s| s.generation == gone.0.generation) {
            slot.call = None;
        }
    }

    /// Puts the call into the list that it belongs in by now.
    #[inline]
    pub(super) fn file(&mut self, at: CallRef, list: List) {
        let moved = |s: &&Slot| s.generation == at.generation && s.list != list && s.call.is_some();
        if self.slots.get(at.index).as_ref().is_some_and(moved) {
            self.unlink(at.index);
            self.link(at.index, list);
        }
    }

    /// Takes the call's name away: its Call-ID is used by another from now on. It stays until its time has come.
    pub(super) fn detach(&mut self, at: CallRef) {
        let Some(slot) = self.slots.get(at.index).filter(|s| s.generation == at.generation) else {
            return;
        };
        if let Ok(entry) = self.by_id.find_entry(slot.hash, |index| *index == at.index) {
            entry.remove();
        }
    }

    fn link(&mut self, index: u32, list: List) {
        self.lengths[list as usize] += 1;
        let last = self.ends[list as usize].1;
        if let Some(slot) = self.slots.get_mut(index) {
            (slot.list, slot.previous, slot.next) = (list, last, NONE);
        }
        match self.slots.get_mut(last) {
            Some(slot) => slot.next = index,
            None => self.ends[list as usize].0 = index,
        }
        self.ends[list as usize].1 = index;
    }

    fn unlink(&mut self, index: u32) {
        let Some(slot) = self.slots.get(index) else { return };
        let (list, previous, next) = (slot.list, slot.previous, slot.next);
        self.lengths[list as usize] -= 1;
        match self.slots.get_mut(previous) {
            Some(slot) => slot.next = next,
            None => self.ends[list as usize].0 = next,
        }
        match self.slots.get_mut(next) {
            Some(slot) => slot.previous = previous,
            None => self.ends[list as usize].1 = previous,
        }
    }

    /// Sees to it that the call comes up at `deadline` or before. Deadlines that move back cost nothing: the call comes
    /// up early and is put off again.
    pub(super) fn schedule(&mut self, at: CallRef, deadline: Time) {
        let Some(slot) = self.slots.get_mut(at.index).filter(|s| s.generation == at.generation) else {
            return;
        };
        if deadline < slot.due {
            slot.due = deadline;
            self.timers.set(deadline, at);
        }
    }

    /// A call whose time may have come; the caller closes it or schedules it again.
    pub(super) fn due(&mut self, now: Time) -> Option<CallRef> {
        while let Some(at) = self.timers.due(now) {
            if let Some(slot) = self.slots.get_mut(at.index)
                && slot.generation == at.generation
                // An entry that a nearer deadline has outdated, or one whose call was already brought up, is passed over.
                && slot.due != Time(i64::MAX)
            {
                slot.due = Time(i64::MAX);
                return Some(at);
            }
        }
        None
    }

    /// Any call, while there is one; oldest first.
    pub(super) fn first(&self) -> Option<CallRef> {
        let index = self
            .ends
            .iter()
            .map(|(first, _)| *first)
            .filter(|first| *first != NONE)
            .min_by_key(|i| self.call_at(*i).map_or(i64::MAX, |call| call.start.0))?;
        Some(CallRef { index, generation: self.slots.get(index)?.generation })
    }
}
