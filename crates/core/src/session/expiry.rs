//! What is due when. Deadlines of one table all lie the same span ahead, so a queue keeps them in order.

use std::collections::VecDeque;

use crate::packet::Time;

/// A queue of deadlines. The owner checks, when one comes up, whether the entry has lived on meanwhile, and if so
/// pushes it again; nothing is ever searched or moved when an entry is touched.
pub(crate) struct Expiry<K> {
    queue: VecDeque<(Time, K)>,
}

impl<K> Default for Expiry<K> {
    fn default() -> Self {
        Self { queue: VecDeque::new() }
    }
}

impl<K> Expiry<K> {
    /// `key` is to be looked at when `at` has come.
    pub(crate) fn push(&mut self, at: Time, key: K) {
        self.queue.push_back((at, key));
    }

    /// How many deadlines wait.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Drops the entries that `is_live` disowns. For owners that close entries before their time: what those leave
    /// behind would pile up as fast as packets come, and for ever when the capture's clock stands still.
    pub(crate) fn sweep(&mut self, mut is_live: impl FnMut(&K) -> bool) {
        self.queue.retain(|(_, key)| is_live(key));
    }

    /// The next key that is due.
    pub(crate) fn pop(&mut self, now: Time) -> Option<K> {
        if self.queue.front()?.0 > now {
            return None;
        }
        self.queue.pop_front().map(|(_, key)| key)
    }

    /// The oldest key, due or not: the one to forget when a table is full.
    pub(crate) fn pop_oldest(&mut self) -> Option<K> {
        self.queue.pop_front().map(|(_, key)| key)
    }
}
