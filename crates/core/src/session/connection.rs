//! TCP connections: each direction is put in order and given to the reader of its protocol, told by what the stream
//! holds and not by its port.

use std::cell::RefCell;

use hashbrown::HashMap;

use super::expiry::Expiry;
use super::hep::Relayed;
use super::mail::{Joined, Progress};
use super::sip_stream::SipStream;
use super::tcp::{Direction, MAX_PENDING, Reader};
use super::tls::{Agreement, TlsStream};
use super::web::{self, WebStream};
use super::websocket::WebSocketStream;
use super::{Flow, NameVia, Observer, Shared, Visibility};
use crate::counters::Counter;
use crate::decode::ip::Ip;
use crate::decode::transport::Tcp;
use crate::decode::unseen::{PRIVATE_DNS, SIPS, Unseen};
use crate::decode::{Framing, diameter, dns, hep, sip, smpp};
use crate::packet::{Endpoint, Packet, Seen, Time, Transport};

/// Connections followed at once.
const MAX_CONNECTIONS: usize = 1 << 18;

/// Octets that unfinished messages and gaps may hold in all connections together.
const MAX_BUFFERED: usize = 128 << 20;

/// What is left when those limits were reached and hoarders had to give: so much less that the search for them, which
/// looks at every connection, comes seldom.
const RELIEVED: usize = MAX_BUFFERED / 8 * 7;

/// A connection that is silent for so long is over, or will be picked up again in its middle. SIP and SMPP send
/// keep-alives every minute or two.
const IDLE_SECONDS: i64 = 300;

/// Octets that tell every protocol that we read from every other.
const DECIDE: usize = 16;

/// How a stream of TLS begins: a handshake record of version 3.
const TLS: &[u8] = &[22, 3];

const DNS_PORT: u16 = 53;

/// The protocol of one direction of a connection.
#[derive(Default)]
enum Protocol {
    #[default]
    Undecided,
    Sip(SipStream),
    Smpp,
    Diameter,
    Dns,
    Hep,
    Web(WebStream),
    Mail,
    WebSocket(WebSocketStream),
    Tls(Box<Tls>),
    /// Nothing that we read, or nothing more that we need.
    Ignored,
}

/// TLS of which secrets are logged, and the stream inside.
struct Tls {
    outer: TlsStream,
    /// The client's names, until they are told.
    names: Option<WebStream>,
    /// Decrypted, not yet consumed.
    plain: Vec<u8>,
    /// What the octets inside are: told as those of a plain stream, but never TLS again.
    inner: Protocol,
}

impl Protocol {
    /// Octets that it keeps in memory besides those of its direction.
    fn buffered(&self) -> usize {
        match self {
            Self::WebSocket(websocket) => websocket.buffered(),
            Self::Tls(tls) => tls.plain.capacity() + tls.inner.buffered(),
            _ => 0,
        }
    }
}

struct Connection {
    /// Tells it from a later connection of the same two ends.
    serial: u64,
    flow: Flow,
    /// When octets that wait were last used, or began to wait.
    progress: Time,
    directions: [Direction; 2],
    protocols: [Protocol; 2],
    /// What both ends' hellos say, when secrets are logged.
    agreement: Agreement,
    mail: Joined,
}

impl Connection {
    /// Octets that one direction keeps in memory.
    fn buffered(&self, side: usize) -> usize {
        self.directions[side].buffered() + self.protocols[side].buffered()
    }

    /// One direction, and who reads its octets.
    fn reading<'a, 'p, O>(
        &'a mut self,
        side: usize,
        seen: Seen<'p>,
        mail_held: &'a mut usize,
        shared: &'a mut Shared,
        out: &'a mut O,
    ) -> (&'a mut Direction, Feed<'a, 'p, O>) {
        let feed = Feed {
            protocol: &mut self.protocols[side],
            mail: &mut self.mail,
            mail_held,
            flow: &mut self.flow,
            agreement: Some(&mut self.agreement),
            seen,
            shared,
            out,
        };
        (&mut self.directions[side], feed)
    }
}

/// The two ends, the lower first.
type Key = (Endpoint, Endpoint);

/// All connections.
#[derive(Default)]
pub(crate) struct Connections {
    table: HashMap<Key, Connection>,
    /// One entry a connection; those of connections that were closed meanwhile are passed over.
    expiry: Expiry<(Key, u64)>,
    next_serial: u64,
    buffered: usize,
    /// Octets that mail sessions hold.
    mail: usize,
}

impl Connections {
    /// Takes a segment.
    pub(crate) fn segment(
        &mut self,
        ip: &Ip<'_>,
        tcp: &Tcp<'_>,
        packet: Option<&Packet<'_>>,
        ts: Time,
        shared: &mut Shared,
        out: &mut impl Observer,
    ) {
        out.count(Counter::Segments, 1);
        let seen = Seen {
            ts,
            src: Endpoint { ip: ip.src, port: tcp.sport },
            dst: Endpoint { ip: ip.dst, port: tcp.dport },
            transport: Transport::Tcp,
            packet: packet.copied(),
            payload: tcp.payload,
        };
        let (key, side) =
            if seen.src <= seen.dst { ((seen.src, seen.dst), 0) } else { ((seen.dst, seen.src), 1) };
        if !self.table.contains_key(&key) {
            // A bare ACK, FIN or RST begins nothing; it is the tail of a connection that is already closed.
            if tcp.payload.is_empty() && !tcp.syn {
                return;
            }
            self.begin(key, tcp, &seen, shared, out);
        }
        let Some(connection) = self.table.get_mut(&key) else { return };
        let before = connection.buffered(side);
        let flow = &mut connection.flow;
        out.flow_packet(flow, &seen, ip.payload.len() as u64);
        flow.last = flow.last.max(ts);
        flow.packets += 1;
        flow.octets += ip.payload.len() as u64;
        let waited = connection.directions[side].waiting();
        if tcp.syn {
            connection.protocols[side] = Protocol::Undecided;
            if !tcp.ack_set {
                connection.mail.close(&seen, &mut self.mail, out);
                connection.mail = Joined::default();
            }
        }
        let (direction, mut feed) = connection.reading(side, seen, &mut self.mail, shared, out);
        direction.accept(tcp.seq, tcp.syn, tcp.payload, ts, &mut feed);
        direction.finished |= tcp.fin;
        if waited == 0 || direction.waiting() < waited + tcp.payload.len() {
            connection.progress = ts;
        }
        self.buffered = (self.buffered + connection.buffered(side)).saturating_sub(before);
        if tcp.rst || connection.directions.iter().all(|d| d.finished) {
            self.close(&key, ts, shared, out);
        }
        if self.buffered > MAX_BUFFERED {
            self.relieve(ts, shared, out);
        }
    }

    /// Memory is full: those who hold most octets, and for longest without using any, lose what they hold. Whoever comes
    /// late with a message that goes on arriving is served; whoever hoards is not.
    fn relieve(&mut self, now: Time, shared: &mut Shared, out: &mut impl Observer) {
        let hoard = |c: &Connection| c.buffered(0) + c.buffered(1);
        let weight = |c: &Connection| {
            let seconds = now.since(c.progress).max(0) / 1_000_000_000;
            (hoard(c) as u64).saturating_mul(seconds.unsigned_abs() + 1)
        };
        let mut all: Vec<_> =
            self.table.iter().filter(|(_, c)| hoard(c) > 0).map(|(key, c)| (weight(c), *key)).collect();
        all.sort_unstable_by(|a, b| b.cmp(a));
        for (_, key) in all {
            if self.buffered <= RELIEVED {
                break;
            }
            let Some(connection) = self.table.get_mut(&key) else { continue };
            out.count(Counter::TcpHoarders, 1);
            for side in 0..2 {
                let before = connection.buffered(side);
                let (src, dst) = if side == 0 { key } else { (key.1, key.0) };
                let seen = Seen { ts: now, src, dst, transport: Transport::Tcp, packet: None, payload: &[] };
                let (direction, mut feed) = connection.reading(side, seen, &mut self.mail, shared, out);
                direction.give_up(&mut feed);
                self.buffered = (self.buffered + connection.buffered(side)).saturating_sub(before);
            }
        }
    }

    fn begin(
        &mut self,
        key: Key,
        tcp: &Tcp<'_>,
        seen: &Seen<'_>,
        shared: &mut Shared,
        out: &mut impl Observer,
    ) {
        while self.table.len() >= MAX_CONNECTIONS {
            let Some(oldest) = self.expiry.pop_oldest() else { return };
            if self.is_live(&oldest) {
                out.count(Counter::TcpEvicted, 1);
                self.close(&oldest.0, seen.ts, shared, out);
            }
        }
        if self.expiry.len() >= 2 * MAX_CONNECTIONS {
            let table = &self.table;
            self.expiry.sweep(|(key, serial)| table.get(key).is_some_and(|c| c.serial == *serial));
        }
        let mut flow = Flow::new(seen, seen.src.port == DNS_PORT || seen.dst.port == DNS_PORT);
        if tcp.syn && tcp.ack_set {
            std::mem::swap(&mut flow.client, &mut flow.server);
        }
        out.count(Counter::Flows, 1);
        let serial = self.next_serial;
        self.next_serial += 1;
        self.expiry.push(seen.ts.plus_seconds(IDLE_SECONDS), (key, serial));
        let connection = Connection {
            serial,
            flow,
            progress: seen.ts,
            directions: Default::default(),
            protocols: Default::default(),
            agreement: Agreement::default(),
            mail: Joined::default(),
        };
        self.table.insert(key, connection);
    }

    fn is_live(&self, (key, serial): &(Key, u64)) -> bool {
        self.table.get(key).is_some_and(|c| c.serial == *serial)
    }

    /// Closes what has been silent for too long.
    pub(crate) fn advance(&mut self, now: Time, shared: &mut Shared, out: &mut impl Observer) {
        while let Some((key, serial)) = self.expiry.pop(now) {
            let Some(connection) = self.table.get(&key).filter(|c| c.serial == serial) else { continue };
            let due = connection.flow.last.plus_seconds(IDLE_SECONDS);
            if due <= now {
                self.close(&key, now, shared, out);
            } else {
                self.expiry.push(due, (key, serial));
            }
        }
    }

    /// The source has ended.
    pub(crate) fn finish(&mut self, now: Time, shared: &mut Shared, out: &mut impl Observer) {
        // In the order in which they began, so that the same capture gives the same product in the same order.
        while let Some(oldest) = self.expiry.pop_oldest() {
            if self.is_live(&oldest) {
                self.close(&oldest.0, now, shared, out);
            }
        }
    }

    fn close(&mut self, key: &Key, now: Time, shared: &mut Shared, out: &mut impl Observer) {
        let Some(mut connection) = self.table.remove(key) else { return };
        self.buffered = self.buffered.saturating_sub(connection.buffered(0) + connection.buffered(1));
        for side in 0..2 {
            let (src, dst) = if side == 0 { *key } else { (key.1, key.0) };
            let ts = connection.flow.last;
            let seen = Seen { ts, src, dst, transport: Transport::Tcp, packet: None, payload: &[] };
            let (direction, mut feed) = connection.reading(side, seen, &mut self.mail, shared, out);
            direction.flush(&mut feed);
        }
        let Flow { last: ts, client: src, server: dst, .. } = connection.flow;
        let seen = Seen { ts, src, dst, transport: Transport::Tcp, packet: None, payload: &[] };
        connection.mail.close(&seen, &mut self.mail, out);
        out.flow_closed(&mut connection.flow, now);
    }
}

impl Flow {
    /// A name was seen in a stream. The last word has the last hello: behind CONNECT another may follow.
    fn see(&mut self, via: NameVia) {
        if via.may_be_outer() {
            self.visibility = Visibility::Outer;
        } else if !via.is_lookup() {
            self.visibility = Visibility::Visible;
        }
    }

    /// A hello may have been whole: what it says of the flow besides its name.
    fn greeted(&mut self, web: &mut WebStream) {
        let Some(hello) = web.take_hello() else { return };
        // Nothing but DNS over TLS may use its port (RFC 7858, 3.1), and SIP's is its own; a client need not offer
        // `dot` or `sip/2`.
        if hello.dot || self.server.port == PRIVATE_DNS {
            self.visibility = Visibility::Hidden(Unseen::Dot);
        } else if hello.sip || self.server.port == SIPS {
            self.visibility = Visibility::Hidden(Unseen::Sips);
        } else if matches!(self.visibility, Visibility::Hidden(Unseen::Other) | Visibility::NotAsked) {
            self.visibility = Visibility::Hidden(Unseen::NoName);
        }
    }
}

/// Gives the octets of one direction to the reader of its protocol.
struct Feed<'a, 'p, O> {
    protocol: &'a mut Protocol,
    mail: &'a mut Joined,
    /// Octets that all mail sessions hold.
    mail_held: &'a mut usize,
    flow: &'a mut Flow,
    /// `None` inside TLS.
    agreement: Option<&'a mut Agreement>,
    /// The packet at hand.
    seen: Seen<'p>,
    shared: &'a mut Shared,
    out: &'a mut O,
}

impl<O: Observer> Reader for Feed<'_, '_, O> {
    fn data(&mut self, octets: &[u8], alone: bool) -> usize {
        if matches!(self.protocol, Protocol::Undecided) {
            // Line ends are keep-alives before any of our protocols (RFC 5626, 3.5.1): kept, they would only pile up.
            if octets.iter().all(|b| matches!(b, b'\r' | b'\n')) && !self.flow.dns {
                return octets.len();
            }
            match self.decide(octets) {
                Some(protocol) => *self.protocol = protocol,
                None => return 0,
            }
        }
        if let Protocol::Web(web) = self.protocol {
            let (flow, seen, out) = (&mut *self.flow, self.seen, &mut *self.out);
            if flow.visibility == Visibility::NotAsked {
                flow.visibility = Visibility::Hidden(Unseen::Other);
            }
            let used = web.data(octets, &mut |via: NameVia, name: &str| {
                flow.named = true;
                flow.see(via);
                out.name(flow, via, name, &seen);
            });
            flow.greeted(web);
            let unreadable = u64::from(web.take_unreadable());
            self.out.count(Counter::NamesUnreadable, unreadable);
            self.out.count(Counter::Http2Lost, u64::from(web.take_lost()));
            if web.finished() {
                *self.protocol = Protocol::Ignored;
                return octets.len();
            }
            if web.upgraded() {
                *self.protocol = Protocol::WebSocket(WebSocketStream::client());
                return used + self.data(&octets[used..], false);
            }
            return used;
        }
        if let Protocol::Tls(_) = self.protocol {
            return self.tls(octets);
        }
        if let Protocol::WebSocket(_) = self.protocol {
            return self.websocket(octets);
        }
        if let Protocol::Mail = self.protocol {
            return match self.mail.data(octets, &self.seen, self.mail_held, self.out) {
                Progress::Used(used) => used,
                Progress::Hidden(used) => {
                    *self.protocol = Protocol::Web(WebStream::new());
                    used + self.data(&octets[used..], false)
                }
                Progress::Ignore => {
                    *self.protocol = Protocol::Ignored;
                    octets.len()
                }
            };
        }
        let mut at = 0;
        while at < octets.len() {
            let rest = &octets[at..];
            let framing = match &mut *self.protocol {
                Protocol::Sip(sip) => sip.frame(rest),
                Protocol::Smpp => smpp::frame(rest),
                Protocol::Diameter => diameter::frame(rest),
                Protocol::Dns => dns::frame(rest),
                Protocol::Hep => hep::frame(rest),
                Protocol::Undecided
                | Protocol::Web(_)
                | Protocol::WebSocket(_)
                | Protocol::Tls(_)
                | Protocol::Mail
                | Protocol::Ignored => {
                    return octets.len();
                }
            };
            match framing {
                Framing::Message(length) => {
                    let message = &rest[..length];
                    let whole = alone && at == 0 && length == octets.len();
                    self.message(message, whole);
                    at += length;
                }
                Framing::Skip(length) => {
                    // Keep-alives are a few octets; more is a stream that was joined in its middle.
                    if length > 4 {
                        self.out.count(Counter::StreamUnparsed, length as u64);
                    }
                    at += length.max(1);
                }
                Framing::NeedMore => break,
                Framing::Foreign => {
                    self.out.count(Counter::StreamUnparsed, rest.len() as u64);
                    *self.protocol = Protocol::Ignored;
                    return octets.len();
                }
            }
        }
        at.min(octets.len())
    }

    fn gap(&mut self) {
        match self.protocol {
            Protocol::Web(web) => web.gap(),
            Protocol::WebSocket(websocket) => websocket.gap(),
            Protocol::Tls(tls) => tls.outer.gap(),
            Protocol::Smpp | Protocol::Diameter | Protocol::Dns | Protocol::Hep => {
                *self.protocol = Protocol::Undecided;
            }
            Protocol::Mail => self.mail.gap(&self.seen, self.mail_held, self.out),
            // SIP finds its next message by itself; the others have nothing to find.
            Protocol::Sip(sip) => *sip = SipStream::default(),
            Protocol::Undecided | Protocol::Ignored => {}
        }
    }

    fn wants(&self) -> bool {
        !matches!(self.protocol, Protocol::Ignored)
    }

    fn count(&mut self, what: Counter, n: u64) {
        self.out.count(what, n);
    }
}

impl<O: Observer> Feed<'_, '_, O> {
    /// Which protocol begins with these octets; `None` while there are too few to tell.
    fn decide(&mut self, octets: &[u8]) -> Option<Protocol> {
        if self.flow.dns {
            return Some(Protocol::Dns);
        }
        // Leading line ends are keep-alives (RFC 5626 3.5.1).
        let start = octets.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(octets.len());
        let told = &octets[start..];
        if sip::looks_like_sip(told) {
            // Telephone signalling after all, inside TLS that was opened.
            if self.agreement.is_none() {
                self.flow.visibility = Visibility::NotAsked;
            }
            return Some(Protocol::Sip(SipStream::default()));
        }
        if octets.starts_with(TLS) && self.agreement.is_some() && !self.shared.keys.is_empty() {
            return Some(Protocol::Tls(Box::new(Tls {
                outer: TlsStream::default(),
                names: Some(WebStream::new()),
                plain: Vec::new(),
                inner: Protocol::Undecided,
            })));
        }
        if told.starts_with(b"HTTP/1.1 101 ") {
            return Some(Protocol::WebSocket(WebSocketStream::server()));
        }
        if hep::looks_like_hep3(octets) {
            return Some(Protocol::Hep);
        }
        if smpp::looks_like_smpp(octets) {
            return Some(Protocol::Smpp);
        }
        if diameter::looks_like_diameter(octets) {
            return Some(Protocol::Diameter);
        }
        // A whole line tells mail; until it has come, others may be told by less.
        if let Some(&first) = told.first() {
            match self.mail.tells(told, &self.seen) {
                Some(true) => return Some(Protocol::Mail),
                None if first.is_ascii_graphic() => return None,
                None | Some(false) => {}
            }
        }
        // SIP and HTTP are told by a whole line, however small the segments are that it comes in.
        let text = told.iter().take(DECIDE).all(|b| !b.is_ascii_control());
        if text && told.len() <= sip::MAX_START_LINE && memchr::memchr(b'\n', told).is_none() {
            return None;
        }
        // A TLS record tells itself by its first octet; the rest needs a few more.
        let enough =
            told.len() >= DECIDE || told.first().is_some_and(|b| !b.is_ascii_alphabetic() && *b != 0);
        enough.then(|| Protocol::Web(WebStream::new()))
    }

    fn tls(&mut self, octets: &[u8]) -> usize {
        let Protocol::Tls(tls) = &mut *self.protocol else { return 0 };
        let Tls { outer, names, plain, inner } = &mut **tls;
        let (flow, seen, out) = (&mut *self.flow, Seen { packet: None, ..self.seen }, &mut *self.out);
        if let Some(web) = names {
            // Nothing is consumed before the hello is whole, so that both readers see the same octets.
            web.data(octets, &mut |via, name| {
                flow.named = true;
                flow.see(via);
                out.name(flow, via, name, &seen);
            });
            flow.greeted(web);
            if !web.finished() && octets.len() < web::MAX_KEPT && TlsStream::may_be_hello(octets) {
                return 0;
            }
            *names = None;
        }
        let Some(agreement) = self.agreement.as_deref_mut() else { return octets.len() };
        let used = outer.data(octets, agreement, &self.shared.keys, plain, &mut |what, n| out.count(what, n));
        let (mail, mail_held) = (&mut *self.mail, &mut *self.mail_held);
        let mut feed =
            Feed { protocol: inner, mail, mail_held, flow, agreement: None, seen, shared: self.shared, out };
        if !plain.is_empty() {
            let taken = feed.data(plain, false).min(plain.len());
            plain.drain(..taken);
            if plain.len() > MAX_PENDING || !feed.wants() {
                feed.count(Counter::StreamUnparsed, plain.len() as u64);
                *plain = Vec::new();
                feed.gap();
            }
        }
        if outer.finished() || !feed.wants() {
            *self.protocol = Protocol::Ignored;
        }
        used
    }

    fn websocket(&mut self, octets: &[u8]) -> usize {
        let Protocol::WebSocket(websocket) = self.protocol else { return 0 };
        let (seen, shared) = (Seen { packet: None, ..self.seen }, &mut *self.shared);
        // Both closures tell the one observer, and never at once.
        let out = RefCell::new(&mut *self.out);
        let used = websocket.data(
            octets,
            &mut |message| shared.sip(&Seen { payload: message, ..seen }, &mut **out.borrow_mut()),
            &mut |what, n| out.borrow_mut().count(what, n),
        );
        if websocket.finished() {
            *self.protocol = Protocol::Ignored;
        } else if websocket.refused() {
            *self.protocol = Protocol::Web(WebStream::new());
            return used + self.data(&octets[used..], false);
        }
        used
    }

    fn message(&mut self, message: &[u8], whole: bool) {
        let packet = if whole { self.seen.packet } else { None };
        let seen = Seen { payload: message, packet, ..self.seen };
        match self.protocol {
            Protocol::Sip(_) => self.shared.sip(&seen, self.out),
            Protocol::Hep => {
                let (octets, Seen { ts, src, dst, .. }) = (message.into(), seen);
                self.shared.relayed.push(Relayed { ts, src, dst, octets });
            }
            Protocol::Smpp => self.shared.messages.smpp(message, &seen, self.out),
            Protocol::Diameter => self.shared.identities.diameter(&seen, self.out),
            Protocol::Dns => {
                let (flow, out) = (&mut *self.flow, &mut *self.out);
                // Two octets of length stand before each message (RFC 7766 8).
                let found = dns::names(message.get(2..).unwrap_or_default(), &mut |section, name| {
                    flow.named = true;
                    out.name(flow, NameVia::dns(section), name, &seen);
                });
                out.count(Counter::EchOffered, u64::from(found.is_some_and(|f| f.ech)));
                let unreadable = found.map_or(0, |f| u64::from(f.unreadable) + u64::from(f.cut));
                out.count(Counter::NamesUnreadable, unreadable);
            }
            Protocol::Undecided
            | Protocol::Web(_)
            | Protocol::WebSocket(_)
            | Protocol::Tls(_)
            | Protocol::Mail
            | Protocol::Ignored => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::counters::Counters;
    use crate::decode::rtp;
    use crate::product::Side;
    use crate::session::call::Call;
    use crate::session::{Change, Text};

    /// Hears of closed flows, and counts.
    #[derive(Default)]
    struct Closed(u64, Counters);

    impl Observer for Closed {
        fn signal(&mut self, _: &mut Call, _: Change, _: &sip::Message<'_>, _: &Seen<'_>) {}
        fn rtp(&mut self, _: &mut Call, _: usize, _: &rtp::Packet<'_>, _: &Seen<'_>) {}
        fn rtcp(&mut self, _: &mut Call, _: Side, _: &Seen<'_>) {}
        fn call_closed(&mut self, _: &mut Call, _: Time) {}
        fn text(&mut self, _: &Text<'_>, _: &Seen<'_>) {}
        fn name(&mut self, _: &mut Flow, _: NameVia, _: &str, _: &Seen<'_>) {}
        fn flow_closed(&mut self, _: &mut Flow, _: Time) {
            self.0 += 1;
        }
        fn count(&mut self, what: Counter, n: u64) {
            self.1.add(what, n);
        }
    }

    fn ip() -> Ip<'static> {
        let address = |last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
        Ip { src: address(1), dst: address(2), protocol: 6, payload: &[], fragment: None, cut: false }
    }

    fn tcp(syn: bool, rst: bool) -> Tcp<'static> {
        Tcp { sport: 4000, dport: 80, seq: 0, ack: 0, syn, ack_set: false, fin: false, rst, payload: &[] }
    }

    #[test]
    fn connections_that_are_reset_at_once_leave_nothing_behind() {
        let (mut all, mut heard) = (Connections::default(), Closed::default());
        let mut shared = Shared::new();
        let (syn, rst) = (tcp(true, false), tcp(false, true));
        let pairs = 2 * MAX_CONNECTIONS as u64 + 10;
        for _ in 0..pairs {
            // A clock that stands still: nothing ever comes due.
            all.segment(&ip(), &syn, None, Time(0), &mut shared, &mut heard);
            all.segment(&ip(), &rst, None, Time(0), &mut shared, &mut heard);
        }
        assert_eq!((heard.0, all.table.len()), (pairs, 0));
        assert!(all.expiry.len() < 2 * MAX_CONNECTIONS);
    }

    fn from(last: u8, seq: u32, syn: bool, payload: &[u8]) -> (Ip<'static>, Tcp<'_>) {
        let src = IpAddr::V4(Ipv4Addr::new(198, 51, 100, last));
        (Ip { src, ..ip() }, Tcp { seq, payload, ..tcp(syn, false) })
    }

    /// Sends a stream in segments of `size`; how many SIP messages were read.
    fn sip_read(stream: &[u8], size: usize) -> u64 {
        let (mut all, mut heard) = (Connections::default(), Closed::default());
        let mut shared = Shared::new();
        let mut seq = 1;
        for octets in stream.chunks(size) {
            let (ip, tcp) = from(1, seq, seq == 1, octets);
            all.segment(
                &ip,
                &Tcp { seq: seq - u32::from(tcp.syn), ..tcp },
                None,
                Time(0),
                &mut shared,
                &mut heard,
            );
            seq += octets.len() as u32;
        }
        assert_eq!(all.buffered, all.table.values().map(|c| c.buffered(0) + c.buffered(1)).sum::<usize>());
        heard.1.get(Counter::Sip)
    }

    fn sip_message(body: usize) -> Vec<u8> {
        let head = "OPTIONS sip:b.example SIP/2.0\r\nVia: SIP/2.0/TCP a;branch=z9hG4bKa\r\nFrom: <sip:a@a.example>;tag=1\r\n\
            To: <sip:b.example>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n";
        let head = format!("{head}Content-Length: {body}\r\n\r\n");
        [head.as_bytes(), &vec![b'x'; body]].concat()
    }

    #[test]
    fn p3_sip_in_any_segments_with_keep_alives_is_read() {
        let stream =
            [b"\r\n\r\n", &sip_message(3)[..], b"\r\n\r\n", &sip_message(0), &sip_message(9)].concat();
        for size in [1, 2, 7, 100, stream.len()] {
            assert_eq!(sip_read(&stream, size), 3, "{size}");
        }
    }

    #[test]
    fn p3_the_longest_legal_message_is_not_lost() {
        let stream = [sip_message(1 << 20), sip_message(0)].concat();
        assert_eq!(sip_read(&stream, 1460), 2);
    }

    #[test]
    fn p3_sip_over_websocket_is_read_both_ways() {
        use crate::decode::websocket::tests::frame;
        let ask = b"GET /ws HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: sip\r\n\r\n";
        let answer =
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: sip\r\n\r\n";
        let masked = frame(0x81, Some([7, 6, 5, 4]), &sip_message(300));
        let plain = frame(0x81, None, &sip_message(300));
        for size in [1, 50, 10_000] {
            assert_eq!(sip_read(&[&ask[..], &masked, &masked].concat(), size), 2);
            assert_eq!(sip_read(&[&answer[..], &plain, &plain].concat(), size), 2);
        }
    }

    #[test]
    fn hoarders_give_way_to_whoever_comes_late() {
        let (mut all, mut heard) = (Connections::default(), Closed::default());
        let mut shared = Shared::new();
        let unfinished = &sip_message(1 << 20)[..3 << 18];
        let hoarders = 160u8;
        assert!(usize::from(hoarders) * unfinished.len() < MAX_BUFFERED);
        let mut later = Time(0);
        for last in 1..=hoarders {
            let (ip, tcp) = from(last, 0, true, unfinished);
            all.segment(&ip, &tcp, None, later, &mut shared, &mut heard);
        }
        // A message that goes on arriving, while more come that don't.
        later = later.plus_seconds(20);
        let honest = sip_message(1 << 20);
        for (n, octets) in honest.chunks(1 << 14).enumerate() {
            let (ip, tcp) = from(255, (n << 14) as u32 + 1, false, octets);
            all.segment(&ip, &tcp, None, later, &mut shared, &mut heard);
            let (ip, tcp) = from(201 + (n % 54) as u8, (n << 20) as u32, true, unfinished);
            all.segment(&ip, &tcp, None, later, &mut shared, &mut heard);
            assert!(all.buffered <= MAX_BUFFERED);
        }
        assert_eq!(heard.1.get(Counter::Sip), 1);
        assert!(heard.1.get(Counter::TcpHoarders) > 0);
        assert_eq!(all.buffered, all.table.values().map(|c| c.buffered(0) + c.buffered(1)).sum::<usize>());
    }

    #[test]
    fn a_later_connection_of_the_same_ends_lives_its_own_time() {
        let (mut all, mut heard) = (Connections::default(), Closed::default());
        let mut shared = Shared::new();
        let at = |seconds| Time(0).plus_seconds(seconds);
        for (syn, seconds) in [(true, 0), (false, 1), (true, 2)] {
            all.segment(&ip(), &tcp(syn, !syn), None, at(seconds), &mut shared, &mut heard);
        }
        all.advance(at(IDLE_SECONDS + 1), &mut shared, &mut heard);
        assert_eq!((heard.0, all.table.len(), all.expiry.len()), (1, 1, 1));
        all.advance(at(IDLE_SECONDS + 2), &mut shared, &mut heard);
        assert_eq!((heard.0, all.table.len(), all.expiry.len()), (2, 0, 0));
    }
}
