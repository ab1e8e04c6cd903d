//! The course of a call as JSON. Absent parts are left out; an empty course is `{}`.

use mandat_core::{
    Branch, Course, Hold, Link, Passport, Pii, Recorded, RecordedParticipant, RecordedSession, Side, Step,
    Time, Transfer,
};
use serde_json::{Map, Value, json};

use crate::time::rfc3339;

fn moment(time: Option<Time>) -> Value {
    time.map_or(Value::Null, |t| rfc3339(t).into())
}

fn text(of: Option<&Pii<Box<str>>>) -> Value {
    of.map_or(Value::Null, |t| (*t.0).into())
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Caller => "caller",
        Side::Callee => "callee",
    }
}

fn step(s: &Step) -> Value {
    json!({
        "by": s.by.name(), "uri": &*s.uri.0, "index": s.index.as_deref(), "cause": s.cause,
        "reason": s.reason.map(mandat_core::DivertReason::name),
    })
}

fn branch(b: &Branch) -> Value {
    json!({
        "tag": &*b.tag.0, "ringing": moment(b.ringing), "early": moment(b.early), "early_media": moment(b.early_media),
        "answer": moment(b.answer), "end": moment(b.end),
    })
}

fn hold(h: &Hold) -> Value {
    json!({"side": side(h.side), "by": h.by.name(), "start": rfc3339(h.start), "end": moment(h.end)})
}

fn transfer(t: &Transfer) -> Value {
    json!({"by": t.by.name(), "side": side(t.side), "to": &*t.to.0, "ts": rfc3339(t.ts)})
}

fn passport(p: &Passport) -> Value {
    json!({
        "ppt": &*p.ppt, "attest": p.attest, "orig": text(p.orig.as_ref()), "dest": text(p.dest.as_ref()),
        "div": text(p.div.as_ref()),
    })
}

fn link(l: &Link) -> Value {
    json!({"call": &*l.call.0, "rule": l.rule.name(), "confidence": l.rule.confidence().name()})
}

fn recorded_session(s: &RecordedSession) -> Value {
    json!({
        "id": &*s.id.0, "group": text(s.group.as_ref()), "sip_session_id": text(s.sip_session_id.as_ref()),
        "start": moment(s.start), "stop": moment(s.stop),
    })
}

fn participant(p: &RecordedParticipant) -> Value {
    let all = |texts: &[Pii<Box<str>>]| texts.iter().map(|t| (*t.0).into()).collect::<Vec<Value>>();
    json!({
        "uris": all(&p.uris), "name": text(p.name.as_ref()), "side": side(p.side), "labels": all(&p.labels),
        "sessions": p.sessions, "from": moment(p.from), "until": moment(p.until), "left": p.left,
    })
}

fn recorded(r: &Recorded) -> Value {
    json!({
        "sessions": r.sessions.iter().map(recorded_session).collect::<Vec<_>>(),
        "participants": r.participants.iter().map(participant).collect::<Vec<_>>(),
        "caller_by": r.caller_by.name(), "dropped": r.dropped,
    })
}

/// Writes a course down.
pub(crate) fn json(course: &Course) -> Value {
    let mut out = Map::new();
    let d = &course.diversion;
    for (name, value) in [
        ("dialled", &d.dialled),
        ("originally_called", &d.originally_called),
        ("last_redirecting", &d.last_redirecting),
        ("reached", &d.reached),
    ] {
        if let Some(value) = value {
            out.insert(name.into(), (*value.0).into());
        }
    }
    let lists: [(&str, Vec<Value>); 8] = [
        ("diversion", d.steps.iter().map(step).collect()),
        ("branches", course.branches.iter().map(branch).collect()),
        ("holds", course.holds.iter().map(hold).collect()),
        ("transfers", course.transfers.iter().map(transfer).collect()),
        ("privacy", course.privacy.iter().map(|p| p.name().into()).collect()),
        ("passports", course.passports.iter().map(passport).collect()),
        (
            "causes",
            course.causes.iter().map(|c| json!({"of": c.protocol.name(), "cause": c.cause})).collect(),
        ),
        ("links", course.links.iter().map(link).collect()),
    ];
    for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        out.insert(name.into(), list.into());
    }
    if let Some(verstat) = course.verstat {
        out.insert("verstat".into(), verstat.name().into());
    }
    if let Some(seconds) = course.session_expires {
        out.insert("session_expires".into(), seconds.into());
    }
    if let Some(of) = &course.recorded {
        out.insert("recorded".into(), recorded(of));
    }
    if course.dropped > 0 {
        out.insert("dropped".into(), course.dropped.into());
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use mandat_core::LinkRule;

    use super::*;

    #[test]
    fn absent_parts_are_left_out() {
        assert_eq!(json(&Course::default()), json!({}));
        let link = Link { call: Pii("c2".into()), rule: LinkRule::Origin };
        let course = Course { links: vec![link], ..Course::default() };
        assert_eq!(
            json(&course),
            json!({"links": [{"call": "c2", "rule": "origin", "confidence": "probable"}]})
        );
    }
}
