//! The entrance: capture files, compressed or not, and standard input, merged by time.
//!
//! ```text
//! file ─▶ input (gzip, zstd) ─▶ buffer ─▶ pcap | pcapng | netmon ─┐
//! file ─▶ input ───────────────▶ buffer ─▶ pcap | pcapng | netmon ─┼─▶ Merged::next() ─▶ Packet<'_>
//! -    ─▶ input ───────────────▶ buffer ─▶ pcap | pcapng | netmon ─┘
//! ```
//!
//! A packet is a slice of the buffer that its file is read into: nothing is copied and nothing is allocated per
//! packet. Memory depends on how many files overlap in time, never on their size nor on what their headers claim.
//!
//! What a file does wrong never costs the packets before it, nor the other files: it becomes a [`Warning`] that names
//! the file, the octet and what to do. Only when every file failed is there a [`SourceError`].
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that can't go on fails"))]

mod buffer;
mod error;
mod frame_table;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod input;
mod merge;
mod netmon;
mod pcap;
mod pcapng;
mod reader;
mod resolution;
mod siprec;
mod source;
#[cfg(test)]
mod testing;

pub use error::{Reason, SourceError, Warning};
pub use merge::{Merged, open};
pub use siprec::Siprec;
pub use source::{Next, Source};

/// Largest packet that is handed on. It is libpcap's `MAXIMUM_SNAPLEN`, the largest that tcpdump and Wireshark write
/// for the link types that the point reads; a length above it is a damaged length field, not a packet.
pub const MAX_PACKET: usize = 262_144;
