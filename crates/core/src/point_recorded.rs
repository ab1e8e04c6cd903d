//! Recording sessions at the point: a task gets what belongs to the calls that its target takes part in, and nothing of
//! others that a controller puts into the same recording session.

use super::{Release, course_of, facts_of};
use crate::counters::Counter;
use crate::matching::Match;
use crate::packet::{Seen, Time};
use crate::product::{Confidence, EndReason, Facts, IriType, Role, Service, TaskId};
use crate::session::call::{Call, Recording, SessionSet, Voice};

impl Release {
    /// After a message of a recording session: finds which of its calls each task may have, and ends the matches whose
    /// target has left while others talk on, or which rested on the controller's own identities.
    pub(super) fn recorded(&mut self, call: &mut Call, now: Time) {
        let Some(mut recording) = call.recording.take() else { return };
        let mut at = 0;
        while let Some(found) = call.selection.get(at) {
            let task = found.task();
            let Some(sessions) = self.present(&recording, found, call) else {
                // The recording is about to end: what comes until then is of those who were there.
                at += 1;
                continue;
            };
            recording.permitted.retain(|(t, _)| *t != task);
            if sessions != 0 {
                recording.permitted.push((task, sessions));
                at += 1;
                continue;
            }
            let found = call.selection.remove(at);
            if !found.ended() {
                let facts = Facts { event: "target_left", start: Some(call.start), ..Facts::default() };
                self.iri(&found, IriType::End, now, Service::Call, facts);
            }
            self.closed(call, &found, EndReason::TargetLeft);
        }
        call.recording = Some(recording);
    }

    /// The sessions that the target of a match is in; `None` when nobody is in any.
    fn present(&self, recording: &Recording, found: &Match, call: &Call) -> Option<SessionSet> {
        // Selected with the very call that is recorded: of several, nothing says which.
        if found.is_followed() {
            return Some(if recording.is_shared() { 0 } else { SessionSet::MAX });
        }
        let is_target = |uri: &str| self.index.targets(found.task(), uri, &self.plans, call.src);
        let sessions = recording.sessions_of(is_target)?;
        Some(if found.role() == Some(Role::Participant) || sessions != 0 { sessions } else { 0 })
    }

    /// Whether a message of a recording session may go to the task of a match: it tells of every call in it.
    pub(super) fn may_tell(&mut self, call: &Call, task: TaskId) -> bool {
        let may = call.recording.as_ref().is_none_or(|recording| recording.permits_all(task));
        if !may {
            self.counters.count(Counter::RecordedOthers);
        }
        may
    }

    /// The facts of a call for one match: of a recording session that several calls share, those of the target's alone.
    pub(super) fn facts(
        &self,
        call: &Call,
        found: &Match,
        event: &'static str,
        seen: Option<&Seen<'_>>,
    ) -> Facts {
        let mut facts = facts_of(call, event, seen);
        let Some(recording) = call.recording.as_ref().filter(|r| r.is_shared()) else { return facts };
        let sessions =
            self.present(recording, found, call).unwrap_or_else(|| recording.permitted_to(found.task()));
        let told = recording.told(sessions);
        facts.parties.retain(|party| told.participants.iter().any(|p| p.uris.contains(&party.uri)));
        facts.course = course_of(call, Confidence::Probable).map(|mut course| {
            course.recorded = Some(Box::new(told));
            course
        });
        facts
    }
}

/// Whether a packet of a stream may go to a task.
pub(super) fn may_hear(recording: Option<&Recording>, voice: Option<Voice>, task: TaskId) -> bool {
    let (Some(recording), Some(voice)) = (recording, voice) else { return true };
    recording.permits(task, voice.sessions)
}
