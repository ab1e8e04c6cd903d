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
