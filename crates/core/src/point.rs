//! The point of interception: packets in, product out. What no task selects ends here, and only a count of it remains.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::config::Config;
use crate::copies::{Copies, Sight};
use crate::counters::{Counter, Counters};
use crate::decode::{ip, rtp, sip};
use crate::error::Refusal;
use crate::identifier::NumberingPlans;
use crate::matching::watch::Watch;
use crate::matching::{Index, Match, Resume, Selection, TaskState, Unselected};
use crate::packet::{Packet, Seen, Time};
use crate::product::{
    Audio, CallClosed, CallRecord, Carrier, Cc, CcKind, Confidence, Course, Encoding, EndReason, Facts, Iri,
    IriType, Party, Product, Protection, Role, Service, Side, StreamReport, TaskId,
};
use crate::proof::Checkpoint;
use crate::redact::Pii;
use crate::session::call::{Call, CallState, SessionSet, Signalling};
use crate::session::identity::Binding;
use crate::session::mail::{self, Ends, Item};
use crate::session::{Change, Flow, NameVia, Observer, Receipt, Sessions, Text};
use crate::task::{Kind, Task};

/// The one part that sees all traffic and lets out only product.
pub struct Point {
    config: Config,
    head: Option<Checkpoint>,
    sessions: Sessions,
    release: Release,
}

impl Point {
    /// A point without tasks: it follows sessions and releases nothing.
    pub fn new(mut config: Config) -> Self {
        let mut sessions = Sessions::new();
        sessions.trust_agents(std::mem::take(&mut config.agents));
        let release = Release {
            index: Index::default(),
            plans: config.numbering.clone(),
            counters: Counters::default(),
            copies: Copies::default(),
            out: VecDeque::new(),
            watch: Watch::default(),
            opened: Vec::new(),
            last_text: Selection::new(),
        };
        sessions.set_leg_header(config.leg_header.clone());
        sessions.set_centres(config.centres.clone());
        Self { head: config.head, config, sessions, release }
    }

    /// Admits a task (see [`Task::admit`] for the steps). `now` is the caller's clock: the window must be open now.
    pub fn admit(&mut self, bundle: &[u8], now: Time, resume: Resume) -> Result<Admission<'_>, Refusal> {
        let task = Task::admit(&self.config, &mut self.head, bundle, now)?;
        if task.kind() == Kind::Disclosure {
            return Err(Refusal::Warrant(
                "a disclosure warrant opens records; it is not a task for a point".into(),
            ));
        }
        let id = self.release.index.add(task, resume)?;
        self.release.admitted(id);
        let task = self.release.index.task(id);
        Ok(Admission { id, liid: task.liid(), kind: task.kind(), recipients: task.recipients() })
    }

    /// Every check of an admission, and no task: for a disclosure, which selects no traffic, and for a desk that asks.
    pub fn check(&mut self, bundle: &[u8], now: Time) -> Result<(), Refusal> {
        Task::admit(&self.config, &mut self.head, bundle, now).map(drop)
    }

    /// Ends a task before its window does: its warrant was revoked. False when there is no such task. A call that it had
    /// selected gets its END record with its next packet, and nothing of it is released after this.
    pub fn withdraw(&mut self, liid: &str) -> bool {
        self.release.index.withdraw(liid)
    }

    /// Takes TLS secrets that the operator's own servers logged (`SSLKEYLOGFILE`), to read what those servers carried.
    /// Returns how many lines gave one.
    pub fn learn_keys(&mut self, log: &str) -> usize {
        self.sessions.learn_keys(log)
    }

    /// Takes one packet. Never fails: bad octets are counted, and a bug is contained and counted.
    pub fn handle(&mut self, packet: &Packet<'_>) {
        self.contain(|sessions, release| sessions.handle(packet, release));
    }

    /// The source has ended: sessions that are still open are closed and say so.
    pub fn finish(&mut self) {
        self.contain(|sessions, release| {
            sessions.finish(release);
            release.targets_end();
        });
    }

    /// The next piece of product.
    pub fn poll(&mut self) -> Option<Product> {
        self.release.out.pop_front()
    }

    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        &self.release.counters
    }

    /// What became of each task, in order of admission.
    pub fn tasks(&self) -> impl Iterator<Item = &TaskState> {
        self.release.index.states()
    }

    /// A bug must not stop the interception of everybody else. Tests build with debug assertions and see the panic.
    fn contain(&mut self, step: impl FnOnce(&mut Sessions, &mut Release)) {
        let (sessions, release) = (&mut self.sessions, &mut self.release);
        if cfg!(debug_assertions) {
            step(sessions, release);
        } else if catch_unwind(AssertUnwindSafe(|| step(sessions, release))).is_err() {
            self.release.counters.count(Counter::Contained);
        }
    }
}

impl std::fmt::Debug for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Point").field("counters", &self.release.counters).finish_non_exhaustive()
    }
}

/// A task that this point has taken.
#[derive(Clone, Copy, Debug)]
pub struct Admission<'a> {
    /// Its index.
    pub id: TaskId,
    /// Its label.
    pub liid: &'a str,
    /// Kind of its warrant.
    pub kind: Kind,
    /// Age public keys to which its product is encrypted.
    pub recipients: &'a [String],
}

/// Stands for each octet of a body that may hold digits.
const BLANK: u8 = b'x';

/// Hears what sessions find out, matches, and releases.
struct Release {
    index: Index,
    plans: NumberingPlans,
    counters: Counters,
    copies: Copies,
    out: VecDeque<Product>,
    watch: Watch,
    /// The last packet of SRTP that was opened. Only packets of selected calls are.
    opened: Vec<u8>,
    /// The matches of the last text.
    last_text: Selection,
}

impl Release {
    /// Matches identities that are new in `call`; each new match begins with a BEGIN record.
    fn select(&mut self, call: &mut Call, seen: &Seen<'_>, event: &'static str) {
        if call.checked_under != self.index.admissions {
            // A task was admitted in mid-call.
            (call.checked, call.checked_under) = (0, self.index.admissions);
        }
        if call.checked == call.parties.len() && call.followed.is_empty() {
            return;
        }
        let counters = &mut self.counters;
        let missed = &mut |why| counters.count(counter_of(why));
        let mut made = 0;
        if call.checked < call.parties.len() {
            made += self.index.call(call, &self.plans, seen.ts, missed);
        }
        if !call.followed.is_empty() {
            made += self.index.follow(call, seen.ts, missed);
        }
        for at in call.selection.len() - made..call.selection.len() {
            let facts = self.facts(call, &call.selection[at], event, Some(seen));
            self.iri(&call.selection[at], IriType::Begin, seen.ts, Service::Call, facts);
        }
        if made > 0 {
            self.recorded(call, seen.ts);
        }
    }

    fn iri(&mut self, found: &Match, kind: IriType, ts: Time, service: Service, facts: Facts) {
        let state = self.index.state_mut(found.task());
        let sequence = state.next_sequence;
        state.next_sequence = state.next_sequence.wrapping_add(1);
        state.iri += 1;
        self.counters.count(Counter::Iri);
        self.out.push_back(Product::Iri(Box::new(Iri::new(found, kind, ts, service, sequence, facts))));
    }

    fn cc(&mut self, found: &Match, seen: &Seen<'_>, kind: CcKind) {
        // Captures merged a little out of order, or a clock set back, may bring what was before the window.
        if seen.ts < found.start() {
            self.counters.count(Counter::OutsideWindow);
            return;
        }
        self.index.state_mut(found.task()).cc += 1;
        self.counters.count(Counter::Cc);
        self.out.push_back(Product::Cc(Box::new(Cc::new(found, seen, kind))));
    }

    /// A signalling message of a call: `message` if it is SIP, else what its octets are as content.
    fn signalled(
        &mut self,
        call: &mut Call,
        change: Change,
        message: Result<&sip::Message<'_>, Carrier>,
        seen: &Seen<'_>,
    ) {
        self.lapse(call, seen.ts);
        if change != Change::End {
            self.leave(call, seen.ts);
        }
        let before = call.selection.len();
        let begun = match (change, call.signalling) {
            (Change::Begin, Signalling::Sip) => "invite",
            (Change::Begin, Signalling::Isup | Signalling::Bicc) => "initial_address",
            _ => "selected",
        };
        self.select(call, seen, begun);
        self.recorded(call, seen.ts);
        if call.selection.is_empty() {
            self.counters.count(Counter::SignalUnselected);
            return;
        }
        let copy = self.is_copy(seen, "");
        // By place, so that a bug contained in here costs the call no selection.
        for at in 0..call.selection.len() {
            let told = match change {
                Change::Begin | Change::Nothing => None,
                Change::Ringing => Some((IriType::Continue, "ringing")),
                Change::Answer => Some((IriType::Continue, "answer")),
                Change::Media => Some((IriType::Continue, "media")),
                Change::End => Some((IriType::End, "end")),
            };
            // A match made by this very message has told its facts already; only an end is told again, as END.
            if let Some((kind, event)) = told.filter(|(kind, _)| at < before || *kind == IriType::End) {
                let facts = self.facts(call, &call.selection[at], event, Some(seen));
                self.iri(&call.selection[at], kind, seen.ts, Service::Call, facts);
                call.selection[at].set_ended(kind == IriType::End);
            }
            if copy {
                continue;
            }
            call.selection[at].count_signal();
            if call.selection[at].content() && self.may_tell(call, call.selection[at].task()) {
                match message {
                    Ok(message) => self.signal_cc(call, at, message, seen),
                    Err(carrier) => self.cc(&call.selection[at], seen, CcKind::Circuit(carrier)),
                }
            }
        }
        if change == Change::End {
            self.leave(call, seen.ts);
        }
    }

    /// Releases a signalling message. Digits in it are blanked unless the warrant permits them, and then the message goes
    /// out alone: the checksum of the packet that it stood in would give a single digit away.
    fn signal_cc(&mut self, call: &mut Call, at: usize, message: &sip::Message<'_>, seen: &Seen<'_>) {
        if call.selection[at].digits() || !message.may_hold_digits() {
            self.cc(&call.selection[at], seen, CcKind::Signal);
            return;
        }
        call.selection[at].blank();
        self.counters.count(Counter::DigitsWithheld);
        let mut blanked = message.octets.to_vec();
        let (from, length) = place(message.octets, message.body);
        let body = from as usize..(from + length) as usize;
        blanked.get_mut(body).unwrap_or_default().fill(BLANK);
        self.cc(&call.selection[at], &Seen { packet: None, payload: &blanked, ..*seen }, CcKind::Signal);
    }

    /// Whether this selected datagram was released a moment ago: seen inside and outside a tunnel, or at two taps.
    /// `what` tells apart what is released of one datagram.
    fn is_copy(&mut self, seen: &Seen<'_>, what: &str) -> bool {
        let sight = self.copies.see(seen, what);
        match sight {
            Sight::First => {}
            Sight::FirstForgetting => self.counters.count(Counter::CopiesForgotten),
            Sight::Copy => self.counters.count(Counter::Copies),
        }
        sight == Sight::Copy
    }

    /// Ends the matches whose authority is over, by its window or its ceiling. Nothing is released after that moment.
    fn lapse(&mut self, call: &mut Call, now: Time) {
        if !self.index.any_suspended && self.index.first_end.is_none_or(|end| now < end) {
            return;
        }
        let mut at = 0;
        while at < call.selection.len() {
            let found = &call.selection[at];
            if now < found.end() && !self.index.suspended(found.task()) {
                at += 1;
                continue;
            }
            let found = call.selection.remove(at);
            self.counters.count(Counter::OutsideWindow);
            let ts = now.min(found.end());
            // The facts of this record are those of the moment at which the authority ended, so only the event is told.
            let facts = Facts { event: "authority_ended", start: Some(call.start), ..Facts::default() };
            self.iri(&found, IriType::End, ts, Service::Call, facts);
            self.closed(call, &found, EndReason::AuthorityEnded);
        }
    }

    /// Ends the matches whose target has left the call while others talk on: it has transferred the call (its REFER was
    /// accepted), and the call was hung up on it, or the network gives its side another identity; or the leg by which
    /// this call was followed is over. See `docs/adr/0009-legs.md`.
    fn leave(&mut self, call: &mut Call, now: Time) {
        let mut at = 0;
        while let Some(found) = call.selection.get(at) {
            let task = found.task();
            let leg_over = found.is_followed() && !call.followed.iter().any(|f| f.task == task && f.up);
            let side = found.side().filter(|side| call.referred[*side as usize]);
            let another = side
                .and_then(|side| call.asserted(side))
                .is_some_and(|now_there| !self.index.targets(task, &now_there.0, &self.plans, call.src));
            let hung_up = side.is_some() && call.state == CallState::Ended;
            if !(leg_over || another || hung_up) {
                at += 1;
                continue;
            }
            let found = call.selection.remove(at);
            if !leg_over {
                call.left.push(task);
            }
            if !found.ended() {
                // What the others do from now on is not this warrant's.
                let facts = Facts { event: "target_left", start: Some(call.start), ..Facts::default() };
                self.iri(&found, IriType::End, now, Service::Call, facts);
            }
            self.closed(call, &found, EndReason::TargetLeft);
        }
    }

    fn closed(&mut self, call: &Call, found: &Match, end_reason: EndReason) {
        let streams = call.streams.iter().enumerate().map(|(i, s)| StreamReport {
            side: s.speaker(),
            stream: i as u16,
            ssrc: s.ssrc,
            encoding: s.encoding.clone(),
            expected: s.expected,
            seen: s.seen,
            duplicates: s.duplicates,
            first: s.first,
            last: s.last,
            attribution: s.attribution,
            protection: s.protection(call.protections.as_deref(), false),
            quality: s.quality(s.is_readable(call.protections.as_deref())),
            branch: s.branch,
        });
        self.out.push_back(Product::CallClosed(Box::new(CallClosed {
            task: found.task(),
            liid: found.liid().clone(),
            cin: found.cin(),
            start: call.start,
            // The message that shows the authority to be over may have set them.
            answer: call.answer.filter(|t| *t < found.end()),
            end: call.end.filter(|t| *t < found.end()),
            end_reason,
            selected: found.selected(),
            signals: found.signals(),
            streams: streams.collect(),
            streams_dropped: call.limits().streams_dropped,
            addresses_dropped: call.limits().addresses_dropped,
            identities_dropped: call.limits().identities_dropped,
            contested: call.limits().contested,
            digits_withheld: found.withheld().0,
            digits_blanked: found.withheld().1,
        })));
    }

    /// A packet of a selected call that is kept as it is.
    fn beside(&mut self, call: &mut Call, seen: &Seen<'_>, kind: &CcKind) {
        self.lapse(call, seen.ts);
        self.leave(call, seen.ts);
        if call.selection.is_empty() {
            self.counters.count(Counter::MediaUnselected);
            return;
        }
        if self.is_copy(seen, "") {
            return;
        }
        for at in 0..call.selection.len() {
            if call.selection[at].content() && self.may_tell(call, call.selection[at].task()) {
                self.cc(&call.selection[at], seen, kind.clone());
            }
        }
    }

    /// Keeps the call under each retention order whose window it began in. The call is over: its identities are moved
    /// into the record, and copied only where a second order wants them too.
    fn record(&mut self, call: &mut Call) {
        let found = self.index.retention(call.start);
        let Some(first) = found.first() else { return };
        let record = CallRecord::new(first, call, &self.plans);
        for other in &found[1..] {
            self.keep(CallRecord { task: other.task(), ..record.clone() });
        }
        self.keep(record);
    }

    fn keep(&mut self, record: CallRecord) {
        self.index.state_mut(record.task).call_records += 1;
        self.counters.count(Counter::CallRecords);
        self.out.push_back(Product::CallRecord(Box::new(record)));
    }
}

impl Observer for Release {
    fn signal(&mut self, call: &mut Call, change: Change, message: &sip::Message<'_>, seen: &Seen<'_>) {
        self.signalled(call, change, Ok(message), seen);
    }

    fn circuit(&mut self, call: &mut Call, change: Change, carrier: Carrier, seen: &Seen<'_>) {
        self.signalled(call, change, Err(carrier), seen);
    }

    fn rtp(&mut self, call: &mut Call, stream: usize, packet: &rtp::Packet<'_>, seen: &Seen<'_>) {
        self.counters.count(Counter::Rtp);
        self.select(call, seen, "selected");
        if call.selection.is_empty() {
            self.counters.count(Counter::MediaUnselected);
            return;
        }
        self.lapse(call, seen.ts);
        self.leave(call, seen.ts);
        if self.is_copy(seen, "") {
            return;
        }
        if !call.selection.iter().any(|m| m.content()) {
            return;
        }
        let mut opened = std::mem::take(&mut self.opened);
        let protection = call.open(stream, seen.payload, &mut opened);
        let clear = (protection == Protection::SdesDecrypted).then(|| rtp::Packet::parse(&opened)).flatten();
        match protection {
            Protection::None => {}
            Protection::SdesDecrypted => self.counters.count(Counter::SrtpOpened),
            Protection::SdesFailed | Protection::DtlsSrtp | Protection::Unknown => {
                self.counters.count(Counter::SrtpClosed);
            }
        }
        let Some(s) = call.streams.get(stream) else { return };
        let carried = s.carried(packet.payload_type, clear.as_ref().map_or(packet.payload, |c| c.payload));
        let octets = seen.packet.map_or(seen.payload, |p| p.data);
        // Inside RED inside SRTP they show only now.
        let digits = s.digits || *carried.encoding == Encoding::TelephoneEvent;
        for found in call.selection.iter_mut().filter(|m| m.content()) {
            if !recorded::may_hear(call.recording.as_deref(), s.voice, found.task()) {
                self.counters.count(Counter::RecordedOthers);
                continue;
            }
            if digits && !found.digits() {
                found.withhold();
                self.counters.count(Counter::DigitsWithheld);
                continue;
            }
            let kind = CcKind::Rtp(Audio {
                side: s.speaker(),
                stream: stream as u16,
                ssrc: s.ssrc,
                sequence: packet.sequence,
                timestamp: packet.timestamp,
                clock: carried.clock,
                payload_type: carried.payload_type,
                encoding: carried.encoding.clone(),
                format: carried.format,
                protection,
                payload: if clear.is_some() { (0, 0) } else { place(octets, carried.payload) },
                clear: clear.is_some().then(|| Pii(carried.payload.to_vec())),
            });
            self.cc(found, seen, kind);
        }
        self.opened = opened;
    }

    fn rtcp(&mut self, call: &mut Call, _: Side, seen: &Seen<'_>) {
        self.counters.count(Counter::Rtcp);
        self.beside(call, seen, &CcKind::Rtcp);
    }

    fn fax(&mut self, call: &mut Call, _: Side, seen: &Seen<'_>) {
        self.counters.count(Counter::Fax);
        self.beside(call, seen, &CcKind::Fax);
    }

    fn call_closed(&mut self, call: &mut Call, now: Time) {
        self.lapse(call, call.end.unwrap_or(now).min(now));
        let reason = call.end_reason.unwrap_or(EndReason::SourceEnded);
        for found in std::mem::take(&mut call.selection) {
            if !found.ended() {
                let facts = self.facts(call, &found, "end", None);
                self.iri(&found, IriType::End, now.min(found.end()), Service::Call, facts);
            }
            self.closed(call, &found, reason);
        }
        self.record(call);
    }

    fn text(&mut self, text: &Text<'_>, seen: &Seen<'_>) {
        let counters = &mut self.counters;
        let missed = &mut |why| counters.count(counter_of(why));
        let found = self.index.text(text, seen.src, &self.plans, seen.ts, missed);
        if found.is_empty() {
            self.counters.count(Counter::MessagesUnselected);
        }
        self.suspensions(seen.ts);
        self.last_text.clear();
        for found in found {
            let facts = Facts {
                event: "message",
                parties: text.parties.to_vec(),
                via: Some(text.via.name()),
                kind: Some(text.kind.name()),
                start: Some(text.start),
                parts: Some(text.parts),
                partial: text.partial,
                ..addresses(seen)
            };
            self.iri(&found, IriType::Report, seen.ts, Service::Message, facts);
            if let (true, Some(body)) = (found.content(), text.text) {
                let body = Seen { packet: None, payload: body.as_bytes(), ..*seen };
                self.cc(&found, &body, CcKind::Text);
            }
            self.last_text.push(Box::new(found));
        }
    }

    fn take_selection(&mut self) -> Selection {
        std::mem::take(&mut self.last_text)
    }

    fn receipt(&mut self, receipt: &Receipt<'_>, seen: &Seen<'_>) {
        for found in receipt.selection {
            if seen.ts >= found.end() || self.index.suspended(found.task()) {
                self.counters.count(Counter::OutsideWindow);
                continue;
            }
            let facts = Facts {
                event: "receipt",
                parties: receipt.parties.to_vec(),
                via: Some(receipt.via.name()),
                state: Some(receipt.state.name()),
                ..addresses(seen)
            };
            self.iri(found, IriType::Report, seen.ts, Service::Message, facts);
        }
    }

    fn mail_login(&mut self, via: mail::Via, name: &str, ends: &Ends, seen: &Seen<'_>) {
        let counters = &mut self.counters;
        let missed = &mut |why| counters.count(counter_of(why));
        let mut found = Selection::new();
        self.index.mailbox(Role::Login, name, seen.ts, seen.ts, &mut found, missed);
        self.suspensions(seen.ts);
        for found in found {
            let facts = Facts {
                event: "login",
                parties: vec![Party { role: Role::Login, uri: Pii(name.into()) }],
                via: Some(via.name()),
                src: Some(Pii(ends.client)),
                dst: Some(Pii(ends.server)),
                transport: Some(seen.transport.name()),
                start: Some(seen.ts),
                ..Facts::default()
            };
            self.iri(&found, IriType::Report, seen.ts, Service::Mail, facts);
        }
    }

    fn mail_header(&mut self, item: &mut Item) -> bool {
        let counters = &mut self.counters;
        self.index.mail(item, &mut |why| counters.count(counter_of(why)));
        self.suspensions(item.last);
        for found in &item.selection {
            self.iri(found, IriType::Begin, item.last, Service::Mail, facts_of_mail(item, "mail"));
        }
        item.selection.iter().any(|found| found.content())
    }

    fn mail_message(&mut self, item: &mut Item) {
        if item.selection.is_empty() {
            self.counters.count(Counter::MailUnselected);
            return;
        }
        let Some(content) = item.content() else { return };
        let seen = item.seen(content);
        for found in item.selection.iter().filter(|found| found.content()) {
            // A recipient whom the server has refused meanwhile receives nothing.
            if self.over(found, item.last) {
                self.counters.count(Counter::OutsideWindow);
            } else if self.index.still(found, item) {
                self.cc(found, &seen, CcKind::Mail { partial: item.partial });
            }
        }
    }

    fn mail_closed(&mut self, item: &mut Item) {
        for found in std::mem::take(&mut item.selection) {
            let (event, ts) = if self.over(&found, item.last) {
                ("authority_ended", item.last.min(found.end()))
            } else {
                ("mail_end", item.last)
            };
            let facts = match event {
                "mail_end" => facts_of_mail(item, event),
                // What went on after the authority's end is nobody's to tell.
                _ => Facts { event, start: Some(item.start), ..Facts::default() },
            };
            self.iri(&found, IriType::End, ts, Service::Mail, facts);
        }
    }

    fn name(&mut self, flow: &mut Flow, via: NameVia, name: &str, seen: &Seen<'_>) {
        self.counters.count(match via {
            NameVia::Dns => Counter::NamesDns,
            NameVia::DnsCname | NameVia::DnsSvcb => Counter::NamesAlias,
            NameVia::Tls | NameVia::TlsEch | NameVia::Dtls => Counter::NamesTls,
            NameVia::Quic | NameVia::QuicEch | NameVia::Gquic => Counter::NamesQuic,
            NameVia::Http | NameVia::Http2 | NameVia::HttpConnect => Counter::NamesHttp,
        });
        let counters = &mut self.counters;
        let missed = &mut |why| counters.count(counter_of(why));
        let met = self.index.name(flow, name, seen.ts, missed);
        self.suspensions(seen.ts);
        // A DNS answer repeats the question; it is told once.
        let answer = via.is_lookup() && seen.src == flow.server;
        if !met.is_empty() && self.is_copy(seen, name) {
            return;
        }
        for (at, new) in met {
            let found = &flow.selection[at];
            if answer && !new || self.index.suspended(found.task()) || seen.ts >= found.end() {
                continue;
            }
            let kind = match (via, new) {
                (via, _) if via.is_lookup() => IriType::Report,
                (_, true) => IriType::Begin,
                (_, false) => IriType::Continue,
            };
            let facts = Facts {
                event: "name",
                via: Some(via.name()),
                name: Some(Pii(name.to_ascii_lowercase().into())),
                // Whose visit it was, where the network says who held the address.
                parties: self.watch.who(flow.client.ip, seen.ts),
                start: Some(flow.start),
                ..addresses(seen)
            };
            self.iri(&flow.selection[at], kind, seen.ts, Service::Flow, facts);
        }
        for at in 0..flow.selection.len() {
            let found = &flow.selection[at];
            let is_live = (found.start()..found.end()).contains(&seen.ts);
            if answer || !found.is_bound() || !is_live || self.index.suspended(found.task()) {
                continue;
            }
            let facts = Facts {
                event: "name",
                via: Some(via.name()),
                name: Some(Pii(name.to_ascii_lowercase().into())),
                start: Some(found.selected()),
                ..addresses(seen)
            };
            self.iri(&flow.selection[at], IriType::Continue, seen.ts, Service::Flow, facts);
        }
    }

    fn flow_closed(&mut self, flow: &mut Flow, now: Time) {
        if flow.named {
            self.counters.count(Counter::FlowsNamed);
        }
        if let Some(counter) = flow.visibility.counter() {
            self.counters.count(counter);
        }
        if flow.selection.is_empty() {
            self.counters.count(Counter::FlowsUnselected);
        }
        for found in std::mem::take(&mut flow.selection) {
            if found.is_bound() {
                self.flow_ends(flow, &found, now, "flow_end");
                continue;
            }
            // A lookup is no session: its report stands alone.
            if flow.dns || self.index.suspended(found.task()) {
                continue;
            }
            // What went on after the authority's end is nobody's to tell.
            if flow.last >= found.end() {
                let facts = Facts { event: "authority_ended", start: Some(flow.start), ..Facts::default() };
                self.iri(&found, IriType::End, found.end(), Service::Flow, facts);
                continue;
            }
            let facts = Facts {
                event: "flow_end",
                src: Some(Pii(flow.client)),
                dst: Some(Pii(flow.server)),
                transport: Some(flow.transport.name()),
                start: Some(flow.start),
                end: Some(flow.last),
                packets: Some(flow.packets),
                octets: Some(flow.octets),
                ..Facts::default()
            };
            self.iri(&found, IriType::End, now.min(found.end()), Service::Flow, facts);
        }
    }

    fn bound(&mut self, binding: &Binding) {
        self.binding_begins(binding);
    }

    fn unbound(&mut self, binding: &Binding, end: Option<Time>) {
        self.binding_ends(binding, end);
    }

    fn flow_packet(&mut self, flow: &mut Flow, seen: &Seen<'_>, octets: u64) {
        self.follow(flow, seen, octets);
    }

    fn ip_packet(&mut self, ip: &ip::Ip<'_>, octets: &[u8], ts: Time) {
        self.access_packet(ip, octets, ts);
    }

    fn count(&mut self, what: Counter, n: u64) {
        self.counters.add(what, n);
    }
}

impl Release {
    /// Whether a match's authority is over at `now`, by its window, its ceiling or its withdrawal.
    fn over(&self, found: &Match, now: Time) -> bool {
        now >= found.end() || self.index.suspended(found.task())
    }

    /// Tells of tasks that have passed their ceiling, once each.
    fn suspensions(&mut self, now: Time) {
        while let Some(task) = self.index.take_suspended() {
            self.out.push_back(Product::Suspended(task, now));
        }
    }
}

const fn counter_of(why: Unselected) -> Counter {
    match why {
        Unselected::CriterionUnmet => Counter::CriterionUnmet,
        Unselected::OutsideWindow => Counter::OutsideWindow,
        Unselected::Suspended => Counter::Suspended,
    }
}

fn addresses(seen: &Seen<'_>) -> Facts {
    Facts {
        src: Some(Pii(seen.src)),
        dst: Some(Pii(seen.dst)),
        transport: Some(seen.transport.name()),
        ..Facts::default()
    }
}

fn facts_of(call: &Call, event: &'static str, seen: Option<&Seen<'_>>) -> Facts {
    Facts {
        event,
        parties: call.parties.clone(),
        call_id: Some(Pii(call.call_id.text().into())),
        via: (call.signalling != Signalling::Sip).then(|| call.signalling.name()),
        status: call.final_status,
        start: Some(call.start),
        ringing: call.ringing,
        answer: call.answer,
        end: call.end,
        end_reason: call.end_reason,
        course: course_of(call, Confidence::Probable),
        ..seen.map(addresses).unwrap_or_default()
    }
}

/// The course of a call as it is told at `least` confidence; nothing for most calls.
fn course_of(call: &Call, least: Confidence) -> Option<Box<Course>> {
    has_course(call).then(|| told(call.course.clone().unwrap_or_default(), call, least))
}

/// The same of a call that is over: its course is moved.
fn take_course(call: &mut Call, least: Confidence) -> Option<Box<Course>> {
    has_course(call).then(|| told(call.course.take().unwrap_or_default(), call, least))
}

fn has_course(call: &Call) -> bool {
    call.course.is_some()
        || !call.branches().is_empty()
        || call.is_asserted(Side::Callee)
        || call.recording.is_some()
}

/// A course sorted out, and without links below a confidence: what is only a lead would tell of a call that nobody has
/// authority to hear of.
fn told(mut course: Box<Course>, call: &Call, least: Confidence) -> Box<Course> {
    course.branches = call.branches().to_vec();
    course.diversion = course.sort_out(call);
    course.links.retain(|l| l.rule.confidence() <= least);
    course.recorded = call.recording.as_ref().map(|recording| Box::new(recording.told(SessionSet::MAX)));
    course
}

fn facts_of_mail(item: &Item, event: &'static str) -> Facts {
    let seen = item.seen(&[]);
    Facts {
        event,
        parties: item.parties().map(|(role, address)| Party { role, uri: Pii(address.into()) }).collect(),
        via: Some(item.via.name()),
        name: item.hello.clone().map(Pii),
        message_id: item.header.message_id.clone().map(Pii),
        status: item.status,
        start: Some(item.start),
        end: Some(item.last).filter(|_| event == "mail_end"),
        octets: Some(item.octets).filter(|_| event == "mail_end"),
        partial: item.partial,
        ..addresses(&seen)
    }
}

impl CallRecord {
    fn new(found: &Match, call: &mut Call, plans: &NumberingPlans) -> Self {
        let plan = plans.of(call.src.ip);
        let by_role = |role: Role| call.parties.iter().find(|p| p.role == role).map(|p| &*p.uri.0);
        let first = |roles: &[Role]| roles.iter().find_map(|role| by_role(*role));
        let normal = |uri: Option<&str>| Pii(plan.text(uri.unwrap_or_default()));
        // What the network vouches for counts more than what the caller says of itself.
        let caller = normal(first(&[Role::PAssertedIdentity, Role::From, Role::CallingParty]));
        let callee = normal(first(&[Role::RequestUri, Role::To, Role::CalledParty]));
        // Of a recording session, it is the call that is recorded which counts.
        let (caller, callee) = match &call.recording {
            Some(of) => {
                (normal(of.identity(Side::Caller).as_deref()), normal(of.identity(Side::Callee).as_deref()))
            }
            None => (caller, callee),
        };
        let course = take_course(call, Confidence::Possible);
        Self {
            course,
            task: found.task(),
            start: call.start,
            ringing: call.ringing,
            answer: call.answer,
            end: call.end,
            end_reason: call.end_reason.unwrap_or(EndReason::SourceEnded),
            status: call.final_status,
            caller,
            callee,
            parties: match &call.recording {
                Some(of) => of.everybody(),
                None => std::mem::take(&mut call.parties),
            },
            call_id: Pii(call.call_id.text().into()),
            src: Pii(call.src.ip),
            dst: Pii(call.dst.ip),
        }
    }
}

/// Where `inner` stands in `outer`, of which it is a part.
fn place(outer: &[u8], inner: &[u8]) -> (u32, u32) {
    let offset = (inner.as_ptr() as usize).wrapping_sub(outer.as_ptr() as usize);
    if offset <= outer.len() && outer.len() - offset >= inner.len() {
        (offset as u32, inner.len() as u32)
    } else {
        (0, 0)
    }
}

#[path = "point_access.rs"]
mod access;
#[path = "point_recorded.rs"]
mod recorded;

#[cfg(test)]
#[path = "point_tests.rs"]
mod tests;
