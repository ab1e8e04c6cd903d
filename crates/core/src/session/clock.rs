//! The time that timers go by, taken from packets and never from one packet alone.
//!
//! A packet with a false time far ahead (a card's clock that glitched, a damaged capture record) must not end every session
//! at once, nor stop all timers until the true time has caught up with it. What is told of a packet is its own time,
//! whatever that is.

use crate::counters::Counter;
use crate::packet::Time;

/// Further away than this is a jump. Taps whose clocks are kept by NTP differ by less than a second, and merged captures
/// by a few; a network that carries anything at all isn't silent for ten minutes.
const MAX_STEP_SECONDS: i64 = 600;

/// Packets in a row that agree on another time before timers follow it: a glitch hits one packet or the few of one
/// interrupt, while a clock that was set stays set.
const CONFIRMING: u32 = 16;

/// Capture time.
#[derive(Default)]
pub(super) struct Clock {
    now: Option<Time>,
    /// Another time, and how many packets in a row have agreed on it.
    other: Option<(Time, u32)>,
}

impl Clock {
    /// Takes a packet's time; gives the time that timers go by. It goes back only when a jump back was confirmed: packets
    /// of several taps may be a little out of order.
    #[inline]
    pub(super) fn see(&mut self, ts: Time, count: &mut impl FnMut(Counter, u64)) -> Time {
        let now = *self.now.get_or_insert(ts);
        if is_near(ts, now) {
            self.other = None;
            let now = now.max(ts);
            self.now = Some(now);
            return now;
        }
        self.jump(now, ts, count)
    }

    #[cold]
    fn jump(&mut self, now: Time, ts: Time, count: &mut impl FnMut(Counter, u64)) -> Time {
        count(Counter::TimeJumps, 1);
        let agreed = match self.other {
            Some((other, agreed)) if is_near(ts, other) => agreed + 1,
            _ => 1,
        };
        self.other = Some((ts, agreed));
        if agreed < CONFIRMING {
            return now;
        }
        count(Counter::TimeSteps, 1);
        (self.now, self.other) = (Some(ts), None);
        ts
    }

    /// The time at which the source has ended: the last packets after a silence had nobody to confirm them.
    pub(super) fn last(&self) -> Time {
        let now = self.now.unwrap_or_default();
        self.other.map_or(now, |(other, _)| now.max(other))
    }
}

fn is_near(a: Time, b: Time) -> bool {
    a <= b.plus_seconds(MAX_STEP_SECONDS) && b <= a.plus_seconds(MAX_STEP_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(clock: &mut Clock, seconds: i64) -> i64 {
        clock.see(Time(0).plus_seconds(seconds), &mut |_, _| ()).0 / 1_000_000_000
    }

    #[test]
    fn p63_one_false_time_moves_no_timer() {
        let mut clock = Clock::default();
        assert_eq!(seen(&mut clock, 1000), 1000);
        assert_eq!(seen(&mut clock, 5_000_000), 1000);
        assert_eq!(seen(&mut clock, 1001), 1001);
        assert_eq!(seen(&mut clock, -5_000_000), 1001);
        assert_eq!(seen(&mut clock, 1000), 1001, "a little out of order");
    }

    #[test]
    fn p63_a_clock_that_was_set_is_followed_both_ways() {
        let mut clock = Clock::default();
        for there in [0, 3600, 0] {
            for n in 1..=i64::from(CONFIRMING) {
                seen(&mut clock, there + n);
            }
            assert_eq!(seen(&mut clock, there + 20), there + 20);
        }
    }

    #[test]
    fn a_first_packet_from_far_ahead_holds_nothing_up() {
        let mut clock = Clock::default();
        seen(&mut clock, 5_000_000);
        let last = (0..i64::from(CONFIRMING)).map(|n| seen(&mut clock, n)).last();
        assert_eq!(last, Some(i64::from(CONFIRMING) - 1));
    }

    #[test]
    fn what_came_after_a_silence_is_the_end() {
        let mut clock = Clock::default();
        seen(&mut clock, 0);
        seen(&mut clock, 3600);
        assert_eq!(clock.last(), Time(0).plus_seconds(3600));
    }

    proptest! {
        #[test]
        fn never_panics(times in proptest::collection::vec(any::<i64>(), 0..60)) {
            let mut clock = Clock::default();
            for ts in times {
                clock.see(Time(ts), &mut |_, _| ());
            }
        }
    }
}
