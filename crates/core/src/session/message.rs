//! Text messages: SIP MESSAGE, short messages over IMS, and SMPP; parts joined, copies left out.
//!
//! Each message is told to the [`Observer`] once, when it is whole. What is kept meanwhile is in two bounded tables:
//! [`parts`] holds parts whose message isn't whole yet, [`recent`] the marks of requests that may come again.

mod body;
mod parts;
mod recent;

use crate::counters::Counter;
use crate::decode::sip::{self, Method};
use crate::decode::smpp;
use crate::decode::sms::{self, Direction, Kind, Rp, Transfer, UserData};
use crate::packet::{Seen, Time};
use crate::product::{Party, Role};
use crate::redact::Pii;
use crate::session::{Observer, Text, TextVia};

use body::Content;
use parts::{Parts, Piece};
use recent::{Recent, mark};

/// Reads text messages.
#[derive(Default)]
pub(crate) struct Messages {
    recent: Recent,
    parts: Parts,
}

impl Messages {
    /// A SIP message. Anything but a MESSAGE request (RFC 3428) is left alone.
    pub(crate) fn sip(&mut self, message: &sip::Message<'_>, seen: &Seen<'_>, out: &mut impl Observer) {
        if message.status().is_some() || message.method() != Method::Message {
            return;
        }
        // RFC 3261, 17.1.3: the branch names the transaction; a retransmission has the same one.
        let cseq = message.cseq.number.to_be_bytes();
        if !self.recent.is_new(mark(&[message.call_id, &cseq, message.branch()]), seen.ts) {
            out.count(Counter::MessagesRepeated, 1);
            return;
        }
        let mut wrapped = Vec::new();
        let content = body::read(message, &mut wrapped);
        let all = || {
            let mut parties = parties(message, None);
            for (role, uri) in wrapped {
                if !parties.iter().any(|p| *p.uri.0 == *uri) {
                    parties.push(party(role, uri));
                }
            }
            parties
        };
        match content {
            Content::Text(text) => emit(TextVia::Sip, &all(), Kind::Text, Some(&text), seen, out),
            Content::Unreadable => emit(TextVia::Sip, &all(), Kind::Binary, None, seen, out),
            Content::Notification => {}
            Content::ShortMessage(octets) => self.ims(message, &octets, seen, out),
        }
    }

    /// A short message in a SIP MESSAGE (TS 24.341, 5.3): the SIP parties at the service centre's side are its public
    /// service identity, so the party there is the one that the transfer layer names.
    fn ims(&mut self, message: &sip::Message<'_>, octets: &[u8], seen: &Seen<'_>, out: &mut impl Observer) {
        let (direction, tpdu) = match sms::relay(octets) {
            Some(Rp::Data(direction, tpdu)) => (direction, tpdu),
            Some(Rp::Report) => return,
            None => return emit(TextVia::Ims, &parties(message, None), Kind::Binary, None, seen, out),
        };
        let tpdu = match sms::transfer(tpdu, direction) {
            Some(Transfer::Message(tpdu)) => tpdu,
            Some(Transfer::Other) => return,
            None => return emit(TextVia::Ims, &parties(message, None), Kind::Binary, None, seen, out),
        };
        let mut parties = parties(message, Some(direction));
        if !tpdu.address.is_empty() {
            let role = match direction {
                Direction::Submit => Role::Recipient,
                Direction::Deliver => Role::Originator,
            };
            parties.push(party(role, tpdu.address.text()));
        }
        self.short(TextVia::Ims, direction, parties, tpdu.data, seen, out);
    }

    /// One framed SMPP PDU.
    pub(crate) fn smpp(&mut self, pdu: &[u8], seen: &Seen<'_>, out: &mut impl Observer) {
        let Some(operation) = smpp::read(pdu) else {
            if smpp::carries_message(pdu) {
                out.count(Counter::MessagesUnreadable, 1);
            }
            return;
        };
        if operation.is_receipt {
            return;
        }
        let originator = Some(operation.originator).filter(|a| !a.is_empty());
        let parties = originator
            .iter()
            .map(|address| party(Role::Originator, address.text()))
            .chain(operation.recipients.iter().map(|address| party(Role::Recipient, address.text())))
            .collect();
        self.short(TextVia::Smpp, operation.direction, parties, operation.data, seen, out);
    }

    fn short(
        &mut self,
        via: TextVia,
        direction: Direction,
        parties: Vec<Party>,
        data: UserData<'_>,
        seen: &Seen<'_>,
        out: &mut impl Observer,
    ) {
        let Some(part) = data.part else {
            let piece = [Piece::new(1, data)];
            let (text, is_fallback) = parts::join(&piece);
            count_fallback(is_fallback, out);
            return emit(via, &parties, parts::kind(&piece), text.as_deref(), seen, out);
        };
        // TS 23.040, 9.2.3.24.1: a reference is unique between one originator and one recipient.
        let key = {
            let uris = parties
                .iter()
                .filter(|p| is_of_key(p.role))
                .flat_map(|p| [p.role.name().as_bytes(), p.uri.0.as_bytes()]);
            let numbers = [part.reference.to_be_bytes(), [part.total, u8::from(part.wide)]].concat();
            let kind = [via as u8, direction as u8];
            mark(&uris.chain([&numbers[..], &kind]).collect::<Vec<_>>())
        };
        let piece = Piece::new(part.sequence, data);
        self.parts.add(key, part.total, piece, via, parties, seen, out);
    }

    /// Time has come to `now`: gives up what will not be whole any more.
    pub(crate) fn advance(&mut self, now: Time, out: &mut impl Observer) {
        self.parts.advance(now, out);
    }

    /// The source has ended: tells what is there. What is told bears the time of its last part, not `_now`.
    pub(crate) fn finish(&mut self, _now: Time, out: &mut impl Observer) {
        self.parts.finish(out);
    }
}

/// Proxies add and remove the other identities on the way; these stay.
const fn is_of_key(role: Role) -> bool {
    matches!(role, Role::From | Role::To | Role::Originator | Role::Recipient)
}

fn party(role: Role, uri: String) -> Party {
    Party { role, uri: Pii(uri.into_boxed_str()) }
}

/// Identities of a SIP message; for a short message without those of the service centre.
fn parties(message: &sip::Message<'_>, short: Option<Direction>) -> Vec<Party> {
    let mut parties = Vec::new();
    message.parties(&mut |role, uri| {
        let of_centre = match short {
            Some(Direction::Submit) => matches!(role, Role::To | Role::RequestUri),
            Some(Direction::Deliver) => {
                matches!(
                    role,
                    Role::From | Role::PAssertedIdentity | Role::PPreferredIdentity | Role::RemotePartyId
                )
            }
            None => false,
        };
        if !of_centre {
            parties.push(party(role, uri.to_owned()));
        }
    });
    parties
}

fn count_fallback(is_fallback: bool, out: &mut impl Observer) {
    if is_fallback {
        out.count(Counter::MessagesFallback, 1);
    }
}

/// Tells a message that came in one piece.
fn emit(
    via: TextVia,
    parties: &[Party],
    kind: Kind,
    text: Option<&str>,
    seen: &Seen<'_>,
    out: &mut impl Observer,
) {
    tell(&Text { via, parties, kind, text, parts: 1, partial: false, start: seen.ts }, seen, out);
}

fn tell(text: &Text<'_>, seen: &Seen<'_>, out: &mut impl Observer) {
    out.count(Counter::Messages, 1);
    if text.text.is_none() {
        out.count(Counter::MessagesUnreadable, 1);
    }
    out.text(text, seen);
}

#[cfg(test)]
mod tests;
