//! The course of calls: forks, holds, transfers, diversion, legs.

use super::tests::{Tap, message};
use super::*;
use crate::product::{CauseOf, DivertReason, HoldBy, Privacy, StepBy, TransferBy, Verstat};

/// A message with more headers.
fn with(message: String, headers: &str) -> String {
    if headers.is_empty() {
        return message;
    }
    message.replacen("\r\nCall-ID", &format!("\r\n{headers}\r\nCall-ID"), 1)
}

fn invite(id: &str, headers: &str, sdp: &str) -> String {
    with(message(id, Side::Caller, "INVITE", "", "1 INVITE", &format!("{id}i"), sdp), headers)
}

fn answer(id: &str, headers: &str, sdp: &str) -> String {
    with(message(id, Side::Callee, "200", "b", "1 INVITE", &format!("{id}i"), sdp), headers)
}

fn call<'a>(tap: &'a Tap, id: &str) -> &'a Call {
    let at = tap.calls.table.find(id.as_bytes()).expect("the call");
    tap.calls.table.get(at).expect("the call")
}

fn course<'a>(tap: &'a Tap, id: &str) -> &'a Course {
    call(tap, id).course.as_deref().expect("a course")
}

fn seconds(time: Option<Time>) -> Option<i64> {
    time.map(|t| t.seconds() as i64)
}

#[test]
fn p9_each_branch_has_its_own_early_media_and_one_wins() {
    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000");
    tap.at(2).bob("183", "x", "1 INVITE", "10.0.0.2:5000").bob("180", "y", "1 INVITE", "");
    tap.at(3).bob("183", "y", "1 INVITE", "10.0.0.3:6000");
    tap.at(4);
    assert!(tap.rtp("10.0.0.3:6000", "10.0.0.1:4000", 0, 1, 1));
    tap.at(5);
    assert!(tap.rtp("10.0.0.2:5000", "10.0.0.1:4000", 0, 1, 2));
    tap.at(6).bob("200", "y", "1 INVITE", "10.0.0.3:6000").alice("ACK", "y", "1 ACK", "");
    tap.at(7).bob("200", "x", "1 INVITE", "").alice("ACK", "x", "1 ACK", "").alice("BYE", "x", "2 BYE", "");
    let branches: Vec<_> = call(&tap, "1")
        .branches()
        .iter()
        .map(|b| {
            let times = [b.ringing, b.early, b.early_media, b.answer, b.end].map(seconds);
            (&*b.tag.0, times)
        })
        .collect();
    let expected = [
        ("x", [Some(2), Some(2), Some(5), Some(7), Some(7)]),
        ("y", [Some(2), Some(3), Some(4), Some(6), None]),
    ];
    assert_eq!(branches, expected);
    let of: Vec<_> = call(&tap, "1").streams.iter().map(|s| s.branch).collect();
    assert_eq!(of, [Some(1), Some(0)], "each stream says whose it is");
    assert_eq!(call(&tap, "1").state, CallState::Answered, "the loser's BYE ends nothing");
}

#[test]
fn p10_offers_in_prack_and_glare() {
    let mut tap = Tap::new();
    // Delayed offer in a reliable 183, answered in PRACK (RFC 3262, 5).
    tap.at(1).alice("INVITE", "", "1 INVITE", "").bob("183", "b", "1 INVITE", "10.0.0.2:5000");
    tap.alice("PRACK", "b", "2 PRACK", "10.0.0.1:4000").bob("200", "b", "2 PRACK", "");
    assert!(tap.rtp("10.0.0.2:5000", "10.0.0.1:4000", 0, 1, 1));
    tap.at(2).bob("200", "b", "1 INVITE", "").alice("ACK", "b", "1 ACK", "");
    // Both sides put the other on hold at once: neither did (RFC 3261, 14.1).
    tap.at(3).alice("INVITE", "b", "3 INVITE", "10.0.0.1:4000 sendonly");
    tap.bob("INVITE", "b", "3 INVITE", "10.0.0.2:5000 inactive");
    tap.bob("491", "b", "3 INVITE", "").alice("491", "b", "3 INVITE", "");
    assert!(call(&tap, "1").course.is_none(), "nobody was held");
    assert!(!call(&tap, "1").described.on_hold());
    // The retry of one of them is accepted.
    tap.at(5).alice("INVITE", "b", "4 INVITE", "10.0.0.1:4000 sendonly");
    tap.at(6).bob("200", "b", "4 INVITE", "10.0.0.2:5000 recvonly");
    let holds: Vec<_> =
        course(&tap, "1").holds.iter().map(|h| (h.side, h.by, h.start.seconds() as i64)).collect();
    assert_eq!(holds, [(Side::Caller, HoldBy::SendOnly, 6)]);
}

#[test]
fn p11_the_five_times_are_kept_apart() {
    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000").at(2).bob("180", "b", "1 INVITE", "");
    tap.at(3).bob("183", "b", "1 INVITE", "10.0.0.2:5000").at(4);
    assert!(tap.rtp("10.0.0.2:5000", "10.0.0.1:4000", 0, 1, 1));
    tap.at(9).bob("200", "b", "1 INVITE", "10.0.0.2:5000").at(20).alice("BYE", "b", "2 BYE", "");
    let now = call(&tap, "1");
    let branch = &call(&tap, "1").branches()[0];
    let times = [Some(now.start), now.ringing, branch.early, branch.early_media, now.answer, now.end];
    assert_eq!(times.map(seconds), [Some(1), Some(2), Some(3), Some(4), Some(9), Some(20)]);
}

#[test]
fn p12_hold_by_each_of_its_spellings() {
    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000").bob("200", "b", "1 INVITE", "10.0.0.2:5000");
    for (at, cseq, way) in [(10, 2, "inactive"), (30, 4, "sendonly")] {
        tap.at(at).bob("INVITE", "b", &format!("{cseq} INVITE"), &format!("10.0.0.2:5000 {way}"));
        let reply = if way == "inactive" { "inactive" } else { "recvonly" };
        tap.alice("200", "b", &format!("{cseq} INVITE"), &format!("10.0.0.1:4000 {reply}"));
        let cseq = cseq + 1;
        tap.at(at + 5).bob("INVITE", "b", &format!("{cseq} INVITE"), "10.0.0.2:5000");
        tap.alice("200", "b", &format!("{cseq} INVITE"), "10.0.0.1:4000");
    }
    tap.at(50).alice("UPDATE", "b", "9 UPDATE", "0.0.0.0:4000").bob("200", "b", "9 UPDATE", "10.0.0.2:5000");
    let holds: Vec<_> = course(&tap, "1")
        .holds
        .iter()
        .map(|h| (h.side, h.by, h.start.seconds() as i64, seconds(h.end)))
        .collect();
    let expected = [
        (Side::Callee, HoldBy::Inactive, 10, Some(15)),
        (Side::Callee, HoldBy::SendOnly, 30, Some(35)),
        (Side::Caller, HoldBy::Nowhere, 50, None),
    ];
    assert_eq!(holds, expected);
}

#[test]
fn p13_what_moves_a_call_is_told() {
    let mut tap = Tap::new();
    tap.at(1)
        .raw(invite("1", "", "10.0.0.1:4000").as_bytes())
        .raw(answer("1", "", "10.0.0.2:5000").as_bytes());
    let refer = message("1", Side::Caller, "REFER", "b", "2 REFER", "r", "");
    tap.raw(with(refer, "r: <sip:c@h?Replaces=c9%40h%3Bto-tag%3D1%3Bfrom-tag%3D2>").as_bytes());
    assert_eq!(call(&tap, "1").referred, [false, false], "asked, not accepted");
    tap.bob("202", "b", "2 REFER", "");
    assert_eq!(call(&tap, "1").referred, [true, false]);
    let moved = "b: <sip:alice@a>\r\nReplaces: 1;to-tag=b;from-tag=alice\r\nJoin: c7;to-tag=1;from-tag=2\r\n\
                 Target-Dialog: c8;local-tag=1;remote-tag=2";
    tap.at(5).raw(invite("2", moved, "").as_bytes());
    let told = |id: &str| -> Vec<_> {
        course(&tap, id).transfers.iter().map(|t| (t.by, t.side, t.to.0.to_string())).collect()
    };
    assert_eq!(told("1"), [(TransferBy::Refer, Side::Caller, "sip:c@h".to_owned())]);
    let to = |by, to: &str| (by, Side::Caller, to.to_owned());
    let expected = [
        to(TransferBy::ReferredBy, "sip:alice@a"),
        to(TransferBy::Replaces, "1"),
        to(TransferBy::Join, "c7"),
        to(TransferBy::TargetDialog, "c8"),
    ];
    assert_eq!(told("2"), expected);
    assert_eq!(course(&tap, "2").links, [Link { call: Pii("1".into()), rule: LinkRule::Named }]);
    assert!(!LinkRule::Named.follows_content(), "a transferred call is somebody else's");
}

#[test]
fn p14_dialled_diverted_and_reached_are_kept_apart() {
    let mut tap = Tap::new();
    let history = "History-Info: <sip:a@h?Reason=SIP%3Bcause%3D302>;index=1, <sip:b@h?Reason=SIP%3Bcause%3D486>;\
                   index=1.1;mp=1, <sip:c@h>;index=1.1.1;mp=1.1\r\nP-Called-Party-ID: <sip:c-public@h>";
    tap.at(1)
        .raw(invite("1", history, "").as_bytes())
        .raw(answer("1", "P-Asserted-Identity: <sip:c-home@h>", "").as_bytes());
    let read = |tap: &Tap, id: &str| {
        let d = course(tap, id).sort_out(call(tap, id));
        [d.dialled, d.originally_called, d.last_redirecting, d.reached].map(|p| p.map(|p| p.0.to_string()))
    };
    let own = |list: [&str; 4]| list.map(|s| Some(s.to_owned()));
    assert_eq!(read(&tap, "1"), own(["sip:a@h", "sip:a@h", "sip:b@h", "sip:c-home@h"]));
    let reasons: Vec<_> = course(&tap, "1").diversion.steps.iter().map(|s| (s.by, s.reason)).collect();
    let expected = [
        (StepBy::PCalledPartyId, None),
        (StepBy::HistoryInfo, Some(DivertReason::Unconditional)),
        (StepBy::HistoryInfo, Some(DivertReason::UserBusy)),
        (StepBy::HistoryInfo, None),
    ];
    assert_eq!(reasons, expected);
    // RFC 5806: the last diverting party stands on top.
    let diversion = "Diversion: <sip:last@h>;reason=no-answer, <sip:first@h>;reason=unconditional";
    tap.raw(invite("2", diversion, "").as_bytes()).raw(answer("2", "", "").as_bytes());
    assert_eq!(read(&tap, "2"), own(["sip:first@h", "sip:first@h", "sip:last@h", "sip:bob@b.example"]));
}

#[test]
fn p14_a_cause_in_the_uri_of_history_info_is_why_it_became_the_target() {
    let mut tap = Tap::new();
    let history = "History-Info: <sip:a@h>;index=1, <sip:b@h;cause=302>;index=1.1, <sip:c@h;cause=486>;index=1.1.1, \
                   <sip:d@h;cause=486?Reason=SIP%3Bcause%3D408>;index=1.1.2, <sip:e@h;cause=408>;index=1.1.2.1";
    tap.at(1).raw(invite("1", history, "").as_bytes()).raw(answer("1", "", "").as_bytes());
    let d = course(&tap, "1").sort_out(call(&tap, "1"));
    let told = [d.dialled, d.originally_called, d.last_redirecting, d.reached].map(|p| p.unwrap().0);
    assert_eq!(told.each_ref().map(|t| &**t), ["sip:a@h", "sip:a@h", "sip:d@h", "sip:e@h"]);
    let fork =
        "History-Info: <sip:a@h>;index=1, <sip:b@h;cause=302>;index=1.1, <sip:c@h;cause=302>;index=1.2";
    tap.raw(invite("2", fork, "").as_bytes()).raw(answer("2", "", "").as_bytes());
    let d = course(&tap, "2").sort_out(call(&tap, "2"));
    assert_eq!(
        d.last_redirecting.unwrap().0.as_ref(),
        "sip:a@h",
        "what stands above, not what stands before"
    );
}

#[test]
fn p15_every_identity_has_its_source_and_its_trust() {
    let mut tap = Tap::new();
    let headers = "P-Served-User: <sip:served@h>;sescase=orig\r\nContact: <sip:line7@10.1.2.3>\r\nPrivacy: id;user\r\n\
                   Proxy-Authorization: Digest username=\"authuser\", realm=\"h\"\r\n\
                   P-Asserted-Identity: <sip:+15551@h>, <tel:+15551>\r\nP-Preferred-Identity: <sip:pref@h>\r\n\
                   Remote-Party-ID: <sip:rpid@h>";
    tap.at(1).raw(invite("1", headers, "").as_bytes());
    let found: Vec<_> = call(&tap, "1")
        .parties
        .iter()
        .map(|p| format!("{} {} {}", p.role.name(), &*p.uri.0, p.trust().name()))
        .collect();
    for expected in [
        "from sip:alice@a.example user",
        "p_asserted_identity sip:+15551@h network",
        "p_asserted_identity tel:+15551 network",
        "p_preferred_identity sip:pref@h user",
        "remote_party_id sip:rpid@h user",
        "p_served_user sip:served@h network",
        "contact sip:line7@10.1.2.3 user",
        "auth_user sip:authuser@h user",
    ] {
        assert!(found.iter().any(|f| f == expected), "{expected} in {found:?}");
    }
    assert_eq!(course(&tap, "1").privacy, [Privacy::Id, Privacy::User]);
}

#[test]
fn p16_verstat_is_the_networks_finding() {
    let mut tap = Tap::new();
    tap.at(1)
        .raw(invite("1", "P-Asserted-Identity: <tel:+15551;verstat=TN-Validation-Passed-A>", "").as_bytes());
    assert_eq!(course(&tap, "1").verstat, Some(Verstat::Passed));
}

#[test]
fn p17_legs_are_linked_by_the_strongest_rule() {
    let (one, two) = ("ab30317f1a784dc48ff824d0d3715d86", "47755a9de7794ba387653f2099600ef2");
    let mut tap = Tap::new();
    tap.calls.set_leg_header(Some("X-CID".into()));
    let said = [
        ("1", format!("Session-ID: {one};remote={two}"), "10.0.0.1:4000"),
        ("2", format!("Session-ID: {two};remote={one}"), ""),
        ("3", format!("Session-ID: {one};remote={}", "0".repeat(32)), ""),
        ("4", "P-Charging-Vector: icid-value=\"abc;1\";orig-ioi=h".into(), ""),
        ("5", "P-Charging-Vector: term-ioi=x;icid-value=\"abc;1\"".into(), ""),
        ("6", "x-cid: 77".into(), ""),
        ("7", "X-CID: 77".into(), "10.0.0.1:4000"),
    ];
    for (n, (id, headers, sdp)) in said.iter().enumerate() {
        tap.at(20 * n as i64).raw(invite(id, headers, sdp).as_bytes());
    }
    for (id, port) in [("8", 4800), ("9", 4900)] {
        let sdp = invite(id, "", &format!("10.0.0.1:{port}")).replacen("o=- 1 1", "o=- 71 1", 1);
        tap.raw(sdp.as_bytes());
    }
    let rule = |a: &str, b: &str| {
        let links = call(&tap, a).course.as_ref().map(|c| &c.links[..]).unwrap_or_default();
        links.iter().find(|l| *l.call.0 == *b).map(|l| l.rule)
    };
    assert_eq!((rule("1", "2"), rule("2", "1")), (Some(LinkRule::SessionId), Some(LinkRule::SessionId)));
    assert_eq!(rule("1", "3"), Some(LinkRule::SessionHalf));
    assert_eq!(rule("5", "4"), Some(LinkRule::ChargingVector));
    assert_eq!(rule("6", "7"), Some(LinkRule::Header));
    assert_eq!(rule("7", "1"), Some(LinkRule::Media), "the same address, while both are up");
    assert_eq!(rule("9", "8"), Some(LinkRule::Origin), "a switch that relays the media passes o= on");
    assert_eq!(rule("4", "6"), None);
    tap.finish();
    assert_eq!(tap.calls.legs.len(), 0);
}

#[test]
fn p17_number_and_time_is_only_a_lead() {
    let mut tap = Tap::new();
    let to = |id: &str, uri: &str| invite(id, "", "").replacen("sip:bob@b.example", uri, 1);
    tap.at(1).raw(to("1", "sip:0033639980300@h").as_bytes());
    tap.at(5).raw(to("2", "sip:+33639980300@other;user=phone").as_bytes());
    tap.at(60).raw(to("3", "sip:+33639980300@other;user=phone").as_bytes());
    let links = |id: &str| call(&tap, id).course.as_ref().map_or(0, |c| c.links.len());
    assert_eq!((links("1"), links("2"), links("3")), (1, 1, 0));
    assert_eq!(course(&tap, "1").links[0].rule.confidence(), crate::product::Confidence::Possible);
}

#[test]
fn p17_a_value_that_everybody_shares_costs_no_more() {
    let mut tap = Tap::new();
    for n in 0..300 {
        tap.at(n).raw(invite(&n.to_string(), "X-CID: 1\r\nP-Charging-Vector: icid-value=x", "").as_bytes());
    }
    assert!(course(&tap, "299").links.len() <= MAX_LINKS);
    assert!(tap.counted(Counter::LinksDropped) > 0);
}

#[test]
fn p18_causes_timers_and_the_cancel_race() {
    let mut tap = Tap::new();
    tap.at(1)
        .raw(invite("1", "x: 1800", "").as_bytes())
        .raw(answer("1", "Session-Expires: 600;refresher=uac", "").as_bytes());
    let bye = message("1", Side::Caller, "BYE", "b", "2 BYE", "bye", "");
    assert_eq!(course(&tap, "1").session_expires, Some(600), "what was agreed, not what was asked");
    tap.at(600);
    assert!(!tap.told().iter().any(|t| t.contains("closed")));
    tap.alice("UPDATE", "b", "2 UPDATE", "").bob("200", "b", "2 UPDATE", "").at(1200);
    assert!(!tap.told().iter().any(|t| t.contains("closed")), "refreshed");
    tap.at(1300);
    assert_eq!(tap.told(), ["1 closed Timeout 200 start 1 ringing - answer 1 end -"], "RFC 4028, 10");

    tap.raw(invite("1", "", "").as_bytes()).raw(answer("1", "", "").as_bytes());
    tap.raw(with(bye, "Reason: Q.850;cause=16;text=\"Terminated\", SIP;cause=200").as_bytes());
    let causes: Vec<_> = course(&tap, "1").causes.iter().map(|c| (c.protocol, c.cause)).collect();
    assert_eq!(causes, [(CauseOf::Q850, 16), (CauseOf::Sip, 200)]);
}

#[test]
fn digits_are_told_from_sound() {
    let mut tap = Tap::new();
    tap.at(1).alice("INVITE", "", "1 INVITE", "10.0.0.1:4000").bob("200", "b", "1 INVITE", "10.0.0.2:5000");
    let digits = |tap: &mut Tap, pt: u8, payload: &[u8]| {
        assert!(tap.rtp_of("10.0.0.1:4000", "10.0.0.2:5000", pt, payload));
        call(tap, "1").streams[0].digits
    };
    assert!(digits(&mut tap, 101, &[5, 0x8a, 3, 0x20]));
    assert!(digits(&mut tap, 101, &[5; 14]), "as SRTP hides it");
    assert!(!digits(&mut tap, 101, &[0x55; 160]), "sound by a false name");
    assert!(!digits(&mut tap, 0, &[5, 0x8a, 3, 0x20]), "a static type is what it is");
    assert!(digits(&mut tap, 120, &[11, 0x8a, 3, 0x20]), "no description of it, but its form");
}
