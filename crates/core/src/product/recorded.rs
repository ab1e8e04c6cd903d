//! What a recording session (RFC 7866) says of the call that it records (RFC 7865).

use super::Side;
use crate::packet::Time;
use crate::redact::Pii;

/// The recorded call, as the session border controller that records it describes it. All of it is that controller's
/// word, and its times are by that controller's clock.
#[derive(Clone, Default, Debug)]
pub struct Recorded {
    /// Communication sessions: the calls that are recorded. One, for most controllers.
    pub sessions: Vec<RecordedSession>,
    /// Who takes part, in order of appearance.
    pub participants: Vec<RecordedParticipant>,
    /// Why the caller is taken for the caller.
    pub caller_by: CallerBy,
    /// Parts of the metadata that were beyond a limit.
    pub dropped: u64,
}

/// A communication session (RFC 7865, 6.3).
#[derive(Clone, Debug)]
pub struct RecordedSession {
    /// Its unique identifier.
    pub id: Pii<Box<str>>,
    /// That of the group it belongs to.
    pub group: Option<Pii<Box<str>>>,
    /// Session-ID (RFC 7989) of the recorded call.
    pub sip_session_id: Option<Pii<Box<str>>>,
    /// When it began.
    pub start: Option<Time>,
    /// When it ended, or was recorded no more.
    pub stop: Option<Time>,
}

/// A participant (RFC 7865, 6.5).
#[derive(Clone, Debug)]
pub struct RecordedParticipant {
    /// Addresses of record.
    pub uris: Vec<Pii<Box<str>>>,
    /// The first name given.
    pub name: Option<Pii<Box<str>>>,
    /// The caller, or somebody else.
    pub side: Side,
    /// Labels (RFC 4574) of the streams that it sends.
    pub labels: Vec<Pii<Box<str>>>,
    /// Which of the sessions it takes part in: indexes.
    pub sessions: Vec<u8>,
    /// When it came.
    pub from: Option<Time>,
    /// When it left.
    pub until: Option<Time>,
    /// It is in none of the sessions any more.
    pub left: bool,
}

/// Why a participant is taken for the caller: the metadata have no word for it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum CallerBy {
    /// A vendor's extension says so.
    Extension,
    /// It was associated with the session before the others.
    Time,
    /// It was named first, as controllers do.
    #[default]
    Order,
}

impl CallerBy {
    /// Stable name for records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Extension => "extension",
            Self::Time => "time",
            Self::Order => "order",
        }
    }
}
