//! Several sources as one stream in order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use mandat_core::{Packet, Time};

use crate::buffer::READ_SIZE;
use crate::error::{Reason, SourceError, Warning};
use crate::input::{STANDARD_INPUT, Tally};
use crate::reader::Reader;

/// Window through which the first packet of a file is looked at before the file's turn has come.
const PEEK_SIZE: usize = 64 * 1024;

/// Opens `paths`, `-` being standard input, and looks at the first packet of each.
///
/// A file that can't be opened is a [`Warning`] as long as another can.
pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Merged, SourceError> {
    let mut merged = Merged {
        sources: Vec::with_capacity(paths.len()),
        waiting: BinaryHeap::with_capacity(paths.len()),
        current: None,
        warnings: Vec::new(),
        failure: None,
        failed: 0,
        total: Some(0),
    };
    if paths.is_empty() {
        return Err(SourceError::new("", 0, Reason::NoFiles));
    }
    let mut input_taken = false;
    for path in paths {
        let name = path.as_ref().to_string_lossy();
        if name == STANDARD_INPUT && std::mem::replace(&mut input_taken, true) {
            return Err(SourceError::new(&name, 0, Reason::StandardInputTwice));
        }
        merged.add(&name, paths.len() > 1);
    }
    if merged.failed == merged.sources.len()
        && let Some(failure) = merged.failure.take()
    {
        return Err(failure);
    }
    Ok(merged)
}

/// Where a source stands.
enum State {
    /// Looked at and closed again: its first packet's turn has not come. A thousand files of a rotating capture cost
    /// one window, not a thousand.
    Closed,
    Open(Box<Reader>),
    Ended,
}

struct Source {
    name: Box<str>,
    state: State,
    tally: Option<Arc<Tally>>,
}

/// The packets of all sources, in order of time. Packets of equal time come in the order in which their files were
/// named, and a file's own order is never changed, even where its clock went backwards.
pub struct Merged {
    sources: Vec<Source>,
    /// Sources with a packet, by its time. The one handed out last isn't among them.
    waiting: BinaryHeap<Reverse<(Time, usize)>>,
    /// The source of the packet handed out last.
    current: Option<usize>,
    warnings: Vec<Warning>,
    /// The first failure of a whole file, told once if no file did better.
    failure: Option<SourceError>,
    failed: usize,
    total: Option<u64>,
}

impl Merged {
    /// The next packet; it lives until the next call. `None` at the end of all sources.
    ///
    /// An error means that every source failed: see the [`Warning`]s for each.
    #[inline]
    #[allow(
        clippy::should_implement_trait,
        reason = "the packet borrows the window: `Iterator` can't say that"
    )]
    pub fn next(&mut self) -> Result<Option<Packet<'_>>, SourceError> {
        let Some(at) = self.step()? else { return Ok(None) };
        Ok(match &self.sources[at].state {
            State::Open(reader) => Some(reader.packet()),
            State::Closed | State::Ended => None,
        })
    }

    /// Octets read so far, as stored: packed ones for a packed file.
    pub fn octets_read(&self) -> u64 {
        self.sources.iter().filter_map(|source| source.tally.as_ref()).map(|tally| tally.octets()).sum()
    }

    /// Octets of all sources, as stored; `None` when one is a pipe.
    pub fn octets_total(&self) -> Option<u64> {
        self.total
    }

    /// What the sources did wrong so far, in order of discovery; at most one of a kind for each file.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The source whose packet comes next, moved to that packet.
    #[inline]
    fn step(&mut self) -> Result<Option<usize>, SourceError> {
        if let Some(at) = self.current
            && let State::Open(reader) = &mut self.sources[at].state
        {
            if reader.advance(&mut self.warnings) {
                let ts = reader.ts();
                if self.waiting.peek().is_none_or(|Reverse(first)| (ts, at) < *first) {
                    return Ok(Some(at));
                }
                self.waiting.push(Reverse((ts, at)));
            } else {
                self.end(at);
            }
        }
        self.turn()
    }

    /// Gives the turn to the source with the earliest packet.
    fn turn(&mut self) -> Result<Option<usize>, SourceError> {
        self.current = None;
        while let Some(Reverse((_, at))) = self.waiting.pop() {
            if self.ready(at) {
                self.current = Some(at);
                return Ok(Some(at));
            }
        }
        match self.failure.take() {
            Some(failure) if self.failed == self.sources.len() => Err(failure),
            _ => Ok(None),
        }
    }

    /// Makes sure that the source stands at a packet.
    fn ready(&mut self, at: usize) -> bool {
        if !matches!(self.sources[at].state, State::Closed) {
            return true;
        }
        match Reader::open(&self.sources[at].name, READ_SIZE) {
            Ok(mut reader) => {
                self.sources[at].tally = Some(Arc::clone(&reader.input.tally));
                reader.note_header(&mut self.warnings);
                let found = reader.advance(&mut self.warnings);
                self.sources[at].state = State::Open(Box::new(reader));
                if !found {
                    self.end(at);
                }
                found
            }
            Err(error) => {
                self.fail(error);
                self.sources[at].state = State::Ended;
                false
            }
        }
    }

    fn add(&mut self, name: &str, several: bool) {
        let at = self.sources.len();
        self.sources.push(Source { name: name.into(), state: State::Ended, tally: None });
        let mut reader = match Reader::open(name, if several { PEEK_SIZE } else { READ_SIZE }) {
            Ok(reader) => reader,
            Err(error) => return self.fail(error),
        };
        let len = reader.input.len();
        self.total = self.total.zip(len).map(|(total, len)| total + len);
        let warned = self.warnings.len();
        reader.note_header(&mut self.warnings);
        let found = reader.advance(&mut self.warnings);
        self.sources[at].tally = Some(Arc::clone(&reader.input.tally));
        if found {
            self.waiting.push(Reverse((reader.ts(), at)));
            // A pipe can't be read twice.
            if several && len.is_some() {
                self.warnings.truncate(warned);
                self.sources[at].tally = None;
                self.sources[at].state = State::Closed;
            } else {
                self.sources[at].state = State::Open(Box::new(reader));
            }
        } else {
            self.sources[at].state = State::Open(Box::new(reader));
            self.end(at);
        }
    }

    /// Closes a source that has no more packets.
    fn end(&mut self, at: usize) {
        let source = &mut self.sources[at];
        let State::Open(reader) = std::mem::replace(&mut source.state, State::Ended) else { return };
        if let Some(reason) = reader.stopped().filter(|reason| reason.fails_file()) {
            self.failed += 1;
            self.failure.get_or_insert_with(|| SourceError::new(&source.name, reader.place(), reason));
        }
    }

    /// Notes that a source can't be read at all.
    fn fail(&mut self, error: SourceError) {
        self.failed += 1;
        self.failure.get_or_insert_with(|| error.clone());
        self.warnings.push(Warning { first: error, times: 1 });
    }
}

impl fmt::Debug for Merged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Merged({} sources)", self.sources.len())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;
    use crate::reader::Order;
    use crate::testing::{pcap, read, read_all};

    const MICROSECONDS: u32 = 0xa1b2_c3d4;

    fn gzip(octets: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(octets).unwrap();
        packer.finish().unwrap()
    }

    fn texts(packets: &[crate::testing::Out]) -> String {
        packets.iter().map(|packet| String::from_utf8_lossy(&packet.2).into_owned()).collect()
    }

    /// More octets than the window and the pieces in flight hold, of several sizes.
    fn large() -> Vec<u8> {
        let packets: Vec<Vec<u8>> = (0..6000_u32).map(|n| vec![n as u8; (n * 37 % 1500) as usize]).collect();
        let records: Vec<_> = packets.iter().zip(0..).map(|(data, n)| (n, 0, &data[..])).collect();
        pcap(Order::Little, MICROSECONDS, 1, &records)
    }

    #[test]
    fn packed_files_hold_what_plain_ones_do() {
        let plain = large();
        assert!(plain.len() > 3 * READ_SIZE);
        let expected = read(&plain);
        assert_eq!(expected.packets.len(), 6000);
        let (front, back) = plain.split_at(plain.len() / 3);
        assert_eq!(read(&gzip(&plain)), expected);
        assert_eq!(read(&[gzip(front), gzip(back)].concat()), expected, "members after each other");
        let zstd = |octets: &[u8]| zstd::stream::encode_all(octets, 1).unwrap();
        assert_eq!(read(&zstd(&plain)), expected);
        assert_eq!(read(&[zstd(front), zstd(back)].concat()), expected, "frames after each other");
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2];
        assert_eq!(read(&[&skippable[..], &zstd(&plain)].concat()), expected);
    }

    #[test]
    fn a_packed_file_cut_short_gives_its_head_and_a_warning() {
        let packed = gzip(&large());
        let outcome = read(&packed[..packed.len() / 2]);
        assert!(outcome.packets.len() > 1000);
        assert_eq!(outcome.warnings.iter().map(|w| w.0).collect::<Vec<_>>(), ["source.compression"]);
        let mut damaged = packed.clone();
        let last = damaged.len() - 6;
        damaged[last] ^= 1;
        let outcome = read(&damaged);
        assert_eq!(
            (outcome.packets.len(), outcome.warnings.len()),
            (6000, 1),
            "a wrong check sum loses nothing"
        );
    }

    #[test]
    fn files_are_merged_by_time_and_ties_keep_the_order_of_naming() {
        let one =
            pcap(Order::Little, MICROSECONDS, 1, &[(1, 0, b"a"), (3, 0, b"c"), (3, 0, b"d"), (9, 0, b"h")]);
        let two = pcap(Order::Big, MICROSECONDS, 101, &[(2, 0, b"b"), (3, 0, b"e"), (4, 0, b"f")]);
        let late = gzip(&pcap(Order::Little, MICROSECONDS, 1, &[(8, 0, b"g")]));
        let none = pcap(Order::Little, MICROSECONDS, 1, &[]);
        assert_eq!(texts(&read_all(&[&one, &none, &two, &late]).packets), "abcdefgh");
    }

    #[test]
    fn a_clock_that_goes_backwards_keeps_the_order_of_the_file() {
        let one = pcap(Order::Little, MICROSECONDS, 1, &[(5, 0, b"a"), (1, 0, b"b"), (6, 0, b"d")]);
        let two = pcap(Order::Little, MICROSECONDS, 1, &[(5, 0, b"c")]);
        assert_eq!(texts(&read_all(&[&one, &two]).packets), "abcd");
    }

    #[test]
    fn one_bad_file_among_several_costs_nothing_of_the_others() {
        let good = pcap(Order::Little, MICROSECONDS, 1, &[(1, 0, b"a"), (2, 0, b"b")]);
        let cut = &good[..good.len() - 1];
        let outcome = read_all(&[&good, b"no capture", b"", cut]);
        assert_eq!(texts(&outcome.packets), "aab");
        let codes: Vec<_> = outcome.warnings.iter().map(|w| w.0).collect();
        assert_eq!(codes, ["source.not_capture", "source.empty", "source.truncated"]);
        assert_eq!(outcome.error, None);
        assert_eq!(read_all(&[b"no capture", b""]).error.unwrap().code(), "source.not_capture");
    }

    #[test]
    fn names_that_cannot_be_opened_say_why() {
        let directory = tempfile::tempdir().unwrap();
        let reason = |path: &Path| open(&[path]).unwrap_err().reason;
        assert_eq!(reason(directory.path()), Reason::Directory);
        assert_eq!(reason(&directory.path().join("absent")), Reason::NotFound);
        assert_eq!(open::<&str>(&[]).unwrap_err().reason, Reason::NoFiles);
    }

    #[test]
    fn progress_reaches_the_total() {
        let directory = tempfile::tempdir().unwrap();
        let names = [directory.path().join("a"), directory.path().join("b")];
        let file = pcap(Order::Little, MICROSECONDS, 1, &[(1, 0, b"a"), (2, 0, b"b")]);
        std::fs::write(&names[0], &file).unwrap();
        std::fs::write(&names[1], gzip(&file)).unwrap();
        let mut source = open(&names).unwrap();
        assert_eq!(source.octets_read(), 0, "looking at first packets is no progress");
        while source.next().unwrap().is_some() {}
        assert_eq!(Some(source.octets_read()), source.octets_total());
    }

    #[test]
    fn a_file_that_is_still_written_is_told() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&pcap(Order::Little, MICROSECONDS, 1, &[(1, 0, b"a")])).unwrap();
        let mut source = open(&[file.path()]).unwrap();
        file.write_all(&pcap(Order::Little, MICROSECONDS, 1, &[(2, 0, b"b")])[24..]).unwrap();
        assert_eq!(source.next().unwrap().unwrap().data, b"a");
        assert_eq!(source.next().unwrap().unwrap().data, b"b", "what came meanwhile is read");
        assert!(source.next().unwrap().is_none());
        assert_eq!(source.warnings()[0].first.reason, Reason::Changed);
    }

    proptest! {
        #[test]
        fn a_merge_is_a_stable_sort_of_sorted_files(times in prop::collection::vec(prop::collection::vec(0_u32..50, 0..20), 1..5)) {
            let mut files = Vec::new();
            let mut expected = Vec::new();
            for (n, times) in times.iter().enumerate() {
                let mut times = times.clone();
                times.sort_unstable();
                let tag = [n as u8];
                let records: Vec<_> = times.iter().map(|t| (*t, 0, &tag[..])).collect();
                files.push(pcap(Order::Little, MICROSECONDS, 1, &records));
                expected.extend(times.iter().map(|t| (i64::from(*t), n as u8)));
            }
            expected.sort_by_key(|(time, _)| *time);
            let got = read_all(&files.iter().map(|file| &file[..]).collect::<Vec<_>>());
            let got: Vec<_> = got.packets.iter().map(|p| (p.0 / 1_000_000_000, p.2[0])).collect();
            prop_assert_eq!(got, expected);
        }
    }
}
