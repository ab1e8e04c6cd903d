//! The state of a call, and the one table that moves it.

use crate::session::Change;

/// A call's state. One enum, one transition table ([`transition`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CallState {
    /// An INVITE was seen; nothing but 100 came back.
    Trying,
    /// 180, 183 or another provisional response.
    Ringing,
    /// A 2xx to INVITE.
    Answered,
    /// A challenge or redirection: the caller is expected to try again (RFC 3261, 8.1.3.4 and 22.2).
    Refused,
    /// CANCEL or a final failure. A branch that wasn't heard of may still answer: 200 crosses CANCEL (RFC 3261, 9.1),
    /// and a proxy may try the next target.
    Failed,
    /// BYE; kept a while for retransmissions and late media.
    Ended,
}

/// What a message means for the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    /// An INVITE outside a dialog that isn't a retransmission: a retry, another branch, another hop.
    Invite,
    /// 180 or 183.
    Ringing,
    /// Another provisional response but 100.
    Progress,
    /// 2xx to INVITE.
    Answer,
    /// The last branch came back with a failure after which callers try again.
    Challenge,
    /// The last branch came back with any other failure.
    Failure,
    /// CANCEL.
    Cancel,
    /// BYE of the last dialog.
    Bye,
}

/// The transition table. What it doesn't name changes nothing.
pub(super) const fn transition(state: CallState, event: Event) -> (CallState, Change) {
    use CallState::{Answered, Ended, Failed, Refused, Ringing, Trying};
    match (state, event) {
        (Refused | Failed, Event::Invite) => (Trying, Change::Nothing),
        (Trying | Ringing | Refused, Event::Ringing) => (Ringing, Change::Ringing),
        (Trying | Ringing | Refused, Event::Progress) => (Ringing, Change::Nothing),
        (Trying | Ringing | Refused | Failed, Event::Answer) => (Answered, Change::Answer),
        (Trying | Ringing | Refused, Event::Challenge) => (Refused, Change::Nothing),
        (Trying | Ringing | Refused, Event::Failure | Event::Cancel) => (Failed, Change::End),
        (Trying | Ringing | Refused | Answered, Event::Bye) => (Ended, Change::End),
        // The end was told already.
        (Failed, Event::Bye) => (Ended, Change::Nothing),
        (same, _) => (same, Change::Nothing),
    }
}

/// Failures after which the same caller tries again with the same Call-ID: redirection (RFC 3261, 8.1.3.4),
/// authentication (22.2), and those of 8.1.3.5, RFC 3329 and RFC 4028 that say what to change.
pub(super) const fn is_retried(status: u16) -> bool {
    matches!(status, 300..=399 | 401 | 407 | 413 | 415 | 416 | 420 | 421 | 422 | 423 | 494)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_wins_against_cancel_and_nothing_wins_against_bye() {
        let run = |events: &[Event]| events.iter().fold(CallState::Trying, |s, e| transition(s, *e).0);
        assert_eq!(run(&[Event::Cancel, Event::Answer]), CallState::Answered);
        assert_eq!(run(&[Event::Answer, Event::Cancel, Event::Failure]), CallState::Answered);
        for late in [Event::Invite, Event::Answer, Event::Ringing, Event::Cancel, Event::Challenge] {
            assert_eq!(transition(CallState::Ended, late), (CallState::Ended, Change::Nothing));
        }
    }
}
