//! SMTP and LMTP: a client's commands and content, and the server's replies joined to them.
//!
//! ```text
//!          DATA              .
//! Command ──────▶ Content ──────▶ Command        BDAT n ──▶ Chunk ──n octets──▶ Command
//!    │                └─ refused ──▶ Command
//!    └─ STARTTLS, then a TLS record ──▶ the visible part is over (RFC 3207)
//! ```
//!
//! Replies come in the order of commands (RFC 2920). A capture of one side has none: then what the client sends is
//! taken as accepted, as it would not send it otherwise.

use std::collections::VecDeque;

use super::item::{Item, MAX_ADDRESS, text};
use super::sasl::Exchange;
use super::{Ends, Step, TLS, Via};
use crate::counters::Counter;
use crate::decode::mail::dots::Dots;
use crate::decode::mail::line::{self, Line};
use crate::decode::mail::smtp::{self, Command, Reply};
use crate::packet::Seen;
use crate::session::Observer;

/// Commands that wait for their reply. A pipelined group is a MAIL, a DATA and up to a thousand RCPT (RFC 2920).
const MAX_WAITING: usize = 2048;

/// A command whose reply hasn't come yet.
enum Sent {
    Mail,
    Rcpt(Option<u16>),
    Data,
    Auth,
    /// The end of a message; LMTP gives a reply for each accepted recipient.
    Message(Box<Item>, usize),
    Other,
}

/// What the client's next octets are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Command,
    /// The rest of a line that was too long.
    Skip,
    Content(Dots),
    Chunk {
        left: u64,
        last: bool,
        /// None of it was seen yet.
        fresh: bool,
    },
    /// Octets of a chunk are missing: nothing tells where it ends, until the server has answered.
    Lost,
}

/// What is known of the server's replies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Replies {
    /// None was heard.
    Unheard,
    /// Each is joined to its command.
    Joined,
    /// Some were missed, so that none can be joined to its command any more.
    Adrift,
}

/// One session.
pub(super) struct Smtp {
    mode: Mode,
    lmtp: bool,
    hello: Option<Box<str>>,
    login: Option<Box<str>>,
    exchange: Option<Exchange>,
    item: Option<Box<Item>>,
    waiting: VecDeque<Sent>,
    /// Octets that messages in `waiting` keep in memory.
    queued: usize,
    replies: Replies,
    starttls: bool,
}

impl Smtp {
    pub(super) fn new() -> Self {
        Self {
            mode: Mode::Command,
            lmtp: false,
            hello: None,
            login: None,
            exchange: None,
            item: None,
            waiting: VecDeque::new(),
            queued: 0,
            replies: Replies::Unheard,
            starttls: false,
        }
    }

    /// Octets that it keeps in memory, about.
    pub(super) fn held(&self) -> usize {
        self.item.as_ref().map_or(0, |item| item.held())
            + self.queued
            + self.waiting.capacity() * size_of::<Sent>()
    }

    /// Takes one step in the client's octets, which aren't empty.
    pub(super) fn client(
        &mut self,
        octets: &[u8],
        ends: &Ends,
        seen: &Seen<'_>,
        out: &mut impl Observer,
    ) -> Step {
        match &mut self.mode {
            Mode::Command if self.starttls && octets[0] == TLS => Step::Hidden,
            Mode::Command => match line::next(octets) {
                Line::Whole(line, used) => {
                    self.line(line, ends, seen, out);
                    Step::Used(used)
                }
                Line::NeedMore => Step::NeedMore,
                Line::TooLong => {
                    out.count(Counter::MailMalformed, 1);
                    self.mode = Mode::Skip;
                    Step::Used(octets.len())
                }
            },
            Mode::Skip => {
                let end = memchr::memchr(b'\n', octets);
                if end.is_some() {
                    self.mode = Mode::Command;
                }
                Step::Used(end.map_or(octets.len(), |at| at + 1))
            }
            Mode::Content(dots) => {
                let item = self.item.get_or_insert_with(|| Box::new(ends.item(Via::Smtp, seen.ts)));
                let (used, ended) = dots.data(octets, &mut |text| item.data(text, seen.ts, out));
                if ended {
                    self.whole(ends, seen, out);
                }
                Step::Used(used)
            }
            Mode::Chunk { left, last, fresh } => {
                *fresh = false;
                let used = usize::try_from(*left).unwrap_or(usize::MAX).min(octets.len());
                *left -= used as u64;
                let ended = *left == 0;
                let last = *last;
                if let Some(item) = &mut self.item {
                    item.data(&octets[..used], seen.ts, out);
                }
                if ended {
                    self.chunk(last, ends, seen, out);
                }
                Step::Used(used)
            }
            Mode::Lost => Step::Used(octets.len()),
        }
    }

    fn line(&mut self, line: &[u8], ends: &Ends, seen: &Seen<'_>, out: &mut impl Observer) {
        if let Some(exchange) = self.exchange.as_mut().filter(|e| e.expects()) {
            if exchange.response(line) {
                out.mail_command(Via::Smtp, "AUTH-USERNAME", line, seen);
            }
            return;
        }
        if !self.joined() {
            // The server can't be heard: what follows an exchange says that it went well.
            self.login = self.exchange.take().and_then(|e| e.name).or_else(|| self.login.take());
        }
        match smtp::command(line) {
            Command::Hello { name, lmtp } => {
                self.lmtp = lmtp;
                self.hello = Some(text(name, MAX_ADDRESS)).filter(|n| !n.is_empty());
                self.reset(seen, out);
                self.sent(Sent::Other, seen, out);
            }
            Command::Mail { argument, path } => {
                out.mail_command(Via::Smtp, "MAIL", argument, seen);
                self.reset(seen, out);
                let mut item = ends.item(Via::Smtp, seen.ts);
                item.sender = Some(text(path, MAX_ADDRESS));
                self.item = Some(Box::new(item));
                self.sent(Sent::Mail, seen, out);
            }
            Command::Rcpt { argument, path } => {
                out.mail_command(Via::Smtp, "RCPT", argument, seen);
                let item = self.item.get_or_insert_with(|| Box::new(ends.item(Via::Smtp, seen.ts)));
                let place = item.recipient(path, out);
                self.sent(Sent::Rcpt(place), seen, out);
            }
            Command::Data => {
                self.address(ends, seen);
                self.mode = Mode::Content(Dots::START);
                self.sent(Sent::Data, seen, out);
            }
            Command::Bdat { size, last } => {
                self.address(ends, seen);
                self.mode = Mode::Chunk { left: size, last, fresh: true };
                if size == 0 {
                    self.chunk(last, ends, seen, out);
                }
            }
            Command::Reset => {
                self.reset(seen, out);
                self.sent(Sent::Other, seen, out);
            }
            Command::Auth { mechanism, initial } => {
                let exchange = Exchange::new(mechanism, initial);
                if let (Some(initial), true) = (initial, mechanism.eq_ignore_ascii_case(b"LOGIN")) {
                    out.mail_command(Via::Smtp, "AUTH-USERNAME", initial, seen);
                }
                self.exchange = Some(exchange);
                self.sent(Sent::Auth, seen, out);
            }
            Command::StartTls => {
                out.mail_command(Via::Smtp, "STARTTLS", b"", seen);
                self.starttls = true;
                self.sent(Sent::Other, seen, out);
            }
            Command::Other => self.sent(Sent::Other, seen, out),
        }
    }

    /// Content begins: the item learns who sends it.
    fn address(&mut self, ends: &Ends, seen: &Seen<'_>) {
        let item = self.item.get_or_insert_with(|| Box::new(ends.item(Via::Smtp, seen.ts)));
        item.hello.clone_from(&self.hello);
        item.login.clone_from(&self.login);
    }

    /// A chunk is over.
    fn chunk(&mut self, last: bool, ends: &Ends, seen: &Seen<'_>, out: &mut impl Observer) {
        if last {
            self.whole(ends, seen, out);
        } else {
            self.mode = Mode::Command;
            self.sent(Sent::Other, seen, out);
        }
    }

    /// The message is whole; its reply is awaited.
    fn whole(&mut self, ends: &Ends, seen: &Seen<'_>, out: &mut impl Observer) {
        self.mode = Mode::Command;
        let mut item = self.item.take().unwrap_or_else(|| Box::new(ends.item(Via::Smtp, seen.ts)));
        item.end(false, seen.ts, out);
        let replies =
            if self.lmtp { item.recipients.iter().filter(|r| !r.refused).count().max(1) } else { 1 };
        self.sent(Sent::Message(item, replies), seen, out);
    }

    /// The transaction at hand is over (RFC 5321 4.1.4): its reply, if any, is none of its content.
    fn reset(&mut self, seen: &Seen<'_>, out: &mut impl Observer) {
        if let Some(item) = self.item.take() {
            item.close(seen.ts, out);
        }
    }

    fn sent(&mut self, sent: Sent, seen: &Seen<'_>, out: &mut impl Observer) {
        if self.waiting.len() >= MAX_WAITING {
            // Replies that never came: those of a server that the tap doesn't see.
            self.cut_loose(seen, out);
        }
        match sent {
            Sent::Message(item, _) if !self.joined() => item.close(seen.ts, out),
            _ if self.replies == Replies::Adrift => {}
            sent => {
                if let Sent::Message(item, _) = &sent {
                    self.queued += item.held();
                }
                self.waiting.push_back(sent);
            }
        }
    }

    /// Whether replies are joined to their commands.
    const fn joined(&self) -> bool {
        matches!(self.replies, Replies::Joined)
    }

    fn cut_loose(&mut self, seen: &Seen<'_>, out: &mut impl Observer) {
        self.replies = Replies::Adrift;
        self.drop_waiting(seen, out);
    }

    fn drop_waiting(&mut self, seen: &Seen<'_>, out: &mut impl Observer) {
        self.queued = 0;
        for sent in self.waiting.drain(..) {
            if let Sent::Message(item, _) = sent {
                item.close(seen.ts, out);
            }
        }
    }

    /// Takes one step in the server's octets, which aren't empty.
    pub(super) fn server(
        &mut self,
        octets: &[u8],
        ends: &Ends,
        seen: &Seen<'_>,
        out: &mut impl Observer,
    ) -> Step {
        match line::next(octets) {
            _ if self.starttls && octets[0] == TLS => Step::Ignore,
            Line::Whole(line, used) => {
                if let Some(reply) = smtp::reply(line).filter(|r| r.last) {
                    self.reply(reply, ends, seen, out);
                }
                Step::Used(used)
            }
            Line::NeedMore => Step::NeedMore,
            Line::TooLong => Step::Used(octets.len()),
        }
    }

    fn reply(&mut self, reply: Reply, ends: &Ends, seen: &Seen<'_>, out: &mut impl Observer) {
        if self.replies == Replies::Unheard {
            self.replies = Replies::Joined;
            // The greeting answers no command.
            if reply.code == 220 && !self.starttls {
                return;
            }
        }
        if reply.code == 334 {
            if let Some(exchange) = &mut self.exchange {
                exchange.asked();
            }
            return;
        }
        if self.mode == Mode::Lost {
            self.mode = Mode::Command;
        }
        if self.replies == Replies::Adrift {
            let name = self.exchange.take().and_then(|e| e.name);
            self.login = name.filter(|_| reply.positive()).or_else(|| self.login.take());
            return;
        }
        match self.waiting.pop_front() {
            Some(Sent::Rcpt(Some(place))) if reply.negative() => {
                if let Some(recipient) =
                    self.item.as_mut().and_then(|i| i.recipients.get_mut(usize::from(place)))
                {
                    recipient.refused = true;
                }
            }
            Some(Sent::Mail) if reply.negative() && self.item.as_ref().is_some_and(|i| !i.begun()) => {
                self.item = None;
            }
            // Refused: what follows are commands.
            Some(Sent::Data) if reply.negative() && matches!(self.mode, Mode::Content(_)) => {
                self.mode = Mode::Command;
                self.reset(seen, out);
            }
            Some(Sent::Auth) => {
                let name = self.exchange.take().and_then(|e| e.name);
                if let Some(name) = name.filter(|_| reply.positive()) {
                    out.mail_login(Via::Smtp, &name, ends, seen);
                    self.login = Some(name);
                }
            }
            Some(Sent::Message(mut item, left)) => {
                // LMTP: delivered to one recipient is delivered.
                item.status = Some(item.status.map_or(reply.code, |s| s.min(reply.code)));
                if left > 1 {
                    self.waiting.push_front(Sent::Message(item, left - 1));
                } else {
                    self.queued = self.queued.saturating_sub(item.held());
                    item.close(seen.ts, out);
                }
            }
            // BDAT itself was refused, and nothing of its chunk sent (RFC 3030 4.2 has a server take what was sent).
            None if reply.negative() && matches!(self.mode, Mode::Chunk { fresh: true, .. }) => {
                self.mode = Mode::Command;
                self.reset(seen, out);
            }
            // The end of a message whose last octets are missing.
            None if matches!(self.mode, Mode::Content(_)) && reply.code != 354 => {
                self.mode = Mode::Command;
                if let Some(item) = &mut self.item {
                    item.status = Some(reply.code);
                }
                self.reset(seen, out);
            }
            _ => {}
        }
    }

    /// Octets of the client are missing.
    pub(super) fn client_gap(&mut self) {
        if let Some(item) = &mut self.item {
            item.partial |= item.begun();
        }
        self.mode = match self.mode {
            Mode::Content(_) => Mode::Content(Dots::INSIDE),
            Mode::Chunk { .. } | Mode::Lost => Mode::Lost,
            Mode::Command | Mode::Skip => Mode::Skip,
        };
        self.exchange = None;
    }

    /// Octets of the server are missing: nothing tells which command the next reply is for.
    pub(super) fn server_gap(&mut self, seen: &Seen<'_>, out: &mut impl Observer) {
        self.cut_loose(seen, out);
    }

    pub(super) fn close(&mut self, seen: &Seen<'_>, out: &mut impl Observer) {
        self.drop_waiting(seen, out);
        self.reset(seen, out);
    }
}
