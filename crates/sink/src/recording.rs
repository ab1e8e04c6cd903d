//! One recording: the packets of one call under one LIID, in segments that each stand alone.

use std::path::PathBuf;

use mandat_core::{Audio, CallClosed, Cc, CcKind, EndReason, Liid, Protection, Time};

use crate::audio::{self, Gap, Placed, RATE, Timeline, side_name};
use crate::error::SinkError;
use crate::files::{Recipients, Written, write_json, write_sealed};
use crate::frames::{Frames, listenable};
use crate::manifest::{
    Control, Dropped, GapEntry, LeftOut, Listening, Manifest, SegmentEntry, StreamEntry, Without,
    encoding_name, optional,
};
use crate::pcapng::Section;
use crate::time::rfc3339;
use crate::wav;

/// What a crash can cost: SECURITY asks for segments of at most 10 s.
pub(crate) const SEGMENT_SECONDS: i64 = 10;
/// 4 MiB, 16 times a call of two G.711 streams: a flood of packets closes the segment before its time.
const MAX_SEGMENT_OCTETS: usize = 4 << 20;
/// Packet counts kept apart by stream; the core knows no more streams of one call than this. Further ones share one.
const MAX_LANES: usize = 256;
/// Encodings listed as having no listening copy: a call that offers more has changed codec every few seconds.
const MAX_WITHOUT: usize = 32;

/// Where a call's product goes and who hears of trouble.
pub(crate) struct Outlet<'a> {
    pub(crate) recipients: &'a Recipients,
    pub(crate) fault: &'a mut dyn FnMut(SinkError),
    pub(crate) finished: &'a mut dyn FnMut(u64),
}

/// A kind of packet that is counted on its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    Signal,
    Rtcp,
    Fax,
    Stream(u16),
    /// Streams beyond [`MAX_LANES`].
    Rest,
}

struct Tally {
    lane: Lane,
    /// The first packet's, for a stream.
    about: Option<(&'static str, u32, &'static str)>,
    /// In the open segment.
    pending: u64,
    written: u64,
    dropped: Dropped,
    late: u64,
}

struct Open {
    section: Section,
    from: Time,
    to: Time,
}

/// A call that is being recorded.
pub(crate) struct Recording {
    dir: PathBuf,
    liid: Liid,
    cin: u32,
    first: Time,
    last: Time,
    open: Option<Open>,
    /// Number of the next pcapng file.
    number: u32,
    timeline: Option<Timeline>,
    frames: Option<Frames>,
    /// Number of the next file of frames, and packets of those that failed.
    frames_number: u32,
    packets_dropped: u64,
    tallies: Vec<Tally>,
    without: Vec<Without>,
    cut: u64,
    frames_dropped: u64,
    segments: Vec<SegmentEntry>,
    closed: Option<CallClosed>,
}

impl Recording {
    pub(crate) const fn new(dir: PathBuf, liid: Liid, cin: u32, first: Time) -> Self {
        Self {
            dir,
            liid,
            cin,
            first,
            last: first,
            open: None,
            number: 0,
            timeline: None,
            frames: None,
            frames_number: 0,
            packets_dropped: 0,
            tallies: Vec::new(),
            without: Vec::new(),
            cut: 0,
            frames_dropped: 0,
            segments: Vec::new(),
            closed: None,
        }
    }

    /// Octets of clear content held in memory.
    pub(crate) fn held(&self) -> usize {
        self.open.as_ref().map_or(0, |o| o.section.octets())
            + self.timeline.as_ref().map_or(0, Timeline::octets)
            + self.frames.as_ref().map_or(0, |f| f.octets().len())
    }

    /// Takes one packet.
    pub(crate) fn accept(&mut self, cc: &Cc, outlet: &mut Outlet<'_>) {
        self.advance(cc.ts, outlet);
        if self
            .open
            .as_ref()
            .is_some_and(|o| !o.section.takes(cc.link) || o.section.octets() >= MAX_SEGMENT_OCTETS)
        {
            self.close_evidence(outlet);
            self.save(false, outlet);
        }
        self.last = self.last.max(cc.ts);
        self.cut += u64::from((cc.wire_len as usize) > cc.octets.0.len());
        let open = self.open.get_or_insert_with(|| Open { section: Section::new(), from: cc.ts, to: cc.ts });
        open.section.push(cc);
        open.to = open.to.max(cc.ts);
        match &cc.kind {
            CcKind::Signal | CcKind::Circuit(_) | CcKind::Text | CcKind::Packet | CcKind::Mail { .. } => {
                self.tally(Lane::Signal, None).pending += 1;
            }
            CcKind::Rtcp => self.tally(Lane::Rtcp, None).pending += 1,
            CcKind::Fax => {
                self.tally(Lane::Fax, None).pending += 1;
                self.note(Without { encoding: "T38", reason: "fax; the packets are in the evidence" });
            }
            CcKind::Rtp(audio) => {
                let late = self.listen(cc, audio);
                let tally = self.tally(Lane::Stream(audio.stream), Some(audio));
                tally.pending += 1;
                tally.late += u64::from(late);
            }
        }
    }

    fn tally(&mut self, lane: Lane, audio: Option<&Audio>) -> &mut Tally {
        let full = self.tallies.len() >= MAX_LANES;
        let known = self.tallies.iter().position(|t| t.lane == lane);
        let lane = if full && known.is_none() { Lane::Rest } else { lane };
        let index = known.or_else(|| self.tallies.iter().position(|t| t.lane == lane)).unwrap_or_else(|| {
            let about = audio.map(|a| (side_name(a.side), a.ssrc, encoding_name(&a.encoding)));
            let dropped = Dropped::default();
            self.tallies.push(Tally { lane, about, pending: 0, written: 0, dropped, late: 0 });
            self.tallies.len() - 1
        });
        &mut self.tallies[index]
    }

    /// Puts a packet on the time line; true if it came too late.
    fn listen(&mut self, cc: &Cc, audio: &Audio) -> bool {
        if let Some(reason) = unreadable(audio.protection) {
            self.explain(audio, reason);
            return false;
        }
        let (offset, length) = (audio.payload.0 as usize, audio.payload.1 as usize);
        let payload = match &audio.clear {
            Some(clear) => &clear.0[..],
            None => cc.octets.0.get(offset..offset.saturating_add(length)).unwrap_or_default(),
        };
        let placed = self.timeline.get_or_insert_with(|| Timeline::new(cc.ts)).place(cc.ts, audio, payload);
        match (placed, listenable(audio)) {
            (Placed::Apart(position), Ok(())) => {
                let frames = self.frames.get_or_insert_with(|| Frames::new(cc.ts));
                frames.push(cc.ts, audio, position, payload);
            }
            (Placed::Apart(_), Err(reason)) => self.explain(audio, reason),
            (Placed::No, _) => self.explain(audio, "too many streams"),
            _ => {}
        }
        placed == Placed::Late
    }

    /// Notes why an encoding has no listening copy.
    fn explain(&mut self, audio: &Audio, reason: &'static str) {
        self.note(Without { encoding: encoding_name(&audio.encoding), reason });
    }

    fn note(&mut self, entry: Without) {
        if self.without.len() < MAX_WITHOUT && !self.without.contains(&entry) {
            self.without.push(entry);
        }
    }

    /// Writes what is complete at `now`.
    pub(crate) fn advance(&mut self, now: Time, outlet: &mut Outlet<'_>) {
        let mut rotated = false;
        if self.open.as_ref().is_some_and(|o| now >= o.from.plus_seconds(SEGMENT_SECONDS)) {
            self.close_evidence(outlet);
            rotated = true;
        }
        while let Some(segment) = self.timeline.as_mut().and_then(|t| t.due(now)) {
            self.write_audio(&segment, outlet);
            rotated = true;
        }
        if rotated {
            self.save(false, outlet);
        }
    }

    /// Writes everything that is held, early: memory is needed elsewhere. The next packet opens new segments.
    pub(crate) fn relieve(&mut self, outlet: &mut Outlet<'_>) {
        self.close_evidence(outlet);
        while let Some(segment) = self.timeline.as_mut().and_then(Timeline::rest) {
            self.write_audio(&segment, outlet);
        }
        self.save(false, outlet);
    }

    /// Ends the recording, with the core's own account of the call if it gave one.
    pub(crate) fn close(mut self, closed: Option<CallClosed>, outlet: &mut Outlet<'_>) {
        if let Some(timeline) = &mut self.timeline {
            timeline.close();
        }
        self.close_evidence(outlet);
        while let Some(segment) = self.timeline.as_mut().and_then(Timeline::rest) {
            self.write_audio(&segment, outlet);
        }
        self.closed = closed;
        self.save(true, outlet);
    }

    fn close_evidence(&mut self, outlet: &mut Outlet<'_>) {
        self.close_frames(outlet);
        let Some(open) = self.open.take() else { return };
        let file = format!("{:06}.pcapng.age", self.number);
        self.number += 1;
        let result =
            write_sealed(&self.dir.join(&file), outlet.recipients, |w| w.write_all(open.section.bytes()));
        // Counted as written only now: before the rename nobody could have read them.
        for tally in &mut self.tallies {
            let packets = std::mem::take(&mut tally.pending);
            match &result {
                Ok(_) => tally.written += packets,
                Err(error) => tally.dropped.add(error.cause(), packets),
            }
        }
        match result {
            Ok(written) => self.list(file, "pcapng", (open.from, open.to), written, outlet),
            Err(error) => (outlet.fault)(error),
        }
    }

    fn close_frames(&mut self, outlet: &mut Outlet<'_>) {
        let Some(frames) = self.frames.take() else { return };
        let file = format!("{:06}.frames.age", self.frames_number);
        self.frames_number += 1;
        match write_sealed(&self.dir.join(&file), outlet.recipients, |w| w.write_all(frames.octets())) {
            Ok(written) => self.list(file, "frames", (frames.from, frames.to), written, outlet),
            Err(error) => {
                self.packets_dropped += frames.packets;
                (outlet.fault)(error);
            }
        }
    }

    fn write_audio(&mut self, segment: &audio::Segment, outlet: &mut Outlet<'_>) {
        let Some(start) = self.timeline.as_ref().map(Timeline::start) else { return };
        let number = segment.from / audio::SEGMENT;
        let into = segment.from % audio::SEGMENT;
        // A piece whose beginning was written early, for want of memory, says where it begins.
        let file =
            if into == 0 { format!("{number:06}.wav.age") } else { format!("{number:06}-{into:05}.wav.age") };
        match write_sealed(&self.dir.join(&file), outlet.recipients, |w| w.write_all(&wav::file(segment))) {
            Ok(written) => {
                let moment = |frame: i64| Time(start.0.saturating_add(frame.saturating_mul(125_000)));
                let to = segment.from + segment.frames() as i64;
                self.list(file, "wav", (moment(segment.from), moment(to)), written, outlet);
            }
            Err(error) => {
                self.frames_dropped += segment.frames() as u64;
                (outlet.fault)(error);
            }
        }
    }

    fn list(
        &mut self,
        file: String,
        kind: &'static str,
        span: (Time, Time),
        w: Written,
        outlet: &mut Outlet<'_>,
    ) {
        (outlet.finished)(w.octets);
        let (from, to) = (rfc3339(span.0), rfc3339(span.1));
        self.segments.push(SegmentEntry { file, kind, from, to, sha256: w.sha256, octets: w.octets });
    }

    fn save(&self, last: bool, outlet: &mut Outlet<'_>) {
        if let Err(error) = write_json(&self.dir.join("recording.json"), &self.manifest(), last) {
            (outlet.fault)(error);
        }
    }

    fn control(&self, lane: Lane) -> Control {
        let found = self.tallies.iter().find(|t| t.lane == lane);
        found.map_or_else(Control::default, |t| Control {
            released: None,
            written: t.written,
            dropped_by_us: t.dropped,
        })
    }

    /// What the core saw and what was written, stream by stream.
    fn streams(&self) -> Vec<StreamEntry> {
        let reports = self.closed.as_ref().map_or(&[][..], |c| &c.streams);
        let lost = self.timeline.as_ref().map_or(&[][..], |t| &t.lost);
        let gaps = |stream: u16| lost.iter().filter(|g| g.stream == stream).map(gap_entry).collect();
        let mut entries: Vec<StreamEntry> = reports
            .iter()
            .map(|r| StreamEntry {
                stream: r.stream,
                side: side_name(r.side),
                ssrc: format!("0x{:08x}", r.ssrc),
                encoding: encoding_name(&r.encoding),
                expected: Some(r.expected),
                seen: Some(r.seen),
                duplicates: Some(r.duplicates),
                lost_on_wire: Some(r.expected.saturating_sub(r.seen)),
                written: 0,
                dropped_by_us: Dropped::default(),
                late: 0,
                gaps: gaps(r.stream),
                attribution: Some(r.attribution.name()),
                protection: Some(r.protection.name()),
                quality: Some((&r.quality).into()),
            })
            .collect();
        for tally in &self.tallies {
            let (Lane::Stream(stream), Some((side, ssrc, encoding))) = (tally.lane, tally.about) else {
                continue;
            };
            let index = entries.iter().position(|e| e.stream == stream).unwrap_or_else(|| {
                entries.push(StreamEntry {
                    stream,
                    side,
                    ssrc: format!("0x{ssrc:08x}"),
                    encoding,
                    expected: None,
                    seen: None,
                    duplicates: None,
                    lost_on_wire: None,
                    written: 0,
                    dropped_by_us: Dropped::default(),
                    late: 0,
                    gaps: gaps(stream),
                    attribution: None,
                    protection: None,
                    quality: None,
                });
                entries.len() - 1
            });
            let entry = &mut entries[index];
            (entry.written, entry.dropped_by_us, entry.late) = (tally.written, tally.dropped, tally.late);
        }
        entries
    }

    fn manifest(&self) -> Manifest<'_> {
        let streams = self.streams();
        let closed = self.closed.as_ref();
        let signals = Control { released: closed.map(|c| c.signals), ..self.control(Lane::Signal) };
        let nothing_dropped = self.tallies.iter().all(|t| t.dropped.total() == 0);
        let all_there = streams.iter().all(|s| {
            s.seen.zip(s.duplicates).is_some_and(|(seen, copies)| s.written >= seen.saturating_add(copies))
        });
        let left_out = closed.map(|c| LeftOut {
            streams_dropped: c.streams_dropped,
            addresses_dropped: c.addresses_dropped,
            identities_dropped: c.identities_dropped,
            contested: c.contested,
            digits_withheld: c.digits_withheld,
            digits_blanked: c.digits_blanked,
        });
        let left_out = left_out.unwrap_or_default();
        let none_beyond = left_out.streams_dropped + left_out.addresses_dropped == 0 && !left_out.contested;
        let timeline = self.timeline.as_ref();
        Manifest {
            version: 1,
            liid: &self.liid.0,
            cin: self.cin,
            selected: optional(closed.map(|c| c.selected)),
            start: optional(closed.map(|c| c.start)),
            answer: optional(closed.and_then(|c| c.answer)),
            end: optional(closed.and_then(|c| c.end)),
            end_reason: closed.map(|c| c.end_reason.name()),
            first: rfc3339(self.first),
            last: rfc3339(self.last),
            media_start: optional(timeline.map(Timeline::start)),
            closed: closed.is_some(),
            // A call whose end nobody saw may have gone on: its recording is not known to be whole.
            complete: closed.is_some_and(|c| {
                let ended = matches!(
                    c.end_reason,
                    EndReason::Bye | EndReason::Cancel | EndReason::Failure | EndReason::Released
                );
                ended && c.signals <= signals.written && c.selected <= c.start
            }) && nothing_dropped
                && none_beyond
                && all_there
                && self.cut == 0,
            cut: self.cut,
            left_out,
            signals,
            rtcp: self.control(Lane::Rtcp),
            fax: self.control(Lane::Fax),
            listening_copy: Listening {
                rate: RATE,
                left: "caller",
                right: "callee",
                frames_dropped: self.frames_dropped,
                packets_dropped: self.packets_dropped,
                gaps_unlisted_packets: timeline.map_or(0, |t| t.lost_unlisted),
                without: self.without.clone(),
            },
            streams,
            octets: self.segments.iter().map(|s| s.octets).sum(),
            segments: &self.segments,
        }
    }
}

/// Why nobody here can listen to a protected stream.
const fn unreadable(protection: Protection) -> Option<&'static str> {
    match protection {
        Protection::None | Protection::SdesDecrypted => None,
        Protection::SdesFailed => Some("SRTP that the keys in the signalling don't open; kept as it came"),
        Protection::DtlsSrtp => Some("SRTP keyed by DTLS: only the ends have the keys; kept as it came"),
        Protection::Unknown => Some("SRTP with keys that the signalling doesn't show; kept as it came"),
    }
}

fn gap_entry(gap: &Gap) -> GapEntry {
    GapEntry { from_ms: gap.from / 8, to_ms: gap.to / 8, packets: gap.packets }
}
