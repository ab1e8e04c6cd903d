//! One message on its way: what the envelope says, its header until it is read, and its octets if a task selects them.

use super::Via;
use crate::counters::Counter;
use crate::decode::mail::{address, encoded_word, header};
use crate::matching::Selection;
use crate::packet::{Endpoint, Seen, Time, Transport};
use crate::product::{Party, Role};
use crate::redact::Pii;
use crate::session::Observer;

/// Octets kept of a selected message. The largest that public providers take is 50 MiB before base64; what is longer
/// is kept to here and marked as incomplete.
pub(crate) const MAX_MESSAGE: usize = 80 << 20;

/// Recipients of one message. RFC 5321 4.5.3.1.8 asks for 100; Postfix takes 1,000 unless told otherwise.
const MAX_RECIPIENTS: usize = 1000;

/// Addresses read from one header.
const MAX_ADDRESSES: usize = 1000;

/// Octets of one address (RFC 5321 4.5.3.1: 64 and 255, and the sign between), doubled for what is sent beyond.
pub(crate) const MAX_ADDRESS: usize = 640;

/// Octets of a Message-ID or of a field that is printed.
const MAX_TEXT: usize = 4096;

/// A recipient of the envelope.
pub(crate) struct Recipient {
    pub(crate) address: Box<str>,
    /// The server has refused it: it receives nothing, so it is no party.
    pub(crate) refused: bool,
}

/// What the header says.
#[derive(Default)]
pub(crate) struct Header {
    pub(crate) message_id: Option<Box<str>>,
    /// From, To and Subject as written, unfolded, encoded words read: for the development tool alone.
    pub(crate) from: Option<Box<str>>,
    pub(crate) to: Option<Box<str>>,
    pub(crate) subject: Option<Box<str>>,
    parties: Vec<Party>,
}

/// How far its content is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Nothing of it was seen.
    Envelope,
    /// The header is being collected.
    Header,
    /// The header was read.
    Body,
    /// All of it was seen.
    Whole,
}

/// One message.
pub(crate) struct Item {
    pub(crate) via: Via,
    pub(crate) client: Endpoint,
    pub(crate) server: Endpoint,
    /// The server sends it: a mailbox is read.
    pub(crate) fetched: bool,
    pub(crate) start: Time,
    /// The last octet seen.
    pub(crate) last: Time,
    /// The name that the client gave itself (EHLO).
    pub(crate) hello: Option<Box<str>>,
    /// Who is logged in.
    pub(crate) login: Option<Box<str>>,
    /// MAIL FROM; empty for a bounce.
    pub(crate) sender: Option<Box<str>>,
    pub(crate) recipients: Vec<Recipient>,
    pub(crate) header: Header,
    /// Octets of the message.
    pub(crate) octets: u64,
    /// Octets are missing: the tap didn't see them, the connection broke, or only a part was asked for.
    pub(crate) partial: bool,
    /// The server's reply to the whole message.
    pub(crate) status: Option<u16>,
    pub(crate) selection: Selection,
    stage: Stage,
    /// The header until it is read; then the message if content may be released.
    kept: Vec<u8>,
    keep: bool,
    /// Octets that its addresses take.
    addresses: usize,
}

impl Item {
    pub(super) fn new(via: Via, client: Endpoint, server: Endpoint, start: Time) -> Self {
        Self {
            via,
            client,
            server,
            fetched: false,
            start,
            last: start,
            hello: None,
            login: None,
            sender: None,
            recipients: Vec::new(),
            header: Header::default(),
            octets: 0,
            partial: false,
            status: None,
            selection: Selection::new(),
            stage: Stage::Envelope,
            kept: Vec::new(),
            keep: false,
            addresses: 0,
        }
    }

    /// Octets that it keeps in memory, about.
    pub(super) fn held(&self) -> usize {
        size_of::<Self>() + self.kept.capacity() + self.addresses
    }

    /// Adds a recipient; returns its place, or `None` when there is no room.
    pub(super) fn recipient(&mut self, path: &[u8], out: &mut impl Observer) -> Option<u16> {
        if self.recipients.len() >= MAX_RECIPIENTS {
            out.count(Counter::MailAddressesDropped, 1);
            return None;
        }
        let recipient = Recipient { address: text(path, MAX_ADDRESS), refused: false };
        self.addresses += recipient.address.len() + 2 * size_of::<Recipient>();
        self.recipients.push(recipient);
        u16::try_from(self.recipients.len() - 1).ok()
    }

    /// Whether any of its content was seen.
    pub(super) fn begun(&self) -> bool {
        self.stage != Stage::Envelope
    }

    /// Everybody whose message it is.
    pub(crate) fn parties(&self) -> impl Iterator<Item = (Role, &str)> {
        let sender = self.sender.iter().map(|a| (Role::MailFrom, &**a));
        let recipients = self.recipients.iter().filter(|r| !r.refused).map(|r| (Role::RcptTo, &*r.address));
        let login = self.login.iter().map(|a| (Role::Login, &**a));
        let header = self.header.parties.iter().map(|p| (p.role, &*p.uri.0));
        sender.chain(recipients).chain(login).chain(header).filter(|(_, address)| !address.is_empty())
    }

    /// The whole message, or what was kept of it: nothing unless a task may have its content.
    pub(crate) fn content(&self) -> Option<&[u8]> {
        self.keep.then_some(&*self.kept)
    }

    /// Its place in a connection, for product.
    pub(crate) fn seen<'a>(&self, payload: &'a [u8]) -> Seen<'a> {
        let (src, dst) = if self.fetched { (self.server, self.client) } else { (self.client, self.server) };
        Seen { ts: self.last, src, dst, transport: Transport::Tcp, packet: None, payload }
    }

    /// Takes the message's octets, in order.
    pub(super) fn data(&mut self, octets: &[u8], now: Time, out: &mut impl Observer) {
        if self.stage == Stage::Whole {
            return;
        }
        self.last = self.last.max(now);
        self.octets += octets.len() as u64;
        if self.stage == Stage::Envelope {
            self.stage = Stage::Header;
        }
        if self.stage == Stage::Body {
            self.keep(octets, out);
            return;
        }
        let before = self.kept.len();
        let room = header::MAX_HEADER - before;
        self.kept.extend_from_slice(&octets[..octets.len().min(room)]);
        match header::end(&self.kept, before) {
            Some(end) => self.read(end, out),
            None if octets.len() >= room => {
                out.count(Counter::MailHeaderCut, 1);
                self.read(self.kept.len(), out);
            }
            None => return,
        }
        if self.keep {
            let rest = octets.get(room..).unwrap_or_default();
            self.keep(rest, out);
        }
    }

    fn keep(&mut self, octets: &[u8], out: &mut impl Observer) {
        if !self.keep {
            return;
        }
        let room = MAX_MESSAGE - self.kept.len().min(MAX_MESSAGE);
        if octets.len() > room && !self.partial {
            self.partial = true;
            out.count(Counter::MailCut, 1);
        }
        self.kept.extend_from_slice(&octets[..octets.len().min(room)]);
    }

    /// Reads the header, and asks whether somebody may have the message.
    fn read(&mut self, end: usize, out: &mut impl Observer) {
        self.stage = Stage::Body;
        self.header = Header::read(&self.kept[..end], out);
        let parties = self.header.parties.iter();
        self.addresses += parties.map(|p| p.uri.0.len() + 2 * size_of::<Party>()).sum::<usize>();
        self.keep = out.mail_header(self);
        if !self.keep {
            self.kept = Vec::new();
        }
    }

    /// The message is over. `partial`: not by its own end.
    pub(super) fn end(&mut self, partial: bool, now: Time, out: &mut impl Observer) {
        if self.stage == Stage::Whole {
            return;
        }
        self.last = self.last.max(now);
        self.partial |= partial;
        if matches!(self.stage, Stage::Envelope | Stage::Header) {
            self.read(self.kept.len(), out);
        }
        self.stage = Stage::Whole;
        out.count(Counter::MailMessages, 1);
        out.count(Counter::MailPartial, u64::from(self.partial));
        out.mail_message(self);
        self.kept = Vec::new();
        self.keep = false;
    }

    /// Nothing more is said of it.
    pub(super) fn close(mut self: Box<Self>, now: Time, out: &mut impl Observer) {
        if self.begun() {
            self.end(true, now, out);
            out.mail_closed(&mut self);
        }
    }
}

impl Header {
    fn read(octets: &[u8], out: &mut impl Observer) -> Self {
        let mut found = Self::default();
        for field in header::fields(octets) {
            let role = match () {
                () if field.is("From") || field.is("Sender") || field.is("Resent-From") => Role::HeaderFrom,
                () if field.is("To") || field.is("Resent-To") => Role::HeaderTo,
                () if field.is("Cc") || field.is("Bcc") || field.is("Resent-Cc") => Role::HeaderCc,
                () if field.is("Message-ID") => {
                    let body = field.unfolded();
                    found.message_id.get_or_insert_with(|| text(body.as_bytes(), MAX_TEXT));
                    continue;
                }
                () if field.is("Subject") => {
                    let body = encoded_word::decode(&field.unfolded());
                    found.subject.get_or_insert_with(|| text(body.as_bytes(), MAX_TEXT));
                    continue;
                }
                () => continue,
            };
            let body = field.unfolded();
            address::addresses(&body, &mut |address| {
                if found.parties.len() >= MAX_ADDRESSES || address.len() > MAX_ADDRESS {
                    out.count(Counter::MailAddressesDropped, 1);
                } else if !found.parties.iter().rev().take(8).any(|p| p.role == role && *p.uri.0 == *address)
                {
                    found.parties.push(Party { role, uri: Pii(address.into()) });
                }
            });
            let shown = match role {
                Role::HeaderFrom if field.is("From") => &mut found.from,
                Role::HeaderTo if field.is("To") => &mut found.to,
                _ => continue,
            };
            shown.get_or_insert_with(|| text(encoded_word::decode(&body).as_bytes(), MAX_TEXT));
        }
        found
    }
}

/// Octets as text: UTF-8 (RFC 6531, RFC 6532), damage shown as such, and not longer than `limit`.
pub(super) fn text(octets: &[u8], limit: usize) -> Box<str> {
    String::from_utf8_lossy(&octets[..octets.len().min(limit)]).into()
}
