//! One media stream and what its sequence numbers tell (RFC 3550, A.1 and A.3).

use super::protection::{Opener, Protections};
use super::quality::{Arrival, Meter};
use super::recording::Voice;
use crate::decode::{dtmf, red, rtp};
use crate::packet::{Endpoint, Seen, Time};
use crate::product::{Attribution, Encoding, Format, Protection, Quality, Side};

/// A jump ahead by this many or more is a restart and not loss (RFC 3550, A.1, `MAX_DROPOUT`: one minute at 50 a
/// second).
const MAX_DROPOUT: u16 = 3000;

/// How far back a packet may come and still be told from a copy: the bits of [`Sequence::window`]. RFC 3550 allows 100
/// (`MAX_MISORDER`).
const WINDOW: u16 = 128;

/// One media stream: one sender address, one receiver address, one SSRC.
pub(crate) struct Stream {
    pub(crate) src: Endpoint,
    pub(crate) dst: Endpoint,
    pub(crate) ssrc: u32,
    /// Who signalled it.
    pub(crate) side: Side,
    /// Whose voice it is, in a recording session: there, one side sends everything.
    pub(crate) voice: Option<Voice>,
    /// Payload type and encoding of the last packet, RTP clock in Hz.
    pub(crate) payload_type: u8,
    pub(crate) encoding: Encoding,
    pub(crate) clock: u32,
    pub(crate) format: Format,
    /// What a RED stream (RFC 2198) carries first.
    pub(crate) primary: Option<Codec>,
    pub(crate) attribution: Attribution,
    /// Packets that the sequence numbers say were sent, from first to last seen (RFC 3550 A.3).
    pub(crate) expected: u64,
    /// Packets seen without copies, and copies.
    pub(crate) seen: u64,
    pub(crate) duplicates: u64,
    /// Telephone events begun (RFC 4733).
    pub(crate) events: u64,
    pub(crate) first: Time,
    pub(crate) last: Time,
    /// Which branch of a forked call it belongs to.
    pub(crate) branch: Option<u8>,
    /// The last packet holds digits (RFC 4733).
    pub(crate) digits: bool,
    sequence: Sequence,
    dtmf: dtmf::Detector,
    meter: Meter,
    opener: Option<Box<Opener>>,
}

/// A payload type and what it stands for.
pub(crate) struct Codec {
    pub(crate) payload_type: u8,
    pub(crate) encoding: Encoding,
    pub(crate) clock: u32,
    pub(crate) format: Format,
}

/// What a packet carries once RED is taken off.
pub(crate) struct Carried<'a, 'p> {
    pub(crate) payload_type: u8,
    pub(crate) encoding: &'a Encoding,
    pub(crate) clock: u32,
    pub(crate) format: Format,
    pub(crate) payload: &'p [u8],
}

impl Stream {
    /// A stream that begins with `packet`, which is then given to [`Self::packet`] as well.
    pub(super) fn new(
        seen: &Seen<'_>,
        side: Side,
        packet: &rtp::Packet<'_>,
        (encoding, clock, format): (Encoding, u32, Format),
        attribution: Attribution,
    ) -> Self {
        Self {
            src: seen.src,
            dst: seen.dst,
            ssrc: packet.ssrc,
            side,
            voice: None,
            payload_type: packet.payload_type,
            encoding,
            clock,
            format,
            primary: None,
            attribution,
            expected: 0,
            seen: 0,
            duplicates: 0,
            events: 0,
            first: seen.ts,
            last: seen.ts,
            branch: None,
            digits: false,
            sequence: Sequence::new(packet.sequence),
            dtmf: dtmf::Detector::default(),
            meter: Meter::default(),
            opener: None,
        }
    }

    /// Who speaks.
    pub(crate) fn speaker(&self) -> Side {
        self.voice.map_or(self.side, |voice| voice.side)
    }

    /// What a packet carries: its payload, or what stands first in it.
    pub(crate) fn carried<'p>(&self, payload_type: u8, payload: &'p [u8]) -> Carried<'_, 'p> {
        if let Some(primary) = &self.primary
            && let Some((payload_type, payload)) = red::primary(payload)
            && payload_type == primary.payload_type
        {
            let Codec { encoding, clock, format, .. } = primary;
            return Carried { payload_type, encoding, clock: *clock, format: *format, payload };
        }
        Carried { payload_type, encoding: &self.encoding, clock: self.clock, format: self.format, payload }
    }

    /// Opens a protected packet into `out`, if its keys are known. Says what it was; `out` holds the RTP packet only
    /// when that is [`Protection::SdesDecrypted`].
    pub(super) fn open(&mut self, known: &Protections, datagram: &[u8], out: &mut Vec<u8>) -> Protection {
        let announced = known.announced(self.side, self.src, self.dst);
        if announced != Protection::SdesDecrypted {
            return announced;
        }
        let opener = self.opener.get_or_insert_default();
        if opener.open(known, self.side, datagram, out) {
            return Protection::SdesDecrypted;
        }
        self.protection(Some(known), true)
    }

    /// What the stream is, as far as anybody tried to open it. `failed`: the packet in question didn't open.
    pub(crate) fn protection(&self, known: Option<&Protections>, failed: bool) -> Protection {
        let Some(known) = known else { return Protection::None };
        let announced = known.announced(self.side, self.src, self.dst);
        let opener = self.opener.as_ref();
        if announced != Protection::SdesDecrypted || !(failed || opener.is_some_and(|o| o.failed())) {
            return announced;
        }
        if known.perhaps_clear(self.src, self.dst) && opener.is_some_and(|o| o.failed()) {
            return Protection::None;
        }
        Protection::SdesFailed
    }

    /// Whether somebody with the keys that we have can listen to it.
    pub(crate) fn is_readable(&self, known: Option<&Protections>) -> bool {
        matches!(self.protection(known, false), Protection::None | Protection::SdesDecrypted)
    }

    /// How well the stream was received. `readable`: it could be listened to.
    pub(crate) fn quality(&self, readable: bool) -> Quality {
        let encoding = self.primary.as_ref().map_or(&self.encoding, |primary| &primary.encoding);
        self.meter.quality(encoding, readable, self.expected, self.seen)
    }

    /// Takes a packet into the statistics.
    #[inline]
    pub(super) fn packet(&mut self, packet: &rtp::Packet<'_>, ts: Time) {
        let arrival = self.sequence.packet(packet.sequence);
        if arrival == Arrival::Copy {
            self.duplicates += 1;
        } else {
            self.seen += 1;
        }
        let event = self.encoding == Encoding::TelephoneEvent;
        self.meter.packet(ts, packet.timestamp, self.clock, arrival, event);
        self.expected = self.sequence.expected();
        self.last = self.last.max(ts);
        if event
            && let Some(event) = dtmf::Payload::parse(packet.payload)
            && self.dtmf.packet(packet.timestamp, event).is_some()
        {
            self.events += 1;
        }
    }
}

/// Follows the sequence numbers of one stream. Unlike RFC 3550, A.1 it counts from the very first packet (no
/// probation), and it keeps a window of what was seen, so that a copy isn't taken for reordering.
#[derive(Clone, Debug)]
struct Sequence {
    /// Lowest and highest number of this run, extended by the wraps.
    base: u64,
    highest: u64,
    /// Bit n: `highest - n` was seen.
    window: u128,
    /// Expected packets of earlier runs, and packets that fit into no run.
    before: u64,
    /// What would follow the last packet that didn't fit: two in a row begin a new run.
    next_of_restart: Option<u16>,
}

impl Sequence {
    /// Begins with nothing seen; `first` is given to [`Self::packet`] as well.
    const fn new(first: u16) -> Self {
        // One wrap ahead, so that packets older than the first can be numbered below it.
        let first = first as u64 + 0x1_0000;
        Self { base: first, highest: first, window: 0, before: 0, next_of_restart: None }
    }

    /// Takes a packet in and says what it is by its number.
    #[inline]
    fn packet(&mut self, sequence: u16) -> Arrival {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        if ahead != 0 && ahead < MAX_DROPOUT {
            self.highest += u64::from(ahead);
            self.window = if ahead < WINDOW { self.window << ahead | 1 } else { 1 };
            self.next_of_restart = None;
            return Arrival::Ahead(ahead);
        }
        let behind = ahead.wrapping_neg();
        if behind < WINDOW {
            return self.behind(behind);
        }
        if self.next_of_restart == Some(sequence) {
            // The packet before was counted as one that didn't fit; now it is the first of this run.
            let before = self.expected() - 1;
            *self = Self { before, ..Self::new(sequence.wrapping_sub(1)) };
            self.highest += 1;
            self.window = 0b11;
        } else {
            self.before += 1;
            self.next_of_restart = Some(sequence.wrapping_add(1));
        }
        Arrival::Apart
    }

    /// A packet that is not further than the highest.
    fn behind(&mut self, behind: u16) -> Arrival {
        let bit = 1 << behind;
        let copy = self.window & bit != 0;
        self.window |= bit;
        let number = self.highest.saturating_sub(u64::from(behind));
        let base = self.base;
        self.base = base.min(number);
        // The very first packet finds its own number as the highest, and not yet seen.
        if behind == 0 && !copy {
            return Arrival::Ahead(1);
        }
        if copy {
            return Arrival::Copy;
        }
        let newer_lost = behind > 0 && self.window & bit >> 1 == 0;
        let older_lost = number > base && behind + 1 < WINDOW && self.window & bit << 1 == 0;
        let runs = match (number < base, older_lost, newer_lost) {
            // Older than all before: what is missing between the two is a run.
            (true, _, lost) => i64::from(lost),
            (false, true, true) => 1,
            (false, false, false) => -1,
            (false, ..) => 0,
        };
        Arrival::Behind { runs }
    }

    /// Packets sent, as far as the numbers tell.
    #[inline]
    const fn expected(&self) -> u64 {
        self.before + (self.highest - self.base + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Arrival, Sequence};

    /// Expected, seen, copies.
    fn count(numbers: impl IntoIterator<Item = u16>) -> (u64, u64, u64) {
        let mut numbers = numbers.into_iter().peekable();
        let mut sequence = Sequence::new(*numbers.peek().expect("one number"));
        let (mut seen, mut copies) = (0, 0);
        for n in numbers {
            if sequence.packet(n) == Arrival::Copy { copies += 1 } else { seen += 1 }
        }
        (sequence.expected(), seen, copies)
    }

    #[test]
    fn tells_copies_from_reordering_and_loss() {
        assert_eq!(count([7]), (1, 1, 0));
        assert_eq!(count([7, 8, 9, 10]), (4, 4, 0));
        assert_eq!(count([7, 8, 8, 7, 9]), (3, 3, 2), "copies");
        assert_eq!(count([7, 9, 8, 10]), (4, 4, 0), "reordered");
        assert_eq!(count([8, 7, 9]), (3, 3, 0), "the first came second");
        assert_eq!(count([7, 8, 11]), (5, 3, 0), "two lost");
    }

    #[test]
    fn runs_of_losses_shrink_fall_apart_and_close() {
        let runs = |numbers: &[u16]| {
            let mut sequence = Sequence::new(numbers[0]);
            numbers.iter().fold(0, |runs, n| match sequence.packet(*n) {
                Arrival::Ahead(n) => runs + i64::from(n > 1),
                Arrival::Behind { runs: change } => runs + change,
                Arrival::Copy | Arrival::Apart => runs,
            })
        };
        assert_eq!(runs(&[1, 2, 3]), 0);
        assert_eq!(runs(&[1, 5, 9]), 2);
        assert_eq!(runs(&[1, 5, 3]), 2, "fallen in two");
        assert_eq!(runs(&[1, 5, 3, 2, 4]), 0, "closed");
        assert_eq!(runs(&[1, 5, 2]), 1, "shorter");
        assert_eq!(runs(&[5, 4, 2]), 1, "older than the first");
    }

    #[test]
    fn wraps_and_restarts() {
        assert_eq!(count([65534, 65535, 0, 1]), (4, 4, 0));
        assert_eq!(count([0, 65535, 1]), (3, 3, 0), "older than the first, across the wrap");
        assert_eq!(count([10, 11, 40000, 40001, 40002]), (5, 5, 0), "a restart");
        assert_eq!(count([10, 11, 40000, 12, 13]), (5, 5, 0), "a stray");
        assert_eq!(count((0..150_000_u32).map(|n| n as u16)), (150_000, 150_000, 0));
        assert_eq!(count((0..300).chain([100])), (301, 301, 0), "too old to be told from a stray");
    }

    proptest! {
        #[test]
        fn never_sees_more_than_were_sent(numbers in proptest::collection::vec(any::<u16>(), 1..300)) {
            let total = numbers.len() as u64;
            let (expected, seen, copies) = count(numbers);
            prop_assert_eq!(seen + copies, total);
            prop_assert!(expected >= seen, "{} of {}", seen, expected);
        }

        #[test]
        fn loss_and_copies_are_exact(start: u16, kept in proptest::collection::vec(0_usize..3, 1..2000)) {
            // 0: lost, 1: seen, 2: seen twice. The two ends are seen.
            let mut numbers = vec![start];
            for (n, times) in kept.iter().enumerate() {
                numbers.extend(std::iter::repeat_n(start.wrapping_add(n as u16 + 1), *times));
            }
            numbers.push(start.wrapping_add(kept.len() as u16 + 1));
            let copies = kept.iter().filter(|t| **t == 2).count() as u64;
            let lost = kept.iter().filter(|t| **t == 0).count() as u64;
            let sent = kept.len() as u64 + 2;
            // Losing MAX_DROPOUT in a row can't happen here.
            prop_assert_eq!(count(numbers), (sent, sent - lost, copies));
        }
    }
}
