//! Diameter: Gx and Gy (Credit-Control), Rx and NASREQ (AA), and accounting name the subscriber and its addresses when
//! a session begins, and the session when it ends.

use smallvec::SmallVec;

use super::bindings::{Claim, Key};
use super::pending::Then;
use super::{Identities, Via, Who, key, push, push_digits, push_nai, usable};
use crate::counters::Counter;
use crate::decode::diameter::{Avps, Command, Message, code};
use crate::identifier::{Prefix, subscriber};
use crate::packet::Seen;
use crate::product::Role;
use crate::session::Observer;

/// A session whose termination was lost holds its address until it is given to another, and no longer than this.
const SILENT_SECONDS: i64 = 7 * 86_400;

/// Subscription-Ids and addresses that are read of one message.
const MAX_MEMBERS: usize = 8;

/// What a request does to its session.
enum Act {
    Hold,
    Release,
    Nothing,
}

impl Identities {
    /// Takes a message of a stream.
    pub(crate) fn diameter(&mut self, seen: &Seen<'_>, out: &mut impl Observer) {
        let Some(message) = Message::parse(seen.payload) else { return };
        out.count(Counter::IdentityMessages, 1);
        let Some(session) = message.avps.find(code::SESSION_ID) else { return };
        let key = key(Via::Diameter, &[session]);
        if !message.is_request {
            let asked = (Via::Diameter, seen.dst, seen.src, message.hop_by_hop);
            // RFC 6733, 7.1.2: 2xxx is success.
            let is_success =
                message.avps.number(code::RESULT_CODE).is_some_and(|r| (2000..3000).contains(&r));
            match self.pending.answer(&asked) {
                Some(Then::Hold(mut claim, _)) if is_success => {
                    // In NASREQ it is the server that gives the address (RFC 7155, 4.4.10.5).
                    claim.addresses.extend(addresses(message.avps));
                    claim.start = seen.ts;
                    claim.due = seen.ts.plus_seconds(SILENT_SECONDS);
                    self.bindings.hold(&claim, out);
                }
                Some(Then::Release(key)) if is_success => _ = self.bindings.release(&key, seen.ts, out),
                _ => {}
            }
            return;
        }
        let asked = (Via::Diameter, seen.src, seen.dst, message.hop_by_hop);
        let then = match act(&message) {
            Act::Hold => Some(Then::Hold(Box::new(claim(message.avps, key, seen)), None)),
            // The client tells of an end that has come (RFC 6733, 8.4): no answer makes it otherwise.
            Act::Release => {
                self.bindings.release(&key, seen.ts, out);
                None
            }
            // The server asks for the end (RFC 6733, 8.5), and the client agrees or not.
            Act::Nothing if message.command == Command::AbortSession => Some(Then::Release(key)),
            Act::Nothing => None,
        };
        if let Some(then) = then {
            self.pending.ask(asked, [0; 16], Some(then), seen.ts, out);
        }
    }
}

fn act(message: &Message<'_>) -> Act {
    match message.command {
        Command::Aa => Act::Hold,
        Command::SessionTermination => Act::Release,
        // RFC 8506, 8.3: initial, update, termination, event.
        Command::CreditControl => match message.avps.number(code::CC_REQUEST_TYPE) {
            Some(1 | 2) => Act::Hold,
            Some(3) => Act::Release,
            _ => Act::Nothing,
        },
        // RFC 6733, 9.8.1: event, start, interim, stop.
        Command::Accounting => match message.avps.number(code::ACCOUNTING_RECORD_TYPE) {
            Some(2 | 3) => Act::Hold,
            Some(4) => Act::Release,
            _ => Act::Nothing,
        },
        Command::AbortSession | Command::Other => Act::Nothing,
    }
}

fn claim(avps: Avps<'_>, key: Key, seen: &Seen<'_>) -> Claim {
    let mut who = Who::new();
    for (_, data) in avps.iter().filter(|(c, _)| *c == code::SUBSCRIPTION_ID).take(MAX_MEMBERS) {
        subscription(Avps(data), &mut who);
    }
    if let Some(name) = avps.find(code::USER_NAME) {
        // On the mobile core's interfaces it is the IMSI (TS 29.272, 5.2.1).
        if subscriber::Imsi::from_digits(name).is_some_and(|_| name.len() >= 14) {
            push_digits(&mut who, Role::Imsi, name);
        } else {
            push_nai(&mut who, name);
        }
    }
    Claim {
        via: Via::Diameter,
        keys: SmallVec::from_iter([key]),
        addresses: addresses(avps),
        who,
        start: seen.ts,
        due: seen.ts,
        group: None,
        is_all: false,
    }
}

/// RFC 8506, 8.46 to 8.48.
fn subscription(group: Avps<'_>, who: &mut Who) {
    let Some(data) = group.find(code::SUBSCRIPTION_ID_DATA) else { return };
    let Ok(text) = std::str::from_utf8(data) else { return };
    match group.number(code::SUBSCRIPTION_ID_TYPE) {
        Some(0) => {
            let digits = text.strip_prefix('+').unwrap_or(text);
            if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
                push(who, Role::Msisdn, &format!("+{digits}"));
            }
        }
        Some(1) if subscriber::Imsi::from_digits(data).is_some() => push(who, Role::Imsi, text),
        Some(2) => push(who, Role::SipUri, text),
        Some(3) => push_nai(who, data),
        _ => {}
    }
}

fn addresses(avps: Avps<'_>) -> SmallVec<[Prefix; 3]> {
    let mut found = SmallVec::new();
    let service = avps.find(code::SERVICE_INFORMATION).map(Avps);
    let packet_switched = service.and_then(|s| s.find(code::PS_INFORMATION)).map(Avps);
    for (code, data) in avps.iter().chain(packet_switched.into_iter().flat_map(Avps::iter)) {
        if found.len() >= MAX_MEMBERS {
            break;
        }
        found.extend(match code {
            code::FRAMED_IP_ADDRESS => <[u8; 4]>::try_from(data).ok().and_then(|o| usable(o.into())),
            code::FRAMED_IPV6_PREFIX => prefix(data),
            // RFC 6733, 4.3.1 `Address`: family 1 or 2, then the address.
            code::PDP_ADDRESS => match data {
                [0, 1, v4 @ ..] => <[u8; 4]>::try_from(v4).ok().and_then(|o| usable(o.into())),
                [0, 2, v6 @ ..] => <[u8; 16]>::try_from(v6).ok().and_then(|o| Prefix::new(o.into(), 64)),
                _ => None,
            },
            _ => None,
        });
    }
    found
}

/// As in RADIUS (RFC 3162, 2.3).
fn prefix(data: &[u8]) -> Option<Prefix> {
    let [_, length @ 0..=128, octets @ ..] = data else { return None };
    let mut address = [0; 16];
    address.get_mut(..octets.len())?.copy_from_slice(octets);
    Prefix::new(address.into(), *length)
}
