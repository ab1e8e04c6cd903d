//! IMAP: a client's commands with their literals (LOGIN, AUTHENTICATE, APPEND), and the messages that FETCH brings.

use super::item::{Item, text};
use super::sasl::Exchange;
use super::{Ends, Step, TLS, Via};
use crate::counters::Counter;
use crate::decode::mail::imap::{self, Command, Fetched, Response};
use crate::decode::mail::line::{self, Line};
use crate::decode::mail::sasl::MAX_NAME;
use crate::packet::Seen;
use crate::session::Observer;

/// Octets of a tag that are remembered. Clients use four or so.
const MAX_TAG: usize = 64;

/// What the octets of a literal are.
enum Literal {
    /// A message: APPEND, FETCH.
    Message(Box<Item>),
    /// The user's name, as far as it has come.
    Name(Vec<u8>),
    /// A password, the name of a mailbox, a part of a message: passed over.
    Other,
}

/// The command that a line of the client belongs to, while it has literals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Running {
    None,
    Login,
    Append,
    Other,
}

/// A literal under way.
struct Under {
    left: u64,
    what: Literal,
}

/// One direction.
#[derive(Default)]
struct Direction {
    under: Option<Under>,
    /// Octets of a literal are missing: nothing tells where it ends.
    lost: bool,
}

/// One session.
pub(super) struct Imap {
    client: Direction,
    server: Direction,
    running: Running,
    /// The tag of the last command with a synchronising literal, of LOGIN, of AUTHENTICATE: its refusal ends it.
    tag: Box<[u8]>,
    claimed: Option<Box<str>>,
    login: Option<Box<str>>,
    exchange: Option<Exchange>,
    fetching: bool,
    starttls: bool,
    compress: bool,
}

impl Imap {
    pub(super) fn new() -> Self {
        Self {
            client: Direction::default(),
            server: Direction::default(),
            running: Running::None,
            tag: Box::default(),
            claimed: None,
            login: None,
            exchange: None,
            fetching: false,
            starttls: false,
            compress: false,
        }
    }

    /// Octets that it keeps in memory, about.
    pub(super) fn held(&self) -> usize {
        let of = |direction: &Direction| match &direction.under {
            Some(Under { what: Literal::Message(item), .. }) => item.held(),
            _ => 0,
        };
        of(&self.client) + of(&self.server)
    }

    /// Takes one step in the client's octets, which aren't empty.
    pub(super) fn client(
        &mut self,
        octets: &[u8],
        ends: &Ends,
        seen: &Seen<'_>,
        out: &mut impl Observer,
    ) -> Step {
        if self.client.lost {
            return Step::Used(octets.len());
        }
        if self.client.under.is_some() {
            return Step::Used(self.literal(octets, seen, out));
        }
        if self.starttls && octets[0] == TLS {
            return Step::Hidden;
        }
        match line::next(octets) {
            Line::Whole(line, used) => {
                self.line(line, ends, seen, out);
                if self.compress { Step::Hidden } else { Step::Used(used) }
            }
            Line::NeedMore => Step::NeedMore,
            Line::TooLong => {
                out.count(Counter::MailMalformed, 1);
                Step::Used(octets.len())
            }
        }
    }

    fn literal(&mut self, octets: &[u8], seen: &Seen<'_>, out: &mut impl Observer) -> usize {
        let used = self.client.take(octets, seen, out).unwrap_or(octets.len());
        if let Some(Under { what: Literal::Name(name), .. }) = self.client.under.take_if(|u| u.left == 0) {
            self.claim(&name, seen, out);
        }
        used
    }

    fn claim(&mut self, name: &[u8], seen: &Seen<'_>, out: &mut impl Observer) {
        out.mail_command(Via::Imap, "LOGIN", name, seen);
        self.claimed = Some(text(name, MAX_NAME));
        // What follows is the password.
        self.running = Running::Other;
    }

    fn line(&mut self, line: &[u8], ends: &Ends, seen: &Seen<'_>, out: &mut impl Observer) {
        if let Some(exchange) = self.exchange.as_mut().filter(|e| e.expects()) {
            exchange.response(line);
            return;
        }
        let literal = imap::literal(line);
        let before = literal.map_or(line, |l| l.before);
        let continued = self.running != Running::None;
        let mut what = Literal::Other;
        if continued {
            // MULTIAPPEND (RFC 3502) has a message after a message; only CATENATE has none.
            if self.running == Running::Append
                && (before.trim_ascii().is_empty() || imap::append_is_message(before))
            {
                what = self.append(ends, seen);
            }
        } else {
            let Some((tag, command)) = imap::command(before) else { return };
            self.running = Running::Other;
            match command {
                Command::Login(arguments) => {
                    self.remember(tag);
                    if let Some((name, _)) = imap::astring(arguments) {
                        self.claim(&name, seen, out);
                    } else {
                        self.running = Running::Login;
                        what = Literal::Name(Vec::new());
                    }
                }
                Command::Authenticate { mechanism, initial } => {
                    self.remember(tag);
                    self.exchange = Some(Exchange::new(mechanism, initial));
                }
                Command::Append(arguments) => {
                    self.remember(tag);
                    // The name of the mailbox may be a literal itself, and then the message is another.
                    if imap::append_is_message(arguments) {
                        self.running = Running::Append;
                        what = self.append(ends, seen);
                    } else if arguments.is_empty() {
                        self.running = Running::Append;
                    }
                }
                Command::StartTls => {
                    out.mail_command(Via::Imap, "STARTTLS", b"", seen);
                    self.starttls = true;
                }
                Command::Compress => self.compress = true,
                Command::Other => {}
            }
        }
        match literal {
            Some(literal) => self.client.begin(literal.size, what, seen, out),
            None => self.running = Running::None,
        }
    }

    fn append(&self, ends: &Ends, seen: &Seen<'_>) -> Literal {
        let mut item = ends.item(Via::Imap, seen.ts);
        item.login.clone_from(&self.login);
        Literal::Message(Box::new(item))
    }

    fn remember(&mut self, tag: &[u8]) {
        self.tag = tag[..tag.len().min(MAX_TAG)].into();
    }

    /// Takes one step in the server's octets, which aren't empty.
    pub(super) fn server(
        &mut self,
        octets: &[u8],
        ends: &Ends,
        seen: &Seen<'_>,
        out: &mut impl Observer,
    ) -> Step {
        if self.server.lost {
            return Step::Used(octets.len());
        }
        if self.server.under.is_some() {
            let used = self.server.take(octets, seen, out).unwrap_or(octets.len());
            self.server.under.take_if(|under| under.left == 0);
            return Step::Used(used);
        }
        if self.starttls && octets[0] == TLS {
            return Step::Ignore;
        }
        match line::next(octets) {
            Line::Whole(line, used) => {
                self.response(line, ends, seen, out);
                Step::Used(used)
            }
            Line::NeedMore => Step::NeedMore,
            Line::TooLong => Step::Used(octets.len()),
        }
    }

    fn response(&mut self, line: &[u8], ends: &Ends, seen: &Seen<'_>, out: &mut impl Observer) {
        let literal = imap::literal(line);
        let before = literal.map_or(line, |l| l.before);
        if !self.fetching {
            match imap::response(before) {
                Response::Fetch => self.fetching = true,
                Response::Continue => {
                    if let Some(exchange) = &mut self.exchange {
                        exchange.asked();
                    }
                }
                Response::Tagged { tag, ok } if tag[..tag.len().min(MAX_TAG)] == *self.tag => {
                    self.tagged(ok, ends, seen, out);
                }
                Response::Tagged { .. } | Response::Untagged | Response::Rest => {}
            }
        }
        let Some(literal) = literal else {
            self.fetching = false;
            return;
        };
        let what = match imap::fetched(before) {
            _ if !self.fetching => Literal::Other,
            Fetched::Part => {
                out.count(Counter::MailParts, 1);
                Literal::Other
            }
            whole => {
                let mut item = ends.item(Via::Imap, seen.ts);
                item.fetched = true;
                item.partial = whole == Fetched::Beginning;
                item.login.clone_from(&self.login);
                Literal::Message(Box::new(item))
            }
        };
        self.server.begin(literal.size, what, seen, out);
    }

    /// The command that was remembered is over.
    fn tagged(&mut self, ok: bool, ends: &Ends, seen: &Seen<'_>, out: &mut impl Observer) {
        self.tag = Box::default();
        let exchanged = self.exchange.take().and_then(|e| e.name);
        if let Some(name) = exchanged.or_else(|| self.claimed.take()).filter(|_| ok) {
            out.mail_login(Via::Imap, &name, ends, seen);
            self.login = Some(name);
        }
        // A literal that was refused is not sent (RFC 9051 7.5).
        let unsent = |under: &Under| match &under.what {
            Literal::Message(item) => !item.begun(),
            Literal::Name(name) => name.is_empty(),
            Literal::Other => false,
        };
        if !ok && self.client.under.as_ref().is_some_and(unsent) {
            self.client.under = None;
            self.running = Running::None;
        }
    }

    /// Octets of the client are missing.
    pub(super) fn client_gap(&mut self, seen: &Seen<'_>, out: &mut impl Observer) {
        self.client.gap(seen, out);
        self.running = Running::None;
        self.exchange = None;
    }

    /// Octets of the server are missing.
    pub(super) fn server_gap(&mut self, seen: &Seen<'_>, out: &mut impl Observer) {
        self.server.gap(seen, out);
        self.fetching = false;
    }

    pub(super) fn close(&mut self, seen: &Seen<'_>, out: &mut impl Observer) {
        self.client.close(seen, out);
        self.server.close(seen, out);
    }
}

impl Direction {
    fn begin(&mut self, size: u64, what: Literal, seen: &Seen<'_>, out: &mut impl Observer) {
        self.under = Some(Under { left: size, what });
        if size == 0 {
            self.take(&[], seen, out);
            self.under = None;
        }
    }

    /// Takes octets of the literal under way; a message that is whole with them is closed. `None`: there is none.
    fn take(&mut self, octets: &[u8], seen: &Seen<'_>, out: &mut impl Observer) -> Option<usize> {
        let under = self.under.as_mut()?;
        let used = usize::try_from(under.left).unwrap_or(usize::MAX).min(octets.len());
        let octets = &octets[..used];
        under.left -= used as u64;
        match &mut under.what {
            Literal::Message(item) => item.data(octets, seen.ts, out),
            Literal::Name(name) => {
                let room = MAX_NAME - name.len().min(MAX_NAME);
                name.extend_from_slice(&octets[..used.min(room)]);
            }
            Literal::Other => {}
        }
        if under.left == 0 && matches!(under.what, Literal::Message(_)) {
            self.whole(seen, out);
        }
        Some(used)
    }

    /// The message under way has all its octets.
    fn whole(&mut self, seen: &Seen<'_>, out: &mut impl Observer) {
        if let Some(Under { what: Literal::Message(mut item), .. }) = self.under.take() {
            item.end(false, seen.ts, out);
            item.close(seen.ts, out);
        }
    }

    fn gap(&mut self, seen: &Seen<'_>, out: &mut impl Observer) {
        if self.under.is_some() {
            self.lost = true;
            out.count(Counter::MailGivenUp, 1);
        }
        self.close(seen, out);
    }

    fn close(&mut self, seen: &Seen<'_>, out: &mut impl Observer) {
        if let Some(Under { what: Literal::Message(item), .. }) = self.under.take() {
            item.close(seen.ts, out);
        }
    }
}
