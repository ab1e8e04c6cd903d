//! Calls: from the first INVITE to a while after the end.
//!
//! A call is an INVITE dialog set with one Call-ID. Every call of the network is followed, selected or not: a target's
//! identity may come late, and a task may be admitted in mid-call. What is kept of a call is bounded, and no payload is.

mod call_id;
mod circuits;
mod course;
mod dialogs;
mod hold;
mod legs;
mod media;
mod protection;
mod quality;
mod reading;
mod recording;
mod state;
mod stream;
mod table;
mod timers;

use std::borrow::Cow;
use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use smallvec::SmallVec;

use self::call_id::CallId;
pub(crate) use self::circuits::{Circuits, Leg, Signalling};
use self::dialogs::Dialogs;
use self::hold::Holding;
use self::legs::{Key, Keys, Legs, Others};
use self::media::{Described, Media};
use self::protection::Protections;
pub(crate) use self::recording::{Recording, SessionSet, Voice};
pub(crate) use self::state::CallState;
use self::state::{Event, transition};
pub(crate) use self::stream::Stream;
use self::table::{CallRef, List, Table};
use super::{Change, Observer};
use crate::counters::Counter;
use crate::decode::sip::{self, Method};
use crate::decode::{rtcp, rtp};
use crate::matching::Selection;
use crate::packet::{Endpoint, Seen, Time, Transport};
use crate::product::{
    Attribution, Branch, Course, EndReason, Link, LinkRule, Party, Protection, Role, Side, TaskId,
};
use crate::redact::Pii;

/// How long a call that has ended is kept for what comes late: BYE is retransmitted for up to 32 s (RFC 3261, 17.1.2),
/// but its first answer and the last RTP packets come within a second or two; ten leaves room for a slow path.
const LINGER: i64 = 10;

/// How long after CANCEL the branches that are still out are waited for: 64 * T1, timers B, F and H (RFC 3261, 17).
const BRANCHES: i64 = 32;

/// How long after a challenge or redirection the retry is waited for. Programs try again at once, but a telephone that
/// asks its owner for the password takes a minute.
const RETRY: i64 = 180;

/// How long a call may go without an answer or a sign of life: timer C of proxies is more than three minutes
/// (RFC 3261, 16.6), and each provisional response begins it again.
const SETUP: i64 = 300;

/// How long media may be silent, once there was any, before the BYE is taken for lost. RTCP comes every five seconds and
/// even senders that suppress silence send comfort noise; a call on hold is never given up for its silence.
const MEDIA_SILENCE: i64 = 300;

/// How long an answered call without media may go without any signalling: nothing tells that it has ended, and nobody
/// talks for a day.
const ABSOLUTE: i64 = 24 * 3600;

/// Most identities kept of one call. From, To and Request-URI on three hops, two asserted each way and a chain of
/// diversions make about twenty.
const MAX_PARTIES: usize = 64;

/// What nearly every call has: Request-URI, From, To, and each side's asserted identity and contact address, with one
/// missing. They are made room for at once, and moved into the record of the call as they are.
const USUAL_PARTIES: usize = 6;

/// Most media streams of one call. Music on hold, early media of each branch and video make ten; a stream for each
/// forged SSRC would make as many as there are packets.
const MAX_STREAMS: usize = 64;

/// Most links told of a call: a conversation over five switches has fifteen by several rules.
const MAX_LINKS: usize = 16;

/// Most matches that a call takes over from its legs.
const MAX_FOLLOWED: usize = 16;

/// One call: an INVITE dialog set with one Call-ID.
///
/// Its layout is that of the text below: what each message needs comes first and close together, as most of what a
/// message costs is waiting for the memory of its call.
#[repr(C)]
#[expect(clippy::struct_field_names, reason = "`call_id` is SIP's own name")]
pub(crate) struct Call {
    pub(crate) call_id: CallId,
    pub(crate) state: CallState,
    pub(crate) end_reason: Option<EndReason>,
    /// Transports that carried signalling.
    pub(crate) udp: bool,
    pub(crate) tcp: bool,
    /// Whose call it is: a circuit's has a name made of the circuit and the time for its Call-ID.
    pub(crate) signalling: Signalling,
    /// First 2xx to INVITE, else the last final response to it.
    pub(crate) final_status: Option<u16>,
    /// Tasks that select this call. Owned by the matcher.
    pub(crate) selection: Selection,
    /// How many of `parties` the matcher has looked at.
    pub(crate) checked: usize,
    /// Which tasks there were when the matcher looked at `parties`.
    pub(crate) checked_under: u32,
    /// Sides whose REFER was accepted, here or on a leg of the same conversation: they mean to leave.
    pub(crate) referred: [bool; 2],
    /// What headers and descriptions say of its course; nothing for most calls.
    pub(crate) course: Option<Box<Course>>,
    /// Tasks that select a leg of the same conversation, and with it this call.
    pub(crate) followed: SmallVec<[Followed; 1]>,
    pub(crate) answer: Option<Time>,
    pub(crate) ringing: Option<Time>,
    inner: Inner,
    ways: Ways,
    /// Tasks whose target has left the call: they don't select it again.
    pub(crate) left: SmallVec<[TaskId; 1]>,
    pub(crate) start: Time,
    pub(crate) end: Option<Time>,
    /// Distinct identities in order of appearance; only ever grows (bounded), so that the matcher looks at each once.
    pub(crate) parties: Vec<Party>,
    /// Signalling addresses of the first INVITE.
    pub(crate) src: Endpoint,
    pub(crate) dst: Endpoint,
    /// Media streams in order of first packet (bounded).
    pub(crate) streams: Vec<Stream>,
    /// Only calls with SRTP have any.
    pub(crate) protections: Option<Box<Protections>>,
    /// Only recording sessions (RFC 7866) have it: whose call is recorded.
    pub(crate) recording: Option<Box<Recording>>,
    described: Described,
}

/// What following a call takes and nobody else needs.
#[repr(C)]
struct Inner {
    /// Tag of the side that sent the first INVITE, hashed.
    caller_tag: u64,
    last_signal: Time,
    last_media: Option<Time>,
    /// When `state` last changed.
    since: Time,
    dialogs: Dialogs,
    /// Which stream the last packet belonged to: the first guess for the next.
    last_stream: usize,
    /// The last failure response while the caller may still try again: the end, if nothing follows.
    refused: Option<Time>,
    /// Last session description of each side, hashed: retransmissions and unchanged re-INVITEs aren't read again.
    last_sdp: [u64; 2],
}

/// How the call is joined to others, and what of it is uncertain: little of it is looked at with each message.
#[derive(Default)]
#[repr(C)]
struct Ways {
    /// That of the call which had this Call-ID before: its retransmissions say nothing of this one.
    predecessor: Option<u64>,
    holding: Holding,
    /// What became of each branch of the INVITE: one for nearly every call, so it is kept in place.
    branches: SmallVec<[Branch; 1]>,
    /// Side that each of `parties` stands for, where that is known.
    sides: SmallVec<[Option<Side>; 16]>,
    /// The identity that the network last gave to each side: an index into `parties`.
    asserted: [Option<u8>; 2],
    /// By what this call is joined to others.
    keys: Keys,
    /// The calls that `course.links` names, as long as they are in the table.
    linked: SmallVec<[(CallRef, LinkRule); 1]>,
    /// `CSeq` and sender of a REFER that wasn't answered yet.
    refer: Option<(u32, Side)>,
    /// What of the call was beyond a limit, or isn't certain.
    limits: Limits,
}

impl Call {
    /// A call that begins with a message from `src` to `dst`.
    pub(crate) fn new(call_id: &[u8], start: Time, src: Endpoint, dst: Endpoint) -> Self {
        Self {
            call_id: CallId::new(call_id),
            state: CallState::Trying,
            end_reason: None,
            udp: false,
            tcp: false,
            signalling: Signalling::Sip,
            final_status: None,
            selection: Selection::new(),
            checked: 0,
            answer: None,
            ringing: None,
            inner: Inner {
                caller_tag: 0,
                last_signal: start,
                last_media: None,
                since: start,
                dialogs: Dialogs::default(),
                last_stream: 0,
                refused: None,
                last_sdp: [0; 2],
            },
            start,
            end: None,
            parties: Vec::with_capacity(USUAL_PARTIES),
            src,
            dst,
            streams: Vec::new(),
            protections: None,
            recording: None,
            described: Described::default(),
            checked_under: 0,
            referred: [false; 2],
            left: SmallVec::new(),
            course: None,
            followed: SmallVec::new(),
            ways: Ways::default(),
        }
    }

    /// Which list of the table the call stands in.
    fn list(&self) -> List {
        if !self.selection.is_empty() {
            List::Selected
        } else if self.inner.last_media.is_some() {
            List::Live
        } else if self.answer.is_some() {
            List::Quiet
        } else {
            List::Setup
        }
    }

    /// Opens a packet of a stream, if it is protected and its keys are known: see [`Stream::open`].
    pub(crate) fn open(&mut self, stream: usize, datagram: &[u8], out: &mut Vec<u8>) -> Protection {
        match (&self.protections, self.streams.get_mut(stream)) {
            (Some(known), Some(stream)) => stream.open(known, datagram, out),
            _ => Protection::None,
        }
    }

    /// When the call leaves the table if nothing more is seen of it.
    fn deadline(&self) -> Time {
        let inner = &self.inner;
        let alive = inner.last_media.map_or(inner.last_signal, |t| t.max(inner.last_signal));
        match self.state {
            CallState::Trying | CallState::Ringing => alive.plus_seconds(SETUP),
            CallState::Refused => inner.last_signal.plus_seconds(RETRY),
            CallState::Answered if inner.last_media.is_some() && !self.described.on_hold() => {
                alive.plus_seconds(MEDIA_SILENCE)
            }
            // RFC 4028, 10: without a refresh the session is over when its time is, and the BYE comes a little before.
            CallState::Answered => {
                let timer = self.course.as_ref().and_then(|c| c.session_expires).map(i64::from);
                alive.plus_seconds(timer.map_or(ABSOLUTE, |s| (s + BRANCHES).min(ABSOLUTE)))
            }
            CallState::Failed if inner.dialogs.branches_out() => inner.since.plus_seconds(BRANCHES),
            // From the last sign of life on: a CANCEL that nobody answers is repeated for 32 s (RFC 3261, 9.1), and a BYE
            // that somebody forged ends no talk.
            CallState::Failed | CallState::Ended => alive.plus_seconds(LINGER),
        }
    }

    /// Whether it has ended, as far as is known.
    const fn is_over(&self) -> bool {
        matches!(self.state, CallState::Failed | CallState::Ended)
    }

    /// Sets how the call ended, unless signalling said so.
    fn conclude(&mut self, otherwise: EndReason) {
        if self.end_reason.is_none()
            && self.answer.is_none()
            && let Some(refused) = self.inner.refused
        {
            self.end = Some(refused);
            self.end_reason = Some(EndReason::Failure);
        }
        self.end_reason.get_or_insert(otherwise);
    }

    /// Applies an event at `ts`.
    fn apply(&mut self, event: Event, ts: Time) -> Change {
        let (state, mut change) = transition(self.state, event);
        if state != self.state {
            self.inner.since = self.inner.last_signal;
        }
        match (event, change) {
            // Only the first 180 or 183 is ringing, and only the first 2xx is the answer.
            (Event::Ringing, Change::Ringing) if self.ringing.is_some() => change = Change::Nothing,
            (Event::Ringing, Change::Ringing) => self.ringing = Some(ts),
            (Event::Answer, Change::Answer) => {
                (self.end, self.end_reason, self.inner.refused) = (None, None, None);
                self.answer = Some(ts);
            }
            (Event::Invite, _) if matches!(self.state, CallState::Refused | CallState::Failed) => {
                (self.end, self.end_reason, self.inner.refused) = (None, None, None);
            }
            (Event::Cancel, Change::End) => (self.end, self.end_reason) = (Some(ts), Some(EndReason::Cancel)),
            (Event::Failure, Change::End) => {
                (self.end, self.end_reason) = (Some(ts), Some(EndReason::Failure));
            }
            // The CANCEL or failure as it went on over the last hop, or was repeated until it was heard.
            (Event::Cancel, _) if self.end_reason == Some(EndReason::Cancel) => self.end = Some(ts),
            (Event::Failure, _) if self.end_reason == Some(EndReason::Failure) => self.end = Some(ts),
            (Event::Bye, _) if state != self.state => {
                (self.end, self.end_reason) = (Some(ts), Some(EndReason::Bye));
            }
            _ => {}
        }
        self.state = state;
        change
    }

    /// Keeps an identity, and says where. In a dialog, roles turn with the side that sends; there only new URIs count.
    fn add_party(
        &mut self,
        role: Role,
        uri: &[u8],
        in_dialog: bool,
        side: Option<Side>,
    ) -> Result<usize, TooMany> {
        let known = |uri: &[u8]| {
            let same = |p: &Party| (in_dialog || p.role == role) && p.uri.0.as_bytes() == uri;
            self.parties.iter().position(same)
        };
        // Only what looks new is read as text: an identity that the call has is known by its octets.
        if let Some(known) = known(uri) {
            return Ok(known);
        }
        let uri = sip::text(uri);
        if let Cow::Owned(uri) = &uri
            && let Some(known) = known(uri.as_bytes())
        {
            return Ok(known);
        }
        if self.parties.len() == MAX_PARTIES {
            return Err(TooMany);
        }
        self.parties.push(Party { role, uri: Box::<str>::from(uri).into() });
        self.ways.sides.push(side);
        Ok(self.parties.len() - 1)
    }

    /// Puts others in the place of all parties: those of the call that this one records. The matcher looks at all of
    /// them again.
    fn seat(&mut self, parties: Vec<(Side, Box<str>)>, out: &mut impl Observer) {
        self.parties.clear();
        self.ways.sides.clear();
        (self.ways.asserted, self.checked) = ([None; 2], 0);
        let dropped = parties.into_iter().filter(|(side, uri)| {
            self.add_party(Role::Participant, uri.as_bytes(), false, Some(*side)).is_err()
        });
        let dropped = dropped.count() as u64;
        if dropped > 0 {
            out.count(Counter::IdentitiesDropped, dropped);
            self.ways.limits.identities_dropped += dropped;
        }
    }

    /// What of it was beyond a limit, or isn't certain.
    pub(crate) const fn limits(&self) -> &Limits {
        &self.ways.limits
    }

    /// What became of the branches, where that tells more than the call's own times do.
    pub(crate) fn branches(&self) -> &[Branch] {
        let branches = &self.ways.branches;
        let early = branches.iter().any(|b| b.early.is_some() || b.early_media.is_some());
        if early || branches.len() > 1 { branches } else { &[] }
    }

    /// The course of the call, to be added to.
    fn course(&mut self) -> &mut Course {
        self.course.get_or_insert_default()
    }

    /// Side that an identity stands for; `None` for those who aren't in the call, such as who diverted it.
    pub(crate) fn side_of(&self, party: usize) -> Option<Side> {
        self.ways.sides.get(party).copied().flatten()
    }

    /// Whether the network has said what a side is.
    pub(crate) fn is_asserted(&self, side: Side) -> bool {
        self.ways.asserted.get(side as usize).is_some_and(Option::is_some)
    }

    /// What the network last said that a side is.
    pub(crate) fn asserted(&self, side: Side) -> Option<Pii<Box<str>>> {
        let at = self.ways.asserted.get(side as usize).copied().flatten()?;
        self.parties.get(usize::from(at)).map(|p| p.uri.clone())
    }
}

/// A task that selects a leg of the same conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Followed {
    pub(crate) task: TaskId,
    /// What it was selected by there.
    pub(crate) role: Option<Role>,
    pub(crate) target: Option<u16>,
    /// That leg is still up; once it isn't, nothing says that the target is still in this one.
    pub(crate) up: bool,
    leg: CallRef,
}

/// What of a call was beyond a limit, or isn't certain: each says that a recording may not be whole.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Limits {
    /// RTP packets of streams beyond [`MAX_STREAMS`].
    pub(crate) streams_dropped: u64,
    /// Media addresses beyond the limits of `media.rs`.
    pub(crate) addresses_dropped: u64,
    /// Identities beyond [`MAX_PARTIES`].
    pub(crate) identities_dropped: u64,
    /// Another live call announced a media address of this one: some of its packets may have gone to the other.
    pub(crate) contested: bool,
}

/// A limit was met; the caller counts it.
struct TooMany;

/// All calls of the network.
pub(crate) struct Calls {
    table: Table,
    media: Media,
    legs: Legs,
    /// The header that the site joins legs by.
    leg_header: Option<Box<str>>,
    hasher: DefaultHashBuilder,
    /// The capture's time. Signs of life are counted by it where an agent reports a message of long ago: deadlines lie
    /// in the capture's time, and a call that is being replayed is alive.
    now: Time,
}

impl Calls {
    pub(crate) fn new() -> Self {
        Self::with_limit(table::MAX_CALLS)
    }

    fn with_limit(limit: usize) -> Self {
        Self {
            table: Table::new(limit),
            media: Media::default(),
            legs: Legs::default(),
            leg_header: None,
            hasher: DefaultHashBuilder::default(),
            now: Time::default(),
        }
    }

    /// Sets the header that the site's own switches keep the same on all legs of a conversation.
    pub(crate) fn set_leg_header(&mut self, name: Option<Box<str>>) {
        self.leg_header = name;
    }

    /// A SIP message. Those that belong to no call change nothing and are told to nobody.
    pub(crate) fn signal(&mut self, message: &sip::Message<'_>, seen: &Seen<'_>, out: &mut impl Observer) {
        let method = message.method();
        // Never in a dialog, and the bulk of what isn't a call.
        if matches!(method, Method::Register | Method::Publish) {
            return;
        }
        let invite = method == Method::Invite && message.status().is_none();
        let initial = invite && message.to_tag.is_empty();
        let from = self.hasher.hash_one(message.from_tag);
        let mut found = self.table.find(message.call_id);
        let mut predecessor = None;
        // RFC 3261, 8.1.1.4 wants a new Call-ID for each call, but some senders use theirs again. The call that has ended
        // stays for its late media, without its name.
        if let Some(at) = found.filter(|_| initial)
            && let Some(ended) = self.table.get(at).filter(|call| call.state == CallState::Ended)
            && !ended.inner.dialogs.knows(self.hasher.hash_one(message.branch()))
        {
            predecessor = Some(ended.inner.caller_tag).filter(|tag| *tag != from);
            self.table.detach(at);
            found = None;
        }
        let begun = found.is_none();
        let at = match found {
            Some(at) => at,
            None if invite => self.begin(message.call_id, seen, out),
            None => return,
        };
        let Some(call) = self.table.get_mut(at) else { return };
        if begun {
            call.ways.predecessor = predecessor;
        } else if call
            .ways
            .predecessor
            .is_some_and(|old| old == from || old == self.hasher.hash_one(message.to_tag))
        {
            return;
        }
        let inner = &mut call.inner;
        let alive = seen.ts.max(self.now);
        inner.last_signal = inner.last_signal.max(alive);
        match seen.transport {
            Transport::Udp => call.udp = true,
            Transport::Tcp => call.tcp = true,
            // No framing of SIP over these is read.
            Transport::Sctp | Transport::Mtp => {}
        }

        if begun || (initial && call.answer.is_none()) {
            call.inner.caller_tag = from;
        }
        let event = reading::event(&self.hasher, call, message, from);
        let before = call.is_over();
        let mut change = event.map_or(Change::Nothing, |event| call.apply(event, seen.ts));
        if call.is_over() != before {
            self.media.retire(at, &call.described, !before);
        }
        if begun {
            change = Change::Begin;
        }

        // What a request says of its sender's side, a response says of the other.
        let by_caller = (from == call.inner.caller_tag) == message.status().is_none();
        let side = if by_caller { Side::Caller } else { Side::Callee };
        let dropped = if recording::read(call, message, side, out) {
            0
        } else {
            reading::parties(call, message, initial || begun, side) + reading::isup(call, message)
        };
        if dropped > 0 {
            out.count(Counter::IdentitiesDropped, dropped);
            call.ways.limits.identities_dropped += dropped;
        }
        reading::branch(call, message, seen.ts);
        let turned = reading::refer(call, message, side);

        let description = if message.body.is_empty() {
            reading::Description::default()
        } else {
            reading::describe(&mut self.media, &self.hasher, at, call, message, (side, seen.ts), out)
        };
        reading::settle(call, message, side, seen.ts);
        if change == Change::Nothing && description.moved {
            change = Change::Media;
        }
        let mut found = course::Found::default();
        if course::is_telling(message) {
            let how = course::Reading {
                hasher: &self.hasher,
                side,
                initial: initial || begun,
                ts: seen.ts,
                leg_header: self.leg_header.as_deref().map(str::as_bytes),
            };
            found = course::read(call, message, &how);
        }
        if let Some(recording) = &call.recording {
            course::of_recorded(&mut found, recording, &self.hasher);
        }
        if let Some(value) = description.origin {
            found.keys.push(Key { rule: LinkRule::Origin, value });
        }
        self.link(at, found, &description.sharing, out);
        if let Some(side) = turned {
            self.tell_legs_of_refer(at, side);
        }
        let Some(call) = self.table.get_mut(at) else { return };
        out.signal(call, change, message, seen);
        let (deadline, list) = (call.deadline(), call.list());
        if list == List::Selected {
            self.media.prefer(at, &mut call.described);
        }
        let shares = !call.ways.linked.is_empty() && (list == List::Selected || call.is_over() != before);
        self.table.file(at, list);
        if shares {
            self.share(at);
        }
        self.table.schedule(at, deadline);
    }

    /// Joins the call to its legs.
    fn link(&mut self, at: CallRef, found: course::Found, sharing: &[CallRef], out: &mut impl Observer) {
        if found.keys.is_empty() && found.named.is_empty() && sharing.is_empty() {
            return;
        }
        let mut dropped = 0;
        let mut others = Others::new();
        if let Some(call) = self.table.get_mut(at) {
            for key in found.keys {
                self.legs.join(at, call.start, &mut call.ways.keys, key, &mut dropped, &mut others);
            }
        }
        for other in found.named.iter().filter_map(|id| self.table.find(id)) {
            others.push((other, LinkRule::Named));
        }
        for other in sharing {
            others.push((*other, LinkRule::Media));
        }
        for (other, rule) in others.into_iter().filter(|(other, _)| *other != at) {
            dropped += u64::from(!self.link_one(at, other, rule) || !self.link_one(other, at, rule));
        }
        if dropped > 0 {
            out.count(Counter::LinksDropped, dropped);
        }
    }

    /// Notes in one call that another is its leg. A stronger rule replaces a weaker one. False when it didn't fit.
    fn link_one(&mut self, at: CallRef, other: CallRef, rule: LinkRule) -> bool {
        // Each message with the same values says it again; what stands here stands in `course.links` by as strong a rule.
        let is_told = |call: &Call| call.ways.linked.iter().any(|(leg, by)| *leg == other && *by <= rule);
        if self.table.get(at).is_some_and(is_told) {
            return true;
        }
        let Some(name) = self.table.get(other).map(|o| o.call_id.clone()) else { return true };
        let Some(call) = self.table.get_mut(at) else { return true };
        // A Call-ID used again links a call to one of its own name, which tells nobody anything.
        if call.call_id.octets() == name.octets() {
            return true;
        }
        let link = Link { call: Pii(name.text().into()), rule };
        let links = &mut call.course.get_or_insert_default().links;
        if let Some(known) = links.iter_mut().find(|l| l.call == link.call) {
            known.rule = known.rule.min(rule);
        } else if links.len() < MAX_LINKS {
            links.push(link);
        } else {
            call.course().dropped += 1;
            return false;
        }
        let linked = &mut call.ways.linked;
        match linked.iter().position(|(l, _)| *l == other) {
            Some(known) => {
                if let Some((_, known)) = linked.get_mut(known) {
                    *known = (*known).min(rule);
                }
            }
            None if linked.len() < MAX_LINKS => linked.push((other, rule)),
            None => {}
        }
        true
    }

    /// Lets the legs that are the same conversation for certain be followed under the tasks that select this call, as
    /// long as this call is up.
    fn share(&mut self, at: CallRef) {
        let Some(call) = self.table.get(at) else { return };
        let up = !call.is_over();
        let own: SmallVec<[Followed; 2]> = call
            .selection
            .iter()
            .filter(|m| !m.is_followed())
            .map(|m| Followed { task: m.task(), role: m.role(), target: m.target(), up, leg: at })
            .collect();
        for (leg, rule) in call.ways.linked.clone() {
            let Some(other) = self.table.get_mut(leg).filter(|_| rule.follows_content()) else { continue };
            for known in other.followed.iter_mut().filter(|f| f.leg == at) {
                known.up = up && own.iter().any(|o| o.task == known.task);
            }
            for new in own.iter().filter(|_| up) {
                let known = other.followed.iter().any(|f| f.leg == at && f.task == new.task);
                if !known && other.followed.len() < MAX_FOLLOWED {
                    other.followed.push(*new);
                }
            }
        }
    }

    /// A side's REFER was accepted: on the other legs too, a change of identity now means that it has left.
    fn tell_legs_of_refer(&mut self, at: CallRef, side: Side) {
        let Some(call) = self.table.get_mut(at) else { return };
        call.referred[side as usize] = true;
        for (leg, rule) in call.ways.linked.clone() {
            if rule <= LinkRule::Origin
                && let Some(other) = self.table.get_mut(leg)
            {
                // Which side of another leg the sender's is isn't known.
                other.referred = [true; 2];
            }
        }
    }

    /// Makes a call, and room for it.
    fn begin(&mut self, call_id: &[u8], seen: &Seen<'_>, out: &mut impl Observer) -> CallRef {
        if let Some(oldest) = self.table.oldest_if_full() {
            out.count(Counter::CallsEvicted, 1);
            self.close(oldest, EndReason::Evicted, seen.ts, out);
        }
        out.count(Counter::Calls, 1);
        self.table.insert(Call::new(call_id, seen.ts, seen.src, seen.dst))
    }

    /// A UDP datagram. `true` when it goes to a media address of a call, or comes from one (symmetric RTP, RFC 4961:
    /// the receiver's address isn't the one in its session description when a NAT stands between), and is RTP or RTCP.
    pub(crate) fn media(&mut self, seen: &Seen<'_>, out: &mut impl Observer) -> bool {
        if !rtp::is_version_2(seen.payload) {
            return false;
        }
        if rtcp::is_rtcp(seen.payload) {
            return self.rtcp(seen, out);
        }
        let Some(packet) = rtp::Packet::parse(seen.payload) else { return false };
        let Some((binding, to_owner)) = self.media.rtp(seen.src, seen.dst) else { return false };
        let Some(call) = self.table.get_mut(binding.call) else { return false };
        call.ways.limits.contested |= binding.contested;
        let Some(owner) = call.described.side(binding) else { return false };
        // A packet to the address that the caller gave was sent by the callee.
        let side = if to_owner { owner.other() } else { owner };
        if call.answer.is_none()
            && let Some(branch) = self.media.branch(binding.call, &call.described, seen)
            && let Some(branch) = call.ways.branches.get_mut(usize::from(branch))
        {
            branch.early_media.get_or_insert(seen.ts);
        }
        call.inner.last_media = call.inner.last_media.max(Some(seen.ts.max(self.now)));

        let same = |s: &Stream| s.ssrc == packet.ssrc && s.src == seen.src && s.dst == seen.dst;
        let guess = call.inner.last_stream;
        let known = if call.streams.get(guess).is_some_and(same) {
            Some(guess)
        } else {
            call.streams.iter().position(same)
        };
        let index = match known {
            Some(index) => index,
            None if call.streams.len() == MAX_STREAMS => {
                out.count(Counter::StreamsDropped, 1);
                call.ways.limits.streams_dropped += 1;
                return true;
            }
            None => {
                let known = &call.described;
                let both = known.announces(seen.src) && known.announces(seen.dst);
                let attribution = if both { Attribution::Announced } else { Attribution::Learned };
                let payload = self.media.payload(known, binding, packet.payload_type);
                let mut stream = Stream::new(seen, side, &packet, payload, attribution);
                stream.branch = self.media.branch(binding.call, known, seen);
                stream.primary = self.media.primary(known, binding, &stream, &packet);
                stream.voice = call.recording.as_ref().and_then(|r| r.voice(seen.src, seen.dst));
                call.streams.push(stream);
                call.streams.len() - 1
            }
        };
        call.inner.last_stream = index;
        if let Some(stream) = call.streams.get_mut(index) {
            if stream.payload_type != packet.payload_type {
                (stream.encoding, stream.clock, stream.format) =
                    self.media.payload(&call.described, binding, packet.payload_type);
                stream.payload_type = packet.payload_type;
                stream.primary = self.media.primary(&call.described, binding, stream, &packet);
            }
            stream.packet(&packet, seen.ts);
            stream.digits = media::is_digits(&call.described, binding, &stream.encoding, &packet);
        }
        out.rtp(call, index, &packet, seen);
        let list = call.list();
        self.table.file(binding.call, list);
        true
    }

    /// A UDP datagram that isn't RTP. `true` when it goes to where fax is expected, or comes from there.
    pub(crate) fn fax(&mut self, seen: &Seen<'_>, out: &mut impl Observer) -> bool {
        // RFC 8489, 5: STUN between the same ports has its magic cookie here.
        if !self.media.any_fax || seen.payload.get(4..8) == Some(&[0x21, 0x12, 0xa4, 0x42]) {
            return false;
        }
        let Some((binding, to_owner)) = self.media.rtp(seen.src, seen.dst) else { return false };
        let Some(call) = self.table.get_mut(binding.call) else { return false };
        let Some(owner) = call.described.side(binding).filter(|_| call.described.is_fax(binding)) else {
            return false;
        };
        call.inner.last_media = call.inner.last_media.max(Some(seen.ts.max(self.now)));
        out.fax(call, if to_owner { owner.other() } else { owner }, seen);
        true
    }

    fn rtcp(&mut self, seen: &Seen<'_>, out: &mut impl Observer) -> bool {
        let (binding, to_owner) = match self.media.rtcp(seen.dst) {
            Some(binding) => (binding, true),
            None => match self.media.rtcp(seen.src) {
                Some(binding) => (binding, false),
                None => return false,
            },
        };
        let Some(call) = self.table.get_mut(binding.call) else { return false };
        let Some(owner) = call.described.side(binding) else { return false };
        call.inner.last_media = call.inner.last_media.max(Some(seen.ts.max(self.now)));
        out.rtcp(call, if to_owner { owner.other() } else { owner }, seen);
        true
    }

    /// Closes the calls whose time has come. Looks only at those that may be due.
    pub(crate) fn advance(&mut self, now: Time, out: &mut impl Observer) {
        self.now = now;
        while let Some(at) = self.table.due(now) {
            let Some(deadline) = self.table.get(at).map(Call::deadline) else { continue };
            if deadline <= now {
                self.close(at, EndReason::Timeout, now, out);
            } else {
                self.table.schedule(at, deadline);
            }
        }
    }

    /// The source has ended: closes all calls.
    pub(crate) fn finish(&mut self, now: Time, out: &mut impl Observer) {
        while let Some(at) = self.table.first() {
            self.close(at, EndReason::SourceEnded, now, out);
        }
    }

    fn close(&mut self, at: CallRef, otherwise: EndReason, now: Time, out: &mut impl Observer) {
        let Some(gone) = self.table.remove(at) else { return };
        let Some(call) = self.table.gone(&gone) else { return };
        let linked = std::mem::take(&mut call.ways.linked);
        self.legs.release(at, &call.ways.keys);
        call.ways.limits.contested |= self.media.release(at, &call.described);
        call.conclude(otherwise);
        for (leg, _) in linked {
            if let Some(other) = self.table.get_mut(leg) {
                other.followed.iter_mut().filter(|f| f.leg == at).for_each(|f| f.up = false);
                other.ways.linked.retain(|(l, _)| *l != at);
            }
        }
        if let Some(call) = self.table.gone(&gone) {
            out.call_closed(call, now);
        }
        self.table.bury(&gone);
    }
}

#[cfg(test)]
mod course_tests;
#[cfg(test)]
mod tests;
