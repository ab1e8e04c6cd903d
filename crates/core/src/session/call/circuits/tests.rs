use super::*;
use crate::decode::isup::tests::{iam, number};
use crate::decode::mtp3::Variant;
use crate::decode::{rtp, sip};
use crate::packet::{Endpoint, Transport};
use crate::product::Side;
use crate::session::{Flow, NameVia, Text};

/// Keeps what it hears of calls.
#[derive(Default)]
struct Ear {
    changes: Vec<Change>,
    closed: Vec<Told>,
    counted: Vec<Counter>,
}

struct Told {
    parties: Vec<(Role, String)>,
    times: [Option<i64>; 3],
    reason: Option<EndReason>,
    status: Option<u16>,
}

impl Observer for Ear {
    fn signal(&mut self, _: &mut Call, _: Change, _: &sip::Message<'_>, _: &Seen<'_>) {}
    fn circuit(&mut self, _: &mut Call, change: Change, _: Carrier, _: &Seen<'_>) {
        self.changes.push(change);
    }
    fn rtp(&mut self, _: &mut Call, _: usize, _: &rtp::Packet<'_>, _: &Seen<'_>) {}
    fn rtcp(&mut self, _: &mut Call, _: Side, _: &Seen<'_>) {}
    fn call_closed(&mut self, call: &mut Call, _: Time) {
        let seconds = |time: Option<Time>| time.map(|t| t.0 / 1_000_000_000);
        self.closed.push(Told {
            parties: call.parties.iter().map(|p| (p.role, p.uri.0.to_string())).collect(),
            times: [call.ringing, call.answer, call.end].map(seconds),
            reason: call.end_reason,
            status: call.final_status,
        });
    }
    fn text(&mut self, _: &Text<'_>, _: &Seen<'_>) {}
    fn name(&mut self, _: &mut Flow, _: NameVia, _: &str, _: &Seen<'_>) {}
    fn flow_closed(&mut self, _: &mut Flow, _: Time) {}
    fn count(&mut self, what: Counter, _: u64) {
        self.counted.push(what);
    }
}

/// Messages at a second each: who sends, circuit, octets from the message type on.
fn run(messages: &[(u32, u32, &[u8])]) -> Ear {
    let (mut circuits, mut ear) = (Circuits::default(), Ear::default());
    for (second, message) in messages.iter().enumerate() {
        send(&mut circuits, &mut ear, second as i64 * 1_000_000_000, message);
    }
    circuits.finish(Time(1_000_000_000_000), &mut ear);
    ear
}

fn send(circuits: &mut Circuits, ear: &mut Ear, at: i64, (opc, circuit, octets): &(u32, u32, &[u8])) {
    let end = Endpoint { ip: [192, 0, 2, 1].into(), port: 2905 };
    let label = Label { opc: *opc, dpc: 3 - opc, network: 2 };
    let leg = Leg { label, signalling: Signalling::Isup, circuit: *circuit, carrier: Carrier::M3ua };
    let seen =
        Seen { ts: Time(at), src: end, dst: end, transport: Transport::Sctp, packet: None, payload: octets };
    let message = Message::parse(octets, Variant::Itu).expect("message");
    circuits.message(&leg, &message, &seen, ear);
}

fn setup(called: &str) -> Vec<u8> {
    iam(&number(3, 0x10, called), &[(0x0a, &number(4, 0x13, "33612345678"))])
}

const ALERTING: &[u8] = &[6, 0x04, 0, 0];
const ANSWER: &[u8] = &[9, 0];
const RELEASE: &[u8] = &[0x0c, 2, 0, 2, 0x8a, 0x90];
const BUSY: &[u8] = &[0x0c, 2, 0, 2, 0x8a, 0x91];
const COMPLETE: &[u8] = &[0x10, 0];

fn called(told: &Told) -> Vec<&str> {
    told.parties.iter().filter(|(role, _)| *role == Role::CalledParty).map(|(_, text)| &**text).collect()
}

#[test]
fn a_call_from_iam_to_rlc() {
    let setup = setup("0145678901");
    let ear = run(&[(1, 5, &setup), (2, 5, ALERTING), (2, 5, ANSWER), (1, 5, RELEASE), (2, 5, COMPLETE)]);
    assert_eq!(ear.changes, [Change::Begin, Change::Ringing, Change::Answer, Change::End, Change::Nothing]);
    let told = &ear.closed[0];
    assert_eq!(told.times, [Some(1), Some(2), Some(3)]);
    assert_eq!((told.reason, told.status), (Some(EndReason::Bye), Some(200)));
    assert_eq!(
        told.parties,
        [(Role::CallingParty, "+33612345678".to_owned()), (Role::CalledParty, "0145678901;ton=2".to_owned())]
    );
}

#[test]
fn who_releases_before_the_answer_tells_how_the_call_ended() {
    let setup = setup("0145678901");
    let busy = run(&[(1, 5, &setup), (2, 5, BUSY), (1, 5, COMPLETE)]);
    assert_eq!((busy.closed[0].reason, busy.closed[0].status), (Some(EndReason::Failure), Some(486)));
    let given_up = run(&[(1, 5, &setup), (2, 5, ALERTING), (1, 5, RELEASE), (2, 5, COMPLETE)]);
    assert_eq!((given_up.closed[0].reason, given_up.closed[0].status), (Some(EndReason::Cancel), None));
    let unseen = run(&[(1, 5, &setup), (1, 5, COMPLETE)]);
    assert_eq!(unseen.closed[0].reason, Some(EndReason::Failure), "RLC answers the other side's REL");
}

#[test]
fn p21_subsequent_digits_make_one_number_and_its_beginning_is_nobodys() {
    let setup = setup("0145");
    let sam = |digits: &str| {
        let value = number(0, 0, digits);
        // Odd/even indicator, then the signals; pointer to the number, none to an optional part.
        [&[2, 2, 0, value.len() as u8 - 1, value[0] & 0x80][..], &value[2..]].concat()
    };
    let (first, second) = (sam("67"), sam("8901F"));
    let ear = run(&[(1, 5, &setup), (1, 5, &first), (1, 5, &second), (2, 5, ALERTING)]);
    assert_eq!(called(&ear.closed[0]), ["0145678901;ton=2"]);

    let (mut circuits, mut ear) = (Circuits::default(), Ear::default());
    for (at, octets) in [(0, &setup), (1_000_000_000, &first), (1_001_000_000, &first)] {
        send(&mut circuits, &mut ear, at, &(1, 5, octets));
        let parties = &circuits.table.values().next().expect("call").call.parties;
        assert!(parties.iter().all(|p| p.role != Role::CalledParty), "not complete yet");
    }
    send(&mut circuits, &mut ear, 2_000_000_000, &(2, 5, ALERTING));
    circuits.finish(Time(0), &mut ear);
    assert_eq!(called(&ear.closed[0]), ["014567;ton=2"], "the copy of another tap adds nothing");
}

#[test]
fn circuits_are_kept_apart_and_used_again() {
    let setup = setup("0145678901");
    let other = run(&[(1, 5, &setup), (1, 6, &setup), (2, 5, BUSY), (2, 6, ANSWER)]);
    let reasons: Vec<_> = other.closed.iter().map(|t| t.reason).collect();
    assert_eq!(reasons, [Some(EndReason::Failure), Some(EndReason::SourceEnded)]);
    // The release was lost: the next call on the circuit shows the first to be over, at a time that nobody knows.
    let again = run(&[(1, 5, &setup), (2, 5, ANSWER), (1, 5, &setup), (2, 5, BUSY)]);
    let ends: Vec<_> = again.closed.iter().map(|t| (t.reason, t.times[2])).collect();
    assert_eq!(ends, [(Some(EndReason::Timeout), None), (Some(EndReason::Failure), Some(3))]);
}

#[test]
fn of_two_seizures_the_one_in_control_stays() {
    let (one, two) = (setup("0145678901"), setup("0245678902"));
    // Point code 2 is the higher and keeps even circuits, whichever message the tap saw first.
    for order in [[(1, 6, &one), (2, 6, &two)], [(2, 6, &two), (1, 6, &one)]] {
        let ear = run(&order.map(|(opc, circuit, octets)| (opc, circuit, &octets[..])));
        assert_eq!(called(&ear.closed[ear.closed.len() - 1]), ["0245678902;ton=2"]);
    }
    let odd = run(&[(1, 7, &one), (2, 7, &two)]);
    assert_eq!(called(&odd.closed[0]), ["0145678901;ton=2"]);
}

#[test]
fn a_copy_of_an_iam_begins_no_second_call() {
    let (mut circuits, mut ear, setup) = (Circuits::default(), Ear::default(), setup("0145678901"));
    for at in [0, 10_000_000] {
        send(&mut circuits, &mut ear, at, &(1, 5, &setup));
    }
    circuits.finish(Time(0), &mut ear);
    assert_eq!((ear.changes.len(), ear.closed.len()), (1, 1));
}

#[test]
fn a_group_reset_ends_every_call_of_its_range() {
    let setup = setup("0145678901");
    let reset = [0x17, 1, 1, 1];
    let ear = run(&[(1, 5, &setup), (1, 6, &setup), (1, 7, &setup), (2, 5, &reset)]);
    let reasons: Vec<_> = ear.closed.iter().map(|t| t.reason).collect();
    assert_eq!(
        reasons,
        [Some(EndReason::Failure), Some(EndReason::Failure), Some(EndReason::SourceEnded)],
        "circuits 5 and 6, and not 7"
    );
}

#[test]
fn segmented_and_late_numbers_are_kept() {
    let setup = setup("0145678901");
    let original = number(3, 0x10, "0311223344");
    let segment = [&[0x38, 1, 0x28, original.len() as u8][..], &original, &[0]].concat();
    let connected = number(4, 0x13, "33199999999");
    let answer = [&[9, 1, 0x21, connected.len() as u8][..], &connected, &[0]].concat();
    let ear = run(&[(1, 5, &setup), (1, 5, &segment), (2, 5, &answer)]);
    let roles: Vec<_> = ear.closed[0].parties.iter().map(|(role, _)| *role).collect();
    assert_eq!(roles, [Role::CallingParty, Role::OriginalCalled, Role::CalledParty, Role::Connected]);
}

#[test]
fn a_silent_setup_leaves_in_time_and_a_flood_stays_within_the_limit() {
    const LIMIT: usize = 100;
    let (mut circuits, mut ear, setup) = (Circuits::with_limit(LIMIT), Ear::default(), setup("0145678901"));
    for circuit in 0..LIMIT as u32 + 10 {
        send(&mut circuits, &mut ear, 0, &(1, circuit, &setup));
    }
    assert_eq!(circuits.table.len(), LIMIT);
    assert_eq!(ear.counted.iter().filter(|c| **c == Counter::CallsEvicted).count(), 10);
    for seconds in (CHECK_SECONDS..400).step_by(10) {
        circuits.advance(Time(0).plus_seconds(seconds), &mut ear);
    }
    assert_eq!((circuits.table.len(), circuits.expiry.len()), (0, 0));
}
