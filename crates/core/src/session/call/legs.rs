//! Which calls are legs of one conversation. A back-to-back user agent makes a new call of each leg; what it lets through
//! of the old one tells. Links are told, never merged: see `docs/adr/0009-legs.md`.

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::table::CallRef;
use crate::packet::Time;
use crate::product::LinkRule;

/// Most calls that share one value. A conversation over five switches has six legs; a value that more calls share
/// is no name of a conversation, or is sent to make it useless. The newest stay.
const MAX_SHARING: usize = 8;

/// Most values of one call. Two Session-IDs with their halves, two ICIDs, four origins and a number make fourteen.
const MAX_KEYS: usize = 24;

/// How far apart two calls to one number may begin.
pub(super) const NUMBER_SECONDS: i64 = 10;

/// Something that two legs may share, hashed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    pub(super) rule: LinkRule,
    pub(super) value: u64,
}

/// The values of all calls.
#[derive(Default)]
pub(super) struct Legs {
    calls: HashMap<Key, SmallVec<[(CallRef, Time); 1]>>,
}

/// Calls that another shares something with, and by what rule.
pub(super) type Others = SmallVec<[(CallRef, LinkRule); 4]>;

/// The values of one call.
pub(super) type Keys = SmallVec<[Key; 4]>;

impl Legs {
    /// Notes that a call has a value. Adds the other calls that have it to `others`; none when that was known already, or
    /// didn't fit, which `dropped` counts.
    pub(super) fn join(
        &mut self,
        at: CallRef,
        start: Time,
        own: &mut Keys,
        key: Key,
        dropped: &mut u64,
        others: &mut Others,
    ) {
        if own.contains(&key) {
            return;
        }
        if own.len() == MAX_KEYS {
            *dropped += 1;
            return;
        }
        own.push(key);
        let sharing = self.calls.entry(key).or_default();
        let near = |other: &&(CallRef, Time)| {
            let apart = start.0.abs_diff(other.1.0);
            key.rule != LinkRule::NumberAndTime || apart <= NUMBER_SECONDS.unsigned_abs() * 1_000_000_000
        };
        for (call, _) in sharing.iter().filter(near) {
            others.push((*call, key.rule));
        }
        if sharing.len() == MAX_SHARING {
            sharing.remove(0);
            *dropped += 1;
        }
        sharing.push((at, start));
    }

    /// The call leaves.
    pub(super) fn release(&mut self, at: CallRef, own: &Keys) {
        for key in own {
            if let Some(sharing) = self.calls.get_mut(key) {
                sharing.retain(|(call, _)| *call != at);
                if sharing.is_empty() {
                    self.calls.remove(key);
                }
            }
        }
    }

    /// How many values are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }
}
