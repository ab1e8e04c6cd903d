use super::*;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use mandat_core::{
    CallClosed, Encoding, EndReason, Endpoint, Facts, IriType, Liid, LinkType, Party, Pii, Role, Service,
    Side, StreamReport,
};
use serde_json::Value;

use crate::testing::{Key, MS, Rtp, SECOND, START, endpoint, files, open, run};

const LIID: &str = "LI-TEST";

struct Site {
    dir: tempfile::TempDir,
    key: Key,
    sink: Sink,
}

impl Site {
    fn new() -> Self {
        Self::with_memory(MEMORY)
    }

    fn with_memory(memory: usize) -> Self {
        let (dir, key) = (tempfile::tempdir().unwrap(), Key::new());
        let mut sink = Sink::with_memory(dir.path().to_owned(), "run1".to_owned(), memory).unwrap();
        sink.add_task(TaskId(0), LIID, &[key.public()]).unwrap();
        Self { dir, key, sink }
    }

    fn recording(&self, cin: u32) -> PathBuf {
        self.dir.path().join(LIID).join("recordings").join(format!("{cin:010}"))
    }

    fn manifest(&self, cin: u32) -> Value {
        json(&self.recording(cin).join("recording.json"))
    }

    fn totals(&self) -> Totals {
        self.sink.totals(TaskId(0)).unwrap()
    }

    fn call(&mut self, cin: u32, packets: u16) {
        for n in 0..packets {
            for side in [Side::Caller, Side::Callee] {
                self.sink.accept(cc(Rtp::nth(cin, side, n).cc())).unwrap();
            }
        }
    }

    fn close(&mut self, cin: u32, seen: u64) {
        let last = Time(START.0 + i64::try_from(seen).unwrap() * 20 * MS);
        self.sink.accept(closed(cin, seen, last)).unwrap();
    }

    /// Decrypts all segments of a kind into one file, as a reader would.
    fn joined(&self, cin: u32, suffix: &str) -> Vec<u8> {
        files(&self.recording(cin), suffix).iter().flat_map(|p| open(p, &self.key)).collect()
    }

    fn table(&self, folder: &str) -> Vec<RecordBatch> {
        files(&self.dir.path().join(LIID).join(folder), ".arrow.age")
            .iter()
            .flat_map(|p| {
                let stream = open(p, &self.key);
                let reader = arrow_ipc::reader::StreamReader::try_new(&stream[..], None).unwrap();
                reader.map(Result::unwrap).collect::<Vec<_>>()
            })
            .collect()
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn cc(cc: Cc) -> Product {
    Product::Cc(Box::new(cc))
}

fn closed(cin: u32, seen: u64, last: Time) -> Product {
    let report = |side| StreamReport {
        side,
        stream: side as u16,
        ssrc: 0xAB + side as u32,
        encoding: Encoding::Pcmu,
        expected: seen,
        seen,
        duplicates: 0,
        first: START,
        last,
        branch: None,
    };
    Product::CallClosed(Box::new(CallClosed {
        task: TaskId(0),
        liid: Liid(LIID.into()),
        cin: Cin(cin),
        start: START,
        answer: Some(START),
        end: Some(last),
        end_reason: EndReason::Bye,
        selected: START,
        signals: 0,
        streams: vec![report(Side::Caller), report(Side::Callee)],
        streams_dropped: 0,
        addresses_dropped: 0,
        identities_dropped: 0,
        contested: false,
        digits_withheld: 0,
        digits_blanked: 0,
    }))
}

fn iri(sequence: u32, ts: Time) -> Iri {
    let party = |role, uri: &str| Party { role, uri: Pii(uri.into()) };
    Iri {
        task: TaskId(0),
        liid: Liid(LIID.into()),
        cin: Cin(7),
        sequence,
        iri_type: IriType::Begin,
        ts,
        service: Service::Call,
        matched: Some(Role::PAssertedIdentity),
        target: Some(0),
        criterion: None,
        form: None,
        facts: Facts {
            event: "invite",
            parties: vec![
                party(Role::From, "sip:anonymous@invalid"),
                party(Role::PAssertedIdentity, "tel:+33612345678"),
                party(Role::PAssertedIdentity, "sip:+33612345678@example.com"),
            ],
            call_id: Some(Pii("secret-call-id".into())),
            src: Some(Pii(Endpoint { ip: "2001:db8::1".parse().unwrap(), port: 5060 })),
            status: Some(200),
            start: Some(ts),
            ..Facts::default()
        },
    }
}

#[test]
fn a_call_becomes_evidence_and_a_listening_copy() {
    let mut site = Site::new();
    site.call(7, 1100);
    site.close(7, 1100);
    site.sink.finish().unwrap();

    let evidence = tempfile::Builder::new().suffix(".pcapng").tempfile().unwrap();
    fs::write(evidence.path(), site.joined(7, ".pcapng.age")).unwrap();
    let path = evidence.path().to_str().unwrap();
    let out = run("tshark", &["-r", path, "-d", "udp.port==4000,rtp", "-T", "fields", "-e", "rtp.seq"]);
    let expected: Vec<String> = (0..1100).flat_map(|n| [1000 + n, 1000 + n]).map(|n| n.to_string()).collect();
    assert_eq!(out.lines().collect::<Vec<_>>(), expected, "the matched packets in order and nothing else");
    assert!(run("capinfos", &["-c", path]).contains("2200"));

    let audio = files(&site.recording(7), ".wav.age");
    let lengths: Vec<_> = audio.iter().map(|p| open(p, &site.key).len()).collect();
    assert_eq!(lengths, [44 + 320_000, 44 + 320_000, 44 + 64_000]);
    assert_eq!(open(&audio[0], &site.key)[44..48], [0x7c, 0x7d, 0x84, 0x82], "left caller, right callee");

    let manifest = site.manifest(7);
    assert_eq!((&manifest["complete"], &manifest["closed"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(manifest["streams"][0]["written"], 1100);
    assert_eq!(manifest["streams"][1]["ssrc"], "0x000000ac");
    assert_eq!(manifest["segments"].as_array().unwrap().len(), 6);
    let totals = site.totals();
    assert_eq!((totals.recordings, totals.segments), (1, 6));
    assert_eq!(Value::from(totals.octets), manifest["octets"]);
}

#[test]
fn a_call_whose_end_nobody_saw_is_not_said_to_be_whole() {
    for reason in [EndReason::SourceEnded, EndReason::Timeout, EndReason::Evicted, EndReason::AuthorityEnded]
    {
        let mut site = Site::new();
        site.call(7, 100);
        let Product::CallClosed(mut end) = closed(7, 100, START) else { unreachable!() };
        end.end_reason = reason;
        site.sink.accept(Product::CallClosed(end)).unwrap();
        let manifest = site.manifest(7);
        assert_eq!((&manifest["closed"], &manifest["complete"]), (&Value::Bool(true), &Value::Bool(false)));
    }
}

#[test]
fn each_segment_is_there_before_the_next_begins() {
    let mut site = Site::new();
    site.call(7, 600);
    // No close and no finish: this is what a kill leaves.
    let names = |suffix| files(&site.recording(7), suffix).len();
    assert_eq!((names(".pcapng.age"), names(".wav.age"), names(".part")), (1, 1, 0));
    let manifest = site.manifest(7);
    assert_eq!((&manifest["closed"], &manifest["complete"]), (&Value::Bool(false), &Value::Bool(false)));
    assert_eq!(manifest["streams"][0]["written"], 500);
}

#[test]
fn silence_on_the_line_closes_the_segment_all_the_same() {
    let mut site = Site::new();
    site.call(7, 10);
    site.sink.advance(Time(START.0 + 5 * SECOND)).unwrap();
    assert!(!site.recording(7).exists());
    site.sink.advance(Time(START.0 + 11 * SECOND)).unwrap();
    assert_eq!(files(&site.recording(7), ".age").len(), 2);
}

#[test]
fn an_incomplete_recording_says_what_it_lacks() {
    let mut site = Site::new();
    for n in (0..100).filter(|n| *n != 40) {
        site.sink.accept(cc(Rtp::nth(7, Side::Caller, n).cc())).unwrap();
    }
    let opus = Rtp { encoding: Encoding::Other("33612345678".into()), ..Rtp::nth(7, Side::Callee, 0) };
    site.sink.accept(cc(opus.cc())).unwrap();
    site.close(7, 100);
    let manifest = site.manifest(7);
    assert_eq!(manifest["complete"], false);
    let gap = &manifest["streams"][0]["gaps"][0];
    assert_eq!((&gap["from_ms"], &gap["to_ms"], &gap["packets"]), (&800.into(), &820.into(), &1.into()));
    assert_eq!(manifest["listening_copy"]["without"][0]["encoding"], "other");
    assert!(!manifest.to_string().contains("33612345678"));
    assert_eq!(manifest["streams"][1]["written"], 1);
}

#[test]
fn too_little_memory_makes_shorter_segments_and_loses_nothing() {
    let mut site = Site::with_memory(200_000);
    for n in 0..400 {
        for cin in 1..=4 {
            site.sink.accept(cc(Rtp::nth(cin, Side::Caller, n).cc())).unwrap();
        }
    }
    for cin in 1..=4 {
        site.sink.accept(closed(cin, 400, START)).unwrap();
        assert_eq!(site.manifest(cin)["streams"][0]["written"], 400);
        let samples: usize =
            files(&site.recording(cin), ".wav.age").iter().map(|p| open(p, &site.key).len() - 44).sum();
        assert_eq!(samples, 400 * 160 * 4);
        assert!(files(&site.recording(cin), ".pcapng.age").len() > 1);
    }
}

#[test]
fn a_recording_that_cannot_be_written_does_not_stop_the_others() {
    let mut site = Site::new();
    fs::create_dir_all(site.recording(1).parent().unwrap()).unwrap();
    fs::write(site.recording(1), b"in the way").unwrap();
    let mut errors = Vec::new();
    for n in 0..1100 {
        for cin in [1, 2] {
            errors.extend(site.sink.accept(cc(Rtp::nth(cin, Side::Caller, n).cc())).err());
        }
    }
    assert_eq!(errors.len(), 1, "told once");
    assert_eq!(errors[0].code(), "io_error");
    site.close(2, 1100);
    assert_eq!(site.manifest(2)["streams"][0]["written"], 1100);
    assert_eq!(site.sink.finish().unwrap_err(), errors[0], "and at the end");
}

#[test]
fn packets_that_the_disk_refused_are_counted_as_dropped_by_us() {
    let mut site = Site::new();
    fs::create_dir_all(site.recording(7)).unwrap();
    fs::write(site.recording(7).join("000000.pcapng.age"), b"evidence of an earlier run").unwrap();
    for n in 0..600 {
        let _ = site.sink.accept(cc(Rtp::nth(7, Side::Caller, n).cc()));
    }
    site.close(7, 600);
    let manifest = site.manifest(7);
    let stream = &manifest["streams"][0];
    assert_eq!((&stream["written"], &stream["dropped_by_us"]["io_error"]), (&100.into(), &500.into()));
    assert_eq!(manifest["complete"], false);
    assert_eq!(fs::read(site.recording(7).join("000000.pcapng.age")).unwrap(), b"evidence of an earlier run");
}

#[test]
fn iri_is_a_table_with_an_index_that_names_nobody() {
    let mut site = Site::new();
    for n in 0..3 {
        site.sink.accept(Product::Iri(Box::new(iri(n, Time(START.0 + i64::from(n) * SECOND))))).unwrap();
    }
    site.sink.advance(Time(START.0 + 9 * SECOND)).unwrap();
    assert!(site.table_missing("iri"));
    site.sink.advance(Time(START.0 + 10 * SECOND)).unwrap();
    let [batch] = &site.table("iri")[..] else { panic!("one file") };
    assert_eq!(batch.num_rows(), 3);
    let text = |name| batch.column_by_name(name).unwrap().as_string::<i32>().value(0).to_owned();
    assert_eq!((&*text("iri_type"), &*text("from")), ("BEGIN", "sip:anonymous@invalid"));
    assert_eq!((&*text("src"), &*text("matched")), ("[2001:db8::1]:5060", "p_asserted_identity"));
    let asserted = batch.column_by_name("asserted").unwrap().as_list::<i32>().value(1);
    assert_eq!(asserted.as_string::<i32>().value(0), "tel:+33612345678");
    let parties = batch.column_by_name("parties").unwrap().as_list::<i32>().value(2);
    assert_eq!(parties.as_struct().column(0).as_string::<i32>().value(2), "p_asserted_identity");

    let index = site.dir.path().join(LIID).join("iri/run1-0000.json");
    let text = fs::read_to_string(&index).unwrap();
    for secret in ["336", "anonymous", "secret", "2001:db8"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let index = json(&index);
    assert_eq!((&index["rows"][2]["sequence"], &index["rows"][0]["event"]), (&2.into(), &"invite".into()));
    assert_eq!(site.totals().iri, 3);
}

impl Site {
    fn table_missing(&self, folder: &str) -> bool {
        !self.dir.path().join(LIID).join(folder).exists()
    }
}

#[test]
fn a_full_table_does_not_wait() {
    let mut site = Site::new();
    for n in 0..1500 {
        site.sink.accept(Product::Iri(Box::new(iri(n, START)))).unwrap();
    }
    assert_eq!(site.table("iri").len(), 1);
    site.sink.finish().unwrap();
    let rows: usize = site.table("iri").iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 1500);
}

#[test]
fn rows_survive_a_disk_that_comes_back_and_are_counted_when_it_does_not() {
    let mut site = Site::new();
    let blocked = site.dir.path().join(LIID).join("iri");
    fs::create_dir_all(blocked.parent().unwrap()).unwrap();
    fs::write(&blocked, b"").unwrap();
    for n in 0..10_000 {
        let _ = site.sink.accept(Product::Iri(Box::new(iri(n, START))));
    }
    assert_eq!(site.totals().rows_dropped, 10_000 - crate::table::MAX_HELD as u64);
    fs::remove_file(&blocked).unwrap();
    let _ = site.sink.advance(Time(START.0 + 20 * SECOND));
    assert_eq!(site.totals().iri, crate::table::MAX_HELD as u64);
    assert!(site.sink.finish().is_err(), "the failure is told at the end");
}

#[test]
fn texts_are_kept_apart() {
    let mut site = Site::new();
    let mut text = Rtp::nth(9, Side::Caller, 0).cc();
    text.kind = CcKind::Text;
    text.link = LinkType::UPPER_PDU;
    text.octets = Pii("rendez-vous à midi".into());
    text.addresses = Pii((endpoint(1, 5060), endpoint(2, 5060)));
    site.sink.accept(cc(text)).unwrap();
    site.sink.finish().unwrap();
    let batch = &site.table("texts")[0];
    assert_eq!(batch.column_by_name("text").unwrap().as_string::<i32>().value(0), "rendez-vous à midi");
    assert!(!site.recording(9).exists());
    assert_eq!(site.totals().texts, 1);
}

#[test]
fn a_mail_is_a_file_of_its_own_octet_for_octet() {
    let mut site = Site::new();
    let message = b"From: a@x.example\r\n\r\n\x00\xff.\r\n";
    for partial in [false, true] {
        let mut mail = Rtp::nth(9, Side::Caller, 0).cc();
        mail.kind = CcKind::Mail { partial };
        mail.octets = Pii(message.to_vec());
        site.sink.accept(cc(mail)).unwrap();
    }
    site.sink.finish().unwrap();
    assert_eq!(site.totals().mails, 2);
    let dir = site.dir.path().join("LI-TEST/mails");
    let mut names: Vec<_> =
        fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 4);
    assert_eq!(open(&dir.join(&names[0]), &site.key), message);
    let index = fs::read_to_string(dir.join(&names[3])).unwrap();
    assert!(index.contains("\"partial\":true") && index.contains("\"cin\":9"), "{index}");
    assert!(!index.contains("x.example"), "{index}");
}

#[test]
fn tasks_are_checked_when_they_are_added() {
    let mut site = Site::new();
    let code = |result: Result<(), SinkError>| result.unwrap_err().code();
    assert_eq!(code(site.sink.add_task(TaskId(1), "../x", &[])), "name");
    assert_eq!(code(site.sink.add_task(TaskId(1), "LI-2", &["age1x".to_owned()])), "recipient");
    assert_eq!(code(site.sink.add_task(TaskId(1), LIID, &[])), "duplicate");
    let stray = |task| Iri { task: TaskId(task), ..iri(0, START) };
    assert_eq!(code(site.sink.accept(Product::Iri(Box::new(stray(5))))), "unknown_task");
    site.sink.add_task(TaskId(1), "LI-2", &[]).unwrap();
    assert_eq!(code(site.sink.accept(Product::Iri(Box::new(stray(1))))), "no_recipient");
    assert_eq!(Sink::new(PathBuf::from("/x"), "a/b".to_owned()).unwrap_err().code(), "name");
}

/// Canary: no clear octet of content or identity is in any file, whatever state the run is in.
#[test]
fn no_file_holds_clear_content() {
    const MARK: &[u8] = b"CANARY-7f3a";
    let mut site = Site::new();
    let payload: Vec<u8> = MARK.iter().copied().cycle().take(160).collect();
    for n in 0..700 {
        let packet = Rtp { payload: payload.clone(), ..Rtp::nth(7, Side::Caller, n) };
        site.sink.accept(cc(packet.cc())).unwrap();
        let mut row = iri(u32::from(n), packet.at);
        row.facts.name = Some(Pii("canary-7f3a.example".into()));
        row.liid = Liid(Arc::from(LIID));
        site.sink.accept(Product::Iri(Box::new(row))).unwrap();
    }
    let mut checked = 0;
    let mut dirs = vec![site.dir.path().to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() {
                dirs.push(entry);
                continue;
            }
            let octets = fs::read(&entry).unwrap();
            for mark in [MARK, b"canary-7f3a", b"33612345678"] {
                assert!(!octets.windows(mark.len()).any(|w| w == mark), "{}", entry.display());
            }
            checked += 1;
        }
    }
    assert!(checked >= 5);
}
