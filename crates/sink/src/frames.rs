//! What the listening copy of a codec is made from: its frames, opened and in their places, for whoever has the
//! recipient's key. A codec is decoded there, by a program of the recipient's choice, and not in front of the tap.
//!
//! A file is [`MAGIC`] and then one record a packet, all integers little-endian:
//!
//! | octets | field |
//! |---|---|
//! | 2 | stream, as in `recording.json` |
//! | 1 | side: 0 caller, 1 callee |
//! | 1 | packing of AMR: 0 bandwidth-efficient, 1 octet-aligned, 2 other |
//! | 1 | channels |
//! | 1 | octets of the encoding's name |
//! | 2 | RTP sequence number |
//! | 4 | RTP clock, Hz |
//! | 8 | place on the time line: frames of 1/8000 s from `media_start`, signed |
//! | 4 | octets of the payload |
//! | … | name, payload |

use mandat_core::{Audio, Encoding, Packing, Time};

use crate::manifest::encoding_name;

/// Begins each file; the digit is the version.
pub(crate) const MAGIC: &[u8; 8] = b"MNDTFRM1";

/// Encodings that can be made audible where the recording is opened.
const LISTENABLE: &[&str] = &[
    "AMR", "AMR-WB", "G722", "G723", "G726-16", "G726-24", "G726-32", "G726-40", "G729", "GSM", "ILBC",
    "L16", "OPUS", "SPEEX",
];

/// Whether an encoding's frames are kept for a listening copy; if not, why.
pub(crate) fn listenable(audio: &Audio) -> Result<(), &'static str> {
    let name = encoding_name(&audio.encoding);
    match &audio.encoding {
        Encoding::Unknown => Err("payload type is not explained by the signalling"),
        Encoding::Pcmu | Encoding::Pcma => Err("clock is not 8000 Hz"),
        Encoding::Other(_) if name == "EVS" => {
            Err("its decoder may not be passed on; the packets are in the evidence")
        }
        Encoding::Other(_) if matches!(name, "AMR" | "AMR-WB") && audio.format.packing == Packing::Other => {
            Err("crc, robust sorting or interleaving; the packets are in the evidence")
        }
        Encoding::Other(_) if matches!(name, "H263" | "H264" | "H265" | "VP8" | "VP9" | "AV1") => {
            Err("video; the packets are in the evidence")
        }
        Encoding::Other(_) if name == "T140" => Err("real-time text; the packets are in the evidence"),
        Encoding::Other(_) if name == "T38" => Err("fax; the packets are in the evidence"),
        Encoding::Other(_) if LISTENABLE.contains(&name) => Ok(()),
        _ => Err("not decoded; the packets are in the evidence"),
    }
}

/// A file that is being filled.
pub(crate) struct Frames {
    octets: Vec<u8>,
    pub(crate) packets: u64,
    pub(crate) from: Time,
    pub(crate) to: Time,
}

impl Frames {
    pub(crate) fn new(from: Time) -> Self {
        Self { octets: MAGIC.to_vec(), packets: 0, from, to: from }
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Adds a packet's frames at their place.
    pub(crate) fn push(&mut self, at: Time, audio: &Audio, position: i64, payload: &[u8]) {
        let name = encoding_name(&audio.encoding).as_bytes();
        let packing = match audio.format.packing {
            Packing::BandwidthEfficient => 0,
            Packing::OctetAligned => 1,
            Packing::Other => 2,
        };
        self.octets.extend(audio.stream.to_le_bytes());
        self.octets.extend([audio.side as u8, packing, audio.format.channels, name.len() as u8]);
        self.octets.extend(audio.sequence.to_le_bytes());
        self.octets.extend(audio.clock.to_le_bytes());
        self.octets.extend(position.to_le_bytes());
        self.octets.extend((payload.len() as u32).to_le_bytes());
        self.octets.extend(name);
        self.octets.extend(payload);
        self.packets += 1;
        self.to = self.to.max(at);
    }
}

#[cfg(test)]
mod tests {
    use mandat_core::{Format, Side};

    use super::*;
    use crate::testing::{Rtp, START};

    fn audio(name: &str) -> Audio {
        Audio { encoding: Encoding::Other(name.into()), ..Rtp::nth(1, Side::Callee, 5).audio() }
    }

    #[test]
    fn p33_what_has_no_listening_copy_says_why() {
        assert_eq!(listenable(&audio("AMR-WB")), Ok(()));
        assert!(listenable(&audio("EVS")).is_err_and(|why| why.contains("decoder")));
        assert!(listenable(&audio("33612345678")).is_err_and(|why| why.contains("not decoded")));
        let packing = Format { packing: Packing::Other, ..Format::default() };
        assert!(listenable(&Audio { format: packing, ..audio("AMR") }).is_err_and(|why| why.contains("crc")));
    }

    #[test]
    fn p34_other_content_is_evidence_and_named() {
        for (name, kind) in [("H264", "video"), ("VP8", "video"), ("T140", "text"), ("T38", "fax")] {
            assert!(listenable(&audio(name)).is_err_and(|why| why.contains(kind)), "{name}");
        }
        for name in ["G729", "ILBC", "GSM", "G723"] {
            assert_eq!(listenable(&audio(name)), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_record_is_laid_out_as_said() {
        let mut frames = Frames::new(START);
        frames.push(START, &Audio { clock: 16_000, ..audio("AMR-WB") }, -3, &[9, 8]);
        let wanted = [
            &b"MNDTFRM1\x01\0\x01\0\x01\x06\xed\x03\x80\x3e\0\0"[..],
            &(-3_i64).to_le_bytes(),
            b"\x02\0\0\0AMR-WB\x09\x08",
        ];
        assert_eq!(frames.octets(), wanted.concat());
    }
}
