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
