//! Mail sessions: both directions of one TCP connection joined, told by what they hold and not by their port.
//!
//! [`Joined`] tells the protocol and which end is the client, [`smtp`], [`imap`] and [`pop3`] follow it, and each
//! message on its way is an [`item::Item`]. What is found is told to the [`Observer`]: commands (for the development
//! tool), logins, and messages. A message that no task selects leaves nothing behind but its count: its header is held
//! until it is read, its body never.
//!
//! What is hidden stays hidden: after STARTTLS (RFC 3207, RFC 2595), and on ports of implicit TLS (RFC 8314), only the
//! name in the TLS hello is seen.

mod imap;
pub(crate) mod item;
mod pop3;
mod sasl;
mod smtp;

use self::imap::Imap;
pub(crate) use self::item::Item;
use self::pop3::Pop3;
use self::smtp::Smtp;
use super::Observer;
use crate::counters::Counter;
use crate::decode::mail::line::{self, begins};
use crate::decode::mail::{imap as imap_lines, pop3 as pop3_lines};
use crate::packet::{Endpoint, Seen, Time};

/// Octets that mail sessions may hold in all connections together: six of the largest messages that a task
/// selects, or the whole headers of eight thousand that none does.
const MAX_HELD: usize = 512 << 20;

/// Ports by which a protocol is told when the server can't be heard.
const POP3_PORT: u16 = 110;
const IMAP_PORT: u16 = 143;

/// Octets of a client's first line, after which it is no mail client's.
const FIRST_LINE: usize = 512;

/// A TLS handshake record (RFC 8446 5.1): what follows STARTTLS.
const TLS: u8 = 0x16;

/// The protocol of a mail session. Submission (RFC 6409) and LMTP (RFC 2033) are SMTP.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Via {
    Smtp,
    Imap,
    Pop3,
}

impl Via {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
        }
    }
}

/// The two ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) client: Endpoint,
    pub(crate) server: Endpoint,
}

impl Ends {
    fn item(&self, via: Via, start: Time) -> Item {
        Item::new(via, self.client, self.server, start)
    }
}

/// What became of the octets at hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// So many were read.
    Used(usize),
    /// More must come.
    NeedMore,
    /// From here on the stream is another one's: TLS after STARTTLS.
    Hidden,
    /// Nothing more of this direction is needed.
    Ignore,
}

/// What the caller does with a direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// So many octets were read.
    Used(usize),
    /// So many were read; what follows is not mail any more, and may begin with a TLS hello.
    Hidden(usize),
    /// Nothing more is needed.
    Ignore,
}

enum Protocol {
    Smtp(Smtp),
    Imap(Imap),
    Pop3(Pop3),
}

struct Session {
    ends: Ends,
    protocol: Protocol,
    held: usize,
}

/// The mail session of one connection, if it has one.
#[derive(Default)]
pub(crate) struct Joined {
    /// The protocols that a server's first words may begin.
    greeting: Option<Greeting>,
    session: Option<Box<Session>>,
}

/// How a server begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Greeting {
    /// `220`: SMTP, or FTP.
    Smtp,
    /// `* OK`, `* PREAUTH`, `* BYE`.
    Imap,
    /// `+OK`.
    Pop3,
}

fn greeting(octets: &[u8]) -> Option<Greeting> {
    match octets {
        _ if octets.starts_with(b"220 ") || octets.starts_with(b"220-") => Some(Greeting::Smtp),
        _ if [&b"* OK"[..], b"* PREAUTH", b"* BYE"].iter().any(|g| begins(octets, g)) => Some(Greeting::Imap),
        _ if octets.starts_with(b"+OK") => Some(Greeting::Pop3),
        _ => None,
    }
}

impl Joined {
    /// Whether a direction that begins with these octets is mail; `None` while a client's first line isn't whole.
    pub(crate) fn tells(&mut self, octets: &[u8], seen: &Seen<'_>) -> Option<bool> {
        if self.session.is_some() {
            // The other direction has told already.
            return Some(true);
        }
        if let Some(found) = greeting(octets) {
            self.greeting.get_or_insert(found);
            return Some(true);
        }
        let Some(protocol) = self.client(octets, seen) else {
            let waits = self.greeting.is_some() && octets[0] != TLS && octets.len() < FIRST_LINE;
            return if waits && !octets.contains(&b'\n') { None } else { Some(false) };
        };
        let ends = Ends { client: seen.src, server: seen.dst };
        self.session = Some(Box::new(Session { ends, protocol, held: 0 }));
        Some(true)
    }

    /// The protocol that a client begins so.
    fn client(&self, octets: &[u8], seen: &Seen<'_>) -> Option<Protocol> {
        let smtp = [&b"EHLO "[..], b"HELO ", b"LHLO ", b"MAIL FROM:", b"RCPT TO:"];
        if smtp.iter().any(|verb| begins(octets, verb)) {
            return Some(Protocol::Smtp(Smtp::new()));
        }
        // The others begin with words that other protocols have too: the server, or its port, tells.
        let line::Line::Whole(first, _) = line::next(octets) else { return None };
        let hears = |greeting, port| match self.greeting {
            Some(heard) => heard == greeting,
            None => seen.dst.port == port,
        };
        if hears(Greeting::Imap, IMAP_PORT) && imap_lines::begins_like_client(first) {
            return Some(Protocol::Imap(Imap::new()));
        }
        if hears(Greeting::Pop3, POP3_PORT)
            && (pop3_lines::command(first) != pop3_lines::Command::Other
                || first.eq_ignore_ascii_case(b"QUIT"))
        {
            return Some(Protocol::Pop3(Pop3::new(self.greeting.is_some())));
        }
        None
    }

    /// Takes octets of one direction, in order, from the first that wasn't read. `held` counts all sessions.
    pub(crate) fn data(
        &mut self,
        octets: &[u8],
        seen: &Seen<'_>,
        held: &mut usize,
        out: &mut impl Observer,
    ) -> Progress {
        let Some(session) = &mut self.session else {
            // A greeting without a client that we know: it may come.
            return Progress::Used(octets.len());
        };
        let progress = session.data(octets, seen, out);
        session.settle(held);
        if *held > MAX_HELD {
            out.count(Counter::MailGivenUp, 1);
            self.close(seen, held, out);
            return Progress::Ignore;
        }
        progress
    }

    /// Octets of the direction of `seen` are missing.
    pub(crate) fn gap(&mut self, seen: &Seen<'_>, held: &mut usize, out: &mut impl Observer) {
        let Some(session) = &mut self.session else { return };
        let from_client = seen.src == session.ends.client;
        match &mut session.protocol {
            Protocol::Smtp(smtp) if from_client => smtp.client_gap(),
            Protocol::Smtp(smtp) => smtp.server_gap(seen, out),
            Protocol::Imap(imap) if from_client => imap.client_gap(seen, out),
            Protocol::Imap(imap) => imap.server_gap(seen, out),
            Protocol::Pop3(pop3) if from_client => pop3.client_gap(),
            Protocol::Pop3(pop3) => pop3.server_gap(),
        }
        session.settle(held);
    }

    /// The connection is over.
    pub(crate) fn close(&mut self, seen: &Seen<'_>, held: &mut usize, out: &mut impl Observer) {
        let Some(mut session) = self.session.take() else { return };
        match &mut session.protocol {
            Protocol::Smtp(smtp) => smtp.close(seen, out),
            Protocol::Imap(imap) => imap.close(seen, out),
            Protocol::Pop3(pop3) => pop3.close(seen, out),
        }
        *held = held.saturating_sub(session.held);
    }
}

impl Session {
    fn data(&mut self, octets: &[u8], seen: &Seen<'_>, out: &mut impl Observer) -> Progress {
        let from_client = seen.src == self.ends.client;
        let ends = self.ends;
        let mut at = 0;
        while at < octets.len() {
            let rest = &octets[at..];
            let step = match &mut self.protocol {
                Protocol::Smtp(smtp) if from_client => smtp.client(rest, &ends, seen, out),
                Protocol::Smtp(smtp) => smtp.server(rest, &ends, seen, out),
                Protocol::Imap(imap) if from_client => imap.client(rest, &ends, seen, out),
                Protocol::Imap(imap) => imap.server(rest, &ends, seen, out),
                Protocol::Pop3(pop3) if from_client => pop3.client(rest, seen, out),
                Protocol::Pop3(pop3) => pop3.server(rest, &ends, seen, out),
            };
            match step {
                Step::Used(used) => at += used,
                Step::NeedMore => break,
                Step::Hidden => {
                    out.count(Counter::MailHidden, 1);
                    return Progress::Hidden(at);
                }
                Step::Ignore => return Progress::Ignore,
            }
        }
        Progress::Used(at)
    }

    /// Brings the count of all sessions up to date.
    fn settle(&mut self, held: &mut usize) {
        let now = match &self.protocol {
            Protocol::Smtp(smtp) => smtp.held(),
            Protocol::Imap(imap) => imap.held(),
            Protocol::Pop3(pop3) => pop3.held(),
        };
        let now = now + size_of::<Self>();
        *held = (*held + now).saturating_sub(self.held);
        self.held = now;
    }
}

#[cfg(test)]
#[path = "mail/tests.rs"]
mod tests;
