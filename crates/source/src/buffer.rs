//! A window onto a stream: packets are slices of it, so reading copies each octet once, from the kernel.

use std::io::{self, Read};

use crate::MAX_PACKET;

/// Octets asked of the system at once. Large enough that the call costs nothing beside the copy, small enough to stay
/// in the second-level cache while the packets in it are looked at.
pub(crate) const READ_SIZE: usize = 1 << 18;

/// The most that [`Buffer::need`] can be asked for: a packet of the largest size with headers and options beside it.
/// It is what bounds the memory of a file, whatever its headers say.
pub(crate) const MAX_NEED: usize = 2 * MAX_PACKET;

pub(crate) struct Buffer {
    input: Box<dyn Read + Send>,
    data: Vec<u8>,
    /// Unread octets are `data[start..end]`.
    start: usize,
    end: usize,
    /// Offset in the stream of `data[0]`.
    base: u64,
    at_end: bool,
}

impl Buffer {
    /// A window of `size` octets; it grows to what [`need`](Self::need) asks for, at most [`MAX_NEED`].
    pub(crate) fn new(input: Box<dyn Read + Send>, size: usize) -> Self {
        Self { input, data: vec![0; size], start: 0, end: 0, base: 0, at_end: false }
    }

    /// Offset in the stream of the first unread octet.
    pub(crate) fn place(&self) -> u64 {
        self.base + self.start as u64
    }

    /// The unread octets that are in the window.
    #[inline]
    pub(crate) fn unread(&self) -> &[u8] {
        &self.data[self.start..self.end]
    }

    /// `len` octets from a place that [`mark`](Self::mark) named.
    #[inline]
    pub(crate) fn slice(&self, from: usize, len: usize) -> &[u8] {
        &self.data[from..from + len]
    }

    /// Where the first unread octet sits in the window; good until the next [`need`](Self::need) or skip.
    #[inline]
    pub(crate) fn mark(&self) -> usize {
        self.start
    }

    /// Makes at least `n` octets unread, and says whether there were so many.
    #[inline]
    pub(crate) fn need(&mut self, n: usize) -> io::Result<bool> {
        if self.end - self.start >= n { Ok(true) } else { self.fill(n) }
    }

    /// Drops `n` octets that [`need`](Self::need) has brought.
    #[inline]
    pub(crate) fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
    }

    /// Drops `n` octets, however many, without keeping them; says whether there were so many.
    pub(crate) fn skip(&mut self, mut n: u64) -> io::Result<bool> {
        loop {
            let here = ((self.end - self.start) as u64).min(n);
            self.start += here as usize;
            n -= here;
            if n == 0 {
                return Ok(true);
            }
            if !self.fill(1)? {
                return Ok(false);
            }
        }
    }

    #[cold]
    fn fill(&mut self, n: usize) -> io::Result<bool> {
        debug_assert!(n <= MAX_NEED, "a caller asked for more than a packet");
        if self.start > 0 {
            self.data.copy_within(self.start..self.end, 0);
            self.base += self.start as u64;
            self.end -= self.start;
            self.start = 0;
        }
        if self.data.len() < n {
            self.data.resize(n.min(MAX_NEED), 0);
        }
        while self.end < n && !self.at_end {
            // One read a turn: a pipe hands over what it has, so that a live capture isn't held back.
            match self.input.read(&mut self.data[self.end..]) {
                Ok(0) => self.at_end = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.end >= n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one octet a read, the worst that a pipe can do.
    struct Drip(Vec<u8>, usize);

    impl Read for Drip {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let Some(&octet) = self.0.get(self.1) else { return Ok(0) };
            self.1 += 1;
            out[0] = octet;
            Ok(1)
        }
    }

    #[test]
    fn a_slow_pipe_gives_the_same_octets() {
        let mut buffer = Buffer::new(Box::new(Drip((0..=99).collect(), 0)), 8);
        assert!(buffer.need(5).unwrap());
        buffer.consume(5);
        assert!(buffer.skip(60).unwrap());
        assert!(buffer.need(20).unwrap(), "grows beyond its first size");
        assert_eq!((buffer.place(), buffer.unread()[0], buffer.unread()[19]), (65, 65, 84));
        assert!(!buffer.need(36).unwrap());
        assert_eq!(buffer.unread().len(), 35, "what there was stays readable");
        assert!(!buffer.skip(36).unwrap());
    }
}
