//! What is due when.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::packet::Time;

/// Deadlines. The owner checks, when one comes up, whether the entry has lived on meanwhile, and if so pushes it again;
/// nothing is ever searched or moved when an entry is touched.
///
/// A heap and not a queue, although the deadlines of one table all lie the same span ahead: one packet with a false time
/// far ahead would stand at the head of a queue and let nothing behind it come due.
pub(crate) struct Expiry<K> {
    heap: BinaryHeap<Deadline<K>>,
    /// Deadlines pushed so far: those of one moment come up in the order in which they were pushed.
    pushed: u64,
}

struct Deadline<K> {
    at: Time,
    order: u64,
    key: K,
}

impl<K> Ord for Deadline<K> {
    /// The earliest is the greatest, as a heap gives that first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl<K> PartialOrd for Deadline<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> PartialEq for Deadline<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K> Eq for Deadline<K> {}

impl<K> Default for Expiry<K> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), pushed: 0 }
    }
}

impl<K> Expiry<K> {
    /// `key` is to be looked at when `at` has come.
    pub(crate) fn push(&mut self, at: Time, key: K) {
        self.pushed += 1;
        self.heap.push(Deadline { at, order: self.pushed, key });
    }

    /// How many deadlines wait.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Drops the entries that `is_live` disowns. For owners that close entries before their time: what those leave
    /// behind would pile up as fast as packets come, and for ever when the capture's clock stands still.
    pub(crate) fn sweep(&mut self, mut is_live: impl FnMut(&K) -> bool) {
        self.heap.retain(|deadline| is_live(&deadline.key));
    }

    /// The next key that is due.
    pub(crate) fn pop(&mut self, now: Time) -> Option<K> {
        if self.heap.peek()?.at > now {
            return None;
        }
        self.pop_oldest()
    }

    /// The first key to come due, due or not: the one to forget when a table is full.
    pub(crate) fn pop_oldest(&mut self) -> Option<K> {
        self.heap.pop().map(|deadline| deadline.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_false_deadline_far_ahead_holds_nothing_up() {
        let mut all = Expiry::default();
        for (at, key) in [(9_000_000, 'x'), (2, 'b'), (1, 'a'), (2, 'c')] {
            all.push(Time(at), key);
        }
        let due: Vec<char> = std::iter::from_fn(|| all.pop(Time(2))).collect();
        assert_eq!(due, ['a', 'b', 'c'], "in order, and in the order pushed at one moment");
        assert_eq!((all.len(), all.pop_oldest()), (1, Some('x')));
    }
}
