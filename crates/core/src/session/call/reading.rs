//! What one signalling message says to the call it belongs to: what happened, who takes part, where the media goes.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use smallvec::SmallVec;

use super::Call;
use super::hold;
use super::media::Media;
use super::protection::Protections;
use super::state::{Event, is_retried};
use super::table::CallRef;
use crate::counters::Counter;
use crate::decode::isup;
use crate::decode::mtp3::Variant;
use crate::decode::sdp;
use crate::decode::sip::{self, Method, Start};
use crate::packet::Time;
use crate::product::{Branch, HoldBy, Role, Side};
use crate::redact::Pii;
use crate::session::Observer;

/// What a message means for its call; `None` for retransmissions and for what tells nothing.
pub(super) fn event(
    hasher: &DefaultHashBuilder,
    call: &mut Call,
    message: &sip::Message<'_>,
    from: u64,
) -> Option<Event> {
    let dialogs = &mut call.inner.dialogs;
    // The called side's tag names the dialog: From in what it asks itself, To in everything else.
    let called = || {
        let by_caller = from == call.inner.caller_tag;
        hasher.hash_one(if by_caller { message.to_tag } else { message.from_tag })
    };
    match (message.start, message.method()) {
        (Start::Request { .. }, Method::Invite) => {
            let fresh = message.to_tag.is_empty() && dialogs.invited(hasher.hash_one(message.branch()));
            fresh.then_some(Event::Invite)
        }
        (Start::Request { .. }, Method::Cancel) => Some(Event::Cancel),
        (Start::Request { .. }, Method::Ack) => {
            dialogs.taken_up(called());
            None
        }
        (Start::Request { .. }, Method::Bye) => dialogs.hung_up(called()).then_some(Event::Bye),
        (Start::Response { status, .. }, Method::Invite) => match status {
            ..=100 => None,
            180 | 183 => Some(Event::Ringing),
            101..=199 => Some(Event::Progress),
            200..=299 => {
                dialogs.answered(called());
                if call.answer.is_none() {
                    call.final_status = Some(status);
                }
                Some(Event::Answer)
            }
            300.. => {
                let last = dialogs.refused(hasher.hash_one(message.branch()));
                if call.answer.is_none() {
                    call.final_status = Some(status);
                    call.inner.refused = Some(call.inner.last_signal);
                }
                last.then_some(if is_retried(status) { Event::Challenge } else { Event::Failure })
            }
        },
        _ => None,
    }
}

/// Keeps the identities of a message that the call doesn't have yet. Says how many didn't fit.
pub(super) fn parties(call: &mut Call, message: &sip::Message<'_>, initial: bool, side: Side) -> u64 {
    let request = message.status().is_none();
    // A response repeats From and To (RFC 3261, 8.2.6.2), and so does a request within a dialog; there only INVITE and
    // UPDATE may bring a new From: connected identity (RFC 4916).
    let from_to = request && (initial || matches!(message.method(), Method::Invite | Method::Update));
    if !from_to && !message.has_asserted_identity() {
        return 0;
    }
    let mut dropped = u64::from(message.identities_dropped);
    message.addresses(|role, uri| {
        let wanted = match role {
            // Within a dialog the Request-URI is the other side's contact address.
            Role::RequestUri => initial,
            Role::From | Role::To => from_to,
            _ => true,
        };
        // Within a dialog, From and To turn with the sender; diverting parties are on neither side.
        let of = match role {
            Role::RequestUri | Role::To => Some(side.other()),
            Role::Diversion | Role::HistoryInfo => None,
            _ => Some(side),
        };
        if !wanted {
            return;
        }
        match call.add_party(role, uri, !initial, of) {
            Err(_) => dropped += 1,
            // RFC 3325, 9.1: it is who sends the message, in a response too.
            Ok(at) if role == Role::PAssertedIdentity => {
                if let Some(asserted) = call.ways.asserted.get_mut(side as usize) {
                    *asserted = u8::try_from(at).ok();
                }
            }
            Ok(_) => {}
        }
    });
    dropped
}

/// Keeps the numbers of the ISUP message in a SIP-I or SIP-T body (RFC 3204; Q.1912.5): what the switch behind the
/// gateway said, which the SIP headers repeat in part. Says how many didn't fit.
pub(super) fn isup(call: &mut Call, message: &sip::Message<'_>) -> u64 {
    if message.body.is_empty() || !may_hold_isup(message.content_type) {
        return 0;
    }
    let mut dropped = 0;
    message.bodies(|content_type, body| {
        if !sip::is_type(content_type, b"application/isup") {
            return;
        }
        // RFC 3204, 5.1: `version` names the national specification, `base` the one that it builds on.
        let is_ansi = content_type.windows(4).any(|w| w.eq_ignore_ascii_case(b"ansi"));
        let variant = if is_ansi { Variant::Ansi } else { Variant::Itu };
        let Some(read) = isup::Message::parse(body, variant) else { return };
        let called = read.called.filter(|n| !n.is_empty()).map(|n| (Role::CalledParty, n));
        for (role, number) in called.into_iter().chain(read.numbers()) {
            dropped +=
                u64::from(call.add_party(role, number.text().as_bytes(), false, role.isup_side()).is_err());
        }
    });
    dropped
}

fn may_hold_isup(content_type: &[u8]) -> bool {
    sip::is_type(content_type, b"application/isup")
        || content_type.get(..10).is_some_and(|t| t.eq_ignore_ascii_case(b"multipart/"))
}

/// What the session descriptions of a message did.
#[derive(Default)]
pub(super) struct Description {
    /// They moved the media or changed the direction.
    pub(super) moved: bool,
    /// `o=`, hashed: a leg passes it on.
    pub(super) origin: Option<u64>,
    /// Other live calls that announce the same addresses.
    pub(super) sharing: SmallVec<[CallRef; 2]>,
}

fn may_be_sdp(content_type: &[u8]) -> bool {
    const SDP: &[u8] = b"application/sdp";
    content_type.is_empty() || content_type == SDP || sip::is_type(content_type, SDP)
}

/// Takes the session descriptions of a message in. Says whether they moved the media or changed the direction.
pub(super) fn describe(
    media: &mut Media,
    hasher: &DefaultHashBuilder,
    at: CallRef,
    call: &mut Call,
    message: &sip::Message<'_>,
    (side, ts): (Side, Time),
    out: &mut impl Observer,
) -> Description {
    let before = call.described.holding();
    let branch = if side == Side::Callee && call.answer.is_none() { branch_of(call, message) } else { None };
    let mut hold = None;
    let mut done = Description::default();
    let (limits, inner, described) = (&mut call.ways.limits, &mut call.inner, &mut call.described);
    let protections = &mut call.protections;
    message.bodies(|content_type, body| {
        if !may_be_sdp(content_type) {
            return;
        }
        let hash = hasher.hash_one(body);
        let Some(last) = inner.last_sdp.get_mut(side as usize) else { return };
        // A retransmission is read once, as long as what it announced is still the call's.
        if *last == hash && media.holds(at, described) {
            return;
        }
        *last = hash;
        let Some(session) = sdp::Session::parse(body) else { return };
        let outcome = media.describe(at, described, side, branch, &session);
        Protections::describe(protections, side, &session);
        hold = hold.or(outcome.hold);
        // `o=- 0 0` names no session.
        if session.origin.1.len() > 1 {
            done.origin.get_or_insert(hasher.hash_one((session.origin, session.origin_address)));
        }
        done.moved |= outcome.changed;
        if !outcome.sharing.is_empty() {
            done.sharing.extend(outcome.sharing);
        }
        let dropped = outcome.dropped + u64::from(session.dropped);
        limits.addresses_dropped += dropped;
        out.count(Counter::MediaContested, outcome.contested);
        if dropped > 0 {
            out.count(Counter::MediaAddressesDropped, dropped);
        }
    });
    if call.recording.is_some() {
        // A controller only ever sends (RFC 7866, 7.1): that is no hold. It sends nothing while the recorded call is held.
        if let Some(hold) = hold {
            call.described.restore(side, hold == Some(HoldBy::Inactive));
        }
    } else if let Some(hold) = hold {
        call.ways.holding.described(
            message,
            side,
            hold,
            before.get(side as usize).copied().unwrap_or_default(),
        );
    }
    if let Some(branch) = branch
        && let Some(branch) = call.ways.branches.get_mut(usize::from(branch))
    {
        branch.early.get_or_insert(ts);
    }
    done
}

/// The branch that a message of the called side belongs to.
fn branch_of(call: &Call, message: &sip::Message<'_>) -> Option<u8> {
    let tag = if message.status().is_some() { message.to_tag } else { message.from_tag };
    call.ways.branches.iter().position(|b| is_text_of(&b.tag.0, tag)).and_then(|n| u8::try_from(n).ok())
}

/// Whether `text` is what [`sip::text`] makes of these octets.
fn is_text_of(text: &str, octets: &[u8]) -> bool {
    // Octets that are a text's own are valid UTF-8, and stay as they are.
    text.as_bytes() == octets || !octets.is_ascii() && *text == *sip::text(octets)
}

/// Most branches told of a call: as many as are followed.
const MAX_BRANCHES: usize = 16;

/// Keeps what became of each branch of the INVITE.
pub(super) fn branch(call: &mut Call, message: &sip::Message<'_>, ts: Time) {
    let tag = if message.status().is_some() { message.to_tag } else { message.from_tag };
    match (message.start, message.method()) {
        (Start::Response { status: 101..=299, .. }, Method::Invite) if !tag.is_empty() => {
            let early = call.answer.is_none_or(|answer| answer == ts);
            let at = branch_of(call, message);
            if at.is_none() {
                // A tag that comes up within the dialog is no branch of the INVITE that began it.
                if call.ways.branches.len() == MAX_BRANCHES {
                    call.course().dropped += 1;
                    return;
                }
                call.ways.branches.push(Branch {
                    tag: Pii(sip::text(tag).into()),
                    ringing: None,
                    early: None,
                    early_media: None,
                    answer: None,
                    end: None,
                });
            }
            let branches = &mut call.ways.branches;
            let at = at.map_or(branches.len() - 1, usize::from);
            let Some(branch) = branches.get_mut(at) else { return };
            match message.status() {
                Some(180 | 183) if early => _ = branch.ringing.get_or_insert(ts),
                Some(200..=299) => _ = branch.answer.get_or_insert(ts),
                _ => {}
            }
        }
        (Start::Request { .. }, Method::Bye) => {
            for tag in [message.to_tag, message.from_tag] {
                for branch in call.ways.branches.iter_mut().filter(|b| is_text_of(&b.tag.0, tag)) {
                    branch.end.get_or_insert(ts);
                }
            }
        }
        _ => {}
    }
}

/// Follows a REFER to its acceptance (RFC 3515, 2.4.2). True with the 2xx: the side that asked means to leave. `side` is
/// the message's sender, and of a response the other side's.
pub(super) fn refer(call: &mut Call, message: &sip::Message<'_>, side: Side) -> Option<Side> {
    if message.method() != Method::Refer {
        return None;
    }
    match message.status() {
        None => {
            call.ways.refer = Some((message.cseq.number, side));
            None
        }
        Some(200..=299) => {
            let (number, by) = call.ways.refer?;
            (number == message.cseq.number && by != side).then_some(by)
        }
        Some(_) => None,
    }
}

/// Takes up, or takes back, a hold that was offered.
pub(super) fn settle(call: &mut Call, message: &sip::Message<'_>, side: Side, ts: Time) {
    if call.ways.holding.is_idle() {
        return;
    }
    let settled = call.ways.holding.settle(message, side);
    if let Some((side, before)) = settled.restore {
        call.described.restore(side, before);
        // The same offer may be made again, and is news then.
        if let Some(last) = call.inner.last_sdp.get_mut(side as usize) {
            *last = 0;
        }
    }
    for (side, hold) in settled.said {
        // Nothing is made for the many calls that are never held.
        if hold.is_some() || call.course.as_ref().is_some_and(|c| !c.holds.is_empty()) {
            let course = call.course();
            course.dropped += u64::from(!hold::apply(&mut course.holds, side, hold, ts));
        }
    }
}
