//! The way out: content leaves encrypted to the warrant's recipients, call records leave sealed.
//!
//! ```text
//! Product ─▶ Sink ─┬─ Iri ────────────▶ table ──▶ Arrow ──▶ age ──▶ <LIID>/iri/<run>-<nnnn>.arrow.age, .json
//!                  ├─ Cc, a text ─────▶ table ──▶ Arrow ──▶ age ──▶ <LIID>/texts/<run>-<nnnn>.arrow.age, .json
//!                  ├─ Cc, a mail ─────────────────────────────▶ age ──▶ <LIID>/mails/<run>-<nnnnnn>.eml.age, .json
//!                  ├─ Cc, a packet ───▶ recording ─┬▶ pcapng ▶ age ──▶ <LIID>/recordings/<cin>/<nnnnnn>.pcapng.age
//!                  │                               └▶ WAV ───▶ age ──▶ <LIID>/recordings/<cin>/<nnnnnn>.wav.age
//!                  ├─ CallClosed ─────▶ recording ──────────────────▶ <LIID>/recordings/<cin>/recording.json
//!                  └─ CallRecord ─────▶ RecordSealer ──▶ sealed Arrow, handed to the caller
//! ```
//!
//! Clear content is in memory only. A file grows as an age stream under a hidden name, is synced and then renamed, so
//! what bears its own name is whole: a kill costs the last 10 s at most. JSON beside it names nobody.
//!
//! **Trust.** The disk is not trusted with content: who takes it learns LIIDs, times and sizes. It is trusted to keep
//! what it has; `sha256` in each index lets a reader see when it did not.
#![forbid(unsafe_code)]

mod audio;
mod body;
mod course;
mod error;
mod files;
mod frames;
mod g711;
mod iri;
mod mail;
mod manifest;
mod pcapng;
mod recorder;
mod recording;
mod seal;
mod sink;
mod table;
#[cfg(test)]
mod testing;
mod time;
mod wav;

pub use body::roles;
pub use error::{Cause, SinkError};
pub use g711::pcm_of;
pub use iri::{iri_schema, text_schema};
pub use seal::{MAX_BATCH, RecordSealer, SEGMENT, TOKEN, identity_token, record_schema, unseal};
pub use sink::{Sink, Totals};
