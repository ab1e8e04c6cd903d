//! All recordings of a run, under one budget of memory.

use std::collections::HashMap;
use std::path::PathBuf;

use mandat_core::{CallClosed, Cc, Cin, TaskId, Time};

use crate::recording::{Outlet, Recording};

/// 256 MiB of clear content in memory: 450 calls of two G.711 streams at 10 s a segment. With more calls at once
/// the fullest segments are closed early, so segments get shorter (10,000 calls: half a second) and nothing is lost.
/// Files are opened only while they are written, one at a time, so no limit on open files is needed.
pub(crate) const MEMORY: usize = 256 << 20;

/// Recordings at once. The core's call table is smaller; this bounds us whatever it does.
const MAX_RECORDINGS: usize = 100_000;

pub(crate) struct Recorder {
    recordings: HashMap<(TaskId, Cin), Recording>,
    held: usize,
    memory: usize,
}

impl Recorder {
    pub(crate) fn new(memory: usize) -> Self {
        Self { recordings: HashMap::new(), held: 0, memory }
    }

    /// Whether this packet begins a recording; `None` if it would be one too many.
    pub(crate) fn begins(&self, cc: &Cc) -> Option<bool> {
        match self.recordings.contains_key(&(cc.task, cc.cin)) {
            true => Some(false),
            false if self.recordings.len() < MAX_RECORDINGS => Some(true),
            false => None,
        }
    }

    pub(crate) fn accept(&mut self, cc: &Cc, dir: impl FnOnce() -> PathBuf, outlet: &mut Outlet<'_>) {
        let key = (cc.task, cc.cin);
        let recording = self
            .recordings
            .entry(key)
            .or_insert_with(|| Recording::new(dir(), cc.liid.clone(), cc.cin.0, cc.ts));
        let before = recording.held();
        recording.accept(cc, outlet);
        self.held = self.held + recording.held() - before;
    }

    /// The recording to write early, if memory has run out.
    pub(crate) fn fullest(&self) -> Option<(TaskId, Cin)> {
        let over = self.held > self.memory;
        over.then(|| self.recordings.iter().max_by_key(|(_, r)| r.held()).map(|(key, _)| *key)).flatten()
    }

    pub(crate) fn relieve(&mut self, key: (TaskId, Cin), outlet: &mut Outlet<'_>) {
        if let Some(recording) = self.recordings.get_mut(&key) {
            self.held -= recording.held();
            recording.relieve(outlet);
            self.held += recording.held();
        }
    }

    pub(crate) fn keys(&self) -> Vec<(TaskId, Cin)> {
        let mut keys: Vec<_> = self.recordings.keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    pub(crate) fn advance(&mut self, key: (TaskId, Cin), now: Time, outlet: &mut Outlet<'_>) {
        if let Some(recording) = self.recordings.get_mut(&key) {
            self.held -= recording.held();
            recording.advance(now, outlet);
            self.held += recording.held();
        }
    }

    /// Ends a recording. A call of which nothing was recorded (its task permits IRI only) has none.
    pub(crate) fn close(&mut self, key: (TaskId, Cin), closed: Option<CallClosed>, outlet: &mut Outlet<'_>) {
        if let Some(recording) = self.recordings.remove(&key) {
            self.held -= recording.held();
            recording.close(closed, outlet);
        }
    }
}
