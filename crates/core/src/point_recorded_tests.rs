//! Recording sessions through the point: the participants are who counts, and each stream is its speaker's.

use super::*;
use crate::product::{CallerBy, LinkRule};

/// The controller and the recorder.
const SRC: ([u8; 4], u16) = ([10, 0, 0, 1], 5060);
const SRS: ([u8; 4], u16) = ([10, 0, 0, 2], 5060);
/// Media of both participants come from one address of the controller.
const FROM: ([u8; 4], u16) = ([10, 0, 0, 1], 7000);

type End = ([u8; 4], u16);

fn udp(src: End, dst: End, payload: &[u8]) -> Vec<u8> {
    let length = |n: usize| u16::try_from(n).unwrap().to_be_bytes();
    let head = [&[0x45, 0][..], &length(payload.len() + 28), &[0, 0, 0x40, 0, 64, 17, 0, 0], &src.0, &dst.0];
    let udp = [&src.1.to_be_bytes()[..], &dst.1.to_be_bytes(), &length(payload.len() + 8), &[0, 0]];
    [&head.concat()[..], &udp.concat(), payload].concat()
}

fn sip(back: bool, first: &str, cseq: &str, kind: &str, body: &str) -> Vec<u8> {
    let tag = if cseq == "1 INVITE" && !back { "" } else { ";tag=srs" };
    let message = format!(
        "{first}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{cseq}\r\nFrom: <sip:{TARGET}@sbc>;tag=a\r\n\
         To: <sip:+33639980999@srs>{tag}\r\nCall-ID: rs1\r\nCSeq: {cseq}\r\nContact: <sip:sbc@h>;+sip.src\r\n\
         Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    if back { udp(SRS, SRC, message.as_bytes()) } else { udp(SRC, SRS, message.as_bytes()) }
}

/// Two media descriptions; the controller's have labels.
fn description(back: bool) -> String {
    let (ip, ports, more) = if back {
        ("10.0.0.2", [9000, 9002], ["recvonly", "recvonly"])
    } else {
        ("10.0.0.1", [7000, 7000], ["label:96\r\na=sendonly", "label:97\r\na=sendonly"])
    };
    let media = |n: usize| format!("m=audio {} RTP/AVP 0\r\na={}\r\n", ports[n], more[n]);
    format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n{}{}", media(0), media(1))
}

fn multipart(description: &str, metadata: &str) -> String {
    format!(
        "--b\r\nContent-Type: application/sdp\r\n\r\n{description}\r\n--b\r\n\
         Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n\r\n{metadata}\r\n--b--\r\n"
    )
}

/// A participant `id` of a session, who sends a stream: its label is the stream's name.
fn person(id: &str, session: &str, aor: &str, stream: &str) -> String {
    format!(
        "<participant participant_id='{id}'><nameID aor='{aor}'><name>N {id}</name></nameID></participant>\
         <participantsessionassoc participant_id='{id}' session_id='{session}'/>\
         <stream stream_id='{stream}' session_id='{session}'><label>{stream}</label></stream>\
         <participantstreamassoc participant_id='{id}'><send>{stream}</send></participantstreamassoc>"
    )
}

fn document(mode: &str, parts: &[String]) -> String {
    format!(
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>{mode}</datamode>{}</recording>",
        parts.concat()
    )
}

fn session(id: &str) -> String {
    format!("<session session_id='{id}'/>")
}

/// The other participants' identities.
const OTHERS: [&str; 2] = ["sip:+33639980201@h", "tel:+33639980202"];

fn target() -> String {
    format!("sip:{TARGET}@op.example;user=phone")
}

impl Tap {
    fn begins(&mut self, metadata: &str) {
        let body = multipart(&description(false), metadata);
        self.packet(
            1,
            &sip(false, "INVITE sip:srs@h SIP/2.0", "1 INVITE", "multipart/mixed;boundary=b", &body),
        );
        self.packet(2, &sip(true, "SIP/2.0 200 OK", "1 INVITE", "application/sdp", &description(true)));
    }

    fn update(&mut self, when: i64, cseq: u32, metadata: &str) {
        let kind = "application/rs-metadata+xml";
        self.packet(when, &sip(false, "UPDATE sip:srs@h SIP/2.0", &format!("{cseq} UPDATE"), kind, metadata));
    }

    /// A packet of one stream: its payload is the number of the media description.
    fn speaks(&mut self, when: i64, line: u8) {
        let rtp =
            [&[0x80, 0, 0, when.to_be_bytes()[7], 0, 0, 0, 0, 0, 0, 0, line][..], &[line; 160]].concat();
        self.packet(when, &udp(FROM, ([10, 0, 0, 2], 9000 + 2 * u16::from(line)), &rtp));
    }

    fn ends(&mut self, when: i64) {
        self.packet(when, &sip(false, "BYE sip:srs@h SIP/2.0", "9 BYE", "text/plain", ""));
    }

    fn products(&mut self) -> Vec<Product> {
        self.0.finish();
        std::iter::from_fn(|| self.0.poll()).collect()
    }
}

/// Who spoke in the content, and which media description it came by.
fn voices(products: &[Product]) -> Vec<(Side, u8)> {
    let audio = |p: &Product| match p {
        Product::Cc(cc) => match &cc.kind {
            CcKind::Rtp(audio) => Some((audio.side, *cc.octets.0.last().unwrap())),
            _ => None,
        },
        _ => None,
    };
    products.iter().filter_map(audio).collect()
}

fn count(tap: &Tap, name: &str) -> u64 {
    tap.0.counters().iter().find(|(n, _)| *n == name).map_or(0, |(_, n)| n)
}

#[test]
fn p22_participants_are_who_is_matched_and_streams_are_their_speakers() {
    let mut tap = Tap(point(&[
        intercept("L", "IRIandCC"),
        warrant("R", "retention", &json!({"retention": {"days": 30}})),
    ]));
    // The second media description is the caller's: labels count, not places.
    let parts = [session("S=="), person("p1", "S==", OTHERS[0], "97"), person("p2", "S==", &target(), "96")];
    tap.begins(&document("complete", &parts));
    for when in 3..7 {
        tap.speaks(when, u8::from(when % 2 == 1));
    }
    tap.ends(8);
    let products = tap.products();
    let (a, b) = (Side::Caller, Side::Callee);
    assert_eq!(voices(&products), [(a, 1), (b, 0), (a, 1), (b, 0)], "both come from one address");
    let Product::Iri(begin) = &products[0] else { panic!("a record") };
    assert_eq!((begin.iri_type, begin.matched), (IriType::Begin, Some(Role::Participant)));
    let told: Vec<_> = begin.facts.parties.iter().map(|p| (p.role, &*p.uri.0)).collect();
    let target = target();
    assert_eq!(
        told,
        [(Role::Participant, OTHERS[0]), (Role::Participant, &target)],
        "neither controller nor recorder"
    );
    let recorded = begin.facts.course.as_ref().unwrap().recorded.as_ref().unwrap();
    assert_eq!(recorded.caller_by, CallerBy::Order);
    assert_eq!(recorded.participants[0].name.as_ref().map(|n| &*n.0), Some("N p1"));
    assert_eq!(recorded.participants[0].labels, [Pii("97".into())]);
    assert!(
        begin.facts.course.as_ref().unwrap().holds.is_empty(),
        "a controller that only sends holds nobody"
    );
    let record =
        products.iter().find_map(|p| if let Product::CallRecord(r) = p { Some(r) } else { None }).unwrap();
    assert_eq!((&*record.caller.0, &*record.callee.0), ("33639980201", &TARGET[1..]));
    assert_eq!(record.parties.len(), 2);
    assert_eq!(record.end_reason, EndReason::Bye);
}

#[test]
fn p22_a_recording_of_others_gives_nothing_though_the_controller_has_the_targets_number() {
    let mut tap = Tap(point(&[intercept("L", "IRIandCC")]));
    let parts = [session("S=="), person("p1", "S==", OTHERS[0], "96"), person("p2", "S==", OTHERS[1], "97")];
    tap.begins(&document("complete", &parts));
    tap.speaks(3, 0);
    tap.ends(4);
    assert!(tap.told().is_empty());
    assert_eq!(count(&tap, "drop.media_unselected"), 1);
}

#[test]
fn p22_metadata_that_come_late_take_the_place_of_from_and_to() {
    let mut tap = Tap(point(&[intercept("L", "IRIandCC")]));
    tap.packet(
        1,
        &sip(false, "INVITE sip:srs@h SIP/2.0", "1 INVITE", "application/sdp", &description(false)),
    );
    tap.packet(2, &sip(true, "SIP/2.0 200 OK", "1 INVITE", "application/sdp", &description(true)));
    let parts = [session("S=="), person("p1", "S==", OTHERS[0], "96"), person("p2", "S==", OTHERS[1], "97")];
    tap.update(3, 2, &document("complete", &parts));
    tap.speaks(4, 0);
    let products = tap.products();
    assert!(voices(&products).is_empty(), "From alone had selected it");
    let closed =
        products.iter().find_map(|p| if let Product::CallClosed(c) = p { Some(c) } else { None }).unwrap();
    assert_eq!(closed.end_reason, EndReason::TargetLeft);
}

#[test]
fn p22_a_partial_update_adds_and_a_target_who_leaves_ends_the_content() {
    let mut tap = Tap(point(&[intercept("L", "IRIandCC")]));
    let parts = [session("S=="), person("p1", "S==", OTHERS[0], "96")];
    tap.begins(&document("complete", &parts));
    tap.speaks(3, 0);
    tap.update(4, 2, &document("partial", &[person("p2", "S==", &target(), "97")]));
    tap.speaks(5, 0);
    tap.speaks(6, 1);
    // p2 hands the call over to p3, who speaks by the same media description.
    let left = "<participantsessionassoc participant_id='p2' session_id='S=='>\
        <disassociate-time>2026-06-01T07:46:47Z</disassociate-time></participantsessionassoc>";
    tap.update(7, 3, &document("partial", &[left.to_owned(), person("p3", "S==", OTHERS[1], "97")]));
    tap.speaks(8, 0);
    tap.speaks(9, 1);
    tap.ends(10);
    let products = tap.products();
    assert_eq!(voices(&products), [(Side::Caller, 0), (Side::Callee, 1)]);
    let events: Vec<_> = products
        .iter()
        .filter_map(|p| if let Product::Iri(i) = p { Some(i.facts.event) } else { None })
        .collect();
    assert_eq!(events, ["selected", "target_left"]);
}

#[test]
fn p22_everybody_leaving_at_the_end_is_the_end_of_the_call_and_no_departure() {
    let mut tap = Tap(point(&[intercept("L", "IRIandCC")]));
    let parts = [session("S=="), person("p1", "S==", OTHERS[0], "96"), person("p2", "S==", &target(), "97")];
    tap.begins(&document("complete", &parts));
    tap.update(
        3,
        2,
        &document(
            "complete",
            &["<session session_id='S=='><stop-time>2026-06-01T07:46:43Z</stop-time></session>".to_owned()],
        ),
    );
    tap.speaks(4, 1);
    tap.ends(5);
    let told = tap.told();
    assert!(
        told.contains(&"L End end #2".to_owned()) && told.contains(&"L closed bye".to_owned()),
        "{told:?}"
    );
    assert_eq!(told.iter().filter(|t| *t == "L cc").count(), 5, "four messages and what was said last");
}

#[test]
fn p22_of_several_calls_in_one_recording_session_only_the_targets_is_released() {
    let mut tap = Tap(point(&[intercept("L", "IRIandCC")]));
    let parts = [
        session("S1"),
        session("S2"),
        person("p1", "S1", &target(), "96"),
        person("p2", "S2", OTHERS[0], "97"),
        "<participant participant_id='p3'><nameID aor='sip:nobody@h'/></participant>".to_owned(),
    ];
    tap.begins(&document("complete", &parts));
    for when in 3..7 {
        tap.speaks(when, u8::from(when % 2 == 1));
    }
    tap.ends(8);
    let products = tap.products();
    assert_eq!(voices(&products), [(Side::Caller, 0); 2]);
    let kinds = |p: &&Product| matches!(p, Product::Cc(cc) if matches!(cc.kind, CcKind::Signal));
    assert_eq!(products.iter().filter(kinds).count(), 0, "the messages tell of the others too");
    for product in &products {
        let Product::Iri(iri) = product else { continue };
        assert!(iri.facts.parties.iter().all(|p| *p.uri.0 == *target()), "{:?}", iri.facts.event);
        let recorded = iri.facts.course.as_ref().unwrap().recorded.as_ref().unwrap();
        assert_eq!((recorded.sessions.len(), recorded.participants.len()), (1, 1));
    }
    assert_eq!(count(&tap, "drop.recorded_others"), 2 + 3);
}

#[test]
fn p22_who_called_is_told_with_its_reason() {
    let said = |parts: &[String]| {
        let mut tap = Tap(point(&[intercept("L", "IRIandCC")]));
        tap.begins(&document("complete", parts));
        let products = tap.products();
        let Product::Iri(begin) = &products[0] else { panic!("a record") };
        let recorded = begin.facts.course.clone().unwrap().recorded.unwrap();
        let caller = recorded.participants.iter().position(|p| p.side == Side::Caller);
        (caller, recorded.caller_by)
    };
    let (first, second) = (person("p1", "S", &target(), "96"), person("p2", "S", OTHERS[0], "97"));
    assert_eq!(said(&[session("S"), first.clone(), second.clone()]), (Some(0), CallerBy::Order));
    let since = |person: &str, second: u8| {
        person.replace("session_id='S'/>", &format!("session_id='S'><associate-time>2026-06-01T07:46:0{second}Z</associate-time></participantsessionassoc>"))
    };
    assert_eq!(said(&[session("S"), since(&first, 2), since(&second, 1)]), (Some(1), CallerBy::Time));
    assert_eq!(said(&[session("S"), since(&first, 2), since(&second, 2)]), (Some(0), CallerBy::Order));
    let calling = second.replace("</participant>", "<x:callingParty>true</x:callingParty></participant>");
    assert_eq!(said(&[session("S"), since(&first, 1), since(&calling, 2)]), (Some(1), CallerBy::Extension));
}

#[test]
fn p22_missing_attributes_base64_ids_and_a_nature_of_address_are_read() {
    let mut tap = Tap(point(&[intercept("L", "IRIandCC")]));
    // No associations, no labels in the metadata, ids of base64: streams stand in the order of the participants.
    let digits = &TARGET[1..];
    let metadata = format!(
        "<recording><session/><participant id='a+/=='><nameID aor='sip:{digits};noa=international@h'/></participant>\
         <participant id='b+/=='><nameID aor='{}'/></participant><stream id='x'/><stream id='y'/></recording>",
        OTHERS[1]
    );
    tap.begins(&metadata);
    tap.speaks(3, 0);
    tap.speaks(4, 1);
    let products = tap.products();
    assert_eq!(voices(&products), [(Side::Caller, 0), (Side::Callee, 1)]);
}

#[test]
fn p22_the_recorded_call_is_linked_by_its_session_id() {
    let id = "ab30317f1a784dc48ff824d0d3715d86;remote=47755a9de7794ba387653f2099600ef2";
    let mut tap = Tap(point(&[intercept("L", "IRIandCC")]));
    let original = format!(
        "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKo\r\nFrom: <sip:a@h>;tag=o\r\nTo: <sip:b@h>\r\n\
         Call-ID: original\r\nCSeq: 1 INVITE\r\nSession-ID: {id}\r\nContent-Length: 0\r\n\r\n"
    );
    tap.packet(0, &udp(([10, 0, 0, 8], 5060), ([10, 0, 0, 9], 5060), original.as_bytes()));
    let parts = [
        format!("<session session_id='S'><sipSessionID>{id}</sipSessionID></session>"),
        person("p1", "S", OTHERS[0], "96"),
        person("p2", "S", &target(), "97"),
    ];
    tap.begins(&document("complete", &parts));
    let products = tap.products();
    let last = products.iter().rev().find_map(|p| match p {
        Product::Iri(iri) if iri.facts.call_id.as_ref().is_some_and(|id| *id.0 == *"rs1") => Some(iri),
        _ => None,
    });
    let links = &last.unwrap().facts.course.as_ref().unwrap().links;
    assert_eq!(links.len(), 1);
    assert_eq!((&*links[0].call.0, links[0].rule), ("original", LinkRule::SessionId));
}

#[test]
fn p22_hostile_metadata_are_counted_and_the_media_still_followed() {
    let mut tap = Tap(point(&[warrant("R", "retention", &json!({"retention": {"days": 30}}))]));
    tap.begins("<!DOCTYPE recording [<!ENTITY a 'b'>]><recording>&a;</recording>");
    tap.speaks(3, 0);
    assert_eq!((count(&tap, "recording.malformed"), count(&tap, "rtp.packets")), (1, 1));
    let many: Vec<_> =
        (0..40).map(|n| person(&format!("p{n}"), "S", &format!("sip:{n}@h"), &format!("s{n}"))).collect();
    tap.update(4, 2, &document("complete", &many));
    assert!(count(&tap, "drop.recording") >= 8);
    assert_eq!(count(&tap, "recording.sessions"), 1);
}
