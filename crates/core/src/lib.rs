//! The point of interception: it sees all traffic and lets out only product.
#![forbid(unsafe_code)]

mod counters;
mod decode;
mod identifier;
mod keyword;
mod matching;
mod packet;
mod proof;
mod product;
mod redact;
mod session;

pub use counters::{Counter, Counters};
pub use packet::{Endpoint, LinkType, Packet, Seen, Time, Transport};
pub use product::*;
pub use redact::Pii;
