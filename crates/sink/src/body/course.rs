//! The course of a call in its seal: what the head of `body.rs` calls `course`.
//!
//! ```text
//! course    = [dialled, originally_called, last_redirecting, reached, diversion, branches, holds, transfers,
//!              privacy, passports, causes, links, verstat, session_expires, dropped]
//! diversion = [[by, text, index, cause, reason], …]
//! branches  = [[tag, ringing, early, early_media, answer, end], …]
//! holds     = [[side, by, start, end], …]
//! transfers = [[by, side, text, moment], …]
//! privacy   = [value, …]
//! passports = [[ppt, attest, orig, dest, div], …]
//! causes    = [[protocol, cause], …]
//! links     = [[Call-ID, rule], …]
//! recorded  = [[[id, group, sip_session_id, start, stop], …],
//!              [[uris, name, side, labels, places of its sessions, from, until, left], …], caller_by, dropped]
//! ```
//! `recorded` stands behind `dropped` in the records of recording sessions, and in no others. The first four are texts, `dropped` counts what didn't fit. A moment is in nanoseconds since the start of the call.
//! Values of closed sets (`by`, `side`, `reason`, `value`, `protocol`, `rule`, `verstat`) are numbers: their places in the
//! lists below.

use mandat_core::{
    Branch, CallerBy, CauseOf, Course, DivertReason, Hold, HoldBy, Link, LinkRule, Passport, Pii, Privacy,
    Recorded, Side, Step, StepBy, Transfer, TransferBy, Verstat,
};

use super::{Packer, Written};

numbered! { Side: Caller Callee }
numbered! { StepBy: Diversion HistoryInfo PCalledPartyId PassportDiv }
numbered! {
    DivertReason:
    Unconditional UserBusy NoAnswer Unavailable TimeOfDay DoNotDisturb Deflection FollowMe OutOfService Away Unknown
}
numbered! { HoldBy: SendOnly Inactive Nowhere }
numbered! { TransferBy: Refer ReferredBy Replaces Join TargetDialog }
numbered! { Privacy: Id Header Session User History Critical None }
numbered! { Verstat: Passed Failed NotValidated }
numbered! { CauseOf: Q850 Sip }
numbered! { CallerBy: Extension Time Order }
numbered! { LinkRule: SessionId ChargingVector Named SessionHalf Header Origin Media NumberAndTime RecordedSession }

impl Packer<'_> {
    pub(crate) fn course(&mut self, course: &Course) -> Written {
        let diversion = &course.diversion;
        self.list_of(15 + usize::from(course.recorded.is_some()))?;
        self.optional_text(diversion.dialled.as_ref())?;
        self.optional_text(diversion.originally_called.as_ref())?;
        self.optional_text(diversion.last_redirecting.as_ref())?;
        self.optional_text(diversion.reached.as_ref())?;
        self.list(&diversion.steps, Self::step)?;
        self.list(&course.branches, Self::branch)?;
        self.list(&course.holds, Self::hold)?;
        self.list(&course.transfers, Self::transfer)?;
        self.list(&course.privacy, |to, value| to.number(*value))?;
        self.list(&course.passports, Self::passport)?;
        self.list(&course.causes, |to, cause| {
            to.list_of(2)?;
            to.number(cause.protocol)?;
            to.integer(cause.cause.into())
        })?;
        self.list(&course.links, Self::link)?;
        self.optional(course.verstat, Self::number)?;
        self.optional(course.session_expires, |to, seconds| to.integer(seconds.into()))?;
        self.integer(course.dropped)?;
        course.recorded.as_ref().map_or(Ok(()), |recorded| self.recorded(recorded))
    }

    fn recorded(&mut self, recorded: &Recorded) -> Written {
        self.list_of(4)?;
        self.list(&recorded.sessions, |to, session| {
            to.list_of(5)?;
            to.text(&session.id.0)?;
            to.optional_text(session.group.as_ref())?;
            to.optional_text(session.sip_session_id.as_ref())?;
            to.optional(session.start, Self::moment)?;
            to.optional(session.stop, Self::moment)
        })?;
        self.list(&recorded.participants, |to, one| {
            to.list_of(8)?;
            to.list(&one.uris, |to, uri| to.text(&uri.0))?;
            to.optional_text(one.name.as_ref())?;
            to.number(one.side)?;
            to.list(&one.labels, |to, label| to.text(&label.0))?;
            to.list(&one.sessions, |to, place| to.integer((*place).into()))?;
            to.optional(one.from, Self::moment)?;
            to.optional(one.until, Self::moment)?;
            to.integer(one.left.into())
        })?;
        self.number(recorded.caller_by)?;
        self.integer(recorded.dropped)
    }

    fn optional_text(&mut self, text: Option<&Pii<Box<str>>>) -> Written {
        self.optional(text, |to, text| to.text(&text.0))
    }

    fn step(&mut self, step: &Step) -> Written {
        self.list_of(5)?;
        self.number(step.by)?;
        self.text(&step.uri.0)?;
        self.optional(step.index.as_deref(), Self::text)?;
        self.optional(step.cause, |to, cause| to.integer(cause.into()))?;
        self.optional(step.reason, Self::number)
    }

    fn branch(&mut self, branch: &Branch) -> Written {
        self.list_of(6)?;
        self.text(&branch.tag.0)?;
        for time in [branch.ringing, branch.early, branch.early_media, branch.answer, branch.end] {
            self.optional(time, Self::moment)?;
        }
        Ok(())
    }

    fn hold(&mut self, hold: &Hold) -> Written {
        self.list_of(4)?;
        self.number(hold.side)?;
        self.number(hold.by)?;
        self.moment(hold.start)?;
        self.optional(hold.end, Self::moment)
    }

    fn transfer(&mut self, transfer: &Transfer) -> Written {
        self.list_of(4)?;
        self.number(transfer.by)?;
        self.number(transfer.side)?;
        self.text(&transfer.to.0)?;
        self.moment(transfer.ts)
    }

    fn passport(&mut self, passport: &Passport) -> Written {
        self.list_of(5)?;
        self.text(&passport.ppt)?;
        self.optional(passport.attest, |to, attest| to.text(attest.encode_utf8(&mut [0; 4])))?;
        self.optional_text(passport.orig.as_ref())?;
        self.optional_text(passport.dest.as_ref())?;
        self.optional_text(passport.div.as_ref())
    }

    fn link(&mut self, link: &Link) -> Written {
        self.list_of(2)?;
        self.text(&link.call.0)?;
        self.number(link.rule)
    }
}
