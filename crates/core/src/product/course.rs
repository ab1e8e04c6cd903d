//! The course of a call: how it came about, whom it reached by which way, and what became of it. All of it is facts.

use super::{Party, Recorded, Side};
use crate::packet::Time;
use crate::redact::Pii;

/// What is told of a call beyond its parties and times. Lists are bounded; [`Course::dropped`] says what didn't fit.
#[derive(Clone, Default, Debug)]
pub struct Course {
    /// Whom the caller dialled, and whom the call reached in the end.
    pub diversion: Diversion,
    /// One a dialog that the INVITE made: one INVITE may reach several phones (RFC 3261, 13.2.2.4).
    pub branches: Vec<Branch>,
    /// When a side put the call on hold, and until when.
    pub holds: Vec<Hold>,
    /// What moved the call to another party, or joined it to another call.
    pub transfers: Vec<Transfer>,
    /// What a caller asked to hide (RFC 3323, RFC 3325). It hides from the other side, not from this record.
    pub privacy: Vec<Privacy>,
    /// What the network found of the caller's number (TS 24.229, 7.2A.20).
    pub verstat: Option<Verstat>,
    /// Signed claims on the caller (RFC 8224). The signature is not checked here.
    pub passports: Vec<Passport>,
    /// Causes given by Reason headers (RFC 3326): protocol and cause, in order.
    pub causes: Vec<Cause>,
    /// Seconds of the session timer (RFC 4028) that the two sides agreed on; the longest.
    pub session_expires: Option<u32>,
    /// Other calls that are legs of the same conversation, each with why we think so. Nothing is merged.
    pub links: Vec<Link>,
    /// The call that this one records, when it is a recording session (RFC 7866).
    pub recorded: Option<Box<Recorded>>,
    /// What didn't fit into the lists.
    pub dropped: u64,
}

/// Numbers that a diverted call has gone through, kept apart (RFC 5806, RFC 7044, RFC 7315, 4.2, RFC 8946).
#[derive(Clone, Default, Debug)]
pub struct Diversion {
    /// What the caller's side asked for: the Request-URI of the first INVITE, unless History-Info or a `div` claim
    /// knows an earlier one.
    pub dialled: Option<Pii<Box<str>>>,
    /// The first party that the call was diverted from.
    pub originally_called: Option<Pii<Box<str>>>,
    /// The last one.
    pub last_redirecting: Option<Pii<Box<str>>>,
    /// Who answered, as the network says: the asserted identity of the answer, else the last target.
    pub reached: Option<Pii<Box<str>>>,
    /// Each step, as written, in order of seeing.
    pub steps: Vec<Step>,
}

/// One entry of Diversion, History-Info, P-Called-Party-ID, or a `div` claim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Which header.
    pub by: StepBy,
    /// Whom it names.
    pub uri: Pii<Box<str>>,
    /// `index` of History-Info (RFC 7044, 5.1): digits and dots.
    pub index: Option<Box<str>>,
    /// SIP or Q.850 cause in History-Info's Reason or `cause` (RFC 4458).
    pub cause: Option<u16>,
    /// Why.
    pub reason: Option<DivertReason>,
}

/// Where a step stood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepBy {
    /// Diversion: top entry is the last diverting party (RFC 5806).
    Diversion,
    /// History-Info: in the order of `index` (RFC 7044).
    HistoryInfo,
    /// P-Called-Party-ID: the public identity that the request was for (RFC 7315, 4.2).
    PCalledPartyId,
    /// `PASSporT` of type `div` (RFC 8946): the party that diverted.
    PassportDiv,
}

impl StepBy {
    /// Stable name for records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Diversion => "diversion",
            Self::HistoryInfo => "history_info",
            Self::PCalledPartyId => "p_called_party_id",
            Self::PassportDiv => "passport_div",
        }
    }
}

/// Why a call was diverted (RFC 5806, 5; mapping of causes by RFC 7544 and RFC 4458).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DivertReason {
    /// `unconditional`; cause 302.
    Unconditional,
    /// `user-busy`; cause 486.
    UserBusy,
    /// `no-answer`; cause 408.
    NoAnswer,
    /// `unavailable`; cause 503.
    Unavailable,
    /// `time-of-day`.
    TimeOfDay,
    /// `do-not-disturb`.
    DoNotDisturb,
    /// `deflection`; causes 480 and 487.
    Deflection,
    /// `follow-me`.
    FollowMe,
    /// `out-of-service`; cause 404.
    OutOfService,
    /// `away`.
    Away,
    /// Any other.
    Unknown,
}

impl DivertReason {
    /// RFC 5806's own spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unconditional => "unconditional",
            Self::UserBusy => "user-busy",
            Self::NoAnswer => "no-answer",
            Self::Unavailable => "unavailable",
            Self::TimeOfDay => "time-of-day",
            Self::DoNotDisturb => "do-not-disturb",
            Self::Deflection => "deflection",
            Self::FollowMe => "follow-me",
            Self::OutOfService => "out-of-service",
            Self::Away => "away",
            Self::Unknown => "unknown",
        }
    }

    pub(crate) fn parse(reason: &[u8]) -> Self {
        const ALL: [DivertReason; 10] = [
            DivertReason::Unconditional,
            DivertReason::UserBusy,
            DivertReason::NoAnswer,
            DivertReason::Unavailable,
            DivertReason::TimeOfDay,
            DivertReason::DoNotDisturb,
            DivertReason::Deflection,
            DivertReason::FollowMe,
            DivertReason::OutOfService,
            DivertReason::Away,
        ];
        let same = |r: &Self| reason.eq_ignore_ascii_case(r.name().as_bytes());
        ALL.into_iter().find(same).unwrap_or(Self::Unknown)
    }

    /// RFC 7544, 7.3.
    pub(crate) const fn of_cause(cause: u16) -> Option<Self> {
        Some(match cause {
            302 => Self::Unconditional,
            486 => Self::UserBusy,
            408 => Self::NoAnswer,
            503 => Self::Unavailable,
            480 | 487 => Self::Deflection,
            404 => Self::OutOfService,
            _ => return None,
        })
    }
}

/// One dialog of a forked INVITE.
#[derive(Clone, Debug)]
pub struct Branch {
    /// Tag of the called side: names the dialog (RFC 3261, 12).
    pub tag: Pii<Box<str>>,
    /// First 180 or 183.
    pub ringing: Option<Time>,
    /// First session description before the answer: from now on there may be early media.
    pub early: Option<Time>,
    /// First RTP of this branch before its answer.
    pub early_media: Option<Time>,
    /// 2xx: this one won. A second winner gets a BYE at once (RFC 3261, 13.2.2.4).
    pub answer: Option<Time>,
    /// Its BYE.
    pub end: Option<Time>,
}

/// How a side put a call on hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HoldBy {
    /// `a=sendonly` (RFC 3264, 8.4): the held side hears music.
    SendOnly,
    /// `a=inactive`.
    Inactive,
    /// `c=0.0.0.0` (RFC 2543, B.5).
    Nowhere,
}

impl HoldBy {
    /// Stable name for records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendOnly => "sendonly",
            Self::Inactive => "inactive",
            Self::Nowhere => "nowhere",
        }
    }
}

/// A time on hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hold {
    /// Who did it.
    pub side: Side,
    /// How.
    pub by: HoldBy,
    /// When it was accepted.
    pub start: Time,
    /// When it was taken back; `None` while it lasts.
    pub end: Option<Time>,
}

/// What moves a call or joins it to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransferBy {
    /// REFER: the sender asks the other side to call somebody (RFC 3515).
    Refer,
    /// Referred-By: who asked for this call (RFC 3892).
    ReferredBy,
    /// Replaces: this call takes the place of another (RFC 3891).
    Replaces,
    /// Join: this call joins another (RFC 3911).
    Join,
    /// Target-Dialog: this request is about another dialog (RFC 4538).
    TargetDialog,
}

impl TransferBy {
    /// Stable name for records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refer => "refer",
            Self::ReferredBy => "referred_by",
            Self::Replaces => "replaces",
            Self::Join => "join",
            Self::TargetDialog => "target_dialog",
        }
    }
}

/// One act of that kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// What it is.
    pub by: TransferBy,
    /// Who sent it.
    pub side: Side,
    /// A URI for REFER and Referred-By; a Call-ID for the rest.
    pub to: Pii<Box<str>>,
    /// When.
    pub ts: Time,
}

/// A value of the Privacy header (RFC 3323, 4.2; RFC 3325, 9.3; RFC 7044, 10.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Privacy {
    /// Hide the asserted identity.
    Id,
    /// Hide headers that show the way.
    Header,
    /// Hide session descriptions' addresses.
    Session,
    /// Hide what the user agent itself wrote.
    User,
    /// Hide History-Info.
    History,
    /// Refuse rather than show.
    Critical,
    /// Nothing is to be hidden.
    None,
}

impl Privacy {
    /// RFC 3323's own spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Header => "header",
            Self::Session => "session",
            Self::User => "user",
            Self::History => "history",
            Self::Critical => "critical",
            Self::None => "none",
        }
    }

    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let all =
            [Self::Id, Self::Header, Self::Session, Self::User, Self::History, Self::Critical, Self::None];
        all.into_iter().find(|p| value.eq_ignore_ascii_case(p.name().as_bytes()))
    }
}

/// `verstat` (TS 24.229, 7.2A.20).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verstat {
    /// `TN-Validation-Passed` and its variants.
    Passed,
    /// `TN-Validation-Failed` and its variants.
    Failed,
    /// `No-TN-Validation`.
    NotValidated,
}

impl Verstat {
    /// Stable name for records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotValidated => "not_validated",
        }
    }
}

/// Claims of one Identity header (RFC 8225). Numbers as written.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Passport {
    /// `shaken`, `div`, `rcd`, …: `ppt`. Empty for none.
    pub ppt: Box<str>,
    /// `A`, `B` or `C` (RFC 8588, 4): how well the signer knows the caller.
    pub attest: Option<char>,
    /// `orig`.
    pub orig: Option<Pii<Box<str>>>,
    /// First of `dest`.
    pub dest: Option<Pii<Box<str>>>,
    /// `div` (RFC 8946): who diverted.
    pub div: Option<Pii<Box<str>>>,
}

/// A cause (RFC 3326).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cause {
    /// Whose numbers: Q.850's or SIP's.
    pub protocol: CauseOf,
    /// The number.
    pub cause: u16,
}

/// The protocol of a cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CauseOf {
    /// ITU-T Q.850: 16 is normal clearing.
    Q850,
    /// A SIP status.
    Sip,
}

impl CauseOf {
    /// The spelling of RFC 3326.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Q850 => "Q.850",
            Self::Sip => "SIP",
        }
    }
}

/// Why two calls are taken for legs of one conversation, strongest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LinkRule {
    /// Both halves of Session-ID are the same (RFC 7989).
    SessionId,
    /// The same `icid-value` (RFC 7315, 4.6), which a network puts in and takes out.
    ChargingVector,
    /// Replaces, Join or Target-Dialog names the other call.
    Named,
    /// Both are recording sessions of one communication session (RFC 7865, 6.3).
    RecordedSession,
    /// One half of Session-ID is the same: so it is after a transfer too.
    SessionHalf,
    /// A header that the site names holds the same value.
    Header,
    /// The same `o=` of a session description.
    Origin,
    /// The same media address.
    Media,
    /// The same number called, within seconds.
    NumberAndTime,
}

impl LinkRule {
    /// Stable name for records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SessionId => "session_id",
            Self::ChargingVector => "charging_vector",
            Self::Named => "named",
            Self::RecordedSession => "recorded_session",
            Self::SessionHalf => "session_half",
            Self::Header => "header",
            Self::Origin => "origin",
            Self::Media => "media",
            Self::NumberAndTime => "number_and_time",
        }
    }

    /// How sure the rule is. See `docs/adr/0009-legs.md`.
    pub const fn confidence(self) -> Confidence {
        match self {
            Self::SessionId | Self::ChargingVector | Self::Named | Self::RecordedSession => {
                Confidence::Certain
            }
            Self::SessionHalf | Self::Header | Self::Origin | Self::Media => Confidence::Probable,
            Self::NumberAndTime => Confidence::Possible,
        }
    }

    /// Whether the content of a leg linked so may be followed: the two legs are one conversation of the same two
    /// people, by the network's word. A call that another call is only named by (a transfer, a conference) is
    /// somebody else's.
    pub const fn follows_content(self) -> bool {
        matches!(self, Self::SessionId | Self::ChargingVector)
    }
}

/// How sure a link is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Confidence {
    /// A protocol made to say so says so.
    Certain,
    /// It would take a coincidence, or a forgery, for it to be otherwise.
    Probable,
    /// A lead.
    Possible,
}

impl Confidence {
    /// Stable name for records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Probable => "probable",
            Self::Possible => "possible",
        }
    }
}

/// Another call that is a leg of the same conversation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Its Call-ID.
    pub call: Pii<Box<str>>,
    /// By which rule.
    pub rule: LinkRule,
}

/// Who vouches for an identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Trust {
    /// The network put it in, inside its trust domain (RFC 3325): whoever sits outside can still have forged it.
    Network,
    /// Its sender.
    User,
}

impl Trust {
    /// Stable name for records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::User => "user",
        }
    }
}

impl Party {
    /// Who vouches for it.
    pub const fn trust(&self) -> Trust {
        self.role.trust()
    }
}
