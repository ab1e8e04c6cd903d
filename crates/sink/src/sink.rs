//! Where product is told apart and sent to its file.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use mandat_core::{Cc, CcKind, Cin, Iri, Product, TaskId, Time};

use crate::error::SinkError;
use crate::files::{MAX_LIID, MAX_RUN, Recipients, check_name};
use crate::iri::TextRow;
use crate::mail::Mails;
use crate::recorder::{MEMORY, Recorder};
use crate::recording::Outlet;
use crate::seal::RecordSealer;
use crate::table::Table;

/// Capture time between two looks at what has become due: short against the 10 s of a segment, long against a packet.
const STEP: i64 = 500_000_000;

/// What a run wrote for one task.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Totals {
    /// Octets of finished encrypted files.
    pub octets: u64,
    /// Finished files of recordings, pcapng and WAV.
    pub segments: u64,
    /// Recordings begun.
    pub recordings: u64,
    /// IRI records in finished files.
    pub iri: u64,
    /// Texts in finished files.
    pub texts: u64,
    /// Mails in finished files.
    pub mails: u64,
    /// IRI records, texts and mails that the disk did not take.
    pub rows_dropped: u64,
    /// Packets refused because too many calls were being recorded.
    pub packets_refused: u64,
}

struct Task {
    liid: String,
    recipients: Recipients,
    iri: Table<Iri>,
    texts: Table<TextRow>,
    mails: Mails,
    totals: Totals,
}

/// Failures are told once a task and cause, and the first of them again at the end; each costs counts, never the run.
#[derive(Default)]
struct Faults {
    told: HashSet<(TaskId, &'static str)>,
    fresh: Option<SinkError>,
    first: Option<SinkError>,
}

impl Faults {
    fn note(&mut self, task: TaskId, error: SinkError) {
        self.first.get_or_insert_with(|| error.clone());
        if self.told.insert((task, error.code())) {
            self.fresh.get_or_insert(error);
        }
    }
}

/// The way out of everything that a warrant permits to be kept. See the crate's documentation for the files.
pub struct Sink {
    root: PathBuf,
    run: String,
    tasks: BTreeMap<TaskId, Task>,
    recorder: Recorder,
    records: RecordSealer,
    faults: Faults,
    looked: Option<Time>,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink")
            .field("run", &self.run)
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}

impl Sink {
    /// A sink below `root`. `run` becomes part of file names and must not have been used before.
    pub fn new(root: PathBuf, run: String) -> Result<Self, SinkError> {
        Self::with_memory(root, run, MEMORY)
    }

    fn with_memory(root: PathBuf, run: String, memory: usize) -> Result<Self, SinkError> {
        check_name("run", &run, MAX_RUN)?;
        Ok(Self {
            root,
            run,
            tasks: BTreeMap::new(),
            recorder: Recorder::new(memory),
            records: RecordSealer::default(),
            faults: Faults::default(),
            looked: None,
        })
    }

    /// Makes ready for a task's product. A retention task may go without recipients: its records are sealed.
    pub fn add_task(&mut self, task: TaskId, liid: &str, recipients: &[String]) -> Result<(), SinkError> {
        check_name("LIID", liid, MAX_LIID)?;
        if self.tasks.contains_key(&task) || self.tasks.values().any(|t| t.liid == liid) {
            return Err(SinkError::Duplicate { liid: liid.to_owned() });
        }
        let dir = self.root.join(liid);
        let added = Task {
            liid: liid.to_owned(),
            recipients: Recipients::parse(liid, recipients)?,
            iri: Table::new(dir.join("iri")),
            texts: Table::new(dir.join("texts")),
            mails: Mails::new(dir.join("mails")),
            totals: Totals::default(),
        };
        self.tasks.insert(task, added);
        Ok(())
    }

    /// Takes one piece of product.
    pub fn accept(&mut self, product: Product) -> Result<(), SinkError> {
        match product {
            Product::Iri(iri) => {
                let (id, now) = (iri.task, iri.ts);
                self.content_task(id)?.iri.push(*iri);
                self.flush_tables(id, Some(now));
            }
            Product::Cc(cc) if matches!(cc.kind, CcKind::Text) => {
                let (id, now) = (cc.task, cc.ts);
                self.content_task(id)?.texts.push(TextRow(cc));
                self.flush_tables(id, Some(now));
            }
            Product::Cc(cc) => match cc.kind {
                CcKind::Mail { partial } => self.mail(&cc, partial)?,
                _ => self.record(&cc)?,
            },
            Product::CallClosed(closed) => {
                let key = (closed.task, closed.cin);
                self.with_outlet(key, |recorder, outlet| recorder.close(key, Some(*closed), outlet));
            }
            Product::CallRecord(record) => self.records.accept(*record)?,
            // The core releases nothing more of the task; what it released before is kept.
            Product::Suspended(..) => {}
        }
        self.surface()
    }

    /// Writes what has become due by `now`, a moment of capture time.
    pub fn advance(&mut self, now: Time) -> Result<(), SinkError> {
        // A clock that went back looks at once as well: better too often than not for an hour.
        if self.looked.is_some_and(|t| (0..STEP).contains(&now.since(t))) {
            return self.surface();
        }
        self.looked = Some(now);
        for id in self.ids() {
            self.flush_tables(id, Some(now));
        }
        for key in self.recorder.keys() {
            self.with_outlet(key, |recorder, outlet| recorder.advance(key, now, outlet));
        }
        self.surface()
    }

    /// Ends the run: writes all that waits and closes all recordings. Tells the first failure of the run once more.
    pub fn finish(&mut self) -> Result<(), SinkError> {
        for key in self.recorder.keys() {
            self.with_outlet(key, |recorder, outlet| recorder.close(key, None, outlet));
        }
        for id in self.ids() {
            self.flush_tables(id, None);
            if let Some(task) = self.tasks.get_mut(&id) {
                task.iri.abandon();
                task.texts.abandon();
            }
        }
        self.faults.fresh = None;
        self.faults.first.take().map_or(Ok(()), Err)
    }

    /// What this run has written for a task so far.
    pub fn totals(&self, task: TaskId) -> Option<Totals> {
        self.tasks.get(&task).map(|t| Totals {
            iri: t.iri.written,
            texts: t.texts.written,
            mails: t.mails.written,
            rows_dropped: t.iri.dropped + t.texts.dropped + t.mails.dropped,
            ..t.totals
        })
    }

    /// The call records that wait for their keys.
    pub const fn records(&mut self) -> &mut RecordSealer {
        &mut self.records
    }

    fn ids(&self) -> Vec<TaskId> {
        self.tasks.keys().copied().collect()
    }

    fn surface(&mut self) -> Result<(), SinkError> {
        self.faults.fresh.take().map_or(Ok(()), Err)
    }

    fn content_task(&mut self, id: TaskId) -> Result<&mut Task, SinkError> {
        let task = self.tasks.get_mut(&id).ok_or(SinkError::UnknownTask(id))?;
        if task.recipients.is_empty() {
            return Err(SinkError::NoRecipient { liid: task.liid.clone() });
        }
        Ok(task)
    }

    fn mail(&mut self, cc: &Cc, partial: bool) -> Result<(), SinkError> {
        self.content_task(cc.task)?;
        let Some(Task { mails, recipients, totals, .. }) = self.tasks.get_mut(&cc.task) else {
            return Ok(());
        };
        match mails.write(cc, partial, &self.run, recipients) {
            Ok(octets) => totals.octets += octets,
            Err(error) => self.faults.note(cc.task, error),
        }
        Ok(())
    }

    fn record(&mut self, cc: &Cc) -> Result<(), SinkError> {
        let begins = self.recorder.begins(cc);
        let task = self.content_task(cc.task)?;
        let Some(begins) = begins else {
            task.totals.packets_refused += 1;
            return Ok(());
        };
        task.totals.recordings += u64::from(begins);
        let dir =
            self.root.join(&self.tasks[&cc.task].liid).join("recordings").join(format!("{:010}", cc.cin.0));
        self.with_outlet((cc.task, cc.cin), |recorder, outlet| recorder.accept(cc, || dir, outlet));
        while let Some(key) = self.recorder.fullest() {
            self.with_outlet(key, |recorder, outlet| recorder.relieve(key, outlet));
        }
        Ok(())
    }

    /// Lends the recorder out together with the task's recipients and counts.
    fn with_outlet(&mut self, key: (TaskId, Cin), act: impl FnOnce(&mut Recorder, &mut Outlet<'_>)) {
        let Some(Task { recipients, totals, .. }) = self.tasks.get_mut(&key.0) else { return };
        let faults = &mut self.faults;
        let mut outlet = Outlet {
            recipients,
            fault: &mut |error| faults.note(key.0, error),
            finished: &mut |octets| {
                totals.octets += octets;
                totals.segments += 1;
            },
        };
        act(&mut self.recorder, &mut outlet);
    }

    /// Writes a task's tables if they are due, or in any case when `now` is `None`.
    fn flush_tables(&mut self, id: TaskId, now: Option<Time>) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let mut results = Vec::with_capacity(2);
        if now.is_none_or(|now| task.iri.is_due(now)) {
            results.push(task.iri.flush(&self.run, &task.liid, &task.recipients));
        }
        if now.is_none_or(|now| task.texts.is_due(now)) {
            results.push(task.texts.flush(&self.run, &task.liid, &task.recipients));
        }
        for result in results {
            match result {
                Ok(octets) => task.totals.octets += octets,
                Err(error) => self.faults.note(id, error),
            }
        }
    }
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
