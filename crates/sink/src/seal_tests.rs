use super::*;
use arrow_array::cast::AsArray;
use mandat_core::{EndReason, Party, Pii, Role, Time};
use proptest::prelude::*;
use rmpv::Value;

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

/// Made with Python's `hmac` and the `cryptography` package (HKDF, AESGCM) and `msgspec` from the text at the
/// heads of `seal.rs` and `body.rs`.
const CALLER_TOKEN: &str = "18ae228cf1a590397bdc7dc276458b27";
const CALLEE_TOKEN: &str = "dd1ba37ff3b6cd1b3b420b5b42f12c6f";
const SEALED: &str = "474efdee926abb154e2bf31a27f7131ab75e11b9aeb7385c6398de02a4d3d4df1d63eff1258885c45994632dfa05d7cff1bdc52b6f11accc1acf5a25aef7442d57beb5d5da47af8f10c8cf39f78250c6378e0b2519f294";

fn body(octets: &[u8]) -> Value {
    let mut rest = octets;
    let body = rmpv::decode::read_value(&mut rest).unwrap();
    assert!(rest.is_empty());
    body
}

/// What is sealed in place 7 of [`SEGMENT_ID`].
fn sealed(tokens: [&Token; 2], record: &CallRecord) -> Vec<u8> {
    let mut out = ByteBuf::new();
    Sealer::new(&KEY, SEGMENT_ID).seal(7, tokens, record, &mut out).unwrap();
    out.into_vec()
}

#[test]
fn tokens_and_ciphertext_have_known_answers() {
    let (caller, callee) = (identity_token(&KEY, "33612345678"), identity_token(&KEY, "33698765432"));
    assert_eq!((&*hex(&caller), &*hex(&callee)), (CALLER_TOKEN, CALLEE_TOKEN));
    let record = record(0, crate::testing::START, "33612345678");
    assert_eq!(hex(&sealed([&caller, &callee], &record)), SEALED);
}

#[test]
fn nothing_altered_or_moved_opens() {
    let (caller, callee) = (identity_token(&KEY, "a"), identity_token(&KEY, "b"));
    let sealed = sealed([&caller, &callee], &record(0, crate::testing::START, "a"));
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
    fn what_is_sealed_opens(caller: String, uri: String, call_id: String) {
        let tokens = [identity_token(&KEY, &caller), identity_token(&KEY, "33698765432")];
        let party = Party { role: Role::To, uri: Pii(uri.clone().into()) };
        let record = CallRecord {
            parties: vec![party], call_id: Pii(call_id.clone().into()), ..record(0, crate::testing::START, &caller)
        };
        let sealed = sealed([&tokens[0], &tokens[1]], &record);
        let open = unseal(&KEY, &SEGMENT_ID, 7, &tokens[0], &tokens[1], &sealed).unwrap();
        let address = |last| Value::Binary(vec![192, 0, 2, last]);
        let parties = Value::Array(vec![1.into(), uri.into()]);
        let expected =
            [caller.into(), "33698765432".into(), call_id.into(), address(1), address(2), parties, Value::Nil];
        prop_assert_eq!(body(&open), Value::Array(expected.into()));
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
    assert_eq!((&*metadata["period"], &*metadata["version"]), ("2026-06", "2"));
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
        assert!(body(&open.unwrap())[0].as_str().unwrap().starts_with("336"));
    }
    let answer = column("answer").as_primitive::<arrow_array::types::TimestampMicrosecondType>();
    assert_eq!(answer.value(0), june.0 / 1000 + 1_999_999);
    assert!(sealer.take(true).unwrap().is_empty(), "taken once");
}

#[test]
fn a_batch_ends_before_its_offsets_do() {
    let mut batch = Batch::new(&KEY).unwrap();
    assert!(!batch.is_full());
    batch.sealed.as_mut_vec().resize(MAX_SEALED, 0);
    assert!(batch.is_full());
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
