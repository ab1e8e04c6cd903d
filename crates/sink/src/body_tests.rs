use mandat_core::{
    Branch, CallerBy, Cause, CauseOf, Course, Diversion, DivertReason, EndReason, Hold, HoldBy, Link,
    LinkRule, Passport, Pii, Privacy, Recorded, RecordedParticipant, RecordedSession, Side, Step, StepBy,
    TaskId, Transfer, TransferBy, Verstat,
};

use super::*;

const START: Time = crate::testing::START;

fn text(text: &str) -> Pii<Box<str>> {
    Pii(text.into())
}

fn party(role: Role, uri: &str) -> Party {
    Party { role, uri: text(uri) }
}

fn record(parties: Vec<Party>, course: Option<Course>) -> CallRecord {
    CallRecord {
        task: TaskId(0),
        start: START,
        ringing: None,
        answer: None,
        end: None,
        end_reason: EndReason::Bye,
        status: None,
        caller: text("33612345678"),
        callee: text("33698765432"),
        parties,
        call_id: text("c1"),
        src: Pii("192.0.2.1".parse().unwrap()),
        dst: Pii("2001:db8::1".parse().unwrap()),
        course: course.map(Box::new),
    }
}

/// The body as people read it: octets as lists of numbers.
fn told(record: &CallRecord) -> String {
    let mut out = ByteBuf::new();
    write(&mut out, record).unwrap();
    let mut rest = out.as_slice();
    let value = rmpv::decode::read_value(&mut rest).unwrap();
    assert!(rest.is_empty());
    value.to_string()
}

const HEAD: &str = r#"["33612345678", "33698765432", "c1", [192, 0, 2, 1], [32, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "#;

#[test]
fn a_text_that_comes_again_is_named_by_its_place() {
    let parties =
        vec![party(Role::RequestUri, "sip:b"), party(Role::From, "sip:a"), party(Role::To, "sip:b")];
    assert_eq!(
        told(&record(parties.clone(), None)),
        format!(r#"{HEAD}[2, "sip:b", 0, "sip:a", 1, 0], nil]"#)
    );
    let diversion =
        Diversion { dialled: Some(text("sip:c")), reached: Some(text("sip:a")), ..Diversion::default() };
    let course = Course { diversion, ..Course::default() };
    assert_eq!(
        told(&record(parties, Some(course))),
        format!(
            r#"{HEAD}[2, "sip:b", 0, "sip:a", 1, 0], ["sip:c", nil, nil, 1, [], [], [], [], [], [], [], [], nil, nil, 0]]"#
        )
    );
}

#[test]
fn a_call_id_that_reads_like_a_party_stays_a_text() {
    let record = CallRecord { call_id: text("sip:a"), ..record(vec![party(Role::From, "sip:a")], None) };
    assert!(told(&record).contains(r#"[0, "sip:a"]"#));
}

#[test]
fn every_part_of_a_course_is_told() {
    let after = |seconds| START.plus_seconds(seconds);
    let step = Step {
        by: StepBy::HistoryInfo,
        uri: text("sip:d"),
        index: Some("1.1".into()),
        cause: Some(486),
        reason: Some(DivertReason::UserBusy),
    };
    let branch = Branch {
        tag: text("t1"),
        ringing: Some(after(1)),
        early: None,
        early_media: None,
        answer: Some(after(5)),
        end: Some(Time(START.0 - 1)),
    };
    let course = Course {
        diversion: Diversion {
            originally_called: Some(text("sip:d")),
            last_redirecting: Some(text("sip:e")),
            steps: vec![step],
            ..Diversion::default()
        },
        branches: vec![branch],
        holds: vec![Hold { side: Side::Callee, by: HoldBy::Inactive, start: after(7), end: None }],
        transfers: vec![Transfer {
            by: TransferBy::ReferredBy,
            side: Side::Caller,
            to: text("sip:f"),
            ts: after(9),
        }],
        privacy: vec![Privacy::Id, Privacy::None],
        verstat: Some(Verstat::NotValidated),
        passports: vec![Passport {
            ppt: "shaken".into(),
            attest: Some('A'),
            orig: Some(text("336")),
            dest: None,
            div: None,
        }],
        causes: vec![Cause { protocol: CauseOf::Sip, cause: 487 }],
        session_expires: Some(1800),
        links: vec![Link { call: text("c2"), rule: LinkRule::Origin }],
        recorded: None,
        dropped: 3,
    };
    let lists = [
        r#"[[1, "sip:d", "1.1", 486, 1]]"#,
        r#"[["t1", 1000000000, nil, nil, 5000000000, -1]]"#,
        "[[1, 1, 7000000000, nil]]",
        r#"[[1, 0, "sip:f", 9000000000]]"#,
        "[0, 6]",
        r#"[["shaken", "A", "336", nil, nil]]"#,
        "[[1, 487]]",
        r#"[["c2", 5]]"#,
    ]
    .join(", ");
    assert_eq!(
        told(&record(Vec::new(), Some(course))),
        format!(r#"{HEAD}[], [nil, "sip:d", "sip:e", nil, {lists}, 2, 1800, 3]]"#)
    );
}

#[test]
fn p22_a_recorded_call_stands_behind_everything_else() {
    let session = RecordedSession {
        id: text("S=="),
        group: None,
        sip_session_id: Some(text("ab")),
        start: None,
        stop: None,
    };
    let participant = RecordedParticipant {
        uris: vec![text("sip:a")],
        name: Some(text("A")),
        side: Side::Caller,
        labels: vec![text("96")],
        sessions: vec![0],
        from: Some(START.plus_seconds(1)),
        until: None,
        left: false,
    };
    let recorded = Recorded {
        sessions: vec![session],
        participants: vec![participant],
        caller_by: CallerBy::Order,
        dropped: 0,
    };
    let course = Course { recorded: Some(Box::new(recorded)), ..Course::default() };
    let told = told(&record(vec![party(Role::Participant, "sip:a")], Some(course)));
    let expected =
        r#"0, [[["S==", nil, "ab", nil, nil]], [[[0], "A", 0, ["96"], [0], 1000000000, nil, 0]], 2, 0]]]"#;
    assert!(told.ends_with(expected), "{told}");
}

#[test]
fn a_role_is_found_by_its_number() {
    for (number, role) in ROLES.iter().enumerate() {
        assert_eq!(usize::from(role.number()), number);
    }
    let names: Vec<_> = roles().collect();
    // Sealed records outlive this program: these numbers stay.
    assert_eq!(
        (names[0], names[3], names[28], names[35]),
        ("from", "p_asserted_identity", "contact", "header_cc")
    );
}
