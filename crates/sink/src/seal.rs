//! Sealed call records: who called whom, readable only with the key of the record's month.
//!
//! ```text
//! token key = HKDF-SHA256(period key, no salt,    "mandat/token/v1")      RFC 5869
//! seal key  = HKDF-SHA256(period key, segment id, "mandat/seal/v1")
//! token     = HMAC-SHA256(token key, identity)[..16]                      RFC 2104
//! sealed    = AES-256-GCM(seal key, nonce = row index as 96 bits, AAD = segment id, row index as 64 bits,
//!                         caller token, callee token; JSON of the identities)   NIST SP 800-38D
//! ```
//! Numbers are big endian. A segment id is random and used for one batch, so no nonce is used twice under one key.
//! Tokens let one who holds the period key look up one identity without opening anything else; destroying the key
//! erases the month. They are equal for equal identities: within a month, who calls often is visible, not who it is.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit, Nonce};
use arrow_array::builder::{
    BinaryBuilder, FixedSizeBinaryBuilder, StringBuilder, TimestampMicrosecondBuilder, UInt16Builder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use mandat_core::{CallRecord, Party, TaskId};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::SinkError;
use crate::files::hex;
use crate::table::ipc_stream;
use crate::time::month;

/// Rows of one batch: about 25 MiB, and a row index that fits any integer a reader may use.
pub const MAX_BATCH: usize = 65_536;
/// Records that may wait for keys: four full batches, about 150 MiB. With keys in place `take` empties a batch as
/// soon as it is full, so this bites only when nobody gives keys or takes.
const MAX_WAITING: usize = 4 * MAX_BATCH;

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
    Aes256Gcm::new(&(*derive(period_key, Some(segment), b"mandat/seal/v1")).into())
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

/// Opens one row: the JSON of its identities; `None` if any part isn't what was sealed.
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

/// What is sealed, as compact JSON.
#[derive(Serialize)]
struct Identities<'a> {
    caller: &'a str,
    callee: &'a str,
    #[serde(serialize_with = "pairs")]
    parties: &'a [Party],
    call_id: &'a str,
    src: std::net::IpAddr,
    dst: std::net::IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    course: Option<serde_json::Value>,
}

fn pairs<S: Serializer>(parties: &[Party], to: S) -> Result<S::Ok, S::Error> {
    let mut list = to.serialize_seq(Some(parties.len()))?;
    for party in parties {
        list.serialize_element(&(party.role.name(), &*party.uri.0))?;
    }
    list.end()
}

/// Seals rows of one batch; the buffer is used again for each, and holds only ciphertext between two.
struct Sealer {
    cipher: Aes256Gcm,
    segment: [u8; SEGMENT],
    buffer: Vec<u8>,
}

impl Sealer {
    fn new(period_key: &[u8; 32], segment: [u8; SEGMENT]) -> Self {
        Self { cipher: cipher(period_key, &segment), segment, buffer: Vec::with_capacity(1024) }
    }

    fn seal(&mut self, index: u64, tokens: [&Token; 2], what: &Identities<'_>) -> Result<&[u8], SinkError> {
        self.buffer.clear();
        serde_json::to_writer(&mut self.buffer, what).map_err(|_| SinkError::Internal("JSON"))?;
        let aad = aad(&self.segment, index, tokens[0], tokens[1]);
        self.cipher
            .encrypt_in_place(&nonce(index), &aad, &mut self.buffer)
            .map_err(|_| SinkError::Internal("AES-GCM"))?;
        Ok(&self.buffer)
    }
}

/// The columns of a batch of sealed call records.
///
/// `start`, `ringing`, `answer`, `end` (timestamp µs UTC), `end_reason` (utf8), `status` (u16), `caller_token`,
/// `callee_token` (16 octets), `sealed` (binary). The schema's metadata hold `period` and `segment` (hex).
pub fn record_schema(period: &str, segment: &[u8; SEGMENT]) -> Schema {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let token = || DataType::FixedSizeBinary(TOKEN as i32);
    let columns = vec![
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
        HashMap::from([("period".to_owned(), period.to_owned()), ("segment".to_owned(), hex(segment))]);
    Schema::new_with_metadata(columns, metadata)
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
    callers: FixedSizeBinaryBuilder,
    callees: FixedSizeBinaryBuilder,
    sealed: BinaryBuilder,
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
            callers: FixedSizeBinaryBuilder::new(TOKEN as i32),
            callees: FixedSizeBinaryBuilder::new(TOKEN as i32),
            sealed: BinaryBuilder::new(),
        })
    }

    fn push(&mut self, record: &CallRecord) -> Result<(), SinkError> {
        let arrow = |_| SinkError::Internal("Arrow");
        let (caller, callee) = (self.tokens.of(&record.caller.0), self.tokens.of(&record.callee.0));
        let what = Identities {
            caller: &record.caller.0,
            callee: &record.callee.0,
            parties: &record.parties,
            call_id: &record.call_id.0,
            src: record.src.0,
            dst: record.dst.0,
            course: record.course.as_deref().map(crate::course::json),
        };
        self.sealed.append_value(self.sealer.seal(self.rows as u64, [&caller, &callee], &what)?);
        self.callers.append_value(caller).map_err(arrow)?;
        self.callees.append_value(callee).map_err(arrow)?;
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
    fn finish(mut self, period: &str) -> Result<Vec<u8>, SinkError> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(9);
        for column in &mut self.times {
            columns.push(Arc::new(column.finish().with_timezone("UTC")));
        }
        columns.push(Arc::new(self.end_reason.finish()));
        columns.push(Arc::new(self.status.finish()));
        columns.push(Arc::new(self.callers.finish()));
        columns.push(Arc::new(self.callees.finish()));
        columns.push(Arc::new(self.sealed.finish()));
        let schema = Arc::new(record_schema(period, &self.segment));
        let batch =
            RecordBatch::try_new(Arc::clone(&schema), columns).map_err(|_| SinkError::Internal("Arrow"))?;
        ipc_stream(&schema, &batch, Vec::new()).map_err(|_| SinkError::Internal("Arrow"))
    }
}

/// The records of one task and month.
#[derive(Default)]
struct Month {
    /// In clear, until the key comes.
    waiting: Vec<CallRecord>,
    open: Option<Batch>,
    /// Full batches that nobody has taken.
    full: Vec<Batch>,
}

impl Month {
    fn seal(&mut self, key: &[u8; 32], record: &CallRecord) -> Result<(), SinkError> {
        let batch = match &mut self.open {
            Some(batch) => batch,
            None => self.open.insert(Batch::new(key)?),
        };
        batch.push(record)?;
        if batch.rows == MAX_BATCH {
            self.full.extend(self.open.take());
        }
        Ok(())
    }
}

/// Seals call records as they come, by task and month.
#[derive(Default)]
pub struct RecordSealer {
    months: BTreeMap<(TaskId, String), Month>,
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
        let period = month(record.start);
        let key = self.keys.get(&period);
        let month = self.months.entry((record.task, period)).or_default();
        match key {
            Some(key) => month.seal(key, &record)?,
            None => month.waiting.push(record),
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
        let waiting = self.months.iter().filter(|(_, month)| !month.waiting.is_empty());
        let mut wanted: Vec<String> = waiting.map(|((_, period), _)| period.clone()).collect();
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
        for ((task, period), month) in &mut self.months {
            let Some(key) = self.keys.get(period) else { continue };
            for record in std::mem::take(&mut month.waiting) {
                month.seal(key, &record)?;
            }
            let open = if everything { month.open.take() } else { None };
            for batch in std::mem::take(&mut month.full).into_iter().chain(open) {
                self.count -= batch.rows;
                out.push((*task, period.clone(), batch.finish(period)?));
            }
        }
        self.months.retain(|_, month| !(month.waiting.is_empty() && month.open.is_none()));
        Ok(out)
    }
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
