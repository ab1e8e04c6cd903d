//! What one signalling message says to the call it belongs to: what happened, who takes part, where the media goes.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;

use super::Call;
use super::media::Media;
use super::state::{Event, is_retried};
use super::table::CallRef;
use crate::counters::Counter;
use crate::decode::sdp;
use crate::decode::sip::{self, Method, Start};
use crate::product::{Role, Side};
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
pub(super) fn parties(call: &mut Call, message: &sip::Message<'_>, initial: bool) -> u64 {
    let request = message.status().is_none();
    // A response repeats From and To (RFC 3261, 8.2.6.2), and so does a request within a dialog; there only INVITE and
    // UPDATE may bring a new From: connected identity (RFC 4916).
    let from_to = request && (initial || matches!(message.method(), Method::Invite | Method::Update));
    if !from_to && !message.has_asserted_identity() {
        return 0;
    }
    let mut dropped = u64::from(message.identities_dropped);
    message.parties(&mut |role, uri| {
        let wanted = match role {
            // Within a dialog the Request-URI is the other side's contact address.
            Role::RequestUri => initial,
            Role::From | Role::To => from_to,
            _ => true,
        };
        if wanted && call.add_party(role, uri, !initial).is_err() {
            dropped += 1;
        }
    });
    dropped
}

/// Takes the session descriptions of a message in. Says whether they moved the media or changed the direction.
pub(super) fn describe(
    media: &mut Media,
    hasher: &DefaultHashBuilder,
    at: CallRef,
    call: &mut Call,
    message: &sip::Message<'_>,
    side: Side,
    out: &mut impl Observer,
) -> bool {
    let (inner, described) = (&mut call.inner, &mut call.described);
    let mut changed = false;
    message.bodies(|content_type, body| {
        if !(content_type.is_empty() || sip::is_type(content_type, b"application/sdp")) {
            return;
        }
        let hash = hasher.hash_one(body);
        let Some(last) = inner.last_sdp.get_mut(side as usize) else { return };
        if *last == hash {
            return;
        }
        *last = hash;
        let Some(session) = sdp::Session::parse(body) else { return };
        let outcome = media.describe(at, described, side, &session);
        changed |= outcome.changed;
        let dropped = outcome.dropped + u64::from(session.dropped);
        if dropped > 0 {
            out.count(Counter::MediaAddressesDropped, dropped);
        }
    });
    changed
}
