//! Messages to events. State is bounded, time comes from packets, identifiers are owned and payload is not.
//!
//! [`Sessions`] takes datagrams and streams apart by protocol and keeps one table a kind of session; what happens is
//! told to an [`Observer`]: the point (which matches and releases), or the development tool `inspect` (which prints).

pub(crate) mod call;
mod clock;
mod connection;
mod datagram;
mod demux;
mod expiry;
pub(crate) mod fragments;
mod hello;
pub(crate) mod hep;
mod http2;
pub(crate) mod identity;
pub(crate) mod mail;
pub(crate) mod message;
pub(crate) mod quic;
mod sip_stream;
mod ss7;
pub(crate) mod tcp;
pub(crate) mod tls;
pub(crate) mod web;
mod websocket;

pub(crate) use demux::Sessions;

use crate::counters::Counter;
use crate::decode::receipt::State;
use crate::decode::sms::Kind;
use crate::decode::unseen::Unseen;
use crate::decode::{dns, ip, isup, rtp, sip};
use crate::matching::{Match, Selection};
use crate::packet::{Endpoint, Seen, Time, Transport};
use crate::product::{Carrier, Party, Side};

/// What changed in a call by one signalling message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// The first INVITE.
    Begin,
    /// The first 180 or 183.
    Ringing,
    /// The first 2xx to INVITE.
    Answer,
    /// A later offer or answer moved the media or changed the direction (re-INVITE, UPDATE).
    Media,
    /// BYE, CANCEL of an unanswered call, or a final failure.
    End,
    /// Nothing that a record tells: a retransmission, 100, ACK, PRACK, a challenge that is tried again, …
    Nothing,
}

/// How a text was carried.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum TextVia {
    /// SIP MESSAGE with a text body (RFC 3428).
    Sip,
    /// SIP MESSAGE with `application/vnd.3gpp.sms` (TS 24.341).
    Ims,
    /// SMPP.
    Smpp,
    /// MAP mo-ForwardSM and mt-ForwardSM (TS 29.002).
    Map,
}

impl TextVia {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sip => "sip",
            Self::Ims => "ims",
            Self::Smpp => "smpp",
            Self::Map => "map",
        }
    }
}

/// One text message, whole: parts are already joined.
pub(crate) struct Text<'a> {
    pub(crate) via: TextVia,
    /// Identities: From/To/Request-URI/P-Asserted-Identity for SIP, Originator/Recipient for short messages.
    pub(crate) parties: &'a [Party],
    /// What it is.
    pub(crate) kind: Kind,
    /// `None` when the body is binary or of an unknown alphabet.
    pub(crate) text: Option<&'a str>,
    /// Parts that the message was sent in.
    pub(crate) parts: u8,
    /// Some parts never came.
    pub(crate) partial: bool,
    /// When the first part was seen.
    pub(crate) start: Time,
}

/// A receipt of a text message that was told before.
pub(crate) struct Receipt<'a> {
    pub(crate) via: TextVia,
    pub(crate) parties: &'a [Party],
    pub(crate) state: State,
    /// Who got the message: they get its receipt, and nobody else does.
    pub(crate) selection: &'a [Box<Match>],
}

/// How a name was seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum NameVia {
    /// Asked for in DNS.
    Dns,
    /// What a name asked for in DNS is an alias of: the target of a CNAME. Nobody asked for it.
    DnsCname,
    /// The target of an SVCB or HTTPS record (RFC 9460).
    DnsSvcb,
    Tls,
    /// In a hello with `encrypted_client_hello`: the name may be the outer one (RFC 9849; docs/adr/0008-ech.md).
    TlsEch,
    Dtls,
    Quic,
    QuicEch,
    /// In the `CHLO` of Google QUIC.
    Gquic,
    Http,
    Http2,
    HttpConnect,
}

impl NameVia {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::DnsCname => "dns-cname",
            Self::DnsSvcb => "dns-svcb",
            Self::Tls => "tls",
            Self::TlsEch => "tls-ech",
            Self::Dtls => "dtls",
            Self::Quic => "quic",
            Self::QuicEch => "quic-ech",
            Self::Gquic => "gquic",
            Self::Http => "http",
            Self::Http2 => "http2",
            Self::HttpConnect => "http-connect",
        }
    }

    /// A lookup, not a visit.
    pub(crate) const fn is_lookup(self) -> bool {
        matches!(self, Self::Dns | Self::DnsCname | Self::DnsSvcb)
    }

    /// The true name may be another, which is encrypted.
    pub(crate) const fn may_be_outer(self) -> bool {
        matches!(self, Self::TlsEch | Self::QuicEch)
    }

    pub(crate) const fn tls(ech: bool) -> Self {
        if ech { Self::TlsEch } else { Self::Tls }
    }

    pub(crate) const fn quic(ech: bool) -> Self {
        if ech { Self::QuicEch } else { Self::Quic }
    }

    pub(crate) const fn dns(section: dns::Section) -> Self {
        match section {
            dns::Section::Question => Self::Dns,
            dns::Section::Cname => Self::DnsCname,
            dns::Section::Svcb => Self::DnsSvcb,
        }
    }
}

/// Whether a flow shows the name of the site that it goes to. A report says of how many it could not be seen.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Visibility {
    /// No session with a site: a lookup, telephone signalling, a connection in which nothing was sent.
    #[default]
    NotAsked,
    /// A name was seen.
    Visible,
    /// A name was seen that may be the outer one (RFC 9849).
    Outer,
    /// Why none was.
    Hidden(Unseen),
}

impl Visibility {
    /// The counter of a flow that ends so.
    pub(crate) const fn counter(self) -> Option<Counter> {
        Some(match self {
            Self::NotAsked => return None,
            Self::Visible => Counter::NamesVisible,
            Self::Outer => Counter::NamesOuter,
            Self::Hidden(why) => match why {
                Unseen::NoName => Counter::NotVisibleNoName,
                Unseen::NoHello => Counter::NotVisibleNoHello,
                Unseen::Dot => Counter::NotVisibleDot,
                Unseen::Doq => Counter::NotVisibleDoq,
                Unseen::Sips => Counter::NotVisibleSips,
                Unseen::WireGuard => Counter::NotVisibleWireGuard,
                Unseen::OpenVpn => Counter::NotVisibleOpenVpn,
                Unseen::Ike => Counter::NotVisibleIke,
                Unseen::Turn => Counter::NotVisibleTurn,
                Unseen::Other => Counter::NotVisibleOther,
            },
        })
    }
}

/// A conversation of two transport addresses: a TCP connection, a QUIC connection, a DNS exchange.
pub(crate) struct Flow {
    /// Who began it (SYN, first packet, DNS query).
    pub(crate) client: Endpoint,
    pub(crate) server: Endpoint,
    pub(crate) transport: Transport,
    pub(crate) start: Time,
    pub(crate) last: Time,
    pub(crate) packets: u64,
    pub(crate) octets: u64,
    /// A name was seen.
    pub(crate) named: bool,
    /// Whether the name of the site can be seen, as far as is known yet.
    pub(crate) visibility: Visibility,
    /// A DNS exchange: a lookup, not a visit.
    pub(crate) dns: bool,
    /// The tasks that select it.
    pub(crate) selection: Selection,
}

/// Hears of everything that sessions find out. Most of it is then dropped: see `point.rs`.
pub(crate) trait Observer {
    /// A signalling message of `call` was read and the call's facts brought up to date.
    fn signal(&mut self, call: &mut call::Call, change: Change, message: &sip::Message<'_>, seen: &Seen<'_>);
    /// A message of a `call` on a circuit was read, as it came in `carrier`.
    fn circuit(&mut self, _: &mut call::Call, _: Change, _carrier: Carrier, _: &Seen<'_>) {}
    /// Any message of ISUP or BICC, of a known call or not.
    fn isup(&mut self, _: &call::Leg, _: &isup::Message<'_>, _: &Seen<'_>) {}
    /// An RTP packet of `call`; `stream` is an index into `call.streams`, whose statistics already hold the packet.
    fn rtp(&mut self, call: &mut call::Call, stream: usize, packet: &rtp::Packet<'_>, seen: &Seen<'_>);
    /// An RTCP packet of `call`, sent by `side`.
    fn rtcp(&mut self, call: &mut call::Call, side: Side, seen: &Seen<'_>);
    /// A datagram of fax over UDPTL (T.38) of `call`, sent by `side`.
    fn fax(&mut self, _: &mut call::Call, _: Side, _: &Seen<'_>) {}
    /// A datagram that may be RTP and goes to no address that a live call has announced.
    fn stray(&mut self, _: &Seen<'_>) {}
    /// The call leaves the table, once, after its end and a while for stragglers; `end_reason` is set.
    fn call_closed(&mut self, call: &mut call::Call, now: Time);
    /// A whole text message. `seen` is that of the part that completed it.
    fn text(&mut self, text: &Text<'_>, seen: &Seen<'_>);
    /// The matches of the text that was told last, for its receipt.
    fn take_selection(&mut self) -> Selection {
        Selection::new()
    }
    /// A receipt of a text that was told.
    fn receipt(&mut self, _: &Receipt<'_>, _: &Seen<'_>) {}
    /// A host name was seen in `flow`: as it stood on the wire, without final dot.
    fn name(&mut self, flow: &mut Flow, via: NameVia, name: &str, seen: &Seen<'_>);
    /// An agent reports a message; `seen` is that message as the agent saw it.
    fn hep(&mut self, _report: &crate::decode::hep::Report<'_>, _seen: &Seen<'_>) {}
    /// A command of a mail session that names somebody, or that hides what follows. For the development tool.
    fn mail_command(&mut self, _: mail::Via, _command: &'static str, _argument: &[u8], _: &Seen<'_>) {}
    /// A mail server has accepted a user.
    fn mail_login(&mut self, _: mail::Via, _name: &str, _: &mail::Ends, _: &Seen<'_>) {}
    /// The envelope and header of a message are known. Whether its content is to be kept.
    fn mail_header(&mut self, _: &mut mail::Item) -> bool {
        false
    }
    /// A message is whole, or nothing more of it will come.
    fn mail_message(&mut self, _: &mut mail::Item) {}
    /// The server has answered a whole message, or will not.
    fn mail_closed(&mut self, _: &mut mail::Item) {}
    /// The flow has ended, or was forgotten.
    fn flow_closed(&mut self, flow: &mut Flow, now: Time);
    /// A subscriber holds an address: from now on, longer than was known, or by more identities.
    fn bound(&mut self, _: &identity::Binding) {}
    /// The subscriber holds it no longer; `None` when the source ended first.
    fn unbound(&mut self, _: &identity::Binding, _: Option<Time>) {}
    /// A packet of `flow`, before what is in it is told; with its octets above the IP header.
    fn flow_packet(&mut self, _: &mut Flow, _: &Seen<'_>, _: u64) {}
    /// An IP packet, innermost or not, whole as captured or put together.
    fn ip_packet(&mut self, _: &ip::Ip<'_>, _: &[u8], _: Time) {}
    /// Counts.
    fn count(&mut self, what: Counter, n: u64);
}

/// The tables that datagrams and streams both feed.
pub(crate) struct Shared {
    calls: call::Calls,
    circuits: call::Circuits,
    messages: message::Messages,
    identities: identity::Identities,
    /// HEP packets of TCP streams that are still to be read: those of the segment at hand.
    relayed: Vec<hep::Relayed>,
    /// Secrets of the operator's own TLS servers.
    keys: tls::KeyLog,
}

impl Shared {
    fn new() -> Self {
        Self {
            calls: call::Calls::new(),
            circuits: call::Circuits::default(),
            messages: message::Messages::default(),
            identities: identity::Identities::default(),
            relayed: Vec::new(),
            keys: tls::KeyLog::default(),
        }
    }

    /// A SIP message framed out of a stream.
    fn sip(&mut self, seen: &Seen<'_>, out: &mut impl Observer) {
        match sip::Message::parse(seen.payload) {
            Some(message) => self.message(&message, seen, out),
            None => out.count(Counter::SipMalformed, 1),
        }
    }

    /// A datagram that may be a SIP message; `false` when it isn't one. It is read at once: only what can't be read is
    /// looked at again, to tell a damaged message from another protocol.
    fn sip_datagram(&mut self, seen: &Seen<'_>, out: &mut impl Observer) -> bool {
        if !sip::begins_like_sip(seen.payload) {
            return false;
        }
        // Matched in place, as a message is large to move.
        match &sip::Message::parse(seen.payload) {
            // Octets behind the message's own end are nobody's that we know, so they don't go into evidence with it.
            Some(message) if message.octets.len() < seen.payload.len() => {
                self.message(message, &Seen { packet: None, payload: message.octets, ..*seen }, out);
            }
            Some(message) => self.message(message, seen, out),
            None if sip::looks_like_sip(seen.payload) => out.count(Counter::SipMalformed, 1),
            None => return false,
        }
        true
    }

    fn message(&mut self, message: &sip::Message<'_>, seen: &Seen<'_>, out: &mut impl Observer) {
        out.count(Counter::Sip, 1);
        if message.cseq.method == sip::Method::Message {
            self.messages.sip(message, seen, out);
        } else {
            self.calls.signal(message, seen, out);
        }
    }
}
