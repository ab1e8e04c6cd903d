//! What is to be looked at when: one list for each second of the next minute (a timing wheel, Varghese and Lauck 1987).
//! Setting a timer and taking one out touch one list each, however many there are.

use crate::packet::Time;

/// Seconds that the wheel spans. What is due later is brought up after this long and set again, which also bounds how many
/// outdated entries there are of one owner.
const SPAN: usize = 64;

const NANOS: i64 = 1_000_000_000;

/// The timers of one table. They are brought up within a second after they are due, in the order in which they were set.
pub(super) struct Timers<K> {
    wheel: [Vec<K>; SPAN],
    /// First second whose list has not been taken; unknown until the clock is first told.
    next: Option<i64>,
    /// Taken, not yet brought up; the last comes first.
    ready: Vec<K>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { wheel: std::array::from_fn(|_| Vec::new()), next: None, ready: Vec::new() }
    }
}

impl<K> Timers<K> {
    /// `key` is to be brought up once `at` has come, or earlier if that is far ahead.
    #[inline]
    pub(super) fn set(&mut self, at: Time, key: K) {
        let Some(next) = self.next else {
            // Nobody has told the time yet: it is brought up at once, to be set again.
            self.ready.push(key);
            return;
        };
        // The first whole second that isn't before it: nothing is brought up too early.
        let second = at.0.saturating_add(NANOS - 1).div_euclid(NANOS);
        let second = second.clamp(next, next.saturating_add(SPAN as i64 - 1));
        self.wheel[second.rem_euclid(SPAN as i64) as usize].push(key);
    }

    /// The next key that may be due.
    pub(super) fn due(&mut self, now: Time) -> Option<K> {
        let now = now.0.div_euclid(NANOS);
        let next = self.next.unwrap_or(now);
        if now.saturating_add(1) < next {
            // The clock was set back: everything is brought up, to be set again by the new time.
            for list in &mut self.wheel {
                self.ready.append(list);
            }
            self.next = Some(now.saturating_add(1));
        } else if next <= now {
            // A clock that jumps passes each list once.
            let last = now.min(next.saturating_add(SPAN as i64 - 1));
            for second in next..=last {
                self.ready.append(&mut self.wheel[second.rem_euclid(SPAN as i64) as usize]);
            }
            self.ready.reverse();
            self.next = Some(now.saturating_add(1));
        }
        self.ready.pop()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const fn at(seconds: i64) -> Time {
        Time(seconds * NANOS)
    }

    #[test]
    fn brings_up_what_is_due_in_order_and_nothing_else() {
        let mut timers = Timers::default();
        assert_eq!(timers.due(at(100)), None);
        for (due, name) in [(103, 'c'), (101, 'a'), (101, 'b'), (1000, 'z')] {
            timers.set(at(due), name);
        }
        assert_eq!(timers.due(at(100)), None);
        assert_eq!(
            [timers.due(at(101)), timers.due(at(101)), timers.due(at(102))],
            [Some('a'), Some('b'), None]
        );
        // What lies beyond the wheel comes up early, to be set again.
        assert_eq!(
            [timers.due(at(200)), timers.due(at(200)), timers.due(at(200))],
            [Some('c'), Some('z'), None]
        );
    }

    #[test]
    fn p63_a_clock_that_is_set_back_holds_no_timer_up() {
        let mut timers = Timers::default();
        assert_eq!(timers.due(at(1_000_000)), None);
        timers.set(at(1_000_010), 'a');
        assert_eq!([timers.due(at(100)), timers.due(at(100))], [Some('a'), None], "to be set again");
        timers.set(at(110), 'a');
        assert_eq!([timers.due(at(109)), timers.due(at(110))], [None, Some('a')]);
    }

    #[test]
    fn a_jump_of_the_clock_costs_one_turn() {
        let mut timers = Timers::default();
        timers.set(at(5), 0);
        let mut brought_up = 0;
        while timers.due(at(5_000_000_000)).is_some() {
            brought_up += 1;
            timers.set(at(5_000_000_100), 0);
        }
        assert_eq!(brought_up, 1);
        timers.set(Time(i64::MAX), 1);
        timers.set(Time(i64::MIN), 2);
        assert_eq!(timers.due(Time(i64::MAX)), Some(2));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_comes_late(steps in proptest::collection::vec((0..200_i64, 0..70_i64), 1..60)) {
            let (mut timers, mut now, mut waiting) = (Timers::default(), 0, BTreeMap::new());
            for (key, (ahead, step)) in steps.into_iter().enumerate() {
                timers.set(at(now + ahead), key);
                waiting.insert(key, now + ahead);
                now += step;
                while let Some(key) = timers.due(at(now)) {
                    prop_assert!(waiting.contains_key(&key));
                    if waiting[&key] <= now {
                        waiting.remove(&key);
                    } else {
                        timers.set(at(waiting[&key]), key);
                    }
                }
                // Set for a second that the clock has passed already, it comes up in the next.
                prop_assert!(waiting.values().all(|due| *due >= now), "{waiting:?} at {now}");
            }
        }
    }
}
