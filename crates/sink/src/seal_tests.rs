use super::*;
use arrow_array::cast::AsArray;
use mandat_core::{EndReason, Pii, Role, Time};
use proptest::prelude::*;

const KEY: [u8; 32] = {
    let mut key = [0; 32];
    let mut i = 0;
    while i < 32 {
        key[i] = i as u8;
        i += 1;
    }
    key
};
const SEGMENT_ID: [u8; 16] =
    [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf];

fn parties() -> Vec<Party> {
    vec![Party { role: Role::From, uri: Pii("sip:33612345678@example.com".into()) }]
}

fn identities(parties: &[Party]) -> Identities<'_> {
    Identities {
        course: None,
        caller: "33612345678",
        callee: "33698765432",
        parties,
        call_id: "c1",
        src: "192.0.2.1".parse().unwrap(),
        dst: "2001:db8::1".parse().unwrap(),
    }
}

fn record(task: u32, start: Time, caller: &str) -> CallRecord {
    CallRecord {
        course: None,
        task: TaskId(task),
        start,
        ringing: None,
        answer: Some(Time(start.0 + 1_999_999_999)),
        end: None,
        end_reason: EndReason::Timeout,
        status: Some(200),
        caller: Pii(caller.into()),
        callee: Pii("33698765432".into()),
        parties: parties(),
        call_id: Pii("c1".into()),
        src: Pii("192.0.2.1".parse().unwrap()),
        dst: Pii("192.0.2.2".parse().unwrap()),
    }
}

/// Made with Python's `hmac` and the `cryptography` package (HKDF, AESGCM) from the text at the head of `seal.rs`.
const CALLER_TOKEN: &str = "18ae228cf1a590397bdc7dc276458b27";
const CALLEE_TOKEN: &str = "dd1ba37ff3b6cd1b3b420b5b42f12c6f";
const SEALED: &str = "fdc76fec9e34e47e786b6ecd841ece5668541f5da23330699fd28f43106b851f1ccbb5d461c09688f09def8b379efbc7f82a96c8bc970b41ca90f077d079d0ca901d4af42849afc93b5cf929da033b7a48e1311d3fd5f8ba18e90d218d6cf4532f6eb5225a1cec67bf0d109ce7faa001c6db265d012e818d01394c67db2bcc74c2f989f3c1ef88b4804ebdc2912ef000dd7f6414cf4ea3c863ee9d9e1244677f1fd7b9a414d84e";

#[test]
fn tokens_and_ciphertext_have_known_answers() {
    let (caller, callee) = (identity_token(&KEY, "33612345678"), identity_token(&KEY, "33698765432"));
    assert_eq!((&*hex(&caller), &*hex(&callee)), (CALLER_TOKEN, CALLEE_TOKEN));
    let parties = parties();
    let mut sealer = Sealer::new(&KEY, SEGMENT_ID);
    let sealed = sealer.seal(7, [&caller, &callee], &identities(&parties)).unwrap();
    assert_eq!(hex(sealed), SEALED);
}

#[test]
fn nothing_altered_or_moved_opens() {
    let (caller, callee) = (identity_token(&KEY, "a"), identity_token(&KEY, "b"));
    let parties = parties();
    let mut sealer = Sealer::new(&KEY, SEGMENT_ID);
    let sealed = sealer.seal(7, [&caller, &callee], &identities(&parties)).unwrap().to_vec();
    assert!(unseal(&KEY, &SEGMENT_ID, 7, &caller, &callee, &sealed).is_some());
    let flip = |of: &[u8; 16]| std::array::from_fn(|i| of[i] ^ u8::from(i == 15));
    let mut key = KEY;
    key[0] ^= 1;
    assert!(unseal(&key, &SEGMENT_ID, 7, &caller, &callee, &sealed).is_none(), "key");
    assert!(unseal(&KEY, &flip(&SEGMENT_ID), 7, &caller, &callee, &sealed).is_none(), "segment");
    assert!(unseal(&KEY, &SEGMENT_ID, 8, &caller, &callee, &sealed).is_none(), "index");
    assert!(unseal(&KEY, &SEGMENT_ID, 7, &flip(&caller), &callee, &sealed).is_none(), "caller");
    assert!(unseal(&KEY, &SEGMENT_ID, 7, &callee, &caller, &sealed).is_none(), "swapped");
    for i in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[i] ^= 0x80;
        assert!(unseal(&KEY, &SEGMENT_ID, 7, &caller, &callee, &altered).is_none(), "octet {i}");
        assert!(unseal(&KEY, &SEGMENT_ID, 7, &caller, &callee, &sealed[..i]).is_none(), "cut at {i}");
    }
}

proptest! {
    #[test]
    fn what_is_sealed_opens(
        key: [u8; 32], segment: [u8; 16], index: u64, caller: String, callee: String, uri: String, call_id: String,
    ) {
        let tokens = [identity_token(&key, &caller), identity_token(&key, &callee)];
        let parties = [Party { role: Role::To, uri: Pii(uri.clone().into()) }];
        let what = Identities {
            caller: &caller, callee: &callee, parties: &parties, call_id: &call_id, ..identities(&[])
        };
        let mut sealer = Sealer::new(&key, segment);
        let sealed = sealer.seal(index, [&tokens[0], &tokens[1]], &what).unwrap().to_vec();
        let open = unseal(&key, &segment, index, &tokens[0], &tokens[1], &sealed).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&open).unwrap();
        prop_assert_eq!(json, serde_json::json!({
            "caller": caller, "callee": callee, "parties": [["to", uri]], "call_id": call_id,
            "src": "192.0.2.1", "dst": "2001:db8::1",
        }));
    }

    #[test]
    fn arbitrary_octets_never_open(sealed: Vec<u8>, index: u64) {
        prop_assert!(unseal(&KEY, &SEGMENT_ID, index, &[0; 16], &[0; 16], &sealed).is_none());
    }
}

fn read(stream: &[u8]) -> RecordBatch {
    arrow_ipc::reader::StreamReader::try_new(stream, None).unwrap().next().unwrap().unwrap()
}

#[test]
fn a_batch_holds_no_identity_and_opens_row_by_row() {
    let june = crate::testing::START;
    let mut sealer = RecordSealer::default();
    for caller in ["33612345678", "33600000001"] {
        sealer.accept(record(3, june, caller)).unwrap();
    }
    assert_eq!(sealer.periods_wanted(), ["2026-06"]);
    assert!(sealer.take(true).unwrap().is_empty(), "no key, no batch");
    sealer.put_period_key("2026-06".to_owned(), KEY);
    assert!(sealer.periods_wanted().is_empty());
    assert!(sealer.take(false).unwrap().is_empty(), "the batch isn't full");
    let [(task, period, stream)] = &sealer.take(true).unwrap()[..] else { panic!("one batch") };
    assert_eq!((*task, &**period), (TaskId(3), "2026-06"));
    for clear in [&b"33612345678"[..], b"336987", b"example.com", b"192.0.2"] {
        assert!(!stream.windows(clear.len()).any(|w| w == clear));
    }
    let batch = read(stream);
    let metadata = batch.schema().metadata().clone();
    assert_eq!(metadata["period"], "2026-06");
    let octets: Vec<u8> =
        (0..16).map(|i| u8::from_str_radix(&metadata["segment"][2 * i..2 * i + 2], 16).unwrap()).collect();
    let segment: [u8; 16] = octets.try_into().unwrap();
    let column = |name| batch.column_by_name(name).unwrap();
    let token =
        |name, row| -> [u8; 16] { column(name).as_fixed_size_binary().value(row).try_into().unwrap() };
    assert_eq!(token("caller_token", 1), identity_token(&KEY, "33600000001"));
    let sealed = column("sealed").as_binary::<i32>();
    for row in 0..2 {
        let open = unseal(
            &KEY,
            &segment,
            row as u64,
            &token("caller_token", row),
            &token("callee_token", row),
            sealed.value(row),
        );
        assert!(String::from_utf8(open.unwrap()).unwrap().starts_with("{\"caller\":\"336"));
    }
    let answer = column("answer").as_primitive::<arrow_array::types::TimestampMicrosecondType>();
    assert_eq!(answer.value(0), june.0 / 1000 + 1_999_999);
    assert!(sealer.take(true).unwrap().is_empty(), "taken once");
}

#[test]
fn months_and_tasks_do_not_mix_and_the_wait_is_bounded() {
    let june = crate::testing::START;
    let mut sealer = RecordSealer::default();
    sealer.accept(record(0, Time(june.0 - 1), "a")).unwrap();
    sealer.accept(record(1, june, "a")).unwrap();
    assert_eq!(sealer.periods_wanted(), ["2026-05", "2026-06"]);
    sealer.put_period_key("2026-05".to_owned(), KEY);
    let taken = sealer.take(true).unwrap();
    assert_eq!(taken.iter().map(|t| (t.0, &*t.1)).collect::<Vec<_>>(), [(TaskId(0), "2026-05")]);
    assert_eq!(sealer.periods_wanted(), ["2026-06"]);

    sealer.count = MAX_WAITING;
    assert_eq!(sealer.accept(record(1, june, "a")).unwrap_err().code(), "records_waiting");
    assert_eq!(sealer.dropped(), 1);
}
