//! The listening copy: both sides of a call on one time line, as they were said and with what was lost marked.
//!
//! G.711 is written here; other codecs are given their places, and decoded where the recording is opened
//! (`frames.rs`). Each stream is placed by its RTP timestamps from where its first packet arrived. Nothing is made up: what did not
//! come is silence and a mark. The evidence (the packets) is kept elsewhere, so all choices here can be checked.

use std::hash::{BuildHasher, RandomState};

use mandat_core::{Audio, Encoding, Side, Time};

use crate::g711::pcm_of;

/// Frames a second (G.711).
pub(crate) const RATE: u32 = 8000;
const RATE_I: i64 = 8000;
/// 10 s: what a crash can cost.
pub(crate) const SEGMENT: i64 = 10 * RATE_I;
/// 500 ms: a packet this late still goes to its place. Jitter buffers of telephones give up at 200 to 400 ms, so
/// what is later was not heard by the parties either.
const LATE: i64 = RATE_I / 2;
/// 1 s: more than this between timestamp and arrival is a restart of the sender's clock, not jitter.
const ANCHOR_TOLERANCE: i64 = RATE_I;
/// 120 ms: the longest packet of Opus (RFC 7587, 4.2). What is longer is a pause.
const MAX_FRAME: i64 = RATE_I * 120 / 1000;
/// RFC 3550, A.1 `MAX_DROPOUT`: a greater jump in sequence is a restart, not a loss.
const MAX_DROPOUT: i32 = 3000;
/// Sequence numbers remembered behind the highest: 2.5 s at 20 ms, more than [`LATE`] down to 4 ms a packet.
const WINDOW: u32 = 128;
/// Streams of one call with a place on the time line. Two are normal, a few more with forks, holds and transfers.
const MAX_STREAMS: usize = 64;
/// Gaps of one stream that late packets may still fill.
const MAX_OPEN_GAPS: usize = 64;
/// Gaps that wait to be shown in a segment.
const MAX_MARKS: usize = 2000;

/// Packets that did not come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Gap {
    pub(crate) stream: u16,
    pub(crate) side: Side,
    /// Frames from the first media packet of the call.
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// How many, by their sequence numbers.
    pub(crate) packets: u32,
    first: u16,
}

impl Gap {
    pub(crate) const fn side_name(&self) -> &'static str {
        side_name(self.side)
    }
}

pub(crate) const fn side_name(side: Side) -> &'static str {
    match side {
        Side::Caller => "caller",
        Side::Callee => "callee",
    }
}

/// A finished piece of the time line. Both channels have the same length.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    pub(crate) from: i64,
    pub(crate) channels: [Vec<i16>; 2],
    pub(crate) gaps: Vec<Gap>,
}

impl Segment {
    pub(crate) fn frames(&self) -> usize {
        self.channels[0].len()
    }
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Placed {
    /// It is in its place, or is silence by its nature.
    Yes,
    /// It came after its piece of the time line was written. It is in the evidence only.
    Late,
    /// A copy of one that was placed.
    Duplicate,
    /// No G.711 at 8000 Hz: this is its place for whoever decodes it.
    Apart(i64),
    /// One stream too many. It is in the evidence only.
    No,
}

/// What one source said last. A relay that passes packets on makes a second stream of them, with the same source,
/// sequence and timestamp (RFC 3550, 7.1): what it says is one sound, not two.
struct Said {
    side: Side,
    ssrc: u32,
    /// Sequence, timestamp and hash of the payload of the last ones, each at its sequence's place. All must agree: a
    /// forger's packets hide nobody's, and the hash has a secret of its own.
    packets: [Option<(u16, u32, u64)>; WINDOW as usize],
}

/// How one stream lies on the time line.
struct Stream {
    stream: u16,
    side: Side,
    ssrc: u32,
    /// A place and the RTP timestamp that stands there.
    base: (i64, u32),
    highest: u16,
    /// Bit n: `highest - n` came.
    came: u128,
    /// The sequence number that would confirm a restart (RFC 3550, A.1 `bad_seq`).
    suspect: Option<u16>,
    /// RTP clock of `base`, Hz.
    clock: u32,
    /// Frames of a packet, for codecs whose octets don't tell.
    frame: i64,
    /// Frame after the last one placed.
    next: i64,
    open: Vec<Gap>,
    /// Lost packets that found no room in `open`.
    unlisted: u64,
}

/// The time line of one call from its first media packet on.
pub(crate) struct Timeline {
    start: Time,
    /// First frame not yet written; both channels begin here.
    origin: i64,
    channels: [Vec<i16>; 2],
    streams: Vec<Stream>,
    /// One a source, so no more than there are streams.
    said: Vec<Said>,
    hasher: RandomState,
    marks: Vec<Gap>,
    /// Gaps that nothing can fill any more, for the recording's list.
    pub(crate) lost: Vec<Gap>,
    pub(crate) lost_unlisted: u64,
}

impl Timeline {
    pub(crate) fn new(start: Time) -> Self {
        Self {
            start,
            origin: 0,
            channels: [Vec::new(), Vec::new()],
            streams: Vec::new(),
            said: Vec::new(),
            hasher: RandomState::new(),
            marks: Vec::new(),
            lost: Vec::new(),
            lost_unlisted: 0,
        }
    }

    pub(crate) const fn start(&self) -> Time {
        self.start
    }

    /// Octets held.
    pub(crate) fn octets(&self) -> usize {
        2 * (self.channels[0].len() + self.channels[1].len())
    }

    /// The frame that belongs to a moment.
    fn frame(&self, at: Time) -> i64 {
        (at.since(self.start) / 1000).saturating_mul(RATE_I) / 1_000_000
    }

    /// Puts one packet in its place.
    pub(crate) fn place(&mut self, at: Time, audio: &Audio, payload: &[u8]) -> Placed {
        let arrival = self.frame(at);
        let speech = matches!(audio.encoding, Encoding::Pcmu | Encoding::Pcma) && audio.clock == RATE;
        let silent = matches!(audio.encoding, Encoding::ComfortNoise | Encoding::TelephoneEvent);
        let timed = speech || matches!(audio.encoding, Encoding::Other(_));
        let index = match self.streams.iter().position(|s| s.stream == audio.stream) {
            Some(index) => index,
            None if self.streams.len() < MAX_STREAMS => {
                let stream = Stream::new(audio, self.beside(audio, arrival));
                self.streams.push(stream);
                self.streams.len() - 1
            }
            None => return Placed::No,
        };
        let stream = &mut self.streams[index];
        let position = match stream.position(audio, arrival, timed) {
            Ok(position) => position,
            Err(placed) => return placed,
        };
        let length = if speech {
            i64::try_from(payload.len()).unwrap_or(i64::MAX)
        } else if timed {
            stream.frame
        } else {
            0
        };
        stream.next = stream.next.max(position.saturating_add(length));
        if silent || !self.is_new(audio, payload) {
            return Placed::Yes;
        }
        if !speech {
            return Placed::Apart(position);
        }
        let end = position.saturating_add(length);
        if position < self.origin && end <= self.origin {
            return if payload.is_empty() { Placed::Yes } else { Placed::Late };
        }
        let skip = usize::try_from(self.origin - position).unwrap_or(0);
        let at = usize::try_from(position - self.origin).unwrap_or(0);
        let channel = &mut self.channels[audio.side as usize];
        let samples = payload.get(skip..).unwrap_or_default();
        if channel.len() < at + samples.len() {
            channel.resize(at + samples.len(), 0);
        }
        // Two streams of one side at once (early media of two branches, say) are both heard.
        for (slot, sample) in channel[at..].iter_mut().zip(pcm_of(&audio.encoding, samples)) {
            *slot = slot.saturating_add(sample);
        }
        if skip > 0 { Placed::Late } else { Placed::Yes }
    }

    /// Where a new stream begins: beside another of the same source that it is the copy of, else where it arrived.
    fn beside(&self, audio: &Audio, arrival: i64) -> i64 {
        let same = self.streams.iter().filter(|s| s.side == audio.side && s.ssrc == audio.ssrc);
        let near = |place: &i64| place.saturating_sub(arrival).saturating_abs() <= ANCHOR_TOLERANCE;
        same.map(|s| s.by_timestamp(audio)).find(near).unwrap_or(arrival)
    }

    /// Notes a packet; false if it is one that was heard already, on the other side of a relay.
    fn is_new(&mut self, audio: &Audio, payload: &[u8]) -> bool {
        let packet = (audio.sequence, audio.timestamp, self.hasher.hash_one(payload));
        let same = |s: &Said| s.side == audio.side && s.ssrc == audio.ssrc;
        let index = self.said.iter().position(same).unwrap_or_else(|| {
            self.said.push(Said { side: audio.side, ssrc: audio.ssrc, packets: [None; WINDOW as usize] });
            self.said.len() - 1
        });
        // The copy comes soon after: nothing else has taken its place by then.
        let place = &mut self.said[index].packets[usize::from(audio.sequence) % WINDOW as usize];
        place.replace(packet) != Some(packet)
    }

    /// The next piece that no packet can change any more at `now`.
    pub(crate) fn due(&mut self, now: Time) -> Option<Segment> {
        let settled = self.frame(now).saturating_sub(LATE);
        loop {
            let boundary = (self.origin / SEGMENT + 1) * SEGMENT;
            if settled < boundary {
                return None;
            }
            if self.octets() == 0 {
                // Nobody spoke: no file. Its number stays free, so the next one is at its place.
                self.close_gaps(settled / SEGMENT * SEGMENT);
                self.origin = settled / SEGMENT * SEGMENT;
                self.marks.clear();
                return None;
            }
            let segment = self.cut(boundary, true);
            if segment.is_some() {
                return segment;
            }
        }
    }

    /// Whatever is left, up to the last sample and at most to the next boundary; `None` when there is no more.
    pub(crate) fn rest(&mut self) -> Option<Segment> {
        while self.octets() > 0 {
            let held = self.channels.iter().map(Vec::len).max().unwrap_or(0) as i64;
            let boundary = ((self.origin / SEGMENT + 1) * SEGMENT).min(self.origin + held);
            let segment = self.cut(boundary, false);
            if segment.is_some() {
                return segment;
            }
        }
        None
    }

    /// Gives up all gaps: the call is over.
    pub(crate) fn close(&mut self) {
        self.close_gaps(i64::MAX);
    }

    /// Takes the frames up to `to`; `None` if there are no samples among them.
    fn cut(&mut self, to: i64, settled: bool) -> Option<Segment> {
        let from = self.origin;
        let frames = usize::try_from(to - from).unwrap_or(0);
        if settled {
            self.close_gaps(to);
        }
        let shown = |gap: &Gap| gap.from < to && gap.to >= from;
        let mut gaps: Vec<Gap> = self.marks.iter().filter(|g| shown(g)).cloned().collect();
        gaps.extend(self.streams.iter().flat_map(|s| &s.open).filter(|g| shown(g)).cloned());
        gaps.sort_by_key(|g| g.from);
        self.marks.retain(|g| g.to > to);
        self.origin = to;
        let empty = self.channels.iter().all(Vec::is_empty);
        let channels = self.channels.each_mut().map(|channel| {
            let rest = channel.split_off(frames.min(channel.len()));
            let mut piece = std::mem::replace(channel, rest);
            piece.resize(frames, 0);
            piece
        });
        (!empty).then_some(Segment { from, channels, gaps })
    }

    fn close_gaps(&mut self, before: i64) {
        for stream in &mut self.streams {
            let (closed, open) = std::mem::take(&mut stream.open).into_iter().partition(|g| g.to <= before);
            stream.open = open;
            self.lost_unlisted += std::mem::take(&mut stream.unlisted);
            for gap in closed {
                self.lost_unlisted += record(&mut self.lost, &gap);
                record(&mut self.marks, &gap);
            }
        }
    }
}

/// Appends unless the list is full; returns how many packets went unlisted.
fn record(list: &mut Vec<Gap>, gap: &Gap) -> u64 {
    if list.len() < MAX_MARKS {
        list.push(gap.clone());
        return 0;
    }
    u64::from(gap.packets)
}

impl Stream {
    fn new(audio: &Audio, arrival: i64) -> Self {
        Self {
            stream: audio.stream,
            side: audio.side,
            ssrc: audio.ssrc,
            base: (arrival, audio.timestamp),
            // One before the first packet, so that it is handled like any other.
            highest: audio.sequence.wrapping_sub(1),
            came: 0,
            suspect: None,
            clock: audio.clock,
            frame: 0,
            next: arrival,
            open: Vec::new(),
            unlisted: 0,
        }
    }

    /// Where the packet belongs, or why nowhere.
    fn position(&mut self, audio: &Audio, arrival: i64, timed: bool) -> Result<i64, Placed> {
        let step = i32::from(audio.sequence.wrapping_sub(self.highest).cast_signed());
        let by_timestamp = self.by_timestamp(audio);
        if (1..=MAX_DROPOUT).contains(&step) {
            self.suspect = None;
            return Ok(self.forward(audio, arrival, by_timestamp, timed, step.unsigned_abs()));
        }
        let behind = step.unsigned_abs();
        if step <= 0 && behind < WINDOW {
            let bit = 1u128 << behind;
            if self.came & bit != 0 {
                return Err(Placed::Duplicate);
            }
            // A forged timestamp must not reach into the future: memory up to there would be filled with silence.
            if timed && by_timestamp > arrival.saturating_add(ANCHOR_TOLERANCE) {
                return Err(Placed::Late);
            }
            self.came |= bit;
            self.fill(audio.sequence, by_timestamp);
            return Ok(if timed { by_timestamp } else { arrival });
        }
        // Two packets in a row, far from where the stream was: the sender began anew (RFC 3550, A.1).
        if self.suspect == Some(audio.sequence) {
            let open = std::mem::take(&mut self.open);
            *self = Self { next: self.next, open, unlisted: self.unlisted, ..Self::new(audio, arrival) };
            return self.position(audio, arrival, timed);
        }
        self.suspect = Some(audio.sequence.wrapping_add(1));
        Err(Placed::Late)
    }

    /// Where the timestamp says that the packet belongs. Another clock (a codec changed for one of another rate) tells
    /// nothing by the old one.
    fn by_timestamp(&self, audio: &Audio) -> i64 {
        if audio.clock != self.clock || audio.clock == 0 {
            return i64::MAX;
        }
        let ticks = i64::from(audio.timestamp.wrapping_sub(self.base.1).cast_signed());
        self.base.0.saturating_add(ticks * RATE_I / i64::from(audio.clock))
    }

    /// A packet further on in the stream than all before it.
    fn forward(&mut self, audio: &Audio, arrival: i64, by_timestamp: i64, timed: bool, step: u32) -> i64 {
        self.highest = audio.sequence;
        self.came = self.came.checked_shl(step).unwrap_or(0) | 1;
        // A telephone event keeps the timestamp of its first packet while it lasts (RFC 4733, 2.5.1.2): only speech moves
        // or mends the base.
        let trusted = timed && by_timestamp.saturating_sub(arrival).saturating_abs() <= ANCHOR_TOLERANCE;
        let position = if trusted { by_timestamp } else { arrival };
        let since = position.saturating_sub(self.base.0);
        if step == 1 && trusted && (1..=MAX_FRAME).contains(&since) {
            self.frame = since;
        }
        // Where a frame isn't a whole number of ticks, moving the base each time would let the fractions add up.
        let ticks = i64::from(audio.timestamp.wrapping_sub(self.base.1).cast_signed());
        let whole =
            ticks * RATE_I % i64::from(audio.clock.max(1)) == 0 || ticks > i64::from(audio.clock) * 60;
        if timed && (whole || !trusted) {
            (self.base, self.clock) = ((position, audio.timestamp), audio.clock);
        }
        if step > 1 && self.open.len() == MAX_OPEN_GAPS {
            self.unlisted += u64::from(step - 1);
        } else if step > 1 {
            let first = audio.sequence.wrapping_sub((step - 1) as u16);
            self.open.push(Gap {
                stream: self.stream,
                side: self.side,
                from: self.next.min(position),
                to: position,
                packets: step - 1,
                first,
            });
        }
        position
    }

    /// A packet that was thought lost came after all: its gap shrinks or falls in two.
    fn fill(&mut self, sequence: u16, position: i64) {
        let inside = |g: &Gap| u32::from(sequence.wrapping_sub(g.first)) < g.packets;
        let Some(index) = self.open.iter().position(inside) else { return };
        let gap = self.open.swap_remove(index);
        let before = u32::from(sequence.wrapping_sub(gap.first));
        let after = gap.packets - before - 1;
        let share = (gap.to - gap.from) / i64::from(gap.packets);
        let middle = position.clamp(gap.from, gap.to);
        if before > 0 {
            self.open.push(Gap { to: middle, packets: before, ..gap.clone() });
        }
        if after > 0 {
            let from = (middle + share).min(gap.to);
            self.open.push(Gap { from, packets: after, first: sequence.wrapping_add(1), ..gap });
        }
    }
}

#[cfg(test)]
#[path = "audio_tests.rs"]
mod tests;
