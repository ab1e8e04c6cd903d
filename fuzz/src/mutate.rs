//! Seeds made wrong: a few changes each, of the kinds that break parsers.

/// Values that lengths and counts are wrong with.
const EDGES: [u8; 8] = [0, 1, 0x3f, 0x7f, 0x80, 0xc0, 0xfe, 0xff];
/// Largest input.
const MAX_INPUT: usize = 16 * 1024;
/// Most changes made to one input.
const MAX_CHANGES: usize = 8;

/// Pseudo-random numbers, the same for the same target in every run, so that a finding can be found again.
pub struct Source(u64);

impl Source {
    /// A source that follows from the target's name.
    pub fn new(name: &str) -> Self {
        // FNV-1a; never zero, which xorshift would stay at.
        Self(
            name.bytes()
                .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
                | 1,
        )
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }

    /// A seed with some changes.
    pub fn mutated(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut out = seeds.get(self.below(seeds.len())).cloned().unwrap_or_default();
        for _ in 0..=self.below(MAX_CHANGES) {
            self.change(&mut out, seeds);
        }
        out.truncate(MAX_INPUT);
        out
    }

    fn change(&mut self, out: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(out.len() + 1);
        let len = self.below(16).min(out.len() - at);
        match self.below(7) {
            0 => out.truncate(at),
            1 => drop(out.drain(at..at + len)),
            2 => {
                let octet = self.below(256) as u8;
                out.splice(at..at, std::iter::repeat_n(octet, len + 1));
            }
            3 => {
                let again = out[at..at + len].to_vec();
                out.splice(at..at, again);
            }
            4 => {
                // The head of this one, the tail of another.
                let other = &seeds[self.below(seeds.len()).min(seeds.len().saturating_sub(1))..];
                let tail = other.first().map_or(&[][..], Vec::as_slice);
                let from = self.below(tail.len() + 1);
                out.truncate(at);
                out.extend(&tail[from..]);
            }
            5 if at < out.len() => out[at] = EDGES[self.below(EDGES.len())],
            _ if at < out.len() => out[at] ^= 1 << self.below(8),
            _ => out.push(self.below(256) as u8),
        }
    }
}
