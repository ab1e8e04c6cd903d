//! GTP-C of both versions: the request that creates a context says who, the answer says which address.
//!
//! A context ends with the request to delete it, at its gateway; where the gateway itself begins the deletion, with the
//! answer, for only that names the context by the gateway's own identifier.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use smallvec::SmallVec;

use super::bindings::{Claim, Key};
use super::pending::{Asked, Then};
use super::{Identities, Via, Who, key, octets, push_digits, usable};
use crate::counters::Counter;
use crate::decode::{gtpv1c, gtpv2c, tbcd};
use crate::identifier::{Prefix, subscriber};
use crate::packet::{Seen, Time};
use crate::product::Role;
use crate::session::Observer;

/// A context whose deletion was lost holds its address until it is given to another, and no longer than this. A phone
/// that is switched on registers at least every few hours (T3412, TS 24.301: 54 min, in power saving some days).
const SILENT_SECONDS: i64 = 7 * 86_400;

/// Type of number in an ISDN-AddressString (TS 29.002, 17.7.8): international.
const TON_INTERNATIONAL: u8 = 1;

/// Messages in one datagram: one and one that rides piggyback (TS 29.274, 5.5.1).
const MAX_MESSAGES: usize = 2;

impl Identities {
    pub(super) fn gtp(&mut self, seen: &Seen<'_>, out: &mut impl Observer) -> bool {
        if let Some(message) = gtpv1c::Message::parse(seen.payload) {
            self.gtpv1(&message, seen, out);
            return true;
        }
        let (mut rest, mut read) = (seen.payload, 0);
        while read < MAX_MESSAGES
            && let Some((message, behind)) = gtpv2c::Message::parse(rest)
        {
            self.gtpv2(&message, seen, out);
            rest = behind;
            read += 1;
        }
        read > 0
    }

    fn gtpv1(&mut self, message: &gtpv1c::Message<'_>, seen: &Seen<'_>, out: &mut impl Observer) {
        use gtpv1c::Kind::{CreateRequest, CreateResponse, DeleteRequest, DeleteResponse, Other};
        let Some(sequence) = message.sequence.map(u32::from) else { return };
        let asked = (Via::GtpV1C, seen.src, seen.dst, sequence);
        let answered = (Via::GtpV1C, seen.dst, seen.src, sequence);
        match message.kind {
            CreateRequest => {
                let mut claim = empty(Via::GtpV1C, seen.ts);
                identities(&mut claim.who, message.imsi, None);
                // Type of number first, with the extension bit (TS 29.002, 17.7.8).
                if let Some([ton, digits @ ..]) = message.msisdn
                    && ton >> 4 & 7 == TON_INTERNATIONAL
                {
                    identities(&mut claim.who, None, Some(digits));
                }
                self.ask(asked, Then::Hold(Box::new(claim), message.nsapi), seen, out);
            }
            CreateResponse if message.cause.is_some_and(gtpv1c::is_accepted) => {
                let Some(Then::Hold(mut claim, nsapi)) = self.pending.answer(&answered) else { return };
                let v6 = message.ipv6.and_then(|ip| Prefix::new(ip.into(), 64));
                claim.addresses = addresses(message.ipv4.map(Into::into), v6);
                let gateway = message.control_address.unwrap_or(seen.src.ip);
                let teid = message.control_teid.unwrap_or_default();
                claim.keys.push(context(Via::GtpV1C, gateway, teid, nsapi));
                self.hold(*claim, seen, out);
            }
            DeleteRequest => {
                let key = context(Via::GtpV1C, seen.dst.ip, message.teid, message.nsapi);
                self.bindings.release(&key, seen.ts, out);
                self.ask(asked, Then::ReleaseBearer(message.nsapi.unwrap_or(0)), seen, out);
            }
            DeleteResponse if message.cause.is_some_and(gtpv1c::is_accepted) => {
                // The gateway asked: its answer bears the gateway's identifier, and the request had the NSAPI.
                if let Some(Then::ReleaseBearer(nsapi)) = self.pending.answer(&answered) {
                    let key = context(Via::GtpV1C, seen.dst.ip, message.teid, Some(nsapi));
                    self.bindings.release(&key, seen.ts, out);
                }
            }
            CreateResponse | DeleteResponse | Other => {}
        }
    }

    fn gtpv2(&mut self, message: &gtpv2c::Message<'_>, seen: &Seen<'_>, out: &mut impl Observer) {
        use gtpv2c::Kind::{
            CreateSessionRequest, CreateSessionResponse, DeleteBearerRequest, DeleteBearerResponse,
            DeleteSessionRequest, DeleteSessionResponse, Other,
        };
        let asked = (Via::GtpV2C, seen.src, seen.dst, message.sequence);
        let answered = (Via::GtpV2C, seen.dst, seen.src, message.sequence);
        let is_accepted = message.cause.is_some_and(gtpv2c::is_accepted);
        match message.kind {
            CreateSessionRequest => {
                let mut claim = empty(Via::GtpV2C, seen.ts);
                identities(&mut claim.who, message.imsi, message.msisdn);
                self.ask(asked, Then::Hold(Box::new(claim), None), seen, out);
            }
            CreateSessionResponse if is_accepted => {
                let Some(Then::Hold(mut claim, _)) = self.pending.answer(&answered) else { return };
                let v6 = message.ipv6.and_then(|(ip, length)| Prefix::new(ip.into(), length));
                claim.addresses = addresses(message.ipv4.map(Into::into), v6);
                for end in &message.control {
                    let key = context(Via::GtpV2C, end.ip, end.teid, message.ebi);
                    claim.keys.push(if end.is_serving() { serving(&key) } else { key });
                }
                self.hold(*claim, seen, out);
            }
            DeleteSessionRequest => {
                let Some(teid) = message.teid else { return };
                let key = context(Via::GtpV2C, seen.dst.ip, teid, message.ebi);
                if message.operation {
                    self.bindings.release(&serving(&key), seen.ts, out);
                }
                self.bindings.release(&key, seen.ts, out);
            }
            // The gateway ends the whole connection when it names its first bearer alone (7.2.9.2).
            DeleteBearerRequest => {
                if let Some(ebi) = message.ebi {
                    self.ask(asked, Then::ReleaseBearer(ebi), seen, out);
                }
            }
            DeleteBearerResponse if is_accepted => {
                let then = self.pending.answer(&answered);
                if let (Some(Then::ReleaseBearer(ebi)), Some(teid)) = (then, message.teid) {
                    let key = context(Via::GtpV2C, seen.dst.ip, teid, Some(ebi));
                    self.bindings.release(&serving(&key), seen.ts, out);
                    self.bindings.release(&key, seen.ts, out);
                }
            }
            CreateSessionResponse | DeleteSessionResponse | DeleteBearerResponse | Other => {}
        }
    }

    fn ask(&mut self, asked: Asked, then: Then, seen: &Seen<'_>, out: &mut impl Observer) {
        // A copy has the number and the octets of its original (TS 29.060, 7.6): a busy pair of nodes uses a number again
        // within a minute.
        let mut hasher = DefaultHasher::new();
        seen.payload.hash(&mut hasher);
        let mark = u128::from(hasher.finish()).to_be_bytes();
        if self.pending.is_repeated(&asked, &mark) {
            out.count(Counter::IdentityRepeated, 1);
            return;
        }
        self.pending.ask(asked, mark, Some(then), seen.ts, out);
    }

    fn hold(&mut self, mut claim: Claim, seen: &Seen<'_>, out: &mut impl Observer) {
        claim.start = seen.ts;
        claim.due = seen.ts.plus_seconds(SILENT_SECONDS);
        self.bindings.hold(&claim, out);
    }
}

fn empty(via: Via, ts: Time) -> Claim {
    Claim {
        via,
        keys: SmallVec::new(),
        addresses: SmallVec::new(),
        who: Who::new(),
        start: ts,
        due: ts,
        group: None,
        is_all: false,
    }
}

fn identities(who: &mut Who, imsi: Option<&[u8]>, msisdn: Option<&[u8]>) {
    if let Some(digits) = imsi.and_then(tbcd::digits)
        && subscriber::Imsi::from_digits(digits.as_bytes()).is_some()
    {
        push_digits(who, Role::Imsi, digits.as_bytes());
    }
    if let Some(digits) = msisdn.and_then(tbcd::digits) {
        push_digits(who, Role::Msisdn, &[b"+", digits.as_bytes()].concat());
    }
}

fn addresses(v4: Option<IpAddr>, v6: Option<Prefix>) -> SmallVec<[Prefix; 3]> {
    v4.and_then(usable).into_iter().chain(v6).collect()
}

/// A context at one end: its address, its identifier there and the bearer.
fn context(via: Via, ip: IpAddr, teid: u32, bearer: Option<u8>) -> Key {
    key(via, &[&octets(ip), &teid.to_be_bytes(), &[bearer.unwrap_or(0)]])
}

/// The same at a serving gateway, which a terminal can leave without losing its address.
fn serving(key: &Key) -> Key {
    super::key(key.0, &[b"serving", &key.1])
}
