use super::*;
use crate::decode::isup::tests::{iam, number};
use crate::decode::map::tests::begin;
use crate::decode::mtp3::Label;
use crate::decode::sccp::tests::{udt, xudt};
use crate::decode::sctp::tests::built;
use crate::decode::sigtran::tests::m3ua;
use crate::decode::sms::Direction;
use crate::decode::tcap::tests::message;
use crate::decode::{rtp, sip};
use crate::product::{Role, Side};
use crate::session::call::Call;
use crate::session::{Change, Flow, NameVia, Sessions, Text, TextVia};

/// A text: how it came, its words, its parties.
type Heard = (TextVia, Option<String>, Vec<(Role, String)>);

/// Keeps texts, and the numbers of messages.
#[derive(Default)]
struct Ear {
    texts: Vec<Heard>,
    isup: Vec<(u32, u32, Option<String>)>,
    whole_packets: usize,
    carriers: Vec<Carrier>,
    repeated: u64,
}

impl Observer for Ear {
    fn signal(&mut self, _: &mut Call, _: Change, _: &sip::Message<'_>, _: &Seen<'_>) {}
    fn circuit(&mut self, _: &mut Call, _: Change, carrier: Carrier, seen: &Seen<'_>) {
        self.carriers.push(carrier);
        self.whole_packets += usize::from(seen.packet.is_some());
    }
    fn isup(&mut self, leg: &Leg, message: &Message<'_>, _: &Seen<'_>) {
        self.isup.push((leg.label.opc, leg.circuit, message.called.map(|n| n.digits())));
    }
    fn rtp(&mut self, _: &mut Call, _: usize, _: &rtp::Packet<'_>, _: &Seen<'_>) {}
    fn rtcp(&mut self, _: &mut Call, _: Side, _: &Seen<'_>) {}
    fn call_closed(&mut self, _: &mut Call, _: Time) {}
    fn text(&mut self, text: &Text<'_>, _: &Seen<'_>) {
        let parties = text.parties.iter().map(|p| (p.role, p.uri.0.to_string())).collect();
        self.texts.push((text.via, text.text.map(str::to_owned), parties));
    }
    fn name(&mut self, _: &mut Flow, _: NameVia, _: &str, _: &Seen<'_>) {}
    fn flow_closed(&mut self, _: &mut Flow, _: Time) {}
    fn count(&mut self, what: Counter, n: u64) {
        if matches!(what, Counter::MessagesRepeated | Counter::SctpRepeated) {
            self.repeated += n;
        }
    }
}

const LABEL: Label = Label { opc: 1, dpc: 2, network: 2 };

/// An IPv4 packet of SCTP, or of SCTP in UDP.
fn ip(sctp: &[u8], in_udp: bool) -> Vec<u8> {
    let udp = [&[0x26, 0xab, 0x26, 0xab][..], &(8 + sctp.len() as u16).to_be_bytes(), &[0, 0]].concat();
    let payload = if in_udp { [&udp[..], sctp].concat() } else { sctp.to_vec() };
    let length = (20 + payload.len() as u16).to_be_bytes();
    let protocol = if in_udp { 17 } else { 132 };
    let header = [0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    [&header[..], &payload].concat()
}

fn run(packets: &[(LinkType, Vec<u8>)]) -> Ear {
    let (mut sessions, mut ear) = (Sessions::new(), Ear::default());
    for (link, data) in packets {
        let packet = Packet { ts: Time(1), link: *link, data, wire_len: data.len() as u32 };
        sessions.handle(&packet, &mut ear);
    }
    sessions.finish(&mut ear);
    ear
}

/// One user message a packet, over M3UA.
fn over_m3ua(service_indicator: u8, payloads: &[Vec<u8>]) -> Ear {
    let packet = |(n, payload): (usize, &Vec<u8>)| {
        let data = m3ua(LABEL, service_indicator, payload);
        (LinkType::RAW, ip(&built(1, &[(3, n as u32, 3, &data)]), false))
    };
    run(&payloads.iter().enumerate().map(packet).collect::<Vec<_>>())
}

fn setup(circuit: &[u8]) -> Vec<u8> {
    [circuit, &iam(&number(4, 0x10, "33145678901"), &[])].concat()
}

#[test]
fn isup_on_every_carrier() {
    let setup = setup(&[5, 0]);
    let unit = [&[0x85, 0x02, 0x40, 0x00, 0x00][..], &setup].concat();
    let frame = |unit: &[u8]| [&[0, 0, unit.len().min(63) as u8][..], unit, &[0xaa, 0xbb]].concat();
    let m2ua = {
        let length = 4 + unit.len() as u16;
        let value = [&[3, 0][..], &length.to_be_bytes(), &unit].concat();
        [&[1, 0, 6, 1][..], &(8 + value.len() as u32).to_be_bytes(), &value].concat()
    };
    let m2pa = {
        let body = [&[0, 0, 0, 1, 0, 0, 0, 2, 0][..], &unit].concat();
        [&[1, 0, 11, 1][..], &(8 + body.len() as u32).to_be_bytes(), &body].concat()
    };
    let sctp = |ppid, data: &[u8]| built(1, &[(3, 1, ppid, data)]);
    for (packet, carrier) in [
        ((LinkType(141), unit.clone()), Carrier::Mtp3),
        ((LinkType(140), frame(&unit)), Carrier::Mtp3),
        ((LinkType(139), [&[0; 4][..], &frame(&unit)].concat()), Carrier::Mtp3),
        ((LinkType::RAW, ip(&sctp(3, &m3ua(LABEL, 5, &setup)), false)), Carrier::M3ua),
        ((LinkType::RAW, ip(&sctp(3, &m3ua(LABEL, 5, &setup)), true)), Carrier::M3ua),
        ((LinkType::SCTP, sctp(3, &m3ua(LABEL, 5, &setup))), Carrier::M3ua),
        ((LinkType::RAW, ip(&sctp(2, &m2ua), false)), Carrier::M2ua),
        ((LinkType::RAW, ip(&sctp(5, &m2pa), false)), Carrier::M2pa),
    ] {
        let ear = run(std::slice::from_ref(&packet));
        assert_eq!(ear.isup, [(1, 5, Some("33145678901".into()))], "{packet:?}");
        assert_eq!((ear.carriers, ear.whole_packets), (vec![carrier], 1), "{packet:?}");
    }
}

#[test]
fn bicc_has_longer_codes() {
    let ear = over_m3ua(13, &[setup(&[18, 0, 1, 0])]);
    assert_eq!(ear.isup, [(1, 0x0001_0012, Some("33145678901".into()))]);
}

#[test]
fn a_link_of_ansi_labels_is_read_as_such() {
    let setup = setup(&[5, 0]);
    let unit = [&[0x85, 3, 2, 1, 6, 5, 4, 0][..], &setup].concat();
    assert_eq!(run(&[(LinkType(141), unit)]).isup, [(0x04_05_06, 5, Some("33145678901".into()))]);
}

#[test]
fn a_packet_with_other_peoples_chunks_is_no_evidence() {
    let (one, two) = (m3ua(LABEL, 5, &setup(&[5, 0])), m3ua(LABEL, 5, &setup(&[6, 0])));
    let ear = run(&[(LinkType::RAW, ip(&built(1, &[(3, 1, 3, &one), (3, 2, 3, &two)]), false))]);
    assert_eq!((ear.isup.len(), ear.whole_packets), (2, 0));
}

/// SMS-SUBMIT of "test" to 122, SMS-DELIVER of "test" from +33612345678.
const SUBMIT: &[u8] = &[0x01, 0x07, 0x03, 0x81, 0x21, 0xf2, 0, 0, 4, 0xf4, 0xf2, 0x9c, 0x0e];
const DELIVER: &[u8] = &[
    0x04, 0x0b, 0x91, 0x33, 0x16, 0x32, 0x54, 0x76, 0xf8, 0, 0, 0x52, 0x50, 0x31, 0x21, 0x43, 0x65, 0, 4,
    0xf4, 0xf2, 0x9c, 0x0e,
];

#[test]
fn p47_short_messages_of_map() {
    for version in 1..=3 {
        let messages = [(Direction::Submit, SUBMIT), (Direction::Deliver, DELIVER)]
            .map(|(direction, tpdu)| udt(&begin(direction, version, tpdu)));
        let ear = over_m3ua(3, &messages);
        let text = Some("test".to_owned());
        let (number, short, imsi) = ("+33612345678", "122", "imsi:208001234567890");
        let party = |role, text: &str| (role, text.to_owned());
        assert_eq!(
            ear.texts,
            [
                (
                    TextVia::Map,
                    text.clone(),
                    vec![party(Role::Originator, number), party(Role::Recipient, short)]
                ),
                (TextVia::Map, text, vec![party(Role::Recipient, imsi), party(Role::Originator, number)]),
            ],
            "version {version}"
        );
    }
}

#[test]
fn p47_a_message_seen_on_two_hops_is_one() {
    let unit = udt(&begin(Direction::Submit, 3, SUBMIT));
    let ear = over_m3ua(3, &[unit.clone(), unit]);
    assert_eq!((ear.texts.len(), ear.repeated), (1, 1));
}

#[test]
fn p46_the_acknowledgement_of_a_short_message_is_none() {
    // The result of mt-ForwardSM, with SMS-DELIVER-REPORT in its SM-RP-UI.
    let ear = over_m3ua(3, &[udt(&message(0x64, 0xa2, 44, &[0x30, 4, 4, 2, 0, 0]))]);
    assert!(ear.texts.is_empty());
}

#[test]
fn p47_a_segmented_unit_holds_one_message() {
    let whole = begin(Direction::Submit, 3, SUBMIT);
    let (head, tail) = whole.split_at(20);
    let ear = over_m3ua(3, &[xudt(true, 1, 9, head), xudt(false, 0, 9, tail)]);
    assert_eq!(ear.texts.len(), 1);
}

#[test]
fn p47_a_capture_of_sccp_alone_is_read() {
    let unit = udt(&begin(Direction::Submit, 3, SUBMIT));
    assert_eq!(run(&[(LinkType::SCCP, unit)]).texts.len(), 1);
}
