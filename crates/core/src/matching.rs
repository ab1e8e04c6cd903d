//! The index of admitted tasks, and the only place where a [`Match`] is made.

pub(crate) mod watch;

use std::sync::atomic::Ordering;

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::error::Refusal;
use crate::identifier::{DomainIndex, Identity, NumberingPlans, Target, email};
use crate::keyword::{Form, Keywords};
use crate::packet::{Endpoint, Time};
use crate::product::{Cin, Liid, Party, Role, Side, TaskId};
use crate::session::call::{Call, Followed};
use crate::session::mail::Item;
use crate::session::{Flow, Text};
use crate::task::{Criteria, Kind, Task};

use self::watch::{Held, Until, Wanted};

/// Tasks that one point holds. A country's operator has hundreds; each costs a few hundred octets a target.
const MAX_TASKS: usize = 10_000;

/// Proof that an admitted task selects a session. Its fields are private: nothing outside this file can make one.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Match {
    task: TaskId,
    liid: Liid,
    cin: Cin,
    content: bool,
    start: Time,
    end: Time,
    role: Option<Role>,
    /// The side of a call that the target is on.
    side: Option<Side>,
    /// Made because a leg of the same conversation is selected.
    followed: bool,
    digits: bool,
    withheld: u64,
    blanked: u64,
    target: Option<u16>,
    criterion: Option<u16>,
    form: Option<&'static str>,
    selected: Time,
    signals: u64,
    ended: bool,
    /// Where the match rests on an address: when that stops being the target's.
    until: Option<Until>,
    packets: u64,
    octets: u64,
    last: Time,
}

impl Match {
    pub(crate) const fn task(&self) -> TaskId {
        self.task
    }
    pub(crate) const fn liid(&self) -> &Liid {
        &self.liid
    }
    pub(crate) const fn cin(&self) -> Cin {
        self.cin
    }
    /// Whether content may be released.
    pub(crate) const fn content(&self) -> bool {
        self.content
    }
    /// First moment from which something may be released.
    pub(crate) const fn start(&self) -> Time {
        self.start
    }
    /// First moment at which nothing more may be released.
    pub(crate) fn end(&self) -> Time {
        self.until.as_ref().map_or(self.end, |until| self.end.min(Time(until.load(Ordering::Relaxed))))
    }
    /// Whether it rests on an address that the target holds.
    pub(crate) const fn is_bound(&self) -> bool {
        self.until.is_some()
    }
    /// One more packet of the target.
    pub(crate) fn tally(&mut self, ts: Time, octets: u64) {
        self.packets += 1;
        self.octets += octets;
        self.last = self.last.max(ts);
    }
    pub(crate) const fn packets(&self) -> u64 {
        self.packets
    }
    pub(crate) const fn octets(&self) -> u64 {
        self.octets
    }
    /// Time of the last packet that was tallied.
    pub(crate) const fn last(&self) -> Time {
        self.last
    }
    pub(crate) const fn set_role(&mut self, role: Role) {
        self.role = Some(role);
    }
    pub(crate) const fn role(&self) -> Option<Role> {
        self.role
    }
    pub(crate) const fn target(&self) -> Option<u16> {
        self.target
    }
    pub(crate) const fn criterion(&self) -> Option<u16> {
        self.criterion
    }
    pub(crate) const fn form(&self) -> Option<&'static str> {
        self.form
    }
    /// The side of a call that the target is on; `None` where it is on neither, or nobody knows.
    pub(crate) const fn side(&self) -> Option<Side> {
        self.side
    }
    /// Whether it was made because a leg of the same conversation is selected.
    pub(crate) const fn is_followed(&self) -> bool {
        self.followed
    }
    /// Whether the warrant permits the digits that are dialled within a call (`post_dial_digits`).
    pub(crate) const fn digits(&self) -> bool {
        self.digits
    }
    /// Packets left out, and message bodies blanked, as they hold digits.
    pub(crate) const fn withheld(&self) -> (u64, u64) {
        (self.withheld, self.blanked)
    }
    /// One more packet was left out.
    pub(crate) const fn withhold(&mut self) {
        self.withheld += 1;
    }
    /// One more body was blanked.
    pub(crate) const fn blank(&mut self) {
        self.blanked += 1;
    }
    /// When the match was made.
    pub(crate) const fn selected(&self) -> Time {
        self.selected
    }
    /// Signalling messages released under it.
    pub(crate) const fn signals(&self) -> u64 {
        self.signals
    }
    /// Whether its END record was released.
    pub(crate) const fn ended(&self) -> bool {
        self.ended
    }
    pub(crate) const fn set_ended(&mut self, ended: bool) {
        self.ended |= ended;
    }
    /// One more was released.
    pub(crate) const fn count_signal(&mut self) {
        self.signals += 1;
    }
}

/// The matches of one session. Empty for nearly every session of a network.
pub(crate) type Selection = SmallVec<[Box<Match>; 1]>;

/// Where a task's numbering goes on: what earlier runs have used.
#[derive(Clone, Copy, Default, Debug)]
pub struct Resume {
    /// First CIN to give out.
    pub first_cin: u32,
    /// First IRI sequence number to give out.
    pub first_sequence: u32,
    /// Sessions that count towards the ceiling already.
    pub already: u64,
}

/// What became of a task so far.
#[derive(Clone, Debug)]
pub struct TaskState {
    /// The task's label.
    pub liid: Liid,
    /// Sessions selected in this run.
    pub sessions: u64,
    /// IRI records released in this run.
    pub iri: u64,
    /// Pieces of content released in this run.
    pub cc: u64,
    /// Call records released in this run.
    pub call_records: u64,
    /// The ceiling was passed.
    pub suspended: bool,
    /// The authority was taken back while the point ran.
    pub withdrawn: bool,
    /// Next CIN.
    pub next_cin: u32,
    /// Next IRI sequence number.
    pub next_sequence: u32,
}

struct Admitted {
    task: Task,
    keywords: Option<Keywords>,
    domains: Option<DomainIndex>,
    already: u64,
    state: TaskState,
}

/// All admitted tasks, looked up by what they select.
#[derive(Default)]
pub(crate) struct Index {
    tasks: Vec<Admitted>,
    targets: HashMap<Identity, SmallVec<[(u32, u16); 1]>>,
    retention: SmallVec<[u32; 2]>,
    screening_keyword: SmallVec<[u32; 4]>,
    screening_domain: SmallVec<[u32; 4]>,
    /// Some task is suspended: selections must be looked at again.
    pub(crate) any_suspended: bool,
    /// Suspended, not yet told.
    untold: Vec<TaskId>,
    /// How many tasks were taken in: when it changes, calls that were looked at are looked at again.
    pub(crate) admissions: u32,
    /// The earliest end of a window.
    pub(crate) first_end: Option<Time>,
}

/// Why a session that an identity or criterion points to was not selected after all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unselected {
    CriterionUnmet,
    OutsideWindow,
    Suspended,
}

impl Index {
    /// Takes an admitted task in.
    pub(crate) fn add(&mut self, task: Task, resume: Resume) -> Result<TaskId, Refusal> {
        if self.tasks.iter().any(|t| t.task.liid() == task.liid()) {
            return Err(Refusal::LiidTaken);
        }
        if self.tasks.len() >= MAX_TASKS {
            return Err(Refusal::TooManyTasks(MAX_TASKS));
        }
        let id = self.tasks.len() as u32;
        let mut keywords = None;
        let mut domains = None;
        match task.criteria() {
            Criteria::None => {}
            Criteria::Keywords(words) => {
                let words: Vec<(&str, bool)> =
                    words.iter().map(|(word, whole)| (word.as_str(), *whole)).collect();
                keywords = Some(Keywords::new(&words).map_err(|e| Refusal::Warrant(e.to_string()))?);
            }
            Criteria::Domains(names) => {
                let index = domains.insert(DomainIndex::default());
                for (i, (domain, subdomains)) in names.iter().enumerate() {
                    index.insert(domain.clone(), *subdomains, i as u32);
                }
            }
        }
        match task.kind() {
            Kind::Intercept => {
                for (i, target) in task.targets().iter().enumerate() {
                    self.targets.entry(target.identity().clone()).or_default().push((id, i as u16));
                }
            }
            Kind::Retention => self.retention.push(id),
            Kind::ScreeningKeyword => self.screening_keyword.push(id),
            Kind::ScreeningDomain => self.screening_domain.push(id),
            // `Task::admit` makes none: records are opened elsewhere.
            Kind::Disclosure => {}
        }
        self.first_end = Some(self.first_end.map_or(task.end(), |e| e.min(task.end())));
        let suspended = task.ceiling().is_some_and(|c| resume.already >= c);
        self.any_suspended |= suspended;
        let state = TaskState {
            liid: Liid(task.liid().into()),
            sessions: 0,
            iri: 0,
            cc: 0,
            call_records: 0,
            suspended,
            withdrawn: false,
            next_cin: resume.first_cin,
            next_sequence: resume.first_sequence,
        };
        self.admissions += 1;
        self.tasks.push(Admitted { task, keywords, domains, already: resume.already, state });
        Ok(TaskId(id))
    }

    /// What became of each task, in order of admission.
    pub(crate) fn states(&self) -> impl Iterator<Item = &TaskState> {
        self.tasks.iter().map(|t| &t.state)
    }

    pub(crate) fn state_mut(&mut self, task: TaskId) -> &mut TaskState {
        &mut self.tasks[task.0 as usize].state
    }

    pub(crate) fn task(&self, task: TaskId) -> &Task {
        &self.tasks[task.0 as usize].task
    }

    /// A task that has passed its ceiling and whose suspension wasn't told yet.
    pub(crate) fn take_suspended(&mut self) -> Option<TaskId> {
        self.untold.pop()
    }

    /// Whether a task releases nothing more: its ceiling was passed, or its authority taken back.
    pub(crate) fn suspended(&self, task: TaskId) -> bool {
        let state = &self.tasks[task.0 as usize].state;
        state.suspended || state.withdrawn
    }

    /// Takes a task's authority back: from now on it selects nothing, and what it had selected ends.
    pub(crate) fn withdraw(&mut self, liid: &str) -> bool {
        let Some(held) = self.tasks.iter_mut().find(|t| t.task.liid() == liid) else { return false };
        held.state.withdrawn = true;
        self.any_suspended = true;
        true
    }

    /// Looks at the identities of `call` that it hasn't looked at yet. Returns how many matches were added (at the end
    /// of `call.selection`).
    pub(crate) fn call(
        &mut self,
        call: &mut Call,
        plans: &NumberingPlans,
        now: Time,
        missed: &mut impl FnMut(Unselected),
    ) -> usize {
        let before = call.selection.len();
        if self.targets.is_empty() {
            call.checked = call.parties.len();
            return 0;
        }
        let plan = plans.of(call.src.ip);
        let mut waiting = None;
        for (i, party) in call.parties.iter().enumerate().skip(call.checked) {
            // To mostly repeats the Request-URI, and a name looked up once is not looked up again.
            if call.parties[..i].iter().any(|earlier| earlier.uri == party.uri) {
                continue;
            }
            for (id, target) in plan.find(&party.uri.0, &self.targets).cloned().unwrap_or_default() {
                let held = &self.tasks[id as usize];
                // A keyword narrows a task to texts; a call has none.
                if call.selection.iter().any(|m| m.task.0 == id)
                    || call.left.iter().any(|t| t.0 == id)
                    || held.keywords.is_some()
                {
                    continue;
                }
                if now < held.task.start() {
                    // The window may open while the call lasts: look at this identity again.
                    waiting.get_or_insert(i);
                }
                match self.select(id, now) {
                    Ok(mut found) => {
                        found.role = Some(party.role);
                        found.side = call.side_of(i);
                        found.target = Some(target);
                        call.selection.push(Box::new(found));
                    }
                    Err(why) => missed(why),
                }
            }
        }
        call.checked = waiting.unwrap_or(call.parties.len());
        call.selection.len() - before
    }

    /// Selects a call because a leg of the same conversation is selected. Returns how many matches were added.
    pub(crate) fn follow(
        &mut self,
        call: &mut Call,
        now: Time,
        missed: &mut impl FnMut(Unselected),
    ) -> usize {
        let before = call.selection.len();
        for Followed { task, role, target, up, .. } in call.followed.clone() {
            if !up || call.left.contains(&task) || call.selection.iter().any(|m| m.task == task) {
                continue;
            }
            match self.select(task.0, now) {
                Ok(mut found) => {
                    (found.role, found.target, found.followed) = (role, target, true);
                    call.selection.push(Box::new(found));
                }
                Err(why) => missed(why),
            }
        }
        call.selection.len() - before
    }

    /// Whether an identity is one of a task's targets.
    pub(crate) fn targets(&self, task: TaskId, uri: &str, plans: &NumberingPlans, source: Endpoint) -> bool {
        let holders = plans.of(source.ip).find(uri, &self.targets);
        holders.is_some_and(|holders| holders.iter().any(|(id, _)| *id == task.0))
    }

    /// Matches of a whole text message.
    pub(crate) fn text(
        &mut self,
        text: &Text<'_>,
        source: Endpoint,
        plans: &NumberingPlans,
        now: Time,
        missed: &mut impl FnMut(Unselected),
    ) -> SmallVec<[Match; 2]> {
        let mut found: SmallVec<[Match; 2]> = SmallVec::new();
        if !self.targets.is_empty() {
            let plan = plans.of(source.ip);
            for Party { role, uri } in text.parties {
                for (id, target) in plan.find(&uri.0, &self.targets).cloned().unwrap_or_default() {
                    if found.iter().any(|m| m.task.0 == id) {
                        continue;
                    }
                    match self
                        .criterion(id, text.text)
                        .and_then(|hit| Ok((hit, self.whole(id, text.start, now)?)))
                    {
                        Ok((hit, mut made)) => {
                            made.role = Some(*role);
                            made.target = Some(target);
                            made.set_hit(hit);
                            found.push(made);
                        }
                        Err(why) => missed(why),
                    }
                }
            }
        }
        for id in self.screening_keyword.clone() {
            // Most texts hold no keyword: that is no miss, it is the rule.
            if let Ok(hit) = self.criterion(id, text.text) {
                match self.whole(id, text.start, now) {
                    Ok(mut made) => {
                        made.set_hit(hit);
                        found.push(made);
                    }
                    Err(why) => missed(why),
                }
            }
        }
        found
    }

    /// Looks at everybody whose mail `item` is; new matches are added to its selection.
    pub(crate) fn mail(&mut self, item: &mut Item, missed: &mut impl FnMut(Unselected)) {
        if self.targets.is_empty() {
            return;
        }
        let mut selection = std::mem::take(&mut item.selection);
        for (role, address) in item.parties() {
            self.mailbox(role, address, item.start, item.last, &mut selection, missed);
        }
        item.selection = selection;
    }

    /// Whether the target of a match is still a party of `item`: the server may have refused it as a recipient since.
    pub(crate) fn still(&self, found: &Match, item: &Item) -> bool {
        if found.role != Some(Role::RcptTo) {
            return true;
        }
        let targets = self.task(found.task).targets();
        let target = found.target.and_then(|at| targets.get(usize::from(at))).map(Target::identity);
        item.parties().any(|(_, address)| email::identity(address).as_ref() == target)
    }

    /// Matches of one mail address that somebody used from `start` to `now`.
    pub(crate) fn mailbox(
        &mut self,
        role: Role,
        address: &str,
        start: Time,
        now: Time,
        selection: &mut Selection,
        missed: &mut impl FnMut(Unselected),
    ) {
        for (id, target) in self.holders(email::identity(address).as_ref()) {
            // A keyword narrows a task to texts; mail is not searched for any.
            if selection.iter().any(|m| m.task.0 == id) || self.tasks[id as usize].keywords.is_some() {
                continue;
            }
            match self.whole(id, start, now) {
                Ok(mut made) => {
                    made.role = Some(role);
                    made.target = Some(target);
                    selection.push(Box::new(made));
                }
                Err(why) => missed(why),
            }
        }
    }

    /// Looks a host name up. Returns the new matches' place in `flow.selection`, and the place of those that the flow
    /// had already and that this name meets as well.
    pub(crate) fn name(
        &mut self,
        flow: &mut Flow,
        name: &str,
        now: Time,
        missed: &mut impl FnMut(Unselected),
    ) -> SmallVec<[(usize, bool); 2]> {
        let mut met = SmallVec::new();
        for id in self.screening_domain.clone() {
            let Some(domains) = &self.tasks[id as usize].domains else { continue };
            let Some(criterion) = domains.find(name).first().copied() else { continue };
            if let Some(at) = flow.selection.iter().position(|m| m.task.0 == id && !m.is_bound()) {
                met.push((at, false));
                continue;
            }
            match self.select(id, now) {
                Ok(mut made) => {
                    made.criterion = u16::try_from(criterion).ok();
                    flow.selection.push(Box::new(made));
                    met.push((flow.selection.len() - 1, true));
                }
                Err(why) => missed(why),
            }
        }
        met
    }

    /// Retention tasks under which a call that began at `start` is kept.
    pub(crate) fn retention(&mut self, start: Time) -> SmallVec<[Match; 1]> {
        let mut found = SmallVec::new();
        for &id in &self.retention {
            let held = &self.tasks[id as usize];
            if !held.state.withdrawn && held.task.start() <= start && start < held.task.end() {
                found.push(held.matched(TaskId(id), Cin(0), start));
            }
        }
        found
    }

    /// Selects a text that lies in the window with all its parts.
    fn whole(&mut self, id: u32, start: Time, now: Time) -> Result<Match, Unselected> {
        if start < self.tasks[id as usize].task.start() {
            return Err(Unselected::OutsideWindow);
        }
        self.select(id, now)
    }

    /// Tasks that name this subscriber. A keyword narrows a task to texts; an access session has none.
    pub(crate) fn subscribers(&self, identity: Option<&Identity>) -> SmallVec<[(u32, u16); 1]> {
        let mut found = self.holders(identity);
        found.retain(|(id, _)| self.tasks[*id as usize].keywords.is_none());
        found
    }

    /// Selects what the holder of an address does.
    pub(crate) fn follow_address(
        &mut self,
        wanted: Wanted,
        held: &Held,
        now: Time,
    ) -> Result<Match, Unselected> {
        let mut found = self.select(wanted.task, now)?;
        found.start = found.start.max(held.start);
        found.until = Some(held.until.clone());
        found.role = Some(Role::FramedAddress);
        found.target = Some(wanted.target);
        Ok(found)
    }

    fn holders(&self, identity: Option<&Identity>) -> SmallVec<[(u32, u16); 1]> {
        identity.and_then(|i| self.targets.get(i)).cloned().unwrap_or_default()
    }

    /// Whether a text meets the task's keywords; a task without any is met by every text.
    fn criterion(&self, id: u32, text: Option<&str>) -> Result<Option<(u32, Form)>, Unselected> {
        match &self.tasks[id as usize].keywords {
            None => Ok(None),
            Some(keywords) => {
                let hit = text.and_then(|t| keywords.find(t).first().copied());
                hit.map(Some).ok_or(Unselected::CriterionUnmet)
            }
        }
    }

    /// Gives the session its CIN, unless the task's window or ceiling forbids.
    fn select(&mut self, id: u32, now: Time) -> Result<Match, Unselected> {
        let held = &mut self.tasks[id as usize];
        if now < held.task.start() || now >= held.task.end() {
            return Err(Unselected::OutsideWindow);
        }
        if held.state.suspended || held.state.withdrawn {
            return Err(Unselected::Suspended);
        }
        if held.task.ceiling().is_some_and(|c| held.already + held.state.sessions >= c) {
            held.state.suspended = true;
            self.any_suspended = true;
            self.untold.push(TaskId(id));
            return Err(Unselected::Suspended);
        }
        let cin = Cin(held.state.next_cin);
        held.state.next_cin = held.state.next_cin.wrapping_add(1);
        held.state.sessions += 1;
        Ok(held.matched(TaskId(id), cin, now))
    }
}

impl Admitted {
    fn matched(&self, task: TaskId, cin: Cin, now: Time) -> Match {
        Match {
            task,
            liid: self.state.liid.clone(),
            cin,
            content: self.task.content(),
            start: self.task.start(),
            end: self.task.end(),
            role: None,
            side: None,
            followed: false,
            digits: self.task.post_dial_digits(),
            withheld: 0,
            blanked: 0,
            target: None,
            criterion: None,
            form: None,
            selected: now,
            signals: 0,
            ended: false,
            until: None,
            packets: 0,
            octets: 0,
            last: now,
        }
    }
}

impl Match {
    fn set_hit(&mut self, hit: Option<(u32, Form)>) {
        if let Some((criterion, form)) = hit {
            self.criterion = u16::try_from(criterion).ok();
            self.form = Some(form.name());
        }
    }
}
