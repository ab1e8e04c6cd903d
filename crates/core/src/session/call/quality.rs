//! How well a stream was received at the tap: jitter, lateness, pauses and drift, from arrival times and timestamps.

use crate::emodel;
use crate::packet::Time;
use crate::product::{Encoding, Quality};

/// A packet this far behind the quickest ones was not played: jitter buffers give up at 200 to 400 ms (G.1020, 7).
const LATE: i64 = 200_000_000;

/// The quickest packet is looked for in windows of this length, so that a clock that drifts makes nobody late.
const WINDOW: i64 = 10_000_000_000;

/// The least time between the first and the last window for drift to be told from jitter.
const DRIFT_AFTER: i64 = 60_000_000_000;

/// A timestamp this far from where it should be is a restart of the sender's clock.
const RESTART: i64 = 10_000_000_000;

/// What became of a packet by its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arrival {
    /// So many further than the highest: 1 is the next one.
    Ahead(u16),
    /// Behind the highest, for the first time. `runs` is by how much it changes the number of runs of losses.
    Behind { runs: i64 },
    /// Seen before.
    Copy,
    /// Of no run that is known: a restart, or a stray.
    Apart,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Time,
    /// Least transit time in it, in nanoseconds from an unknown zero.
    least: i64,
}

/// Measures one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    clock: u32,
    /// Timestamp of the last packet in order, and nanoseconds since the reference.
    timestamp: u32,
    media: i64,
    /// The last step in ticks and in nanoseconds: nearly always the next one too, which saves a division a packet.
    known: (i64, i64),
    /// Transit of the last packet (RFC 3550, A.8), nanoseconds.
    transit: Option<i64>,
    /// Nanoseconds.
    jitter: i64,
    jitter_max: i64,
    this: Option<Window>,
    before: Option<Window>,
    /// The first whole window.
    first: Option<Window>,
    /// Ticks of an ordinary packet, and of the last step.
    frame: i64,
    step: i64,
    reordered: u64,
    late: u64,
    loss_runs: i64,
    silences: u64,
    silence: i64,
}

impl Meter {
    /// Takes a packet in. Telephone events keep the timestamp of their first packet (RFC 4733, 2.5.1.2), so they tell
    /// only of order.
    pub(super) fn packet(&mut self, at: Time, timestamp: u32, clock: u32, arrival: Arrival, event: bool) {
        match arrival {
            Arrival::Copy => return,
            Arrival::Behind { runs } => {
                self.reordered += 1;
                self.loss_runs += runs;
            }
            Arrival::Ahead(n) => self.loss_runs += i64::from(n > 1),
            Arrival::Apart => {}
        }
        if event {
            return;
        }
        if clock != self.clock || clock == 0 {
            self.restart(clock, timestamp);
        }
        let delta = i64::from(timestamp.wrapping_sub(self.timestamp).cast_signed());
        if delta != self.known.0 {
            self.known = (delta, self.nanoseconds(delta));
        }
        let media = self.media.saturating_add(self.known.1);
        let transit = at.0.saturating_sub(media);
        if self.transit.is_some_and(|before| transit.saturating_sub(before).saturating_abs() > RESTART) {
            self.restart(clock, timestamp);
            return self.settle(at, at.0);
        }
        if arrival == Arrival::Ahead(1) {
            self.pause(delta);
        }
        if let Some(before) = self.transit {
            // RFC 3550, A.8: J += (|D| - J) / 16.
            self.jitter += (transit.saturating_sub(before).saturating_abs() - self.jitter) / 16;
            self.jitter_max = self.jitter_max.max(self.jitter);
        }
        if matches!(arrival, Arrival::Ahead(_) | Arrival::Apart) {
            (self.timestamp, self.media) = (timestamp, media);
        }
        self.settle(at, transit);
    }

    fn restart(&mut self, clock: u32, timestamp: u32) {
        let kept = Self { clock, timestamp, ..self.clone() };
        *self = Self {
            media: 0,
            known: (0, 0),
            transit: None,
            this: None,
            before: None,
            first: None,
            frame: 0,
            step: 0,
            ..kept
        };
    }

    fn nanoseconds(&self, ticks: i64) -> i64 {
        let clock = i64::from(self.clock.max(1));
        (ticks / clock).saturating_mul(1_000_000_000) + ticks % clock * 1_000_000_000 / clock
    }

    /// A step of the timestamp without one of the sequence.
    fn pause(&mut self, delta: i64) {
        if delta <= 0 {
            return;
        }
        if delta == self.step || self.frame == 0 {
            // Twice the same: the packet time. If it was taken for a pause (the sender went from 20 to 60 ms), it wasn't.
            if delta == self.step && self.frame != 0 && delta >= 2 * self.frame {
                self.silences = self.silences.saturating_sub(1);
                self.silence = (self.silence - self.nanoseconds(delta - self.frame)).max(0);
            }
            self.frame = delta;
        } else if delta >= 2 * self.frame {
            self.silences += 1;
            self.silence = self.silence.saturating_add(self.nanoseconds(delta - self.frame));
        }
        self.step = delta;
    }

    fn settle(&mut self, at: Time, transit: i64) {
        self.transit = Some(transit);
        let this = self.this.get_or_insert(Window { began: at, least: transit });
        if at.since(this.began) >= WINDOW {
            self.first = self.first.or(Some(*this));
            self.before = Some(*this);
            *this = Window { began: at, least: transit };
        }
        this.least = this.least.min(transit);
        let quickest = self.before.map_or(this.least, |before| before.least.min(this.least));
        self.late += u64::from(transit.saturating_sub(quickest) > LATE);
    }

    /// How much faster the sender's clock runs. The quickest packets of a window waited nowhere, so that what is left of
    /// the difference is the clocks'.
    #[allow(clippy::cast_precision_loss, reason = "a rate, not a time")]
    fn drift(&self) -> Option<f32> {
        let (first, last) = (self.first?, self.before?);
        let apart = last.began.since(first.began);
        (apart >= DRIFT_AFTER).then(|| -(last.least.saturating_sub(first.least) as f32) / apart as f32 * 1e6)
    }

    /// The figures, with those of the sequence numbers.
    #[allow(clippy::cast_precision_loss, reason = "shares and milliseconds")]
    pub(super) fn quality(&self, encoding: &Encoding, readable: bool, expected: u64, seen: u64) -> Quality {
        let lost = expected.saturating_sub(seen);
        let loss = if expected == 0 { 0.0 } else { lost as f32 / expected as f32 };
        let runs = u64::try_from(self.loss_runs).unwrap_or(0).min(lost);
        // G.107, 3.5: the mean run over that of random loss, which is 1 / (1 - loss).
        let burst_ratio = (runs > 0).then(|| lost as f32 / runs as f32 * (1.0 - loss));
        let codec = emodel::codec(encoding).filter(|_| readable && seen > 0);
        Quality {
            reordered: self.reordered,
            late: self.late,
            jitter_ms: self.jitter as f32 / 1e6,
            jitter_max_ms: self.jitter_max as f32 / 1e6,
            loss_runs: runs,
            burst_ratio,
            silences: self.silences,
            silence_ms: u64::try_from(self.silence / 1_000_000).unwrap_or(0),
            drift_ppm: self.drift(),
            mos: codec.map(|codec| emodel::mos(emodel::rating(codec, loss, burst_ratio.unwrap_or(1.0)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: i64 = 1_000_000;

    fn quality(meter: &Meter) -> Quality {
        meter.quality(&Encoding::Pcma, true, 100, 100)
    }

    #[test]
    fn jitter_is_that_of_rfc_3550() {
        // A.8 by hand: each packet 16 ms early or late in turn makes |D| = 16 ms, and J comes near it.
        let mut meter = Meter::default();
        for n in 0..400_u32 {
            let off = if n % 2 == 0 { 0 } else { 16 * MS };
            meter.packet(Time(i64::from(n) * 20 * MS + off), n * 160, 8000, Arrival::Ahead(1), false);
        }
        assert!((quality(&meter).jitter_ms - 16.0).abs() < 0.1, "{:?}", quality(&meter));
        assert_eq!((quality(&meter).late, quality(&meter).silences), (0, 0));
        let mut steady = Meter::default();
        for n in 0..100_u32 {
            steady.packet(
                Time(i64::from(n) * 20 * MS),
                n.wrapping_mul(160).wrapping_sub(1000),
                8000,
                Arrival::Ahead(1),
                false,
            );
        }
        assert!(quality(&steady).jitter_ms < 0.001, "also across the timestamp's wrap");
    }

    /// RFC 3550, A.8: J after one packet with |D| = 32 ms is 2 ms, then falls by a sixteenth with each good one.
    #[test]
    fn jitter_of_one_late_packet() {
        let mut meter = Meter::default();
        meter.packet(Time(0), 0, 8000, Arrival::Ahead(1), false);
        meter.packet(Time(52 * MS), 160, 8000, Arrival::Ahead(1), false);
        assert!((quality(&meter).jitter_ms - 2.0).abs() < 1e-3);
    }

    #[test]
    fn p35_a_jump_of_the_timestamp_alone_is_silence_not_loss() {
        let mut meter = Meter::default();
        let mut timestamp = 0_u32;
        for n in 0..100_u32 {
            // Three seconds of silence before packet 50, in both.
            let gap = if n == 50 { 24_000 } else { 0 };
            timestamp += 160 + gap;
            meter.packet(Time(i64::from(timestamp) * 125_000), timestamp, 8000, Arrival::Ahead(1), false);
        }
        let quality = quality(&meter);
        assert_eq!((quality.silences, quality.silence_ms, quality.loss_runs, quality.late), (1, 3000, 0, 0));
        assert!(quality.jitter_max_ms < 0.001);
    }

    #[test]
    fn another_packet_time_is_no_silence() {
        let mut meter = Meter::default();
        let mut timestamp = 0_u32;
        for n in 0..100_u32 {
            timestamp += if n < 50 { 160 } else { 480 };
            meter.packet(Time(i64::from(timestamp) * 125_000), timestamp, 8000, Arrival::Ahead(1), false);
        }
        assert_eq!((quality(&meter).silences, quality(&meter).silence_ms), (0, 0));
    }

    #[test]
    fn p36_drift_of_the_senders_clock() {
        let mut meter = Meter::default();
        for n in 0..6000_u32 {
            // The sender's 20 ms are 19.998 ms: 100 ppm fast. Jitter of up to 5 ms on top.
            let jitter = i64::from(n * 7919 % 5) * MS;
            meter.packet(Time(i64::from(n) * 19_998_000 + jitter), n * 160, 8000, Arrival::Ahead(1), false);
        }
        let drift = quality(&meter).drift_ppm.expect("two minutes");
        assert!((drift - 100.0).abs() < 5.0, "{drift}");
        assert_eq!(quality(&meter).late, 0);
    }

    #[test]
    fn p35_late_packets_are_told_from_lost_ones() {
        let mut meter = Meter::default();
        for n in 0..50_u32 {
            let delay = if n == 20 { 350 * MS } else { 0 };
            let order =
                if n == 20 { Arrival::Behind { runs: -1 } } else { Arrival::Ahead(1 + u16::from(n == 21)) };
            meter.packet(Time(i64::from(n) * 20 * MS + delay), n * 160, 8000, order, false);
        }
        let quality = meter.quality(&Encoding::Pcma, true, 50, 50);
        assert_eq!((quality.late, quality.reordered, quality.loss_runs), (1, 1, 0));
    }

    #[test]
    fn bursts_count_more_than_their_share() {
        let meter = Meter { loss_runs: 5, ..Meter::default() };
        let quality = meter.quality(&Encoding::Pcma, true, 1000, 950);
        // Ten in a row where chance makes 1.05.
        assert!((quality.burst_ratio.expect("losses") - 9.5).abs() < 0.01);
        let alone = Meter { loss_runs: 50, ..Meter::default() }.quality(&Encoding::Pcma, true, 1000, 950);
        assert!(quality.mos < alone.mos && alone.mos < Some(4.41));
        assert_eq!(meter.quality(&Encoding::Pcma, false, 1000, 950).mos, None, "nobody could decode it");
    }

    proptest! {
        #[test]
        fn any_packets(packets in proptest::collection::vec((any::<i64>(), any::<u32>(), 0_u32..3, any::<u16>()), 0..200)) {
            let mut meter = Meter::default();
            for (at, timestamp, clock, n) in packets {
                let arrival = [Arrival::Ahead(n), Arrival::Apart, Arrival::Copy, Arrival::Behind { runs: 1 }][usize::from(n % 4)];
                meter.packet(Time(at), timestamp, clock * 8000, arrival, n % 7 == 0);
            }
            let quality = meter.quality(&Encoding::Pcma, true, 10, 9);
            prop_assert!(quality.jitter_ms >= 0.0 && quality.mos.is_some_and(|mos| (1.0..=4.5).contains(&mos)));
        }
    }
}
