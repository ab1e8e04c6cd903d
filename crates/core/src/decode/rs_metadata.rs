//! Recording metadata (RFC 7865): who takes part in a communication session that is being recorded, and who sends which
//! stream. It comes in a body of type `application/rs-metadata+xml` (RFC 7866, 10.2).
//!
//! Controllers in the field send what drafts before the RFC said, too: `id` and `session` for the attributes' names,
//! `send` and `associate-time` inside `participant`. Both are read, and what is missing is missing.

use std::borrow::Cow;

use super::sip;
use super::xml::{Damage, Element, Reader, Token};
use crate::packet::Time;
use crate::task::instant;

/// Most communication sessions of one document. A controller makes a recording session of each, or shares one between
/// the few of a transfer or consultation (RFC 7866, 6.1).
pub(crate) const MAX_SESSIONS: usize = 8;

/// Most participants: two in nearly every call, some thirty in a large conference.
pub(crate) const MAX_PARTICIPANTS: usize = 32;

/// Most streams: as many as a session description may have media.
pub(crate) const MAX_STREAMS: usize = super::sdp::MAX_MEDIA;

/// Most associations of each kind: every participant with two streams, or in two sessions.
pub(crate) const MAX_ASSOCIATIONS: usize = 2 * MAX_PARTICIPANTS;

/// Most identities of one participant: a SIP and a tel URI, each with names in two languages.
pub(crate) const MAX_NAME_IDS: usize = 4;

/// Longest identifier or label. The RFC's are base64 of 16 octets, 24 characters; vendors' stay below 64.
const MAX_ID: usize = 128;

/// Longest address of record, name, or other text.
const MAX_TEXT: usize = 512;

/// Whether a body of this type holds recording metadata. The name without `+xml` is that of the drafts.
pub(crate) fn is_metadata(content_type: &[u8]) -> bool {
    sip::is_type(content_type, b"application/rs-metadata+xml")
        || sip::is_type(content_type, b"application/rs-metadata")
}

/// One document.
#[derive(Default, Debug)]
pub(crate) struct Metadata<'a> {
    /// `datamode`: a snapshot of everything, which is what no mode means; else a change of what was said before.
    pub(crate) partial: bool,
    pub(crate) sessions: Vec<Session<'a>>,
    pub(crate) participants: Vec<Participant<'a>>,
    pub(crate) streams: Vec<Stream<'a>>,
    /// `participantsessionassoc`.
    pub(crate) memberships: Vec<Membership<'a>>,
    /// `participantstreamassoc`: participant and the stream that it sends.
    pub(crate) sends: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Parts beyond a limit.
    pub(crate) dropped: u64,
    /// Why the rest of the document was not read. It is then no snapshot, whatever it says.
    pub(crate) damage: Option<Damage>,
}

/// A communication session (6.3), the call that is recorded.
#[derive(Default, Debug)]
pub(crate) struct Session<'a> {
    /// Empty when there is none.
    pub(crate) id: Cow<'a, str>,
    /// `group-ref`: sessions of one interaction, such as a call and its consultation (6.2).
    pub(crate) group: Option<Cow<'a, str>>,
    /// `sipSessionID`: Session-ID (RFC 7989) of the recorded call; the first.
    pub(crate) sip_session_id: Option<Cow<'a, str>>,
    pub(crate) start: Option<Time>,
    /// `stop-time`, or the time at which the recording session let it go (6.4).
    pub(crate) stop: Option<Time>,
}

/// Somebody who takes part (6.5).
#[derive(Default, Debug)]
pub(crate) struct Participant<'a> {
    /// Empty when there is none.
    pub(crate) id: Cow<'a, str>,
    /// `nameID`: address of record, and name.
    pub(crate) names: Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>,
    /// Whether a vendor's extension says that this is the calling party. The RFC has no word for that.
    pub(crate) calling: Option<bool>,
}

/// A stream (6.6) of the recording session.
#[derive(Default, Debug)]
pub(crate) struct Stream<'a> {
    /// Empty when there is none.
    pub(crate) id: Cow<'a, str>,
    pub(crate) session: Cow<'a, str>,
    /// As `a=label` of the session description has it (RFC 4574).
    pub(crate) label: Option<Cow<'a, str>>,
}

/// When somebody took part in a session (6.7).
#[derive(Default, Debug)]
pub(crate) struct Membership<'a> {
    pub(crate) participant: Cow<'a, str>,
    pub(crate) session: Cow<'a, str>,
    pub(crate) from: Option<Time>,
    pub(crate) until: Option<Time>,
}

impl<'a> Metadata<'a> {
    /// Reads a document as far as it goes. `None` when it isn't recording metadata.
    pub(crate) fn parse(document: &'a str) -> Option<Self> {
        let mut reader = Reader::new(document);
        match reader.next()? {
            Ok(Token::Open(root)) if root.name == "recording" => {}
            _ => return None,
        }
        let mut found = Self::default();
        let mut at = At::default();
        loop {
            match reader.next() {
                None => break,
                Some(Ok(Token::Open(element))) => {
                    at.text.clear();
                    match reader.depth() {
                        2 => found.part(element, &mut at),
                        _ => found.inner(element, &mut at),
                    }
                    at.element = Some(element);
                }
                Some(Ok(Token::Text(text))) => {
                    let room = MAX_TEXT.saturating_sub(at.text.len());
                    at.text.push_str(head(&text, room));
                }
                Some(Ok(Token::Close)) => {
                    if let Some(element) = at.element.take() {
                        let text = std::mem::take(&mut at.text);
                        found.value(element.name, text.trim(), &mut at);
                    }
                    if reader.depth() == 1 {
                        found.close(&mut at);
                    }
                }
                Some(Err(damage)) => {
                    found.damage = Some(damage);
                    break;
                }
            }
        }
        Some(found)
    }

    /// An element right below the root.
    fn part(&mut self, element: Element<'a>, at: &mut At<'a>) {
        let mut id = |names: &[&str]| {
            let found = names.iter().find_map(|name| element.attribute(name)).unwrap_or_default();
            self.bounded(found, MAX_ID)
        };
        let mut kept = true;
        at.membership = Membership::default();
        at.part = match element.name {
            "datamode" | "dataMode" => Part::Mode,
            "session" => {
                // Drafts had the group as an attribute.
                let group = id(&["group-ref", "group"]);
                let group = Some(group).filter(|group| !group.is_empty());
                let session = Session { id: id(&["session_id", "id"]), group, ..Session::default() };
                kept = keep(&mut self.sessions, MAX_SESSIONS, session);
                Part::Session
            }
            "participant" => {
                let own = id(&["participant_id", "id"]);
                at.membership.participant.clone_from(&own);
                at.membership.session = id(&["session_id", "session"]);
                let person = Participant { id: own, ..Participant::default() };
                kept = keep(&mut self.participants, MAX_PARTICIPANTS, person);
                Part::Participant
            }
            "stream" => {
                let session = id(&["session_id", "session"]);
                let stream = Stream { id: id(&["stream_id", "id"]), session, label: None };
                kept = keep(&mut self.streams, MAX_STREAMS, stream);
                Part::Stream
            }
            "participantsessionassoc" | "participantstreamassoc" => {
                at.membership.participant = id(&["participant_id", "participant"]);
                at.membership.session = id(&["session_id", "session"]);
                if element.name == "participantsessionassoc" { Part::Membership } else { Part::Sends }
            }
            "sessionrecordingassoc" => {
                at.membership.session = id(&["session_id", "session"]);
                Part::Recorded
            }
            _ => Part::Other,
        };
        if !kept {
            // What it holds must not be taken for that of the one before.
            self.dropped += 1;
            at.part = Part::Other;
        }
    }

    /// A value; an empty one for one that is too long: its beginning would be another's.
    fn bounded(&mut self, text: Cow<'a, str>, limit: usize) -> Cow<'a, str> {
        if text.len() <= limit {
            return text;
        }
        self.dropped += 1;
        Cow::Borrowed("")
    }

    /// An element further down.
    fn inner(&mut self, element: Element<'a>, at: &mut At<'a>) {
        if at.part == Part::Participant
            && element.name == "nameID"
            && let Some(aor) = element.attribute("aor")
        {
            let aor = self.bounded(aor, MAX_TEXT);
            let person = self.participants.last_mut().filter(|_| !aor.is_empty());
            let kept = person.is_none_or(|person| keep(&mut person.names, MAX_NAME_IDS, (aor, None)));
            self.dropped += u64::from(!kept);
        }
    }

    /// The text of an element that holds no others, or the last text of one that does.
    fn value(&mut self, name: &str, text: &str, at: &mut At<'a>) {
        let owned = || Cow::Owned(text.to_owned());
        let id = || Some(text).filter(|text| text.len() <= MAX_ID).map(|text| Cow::Owned(text.to_owned()));
        match (at.part, name) {
            (Part::Mode, _) => self.partial = text.eq_ignore_ascii_case("partial"),
            (Part::Session, _) => {
                let Some(session) = self.sessions.last_mut() else { return };
                match name {
                    "group-ref" => session.group = id(),
                    "sipSessionID" if session.sip_session_id.is_none() => session.sip_session_id = id(),
                    // `associate-time` is that of drafts.
                    "start-time" | "associate-time" => session.start = moment(text),
                    "stop-time" | "end-time" | "disassociate-time" => session.stop = moment(text),
                    _ => {}
                }
            }
            (Part::Participant, "name") => {
                let last = self.participants.last_mut().and_then(|p| p.names.last_mut());
                if let Some((_, name @ None)) = last
                    && !text.is_empty()
                {
                    *name = Some(owned());
                }
            }
            // Acme Packet's, now Oracle's: http://acmepacket.com/siprec/extensiondata.
            (Part::Participant, "callingParty") => {
                if let Some(person) = self.participants.last_mut() {
                    person.calling = Some(text.eq_ignore_ascii_case("true"));
                }
            }
            (Part::Participant | Part::Sends, "send") if !text.is_empty() => {
                let sender = at.membership.participant.clone();
                let kept =
                    id().is_some_and(|stream| keep(&mut self.sends, MAX_ASSOCIATIONS, (sender, stream)));
                self.dropped += u64::from(!kept);
            }
            (Part::Participant | Part::Membership, "associate-time") => at.membership.from = moment(text),
            (Part::Participant | Part::Membership | Part::Recorded, "disassociate-time") => {
                at.membership.until = moment(text);
            }
            (Part::Stream, "label") if !text.is_empty() => {
                if let Some(stream) = self.streams.last_mut() {
                    stream.label = id();
                }
            }
            _ => {}
        }
    }

    /// The end of an element right below the root.
    fn close(&mut self, at: &mut At<'a>) {
        let membership = std::mem::take(&mut at.membership);
        match std::mem::take(&mut at.part) {
            Part::Participant | Part::Membership if !membership.session.is_empty() => {
                let kept = keep(&mut self.memberships, MAX_ASSOCIATIONS, membership);
                self.dropped += u64::from(!kept);
            }
            Part::Recorded if membership.until.is_some() => {
                let recorded = self.sessions.iter_mut().find(|s| s.id == membership.session);
                if let Some(session) = recorded {
                    session.stop = session.stop.or(membership.until);
                }
            }
            _ => {}
        }
    }
}

/// Where in a document the reader stands.
#[derive(Default)]
struct At<'a> {
    part: Part,
    membership: Membership<'a>,
    element: Option<Element<'a>>,
    text: String,
}

/// The part right below the root.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Part {
    #[default]
    Other,
    Mode,
    Session,
    Participant,
    Stream,
    Membership,
    Sends,
    Recorded,
}

/// Adds one, unless there are as many as may be.
fn keep<T>(list: &mut Vec<T>, limit: usize, one: T) -> bool {
    let room = list.len() < limit;
    if room {
        list.push(one);
    }
    room
}

/// The beginning of a text, of so many octets at most.
fn head(text: &str, octets: usize) -> &str {
    let end = (0..=octets.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// RFC 3339, with or without a fraction, which is left out, and with or without a zone: drafts had none, and meant UTC.
fn moment(text: &str) -> Option<Time> {
    let at = instant(&format!("{}Z", text.get(..19)?))?;
    let zone = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let (sign, zone) = match zone.as_bytes() {
        [] | [b'Z' | b'z'] => return Some(at),
        [b'+', ..] => (-1, zone.get(1..)?),
        [b'-', ..] => (1, zone.get(1..)?),
        _ => return None,
    };
    let (hours, minutes) = zone.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..=23).contains(&hours) && (0..=59).contains(&minutes))
        .then(|| at.plus_seconds(sign * (hours * 3600 + minutes * 60)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::xml;

    /// Shaped after RFC 7866, figure 6, and RFC 7865, 10: two participants who send a stream each.
    const COMPLETE: &str = "<?xml version='1.0' encoding='UTF-8'?>
        <recording xmlns='urn:ietf:params:xml:ns:recording:1'>
          <datamode>complete</datamode>
          <group group_id='7+OTCyoxTmqmqyA/1weDAg=='><associate-time>2010-12-16T23:41:07Z</associate-time></group>
          <session session_id='hVpd7YQgRW2nD22h7q60JQ=='>
            <sipSessionID>ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2</sipSessionID>
            <group-ref>7+OTCyoxTmqmqyA/1weDAg==</group-ref>
            <start-time>2010-12-16T23:41:07Z</start-time>
          </session>
          <participant participant_id='srfBElmCRp2QB23b7Mpk0w=='>
            <nameID aor='sip:bob@biloxi.com'><name xml:lang='it'>Bob &amp; Co</name></nameID>
            <nameID aor='tel:+33612345678'/>
          </participant>
          <participant participant_id='zSfPoSvdSDCmU3A3TRDxAw=='>
            <nameID aor='sip:Paul@box.com'><name xml:lang='it'>Paul</name></nameID>
          </participant>
          <stream stream_id='UAAMm5GRQKSCMVvLyl4rFw==' session_id='hVpd7YQgRW2nD22h7q60JQ=='><label>96</label></stream>
          <stream stream_id='i1Pz3to5hGk8fuXl+PbwCw==' session_id='hVpd7YQgRW2nD22h7q60JQ=='><label>97</label></stream>
          <sessionrecordingassoc session_id='hVpd7YQgRW2nD22h7q60JQ=='>
            <associate-time>2010-12-16T23:41:07Z</associate-time>
            <disassociate-time>2010-12-17T01:41:07+02:00</disassociate-time>
          </sessionrecordingassoc>
          <participantsessionassoc participant_id='srfBElmCRp2QB23b7Mpk0w==' session_id='hVpd7YQgRW2nD22h7q60JQ=='>
            <associate-time>2010-12-16T23:41:07.25-00:01</associate-time>
          </participantsessionassoc>
          <participantstreamassoc participant_id='srfBElmCRp2QB23b7Mpk0w=='>
            <send>i1Pz3to5hGk8fuXl+PbwCw==</send><recv>UAAMm5GRQKSCMVvLyl4rFw==</recv>
          </participantstreamassoc>
          <participantstreamassoc participant_id='zSfPoSvdSDCmU3A3TRDxAw=='>
            <send>UAAMm5GRQKSCMVvLyl4rFw==</send><recv>i1Pz3to5hGk8fuXl+PbwCw==</recv>
          </participantstreamassoc>
        </recording>";

    #[test]
    fn p22_reads_what_the_rfc_writes() {
        let found = Metadata::parse(COMPLETE).unwrap();
        assert_eq!((found.partial, found.dropped, found.damage), (false, 0, None));
        let session = &found.sessions[0];
        assert_eq!(
            (&*session.id, session.group.as_deref()),
            ("hVpd7YQgRW2nD22h7q60JQ==", Some("7+OTCyoxTmqmqyA/1weDAg=="))
        );
        assert!(session.sip_session_id.as_deref().is_some_and(|id| id.ends_with("2099600ef2")));
        let start = instant("2010-12-16T23:41:07Z");
        assert_eq!((session.start, session.stop), (start, start), "two hours east");
        let bob = &found.participants[0];
        assert_eq!(
            bob.names,
            [("sip:bob@biloxi.com".into(), Some("Bob & Co".into())), ("tel:+33612345678".into(), None)]
        );
        assert_eq!(found.participants[1].names[0].1.as_deref(), Some("Paul"));
        assert_eq!(found.streams[1].label.as_deref(), Some("97"));
        assert_eq!(found.memberships.len(), 1);
        assert_eq!(found.memberships[0].from, start.map(|t| t.plus_seconds(60)), "a minute west");
        assert_eq!(found.sends[0], (bob.id.clone(), found.streams[1].id.clone()));
        assert_eq!(found.sends.len(), 2, "what is received is sent by somebody else");
    }

    #[test]
    fn p22_reads_what_drafts_had_and_vendors_still_send() {
        let draft = "<recording xmlns='urn:ietf:params:xml:ns:recording'><dataMode>Partial</dataMode>
            <session id='S=='><associate-time>2015-04-28T10:40:29</associate-time></session>
            <participant id='P/1==' session='S=='><nameID aor='sip:33612345678;noa=international@h'/>
              <send>T+1==</send><associate-time>2015-04-28T10:40:29</associate-time>
              <extensiondata xmlns:apkt='http://acmepacket.com/siprec/extensiondata'>
                <apkt:callingParty>true</apkt:callingParty></extensiondata>
            </participant>
            <participant><nameID/></participant>
            <stream id='T+1==' session='S=='><label>553654187</label><mode>separate</mode></stream></recording>";
        let found = Metadata::parse(draft).unwrap();
        assert!(found.partial);
        assert_eq!(found.sessions[0].start, instant("2015-04-28T10:40:29Z"), "no zone is UTC");
        assert_eq!(found.participants[0].calling, Some(true));
        assert_eq!(found.sends, [("P/1==".into(), "T+1==".into())]);
        assert_eq!((&*found.memberships[0].participant, &*found.memberships[0].session), ("P/1==", "S=="));
        assert!(found.participants[1].names.is_empty() && found.memberships.len() == 1, "missing is missing");
    }

    #[test]
    fn damage_costs_the_rest_and_says_so() {
        let cut = &COMPLETE[..COMPLETE.find("<participantstreamassoc").unwrap()];
        let found = Metadata::parse(cut).unwrap();
        assert_eq!((found.participants.len(), found.damage), (2, Some(xml::Damage::Malformed)));
        assert!(Metadata::parse("<html/>").is_none());
        assert!(Metadata::parse("<!DOCTYPE recording><recording/>").is_none());
    }

    #[test]
    fn limits_bite_and_are_counted() {
        let many = |n: usize, one: &str| format!("<recording>{}</recording>", one.repeat(n));
        let document =
            many(MAX_PARTICIPANTS + 3, "<participant id='p'><nameID aor='sip:a@b'/></participant>");
        let found = Metadata::parse(&document).unwrap();
        assert_eq!((found.participants.len(), found.dropped), (MAX_PARTICIPANTS, 3));
        assert_eq!(found.participants.last().map(|p| p.names.len()), Some(1), "the last one keeps to itself");
        let document = many(MAX_SESSIONS + 1, "<session id='s'/>");
        let found = Metadata::parse(&document).unwrap();
        assert_eq!((found.sessions.len(), found.dropped), (MAX_SESSIONS, 1));
        let document = many(MAX_STREAMS + 1, "<stream id='s'/>");
        let found = Metadata::parse(&document).unwrap();
        assert_eq!((found.streams.len(), found.dropped), (MAX_STREAMS, 1));
        let document =
            many(MAX_ASSOCIATIONS + 1, "<participantstreamassoc><send>s</send></participantstreamassoc>");
        let found = Metadata::parse(&document).unwrap();
        assert_eq!((found.sends.len(), found.dropped), (MAX_ASSOCIATIONS, 1));
        let (id, aor) = ("i".repeat(MAX_ID + 1), "a".repeat(MAX_TEXT));
        let document =
            format!("<recording><participant id='{id}'><nameID aor='sip:{aor}'/></participant></recording>");
        let found = Metadata::parse(&document).unwrap();
        assert_eq!((&*found.participants[0].id, found.participants[0].names.len()), ("", 0), "never cut");
        assert_eq!(found.dropped, 2);
    }

    #[test]
    fn moments() {
        for (text, seconds) in [
            ("1970-01-01T00:00:01Z", Some(1)),
            ("1970-01-01T00:00:01.999+00:00", Some(1)),
            ("1970-01-01T01:00:00-01:30", Some(9000)),
            ("1970-01-01T00:00:01+9:99", None),
            ("1970-01-01 00:00:01Z", None),
            ("", None),
            ("1970-01-01T00:00:01é", None),
        ] {
            assert_eq!(moment(text), seconds.map(|s| Time(0).plus_seconds(s)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text(text in "(?s).{0,200}") {
            let _ = Metadata::parse(&text);
            let _ = Metadata::parse(&format!("<recording>{text}"));
            let _ = moment(&text);
        }

        #[test]
        fn damaged(at in 0..COMPLETE.len(), with in "[<>/'=a&]{0,6}") {
            let mut damaged = COMPLETE.to_owned();
            damaged.insert_str(at, &with);
            let found = Metadata::parse(&damaged);
            prop_assert!(found.is_none_or(|f| f.participants.len() <= MAX_PARTICIPANTS));
        }
    }
}
