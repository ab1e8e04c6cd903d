//! The server's one thread: sockets in, answers and packets out.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Events, Interest, Poll, Token, Waker};

use super::offer;
use super::request::{Request, frame};
use super::sessions::{IDLE, LINGER, MAX_SESSIONS, MEDIA_TOKENS, Ports, Session, T1, T2, Way};
use super::{Count, Outlet, frames};

const WAKE: Token = Token(0);
const DATAGRAMS: Token = Token(1);
const LISTENER: Token = Token(2);
/// Tokens of connections begin here.
const CONNECTIONS: usize = 16;

/// Connections at one time: controllers keep one or two each.
const MAX_CONNECTIONS: usize = 64;

/// Octets of a connection that wait for the end of their message, or to be sent.
const MAX_HELD: usize = 256 * 1024;

/// Datagrams read of one socket before the others have their turn.
const TURN: usize = 256;

/// Timers are looked at this often.
const TICK: Duration = Duration::from_millis(100);

const ALLOW: &str = "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\n";

/// Option tags that we understand (RFC 7866, 11.1; RFC 4028).
const SUPPORTED: [&str; 2] = ["siprec", "timer"];

pub(super) struct Server {
    poll: Poll,
    at: SocketAddr,
    controllers: Vec<IpAddr>,
    udp: UdpSocket,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    sessions: Vec<Option<Session>>,
    ports: Ports,
    outlet: Outlet,
    /// Sockets that were not read to their end.
    unread: Vec<Token>,
    buffer: Vec<u8>,
    /// Names our tags and session descriptions.
    named: u64,
}

/// A connection of a controller, and how far each direction has come.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    received: u32,
    sent: u32,
}

impl Server {
    pub(super) fn open(
        at: SocketAddr,
        controllers: &[IpAddr],
        outlet: Outlet,
    ) -> io::Result<(Self, Arc<Waker>)> {
        let poll = Poll::new()?;
        let (mut udp, mut listener) = (UdpSocket::bind(at)?, TcpListener::bind(at)?);
        poll.registry().register(&mut udp, DATAGRAMS, Interest::READABLE)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let began = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let server = Self {
            poll,
            at,
            controllers: controllers.to_vec(),
            udp,
            listener,
            connections: (0..MAX_CONNECTIONS).map(|_| None).collect(),
            sessions: (0..MAX_SESSIONS).map(|_| None).collect(),
            ports: Ports::new(at.ip()),
            outlet,
            unread: Vec::new(),
            buffer: vec![0; 65_536],
            named: began.as_nanos() as u64,
        };
        Ok((server, waker))
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        let mut ticked = Instant::now();
        while !self.outlet.shared.stop.load(Ordering::Relaxed) {
            let wait = if self.unread.is_empty() { TICK } else { Duration::ZERO };
            // An interruption is no failure; another error would come again at once, and the tick slows it down.
            if self.poll.poll(&mut events, Some(wait)).is_err() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let mut ready = std::mem::take(&mut self.unread);
            ready.extend(events.iter().map(mio::event::Event::token));
            ready.sort_unstable();
            ready.dedup();
            for token in ready {
                let rest = match token {
                    WAKE => false,
                    DATAGRAMS => self.datagrams(),
                    LISTENER => self.accept(),
                    Token(n) if n >= MEDIA_TOKENS => self.media(n - MEDIA_TOKENS),
                    Token(n) => self.connection(n.saturating_sub(CONNECTIONS)),
                };
                if rest {
                    self.unread.push(token);
                }
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.tick(ticked);
            }
        }
    }

    /// Each returns whether there may be more to read.
    fn datagrams(&mut self) -> bool {
        for _ in 0..TURN {
            let Ok((length, from)) = self.udp.recv_from(&mut self.buffer) else { return false };
            let message = self.buffer.get(..length).unwrap_or_default().to_vec();
            if !self.controllers.contains(&from.ip()) {
                self.outlet.shared.count(Count::ForeignSignalling);
                continue;
            }
            self.outlet.put(frames::udp(from, self.at, &message));
            if let Some((reply_to, answer)) = self.request(&message, from, None) {
                self.send_datagram(reply_to, &answer);
            }
        }
        true
    }

    fn send_datagram(&mut self, to: SocketAddr, answer: &[u8]) {
        if self.udp.send_to(answer, to).is_ok() {
            self.outlet.put(frames::udp(self.at, to, answer));
        }
    }

    fn media(&mut self, place: usize) -> bool {
        let Some(pair) = self.ports.pairs.get(place / 2).and_then(Option::as_ref) else { return false };
        let Some(socket) = pair.sockets.get(place % 2) else { return false };
        let local = SocketAddr::new(self.at.ip(), pair.port + (place % 2) as u16);
        let mut any = false;
        for n in 0..=TURN {
            let Ok((length, from)) = socket.recv_from(&mut self.buffer) else { break };
            if self.controllers.contains(&from.ip()) || pair.from == Some(from.ip()) {
                any = true;
                self.outlet.put(frames::udp(from, local, self.buffer.get(..length).unwrap_or_default()));
            } else {
                self.outlet.shared.count(Count::ForeignMedia);
            }
            if n == TURN {
                return true;
            }
        }
        if any && let Some(session) = self.sessions.get_mut(pair.session).and_then(Option::as_mut) {
            session.last = Instant::now();
        }
        false
    }

    fn accept(&mut self) -> bool {
        while let Ok((mut stream, peer)) = self.listener.accept() {
            let place = self.connections.iter().position(Option::is_none);
            let Some(place) = place.filter(|_| self.controllers.contains(&peer.ip())) else {
                self.outlet.shared.count(Count::ForeignSignalling);
                continue;
            };
            let token = Token(CONNECTIONS + place);
            if self
                .poll
                .registry()
                .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)
                .is_err()
            {
                continue;
            }
            self.outlet.put(frames::tcp(peer, self.at, (0, 0), frames::SYN, b""));
            self.outlet.put(frames::tcp(self.at, peer, (0, 1), frames::SYN | frames::ACK, b""));
            let connection =
                Connection { stream, peer, inbox: Vec::new(), outbox: Vec::new(), received: 1, sent: 1 };
            if let Some(free) = self.connections.get_mut(place) {
                *free = Some(connection);
            }
        }
        false
    }

    fn connection(&mut self, place: usize) -> bool {
        let Some(mut connection) = self.connections.get_mut(place).and_then(Option::take) else {
            return false;
        };
        let (open, rest) = self.converse(&mut connection, Token(CONNECTIONS + place));
        if open {
            if let Some(kept) = self.connections.get_mut(place) {
                *kept = Some(connection);
            }
            return rest;
        }
        let counts = (connection.received, connection.sent);
        self.outlet.put(frames::tcp(connection.peer, self.at, counts, frames::FIN | frames::ACK, b""));
        false
    }

    /// Reads, answers and writes. Whether the connection stays, and whether there may be more to read.
    fn converse(&mut self, connection: &mut Connection, token: Token) -> (bool, bool) {
        let mut rest = true;
        for _ in 0..TURN {
            match connection.stream.read(&mut self.buffer) {
                Ok(0) => return (false, false),
                Ok(length) => {
                    let octets = self.buffer.get(..length).unwrap_or_default();
                    for piece in octets.chunks(frames::MAX_SEGMENT) {
                        let counts = (connection.received, connection.sent);
                        self.outlet.put(frames::tcp(connection.peer, self.at, counts, frames::ACK, piece));
                        connection.received = connection.received.wrapping_add(piece.len() as u32);
                    }
                    connection.inbox.extend(octets);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    rest = false;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return (false, false),
            }
            let mut used = 0;
            while let Some(unread) = connection.inbox.get(used..).filter(|unread| !unread.is_empty()) {
                // RFC 5626, 3.5.1: line ends between messages keep the connection alive.
                if matches!(unread.first(), Some(b'\r' | b'\n')) {
                    used += 1;
                    continue;
                }
                match frame(unread) {
                    Ok(Some(length)) => {
                        let message = unread.get(..length).unwrap_or_default().to_vec();
                        used += length;
                        if let Some((_, answer)) = self.request(&message, connection.peer, Some(token)) {
                            connection.outbox.extend(answer);
                        }
                    }
                    Ok(None) => break,
                    Err(()) => {
                        self.outlet.shared.count(Count::Malformed);
                        return (false, false);
                    }
                }
            }
            connection.inbox.drain(..used);
            if connection.inbox.len() > MAX_HELD || connection.outbox.len() > MAX_HELD {
                self.outlet.shared.count(Count::Malformed);
                return (false, false);
            }
        }
        (self.write(connection), rest)
    }

    /// Writes what the connection takes. Whether it stays.
    fn write(&mut self, connection: &mut Connection) -> bool {
        while !connection.outbox.is_empty() {
            match connection.stream.write(&connection.outbox) {
                Ok(0) => return false,
                Ok(length) => {
                    let written: Vec<u8> = connection.outbox.drain(..length).collect();
                    for piece in written.chunks(frames::MAX_SEGMENT) {
                        let counts = (connection.sent, connection.received);
                        self.outlet.put(frames::tcp(self.at, connection.peer, counts, frames::ACK, piece));
                        connection.sent = connection.sent.wrapping_add(piece.len() as u32);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Answers a message: where the answer goes over UDP, and the answer. Responses and ACKs have none.
    fn request(
        &mut self,
        message: &[u8],
        from: SocketAddr,
        over: Option<Token>,
    ) -> Option<(SocketAddr, Vec<u8>)> {
        let Some(request) = Request::parse(message) else {
            self.outlet.shared.count(Count::Malformed);
            return None;
        };
        self.outlet.shared.count(Count::Requests);
        let reply_to = request.reply_to(from);
        let way = over.map_or(Way::Udp(reply_to), Way::Tcp);
        let known = self.find(&request);
        if let Some(session) = known.and_then(|at| self.sessions.get_mut(at)?.as_mut()) {
            session.last = Instant::now();
        }
        let refuse = |server: &Self, status: &str, more: &str| {
            server.outlet.shared.count(Count::Refused);
            request.respond(status, "refused", from, more, "")
        };
        let unknown: Vec<&str> = request
            .tags("Require")
            .filter(|tag| !SUPPORTED.iter().any(|known| known.eq_ignore_ascii_case(tag)))
            .collect();
        let answer = match (request.method, known) {
            ("ACK", known) => {
                if let Some(session) = known.and_then(|at| self.sessions.get_mut(at)?.as_mut()) {
                    session.unacknowledged = None;
                }
                return None;
            }
            // RFC 3261, 8.2.2.3: not for CANCEL.
            (method, _) if method != "CANCEL" && !unknown.is_empty() => {
                refuse(self, "420 Bad Extension", &format!("Unsupported: {}\r\n", unknown.join(", ")))
            }
            ("OPTIONS", _) => {
                let accept = "Accept: application/sdp, application/rs-metadata+xml, multipart/mixed\r\n";
                request.respond(
                    "200 OK",
                    "options",
                    from,
                    &format!("{ALLOW}{accept}Supported: siprec, timer\r\n"),
                    "",
                )
            }
            ("INVITE" | "UPDATE", known) => self.describe(&request, from, known, way),
            ("BYE", Some(at)) => {
                let session = self.sessions.get_mut(at)?.as_mut()?;
                session.ends.get_or_insert(Instant::now() + LINGER);
                session.unacknowledged = None;
                request.respond("200 OK", "", from, "", "")
            }
            // The INVITE was answered already, so there is nothing to cancel (9.2).
            ("CANCEL", Some(_)) => request.respond("200 OK", "", from, "", ""),
            ("BYE" | "CANCEL", None) => refuse(self, "481 Call/Transaction Does Not Exist", ""),
            _ => refuse(self, "405 Method Not Allowed", ALLOW),
        };
        Some((reply_to, answer))
    }

    fn find(&self, request: &Request<'_>) -> Option<usize> {
        let (call_id, tag) = (request.header("Call-ID")?, request.tag("From"));
        let to = request.tag("To");
        self.sessions.iter().position(|s| {
            s.as_ref().is_some_and(|s| {
                *s.call_id == *call_id && *s.from_tag == *tag && (to.is_empty() || *s.tag == *to)
            })
        })
    }

    /// INVITE and UPDATE: an offer is answered, one that came before is answered as it was.
    fn describe(
        &mut self,
        request: &Request<'_>,
        from: SocketAddr,
        known: Option<usize>,
        way: Way,
    ) -> Vec<u8> {
        let refuse = |server: &Self, status: &str, more: &str| {
            server.outlet.shared.count(Count::Refused);
            request.respond(status, "refused", from, more, "")
        };
        let invite = request.method == "INVITE";
        if let Some(session) = known.and_then(|at| self.sessions.get(at)?.as_ref()) {
            if invite && session.answered.0 == request.cseq() {
                return session.answered.1.clone();
            }
        } else if !request.tag("To").is_empty() || !invite {
            return refuse(self, "481 Call/Transaction Does Not Exist", "");
        } else if !request.is_recording() {
            // An ordinary call: nobody is here to take it.
            return refuse(self, "421 Extension Required", "Require: siprec\r\n");
        }
        let Some(offered) = request.description() else {
            return match known.and_then(|at| self.sessions.get(at)?.as_ref()) {
                // Metadata alone.
                Some(session) if !invite => request.respond("200 OK", &session.tag, from, "", ""),
                _ => refuse(self, "488 Not Acceptable Here", ""),
            };
        };
        let media = offer::media(offered).filter(|media| media.iter().any(offer::Media::is_acceptable));
        let Some(media) = media else { return refuse(self, "488 Not Acceptable Here", "") };
        let Some(at) = known.or_else(|| self.sessions.iter().position(Option::is_none)) else {
            return refuse(self, "486 Busy Here", "");
        };
        let now = Instant::now();
        let mut session = match self.sessions.get_mut(at).and_then(Option::take) {
            Some(session) => session,
            None => self.begin(request, way, now),
        };
        if !self.take_ports(&mut session, &media, at) {
            match known {
                Some(_) => self.sessions[at] = Some(session),
                None => self.release(&session),
            }
            return refuse(self, "486 Busy Here", "");
        }
        if known.is_none() {
            self.outlet.shared.count(Count::Sessions);
        }
        session.version += 1;
        let port =
            |pair: &Option<usize>| pair.and_then(|p| self.ports.pairs.get(p)?.as_ref()).map(|p| p.port);
        let ports: Vec<Option<u16>> = session.pairs.iter().map(port).collect();
        let body = offer::answer(&media, &ports, self.at.ip(), (session.id, session.version));
        let transport = if matches!(way, Way::Tcp(_)) { ";transport=tcp" } else { "" };
        let mut more = format!(
            "Contact: <sip:mandat@{}{transport}>;+sip.srs\r\n{ALLOW}Supported: siprec, timer\r\nContent-Type: application/sdp\r\n",
            self.at
        );
        let timer =
            request.header("Session-Expires").filter(|_| request.tags("Supported").any(|t| t == "timer"));
        session.patience = IDLE;
        if let Some(seconds) = timer.and_then(|t| t.split(';').next()?.trim().parse::<u32>().ok()) {
            // RFC 4028, 9: the controller refreshes.
            _ = write!(more, "Require: timer\r\nSession-Expires: {seconds};refresher=uac\r\n");
            session.patience = Duration::from_secs(u64::from(seconds) + 32);
        }
        let answer = request.respond("200 OK", &session.tag, from, &more, &body);
        if invite {
            session.answered = (request.cseq(), answer.clone());
            session.unacknowledged = Some((now + T1, T1, now + 64 * T1));
            session.way = way;
        }
        self.sessions[at] = Some(session);
        answer
    }

    fn begin(&mut self, request: &Request<'_>, way: Way, now: Instant) -> Session {
        self.named = self.named.wrapping_add(1);
        Session {
            call_id: request.header("Call-ID").unwrap_or_default().into(),
            from_tag: request.tag("From").into(),
            tag: format!("m{:x}", self.named).into(),
            pairs: Vec::new(),
            answered: (0, Vec::new()),
            version: 0,
            id: self.named,
            unacknowledged: None,
            way,
            last: now,
            patience: IDLE,
            ends: None,
        }
    }

    /// Gives each acceptable media description a pair of ports; what has one keeps it. False when there are none left.
    fn take_ports(&mut self, session: &mut Session, media: &[offer::Media<'_>], at: usize) -> bool {
        session.pairs.resize(session.pairs.len().max(media.len()), None);
        for (place, media) in session.pairs.iter_mut().zip(media) {
            match (*place, media.is_acceptable()) {
                (None, true) => {
                    let Some(pair) = self.ports.open(self.poll.registry(), at, media.address) else {
                        return false;
                    };
                    *place = Some(pair);
                }
                (Some(pair), true) => {
                    if let Some(pair) = self.ports.pairs.get_mut(pair).and_then(Option::as_mut) {
                        pair.from = media.address;
                    }
                }
                (Some(pair), false) => {
                    self.ports.close(pair);
                    *place = None;
                }
                (None, false) => {}
            }
        }
        true
    }

    fn release(&mut self, session: &Session) {
        session.pairs.iter().flatten().for_each(|pair| self.ports.close(*pair));
    }

    fn tick(&mut self, now: Instant) {
        for at in 0..self.sessions.len() {
            let Some(mut session) = self.sessions.get_mut(at).and_then(Option::take) else { continue };
            let expired = now.duration_since(session.last) > session.patience;
            if expired || session.ends.is_some_and(|ends| ends <= now) {
                if session.ends.is_none() {
                    self.outlet.shared.count(Count::Expired);
                }
                self.release(&session);
                continue;
            }
            if let Some((next, interval, until)) = session.unacknowledged
                && next <= now
            {
                if until <= now {
                    // The media may come all the same, so the session stays.
                    self.outlet.shared.count(Count::Unacknowledged);
                    session.unacknowledged = None;
                } else {
                    self.again(&session);
                    let interval = (2 * interval).min(T2);
                    session.unacknowledged = Some((now + interval, interval, until));
                }
            }
            self.sessions[at] = Some(session);
        }
    }

    /// Sends an answer again.
    fn again(&mut self, session: &Session) {
        match session.way {
            Way::Udp(to) => self.send_datagram(to, &session.answered.1),
            Way::Tcp(token) => {
                let place = token.0.saturating_sub(CONNECTIONS);
                let Some(mut connection) = self.connections.get_mut(place).and_then(Option::take) else {
                    return;
                };
                connection.outbox.extend(&session.answered.1);
                if self.write(&mut connection) {
                    self.connections[place] = Some(connection);
                }
            }
        }
    }
}
