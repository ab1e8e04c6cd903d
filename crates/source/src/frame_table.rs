//! The frame table of a Network Monitor capture: where each frame begins, read ahead of the frames in pieces.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Octets of one entry.
pub(crate) const ENTRY: usize = 4;

/// Octets of the table read at once: a thousand entries, so that the reads cost nothing beside the frames.
const PIECE: usize = 1024 * ENTRY;

/// Octets that can be read at any place.
pub(crate) enum Octets {
    File(Arc<File>),
    #[cfg(any(test, feature = "fuzz"))]
    Memory(Arc<[u8]>),
}

impl Octets {
    /// Reads into `out` from `place`; 0 at the end.
    fn read_at(&self, out: &mut [u8], place: u64) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(out, place),
            #[cfg(any(test, feature = "fuzz"))]
            Self::Memory(octets) => {
                let from = usize::try_from(place).map_or(octets.len(), |place| place.min(octets.len()));
                io::Read::read(&mut &octets[from..], out)
            }
        }
    }
}

/// The next entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Entry {
    /// The offset of a frame.
    At(u64),
    /// There should be one, but the file ends before.
    Missing,
    /// There are no more.
    End,
}

/// The entries, in order, and a look at the one behind the next.
pub(crate) struct FrameTable {
    octets: Octets,
    /// Where the next piece begins.
    place: u64,
    /// Octets of the entries that are not in `piece` yet.
    left: u64,
    piece: Vec<u8>,
    at: usize,
    ahead: Option<Entry>,
}

impl FrameTable {
    /// A table of so many entries at `place`; whether they are there shows when they are read.
    pub(crate) fn new(octets: Octets, place: u64, entries: u32) -> Self {
        let left = u64::from(entries) * ENTRY as u64;
        Self { octets, place, left, piece: Vec::new(), at: 0, ahead: None }
    }

    /// Moves to the next entry.
    pub(crate) fn next(&mut self) -> io::Result<Entry> {
        let next = match self.ahead {
            Some(entry) => entry,
            None => self.read()?,
        };
        self.ahead = Some(if matches!(next, Entry::At(_)) { self.read()? } else { next });
        Ok(next)
    }

    /// The offset that [`next`](Self::next) will give.
    pub(crate) fn peek(&self) -> Option<u64> {
        match self.ahead {
            Some(Entry::At(offset)) => Some(offset),
            _ => None,
        }
    }

    fn read(&mut self) -> io::Result<Entry> {
        if self.piece.len() - self.at < ENTRY {
            if self.left == 0 {
                return Ok(Entry::End);
            }
            if !self.fill()? {
                return Ok(Entry::Missing);
            }
        }
        let entry = self.piece[self.at..self.at + ENTRY].try_into().unwrap_or_default();
        self.at += ENTRY;
        Ok(Entry::At(u64::from(u32::from_le_bytes(entry))))
    }

    /// Reads the next piece; says whether a whole entry came.
    #[cold]
    fn fill(&mut self) -> io::Result<bool> {
        let wanted = self.left.min(PIECE as u64) as usize;
        self.piece.resize(wanted, 0);
        self.at = 0;
        let mut got = 0;
        while got < wanted {
            match self.octets.read_at(&mut self.piece[got..], self.place + got as u64) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.piece.truncate(got / ENTRY * ENTRY);
        self.place += self.piece.len() as u64;
        self.left -= self.piece.len() as u64;
        Ok(!self.piece.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: u32, claimed: u32) -> FrameTable {
        let octets: Vec<u8> = (0..entries).flat_map(u32::to_le_bytes).collect();
        FrameTable::new(Octets::Memory([&[9, 9][..], &octets].concat().into()), 2, claimed)
    }

    fn all(mut table: FrameTable) -> (Vec<u64>, Entry) {
        let mut offsets = Vec::new();
        loop {
            match table.next().unwrap() {
                Entry::At(offset) => offsets.push(offset),
                end => {
                    assert_eq!(table.next().unwrap(), end, "the end stays the end");
                    return (offsets, end);
                }
            }
        }
    }

    #[test]
    fn entries_come_in_order_over_the_edges_of_pieces() {
        for entries in [0, 1, 1023, 1024, 1025, 3000] {
            let (offsets, end) = all(table(entries, entries));
            assert_eq!((offsets, end), ((0..u64::from(entries)).collect(), Entry::End));
        }
    }

    #[test]
    fn a_length_beyond_the_file_gives_what_there_is() {
        let (offsets, end) = all(table(5, u32::MAX));
        assert_eq!((offsets.len(), end), (5, Entry::Missing));
    }

    #[test]
    fn the_next_entry_is_seen_before_it_is_taken() {
        let mut table = table(1025, 1025);
        for n in 0..1024 {
            assert_eq!(table.next().unwrap(), Entry::At(n));
            assert_eq!(table.peek(), Some(n + 1));
        }
        assert_eq!(table.next().unwrap(), Entry::At(1024));
        assert_eq!(table.peek(), None);
    }
}
