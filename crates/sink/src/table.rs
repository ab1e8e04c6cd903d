//! Rows that wait in memory and leave as encrypted Arrow IPC streams, each with an index that names nobody.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Schema};
use mandat_core::Time;
use serde::Serialize;

use crate::error::SinkError;
use crate::files::{Recipients, write_json, write_sealed};

/// Rows of one file. A row of IRI is about 1 KiB, so a file is about 1 MiB: cheap to hold, and soon full when busy.
pub(crate) const MAX_ROWS: usize = 1024;
/// A desk sees a record this many seconds after the event, and a crash costs no more.
pub(crate) const MAX_AGE_SECONDS: i64 = 10;
/// Rows held while the disk refuses them; later ones are dropped and counted.
pub(crate) const MAX_HELD: usize = 8 * MAX_ROWS;

/// What a table holds.
pub(crate) trait Row {
    /// One line of the index beside the file: no identity, no content.
    type Index<'a>: Serialize
    where
        Self: 'a;

    fn ts(&self) -> Time;
    fn index(&self) -> Self::Index<'_>;
    fn schema() -> Arc<Schema>;
    fn batch(rows: &[Self]) -> Result<RecordBatch, ArrowError>
    where
        Self: Sized;
}

#[derive(Serialize)]
struct Index<'a, T> {
    version: u8,
    run: &'a str,
    liid: &'a str,
    file: String,
    sha256: String,
    octets: u64,
    rows: Vec<T>,
}

/// One table of one task.
pub(crate) struct Table<R> {
    dir: PathBuf,
    rows: Vec<R>,
    /// Capture time of the first row that waits, or of the last attempt that failed.
    since: Option<Time>,
    number: u32,
    /// Rows in finished files.
    pub(crate) written: u64,
    /// Rows that found no room while the disk refused.
    pub(crate) dropped: u64,
}

impl<R: Row> Table<R> {
    pub(crate) const fn new(dir: PathBuf) -> Self {
        Self { dir, rows: Vec::new(), since: None, number: 0, written: 0, dropped: 0 }
    }

    pub(crate) fn push(&mut self, row: R) {
        if self.rows.len() >= MAX_HELD {
            self.dropped += 1;
            return;
        }
        self.since.get_or_insert(row.ts());
        self.rows.push(row);
    }

    /// Whether it is time to write. After a failure the next attempt is [`MAX_AGE_SECONDS`] away.
    pub(crate) fn is_due(&self, now: Time) -> bool {
        // Exactly full, not "at least": a full disk must not be tried again with each row.
        self.rows.len() == MAX_ROWS || self.since.is_some_and(|t| now >= t.plus_seconds(MAX_AGE_SECONDS))
    }

    /// Writes all rows that wait. Returns the octets of the file.
    pub(crate) fn flush(&mut self, run: &str, liid: &str, to: &Recipients) -> Result<u64, SinkError> {
        if self.rows.is_empty() {
            return Ok(0);
        }
        self.since = self.rows.last().map(Row::ts);
        let batch = R::batch(&self.rows).map_err(|_| SinkError::Internal("Arrow"))?;
        let stem = format!("{run}-{:04}", self.number);
        let file = format!("{stem}.arrow.age");
        let written =
            write_sealed(&self.dir.join(&file), to, |w| ipc_stream(&R::schema(), &batch, w).map(|_| ()))?;
        let rows = self.rows.iter().map(Row::index).collect();
        let index =
            Index { version: 1, run, liid, file, sha256: written.sha256, octets: written.octets, rows };
        let indexed = write_json(&self.dir.join(format!("{stem}.json")), &index, true);
        drop(index);
        // The rows are safe whether or not their index is: they must not be written twice.
        self.number += 1;
        self.written += self.rows.len() as u64;
        self.rows.clear();
        self.since = None;
        indexed.map(|()| written.octets)
    }

    /// Counts what can't be written any more.
    pub(crate) fn abandon(&mut self) {
        self.dropped += self.rows.len() as u64;
        self.rows.clear();
        self.since = None;
    }
}

/// Writes one batch as an Arrow IPC stream.
pub(crate) fn ipc_stream<W: Write>(schema: &Schema, batch: &RecordBatch, out: W) -> io::Result<W> {
    let write = || -> Result<W, ArrowError> {
        let mut writer = StreamWriter::try_new(out, schema)?;
        writer.write(batch)?;
        writer.into_inner()
    };
    write().map_err(|error| match error {
        // Keeps "disk full" recognisable.
        ArrowError::IoError(_, error) => error,
        _ => io::Error::from(io::ErrorKind::InvalidData),
    })
}
