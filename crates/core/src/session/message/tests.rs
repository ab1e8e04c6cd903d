use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;
use crate::decode::rtp;
use crate::decode::smpp::tests::{Sm, pdu, sm};
use crate::packet::{Endpoint, Transport};
use crate::product::Side;
use crate::session::{Change, Flow, NameVia, call};

const SUBMIT_SM: u32 = 4;
const DELIVER_SM: u32 = 5;

/// A text as it was told.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Told {
    via: TextVia,
    parties: Vec<(Role, String)>,
    text: Option<String>,
    parts: u8,
    partial: bool,
}

#[derive(Default)]
struct Ear {
    told: Vec<Told>,
    receipts: Vec<(&'static str, Vec<String>)>,
    counters: crate::counters::Counters,
}

impl Observer for Ear {
    fn signal(&mut self, _: &mut call::Call, _: Change, _: &sip::Message<'_>, _: &Seen<'_>) {}
    fn rtp(&mut self, _: &mut call::Call, _: usize, _: &rtp::Packet<'_>, _: &Seen<'_>) {}
    fn rtcp(&mut self, _: &mut call::Call, _: Side, _: &Seen<'_>) {}
    fn call_closed(&mut self, _: &mut call::Call, _: Time) {}
    fn text(&mut self, text: &Text<'_>, _: &Seen<'_>) {
        self.told.push(Told {
            via: text.via,
            parties: text.parties.iter().map(|p| (p.role, p.uri.0.to_string())).collect(),
            text: text.text.map(str::to_owned),
            parts: text.parts,
            partial: text.partial,
        });
    }
    fn receipt(&mut self, receipt: &Receipt<'_>, _: &Seen<'_>) {
        let uris = receipt.parties.iter().map(|p| p.uri.0.to_string()).collect();
        self.receipts.push((receipt.state.name(), uris));
    }
    fn name(&mut self, _: &mut Flow, _: NameVia, _: &str, _: &Seen<'_>) {}
    fn flow_closed(&mut self, _: &mut Flow, _: Time) {}
    fn count(&mut self, what: Counter, n: u64) {
        self.counters.add(what, n);
    }
}

impl Ear {
    fn texts(&self) -> Vec<Option<&str>> {
        self.told.iter().map(|t| t.text.as_deref()).collect()
    }
}

fn seen(payload: &[u8], seconds: i64) -> Seen<'_> {
    let at = |last| Endpoint { ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port: 5060 };
    Seen {
        ts: Time(0).plus_seconds(seconds),
        src: at(1),
        dst: at(2),
        transport: Transport::Udp,
        packet: None,
        payload,
    }
}

fn request(branch: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "MESSAGE sip:bob@op.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch={branch}\r\nFrom: <sip:alice@op.example>;tag=1\r\n\
         To: <sip:bob@op.example>\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// What is told of one MESSAGE request.
fn sip_text(content_type: &str, body: &[u8]) -> Ear {
    let octets = request("b", content_type, body);
    let (mut messages, mut ear) = (Messages::default(), Ear::default());
    messages.sip(&sip::Message::parse(&octets).expect("SIP"), &seen(&octets, 0), &mut ear);
    ear
}

fn part(sequence: u8, total: u8, text: &[u8]) -> Vec<u8> {
    let text = [&[5, 0, 3, 9, total, sequence], text].concat();
    sm(SUBMIT_SM, &Sm { esm_class: 0x40, coding: 8, text: &text, optional: &[] })
}

#[test]
fn p46_bodies_of_sip_messages() {
    let mixed = b"--x\r\nContent-Type: text/plain\r\n\r\none\r\n--x\r\nContent-Type: text/html\r\n\r\n<b>two</b>\r\n--x--\r\n";
    let cpim = b"From: <im:alice@op.example>\r\nTo: <im:bob@op.example>\r\n\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nh\xc3\xa9";
    for (content_type, body, text) in [
        ("text/plain", &b"hello"[..], Some("hello")),
        ("text/plain;charset=UTF-8", "h\u{e9}".as_bytes(), Some("hé")),
        ("Text/Plain; Charset=\"iso-8859-1\"", b"h\xe9", Some("hé")),
        ("text/plain", b"h\xe9", Some("hé")),
        ("text/plain;charset=utf-16be", b"\0h\0i", Some("hi")),
        ("multipart/mixed;boundary=x", mixed, Some("one\n<b>two</b>")),
        ("message/cpim", cpim, Some("hé")),
        ("message/CPIM", b"From: <im:a@b>\n\nContent-Type: text/plain\n\nhi", Some("hi")),
        ("text/plain", b"", Some("")),
        ("image/png", b"\x89PNG", None),
    ] {
        let ear = sip_text(content_type, body);
        assert_eq!(ear.texts(), [text], "{content_type}");
        assert_eq!(ear.counters.get(Counter::MessagesUnreadable), u64::from(text.is_none()));
        assert!(ear.told[0].parties.contains(&(Role::From, "sip:alice@op.example".to_owned())));
    }
    let cpim =
        b"From: Alice <im:a@op.example>\r\nTo: <im:group@op.example>\r\n\r\nContent-Type: text/plain\r\n\
        Content-Transfer-Encoding: base64\r\n\r\naGk=";
    let ear = sip_text("message/cpim", cpim);
    assert_eq!(ear.texts(), [Some("hi")]);
    let parties = &ear.told[0].parties;
    assert!(parties.contains(&(Role::Originator, "im:a@op.example".to_owned())));
    assert!(parties.contains(&(Role::Recipient, "im:group@op.example".to_owned())));
    let imdn = b"From: <im:a@b>\r\n\r\nContent-Type: message/imdn+xml\r\n\r\n<imdn/>";
    for (content_type, body) in [("application/im-iscomposing+xml", &b"<x/>"[..]), ("message/cpim", imdn)] {
        assert!(sip_text(content_type, body).told.is_empty(), "{content_type}");
    }
}

#[test]
fn a_retransmission_is_no_message() {
    let (mut messages, mut ear) = (Messages::default(), Ear::default());
    for (branch, at) in [("b1", 0), ("b1", 1), ("b1", 3), ("b2", 4)] {
        let octets = request(branch, "text/plain", b"hi");
        messages.sip(&sip::Message::parse(&octets).expect("SIP"), &seen(&octets, at), &mut ear);
    }
    assert_eq!(ear.texts(), [Some("hi"), Some("hi")]);
    assert_eq!(ear.counters.get(Counter::MessagesRepeated), 2);
}

#[test]
fn p46_the_centre_is_no_party_of_a_short_message_over_ims() {
    let submit = b"\x00\x01\x00\x04\x91\x10\x32\xf4\x0d\x01\x07\x03\x81\x21\xf2\x00\x00\x04\xf4\xf2\x9c\x0e";
    let ear = sip_text("application/vnd.3gpp.sms", submit);
    assert_eq!(ear.texts(), [Some("test")]);
    assert_eq!(ear.told[0].via, TextVia::Ims);
    let expected = [(Role::From, "sip:alice@op.example".to_owned()), (Role::Recipient, "122".to_owned())];
    assert_eq!(ear.told[0].parties, expected);

    let mut deliver = b"\x01\x01\x04\x91\x10\x32\xf4\x00\x13\x04\x0b\x91\x33\x16\x32\x54\x76\xf8\0\0\x52\x50\x31\x21\x43\x65\0\x04\xf4\xf2\x9c\x0e".to_vec();
    deliver[8] = (deliver.len() - 9) as u8;
    let ear = sip_text("application/vnd.3gpp.sms", &deliver);
    assert_eq!(ear.texts(), [Some("test")]);
    let parties = &ear.told[0].parties;
    assert!(parties.contains(&(Role::Originator, "+33612345678".to_owned())));
    assert!(parties.contains(&(Role::To, "sip:bob@op.example".to_owned())));
    assert!(parties.iter().all(|(role, _)| *role != Role::From));

    // RP-ACK with a report inside.
    assert!(sip_text("application/vnd.3gpp.sms", b"\x02\x01\x41\x02\x00\x00").told.is_empty());
    // Damage is seen and said, in either layer; a report in RP-DATA is none.
    assert_eq!(sip_text("application/vnd.3gpp.sms", b"\x00\x01\x00\x00\x02\x01\x07").texts(), [None]);
    assert!(sip_text("application/vnd.3gpp.sms", b"\x00\x01\x00\x00\x02\x00\x00").told.is_empty());
    assert_eq!(sip_text("application/vnd.3gpp.sms", b"\x00\x01\x09").texts(), [None]);
}

#[test]
fn p45_receipts_are_no_messages() {
    let (mut messages, mut ear) = (Messages::default(), Ear::default());
    let receipt = sm(DELIVER_SM, &Sm { esm_class: 4, coding: 0, text: b"id:1 stat:DELIVRD", optional: &[] });
    messages.smpp(&receipt, &seen(&receipt, 0), &mut ear);
    assert!(ear.told.is_empty());
}

#[test]
fn a_damaged_operation_is_counted() {
    let (mut messages, mut ear) = (Messages::default(), Ear::default());
    let mut damaged = sm(SUBMIT_SM, &Sm { esm_class: 0, coding: 0, text: b"hi", optional: &[] });
    damaged[17] = 99;
    messages.smpp(&damaged, &seen(&damaged, 0), &mut ear);
    assert!(ear.told.is_empty());
    assert_eq!(ear.counters.get(Counter::MessagesUnreadable), 1);
}

#[test]
fn p42_octets_are_joined_before_they_are_read() {
    let (mut messages, mut ear) = (Messages::default(), Ear::default());
    for pdu in [part(2, 2, b"\xde\x00\0!"), part(1, 2, b"\0a\xd8\x3d")] {
        messages.smpp(&pdu, &seen(&pdu, 0), &mut ear);
    }
    assert_eq!(ear.texts(), [Some("a😀!")]);
    assert_eq!((ear.told[0].parts, ear.told[0].partial), (2, false));
}

#[test]
fn p43_what_never_becomes_whole_is_told_as_partial() {
    let (mut messages, mut ear) = (Messages::default(), Ear::default());
    for pdu in [part(1, 4, b"\0b"), part(3, 4, b"\0d"), part(4, 4, b"\0e"), part(1, 4, b"\0b")] {
        messages.smpp(&pdu, &seen(&pdu, 5), &mut ear);
    }
    messages.advance(Time(0).plus_seconds(604), &mut ear);
    assert!(ear.told.is_empty());
    messages.advance(Time(0).plus_seconds(605), &mut ear);
    // The gap keeps `b` and `de` from becoming a word.
    assert_eq!(ear.texts(), [Some("b\u{fffd}de")]);
    assert!(ear.told[0].partial);
    assert_eq!(ear.counters.get(Counter::PartsDropped), 3);
    messages.finish(Time(0), &mut ear);
    assert_eq!(ear.told.len(), 1);
}

#[test]
fn p43_a_copy_after_the_end_is_no_message_but_a_reused_reference_is() {
    let (mut messages, mut ear) = (Messages::default(), Ear::default());
    for pdu in
        [part(1, 2, b"\0a"), part(2, 2, b"\0b"), part(2, 2, b"\0b"), part(1, 2, b"\0c"), part(2, 2, b"\0d")]
    {
        messages.smpp(&pdu, &seen(&pdu, 0), &mut ear);
    }
    messages.finish(Time(0), &mut ear);
    assert_eq!(ear.texts(), [Some("ab"), Some("cd")]);
    assert_eq!(ear.counters.get(Counter::MessagesRepeated), 1);
    assert_eq!(ear.counters.get(Counter::Messages), 2);
}

#[test]
fn p43_impossible_part_numbers_stand_alone() {
    let (mut messages, mut ear) = (Messages::default(), Ear::default());
    for pdu in [part(3, 2, b"\0a"), part(0, 2, b"\0b"), part(1, 1, b"\0c"), part(1, 0, b"\0d")] {
        messages.smpp(&pdu, &seen(&pdu, 0), &mut ear);
    }
    assert_eq!(ear.texts(), [Some("a"), Some("b"), Some("c"), Some("d")]);
}

#[test]
fn p43_parts_of_another_kind_are_of_another_message() {
    let (mut messages, mut ear) = (Messages::default(), Ear::default());
    let other =
        sm(SUBMIT_SM, &Sm { esm_class: 0x40, coding: 4, text: b"\x05\0\x03\x09\x02\x02abc", optional: &[] });
    for pdu in [part(1, 2, b"\0a"), other] {
        messages.smpp(&pdu, &seen(&pdu, 0), &mut ear);
    }
    messages.finish(Time(0), &mut ear);
    assert_eq!(ear.texts(), [Some("a"), None]);
    assert!(ear.told.iter().all(|told| told.partial));
}

#[test]
fn what_is_held_is_bounded_and_nothing_is_lost_unsaid() {
    const OCTETS: u16 = 60_000;
    let (mut messages, mut ear) = (Messages::default(), Ear::default());
    let count = parts::MAX_HELD / usize::from(OCTETS) + 10;
    for n in 0..count as u16 {
        let [high, low] = n.to_be_bytes();
        let [length_high, length_low] = OCTETS.to_be_bytes();
        let mut optional = vec![
            2,
            0x0c,
            0,
            2,
            high,
            low,
            2,
            0x0e,
            0,
            1,
            2,
            2,
            0x0f,
            0,
            1,
            1,
            4,
            0x24,
            length_high,
            length_low,
        ];
        optional.resize(optional.len() + usize::from(OCTETS), b'a');
        let pdu = sm(SUBMIT_SM, &Sm { esm_class: 0, coding: 4, text: &[], optional: &optional });
        messages.smpp(&pdu, &seen(&pdu, 0), &mut ear);
        assert!(messages.parts.held() <= parts::MAX_HELD);
    }
    let evicted = ear.counters.get(Counter::MessagesEvicted);
    assert!(evicted >= 10 && evicted == ear.told.len() as u64);
    messages.finish(Time(0), &mut ear);
    assert_eq!((ear.told.len(), messages.parts.held()), (count, 0));
}

/// An answer of the centre to what `sm` sends.
fn submit_response(id: &[u8]) -> Vec<u8> {
    pdu(0x8000_0000 | SUBMIT_SM, &[id, b"\0"].concat())
}

fn back(payload: &[u8], seconds: i64) -> Seen<'_> {
    let there = seen(payload, seconds);
    Seen { src: there.dst, dst: there.src, ..there }
}

#[test]
fn p45_a_receipt_is_linked_to_its_message_and_counted_apart() {
    for (answered, reported, is_linked) in [
        (&b"0406"[..], &b"406"[..], true),
        (b"406", b"0000406", true),
        (b"A1F", b"a1f", true),
        (b"A1F", b"2591", true),
        (b"2591", b"a1f", true),
        (b"406", b"407", false),
    ] {
        for coding in [0, 8] {
            let (mut messages, mut ear) = (Messages::default(), Ear::default());
            let submit = sm(SUBMIT_SM, &Sm { esm_class: 0, coding: 0, text: b"tournesol", optional: &[] });
            messages.smpp(&submit, &seen(&submit, 0), &mut ear);
            let answer = submit_response(answered);
            messages.smpp(&answer, &back(&answer, 1), &mut ear);
            let text = [b"id:", reported, b" sub:001 dlvrd:001 stat:DELIVRD err:000 text:tournesol"].concat();
            let receipt = sm(DELIVER_SM, &Sm { esm_class: 4, coding, text: &text, optional: &[] });
            // From the recipient to the originator, as receipts go.
            let receipt = turned(&receipt);
            messages.smpp(&receipt, &back(&receipt, 2), &mut ear);
            assert_eq!(ear.texts(), [Some("tournesol")]);
            let counted = [Counter::Messages, Counter::Receipts, Counter::ReceiptsUnlinked]
                .map(|c| ear.counters.get(c));
            assert_eq!(counted, [1, 1, u64::from(!is_linked)]);
            let parties = vec!["122".to_owned(), "+447700900123".to_owned()];
            let expected = if is_linked { vec![("delivered", parties)] } else { Vec::new() };
            assert_eq!(ear.receipts, expected, "{}", String::from_utf8_lossy(reported));
        }
    }
}

/// A receipt for the first part may come before the last part was sent: who gets the message isn't known then.
#[test]
fn p45_a_receipt_of_a_part_waits_for_the_whole_message() {
    let (mut messages, mut ear) = (Messages::default(), Ear::default());
    let mut reports = Vec::new();
    for (n, id) in [(1, b"11"), (2, b"12")] {
        let text = [&[5, 0, 3, 9, 2, n], &b"half "[..]].concat();
        let submit = sm(SUBMIT_SM, &Sm { esm_class: 0x40, coding: 0, text: &text, optional: &[] });
        messages.smpp(&submit, &seen(&submit, 0), &mut ear);
        let answer = submit_response(id);
        messages.smpp(&answer, &back(&answer, 0), &mut ear);
        let text = [b"id:", &id[..], b" stat:DELIVRD"].concat();
        let receipt = turned(&sm(DELIVER_SM, &Sm { esm_class: 4, coding: 0, text: &text, optional: &[] }));
        messages.smpp(&receipt, &back(&receipt, 0), &mut ear);
        reports.push((ear.told.len(), ear.receipts.len()));
    }
    assert_eq!(reports, [(0, 0), (1, 2)]);
}

/// `sm` with its two addresses exchanged.
fn turned(pdu: &[u8]) -> Vec<u8> {
    let (head, rest) = pdu.split_at(17);
    let (from, rest) = rest.split_at(b"\x01\x01447700900123\0".len());
    let (to, rest) = rest.split_at(b"\0\x01122\0".len());
    [head, to, from, rest].concat()
}

#[test]
fn p45_parameters_name_the_message_before_text_does() {
    let (mut messages, mut ear) = (Messages::default(), Ear::default());
    let submit = sm(SUBMIT_SM, &Sm { esm_class: 0, coding: 0, text: b"hi", optional: &[] });
    messages.smpp(&submit, &seen(&submit, 0), &mut ear);
    let answer = submit_response(b"77");
    messages.smpp(&answer, &back(&answer, 0), &mut ear);
    let optional = b"\0\x1e\0\x0377\0\x04\x27\0\x01\x05";
    let receipt = sm(DELIVER_SM, &Sm { esm_class: 0, coding: 0, text: b"id:1 stat:DELIVRD", optional });
    messages.smpp(&receipt, &back(&receipt, 1), &mut ear);
    assert_eq!(ear.receipts.iter().map(|r| r.0).collect::<Vec<_>>(), ["undeliverable"]);
    assert_eq!(ear.told.len(), 1);
}

#[test]
fn p45_what_only_reads_like_a_receipt_is_a_message_unless_it_names_one() {
    let (mut messages, mut ear) = (Messages::default(), Ear::default());
    let forged =
        sm(DELIVER_SM, &Sm { esm_class: 0, coding: 0, text: b"id:9 stat:DELIVRD tournesol", optional: &[] });
    messages.smpp(&forged, &back(&forged, 0), &mut ear);
    assert_eq!(ear.texts(), [Some("id:9 stat:DELIVRD tournesol")]);
    let submit = sm(SUBMIT_SM, &Sm { esm_class: 0, coding: 0, text: b"hi", optional: &[] });
    messages.smpp(&submit, &seen(&submit, 0), &mut ear);
    let answer = submit_response(b"9");
    messages.smpp(&answer, &back(&answer, 0), &mut ear);
    messages.smpp(&forged, &back(&forged, 0), &mut ear);
    assert_eq!((ear.told.len(), ear.receipts.len()), (2, 1));
}

#[test]
fn p45_a_status_report_over_ims_is_linked() {
    let (mut messages, mut ear) = (Messages::default(), Ear::default());
    let mut sip = |branch: &str, from: &str, to: &str, body: &[u8]| {
        let octets = request(branch, "application/vnd.3gpp.sms", body);
        let text = String::from_utf8_lossy(&octets).replace("bob@op", "X@op");
        assert!(text.contains("X@op"));
        let swapped: Vec<u8> = replace(&replace(&octets, b"alice", from.as_bytes()), b"bob", to.as_bytes());
        messages.sip(&sip::Message::parse(&swapped).expect("SIP"), &seen(&swapped, 0), &mut ear);
    };
    // TP-MR 5 to 122; then RP-DATA to the mobile with an SMS-STATUS-REPORT of it.
    sip(
        "b1",
        "alice",
        "psi",
        b"\x00\x01\x00\x04\x91\x10\x32\xf4\x0d\x01\x05\x03\x81\x21\xf2\x00\x00\x04\xf4\xf2\x9c\x0e",
    );
    let report = b"\x02\x05\x03\x81\x21\xf2\x52\x50\x31\x21\x43\x65\x00\x52\x50\x31\x21\x43\x65\x00\x46";
    let body = [&b"\x01\x01\x04\x91\x10\x32\xf4\x00"[..], &[report.len() as u8], report].concat();
    sip("b2", "psi", "alice", &body);
    assert_eq!(ear.texts(), [Some("test")]);
    assert_eq!(ear.receipts.iter().map(|r| r.0).collect::<Vec<_>>(), ["expired"]);
    assert_eq!(ear.counters.get(Counter::ReceiptsUnlinked), 0);
}

fn replace(octets: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), octets);
    while let Some(at) = memchr::memmem::find(rest, from) {
        out.extend(&rest[..at]);
        out.extend(to);
        rest = &rest[at + from.len()..];
    }
    out.extend(rest);
    out
}

#[test]
fn p43_a_keyword_across_a_part_boundary_is_whole() {
    let (mut messages, mut ear) = (Messages::default(), Ear::default());
    for pdu in [part(2, 2, b"\0s\0o\0l"), part(1, 2, b"\0t\0o\0u\0r\0n\0e")] {
        messages.smpp(&pdu, &seen(&pdu, 0), &mut ear);
    }
    let keywords = crate::keyword::Keywords::new(&[("tournesol", true)]).expect("a keyword");
    assert_eq!(keywords.find(ear.texts()[0].expect("text")).len(), 1);
}

#[test]
fn p44_sar_parameters_join_parts_as_a_header_does() {
    let (mut messages, mut ear) = (Messages::default(), Ear::default());
    for (sequence, text) in [(2, b"sol"), (1, b"tou")] {
        let mut optional =
            vec![2, 0x0c, 0, 2, 0, 0, 2, 0x0e, 0, 1, 2, 2, 0x0f, 0, 1, sequence, 4, 0x24, 0, 3];
        optional.extend(text);
        let pdu = sm(SUBMIT_SM, &Sm { esm_class: 0, coding: 1, text: &[], optional: &optional });
        messages.smpp(&pdu, &seen(&pdu, 0), &mut ear);
    }
    // Reference 0 is as good as any other.
    assert_eq!(ear.texts(), [Some("tousol")]);
}

proptest! {
    #[test]
    fn p43_parts_in_any_order_give_the_same_text(
        order in Just((1u8..=6).collect::<Vec<_>>()).prop_shuffle(), again in proptest::collection::vec(0usize..6, 0..6),
    ) {
        let (mut messages, mut ear) = (Messages::default(), Ear::default());
        let pdus: Vec<_> = order.iter().map(|n| part(*n, 6, &[0, b'a' + n])).collect();
        for (index, pdu) in pdus.iter().enumerate() {
            messages.smpp(pdu, &seen(pdu, 0), &mut ear);
            for copy in again.iter().filter(|copy| **copy <= index) {
                messages.smpp(&pdus[*copy], &seen(pdu, 0), &mut ear);
            }
        }
        messages.finish(Time(0), &mut ear);
        prop_assert_eq!(ear.texts(), [Some("bcdefg")]);
    }

    #[test]
    fn p43_interleaved_messages_stay_apart(order in Just((0..8).collect::<Vec<u8>>()).prop_shuffle()) {
        let (mut messages, mut ear) = (Messages::default(), Ear::default());
        for n in order {
            let (reference, sequence) = (n / 4, n % 4 + 1);
            let text = [5, 0, 3, reference, 4, sequence, b'A' + n];
            let pdu = sm(SUBMIT_SM, &Sm { esm_class: 0x40, coding: 1, text: &text, optional: &[] });
            messages.smpp(&pdu, &seen(&pdu, 0), &mut ear);
        }
        let mut texts = ear.texts();
        texts.sort_unstable();
        prop_assert_eq!(texts, [Some("ABCD"), Some("EFGH")]);
    }

    #[test]
    fn bodies_never_panic(content_type in "(text/plain|message/cpim|application/vnd.3gpp.sms|multipart/mixed;boundary=x)", body: Vec<u8>) {
        let ear = sip_text(&content_type, &body);
        prop_assert!(ear.told.len() <= 1);
    }
}
