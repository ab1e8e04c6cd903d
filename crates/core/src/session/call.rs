//! Calls: from the first INVITE to a while after the end.
//!
//! A call is an INVITE dialog set with one Call-ID. Every call of the network is followed, selected or not: a target's
//! identity may come late, and a task may be admitted in mid-call. What is kept of a call is bounded, and no payload is.

mod call_id;
mod dialogs;
mod media;
mod reading;
mod state;
mod stream;
mod table;
mod timers;

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use smallvec::SmallVec;

use self::call_id::CallId;
use self::dialogs::Dialogs;
use self::media::{Described, Media};
pub(crate) use self::state::CallState;
use self::state::{Event, transition};
pub(crate) use self::stream::Stream;
use self::table::{CallRef, Table};
use super::{Change, Observer};
use crate::counters::Counter;
use crate::decode::sip::{self, Method};
use crate::decode::{rtcp, rtp};
use crate::matching::Selection;
use crate::packet::{Endpoint, Seen, Time, Transport};
use crate::product::{EndReason, Party, Role, Side};

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

/// Most media streams of one call. Music on hold, early media of each branch and video make ten; a stream for each
/// forged SSRC would make as many as there are packets.
const MAX_STREAMS: usize = 64;

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
    /// First 2xx to INVITE, else the last final response to it.
    pub(crate) final_status: Option<u16>,
    /// Tasks that select this call. Owned by the matcher.
    pub(crate) selection: Selection,
    /// How many of `parties` the matcher has looked at.
    pub(crate) checked: usize,
    pub(crate) answer: Option<Time>,
    pub(crate) ringing: Option<Time>,
    inner: Inner,
    pub(crate) start: Time,
    pub(crate) end: Option<Time>,
    /// Distinct identities in order of appearance; only ever grows (bounded), so that the matcher looks at each once.
    pub(crate) parties: SmallVec<[Party; 4]>,
    /// Signalling addresses of the first INVITE.
    pub(crate) src: Endpoint,
    pub(crate) dst: Endpoint,
    /// Media streams in order of first packet (bounded).
    pub(crate) streams: Vec<Stream>,
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

impl Call {
    /// A call that begins with a message from `src` to `dst`.
    pub(crate) fn new(call_id: &[u8], start: Time, src: Endpoint, dst: Endpoint) -> Self {
        Self {
            call_id: CallId::new(call_id),
            state: CallState::Trying,
            end_reason: None,
            udp: false,
            tcp: false,
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
            parties: SmallVec::new(),
            src,
            dst,
            streams: Vec::new(),
            described: Described::default(),
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
            CallState::Answered => alive.plus_seconds(ABSOLUTE),
            CallState::Failed if inner.dialogs.branches_out() => inner.since.plus_seconds(BRANCHES),
            // From the last sign of life on: a CANCEL that nobody answers is repeated for 32 s (RFC 3261, 9.1), and a BYE
            // that somebody forged ends no talk.
            CallState::Failed | CallState::Ended => alive.plus_seconds(LINGER),
        }
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

    /// Keeps an identity. In a dialog, roles turn with the side that sends; there only new URIs count.
    fn add_party(&mut self, role: Role, uri: &str, in_dialog: bool) -> Result<(), TooMany> {
        if self.parties.iter().any(|p| (in_dialog || p.role == role) && *p.uri.0 == *uri) {
            return Ok(());
        }
        if self.parties.len() == MAX_PARTIES {
            return Err(TooMany);
        }
        self.parties.push(Party { role, uri: Box::<str>::from(uri).into() });
        Ok(())
    }
}

/// A limit was met; the caller counts it.
struct TooMany;

/// All calls of the network.
pub(crate) struct Calls {
    table: Table,
    media: Media,
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
            hasher: DefaultHashBuilder::default(),
            now: Time::default(),
        }
    }

    /// A SIP message. Those that belong to no call change nothing and are told to nobody.
    pub(crate) fn signal(&mut self, message: &sip::Message<'_>, seen: &Seen<'_>, out: &mut impl Observer) {
        let method = message.method();
        // Never in a dialog, and the bulk of what isn't a call.
        if matches!(method, Method::Register | Method::Publish) {
            return;
        }
        let mut begun = false;
        let at = match self.table.find(message.call_id) {
            Some(at) => at,
            None if method == Method::Invite && message.status().is_none() => {
                begun = true;
                self.begin(message.call_id, seen, out)
            }
            None => return,
        };
        let Some(call) = self.table.get_mut(at) else { return };
        let inner = &mut call.inner;
        let alive = seen.ts.max(self.now);
        inner.last_signal = inner.last_signal.max(alive);
        match seen.transport {
            Transport::Udp => call.udp = true,
            Transport::Tcp => call.tcp = true,
        }

        let initial = method == Method::Invite && message.status().is_none() && message.to_tag.is_empty();
        let from = self.hasher.hash_one(message.from_tag);
        if begun || (initial && call.answer.is_none()) {
            call.inner.caller_tag = from;
        }
        let event = reading::event(&self.hasher, call, message, from);
        let mut change = event.map_or(Change::Nothing, |event| call.apply(event, seen.ts));
        if begun {
            change = Change::Begin;
        }

        let dropped = reading::parties(call, message, initial || begun);
        if dropped > 0 {
            out.count(Counter::IdentitiesDropped, dropped);
        }

        let moved = if message.body.is_empty() {
            false
        } else {
            // What a request says of its sender's side, a response says of the other.
            let by_caller = (from == call.inner.caller_tag) == message.status().is_none();
            let side = if by_caller { Side::Caller } else { Side::Callee };
            reading::describe(&mut self.media, &self.hasher, at, call, message, side, out)
        };
        if change == Change::Nothing && moved {
            change = Change::Media;
        }

        out.signal(call, change, message, seen);
        let deadline = call.deadline();
        if change == Change::Answer {
            self.table.establish(at);
        }
        self.table.schedule(at, deadline);
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
        let (binding, to_owner) = match self.media.rtp(seen.dst) {
            Some(binding) => (binding, true),
            None => match self.media.rtp(seen.src) {
                Some(binding) => (binding, false),
                None => return false,
            },
        };
        let Some(call) = self.table.get_mut(binding.call) else { return false };
        let Some(owner) = call.described.side(binding) else { return false };
        // A packet to the address that the caller gave was sent by the callee.
        let side = if to_owner { owner.other() } else { owner };
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
                return true;
            }
            None => {
                let (encoding, clock) = self.media.payload(&call.described, binding, packet.payload_type);
                call.streams.push(Stream::new(seen, side, &packet, encoding, clock));
                call.streams.len() - 1
            }
        };
        call.inner.last_stream = index;
        if let Some(stream) = call.streams.get_mut(index) {
            if stream.payload_type != packet.payload_type {
                (stream.encoding, stream.clock) =
                    self.media.payload(&call.described, binding, packet.payload_type);
                stream.payload_type = packet.payload_type;
            }
            stream.packet(&packet, seen.ts);
        }
        out.rtp(call, index, &packet, seen);
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
        let Some(mut call) = self.table.remove(at) else { return };
        self.media.release(at, &call.described);
        call.conclude(otherwise);
        out.call_closed(&mut call, now);
    }
}

#[cfg(test)]
mod tests;
