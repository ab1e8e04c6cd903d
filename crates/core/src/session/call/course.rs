//! What the headers of one message add to the course of a call.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use smallvec::SmallVec;

use super::recording::Recording;
use super::{Call, legs::Key};
use crate::decode::sip::{self, Method, more, more::Name, passport};
use crate::packet::Time;
use crate::product::{
    Cause, CauseOf, Course, Diversion, DivertReason, LinkRule, Privacy, Role, Side, Step, StepBy, Transfer,
    TransferBy, Verstat,
};
use crate::redact::Pii;

/// Most entries of each list of a [`Course`]. History-Info of a call that was diverted five times has twelve; holds and
/// transfers of a busy desk reach about the same in an hour.
const MAX_ENTRIES: usize = 32;

/// Longest value kept of a header. Call-IDs and URIs stay below 300 octets.
const MAX_VALUE: usize = 1024;

/// A session timer may not be shorter (RFC 4028, 4).
const MIN_SESSION_EXPIRES: u32 = 90;

/// Digits by which [`LinkRule::NumberAndTime`] compares numbers: legs write prefixes differently.
const TAIL: usize = 8;

/// A message in the light of its call.
pub(super) struct Reading<'a> {
    pub(super) hasher: &'a DefaultHashBuilder,
    /// Who sent it.
    pub(super) side: Side,
    /// An INVITE outside a dialog.
    pub(super) initial: bool,
    pub(super) ts: Time,
    /// The header that the site joins legs by.
    pub(super) leg_header: Option<&'a [u8]>,
}

/// What a message says besides.
#[derive(Default)]
pub(super) struct Found {
    /// By what the call may be joined to others.
    pub(super) keys: SmallVec<[Key; 4]>,
    /// Call-IDs that it names.
    pub(super) named: Vec<Box<[u8]>>,
}

/// Whether a message may hold any of this: not worth a pass over most responses.
pub(super) fn is_telling(message: &sip::Message<'_>) -> bool {
    match (message.status(), message.method()) {
        (None, Method::Ack | Method::Prack | Method::Options | Method::Info) => false,
        (None, _) => true,
        (Some(status), Method::Invite | Method::Update) => status != 100,
        (Some(_), _) => false,
    }
}

/// Reads a message.
pub(super) fn read(call: &mut Call, message: &sip::Message<'_>, how: &Reading<'_>) -> Found {
    let mut found = Found::default();
    let mut histories: Vec<Step> = Vec::new();
    let (request, ok) = (message.status().is_none(), message.status().is_some_and(|s| s < 300));
    if message.method() == Method::Invite && (how.initial || ok) {
        identity(call, Role::Contact, more::uri(message.contact), how);
    }
    if request && let Some(verstat) = message.vouched().filter_map(verstat).last() {
        call.course().verstat = Some(verstat);
    }
    if message.telling || how.leg_header.is_some() {
        message.more(how.leg_header, |name, value| {
            if value.len() > MAX_VALUE
                && !matches!(name, Name::Identity | Name::HistoryInfo | Name::Diversion)
            {
                call.course().dropped += 1;
                return;
            }
            match name {
                Name::ReferTo if message.method() == Method::Refer && request => {
                    transfer(call, TransferBy::Refer, more::uri(value), how);
                    // An attended transfer names the call that is to be replaced (RFC 3891, 4).
                    let replaced = more::unescape(more::embedded(value, b"Replaces"));
                    if !replaced.is_empty() {
                        found.named.push(more::head(&replaced).into());
                    }
                }
                Name::ReferredBy if request => transfer(call, TransferBy::ReferredBy, more::uri(value), how),
                Name::Replaces | Name::Join | Name::TargetDialog if request => {
                    let by = match name {
                        Name::Replaces => TransferBy::Replaces,
                        Name::Join => TransferBy::Join,
                        _ => TransferBy::TargetDialog,
                    };
                    let other = more::head(value);
                    transfer(call, by, other, how);
                    found.named.push(other.into());
                }
                Name::Diversion if how.initial => more::values(value, |one| {
                    let reason = more::parameter(one, b"reason");
                    let reason = (!reason.is_empty()).then(|| DivertReason::parse(reason));
                    step(call, Step { reason, ..step_of(StepBy::Diversion, more::uri(one)) });
                }),
                Name::HistoryInfo => more::values(value, |one| histories.push(history(one))),
                Name::PCalledPartyId if request => {
                    step(call, step_of(StepBy::PCalledPartyId, more::uri(value)));
                    identity(call, Role::PCalledPartyId, more::uri(value), how);
                }
                Name::PServedUser if request => identity(call, Role::PServedUser, more::uri(value), how),
                Name::Authorization if request => {
                    if let Some((user, realm)) = more::credentials(value) {
                        let at: &[u8] = if user.contains(&b'@') || realm.is_empty() { b"" } else { b"@" };
                        let realm = if at.is_empty() { b"" } else { realm };
                        identity(call, Role::AuthUser, &[b"sip:", user, at, realm].concat(), how);
                    }
                }
                Name::Privacy => value.split(|b| *b == b';' || *b == b',').for_each(|one| {
                    if let Some(privacy) = Privacy::parse(one.trim_ascii())
                        && !call.course().privacy.contains(&privacy)
                    {
                        call.course().privacy.push(privacy);
                    }
                }),
                Name::Identity if request => more::values(value, |one| claims(call, one)),
                Name::SessionId => {
                    if let Some((own, remote)) = more::session_id(value) {
                        session_keys(&mut found, own, remote, how.hasher);
                    }
                }
                Name::ChargingVector => {
                    let icid = more::parameter(&[b";", value].concat(), b"icid-value").to_vec();
                    if !icid.is_empty() {
                        found
                            .keys
                            .push(Key { rule: LinkRule::ChargingVector, value: how.hasher.hash_one(&icid) });
                    }
                }
                Name::SessionExpires if ok => {
                    let seconds = more::seconds(value).map(|s| s.max(MIN_SESSION_EXPIRES));
                    if let Some(seconds) = seconds {
                        let agreed = &mut call.course().session_expires;
                        *agreed = (*agreed).max(Some(seconds));
                    }
                }
                Name::Reason if message.method() != Method::Refer => {
                    more::values(value, |one| cause(call, one));
                }
                Name::Custom if !value.is_empty() => {
                    found.keys.push(Key { rule: LinkRule::Header, value: how.hasher.hash_one(value) });
                }
                _ => {}
            }
        });
    }
    for one in histories {
        step(call, one);
    }
    if how.initial
        && let sip::Start::Request { uri, .. } = message.start
        && let Some(tail) = number_tail(uri)
    {
        found.keys.push(Key { rule: LinkRule::NumberAndTime, value: how.hasher.hash_one(tail) });
    }
    found
}

fn session_keys(found: &mut Found, own: u128, remote: Option<u128>, hasher: &DefaultHashBuilder) {
    let key = |rule, value: &[u128]| Key { rule, value: hasher.hash_one(value) };
    found.keys.extend([Some(own), remote].iter().flatten().map(|half| key(LinkRule::SessionHalf, &[*half])));
    if let Some(remote) = remote {
        found.keys.push(key(LinkRule::SessionId, &[own.min(remote), own.max(remote)]));
    }
}

/// By what a recording session may be joined to the call that it records, and to other recordings of that: what the
/// metadata say. The number in its Request-URI is the recorder's.
pub(super) fn of_recorded(found: &mut Found, recording: &Recording, hasher: &DefaultHashBuilder) {
    found.keys.retain(|key| key.rule != LinkRule::NumberAndTime);
    for (own, remote) in recording.sip_session_ids().filter_map(|id| more::session_id(id.as_bytes())) {
        session_keys(found, own, remote, hasher);
    }
    let same = recording.session_ids().map(|id| (LinkRule::RecordedSession, hasher.hash_one(id)));
    found.keys.extend(same.map(|(rule, value)| Key { rule, value }));
    let called = recording.identity(Side::Callee);
    if let Some(tail) = called.and_then(|uri| number_tail(uri.as_bytes())) {
        found.keys.push(Key { rule: LinkRule::NumberAndTime, value: hasher.hash_one(tail) });
    }
}

/// The last digits of the number in a URI.
fn number_tail(uri: &[u8]) -> Option<[u8; TAIL]> {
    let colon = uri.iter().position(|b| *b == b':')?;
    let user = uri.get(colon + 1..)?.split(|b| matches!(b, b'@' | b';')).next()?;
    let mut tail = [0; TAIL];
    let mut n = 0;
    for digit in user.iter().rev().filter(|b| !matches!(b, b'-' | b'.' | b'(' | b')')).take(TAIL) {
        if !digit.is_ascii_digit() {
            return None;
        }
        *tail.get_mut(n)? = *digit;
        n += 1;
    }
    (n == TAIL).then_some(tail)
}

fn identity(call: &mut Call, role: Role, uri: &[u8], how: &Reading<'_>) {
    if uri.is_empty() || call.recording.is_some() {
        return;
    }
    let side = match role {
        Role::PCalledPartyId => how.side.other(),
        _ => how.side,
    };
    if call.add_party(role, uri, !how.initial, Some(side)).is_err() {
        call.ways.limits.identities_dropped += 1;
    }
}

fn step_of(by: StepBy, uri: &[u8]) -> Step {
    Step { by, uri: Pii(sip::text(uri).into()), index: None, cause: None, reason: None }
}

fn history(value: &[u8]) -> Step {
    let index = more::parameter(value, b"index");
    let plain =
        |i: &&str| !i.is_empty() && i.len() <= 32 && i.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    // RFC 4458's `cause` stands in the URI, RFC 7044's Reason is hidden behind its `?`.
    let hidden = more::unescape(more::embedded(value, b"Reason"));
    let uri = more::uri(value);
    let cause = more::reason(&hidden).map(|r| r.1).or_else(|| more::reason(uri).map(|r| r.1));
    Step {
        index: std::str::from_utf8(index).ok().filter(plain).map(Into::into),
        cause,
        reason: cause.and_then(DivertReason::of_cause),
        ..step_of(StepBy::HistoryInfo, uri)
    }
}

/// Keeps a step once: each hop and each response repeats what it was told.
fn step(call: &mut Call, step: Step) {
    let course = call.course();
    let steps = &mut course.diversion.steps;
    let same = |s: &&mut Step| s.by == step.by && s.uri == step.uri && s.index == step.index;
    if let Some(known) = steps.iter_mut().find(same) {
        // A target is told first, and why it failed later.
        known.cause = step.cause.or(known.cause);
        known.reason = step.reason.or(known.reason);
    } else if steps.len() < MAX_ENTRIES {
        steps.push(step);
    } else {
        course.dropped += 1;
    }
}

fn transfer(call: &mut Call, by: TransferBy, to: &[u8], how: &Reading<'_>) {
    let to = Pii(Box::<str>::from(sip::text(to)));
    let course = call.course();
    if to.0.is_empty() || course.transfers.iter().any(|t| t.by == by && t.side == how.side && t.to == to) {
        return;
    }
    if course.transfers.len() < MAX_ENTRIES {
        course.transfers.push(Transfer { by, side: how.side, to, ts: how.ts });
    } else {
        course.dropped += 1;
    }
}

fn verstat(value: &[u8]) -> Option<Verstat> {
    let name = |at: &usize| {
        value.get(*at..).is_some_and(|v| v.get(..8).is_some_and(|n| n.eq_ignore_ascii_case(b"verstat=")))
    };
    let at = memchr::memchr2_iter(b'v', b'V', value).find(name)?;
    let text = value.get(at + 8..)?;
    let is = |name: &[u8]| text.get(..name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name));
    if is(b"TN-Validation-Passed") {
        Some(Verstat::Passed)
    } else if is(b"TN-Validation-Failed") {
        Some(Verstat::Failed)
    } else if is(b"No-TN-Validation") {
        Some(Verstat::NotValidated)
    } else {
        None
    }
}

fn claims(call: &mut Call, value: &[u8]) {
    let Some(claims) = passport::parse(value) else { return };
    if call.course().passports.contains(&claims) {
        return;
    }
    if let Some(div) = &claims.div {
        let named = step_of(StepBy::PassportDiv, div.0.as_bytes());
        step(call, named);
    }
    let course = call.course();
    if course.passports.len() < MAX_ENTRIES {
        course.passports.push(claims);
    } else {
        course.dropped += 1;
    }
}

fn cause(call: &mut Call, value: &[u8]) {
    let Some((protocol, cause)) = more::reason(value) else { return };
    let protocol = if protocol.eq_ignore_ascii_case(b"Q.850") {
        CauseOf::Q850
    } else if protocol.eq_ignore_ascii_case(b"SIP") {
        CauseOf::Sip
    } else {
        return;
    };
    let course = call.course();
    let new = Cause { protocol, cause };
    if course.causes.len() < MAX_ENTRIES && !course.causes.contains(&new) {
        course.causes.push(new);
    }
}

/// Why a step of History-Info became the target, as its URI says (RFC 4458, 2).
fn target_cause(step: &Step) -> Option<u16> {
    more::reason(step.uri.0.as_bytes()).map(|r| r.1)
}

/// The step from which one of sorted steps came: that whose index is its own without the last number, else the one before.
fn above<'a>(sorted: &[&'a Step], at: usize) -> Option<&'a Step> {
    let before = sorted.get(..at)?;
    let parent = sorted.get(at)?.index.as_deref().and_then(|i| i.rsplit_once('.')).map(|(parent, _)| parent);
    before.iter().rev().find(|s| parent.is_some() && s.index.as_deref() == parent).or(before.last()).copied()
}

/// `1.2` before `1.10`.
fn order(index: &str) -> Vec<u32> {
    index.split('.').map(|n| n.parse().unwrap_or(u32::MAX)).collect()
}

impl Course {
    /// Sorts out who was dialled, diverted and reached, from the steps and from what the call itself shows.
    pub(crate) fn sort_out(&self, call: &Call) -> Diversion {
        let mut out = self.diversion.clone();
        let of = |by: StepBy| out.steps.iter().filter(move |s| s.by == by);
        let party = |role: Role| call.parties.iter().find(|p| p.role == role).map(|p| p.uri.clone());
        let mut histories: Vec<&Step> = of(StepBy::HistoryInfo).collect();
        histories.sort_by_key(|s| s.index.as_deref().map(order));
        // A step that says why it failed was diverted from; one whose URI says why it became the target (RFC 4458) is
        // where the call went on to, and the step above it (RFC 7044, 10.3) was diverted from.
        let failed = |s: &Step| s.cause.is_some() && s.cause != target_cause(s);
        let from = |(at, s): (usize, &&Step)| match target_cause(s) {
            _ if failed(s) => Some(s.uri.clone()),
            Some(_) => above(&histories, at).map(|s| s.uri.clone()),
            None => None,
        };
        let diverted: Vec<_> = histories.iter().enumerate().filter_map(from).collect();
        // RFC 5806: each diverting party puts itself on top.
        let diversions: Vec<_> = of(StepBy::Diversion).map(|s| s.uri.clone()).collect();
        let div: Vec<_> = of(StepBy::PassportDiv).map(|s| s.uri.clone()).collect();
        let uri = |u: &Pii<Box<str>>| Pii(u.0.split(";cause=").next().unwrap_or_default().into());
        let dialled = histories.first().map(|s| uri(&s.uri));
        out.originally_called = diversions.last().or(diverted.first()).or(div.first()).map(uri);
        out.last_redirecting = diversions.first().or(diverted.last()).or(div.last()).map(uri);
        out.dialled = dialled.or_else(|| out.originally_called.clone()).or_else(|| party(Role::RequestUri));
        if call.answer.is_some() {
            let last = histories.iter().rev().find(|s| !failed(s)).map(|s| uri(&s.uri));
            let asserted = call.asserted(Side::Callee);
            out.reached = asserted.or(last).or_else(|| party(Role::RequestUri));
        }
        out
    }
}
