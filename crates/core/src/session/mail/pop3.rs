//! POP3: a client's commands, and the responses joined to them, which come in the same order (RFC 1939 3, RFC 2449 6.6).

use std::collections::VecDeque;

use super::item::{Item, text};
use super::sasl::Exchange;
use super::{Ends, Step, TLS, Via};
use crate::counters::Counter;
use crate::decode::mail::dots::Dots;
use crate::decode::mail::line::{self, Line};
use crate::decode::mail::pop3::{self, Command, Response};
use crate::decode::mail::sasl::MAX_NAME;
use crate::packet::Seen;
use crate::session::Observer;

/// Commands that wait for their response. Clients that pipeline send a RETR for each message of a mailbox.
const MAX_WAITING: usize = 4096;

/// A command whose response hasn't come yet, by what its success brings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sent {
    /// The user is logged in: PASS, APOP.
    Login,
    /// Ends an AUTH exchange.
    Auth,
    /// A message follows; with TOP only its beginning.
    Message {
        partial: bool,
    },
    /// Other lines follow.
    Lines,
    Other,
}

/// One session.
pub(super) struct Pop3 {
    /// The name that the client has given, not yet accepted.
    claimed: Option<Box<str>>,
    login: Option<Box<str>>,
    exchange: Option<Exchange>,
    waiting: VecDeque<Sent>,
    /// Responses were missed, so that none can be joined to its command any more.
    adrift: bool,
    /// The lines that a response goes on with.
    lines: Option<Dots>,
    item: Option<Box<Item>>,
    greeted: bool,
    stls: bool,
}

impl Pop3 {
    pub(super) fn new(greeted: bool) -> Self {
        Self {
            claimed: None,
            login: None,
            exchange: None,
            waiting: VecDeque::new(),
            adrift: false,
            lines: None,
            item: None,
            greeted,
            stls: false,
        }
    }

    /// Octets that it keeps in memory, about.
    pub(super) fn held(&self) -> usize {
        self.item.as_ref().map_or(0, |item| item.held()) + self.waiting.capacity() * size_of::<Sent>()
    }

    /// Takes one step in the client's octets, which aren't empty.
    pub(super) fn client(&mut self, octets: &[u8], seen: &Seen<'_>, out: &mut impl Observer) -> Step {
        if self.stls && octets[0] == TLS {
            return Step::Hidden;
        }
        match line::next(octets) {
            Line::Whole(line, used) => {
                self.line(line, seen, out);
                Step::Used(used)
            }
            Line::NeedMore => Step::NeedMore,
            Line::TooLong => {
                out.count(Counter::MailMalformed, 1);
                Step::Used(octets.len())
            }
        }
    }

    fn line(&mut self, line: &[u8], seen: &Seen<'_>, out: &mut impl Observer) {
        if let Some(exchange) = self.exchange.as_mut().filter(|e| e.expects()) {
            exchange.response(line);
            return;
        }
        let sent = match pop3::command(line) {
            Command::User(name) => {
                out.mail_command(Via::Pop3, "USER", name, seen);
                self.claimed = Some(text(name, MAX_NAME));
                Sent::Other
            }
            Command::Pass => Sent::Login,
            Command::Apop(name) => {
                out.mail_command(Via::Pop3, "APOP", name, seen);
                self.claimed = Some(text(name, MAX_NAME));
                Sent::Login
            }
            Command::Auth { mechanism, initial } => {
                self.exchange = Some(Exchange::new(mechanism, initial));
                Sent::Auth
            }
            Command::Retr => Sent::Message { partial: false },
            Command::Top => Sent::Message { partial: true },
            Command::Stls => {
                out.mail_command(Via::Pop3, "STLS", b"", seen);
                self.stls = true;
                Sent::Other
            }
            Command::Lines => Sent::Lines,
            Command::Other => Sent::Other,
        };
        if self.waiting.len() >= MAX_WAITING {
            self.cut_loose();
        }
        if !self.adrift {
            self.waiting.push_back(sent);
        }
    }

    fn cut_loose(&mut self) {
        self.adrift = true;
        self.waiting = VecDeque::new();
    }

    /// Takes one step in the server's octets, which aren't empty.
    pub(super) fn server(
        &mut self,
        octets: &[u8],
        ends: &Ends,
        seen: &Seen<'_>,
        out: &mut impl Observer,
    ) -> Step {
        if let Some(dots) = &mut self.lines {
            let item = &mut self.item;
            let (used, ended) = dots.data(octets, &mut |text| {
                if let Some(item) = item {
                    item.data(text, seen.ts, out);
                }
            });
            if ended {
                self.lines = None;
                if let Some(mut item) = self.item.take() {
                    item.end(false, seen.ts, out);
                    item.close(seen.ts, out);
                }
            }
            return Step::Used(used);
        }
        if self.stls && octets[0] == TLS {
            return Step::Ignore;
        }
        match line::next(octets) {
            Line::Whole(line, used) => {
                if let Some(response) = pop3::response(line) {
                    self.response(response, ends, seen, out);
                }
                Step::Used(used)
            }
            Line::NeedMore => Step::NeedMore,
            Line::TooLong => Step::Used(octets.len()),
        }
    }

    fn response(&mut self, response: Response, ends: &Ends, seen: &Seen<'_>, out: &mut impl Observer) {
        if response == Response::Continue {
            if let Some(exchange) = &mut self.exchange {
                exchange.asked();
            }
            return;
        }
        if !std::mem::replace(&mut self.greeted, true) {
            return;
        }
        let sent = self.waiting.pop_front();
        let exchange = if sent == Some(Sent::Auth) { self.exchange.take() } else { None };
        if response != Response::Ok {
            return;
        }
        match sent {
            Some(Sent::Login | Sent::Auth) => {
                let name = exchange.and_then(|e| e.name).or_else(|| self.claimed.take());
                if let Some(name) = name {
                    out.mail_login(Via::Pop3, &name, ends, seen);
                    self.login = Some(name);
                }
            }
            Some(Sent::Message { partial }) => {
                let mut item = ends.item(Via::Pop3, seen.ts);
                item.fetched = true;
                item.partial = partial;
                item.login.clone_from(&self.login);
                self.item = Some(Box::new(item));
                self.lines = Some(Dots::START);
            }
            Some(Sent::Lines) => self.lines = Some(Dots::START),
            Some(Sent::Other) | None => {}
        }
    }

    /// Octets of the client are missing.
    pub(super) fn client_gap(&mut self) {
        self.exchange = None;
        self.cut_loose();
    }

    /// Octets of the server are missing. A message goes on to its final dot.
    pub(super) fn server_gap(&mut self) {
        match &mut self.item {
            Some(item) => {
                item.partial = true;
                self.lines = Some(Dots::INSIDE);
            }
            None => self.cut_loose(),
        }
    }

    pub(super) fn close(&mut self, seen: &Seen<'_>, out: &mut impl Observer) {
        if let Some(item) = self.item.take() {
            item.close(seen.ts, out);
        }
    }
}
