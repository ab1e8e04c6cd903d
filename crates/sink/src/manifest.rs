//! `recording.json`: what a recording holds and what it lacks. No identity, no content: a desk lists it without a key.

use mandat_core::{Encoding, Quality, Time};
use serde::Serialize;

use crate::error::Cause;
use crate::time::rfc3339;

/// Encodings whose names are written down (IANA, RTP payload format media types). An rtpmap name is text from the
/// wire and could spell anything, an identity too; what isn't in the register's common part is `other`.
const KNOWN: &[&str] = &[
    "AMR",
    "AMR-WB",
    "BV16",
    "BV32",
    "CLEARMODE",
    "DVI4",
    "EVS",
    "G722",
    "G7221",
    "G723",
    "G726-16",
    "G726-24",
    "G726-32",
    "G726-40",
    "G728",
    "G729",
    "G729D",
    "G729E",
    "GSM",
    "GSM-EFR",
    "GSM-HR-08",
    "H263",
    "H264",
    "H265",
    "ILBC",
    "L16",
    "L8",
    "MPA",
    "MPEG4-GENERIC",
    "OPUS",
    "RED",
    "SILK",
    "SPEEX",
    "T140",
    "T38",
    "VP8",
    "VP9",
    "AV1",
];

/// Name of an encoding for records.
pub(crate) fn encoding_name(encoding: &Encoding) -> &'static str {
    match encoding {
        Encoding::Pcmu => "PCMU",
        Encoding::Pcma => "PCMA",
        Encoding::ComfortNoise => "CN",
        Encoding::TelephoneEvent => "telephone-event",
        Encoding::Other(name) => KNOWN.iter().find(|k| k.eq_ignore_ascii_case(name)).unwrap_or(&"other"),
        Encoding::Unknown => "unknown",
    }
}

/// Packets that the disk did not take, by reason.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Dropped {
    pub(crate) disk_full: u64,
    pub(crate) io_error: u64,
}

impl Dropped {
    pub(crate) const fn add(&mut self, cause: Cause, packets: u64) {
        match cause {
            Cause::DiskFull => self.disk_full += packets,
            Cause::Io => self.io_error += packets,
        }
    }

    pub(crate) const fn total(self) -> u64 {
        self.disk_full + self.io_error
    }
}

/// Signalling or RTCP.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Control {
    /// How many the core released; not known before the call has closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) released: Option<u64>,
    pub(crate) written: u64,
    pub(crate) dropped_by_us: Dropped,
}

/// A gap on the time line, milliseconds from `media_start`.
#[derive(Clone, Serialize)]
pub(crate) struct GapEntry {
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
    pub(crate) packets: u32,
}

/// One media stream. What the tap saw is known only once the call has closed.
#[derive(Clone, Serialize)]
pub(crate) struct StreamEntry {
    pub(crate) stream: u16,
    pub(crate) side: &'static str,
    pub(crate) ssrc: String,
    pub(crate) encoding: &'static str,
    pub(crate) expected: Option<u64>,
    pub(crate) seen: Option<u64>,
    pub(crate) duplicates: Option<u64>,
    pub(crate) lost_on_wire: Option<u64>,
    /// Packets in finished segments, copies included.
    pub(crate) written: u64,
    pub(crate) dropped_by_us: Dropped,
    /// Packets that came too late for the listening copy; they are in the evidence.
    pub(crate) late: u64,
    pub(crate) gaps: Vec<GapEntry>,
    /// Whether both ends were `announced`, or one was `learned`.
    pub(crate) attribution: Option<&'static str>,
    /// `none`, `sdes_decrypted`, `sdes_failed`, `dtls_srtp`, `unknown`.
    pub(crate) protection: Option<&'static str>,
    pub(crate) quality: Option<QualityEntry>,
}

/// How well a stream was received (`mandat_core::Quality`).
#[derive(Clone, Serialize)]
pub(crate) struct QualityEntry {
    /// Where that was measured: what is lost behind it isn't seen.
    pub(crate) measured_at: &'static str,
    pub(crate) reordered: u64,
    pub(crate) late: u64,
    pub(crate) jitter_ms: f64,
    pub(crate) jitter_max_ms: f64,
    pub(crate) loss_runs: u64,
    pub(crate) burst_ratio: Option<f64>,
    pub(crate) silences: u64,
    pub(crate) silence_ms: u64,
    pub(crate) drift_ppm: Option<f64>,
    pub(crate) mos: Option<f64>,
}

impl From<&Quality> for QualityEntry {
    fn from(q: &Quality) -> Self {
        // Two digits are as many as mean anything.
        let round = |value: f32| (f64::from(value) * 100.0).round() / 100.0;
        Self {
            measured_at: "tap",
            reordered: q.reordered,
            late: q.late,
            jitter_ms: round(q.jitter_ms),
            jitter_max_ms: round(q.jitter_max_ms),
            loss_runs: q.loss_runs,
            burst_ratio: q.burst_ratio.map(round),
            silences: q.silences,
            silence_ms: q.silence_ms,
            drift_ppm: q.drift_ppm.map(round),
            mos: q.mos.map(round),
        }
    }
}

/// An encoding that can't be listened to here.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Without {
    pub(crate) encoding: &'static str,
    pub(crate) reason: &'static str,
}

/// The listening copy as a whole.
#[derive(Clone, Serialize)]
pub(crate) struct Listening {
    pub(crate) rate: u32,
    pub(crate) left: &'static str,
    pub(crate) right: &'static str,
    /// Frames that the disk did not take.
    pub(crate) frames_dropped: u64,
    /// Packets of other codecs that the disk did not take a second time, for decoding; they may be in the evidence.
    pub(crate) packets_dropped: u64,
    pub(crate) gaps_unlisted_packets: u64,
    pub(crate) without: Vec<Without>,
}

/// A finished file.
#[derive(Clone, Serialize)]
pub(crate) struct SegmentEntry {
    pub(crate) file: String,
    pub(crate) kind: &'static str,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) sha256: String,
    pub(crate) octets: u64,
}

/// What the core left out of a call.
#[derive(Clone, Copy, Default, Serialize)]
pub(crate) struct LeftOut {
    /// RTP packets of streams beyond the limit of one call.
    pub(crate) streams_dropped: u64,
    /// Media addresses beyond it: their packets aren't here.
    pub(crate) addresses_dropped: u64,
    /// Identities beyond it.
    pub(crate) identities_dropped: u64,
    /// Another live call announced a media address of this one: packets may have gone to that.
    pub(crate) contested: bool,
    /// Packets with digits that the warrant doesn't permit. In-band tones are sound, and are not left out.
    pub(crate) digits_withheld: u64,
    /// Signalling messages whose bodies were blanked for the same reason.
    pub(crate) digits_blanked: u64,
}

/// The file.
#[derive(Serialize)]
pub(crate) struct Manifest<'a> {
    pub(crate) version: u8,
    pub(crate) liid: &'a str,
    pub(crate) cin: u32,
    pub(crate) selected: Option<String>,
    pub(crate) start: Option<String>,
    pub(crate) answer: Option<String>,
    pub(crate) end: Option<String>,
    pub(crate) end_reason: Option<&'static str>,
    /// First and last packet.
    pub(crate) first: String,
    pub(crate) last: String,
    /// Zero of the listening copy's time line.
    pub(crate) media_start: Option<String>,
    /// The core has closed the call; nothing more will come.
    pub(crate) closed: bool,
    /// All that the tap saw of the call, from its first INVITE to its signalled end, is in the evidence, and whole. What
    /// the tap itself never saw is `lost_on_wire`.
    pub(crate) complete: bool,
    /// Packets that the capture had cut short.
    pub(crate) cut: u64,
    /// What the core left out of the call, and why.
    pub(crate) left_out: LeftOut,
    pub(crate) signals: Control,
    pub(crate) rtcp: Control,
    /// Datagrams of T.38.
    pub(crate) fax: Control,
    pub(crate) streams: Vec<StreamEntry>,
    pub(crate) listening_copy: Listening,
    pub(crate) octets: u64,
    pub(crate) segments: &'a [SegmentEntry],
}

pub(crate) fn optional(time: Option<Time>) -> Option<String> {
    time.map(rfc3339)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_the_wire_is_written_only_if_the_register_has_it() {
        assert_eq!(encoding_name(&Encoding::Other("OPUS".into())), "OPUS");
        assert_eq!(encoding_name(&Encoding::Other("33612345678".into())), "other");
    }
}
