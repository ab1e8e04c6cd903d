//! RADIUS: an access session begins with Accounting-Request (Start) and ends with Stop (RFC 2866).
//!
//! Where there is no accounting, Access-Accept is all there is: it binds the address for Session-Timeout, or for
//! [`ACCESS_SECONDS`].

use smallvec::SmallVec;

use super::bindings::{Claim, Key};
use super::pending::{Asked, Then};
use super::{Identities, Via, Who, key, octets, push, push_digits, push_nai, usable};
use crate::counters::Counter;
use crate::decode::radius::{Code, Facts, Packet, Status};
use crate::identifier::{Prefix, subscriber};
use crate::packet::{Seen, Time};
use crate::product::Role;
use crate::session::Observer;

/// Ports of RADIUS (RFC 2865, 3; RFC 2866, 3; RFC 5176, 2.3), and those used before 1997. There a request is believed
/// even if it lacks what its RFC demands; elsewhere it has to tell itself.
const PORTS: [u16; 5] = [1645, 1646, 1812, 1813, 3799];

/// A session whose Stop was lost would hold its address for ever. Interim updates come every few minutes or hours
/// (RFC 2869, 2.1); a day without any is an end that nobody saw.
const SILENT_SECONDS: i64 = 86_400;

/// How long Access-Accept alone binds: as long as the next accounting message may take to come.
const ACCESS_SECONDS: i64 = 86_400;

/// A report may have waited for its server (RFC 2866, 5.2). One older than this tells of a time long over.
const MAX_DELAY_SECONDS: u32 = 86_400;

impl Identities {
    pub(super) fn radius(&mut self, seen: &Seen<'_>, out: &mut impl Observer) -> bool {
        let Some(packet) = Packet::parse(seen.payload) else { return false };
        if !packet.code.is_request() {
            return self.radius_answer(&packet, seen, out);
        }
        if !PORTS.contains(&seen.dst.port) && !packet.is_telling() {
            return false;
        }
        let asked = (Via::Radius, seen.src, seen.dst, u32::from(packet.identifier));
        if self.pending.is_repeated(&asked, &packet.authenticator) {
            out.count(Counter::IdentityRepeated, 1);
            return true;
        }
        let facts = packet.facts();
        let then = match packet.code {
            Code::AccessRequest => Some(Then::Hold(Box::new(claim(&facts, seen, seen.ts)), None)),
            Code::DisconnectRequest => session_key(&facts, seen).map(Then::Release),
            _ => None,
        };
        if packet.code == Code::AccountingRequest {
            self.accounting(&facts, seen, out);
        }
        self.pending.ask(asked, packet.authenticator, then, seen.ts, out);
        true
    }

    /// Accounting tells of what has happened: there is nothing to wait for.
    fn accounting(&mut self, facts: &Facts<'_>, seen: &Seen<'_>, out: &mut impl Observer) {
        let ts = seen.ts.plus_seconds(-i64::from(facts.delay.min(MAX_DELAY_SECONDS)));
        match facts.status {
            // An interim update says that the session lives. If its Start was not seen, more isn't known.
            Some(Status::Start | Status::InterimUpdate) => self.bindings.hold(&claim(facts, seen, ts), out),
            Some(Status::Stop) => {
                if let Some(key) = session_key(facts, seen) {
                    self.bindings.release(&key, ts, out);
                }
                self.bindings.release_without_key(&claim(facts, seen, ts), out);
            }
            // The NAS has restarted: all its sessions are over (RFC 2866, 5.1).
            Some(Status::AccountingOn | Status::AccountingOff) => {
                self.bindings.release_group(&nas_key(facts, seen), ts, out);
            }
            Some(Status::Other) | None => {}
        }
    }

    fn radius_answer(&mut self, packet: &Packet<'_>, seen: &Seen<'_>, out: &mut impl Observer) -> bool {
        let asked: Asked = (Via::Radius, seen.dst, seen.src, u32::from(packet.identifier));
        if !self.pending.contains(&asked) {
            return PORTS.contains(&seen.src.port);
        }
        // A challenge asks for more; the request that goes on has a number of its own.
        match (packet.code, self.pending.answer(&asked)) {
            (Code::AccessAccept, Some(Then::Hold(mut held, _))) => {
                let facts = packet.facts();
                held.addresses.extend(addresses(&facts));
                identities(&facts, &mut held.who);
                held.keys.clear();
                held.start = seen.ts;
                let timeout = facts.session_timeout.map_or(ACCESS_SECONDS, i64::from);
                held.due = seen.ts.plus_seconds(timeout.max(1));
                self.bindings.hold(&held, out);
            }
            (Code::DisconnectAck, Some(Then::Release(key))) => {
                self.bindings.release(&key, seen.ts, out);
            }
            _ => {}
        }
        true
    }
}

fn claim(facts: &Facts<'_>, seen: &Seen<'_>, start: Time) -> Claim {
    let mut who = Who::new();
    identities(facts, &mut who);
    Claim {
        via: Via::Radius,
        keys: session_key(facts, seen).into_iter().collect(),
        addresses: addresses(facts),
        who,
        start,
        due: seen.ts.plus_seconds(SILENT_SECONDS),
        group: Some(nas_key(facts, seen)),
        is_all: false,
    }
}

fn identities(facts: &Facts<'_>, who: &mut Who) {
    if let Some(name) = facts.user_name {
        push_nai(who, name);
    }
    if let Some(imsi) = facts.imsi.filter(|i| subscriber::Imsi::from_digits(i).is_some()) {
        push_digits(who, Role::Imsi, imsi);
    }
    let Some(station) = facts.calling_station.and_then(|s| std::str::from_utf8(s).ok()) else { return };
    if let Some(mac) = subscriber::mac(station).filter(|_| station.len() != 12 || !facts.is_3gpp) {
        // Twelve digits are a number as well as a hardware address. Who sends 3GPP's attributes means the number.
        if station.len() != 12 || station.bytes().any(|b| b.is_ascii_alphabetic()) {
            push(who, Role::MacAddress, &subscriber::mac_text(mac));
            return;
        }
    }
    let digits = station.strip_prefix('+').unwrap_or(station);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        // TS 29.061, 16.4.7.1: international, without `+`. Elsewhere the site's numbering plan decides.
        let is_international = facts.is_3gpp && !digits.starts_with('0');
        let text = if is_international { format!("+{digits}") } else { station.to_owned() };
        push(who, Role::Msisdn, &text);
    }
}

fn addresses(facts: &Facts<'_>) -> SmallVec<[Prefix; 3]> {
    let v4 = facts.framed_ip.and_then(|ip| usable(ip.into()));
    let v6 = facts.framed_ipv6.iter().flatten().filter_map(|(ip, length)| {
        usable(*ip)?;
        Prefix::new(*ip, *length)
    });
    v4.into_iter().chain(v6).collect()
}

/// A session is told by its NAS and its identifier (RFC 2866, 5.5: unique in one NAS).
fn session_key(facts: &Facts<'_>, seen: &Seen<'_>) -> Option<Key> {
    let session = facts.session?;
    Some(key(Via::Radius, &[b"session", facts.nas.unwrap_or(&octets(seen.src.ip)), session]))
}

fn nas_key(facts: &Facts<'_>, seen: &Seen<'_>) -> Key {
    key(Via::Radius, &[b"nas", facts.nas.unwrap_or(&octets(seen.src.ip))])
}
