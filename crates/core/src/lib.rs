//! The point of interception: it sees all traffic and lets out only product.
//!
//! ```text
//!  Packet ─▶ decode ─▶ session ─▶ match ─▶ Product
//!                                   │  └─▶ dropped, counted
//!            warrant, approvals, log proof ─▶ Task::admit
//! ```
//!
//! [`Point::handle`] takes a packet, [`Point::poll`] gives product. There is no other way in or out: `decode` and
//! `session` are private to this crate, decoders only borrow, sessions own identifiers and never payload, and each
//! constructor of product takes a `Match`, which only the matcher makes and only from an admitted [`Task`].
//!
//! The crate is pure: no files, no clock (time comes from packets and arguments), no threads, no Python.
#![forbid(unsafe_code)]

mod config;
mod copies;
mod counters;
mod decode;
mod error;
mod identifier;
mod keyword;
mod matching;
mod packet;
mod point;
mod product;
mod proof;
mod redact;
mod session;
mod task;

#[cfg(feature = "fuzz")]
pub mod fuzz;
#[cfg(feature = "inspect")]
pub mod inspect;

pub use config::Config;
pub use counters::{Counter, Counters};
pub use error::Refusal;
pub use matching::{Match, Resume, TaskState};
pub use packet::{Endpoint, LinkType, Packet, Seen, Time, Transport};
pub use point::{Admission, Point};
pub use product::*;
pub use redact::Pii;
pub use task::{Kind, Task};
