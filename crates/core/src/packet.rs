//! What a source hands to the point: one captured packet, borrowed.

use std::fmt;
use std::net::IpAddr;

/// A moment in capture time: nanoseconds since the Unix epoch. The core has no other clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Time(pub i64);

impl Time {
    /// The moment `seconds` later; saturates at the ends of the range.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000_000)))
    }

    /// Nanoseconds from `earlier` to `self`; negative when the capture's clock went backwards.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Seconds since the Unix epoch, for people and for JSON.
    #[allow(clippy::cast_precision_loss, reason = "microseconds survive until the year 2255")]
    pub fn seconds(self) -> f64 {
        (self.0 / 1000) as f64 / 1e6
    }
}

/// A LINKTYPE number of the pcap registry. Open: unknown values are kept and counted, never guessed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LinkType(pub u32);

impl LinkType {
    /// BSD loopback: address family in the capturing host's byte order.
    pub const NULL: Self = Self(0);
    /// Ethernet II / 802.3.
    pub const ETHERNET: Self = Self(1);
    /// Raw IP as some old BSD captures number it.
    pub const RAW_BSD: Self = Self(12);
    /// Raw IP, `OpenBSD`'s number.
    pub const RAW_OPENBSD: Self = Self(14);
    /// Raw IPv4 or IPv6, told apart by the version nibble.
    pub const RAW: Self = Self(101);
    /// `OpenBSD` loopback: address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture, version 1.
    pub const LINUX_SLL: Self = Self(113);
    /// MTP level 2 behind a pseudo-header.
    pub const MTP2_WITH_PHDR: Self = Self(139);
    /// MTP level 2 (Q.703).
    pub const MTP2: Self = Self(140);
    /// MTP level 3 (Q.704).
    pub const MTP3: Self = Self(141);
    /// SCCP (Q.713), as some probes export it.
    pub const SCCP: Self = Self(142);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux netfilter log.
    pub const NFLOG: Self = Self(239);
    /// SCTP without its network layer.
    pub const SCTP: Self = Self(248);
    /// Wireshark exported PDU: a message put together from several packets.
    pub const UPPER_PDU: Self = Self(252);
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);
}

/// One packet as captured. Borrowed from the source's buffer: it lives until the next read.
#[derive(Clone, Copy)]
pub struct Packet<'a> {
    /// When the tap saw it.
    pub ts: Time,
    /// How `data` begins.
    pub link: LinkType,
    /// The octets captured.
    pub data: &'a [u8],
    /// Octets on the wire; more than `data.len()` when the snapshot length cut the packet.
    pub wire_len: u32,
}

impl fmt::Debug for Packet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packet({:?}, {} of {} octets)", self.ts, self.data.len(), self.wire_len)
    }
}

/// A transport address. IPv4 in IPv6-mapped form is never used: one address has one spelling.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Innermost IP address.
    pub ip: IpAddr,
    /// UDP or TCP port.
    pub port: u16,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address identifies a subscriber; it is never printed by accident.
        f.write_str("Endpoint(redacted)")
    }
}

/// The transport that carried a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transport {
    /// RFC 768.
    Udp,
    /// RFC 9293.
    Tcp,
    /// RFC 9260.
    Sctp,
    /// A signalling link of SS7 (Q.703): its messages have no IP address, so ends are the unspecified one.
    Mtp,
}

impl Transport {
    /// Upper-case name, as in a Via header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Sctp => "SCTP",
            Self::Mtp => "MTP",
        }
    }
}

/// Where and when a message was seen, and the captured packet it came in.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Time of the packet that completed the message.
    pub ts: Time,
    /// Sender.
    pub src: Endpoint,
    /// Receiver.
    pub dst: Endpoint,
    /// UDP or TCP.
    pub transport: Transport,
    /// The captured packet, when the whole message and nothing else sits in it. `None` when the message was put
    /// together from fragments or segments: those packets may hold other people's messages as well, so evidence
    /// then keeps the message alone, as an exported PDU.
    pub packet: Option<Packet<'a>>,
    /// The message's octets (UDP payload, or one framed message of a TCP stream).
    pub payload: &'a [u8],
}
