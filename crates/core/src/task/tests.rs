//! Each step of an admission, broken on its own.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use super::*;
use crate::proof::testlog;

const ORIGIN: &str = "example/log";

fn log_key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

fn config(approvers: &[(&str, u8)], approvals: usize) -> Config {
    let approvers: Vec<Value> = approvers
        .iter()
        .map(|(name, key)| json!({"name": name, "vkey": testlog::vkey("approver", &SigningKey::from_bytes(&[*key; 32]))}))
        .collect();
    let document = json!({
        "log": {"origin": ORIGIN, "vkey": testlog::vkey(ORIGIN, &log_key())},
        "approvers": approvers,
        "policy": {
            "kinds": ["intercept", "screening.domain"],
            "approvals": {"intercept": approvals, "retention": 2, "disclosure": 2, "screening": 0},
            "screening_product": ["IRI"],
        },
        "numbering": {"country_code": "33", "international_prefixes": ["00"], "national_prefix": "0", "trunks": []},
    });
    Config::parse(document.to_string().as_bytes()).unwrap()
}

fn warrant() -> Value {
    json!({
        "version": 1, "reference": "EX-1", "liid": "LI-1", "kind": "intercept", "legal_basis": "law",
        "issuing_authority": "court", "requester": "Requester One",
        "targets": [{"type": "e164Number", "value": "+33612345678"}], "criteria": [], "product": "IRI",
        "window": {"start": "2026-01-01T00:00:00Z", "end": "2026-12-31T00:00:00Z"}, "recipients": ["age1x"],
    })
}

fn now() -> Time {
    instant("2026-06-01T00:00:00Z").unwrap()
}

/// What `activate` discloses for a document.
fn facts(document: &str) -> Vec<(&'static str, String)> {
    let value: Value = serde_json::from_str(document).unwrap();
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    vec![
        ("kind", "activate".to_owned()),
        ("liid", text(&value["liid"])),
        ("authority_id", text(&value["reference"])),
        ("authority_hash", hex(&Sha256::digest(document.as_bytes()))),
        ("valid_from", text(&value["window"]["start"])),
        ("valid_to", text(&value["window"]["end"])),
    ]
}

/// A bundle for `document` with an entry that discloses `facts`, approved by name and key.
fn bundle(document: &str, facts: &[(&str, String)], approvals: &[(&str, u8)]) -> Value {
    let disclosures: Vec<String> = facts
        .iter()
        .map(|(name, value)| URL_SAFE_NO_PAD.encode(json!(["salt", name, value]).to_string()))
        .collect();
    let mut digests: Vec<_> = disclosures.iter().map(|d| Sha256::digest(d.as_bytes())).collect();
    digests.sort_unstable();
    let commit = digests
        .iter()
        .fold(Sha256::new().chain_update(b"li/commit/v1\n").chain_update([9; 32]), |hash, d| {
            hash.chain_update(d)
        })
        .finalize();
    let entry = [&[1][..], &[0; 40], &commit].concat();
    let leaves = vec![b"earlier".to_vec(), entry.clone(), b"later".to_vec()];
    let signed = [APPROVAL_CONTEXT, document.as_bytes()].concat();
    let approvals: Vec<Value> = approvals
        .iter()
        .map(|(name, key)| {
            let signature = SigningKey::from_bytes(&[*key; 32]).sign(&signed).to_bytes();
            json!({"approver": name, "signature": STANDARD.encode(signature)})
        })
        .collect();
    json!({
        "warrant": document, "approvals": approvals, "entry": STANDARD.encode(&entry),
        "opening": STANDARD.encode([9; 32]), "disclosures": disclosures, "index": 1,
        "proof": testlog::inclusion(&leaves, 1).iter().map(|h| STANDARD.encode(h)).collect::<Vec<_>>(),
        "checkpoint": testlog::note(ORIGIN, &leaves, ORIGIN, &log_key()),
    })
}

const PEOPLE: [(&str, u8); 2] = [("First Approver", 11), ("Second Approver", 12)];

fn admit_with(
    config: &Config,
    document: &str,
    facts: &[(&str, String)],
    approvals: &[(&str, u8)],
) -> Result<Task, Refusal> {
    let bundle = bundle(document, facts, approvals).to_string();
    Task::admit(config, &mut None, bundle.as_bytes(), now())
}

/// Admission of a document that is logged and approved as it should be.
fn admit(document: &str) -> Result<Task, Refusal> {
    admit_with(&config(&PEOPLE, 2), document, &facts(document), &PEOPLE)
}

#[test]
fn a_warrant_that_is_approved_and_logged_is_admitted_until_its_window_ends() {
    let document = warrant().to_string();
    assert_eq!(admit(&document).unwrap().liid(), "LI-1");
    let bundle = bundle(&document, &facts(&document), &PEOPLE).to_string();
    let at = |time: &str| {
        Task::admit(&config(&PEOPLE, 2), &mut None, bundle.as_bytes(), instant(time).unwrap()).map(drop)
    };
    assert_eq!(at("2025-12-31T23:59:59Z"), Err(Refusal::WindowNotBegun));
    assert_eq!(at("2026-01-01T00:00:00Z"), Ok(()));
    assert_eq!(at("2026-12-30T23:59:59Z"), Ok(()));
    assert_eq!(at("2026-12-31T00:00:00Z"), Err(Refusal::WindowOver));
}

#[test]
fn the_log_must_say_what_the_document_says() {
    let document = warrant().to_string();
    for (name, other) in [
        ("kind", "deactivate"),
        ("liid", "LI-2"),
        ("authority_id", "EX-2"),
        ("authority_hash", "00"),
        ("valid_from", "2025-01-01T00:00:00Z"),
        ("valid_to", "2026-06-02T00:00:00Z"),
    ] {
        for keep in [false, true] {
            let mut facts = facts(&document);
            if keep {
                facts.iter_mut().filter(|(n, _)| *n == name).for_each(|(_, v)| other.clone_into(v));
            } else {
                facts.retain(|(n, _)| *n != name);
            }
            let refused = admit_with(&config(&PEOPLE, 2), &document, &facts, &PEOPLE).map(drop);
            assert!(matches!(refused, Err(Refusal::EntryMismatch(_))), "{name}: {refused:?}");
        }
    }
    // Disclosed twice, once with the right value.
    let mut twice = facts(&document);
    twice.push(("liid", "LI-1".to_owned()));
    let refused = admit_with(&config(&PEOPLE, 2), &document, &twice, &PEOPLE).map(drop);
    assert_eq!(refused, Err(Refusal::EntryMismatch("liid")));
}

#[test]
fn two_people_must_have_signed_and_neither_may_be_the_requester() {
    let document = warrant().to_string();
    let with = |people: &[(&str, u8)], needed, approvals: &[(&str, u8)]| {
        admit_with(&config(people, needed), &document, &facts(&document), approvals).map(drop)
    };
    let missing = |found, needed| Err(Refusal::ApprovalsMissing { found, needed });
    assert_eq!(with(&PEOPLE, 2, &PEOPLE[..1]), missing(1, 2));
    assert_eq!(with(&PEOPLE, 2, &[PEOPLE[0], PEOPLE[0]]), missing(1, 2), "one person, twice");
    assert_eq!(
        with(&[("A", 11), ("B", 11)], 2, &[("A", 11), ("B", 11)]),
        missing(1, 2),
        "one key, two names"
    );
    assert_eq!(with(&PEOPLE, 0, &[]), missing(0, 1), "a policy of nobody");
    assert_eq!(with(&PEOPLE, 2, &[PEOPLE[0], ("Second Approver", 13)]), Err(Refusal::ApprovalInvalid(1)));
    assert_eq!(with(&PEOPLE, 2, &[("Nobody", 11)]), Err(Refusal::ApproverUnknown(0)));
    for spelling in ["Requester One", "requester one", " Requester\u{a0} ONE "] {
        assert_eq!(
            with(&[(spelling, 11)], 1, &[(spelling, 11)]),
            Err(Refusal::ApproverIsRequester(0)),
            "{spelling}"
        );
    }
}

#[test]
fn an_altered_document_is_refused() {
    let document = warrant().to_string();
    let mut bundle = bundle(&document, &facts(&document), &PEOPLE);
    bundle["warrant"] = document.replace("33612345678", "33612345679").into();
    let refused = Task::admit(&config(&PEOPLE, 2), &mut None, bundle.to_string().as_bytes(), now()).map(drop);
    assert_eq!(refused, Err(Refusal::EntryMismatch("authority_hash")));
}

/// Python keeps the last of two equal keys; a document that two readers may read in two ways is none.
#[test]
fn a_document_with_a_key_twice_or_an_unknown_key_is_refused() {
    let document = warrant().to_string();
    for (from, to) in [
        (r#""version":1"#, r#""version":1,"version":1"#),
        (r#""version":1"#, r#""version":1.0"#),
        (r#""version":1"#, r#""version":1,"extra":1"#),
        (r#""type":"e164Number""#, r#""type":"e164Number","type":"e164Number""#),
        (r#""start":"#, r#""start":"2026-01-01T00:00:00Z","start":"#),
        (r#""EX-1""#, r#""""#),
        (r#""criteria":[]"#, r#""criteria":[{"type":"keyword","value":"a","value":"b","whole_word":true}]"#),
        (
            r#""criteria":[]"#,
            r#""criteria":[{"type":"keyword","type":"keyword","value":"b","whole_word":true}]"#,
        ),
        (r#""criteria":[]"#, r#""criteria":[{"type":"keyword","value":"b","whole_word":true,"extra":1}]"#),
    ] {
        let altered = document.replacen(from, to, 1);
        assert_ne!(altered, document, "{from}");
        let refused = admit(&altered).map(drop);
        assert!(matches!(refused, Err(Refusal::Warrant(_))), "{to}: {refused:?}");
    }
}

#[test]
fn an_older_log_than_the_point_has_seen_is_refused() {
    let document = warrant().to_string();
    let bundle = bundle(&document, &facts(&document), &PEOPLE).to_string();
    let mut head = Some(Checkpoint { size: 4, root: [0; 32] });
    let refused = Task::admit(&config(&PEOPLE, 2), &mut head, bundle.as_bytes(), now()).map(drop);
    assert_eq!(refused, Err(Refusal::LogForked));
    assert_eq!(head.map(|h| h.size), Some(4), "a refusal moves nothing");
}
