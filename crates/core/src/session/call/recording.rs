//! Recording sessions (RFC 7866): calls in which a controller sends a recorder a copy of another call's media. Whose call
//! that is, From and To don't say: they name the controller and the recorder. The recording metadata do (RFC 7865).
//!
//! What is kept here is the state that snapshots and partial updates add up to. From it come the parties of the call,
//! and whose voice each stream is: all of them come from the controller's address, so the label of the media
//! description tells.

use smallvec::SmallVec;

use super::{Call, Stream};
use crate::counters::Counter;
use crate::decode::rs_metadata::{self, MAX_PARTICIPANTS, MAX_SESSIONS, MAX_STREAMS, Metadata};
use crate::decode::sip::{self, Method};
use crate::decode::{label, sdp};
use crate::packet::Endpoint;
use crate::product::{CallerBy, Party, Recorded, RecordedParticipant, RecordedSession, Role, Side, TaskId};
use crate::redact::Pii;
use crate::session::Observer;

/// A set of communication sessions: a bit for each, by its place.
pub(crate) type SessionSet = u32;

/// What the metadata of one recording session have said so far.
#[derive(Default)]
pub(crate) struct Recording {
    sessions: Vec<Part>,
    people: Vec<Person>,
    streams: Vec<Sent>,
    lines: SmallVec<[Line; 2]>,
    caller_by: CallerBy,
    dropped: u64,
    /// In which sessions the target of each task is, that selects the call. Owned by the point.
    pub(crate) permitted: SmallVec<[(TaskId, SessionSet); 1]>,
}

/// A communication session.
struct Part {
    told: RecordedSession,
    /// It has stopped, or a snapshot doesn't name it any more.
    over: bool,
}

/// A participant.
struct Person {
    id: Box<str>,
    told: RecordedParticipant,
    calling: Option<bool>,
    /// Identifiers of the streams that it sends.
    sends: SmallVec<[Box<str>; 1]>,
    /// Sessions that it is in.
    member: SessionSet,
    /// Some metadata said which sessions it is in; without that, it is in all.
    associated: bool,
    seated: bool,
}

/// A stream.
struct Sent {
    id: Box<str>,
    session: Option<u8>,
    label: Option<Box<str>>,
}

/// A media description of the recording session, and the address that each side gave.
#[derive(Default)]
struct Line {
    label: Option<Box<str>>,
    at: [Option<Endpoint>; 2],
}

/// Whose a stream is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Voice {
    /// Who speaks.
    pub(crate) side: Side,
    /// The sessions that it may belong to.
    pub(crate) sessions: SessionSet,
}

/// Takes a message of a call in: its metadata, and where its media go. True when the call is a recording session, so
/// that its parties are those whom the metadata name.
pub(super) fn read(call: &mut Call, message: &sip::Message<'_>, side: Side, out: &mut impl Observer) -> bool {
    if call.recording.is_none() && !may_hold(message.content_type) {
        return false;
    }
    let mut recording = call.recording.take();
    let (mut named, mut described) = (false, false);
    message.bodies(|content_type, body| {
        if !rs_metadata::is_metadata(content_type) {
            return;
        }
        let text = sip::text(body);
        let Some(metadata) = Metadata::parse(&text) else {
            out.count(Counter::RecordingMalformed, 1);
            return;
        };
        if metadata.damage.is_some() {
            out.count(Counter::RecordingMalformed, 1);
        }
        if recording.is_none() {
            out.count(Counter::RecordingSessions, 1);
        }
        let recording = recording.get_or_insert_default();
        let before = recording.dropped;
        recording.take_in(&metadata);
        out.count(Counter::RecordingDropped, recording.dropped - before);
        named = true;
    });
    let Some(mut recording) = recording else { return false };
    // A description stands in offers and answers alone, and these are few.
    if matches!(message.method(), Method::Invite | Method::Update | Method::Ack | Method::Prack) {
        message.bodies(|content_type, body| {
            if (content_type.is_empty() || sip::is_type(content_type, b"application/sdp"))
                && let Some(session) = sdp::Session::parse(body)
            {
                recording.describe(side, &session, &label::labels(body));
                described = true;
            }
        });
    }
    if named {
        call.seat(recording.parties(false), out);
    }
    if named || described {
        recording.attribute(&mut call.streams);
    }
    call.recording = Some(recording);
    true
}

/// Whether a body of this type may hold metadata.
fn may_hold(content_type: &[u8]) -> bool {
    content_type.get(..10).is_some_and(|t| t.eq_ignore_ascii_case(b"multipart/"))
        || rs_metadata::is_metadata(content_type)
}

impl Recording {
    /// Adds a document to what is known: a snapshot says of everything that it doesn't name that it is over.
    fn take_in(&mut self, metadata: &Metadata<'_>) {
        self.dropped += metadata.dropped;
        let snapshot = !metadata.partial && metadata.damage.is_none();
        if snapshot {
            self.streams.clear();
            for person in &mut self.people {
                (person.member, person.told.left) = (0, true);
            }
        }
        let is_named = |id: &str| metadata.sessions.iter().any(|s| *s.id == *id);
        if snapshot && !metadata.sessions.is_empty() {
            self.sessions.iter_mut().filter(|s| !is_named(&s.told.id.0)).for_each(|s| s.over = true);
        }
        for session in &metadata.sessions {
            self.session(session);
        }
        if self.sessions.is_empty() {
            // A controller that names no session records one all the same.
            self.session(&rs_metadata::Session::default());
        }
        for stream in &metadata.streams {
            self.stream(stream);
        }
        for person in &metadata.participants {
            self.person(person, metadata);
        }
        for change in &metadata.memberships {
            self.membership(change);
        }
        self.assign_sides();
    }

    /// Sessions that are still recorded.
    fn live(&self) -> SessionSet {
        bits(self.sessions.iter().map(|s| !s.over))
    }

    /// Whether calls of different people may share the recording session.
    pub(crate) fn is_shared(&self) -> bool {
        self.sessions.len() > 1
    }

    fn place_of(&self, session: &str) -> Option<u8> {
        self.sessions.iter().position(|s| *s.told.id.0 == *session).map(|n| n as u8)
    }

    fn session(&mut self, new: &rs_metadata::Session<'_>) {
        let owned = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(|t| Pii(Box::from(t)));
        if let Some(part) = self.sessions.iter_mut().find(|s| *s.told.id.0 == *new.id) {
            part.over = new.stop.is_some();
            let known = &mut part.told;
            known.group = owned(&new.group).or(known.group.take());
            known.sip_session_id = owned(&new.sip_session_id).or(known.sip_session_id.take());
            known.start = new.start.or(known.start);
            known.stop = new.stop;
            return;
        }
        let told = RecordedSession {
            id: Pii(Box::from(&*new.id)),
            group: owned(&new.group),
            sip_session_id: owned(&new.sip_session_id),
            start: new.start,
            stop: new.stop,
        };
        let session = Part { told, over: new.stop.is_some() };
        if self.sessions.len() < MAX_SESSIONS {
            self.sessions.push(session);
            return;
        }
        self.dropped += 1;
        // A recording session may stay up for many calls, one after the other: the newest ones count.
        if let Some(over) = self.sessions.iter().position(|s| s.over)
            && let Some(place) = self.sessions.get_mut(over)
        {
            *place = session;
            for person in &mut self.people {
                person.member &= !(1 << over);
            }
        }
    }

    fn stream(&mut self, new: &rs_metadata::Stream<'_>) {
        let session = self.place_of(&new.session);
        let label = new.label.as_deref().map(Box::from);
        if let Some(known) = self.streams.iter_mut().find(|s| *s.id == *new.id) {
            known.session = session.or(known.session);
            known.label = label.or(known.label.take());
        } else if self.streams.len() < MAX_STREAMS {
            self.streams.push(Sent { id: Box::from(&*new.id), session, label });
        } else {
            self.dropped += 1;
        }
    }

    fn person(&mut self, new: &rs_metadata::Participant<'_>, metadata: &Metadata<'_>) {
        let first = new.names.first().map_or("", |n| &*n.0);
        // Without an identifier, the address tells who it is.
        let same = |p: &Person| {
            *p.id == *new.id && (!new.id.is_empty() || p.told.uris.iter().any(|u| *u.0 == *first))
        };
        let at = if let Some(known) = self.people.iter().position(same) {
            known
        } else {
            let person = Person {
                id: Box::from(&*new.id),
                told: RecordedParticipant {
                    uris: Vec::new(),
                    name: None,
                    side: Side::Callee,
                    labels: Vec::new(),
                    sessions: Vec::new(),
                    from: None,
                    until: None,
                    left: false,
                },
                calling: None,
                sends: SmallVec::new(),
                member: 0,
                associated: false,
                seated: false,
            };
            let gone = self.people.iter().position(|p| p.told.left);
            if self.people.len() < MAX_PARTICIPANTS {
                self.people.push(person);
                self.people.len() - 1
            } else if let Some(gone) = gone {
                self.dropped += 1;
                self.people.remove(gone);
                self.people.push(person);
                self.people.len() - 1
            } else {
                self.dropped += 1;
                return;
            }
        };
        let live = self.live();
        let Some(person) = self.people.get_mut(at) else { return };
        person.calling = new.calling.or(person.calling);
        if !new.names.is_empty() {
            person.told.uris = new.names.iter().map(|n| Pii(Box::from(&*n.0))).collect();
            let name = new.names.iter().find_map(|n| n.1.as_deref());
            person.told.name = name.map(|n| Pii(Box::from(n))).or(person.told.name.take());
        }
        // An association names all streams that the participant sends.
        let mut sends = metadata.sends.iter().filter(|(who, _)| **who == *new.id).peekable();
        if sends.peek().is_some() {
            person.sends = sends.map(|(_, stream)| Box::from(&**stream)).collect();
        }
        let named = metadata.memberships.iter().any(|m| *m.participant == *new.id);
        let unsaid = metadata.memberships.is_empty() && !metadata.partial;
        if !named && (unsaid || !person.associated) {
            let streams = self.streams.iter().filter(|s| person.sends.contains(&s.id));
            let of_streams = streams.filter_map(|s| s.session).fold(0, |all, n| all | 1 << n);
            // Who isn't said to be in one of several sessions is in those whose streams it sends: guessing more would give
            // a warrant what isn't its.
            person.member = if self.sessions.len() > 1 { of_streams } else { live };
        }
        person.told.left = false;
    }

    fn membership(&mut self, change: &rs_metadata::Membership<'_>) {
        let Some(session) = self.place_of(&change.session) else { return };
        let Some(person) = self.people.iter_mut().find(|p| *p.id == *change.participant) else { return };
        person.associated = true;
        person.told.from = person.told.from.or(change.from);
        if change.until.is_some() {
            person.member &= !(1 << session);
            person.told.until = change.until;
        } else {
            person.member |= 1 << session;
            (person.told.until, person.told.left) = (None, false);
        }
    }

    /// Says which side each newcomer is. Nothing in the RFC says who called whom: a vendor's extension does, else who
    /// was associated first, else who is named first. Somebody who comes when the caller has left takes that place.
    fn assign_sides(&mut self) {
        let live = self.live();
        for person in &mut self.people {
            person.told.left |= person.member & live == 0;
        }
        for session in 0..self.sessions.len() {
            let here = |p: &Person| p.member & live & 1 << session != 0;
            let taken = self.people.iter().any(|p| here(p) && p.seated && p.told.side == Side::Caller);
            let places =
                (0..).zip(&self.people).filter(|(_, p)| here(p) && !p.seated && p.calling != Some(false));
            let new: Vec<(usize, &Person)> = places.collect();
            let first = new.iter().map(|(_, p)| p.told.from).min().flatten();
            let mut earliest = new.iter().filter(|(_, p)| first.is_some() && p.told.from == first);
            let chosen =
                match (new.iter().find(|(_, p)| p.calling == Some(true)), earliest.next(), earliest.next()) {
                    (Some((at, _)), ..) => Some((*at, CallerBy::Extension)),
                    _ if taken => None,
                    (None, Some((at, _)), None) if new.len() > 1 => Some((*at, CallerBy::Time)),
                    _ => new.first().map(|(at, _)| (*at, CallerBy::Order)),
                };
            if let Some((at, by)) = chosen
                && let Some(caller) = self.people.get_mut(at)
            {
                (caller.told.side, caller.seated) = (Side::Caller, true);
                self.caller_by = by;
            }
        }
        self.people.iter_mut().filter(|p| p.member & live != 0).for_each(|p| p.seated = true);
        for person in &mut self.people {
            let streams = self.streams.iter().filter(|s| person.sends.contains(&s.id));
            person.told.labels = streams.filter_map(|s| s.label.clone()).map(Pii).collect();
            person.told.sessions = (0..MAX_SESSIONS as u8).filter(|n| person.member & 1 << n != 0).collect();
        }
    }

    fn describe(&mut self, side: Side, session: &sdp::Session<'_>, labels: &[Option<&[u8]>]) {
        for (n, media) in session.media.iter().enumerate() {
            if self.lines.len() == n {
                self.lines.push(Line::default());
            }
            let Some(line) = self.lines.get_mut(n) else { return };
            if let Some(label) = labels.get(n).copied().flatten() {
                line.label = Some(sip::text(label).into());
            }
            let at = media.connection.filter(|_| media.port != 0);
            if let Some(place) = line.at.get_mut(side as usize) {
                *place = at.map(|ip| Endpoint { ip, port: media.port });
            }
        }
    }

    /// Says of each stream whose it is.
    fn attribute(&self, streams: &mut [Stream]) {
        for stream in streams {
            stream.voice = self.voice(stream.src, stream.dst);
        }
    }

    /// Whose voice goes from one address to another: by the media description that names the address it goes to, as
    /// controllers send from any; by its label, or by its place where labels are missing.
    pub(super) fn voice(&self, src: Endpoint, dst: Endpoint) -> Option<Voice> {
        let line = [dst, src]
            .into_iter()
            .find_map(|end| self.lines.iter().position(|l| l.at.contains(&Some(end))))?;
        let label = self.lines.get(line)?.label.as_deref();
        let by_label = self.streams.iter().find(|s| label.is_some() && s.label.as_deref() == label);
        let bare =
            self.streams.iter().all(|s| s.label.is_none()) || self.lines.iter().all(|l| l.label.is_none());
        let sent = by_label.or_else(|| self.streams.get(line).filter(|_| bare));
        let sends = |p: &&Person| sent.is_some_and(|sent| p.sends.contains(&sent.id));
        let by = |left: bool| self.people.iter().filter(|p| p.told.left == left).find(sends);
        // Without associations, streams stand in the order of the participants.
        let unsaid = self.people.iter().all(|p| p.sends.is_empty());
        let person = by(false).or_else(|| by(true)).or_else(|| self.people.get(line).filter(|_| unsaid));
        let sessions = match (sent.and_then(|sent| sent.session), person) {
            (Some(session), _) => 1 << session,
            (None, Some(person)) => person.member,
            (None, None) => self.live(),
        };
        let place = if line == 0 { Side::Caller } else { Side::Callee };
        Some(Voice { side: person.map_or(place, |p| p.told.side), sessions })
    }

    /// The sessions in which somebody takes part for whom `is_target` holds. `None` while nobody takes part in any: the
    /// recording is about to end, and nobody is left whom it could be about.
    pub(crate) fn sessions_of(&self, mut is_target: impl FnMut(&str) -> bool) -> Option<SessionSet> {
        let live = self.live();
        if self.people.iter().all(|p| p.member & live == 0) {
            return None;
        }
        let mut found = 0;
        for person in self.people.iter().filter(|p| p.member & live != 0) {
            if person.uris().any(|uri| is_target(&uri)) {
                found |= person.member & live;
            }
        }
        Some(found)
    }

    /// Whether a task may have what belongs to these sessions: its target is in each of them.
    pub(crate) fn permits(&self, task: TaskId, sessions: SessionSet) -> bool {
        !self.is_shared()
            || self
                .permitted
                .iter()
                .any(|(t, permitted)| *t == task && sessions != 0 && sessions & !permitted == 0)
    }

    /// The sessions that a task may have.
    pub(crate) fn permitted_to(&self, task: TaskId) -> SessionSet {
        self.permitted.iter().find(|(t, _)| *t == task).map_or(0, |(_, sessions)| *sessions)
    }

    /// Whether a task may see what tells of every session.
    pub(crate) fn permits_all(&self, task: TaskId) -> bool {
        self.permits(task, self.live())
    }

    /// The identities of those who take part, or ever did.
    fn parties(&self, ever: bool) -> Vec<(Side, Box<str>)> {
        let people = self.people.iter().filter(|p| ever || !p.told.left);
        people.flat_map(|p| p.uris().map(|uri| (p.told.side, uri))).collect()
    }

    /// The identities of everybody who took part.
    pub(crate) fn everybody(&self) -> Vec<Party> {
        let party = |(_, uri)| Party { role: Role::Participant, uri: Pii(uri) };
        self.parties(true).into_iter().map(party).collect()
    }

    /// An identity of the first who was on a side: a number in international form where there is one.
    pub(crate) fn identity(&self, side: Side) -> Option<Box<str>> {
        self.people.iter().find(|p| p.told.side == side).and_then(|p| p.uris().last())
    }

    /// What is told of it, of some of its sessions.
    pub(crate) fn told(&self, sessions: SessionSet) -> Recorded {
        let people = self.people.iter().filter(|p| p.member & sessions != 0 || sessions == SessionSet::MAX);
        Recorded {
            sessions: (0..)
                .zip(&self.sessions)
                .filter(|(n, _)| sessions & 1 << n != 0)
                .map(|(_, s)| s.told.clone())
                .collect(),
            participants: people.map(|p| p.told.clone()).collect(),
            caller_by: self.caller_by,
            dropped: self.dropped,
        }
    }

    /// Values of Session-ID (RFC 7989) of the recorded calls.
    pub(super) fn sip_session_ids(&self) -> impl Iterator<Item = &str> {
        self.sessions.iter().filter_map(|s| s.told.sip_session_id.as_ref()).map(|id| &*id.0)
    }

    /// Identifiers of the communication sessions.
    pub(super) fn session_ids(&self) -> impl Iterator<Item = &str> {
        self.sessions.iter().map(|s| &*s.told.id.0).filter(|id| !id.is_empty())
    }
}

impl Person {
    /// Identities as written; and for a number whose nature of address a switch has put beside it, that number in
    /// international form.
    fn uris(&self) -> impl Iterator<Item = Box<str>> {
        self.told.uris.iter().flat_map(|uri| [Some(uri.0.clone()), international(&uri.0)]).flatten()
    }
}

/// `sip:33612345678;noa=international@host`: a number that was ISUP's (Q.763, 3.9 c) and lost its `+`.
fn international(uri: &str) -> Option<Box<str>> {
    let (_, rest) = uri.split_once(':')?;
    let user = rest.split_once('@').map_or(rest, |(user, _)| user);
    let (digits, parameters) = user.split_once(';')?;
    let is_plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let said = parameters.split(';').any(|p| p.eq_ignore_ascii_case("noa=international"));
    (is_plain && said).then(|| format!("tel:+{digits}").into())
}

fn bits(of: impl Iterator<Item = bool>) -> SessionSet {
    of.enumerate().fold(0, |all, (n, set)| all | SessionSet::from(set) << n)
}
