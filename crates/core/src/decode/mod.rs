//! Octets to borrowed messages. Stateless: a decoder sees one buffer and keeps nothing. One file and one fuzz target
//! a protocol; each is a pure function that never panics, whatever the octets.
//!
//! To add a protocol: copy the shape of `http.rs`, add its `mod` line here, its body to `fuzz.rs`, its target to
//! `fuzz/`, and its arm to `session/demux.rs` or `session/connection.rs`.

pub(crate) mod ber;
pub(crate) mod cursor;
pub(crate) mod dhcp;
pub(crate) mod dhcpv6;
pub(crate) mod diameter;
pub(crate) mod dns;
pub(crate) mod dtls;
pub(crate) mod dtmf;
pub(crate) mod gquic;
pub(crate) mod gsm7;
pub(crate) mod gtpv1c;
pub(crate) mod gtpv2c;
pub(crate) mod hep;
pub(crate) mod hpack;
pub(crate) mod http;
pub(crate) mod http2;
pub(crate) mod ip;
pub(crate) mod isup;
pub(crate) mod label;
pub(crate) mod link;
pub(crate) mod mail;
pub(crate) mod map;
pub(crate) mod mime;
pub(crate) mod mtp3;
pub(crate) mod name;
pub(crate) mod quic;
pub(crate) mod radius;
pub(crate) mod receipt;
pub(crate) mod red;
pub(crate) mod rs_metadata;
pub(crate) mod rtcp;
pub(crate) mod rtp;
pub(crate) mod sccp;
pub(crate) mod sctp;
pub(crate) mod sdes;
pub(crate) mod sdp;
pub(crate) mod sigtran;
pub(crate) mod sip;
pub(crate) mod smpp;
pub(crate) mod sms;
pub(crate) mod srtp;
pub(crate) mod tbcd;
pub(crate) mod tcap;
pub(crate) mod tls;
pub(crate) mod transport;
pub(crate) mod tunnel;
pub(crate) mod unseen;
pub(crate) mod websocket;
pub(crate) mod xml;

/// What a stream decoder says of the octets at the head of a TCP stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    /// The first `n` octets are one whole message.
    Message(usize),
    /// The first `n` octets are not a message (a keep-alive, octets before the first message of a stream joined late).
    Skip(usize),
    /// So far it may be one of ours; more octets must come.
    NeedMore,
    /// Not this protocol, or damaged beyond resynchronisation.
    Foreign,
}
