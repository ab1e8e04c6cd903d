//! Text messages: SIP MESSAGE, short messages over IMS, and SMPP; parts joined, copies left out.
//!
//! Each message is told to the [`Observer`] once, when it is whole. What is kept meanwhile is in bounded tables:
//! [`parts`] holds parts whose message isn't whole yet, [`recent`] the marks of requests that may come again, and
//! [`receipts`] the names of messages whose receipt may come.

mod body;
pub(crate) mod centres;
mod parts;
mod receipts;
mod recent;

use crate::counters::Counter;
use crate::decode::map::{ForwardSm, Subscriber};
use crate::decode::receipt::State;
use crate::decode::sip::{self, Method};
use crate::decode::smpp;
use crate::decode::sms::{self, Direction, Kind, Rp, Status, Transfer, UserData};
use crate::decode::tcap::Invoke;
use crate::matching::Selection;
use crate::packet::{Seen, Time};
use crate::product::{Party, Role};
use crate::redact::Pii;
use crate::session::{Observer, Receipt, Text, TextVia};

use body::Content;
use centres::Centres;
use parts::{Parts, Piece};
use receipts::{Early, Receipts};
use recent::{Mark, Recent, mark};

/// Reads text messages.
#[derive(Default)]
pub(crate) struct Messages {
    recent: Recent,
    parts: Parts,
    receipts: Receipts,
    centres: Centres,
}

impl Messages {
    /// Sets what is known of the site's message centres.
    pub(crate) fn set_centres(&mut self, centres: Centres) {
        self.centres = centres;
    }

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
            Some(Transfer::Status(status)) => return self.status(message, &status, seen, out),
            Some(Transfer::Other) => return,
            None => return emit(TextVia::Ims, &parties(message, None), Kind::Binary, None, seen, out),
        };
        let mut parties = parties(message, Some(direction));
        let address = tpdu.address.text();
        let name = tpdu.reference.map(|reference| ims_name(&parties, Role::From, reference, &address));
        if !tpdu.address.is_empty() {
            let role = match direction {
                Direction::Submit => Role::Recipient,
                Direction::Deliver => Role::Originator,
            };
            parties.push(party(role, address));
        }
        let number = self.short(TextVia::Ims, direction, parties, tpdu.data, seen, out);
        if let Some(name) = name {
            self.receipts.named(name, number, out);
        }
    }

    /// SMS-STATUS-REPORT: named by what the user's own SUBMIT had.
    fn status(
        &mut self,
        message: &sip::Message<'_>,
        status: &Status<'_>,
        seen: &Seen<'_>,
        out: &mut impl Observer,
    ) {
        let mut parties = parties(message, Some(Direction::Deliver));
        let recipient = status.recipient.text();
        let name = ims_name(&parties, Role::To, status.reference, &recipient);
        parties.push(party(Role::Recipient, recipient));
        let number = self.receipts.find_named(&name);
        self.receipt(TextVia::Ims, number, parties, status.state, seen, out);
    }

    fn receipt(
        &mut self,
        via: TextVia,
        number: Option<u64>,
        parties: Vec<Party>,
        state: State,
        seen: &Seen<'_>,
        out: &mut impl Observer,
    ) {
        out.count(Counter::Receipts, 1);
        match number {
            None => out.count(Counter::ReceiptsUnlinked, 1),
            Some(number) if self.parts.is_untold(number) => {
                self.receipts.keep_early(Early::new(number, via, parties, state, seen), out);
            }
            Some(number) => {
                let selection = self.receipts.selection(number);
                out.receipt(&Receipt { via, parties: &parties, state, selection }, seen);
            }
        }
    }

    /// One framed SMPP PDU.
    pub(crate) fn smpp(&mut self, pdu: &[u8], seen: &Seen<'_>, out: &mut impl Observer) {
        if let Some(response) = smpp::response(pdu) {
            return self.receipts.response(response.sequence, response.message_id, seen, out);
        }
        let Some(operation) = smpp::read(pdu, self.centres.alphabet(seen)) else {
            if smpp::carries_message(pdu) {
                out.count(Counter::MessagesUnreadable, 1);
            }
            return;
        };
        let originator = Some(operation.originator).filter(|a| !a.is_empty());
        let originator = originator.iter().map(|address| party(Role::Originator, address.text()));
        let recipients = operation.recipients.iter().map(|address| party(Role::Recipient, address.text()));
        let parties: Vec<Party> = originator.chain(recipients).collect();
        let between = |one, other| {
            let uris = [one, other].map(|role| parties.iter().find(|p| p.role == role));
            mark(&uris.map(|p| p.map_or(&[][..], |p| p.uri.0.as_bytes())))
        };
        if let Some(receipt) = &operation.receipt {
            // The receipt goes back: its sender is the message's recipient.
            let between = between(Role::Recipient, Role::Originator);
            let number = receipt.id.as_ref().and_then(|id| self.receipts.find(seen.src.ip, id, between));
            // Text that only reads like a receipt is a message, or people could hide theirs by writing so.
            if operation.is_receipt || number.is_some() {
                return self.receipt(TextVia::Smpp, number, parties, receipt.state, seen, out);
            }
        }
        let between = between(Role::Originator, Role::Recipient);
        let (direction, sequence) = (operation.direction, operation.sequence);
        let number = self.short(TextVia::Smpp, direction, parties, operation.data, seen, out);
        if direction == Direction::Submit {
            self.receipts.request(sequence, number, between, seen, out);
        }
    }

    /// A MAP operation that carries a short message. The service centre is a party to no message; the mobile is one by
    /// its number on the way to the centre, and on the way to it by the IMSI alone.
    pub(crate) fn map(
        &mut self,
        invoke: &Invoke<'_>,
        forward: &ForwardSm<'_>,
        seen: &Seen<'_>,
        out: &mut impl Observer,
    ) {
        // The addresses change at each signal transfer point, the transaction doesn't.
        let copy = mark(&[b"map", invoke.transaction, &[invoke.id], forward.tpdu]);
        if !self.recent.is_new(copy, seen.ts) {
            out.count(Counter::MessagesRepeated, 1);
            return;
        }
        let direction = forward.direction;
        let (near, far) = match direction {
            Direction::Submit => (Role::Originator, Role::Recipient),
            Direction::Deliver => (Role::Recipient, Role::Originator),
        };
        let mut parties: Vec<Party> = match &forward.subscriber {
            Subscriber::Number(number) => vec![party(near, number.clone())],
            Subscriber::Imsi(imsi) => vec![party(near, format!("imsi:{imsi}"))],
            Subscriber::Unnamed => Vec::new(),
        };
        let tpdu = match sms::transfer(forward.tpdu, direction) {
            Some(Transfer::Message(tpdu)) => tpdu,
            // Sent to an IMSI, for a message that was sent by a number: nothing here tells that they are one.
            Some(Transfer::Status(status)) => {
                return self.receipt(TextVia::Map, None, parties, status.state, seen, out);
            }
            Some(Transfer::Other) => return,
            None => return emit(TextVia::Map, &parties, Kind::Binary, None, seen, out),
        };
        if !tpdu.address.is_empty() {
            parties.push(party(far, tpdu.address.text()));
        }
        self.short(TextVia::Map, direction, parties, tpdu.data, seen, out);
    }

    fn short(
        &mut self,
        via: TextVia,
        direction: Direction,
        parties: Vec<Party>,
        data: UserData<'_>,
        seen: &Seen<'_>,
        out: &mut impl Observer,
    ) -> u64 {
        let Some(part) = data.part else {
            let piece = [Piece::new(1, data)];
            let (text, is_fallback) = parts::join(&piece);
            count_fallback(is_fallback, out);
            let number = self.parts.next_serial();
            let kind = parts::kind(&piece);
            let text = Text {
                via,
                parties: &parties,
                kind,
                text: text.as_deref(),
                parts: 1,
                partial: false,
                start: seen.ts,
            };
            let selection = tell(&text, seen, out);
            if !selection.is_empty() {
                self.receipts.selected(number, selection);
            }
            return number;
        };
        // TS 23.040, 9.2.3.24.1: a reference is unique between one originator and one recipient.
        let key = {
            let uris = parties
                .iter()
                .filter(|p| is_of_key(p.role))
                .flat_map(|p| [p.role.name().as_bytes(), p.uri.0.as_bytes()]);
            let numbers = [part.reference.to_be_bytes(), [part.total, u8::from(part.wide)]].concat();
            let kind = [via as u8, direction as u8, data.kind as u8];
            mark(&uris.chain([&numbers[..], &kind]).collect::<Vec<_>>())
        };
        let piece = Piece::new(part.sequence, data);
        let number = self.parts.add(key, part.total, piece, via, parties, seen, out);
        self.after_told(out);
        number
    }

    /// Messages may have been told: keeps who got them, and tells the receipts that waited for them.
    fn after_told(&mut self, out: &mut impl Observer) {
        if !self.parts.take_has_told() {
            return;
        }
        for (number, selection) in self.parts.take_selected() {
            self.receipts.selected(number, selection);
        }
        for early in self.receipts.take_early(|number| self.parts.is_untold(number)) {
            let selection = self.receipts.selection(early.number);
            let Early { via, state, ref parties, .. } = early;
            out.receipt(&Receipt { via, parties, state, selection }, &early.seen());
        }
    }

    /// Time has come to `now`: gives up what will not be whole any more.
    pub(crate) fn advance(&mut self, now: Time, out: &mut impl Observer) {
        self.parts.advance(now, out);
        self.after_told(out);
    }

    /// The source has ended: tells what is there. What is told bears the time of its last part, not `_now`.
    pub(crate) fn finish(&mut self, _now: Time, out: &mut impl Observer) {
        self.parts.finish(out);
        self.after_told(out);
    }
}

/// The name by which a status report calls a message: whose it is, its TP-MR, and whom it was for.
fn ims_name(parties: &[Party], user: Role, reference: u8, address: &str) -> Mark {
    let user = parties.iter().find(|p| p.role == user).map_or(&[][..], |p| p.uri.0.as_bytes());
    mark(&[b"ims", user, &[reference], address.as_bytes()])
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
    drop(tell(&Text { via, parties, kind, text, parts: 1, partial: false, start: seen.ts }, seen, out));
}

/// Tells a message, and gives back who got it.
fn tell(text: &Text<'_>, seen: &Seen<'_>, out: &mut impl Observer) -> Selection {
    out.count(Counter::Messages, 1);
    if text.text.is_none() {
        out.count(Counter::MessagesUnreadable, 1);
    }
    out.text(text, seen);
    out.take_selection()
}

#[cfg(test)]
mod tests;
