//! What was seen a short while ago, as marks: no identifier is kept.

use std::collections::VecDeque;

use hashbrown::HashSet;
use sha2::{Digest, Sha256};

use crate::packet::Time;

/// RFC 3261, 17.1.2.2: a non-INVITE request is sent again until timer F, 64 × T1 = 32 seconds.
const WINDOW_SECONDS: i64 = 32;

/// Requests remembered: 2,000 a second for the whole window, in some 4 MB. Beyond it the oldest is forgotten and a
/// late copy of it would count as a message of its own.
const MAX_RECENT: usize = 65_536;

/// Half of a SHA-256: nobody on the wire can make two of them equal.
pub(super) type Mark = [u8; 16];

/// The mark of some values in order.
pub(super) fn mark(values: &[&[u8]]) -> Mark {
    let mut hash = Sha256::new();
    for value in values {
        hash.update((value.len() as u64).to_be_bytes());
        hash.update(value);
    }
    let mut mark = Mark::default();
    for (to, from) in mark.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    mark
}

/// Marks of the last half minute.
#[derive(Default)]
pub(super) struct Recent {
    marks: HashSet<Mark>,
    order: VecDeque<(Time, Mark)>,
}

impl Recent {
    /// Whether `mark` has not been seen within the window; remembers it.
    pub(super) fn is_new(&mut self, mark: Mark, now: Time) -> bool {
        while let Some((at, old)) = self.order.front() {
            if self.order.len() < MAX_RECENT && at.plus_seconds(WINDOW_SECONDS) > now {
                break;
            }
            self.marks.remove(old);
            self.order.pop_front();
        }
        let is_new = self.marks.insert(mark);
        if is_new {
            self.order.push_back((now, mark));
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_for_the_window_and_no_longer() {
        let mut recent = Recent::default();
        let start = Time(1_000_000_000);
        let one = mark(&[b"a", b"bc"]);
        assert_ne!(one, mark(&[b"ab", b"c"]));
        assert!(recent.is_new(one, start));
        assert!(!recent.is_new(one, start.plus_seconds(31)));
        assert!(recent.is_new(one, start.plus_seconds(32)));
    }

    #[test]
    fn is_bounded() {
        let mut recent = Recent::default();
        for n in 0..=MAX_RECENT as u64 {
            assert!(recent.is_new(mark(&[&n.to_be_bytes()]), Time(0)));
        }
        assert_eq!((recent.marks.len(), recent.order.len()), (MAX_RECENT, MAX_RECENT));
        assert!(recent.is_new(mark(&[&0u64.to_be_bytes()]), Time(0)), "the oldest is forgotten");
    }
}
