//! Measures how fast call records are sealed: `cargo run --release -p mandat-sink --example seal_bench`.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, reason = "a measuring tool")]

use std::time::Instant;

use mandat_core::{CallRecord, EndReason, Party, Pii, Role, TaskId, Time};
use mandat_sink::RecordSealer;

fn record(n: u32) -> CallRecord {
    let start = Time(1_780_272_000_000_000_000 + i64::from(n) * 1_000_000);
    let (caller, callee) = (format!("336{n:08}"), format!("337{:08}", n.wrapping_mul(7) % 100_000_000));
    let party = |role, number: &str| Party { role, uri: Pii(format!("sip:+{number}@example.com").into()) };
    CallRecord {
        course: None,
        task: TaskId(0),
        start,
        ringing: Some(start.plus_seconds(2)),
        answer: Some(start.plus_seconds(5)),
        end: Some(start.plus_seconds(65)),
        end_reason: EndReason::Bye,
        status: Some(200),
        parties: vec![
            party(Role::From, &caller),
            party(Role::To, &callee),
            party(Role::RequestUri, &callee),
            party(Role::PAssertedIdentity, &caller),
        ],
        caller: Pii(caller.into()),
        callee: Pii(callee.into()),
        call_id: Pii(format!("{n:08x}-4f0c-11f1@192.0.2.1").into()),
        src: Pii("192.0.2.1".parse().unwrap()),
        dst: Pii("192.0.2.2".parse().unwrap()),
    }
}

fn main() {
    const RECORDS: u32 = 200_000;
    for _ in 0..3 {
        let records: Vec<_> = (0..RECORDS).map(record).collect();
        let mut sealer = RecordSealer::default();
        sealer.put_period_key("2026-06".to_owned(), [7; 32]);
        let begin = Instant::now();
        for record in records {
            sealer.accept(record).unwrap();
        }
        let batches = sealer.take(true).unwrap();
        let seconds = begin.elapsed().as_secs_f64();
        let octets: usize = batches.iter().map(|b| b.2.len()).sum();
        println!("{RECORDS} records, {} batches, {octets} octets, {seconds:.3} s", batches.len());
    }
}
