//! Sealed call records: who called whom, readable only with the key of the record's month.
//!
//! ```text
//! token key = HKDF-SHA256(period key, no salt,    "mandat/token/v1")      RFC 5869
//! seal key  = HKDF-SHA256(period key, segment id, "mandat/seal/v2")
//! token     = HMAC-SHA256(token key, identity)[..16]                      RFC 2104
//! sealed    = AES-256-GCM(seal key, nonce = row index as 96 bits, AAD = segment id, row index as 64 bits,
//!                         caller token, callee token; body)   NIST SP 800-38D
//! body      = MessagePack: `body.rs`
//! ```
//! Numbers are big endian. A segment id is random and used for one batch, so no nonce is used twice under one key.
//! Tokens let one who holds the period key look up one identity without opening anything else; destroying the key
//! erases the month. They are equal for equal identities: within a month, who calls often is visible, not who it is.
//!
//! This is version 2, as `version` in a batch's metadata says; a batch that says nothing is of version 1, whose bodies
//! were JSON. A reader refuses what it doesn't know, and as the version is in the seal key, none opens as another.

use std::collections::BTreeMap;
use std::sync::Arc;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit, Nonce};
use arrow_array::builder::{StringBuilder, TimestampMicrosecondBuilder, UInt16Builder};
use arrow_array::{ArrayRef, BinaryArray, FixedSizeBinaryArray, RecordBatch, UInt32Array};
use arrow_buffer::{Buffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use mandat_core::{CallRecord, TaskId};
use rmp::encode::ByteBuf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::body;
use crate::error::SinkError;
use crate::files::hex;
use crate::table::ipc_stream;
use crate::time::Month;

/// How a batch is sealed and what its bodies are.
pub(crate) const VERSION: &str = "2";

/// Rows of one batch: about 15 MiB, and a row index that fits any integer a reader may use.
pub const MAX_BATCH: usize = 65_536;
/// Records that may wait for keys: four full batches, about 150 MiB. With keys in place `take` empties a batch as
/// soon as it is full, so this bites only when nobody gives keys or takes.
const MAX_WAITING: usize = 4 * MAX_BATCH;

/// Sealed octets of one batch, beyond which it is full whatever its rows: offsets into them have 31 bits. Records whose
/// parties are as long as messages permit would come near.
const MAX_SEALED: usize = 1 << 28;

/// Octets of a token: 128 bits, no chance of a false hit among all calls of a continent.
pub const TOKEN: usize = 16;
/// Octets of a segment id.
pub const SEGMENT: usize = 16;

type Token = [u8; TOKEN];

fn derive(period_key: &[u8; 32], salt: Option<&[u8]>, info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    // Fails only for more than 255 * 32 octets (RFC 5869, 2.3).
    let _ = Hkdf::<Sha256>::new(salt, period_key).expand(info, &mut *key);
    key
}

/// Makes the tokens of one period; the key's two hash states are computed once.
struct Tokens(Hmac<Sha256>);

impl Tokens {
    fn new(period_key: &[u8; 32]) -> Self {
        let key = derive(period_key, None, b"mandat/token/v1");
        // RFC 2104 fills a short key with zeros up to the block; done here, nothing can fail.
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(&*key);
        Self(<Hmac<Sha256> as KeyInit>::new(&(*block).into()))
    }

    fn of(&self, identity: &str) -> Token {
        let mut mac = self.0.clone();
        mac.update(identity.as_bytes());
        let full = mac.finalize().into_bytes();
        std::array::from_fn(|i| full[i])
    }
}

/// The token of an identity (a number without `+`, or a normalised URI) under a period key.
pub fn identity_token(period_key: &[u8; 32], identity: &str) -> [u8; TOKEN] {
    Tokens::new(period_key).of(identity)
}

fn cipher(period_key: &[u8; 32], segment: &[u8; SEGMENT]) -> Aes256Gcm {
    Aes256Gcm::new(&(*derive(period_key, Some(segment), b"mandat/seal/v2")).into())
}

fn nonce(index: u64) -> Nonce<Aes256Gcm> {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&index.to_be_bytes());
    nonce.into()
}

fn aad(segment: &[u8; SEGMENT], index: u64, caller: &Token, callee: &Token) -> [u8; SEGMENT + 8 + 2 * TOKEN] {
    let mut out = [0; SEGMENT + 8 + 2 * TOKEN];
    out[..16].copy_from_slice(segment);
    out[16..24].copy_from_slice(&index.to_be_bytes());
    out[24..40].copy_from_slice(caller);
    out[40..].copy_from_slice(callee);
    out
}

/// Opens one row: its body, as `MessagePack`; `None` if any part isn't what was sealed.
pub fn unseal(
    period_key: &[u8; 32],
    segment: &[u8; SEGMENT],
    index: u64,
    caller_token: &[u8; TOKEN],
    callee_token: &[u8; TOKEN],
    sealed: &[u8],
) -> Option<Vec<u8>> {
    let mut buffer = sealed.to_vec();
    let aad = aad(segment, index, caller_token, callee_token);
    cipher(period_key, segment).decrypt_in_place(&nonce(index), &aad, &mut buffer).ok()?;
    Some(buffer)
}

/// Seals the rows of one batch.
struct Sealer {
    cipher: Aes256Gcm,
    segment: [u8; SEGMENT],
}

impl Sealer {
    fn new(period_key: &[u8; 32], segment: [u8; SEGMENT]) -> Self {
        Self { cipher: cipher(period_key, &segment), segment }
    }

    /// Writes a record's body behind what `out` holds and seals it there.
    fn seal(
        &self,
        index: u64,
        tokens: [&Token; 2],
        record: &CallRecord,
        out: &mut ByteBuf,
    ) -> Result<(), SinkError> {
        let from = out.as_slice().len();
        body::write(out, record).map_err(|_| SinkError::Internal("MessagePack"))?;
        let aad = aad(&self.segment, index, tokens[0], tokens[1]);
        let body = &mut out.as_mut_vec()[from..];
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce(index), &aad, body.into())
            .map_err(|_| SinkError::Internal("AES-GCM"))?;
        out.as_mut_vec().extend_from_slice(&tag);
        Ok(())
    }
}

/// The columns of a batch of sealed call records.
///
/// `row` (u32: its place, to which the seal is bound, so that a later sort doesn't lose it), `start`, `ringing`, `answer`, `end` (timestamp µs UTC), `end_reason` (utf8), `status` (u16), `caller_token`,
/// `callee_token` (16 octets), `sealed` (binary). The schema's metadata hold `version`, `period` and `segment` (hex).
pub fn record_schema(period: &str, segment: &[u8; SEGMENT]) -> Schema {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let token = || DataType::FixedSizeBinary(TOKEN as i32);
    let columns = vec![
        Field::new("row", DataType::UInt32, false),
        Field::new("start", time(), false),
        Field::new("ringing", time(), true),
        Field::new("answer", time(), true),
        Field::new("end", time(), true),
        Field::new("end_reason", DataType::Utf8, false),
        Field::new("status", DataType::UInt16, true),
        Field::new("caller_token", token(), false),
        Field::new("callee_token", token(), false),
        Field::new("sealed", DataType::Binary, false),
    ];
    let metadata =
        [("version", VERSION.to_owned()), ("period", period.to_owned()), ("segment", hex(segment))];
    Schema::new_with_metadata(columns, metadata.map(|(name, value)| (name.to_owned(), value)))
}

/// A batch under way: its columns grow as records come, so that no record waits in clear once its key is known.
struct Batch {
    segment: [u8; SEGMENT],
    tokens: Tokens,
    sealer: Sealer,
    rows: usize,
    /// Start, ringing, answer, end.
    times: [TimestampMicrosecondBuilder; 4],
    end_reason: StringBuilder,
    status: UInt16Builder,
    callers: Vec<u8>,
    callees: Vec<u8>,
    /// Sealed bodies, one behind the other, and how long each is.
    sealed: ByteBuf,
    lengths: Vec<usize>,
}

impl Batch {
    /// An empty batch under a segment id that was never used before.
    fn new(key: &[u8; 32]) -> Result<Self, SinkError> {
        let mut segment = [0; SEGMENT];
        getrandom::fill(&mut segment).map_err(|_| SinkError::Internal("getrandom"))?;
        Ok(Self {
            segment,
            tokens: Tokens::new(key),
            sealer: Sealer::new(key, segment),
            rows: 0,
            times: std::array::from_fn(|_| TimestampMicrosecondBuilder::new()),
            end_reason: StringBuilder::new(),
            status: UInt16Builder::new(),
            callers: Vec::new(),
            callees: Vec::new(),
            sealed: ByteBuf::new(),
            lengths: Vec::new(),
        })
    }

    /// Whether no further record fits.
    fn is_full(&self) -> bool {
        self.rows == MAX_BATCH || self.sealed.as_slice().len() >= MAX_SEALED
    }

    fn push(&mut self, record: &CallRecord) -> Result<(), SinkError> {
        let (caller, callee) = (self.tokens.of(&record.caller.0), self.tokens.of(&record.callee.0));
        let before = self.sealed.as_slice().len();
        if let Err(error) = self.sealer.seal(self.rows as u64, [&caller, &callee], record, &mut self.sealed) {
            // Nothing of it stays behind in clear.
            self.sealed.as_mut_vec().truncate(before);
            return Err(error);
        }
        self.lengths.push(self.sealed.as_slice().len() - before);
        self.callers.extend_from_slice(&caller);
        self.callees.extend_from_slice(&callee);
        let times = [Some(record.start), record.ringing, record.answer, record.end];
        for (column, time) in self.times.iter_mut().zip(times) {
            column.append_option(time.map(|t| t.0.div_euclid(1000)));
        }
        self.end_reason.append_value(record.end_reason.name());
        self.status.append_option(record.status);
        self.rows += 1;
        Ok(())
    }

    /// The batch as an Arrow IPC stream.
    fn finish(self, period: &str) -> Result<Vec<u8>, SinkError> {
        let schema = Arc::new(record_schema(period, &self.segment));
        let batch = self
            .columns()
            .and_then(|columns| RecordBatch::try_new(Arc::clone(&schema), columns))
            .map_err(|_| SinkError::Internal("Arrow"))?;
        ipc_stream(&schema, &batch, Vec::new()).map_err(|_| SinkError::Internal("Arrow"))
    }

    /// In the order of [`record_schema`].
    fn columns(mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        let tokens = |octets: Vec<u8>| FixedSizeBinaryArray::try_new(TOKEN as i32, octets.into(), None);
        let sealed = BinaryArray::try_new(
            OffsetBuffer::from_lengths(self.lengths),
            Buffer::from_vec(self.sealed.into_vec()),
            None,
        )?;
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(10);
        columns.push(Arc::new(UInt32Array::from_iter_values(0..self.rows as u32)));
        for column in &mut self.times {
            columns.push(Arc::new(column.finish().with_timezone("UTC")));
        }
        columns.push(Arc::new(self.end_reason.finish()));
        columns.push(Arc::new(self.status.finish()));
        columns.push(Arc::new(tokens(self.callers)?));
        columns.push(Arc::new(tokens(self.callees)?));
        columns.push(Arc::new(sealed));
        Ok(columns)
    }
}

/// The records of one task and month.
#[derive(Default)]
struct Held {
    /// In clear, until the key comes.
    waiting: Vec<CallRecord>,
    open: Option<Batch>,
    /// Full batches that nobody has taken.
    full: Vec<Batch>,
}

impl Held {
    fn seal(&mut self, key: &[u8; 32], record: &CallRecord) -> Result<(), SinkError> {
        if self.open.is_none() {
            self.open = Some(Batch::new(key)?);
        }
        self.push(record)
    }

    /// Seals a record into the open batch; there is one.
    fn push(&mut self, record: &CallRecord) -> Result<(), SinkError> {
        let Some(batch) = &mut self.open else { return Err(SinkError::Internal("no batch")) };
        batch.push(record)?;
        if batch.is_full() {
            self.full.extend(self.open.take());
        }
        Ok(())
    }
}

/// Seals call records as they come, by task and month.
#[derive(Default)]
pub struct RecordSealer {
    months: BTreeMap<(TaskId, Month), Held>,
    /// By the name of their month.
    keys: BTreeMap<String, Zeroizing<[u8; 32]>>,
    /// Records held: waiting, or sealed and not taken.
    count: usize,
    dropped: u64,
}

impl std::fmt::Debug for RecordSealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordSealer").field("held", &self.count).finish_non_exhaustive()
    }
}

impl RecordSealer {
    /// Seals a record, or holds it until the key of its month is given. Refused, and counted, when too many are held.
    pub fn accept(&mut self, record: CallRecord) -> Result<(), SinkError> {
        if self.count >= MAX_WAITING {
            self.dropped += 1;
            return Err(SinkError::RecordsWaiting { limit: MAX_WAITING });
        }
        let month = Month::of(record.start);
        let held = self.months.entry((record.task, month)).or_default();
        // An open batch has the key: its month needs no name and no look-up.
        if held.open.is_some() {
            held.push(&record)?;
        } else if let Some(key) = self.keys.get(&month.to_string()) {
            held.seal(key, &record)?;
        } else {
            held.waiting.push(record);
        }
        self.count += 1;
        Ok(())
    }

    /// Records refused because too many were held.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Periods of which records wait and no key was given.
    pub fn periods_wanted(&self) -> Vec<String> {
        let waiting = self.months.iter().filter(|(_, held)| !held.waiting.is_empty());
        let mut wanted: Vec<String> = waiting.map(|((_, month), _)| month.to_string()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|period| !self.keys.contains_key(period));
        wanted
    }

    /// Gives the key of a period. What has waited for it is sealed when batches are next taken.
    pub fn put_period_key(&mut self, period: String, key: [u8; 32]) {
        self.keys.insert(period, Zeroizing::new(key));
    }

    /// Full batches of periods whose key is known; with `everything` those under way too.
    pub fn take(&mut self, everything: bool) -> Result<Vec<(TaskId, String, Vec<u8>)>, SinkError> {
        let mut out = Vec::new();
        for ((task, month), held) in &mut self.months {
            let period = month.to_string();
            let Some(key) = self.keys.get(&period) else { continue };
            for record in std::mem::take(&mut held.waiting) {
                held.seal(key, &record)?;
            }
            let open = if everything { held.open.take() } else { None };
            for batch in std::mem::take(&mut held.full).into_iter().chain(open) {
                self.count -= batch.rows;
                out.push((*task, period.clone(), batch.finish(&period)?));
            }
        }
        self.months.retain(|_, held| !(held.waiting.is_empty() && held.open.is_none()));
        Ok(out)
    }
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
