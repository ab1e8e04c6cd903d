//! Who holds which address, exactly from when to when.

use std::net::IpAddr;

use super::*;
use crate::decode::{dhcp, dhcpv6, diameter, gtpv1c, gtpv2c, radius, rtp, sip};
use crate::packet::{Endpoint, Transport};
use crate::product::Side;
use crate::session::call::Call;
use crate::session::{Change, Flow, NameVia, Text};

/// Writes down what it hears.
#[derive(Default)]
struct Heard {
    /// Address, first identity, seconds of start and end.
    over: Vec<(String, String, i64, Option<i64>)>,
    counts: hashbrown::HashMap<&'static str, u64>,
}

impl Observer for Heard {
    fn signal(&mut self, _: &mut Call, _: Change, _: &sip::Message<'_>, _: &Seen<'_>) {}
    fn rtp(&mut self, _: &mut Call, _: usize, _: &rtp::Packet<'_>, _: &Seen<'_>) {}
    fn rtcp(&mut self, _: &mut Call, _: Side, _: &Seen<'_>) {}
    fn call_closed(&mut self, _: &mut Call, _: Time) {}
    fn text(&mut self, _: &Text<'_>, _: &Seen<'_>) {}
    fn name(&mut self, _: &mut Flow, _: NameVia, _: &str, _: &Seen<'_>) {}
    fn flow_closed(&mut self, _: &mut Flow, _: Time) {}
    fn unbound(&mut self, binding: &Binding, end: Option<Time>) {
        let seconds = |t: Time| t.0 / 1_000_000_000;
        let who = binding.who.first().map(|p| p.uri.0.to_string()).unwrap_or_default();
        self.over.push((binding.address.text(), who, seconds(binding.start), end.map(seconds)));
    }
    fn count(&mut self, what: Counter, n: u64) {
        *self.counts.entry(what.name()).or_default() += n;
    }
}

#[derive(Default)]
struct Lab {
    identities: Identities,
    heard: Heard,
}

const CLIENT: &str = "192.0.2.10";
const SERVER: &str = "192.0.2.20";

fn seen<'a>(at: i64, src: (&str, u16), dst: (&str, u16), payload: &'a [u8]) -> Seen<'a> {
    let end = |(ip, port): (&str, u16)| Endpoint { ip: ip.parse::<IpAddr>().unwrap(), port };
    Seen {
        ts: Time(0).plus_seconds(at),
        src: end(src),
        dst: end(dst),
        transport: Transport::Udp,
        packet: None,
        payload,
    }
}

impl Lab {
    /// A datagram to the server's port, at this second.
    fn ask(&mut self, at: i64, port: u16, payload: &[u8]) -> bool {
        self.identities.advance(Time(0).plus_seconds(at), &mut self.heard);
        self.identities.datagram(&seen(at, (CLIENT, 40000), (SERVER, port), payload), &mut self.heard)
    }

    fn answer(&mut self, at: i64, port: u16, payload: &[u8]) -> bool {
        self.identities.advance(Time(0).plus_seconds(at), &mut self.heard);
        self.identities.datagram(&seen(at, (SERVER, port), (CLIENT, 40000), payload), &mut self.heard)
    }

    fn finish(mut self) -> Vec<(String, String, i64, Option<i64>)> {
        self.identities.finish(&mut self.heard);
        self.heard.over
    }
}

fn accounting(id: u8, status: u8, session: &str, user: &str, address: [u8; 4]) -> Vec<u8> {
    radius::tests::packet(
        4,
        id,
        &[(40, &[0, 0, 0, status]), (44, session.as_bytes()), (1, user.as_bytes()), (8, &address)],
    )
}

fn line(address: &str, who: &str, start: i64, end: Option<i64>) -> (String, String, i64, Option<i64>) {
    (address.into(), who.into(), start, end)
}

const A: [u8; 4] = [10, 0, 0, 1];

#[test]
fn p59_accounting_binds_an_address_from_start_to_stop_on_any_port() {
    let mut lab = Lab::default();
    assert!(lab.ask(10, 11813, &accounting(1, 1, "s", "u", A)));
    assert!(lab.ask(20, 11813, &accounting(2, 3, "s", "u", A)));
    assert!(lab.ask(30, 11813, &accounting(3, 2, "s", "u", A)));
    assert_eq!(lab.finish(), [line("10.0.0.1", "u", 10, Some(30))]);
}

#[test]
fn p59_a_retransmission_is_one_event() {
    let mut lab = Lab::default();
    lab.ask(10, 1813, &accounting(1, 1, "s", "u", A));
    lab.ask(30, 1813, &accounting(2, 2, "s", "u", A));
    // The Start again, as sent, and as its client repeats it with a new number.
    lab.ask(31, 1813, &accounting(1, 1, "s", "u", A));
    lab.ask(32, 1813, &accounting(9, 1, "s", "u", A));
    assert_eq!(lab.heard.counts["identity.repeated"], 1);
    assert_eq!(lab.heard.counts["identity.refused"], 1);
    assert_eq!(lab.finish(), [line("10.0.0.1", "u", 10, Some(30))]);
}

#[test]
fn p25_an_address_given_to_another_is_no_longer_the_first_ones() {
    let mut lab = Lab::default();
    lab.ask(10, 1813, &accounting(1, 1, "s", "u", A));
    // The Stop of `u` was lost.
    lab.ask(50, 1813, &accounting(2, 1, "t", "v", A));
    // It comes late, and tells of nothing that is.
    lab.ask(60, 1813, &accounting(3, 2, "s", "u", A));
    lab.ask(70, 1813, &accounting(4, 2, "t", "v", A));
    assert_eq!(lab.finish(), [line("10.0.0.1", "u", 10, Some(50)), line("10.0.0.1", "v", 50, Some(70))]);
}

#[test]
fn a_report_that_was_held_up_does_not_take_the_address_back() {
    let mut lab = Lab::default();
    lab.ask(50, 1813, &accounting(2, 1, "t", "v", A));
    let late = radius::tests::packet(
        4,
        3,
        &[(40, &[0, 0, 0, 1]), (44, b"s"), (1, b"u"), (8, &A), (41, &[0, 0, 0, 40])],
    );
    lab.ask(60, 1813, &late);
    assert_eq!(lab.finish(), [line("10.0.0.1", "v", 50, None)]);
}

#[test]
fn a_session_of_which_nothing_is_heard_ends() {
    let mut lab = Lab::default();
    lab.ask(0, 1813, &accounting(1, 1, "s", "u", A));
    lab.identities.advance(Time(0).plus_seconds(86_399), &mut lab.heard);
    assert!(lab.heard.over.is_empty());
    lab.identities.advance(Time(0).plus_seconds(90_000), &mut lab.heard);
    assert_eq!(lab.finish(), [line("10.0.0.1", "u", 0, Some(86_400))]);
}

#[test]
fn a_restarted_nas_ends_its_sessions_and_no_others() {
    let mut lab = Lab::default();
    lab.ask(0, 1813, &accounting(1, 1, "s", "u", A));
    let other = radius::tests::packet(
        4,
        2,
        &[(40, &[0, 0, 0, 1]), (44, b"s"), (32, b"other"), (1, b"v"), (8, &[10, 0, 0, 2])],
    );
    lab.ask(1, 1813, &other);
    lab.ask(5, 1813, &radius::tests::packet(4, 3, &[(40, &[0, 0, 0, 7]), (44, b"x")]));
    assert_eq!(lab.finish(), [line("10.0.0.1", "u", 0, Some(5)), line("10.0.0.2", "v", 1, None)]);
}

#[test]
fn access_accept_binds_for_its_timeout_and_a_challenge_does_not() {
    let request = |id| radius::tests::packet(1, id, &[(1, b"u"), (4, &[192, 0, 2, 10])]);
    let answer = |code, id| radius::tests::packet(code, id, &[(8, &A), (27, &[0, 0, 0, 60])]);
    let mut lab = Lab::default();
    lab.ask(0, 1812, &request(1));
    lab.answer(1, 1812, &answer(11, 1));
    lab.ask(2, 1812, &request(2));
    lab.answer(3, 1812, &answer(2, 2));
    // An answer that nobody asked for.
    lab.answer(4, 1812, &radius::tests::packet(2, 7, &[(8, &[10, 9, 9, 9]), (1, b"x")]));
    lab.identities.advance(Time(0).plus_seconds(70), &mut lab.heard);
    assert_eq!(lab.finish(), [line("10.0.0.1", "u", 3, Some(63))]);
}

#[test]
fn a_disconnect_ends_a_session_once_it_is_acknowledged() {
    let mut lab = Lab::default();
    lab.ask(0, 1813, &accounting(1, 1, "s", "u", A));
    lab.ask(5, 3799, &radius::tests::packet(40, 2, &[(44, b"s")]));
    lab.answer(6, 3799, &radius::tests::packet(42, 2, &[]));
    assert!(lab.heard.over.is_empty());
    lab.ask(7, 3799, &radius::tests::packet(40, 3, &[(44, b"s")]));
    lab.answer(8, 3799, &radius::tests::packet(41, 3, &[]));
    assert_eq!(lab.finish(), [line("10.0.0.1", "u", 0, Some(8))]);
}

#[test]
fn p59_a_lease_ends_unless_it_is_renewed() {
    let lease: &[(u8, &[u8])] = &[(51, &[0, 0, 0, 60])];
    let mut lab = Lab::default();
    lab.answer(0, 67, &dhcp::tests::message(5, A, 7, lease));
    lab.answer(40, 67, &dhcp::tests::message(5, A, 7, lease));
    lab.identities.advance(Time(0).plus_seconds(99), &mut lab.heard);
    assert!(lab.heard.over.is_empty());
    lab.answer(101, 67, &dhcp::tests::message(5, A, 8, lease));
    // Another client can't give back what it doesn't hold.
    lab.ask(110, 67, &dhcp::tests::message(7, A, 7, &[]));
    lab.ask(120, 67, &dhcp::tests::message(7, A, 8, &[]));
    let (first, second) = ("02:00:00:00:00:07", "02:00:00:00:00:08");
    assert_eq!(
        lab.finish(),
        [line("10.0.0.1", first, 0, Some(100)), line("10.0.0.1", second, 101, Some(120))]
    );
}

#[test]
fn a_client_that_gets_another_address_has_left_the_first() {
    let lease: &[(u8, &[u8])] = &[(51, &[0xff; 4])];
    let mut lab = Lab::default();
    lab.answer(0, 67, &dhcp::tests::message(5, A, 7, lease));
    lab.answer(9, 67, &dhcp::tests::message(5, [10, 0, 0, 2], 7, lease));
    let who = "02:00:00:00:00:07";
    assert_eq!(lab.finish(), [line("10.0.0.1", who, 0, Some(9)), line("10.0.0.2", who, 9, None)]);
}

#[test]
fn an_offer_binds_nothing() {
    let mut lab = Lab::default();
    lab.answer(0, 67, &dhcp::tests::message(2, A, 7, &[(51, &[0, 0, 0, 60])]));
    assert!(lab.finish().is_empty());
}

#[test]
fn dhcpv6_binds_addresses_and_prefixes_until_they_are_released() {
    let mut lab = Lab::default();
    lab.answer(0, 547, &dhcpv6::tests::message(7, 5, 600));
    lab.ask(30, 547, &dhcpv6::tests::message(8, 5, 600));
    let who = "02:00:00:00:00:05";
    assert_eq!(
        lab.finish(),
        [line("2001:db8::9", who, 0, Some(30)), line("2001:db8:5::/56", who, 0, Some(30))]
    );
}

const IMSI: [u8; 9] = [2, 0x02, 0x08, 0x11, 0x32, 0x54, 0x76, 0x98, 0xf0];
const IMSI_TEXT: &str = "208011234567890";

fn created(sequence: u16, cause: u8) -> Vec<u8> {
    gtpv1c::tests::message(17, 5, sequence, &[1, cause, 17, 0, 0, 0, 9, 128, 0, 6, 0xf1, 0x21, 10, 0, 0, 1])
}

#[test]
fn p59_a_pdp_context_lives_from_its_answer_to_its_deletion() {
    let create = [&IMSI[..], &[17, 0, 0, 0, 5, 20, 6]].concat();
    let mut lab = Lab::default();
    lab.ask(0, 2123, &gtpv1c::tests::message(16, 0, 1, &create));
    lab.answer(1, 2123, &created(1, 199));
    lab.ask(2, 2123, &gtpv1c::tests::message(16, 0, 2, &create));
    lab.answer(3, 2123, &created(2, 128));
    // Another bearer of the same terminal, then this one.
    lab.ask(8, 2123, &gtpv1c::tests::message(20, 9, 3, &[19, 0xfe, 20, 7]));
    lab.ask(9, 2123, &gtpv1c::tests::message(20, 9, 4, &[19, 0xff, 20, 6]));
    assert_eq!(lab.finish(), [line("10.0.0.1", IMSI_TEXT, 3, Some(9))]);
}

#[test]
fn a_gateway_that_deletes_ends_the_context_with_the_answer() {
    let create = [&IMSI[..], &[17, 0, 0, 0, 5, 20, 6]].concat();
    let mut lab = Lab::default();
    lab.ask(0, 2123, &gtpv1c::tests::message(16, 0, 1, &create));
    lab.answer(1, 2123, &created(1, 128));
    lab.answer(5, 2123, &gtpv1c::tests::message(20, 5, 8, &[19, 0xff, 20, 6]));
    lab.ask(6, 2123, &gtpv1c::tests::message(21, 9, 8, &[1, 128]));
    assert_eq!(lab.finish(), [line("10.0.0.1", IMSI_TEXT, 1, Some(6))]);
}

#[test]
fn p59_a_pdn_connection_survives_a_change_of_serving_gateway() {
    use gtpv2c::tests::{element, message};
    let serving = [&[0x80 | 0x0b][..], &[0, 0, 0, 9], &[192, 0, 2, 20]].concat();
    let mut lab = Lab::default();
    lab.ask(0, 2123, &message(32, 0, 1, &[element(1, &IMSI[1..])]));
    let paa = element(79, &[1, 10, 0, 0, 1]);
    let bearer = element(93, &element(73, &[5]));
    lab.answer(1, 2123, &message(33, 5, 1, &[element(2, &[16, 0]), element(87, &serving), paa, bearer]));
    // Without the operation indication the terminal has only moved.
    lab.ask(5, 2123, &message(36, 9, 2, &[element(73, &[5])]));
    assert!(lab.heard.over.is_empty());
    lab.ask(9, 2123, &message(36, 9, 3, &[element(73, &[5]), element(77, &[8, 0])]));
    assert_eq!(lab.finish(), [line("10.0.0.1", IMSI_TEXT, 1, Some(9))]);
}

#[test]
fn p59_gx_binds_once_the_server_agrees_and_ends_with_termination() {
    use diameter::tests::{avp, message};
    let subscription = avp(443, &[avp(450, &[0, 0, 0, 1]), avp(444, IMSI_TEXT.as_bytes())].concat());
    let request = |kind: u8, hop| {
        let avps = [avp(263, b"s;1"), avp(416, &[0, 0, 0, kind]), avp(8, &A), subscription.clone()];
        message(272, true, hop, &avps)
    };
    let answer =
        |result: u32, hop| message(272, false, hop, &[avp(263, b"s;1"), avp(268, &result.to_be_bytes())]);
    let mut lab = Lab::default();
    for (at, is_request, octets) in [
        (0, true, request(1, 1)),
        (1, false, answer(5003, 1)),
        (2, true, request(1, 2)),
        (3, false, answer(2001, 2)),
        (9, true, request(3, 3)),
    ] {
        let (a, b) = ((CLIENT, 40000), (SERVER, 3868));
        let (src, dst) = if is_request { (a, b) } else { (b, a) };
        lab.identities.diameter(&seen(at, src, dst, &octets), &mut lab.heard);
    }
    assert_eq!(lab.finish(), [line("10.0.0.1", IMSI_TEXT, 3, Some(9))]);
}

#[test]
fn a_prefix_too_wide_for_one_subscriber_is_not_believed() {
    let start = radius::tests::packet(
        4,
        1,
        &[(40, &[0, 0, 0, 1]), (44, b"s"), (1, b"u"), (97, &[0, 0]), (123, &[0, 32, 0x20, 1, 0x0d, 0xb8])],
    );
    let mut lab = Lab::default();
    lab.ask(0, 1813, &start);
    assert!(lab.heard.counts["identity.refused"] >= 1);
    assert!(lab.finish().is_empty());
}
