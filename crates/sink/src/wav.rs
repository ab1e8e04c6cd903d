//! Stereo WAV, 16 bits, 8000 Hz, left caller, right callee, a cue a gap (RIFF MCI, IBM and Microsoft, 1991).

use crate::audio::{RATE, Segment};

/// Cues in one file. A segment of 10 s holds 500 packets a side at 20 ms: this many separate gaps mean that the
/// line was useless. Further ones are listed in `recording.json` only.
const MAX_CUES: usize = 1000;

const CHANNELS: u16 = 2;
const BITS: u16 = 16;
const FRAME: u16 = CHANNELS * BITS / 8;

fn u32_of(n: usize) -> [u8; 4] {
    u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes()
}

fn chunk(out: &mut Vec<u8>, id: [u8; 4], body: &[u8]) {
    out.extend_from_slice(&id);
    out.extend_from_slice(&u32_of(body.len()));
    out.extend_from_slice(body);
    // Chunks begin on even octets; the padding isn't part of the length.
    if body.len() % 2 == 1 {
        out.push(0);
    }
}

fn format() -> Vec<u8> {
    let mut fmt = Vec::with_capacity(16);
    fmt.extend_from_slice(&1u16.to_le_bytes()); // WAVE_FORMAT_PCM
    fmt.extend_from_slice(&CHANNELS.to_le_bytes());
    fmt.extend_from_slice(&RATE.to_le_bytes());
    fmt.extend_from_slice(&(RATE * u32::from(FRAME)).to_le_bytes());
    fmt.extend_from_slice(&FRAME.to_le_bytes());
    fmt.extend_from_slice(&BITS.to_le_bytes());
    fmt
}

/// The whole file.
pub(crate) fn file(segment: &Segment) -> Vec<u8> {
    let frames = segment.frames();
    let mut body = Vec::with_capacity(frames * usize::from(FRAME) + 256);
    body.extend_from_slice(b"WAVE");
    chunk(&mut body, *b"fmt ", &format());

    body.extend_from_slice(b"data");
    body.extend_from_slice(&u32_of(frames * usize::from(FRAME)));
    let [left, right] = &segment.channels;
    for (l, r) in left.iter().zip(right) {
        body.extend_from_slice(&l.to_le_bytes());
        body.extend_from_slice(&r.to_le_bytes());
    }

    let gaps = &segment.gaps[..segment.gaps.len().min(MAX_CUES)];
    if !gaps.is_empty() {
        let mut cues = u32_of(gaps.len()).to_vec();
        let mut notes = b"adtl".to_vec();
        for (id, gap) in (1u32..).zip(gaps) {
            let start = usize::try_from(gap.from.saturating_sub(segment.from)).unwrap_or(0);
            let length = usize::try_from(gap.to.saturating_sub(gap.from.max(segment.from))).unwrap_or(0);
            cues.extend_from_slice(&id.to_le_bytes());
            cues.extend_from_slice(&u32_of(start)); // position in the play order, which is that of the data
            cues.extend_from_slice(b"data");
            cues.extend_from_slice(&[0; 8]); // no wave list: chunk and block start are 0
            cues.extend_from_slice(&u32_of(start));
            // `ltxt` gives the mark its length, `labl` its words.
            let mut region = id.to_le_bytes().to_vec();
            region.extend_from_slice(&u32_of(length.min(frames - start.min(frames))));
            region.extend_from_slice(b"rgn ");
            region.extend_from_slice(&[0; 8]);
            chunk(&mut notes, *b"ltxt", &region);
            let mut label = id.to_le_bytes().to_vec();
            label.extend_from_slice(
                format!("lost: {}, {} packets\0", gap.side_name(), gap.packets).as_bytes(),
            );
            chunk(&mut notes, *b"labl", &label);
        }
        chunk(&mut body, *b"cue ", &cues);
        chunk(&mut body, *b"LIST", &notes);
    }

    let mut out = Vec::with_capacity(body.len() + 8);
    chunk(&mut out, *b"RIFF", &body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{Placed, Timeline};
    use crate::testing::{Rtp, START};
    use mandat_core::Side;

    /// Chunks of a RIFF file, after its 12 octets.
    fn chunks(mut data: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut out = Vec::new();
        while let [a, b, c, d, l0, l1, l2, l3, rest @ ..] = data {
            let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
            out.push((String::from_utf8(vec![*a, *b, *c, *d]).unwrap(), rest[..length].to_vec()));
            data = &rest[length.next_multiple_of(2)..];
        }
        out
    }

    fn segment(lost: std::ops::Range<u16>) -> Segment {
        let mut line = Timeline::new(START);
        for n in (0..50).filter(|n| !lost.contains(n)) {
            let packet = Rtp::nth(1, Side::Caller, n);
            assert_eq!(line.place(packet.at, &packet.audio(), &packet.payload), Placed::Yes);
        }
        line.close();
        line.rest().unwrap()
    }

    #[test]
    fn a_gap_is_a_cue_with_length_and_words() {
        let wav = file(&segment(10..13));
        assert_eq!((&wav[..4], &wav[8..12]), (&b"RIFF"[..], &b"WAVE"[..]));
        assert_eq!(u32::from_le_bytes(wav[4..8].try_into().unwrap()) as usize, wav.len() - 8);
        let chunks = chunks(&wav[12..]);
        let names: Vec<_> = chunks.iter().map(|c| &*c.0).collect();
        assert_eq!(names, ["fmt ", "data", "cue ", "LIST"]);
        assert_eq!(chunks[0].1, [1, 0, 2, 0, 0x40, 0x1f, 0, 0, 0, 0x7d, 0, 0, 4, 0, 16, 0]);
        assert_eq!(chunks[1].1.len(), 8000 * 4);
        let cue = &chunks[2].1;
        assert_eq!((cue[0], cue.len()), (1, 28));
        assert_eq!(u32::from_le_bytes(cue[24..28].try_into().unwrap()), 1600);
        let notes = String::from_utf8_lossy(&chunks[3].1).into_owned();
        assert!(notes.starts_with("adtl") && notes.contains("lost: caller, 3 packets"), "{notes}");
    }

    #[test]
    fn without_gaps_there_is_nothing_but_sound() {
        assert_eq!(file(&segment(0..0)).len(), 44 + 8000 * 4);
    }
}
