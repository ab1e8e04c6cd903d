//! The point as a whole: authority in, packets in, product out.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::decode::quic::Version;
use crate::decode::quic::tests::{crypto, seal};
use crate::decode::tls::tests::hello_with_ech;
use crate::packet::LinkType;
use crate::proof::testlog;

const START: i64 = 1_780_300_000;
const TARGET: &str = "+33639980101";

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn config() -> Value {
    json!({
        "log": {"origin": "test/log", "vkey": testlog::vkey("test/log", &key(1))},
        "approvers": [{"name": "a", "vkey": testlog::vkey("a", &key(2))}, {"name": "b", "vkey": testlog::vkey("b", &key(3))}],
        "policy": {
            "kinds": ["intercept", "retention", "disclosure", "screening.keyword", "screening.domain"],
            "approvals": {"intercept": 2, "retention": 2, "disclosure": 2, "screening": 2},
            "screening_product": ["IRI"],
        },
        "numbering": {"country_code": "33", "international_prefixes": ["00"], "national_prefix": "0", "trunks": []},
    })
}

fn warrant(liid: &str, kind: &str, more: &Value) -> Value {
    let mut document = json!({
        "version": 1, "reference": liid, "liid": liid, "kind": kind, "legal_basis": "l", "issuing_authority": "i",
        "requester": "r", "targets": [], "criteria": [], "product": "IRI", "recipients": ["age1x"],
        "window": {"start": "2026-01-01T00:00:00Z", "end": "2026-12-31T00:00:00Z"},
    });
    for (name, value) in more.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

fn intercept(liid: &str, product: &str) -> Value {
    warrant(
        liid,
        "intercept",
        &json!({"targets": [{"type": "e164Number", "value": TARGET}], "product": product}),
    )
}

/// Signatures, a log that holds the activation, and the proof.
fn bundle(document: &Value) -> Value {
    let text = document.to_string();
    let sign = |name: &str, n: u8| {
        let signature = key(n).sign(&[b"mandat/approval/v1\n", text.as_bytes()].concat());
        json!({"approver": name, "signature": STANDARD.encode(signature.to_bytes())})
    };
    let digest =
        Sha256::digest(text.as_bytes()).iter().fold(String::new(), |hex, b| hex + &format!("{b:02x}"));
    let facts = [
        ("kind", "activate"),
        ("liid", document["liid"].as_str().unwrap()),
        ("authority_id", document["reference"].as_str().unwrap()),
        ("authority_hash", &digest),
        ("valid_from", document["window"]["start"].as_str().unwrap()),
        ("valid_to", document["window"]["end"].as_str().unwrap()),
    ];
    let disclosures: Vec<String> = facts
        .iter()
        .map(|(name, value)| URL_SAFE_NO_PAD.encode(json!(["c2FsdA", name, value]).to_string()))
        .collect();
    let mut digests: Vec<[u8; 32]> =
        disclosures.iter().map(|d| Sha256::digest(d.as_bytes()).into()).collect();
    digests.sort_unstable();
    let commit = Sha256::digest([b"li/commit/v1\n", &[9; 32][..], &digests.concat()].concat());
    let entry = [&[1][..], &[0; 40], &commit].concat();
    let leaves = vec![b"before".to_vec(), entry.clone(), b"after".to_vec()];
    let proof: Vec<String> = testlog::inclusion(&leaves, 1).iter().map(|h| STANDARD.encode(h)).collect();
    json!({
        "warrant": text, "approvals": [sign("a", 2), sign("b", 3)], "entry": STANDARD.encode(&entry),
        "opening": STANDARD.encode([9; 32]), "disclosures": disclosures, "index": 1, "proof": proof,
        "checkpoint": testlog::note("test/log", &leaves, "test/log", &key(1)),
    })
}

fn at(seconds: i64) -> Time {
    Time(0).plus_seconds(START + seconds)
}

/// A point with tasks. Each has a log of its own, so each is admitted by a point that has no head yet.
fn point(documents: &[Value]) -> Point {
    let mut point = Point::new(Config::parse(config().to_string().as_bytes()).unwrap());
    for document in documents {
        point.head = None;
        point.admit(bundle(document).to_string().as_bytes(), at(0), Resume::default()).unwrap();
    }
    point
}

fn datagram(port: u16, payload: &[u8], back: bool) -> Vec<u8> {
    let (src, dst) = if back { ([10, 0, 0, 2], [10, 0, 0, 1]) } else { ([10, 0, 0, 1], [10, 0, 0, 2]) };
    let length = payload.len() as u16 + 8;
    let mut out = vec![0x45, 0];
    out.extend((length + 20).to_be_bytes());
    out.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    out.extend(src);
    out.extend(dst);
    for field in [port, port, length, 0] {
        out.extend(field.to_be_bytes());
    }
    out.extend(payload);
    out
}

fn sip_datagram(back: bool, first: &str, cseq: &str, to_tag: &str, body: &str) -> Vec<u8> {
    let kind = if body.starts_with("v=0") { "application/sdp" } else { "text/plain" };
    let message = format!(
        "{first}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{cseq}\r\nFrom: <sip:{TARGET}@h;user=phone>;tag=a\r\n\
             To: <sip:+33639980300@h;user=phone>{to_tag}\r\nCall-ID: c1\r\nCSeq: {cseq}\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    datagram(5060, message.as_bytes(), back)
}

struct Tap(Point);

impl Tap {
    fn packet(&mut self, when: i64, data: &[u8]) {
        self.0.handle(&Packet { ts: at(when), link: LinkType::RAW, data, wire_len: data.len() as u32 });
    }

    fn sip(&mut self, when: i64, back: bool, first: &str, cseq: &str, to_tag: &str, body: &str) {
        self.packet(when, &sip_datagram(back, first, cseq, to_tag, body));
    }

    /// INVITE at 1, answer at 3, media at 4 and 5, BYE at 6.
    fn call(&mut self) {
        let sdp = |ip: &str| format!("v=0\r\nc=IN IP4 {ip}\r\nm=audio 4000 RTP/AVP 0\r\n");
        self.sip(1, false, "INVITE sip:x@h SIP/2.0", "1 INVITE", "", &sdp("10.0.0.1"));
        self.sip(2, true, "SIP/2.0 180 Ringing", "1 INVITE", ";tag=b", "");
        self.sip(3, true, "SIP/2.0 200 OK", "1 INVITE", ";tag=b", &sdp("10.0.0.2"));
        for (when, back) in [(4, false), (5, true)] {
            self.packet(
                when,
                &datagram(4000, &[&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0xff; 160]].concat(), back),
            );
        }
        self.sip(6, false, "BYE sip:x@h SIP/2.0", "2 BYE", ";tag=b", "");
    }

    fn text(&mut self, when: i64, body: &str) {
        self.sip(when, false, "MESSAGE sip:x@h SIP/2.0", &format!("{when} MESSAGE"), "", body);
    }

    /// What came out, a word a piece.
    fn told(&mut self) -> Vec<String> {
        self.0.finish();
        std::iter::from_fn(|| self.0.poll())
            .map(|product| match product {
                Product::Iri(iri) => {
                    format!("{} {:?} {} #{}", iri.liid.0, iri.iri_type, iri.facts.event, iri.sequence)
                }
                Product::Cc(cc) => format!("{} cc", cc.liid.0),
                Product::CallClosed(closed) => {
                    format!("{} closed {}", closed.liid.0, closed.end_reason.name())
                }
                Product::CallRecord(record) => format!("record {} {}", record.caller.0, record.callee.0),
                Product::Suspended(..) => "suspended".to_owned(),
            })
            .collect()
    }
}

#[test]
fn facts_alone_when_the_warrant_allows_facts_alone() {
    let mut tap = Tap(point(&[intercept("L", "IRI")]));
    tap.call();
    let told = tap.told();
    assert_eq!(
        told,
        [
            "L Begin invite #0",
            "L Continue ringing #1",
            "L Continue answer #2",
            "L End end #3",
            "L closed bye"
        ]
    );
}

#[test]
fn p19_two_warrants_on_one_call_give_two_whole_products() {
    let mut tap = Tap(point(&[intercept("L", "IRIandCC"), intercept("M", "IRIandCC")]));
    tap.call();
    let told = tap.told();
    for liid in ["L", "M"] {
        let own: Vec<_> = told.iter().filter(|t| t.starts_with(liid)).collect();
        assert_eq!(own.iter().filter(|t| t.ends_with("cc")).count(), 6, "four messages, two media packets");
        assert_eq!(own.len(), 6 + 4 + 1);
    }
}

#[test]
fn the_end_of_the_window_ends_the_product_in_mid_call() {
    // START is 2026-06-01T07:46:40Z.
    let mut document = intercept("L", "IRIandCC");
    document["window"]["end"] = json!("2026-06-01T07:46:44Z");
    let mut tap = Tap(point(&[document]));
    tap.call();
    assert_eq!(
        tap.told(),
        [
            "L Begin invite #0",
            "L cc",
            "L Continue ringing #1",
            "L cc",
            "L Continue answer #2",
            "L cc",
            "L End authority_ended #3",
            "L closed authority_ended"
        ]
    );
}

#[test]
fn octets_behind_a_message_stay_out_of_its_evidence() {
    let mut tap = Tap(point(&[intercept("L", "IRIandCC")]));
    let message = format!(
        "INVITE sip:x@h SIP/2.0\r\nFrom: <sip:{TARGET}@h;user=phone>;tag=a\r\nTo: <sip:x@h>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n\
         Content-Length: 2\r\n\r\nok"
    );
    tap.packet(1, &datagram(5060, format!("{message}somebody else's").as_bytes(), false));
    let evidence = std::iter::from_fn(|| tap.0.poll()).find_map(|product| match product {
        Product::Cc(cc) => Some(cc),
        _ => None,
    });
    let evidence = evidence.unwrap();
    assert_eq!((evidence.link, &*evidence.octets.0), (LinkType::UPPER_PDU, message.as_bytes()));
}

#[test]
fn media_after_a_forged_bye_is_recorded_on() {
    let mut tap = Tap(point(&[intercept("L", "IRIandCC")]));
    tap.call();
    for n in 0..30_u8 {
        tap.packet(
            7 + i64::from(n),
            &datagram(
                4000,
                &[&[0x80, 0, 0, 2 + n, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0xff; 160]].concat(),
                false,
            ),
        );
    }
    assert_eq!(tap.told().iter().filter(|t| t.ends_with("cc")).count(), 6 + 30);
}

/// A call at a tap, at another one behind a router, and in a tunnel.
#[test]
fn p05_p08_what_is_seen_at_two_taps_and_in_a_tunnel_is_released_once() {
    let sdp = |ip: &str| format!("v=0\r\nc=IN IP4 {ip}\r\nm=audio 4000 RTP/AVP 0\r\n");
    let rtp = [&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0xff; 160]].concat();
    let call = [
        sip_datagram(false, "INVITE sip:x@h SIP/2.0", "1 INVITE", "", &sdp("10.0.0.1")),
        sip_datagram(true, "SIP/2.0 200 OK", "1 INVITE", ";tag=b", &sdp("10.0.0.2")),
        datagram(4000, &rtp, false),
        datagram(4000, &rtp, true),
        sip_datagram(false, "BYE sip:x@h SIP/2.0", "2 BYE", ";tag=b", ""),
    ];
    let told = |taps: usize| {
        let mut tap = Tap(point(&[intercept("L", "IRIandCC"), intercept("M", "IRIandCC")]));
        for (when, data) in (1..).zip(&call) {
            let mut routed = data.clone();
            routed[8] -= 1;
            let frame = [&[8, 0, 0, 0, 0, 0, 5, 0][..], &[0; 12], &[8, 0], &routed].concat();
            for (later, data) in [data, &routed, &datagram(4789, &frame, false)][..taps].iter().enumerate() {
                let ts = Time(at(when).0 + later as i64 * 1_000_000);
                tap.0.handle(&Packet { ts, link: LinkType::RAW, data, wire_len: data.len() as u32 });
            }
        }
        let told = tap.told();
        (told, [Counter::Calls, Counter::Cc, Counter::Copies].map(|c| tap.0.counters().get(c)))
    };
    let ((once, counted), (thrice, of_copies)) = (told(1), told(3));
    assert_eq!(once, thrice);
    assert_eq!((counted, of_copies), ([1, 10, 0], [1, 10, 10]), "five datagrams for each of two warrants");
}

/// An INVITE in three pieces, each in a tunnel of its own, the last with DF and the reserved bit set and coming first.
#[test]
fn p04_an_invite_in_fragments_inside_a_tunnel_is_read() {
    let whole = sip_datagram(false, "INVITE sip:x@h SIP/2.0", "1 INVITE", "", &"v=0\r\n".repeat(30));
    let (header, body) = whole.split_at(20);
    let pieces: Vec<&[u8]> = body.chunks(160).collect();
    let mut tap = Tap(point(&[intercept("L", "IRIandCC")]));
    for (n, piece) in pieces.iter().enumerate().rev() {
        let flags = if n + 1 == pieces.len() { 0xc000 } else { 0x2000 };
        let mut fragment = [header, piece].concat();
        fragment[2..4].copy_from_slice(&(20 + piece.len() as u16).to_be_bytes());
        fragment[6..8].copy_from_slice(&(flags | (n as u16 * 20)).to_be_bytes());
        let frame = [&[8, 0, 0, 0, 0, 0, 5, 0][..], &[0; 12], &[8, 0], &fragment].concat();
        tap.packet(1, &datagram(4789, &frame, false));
    }
    assert_eq!(tap.told()[..2], ["L Begin invite #0", "L cc"]);
    assert_eq!(tap.0.counters().get(Counter::Reassembled), 1);
}

/// Tunnels nest as deep as stated, and what nests deeper is counted.
#[test]
fn p08_tunnels_nest_to_a_stated_depth() {
    let begun = |depth: usize| {
        let mut packet = sip_datagram(false, "INVITE sip:x@h SIP/2.0", "1 INVITE", "", "");
        for _ in 0..depth {
            let frame = [&[8, 0, 0, 0, 0, 0, 5, 0][..], &[0; 12], &[8, 0], &packet].concat();
            packet = datagram(4789, &frame, false);
        }
        let mut tap = Tap(point(&[intercept("L", "IRI")]));
        tap.packet(1, &packet);
        [Counter::Calls, Counter::Tunnelled, Counter::TunnelsTooDeep].map(|c| tap.0.counters().get(c))
    };
    assert_eq!(begun(4), [1, 4, 0]);
    assert_eq!(begun(5), [0, 4, 1]);
    assert_eq!(begun(200), [0, 4, 1]);
}

/// A retransmission is a datagram of its own: kept as evidence, although it tells nothing new.
#[test]
fn p05_a_request_sent_again_changes_nothing_and_is_kept() {
    let mut tap = Tap(point(&[intercept("L", "IRIandCC")]));
    for when in [1, 2, 4] {
        tap.sip(when, false, "INVITE sip:x@h SIP/2.0", "1 INVITE", "", "");
    }
    let told = tap.told();
    assert_eq!(told.iter().filter(|t| t.ends_with("cc")).count(), 3);
    assert_eq!(told.iter().filter(|t| t.contains("Begin")).count(), 1);
}

#[test]
fn retention_keeps_every_call_and_no_content() {
    let document = warrant("R", "retention", &json!({"retention": {"days": 1}, "recipients": []}));
    let mut tap = Tap(point(&[document]));
    tap.call();
    tap.text(9, "hello");
    assert_eq!(tap.told(), ["record 33639980101 x@h".replace("x@h", "sip:x@h")]);
}

#[test]
fn a_keyword_narrows_a_warrant_and_a_ceiling_ends_a_screening() {
    let words = json!([{"type": "keyword", "value": "tournesol", "whole_word": true}]);
    let mut narrow = intercept("L", "IRIandCC");
    narrow["criteria"] = words.clone();
    let screening = warrant("S", "screening", &json!({"criteria": words, "ceiling": {"sessions": 2}}));
    let mut tap = Tap(point(&[narrow, screening]));
    tap.call();
    for (when, body) in
        [(10, "bonjour"), (11, "un tournesol"), (12, "Tournesol!"), (13, "tournesol"), (14, "tournesols")]
    {
        tap.text(when, body);
    }
    let told = tap.told();
    let of = |what: &str| told.iter().filter(|t| t.starts_with(what)).count();
    assert_eq!((of("L Report"), of("L cc"), of("L Begin")), (3, 3, 0), "texts with the word, and no call");
    assert_eq!((of("S Report"), of("S cc"), of("suspended")), (2, 0, 1));
}

/// A lookup of www.example.net, whose answer is an alias, and a QUIC hello for it under ECH.
#[test]
fn p55_p57_p69_records_say_alias_and_outer_name_and_counters_say_what_is_hidden() {
    let alias = json!([{"type": "domain", "value": "edge.example", "subdomains": false}]);
    let outer = json!([{"type": "domain", "value": "public.example", "subdomains": true}]);
    let mut tap = Tap(point(&[
        warrant("A", "screening", &json!({"criteria": alias, "ceiling": {"sessions": 9}})),
        warrant("O", "screening", &json!({"criteria": outer, "ceiling": {"sessions": 9}})),
    ]));
    let question = b"\x03www\x07example\x03net\0\0\x01\0\x01";
    let query = [&b"\0\x09\x01\0\0\x01\0\0\0\0\0\0"[..], question].concat();
    let cname = b"\xc0\x0c\0\x05\0\x01\0\0\0\x09\0\x0e\x04edge\x07example\0";
    let answer = [&b"\0\x09\x81\x80\0\x01\0\x01\0\0\0\0"[..], question, cname].concat();
    tap.packet(1, &datagram(53, &query, false));
    tap.packet(2, &datagram(53, &answer, true));
    let frames = crypto(0, &hello_with_ech("public.example"));
    tap.packet(3, &datagram(443, &seal(Version::V1, b"firstcid", b"firstcid", &[], 0, &frames), false));
    let mut wireguard = vec![0; 148];
    wireguard[0] = 1;
    tap.packet(4, &datagram(51820, &wireguard, false));
    tap.0.finish();
    let told: Vec<_> = std::iter::from_fn(|| tap.0.poll())
        .filter_map(|product| match product {
            Product::Iri(iri) if iri.facts.event == "name" => {
                Some((iri.liid.0.to_string(), iri.iri_type, iri.facts.via))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [
            ("A".to_owned(), IriType::Report, Some("dns-cname")),
            ("O".to_owned(), IriType::Begin, Some("quic-ech")),
        ]
    );
    let counters = tap.0.counters();
    let of = [Counter::NamesVisible, Counter::NamesOuter, Counter::NotVisibleWireGuard, Counter::NamesAlias];
    assert_eq!(of.map(|counter| counters.get(counter)), [0, 1, 1, 1]);
}

#[test]
fn p51_a_hit_names_its_warrant_its_criterion_and_its_form() {
    let words = json!([
        {"type": "keyword", "value": "orchid\u{e9}e", "whole_word": true},
        {"type": "keyword", "value": "tournesol", "whole_word": true},
    ]);
    let mut tap =
        Tap(point(&[warrant("S", "screening", &json!({"criteria": words, "ceiling": {"sessions": 9}}))]));
    for (when, body) in [
        (10, "tournesol"),
        (11, "TOURNESOL"),
        (12, "t\u{43e}urnesol"),
        (13, "orchide\u{301}e"),
        (14, "tournesols"),
    ] {
        tap.text(when, body);
    }
    let hits: Vec<_> = std::iter::from_fn(|| tap.0.poll())
        .filter_map(|product| match product {
            Product::Iri(iri) => Some((iri.liid.0.to_string(), iri.criterion, iri.form, iri.facts.kind)),
            _ => None,
        })
        .collect();
    let hit = |criterion, form| ("S".to_owned(), Some(criterion), Some(form), Some("text"));
    let expected = [hit(1, "raw"), hit(1, "normalised"), hit(1, "skeleton"), hit(0, "normalised")];
    assert_eq!(hits, expected);
}

#[test]
fn what_is_withdrawn_or_absent_selects_nothing() {
    let mut tap = Tap(point(&[]));
    tap.call();
    tap.text(9, "tournesol");
    assert!(tap.told().is_empty());
    assert_eq!(tap.0.counters().get(Counter::Cc), 0);
    assert!(tap.0.counters().get(Counter::MediaUnselected) == 2, "dropped, and counted");
}

#[test]
fn each_step_of_admission_refuses() {
    let good = intercept("L", "IRI");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut forged = bundle(&good);
        change(&mut forged);
        let mut point = point(&[]);
        point.admit(forged.to_string().as_bytes(), at(0), Resume::default()).map(|a| a.id).unwrap_err().code()
    };
    assert_eq!(
        with(&|b| b["warrant"] = json!(b["warrant"].as_str().unwrap().replace("\"l\"", "\"k\""))),
        "entry_mismatch"
    );
    assert_eq!(with(&|b| b["approvals"][1] = b["approvals"][0].clone()), "approvals_missing");
    assert_eq!(with(&|b| b["approvals"][1]["approver"] = json!("c")), "approver_unknown");
    assert_eq!(with(&|b| b["approvals"][1]["approver"] = json!("r")), "approver_is_requester");
    assert_eq!(with(&|b| b["approvals"][1]["approver"] = json!("a")), "approval_invalid");
    assert_eq!(with(&|b| b["index"] = json!(0)), "not_in_log");
    assert_eq!(with(&|b| b["opening"] = json!(STANDARD.encode([8; 32]))), "commitment_invalid");
    assert_eq!(with(&|b| b["checkpoint"] = json!("x")), "checkpoint_invalid");
    assert_eq!(with(&|b| b["more"] = json!(1)), "bundle_unreadable");
    for (now, code) in [(-86_400 * 300, "window_not_begun"), (86_400 * 300, "window_over")] {
        let mut point = point(&[]);
        let refused = point.admit(bundle(&good).to_string().as_bytes(), at(now), Resume::default());
        assert_eq!(refused.map(|a| a.id).unwrap_err().code(), code);
    }
}

#[test]
fn a_log_that_does_not_extend_the_head_is_refused() {
    let mut point = point(&[intercept("L", "IRI")]);
    let refused =
        point.admit(bundle(&intercept("M", "IRI")).to_string().as_bytes(), at(0), Resume::default());
    assert_eq!(refused.map(|a| a.id).unwrap_err(), Refusal::LogForked);
}

/// RTP of one payload from the caller.
fn rtp(tap: &mut Tap, when: i64, pt: u8, payload: &[u8]) {
    let packet = [&[0x80, pt, 0, when.to_le_bytes()[0], 0, 0, 0, 0, 0, 0, 0, 7][..], payload].concat();
    tap.packet(when, &datagram(4000, &packet, false));
}

/// The octets of all content so far.
fn contents(tap: &mut Tap) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| tap.0.poll())
        .filter_map(|product| match product {
            Product::Cc(cc) => Some(cc.octets.0),
            _ => None,
        })
        .collect()
}

#[test]
fn p38_p39_digits_need_words_of_their_own_in_the_warrant() {
    for (digits, product) in [(false, "IRIandCC"), (true, "IRIandCC"), (false, "IRI")] {
        let mut document = intercept("L", product);
        if digits {
            document["post_dial_digits"] = json!(true);
        }
        let mut tap = Tap(point(&[document]));
        let sdp = |ip: &str| {
            format!(
                "v=0\r\nc=IN IP4 {ip}\r\nm=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
            )
        };
        tap.sip(1, false, "INVITE sip:x@h SIP/2.0", "1 INVITE", "", &sdp("10.0.0.1"));
        tap.sip(2, true, "SIP/2.0 200 OK", "1 INVITE", ";tag=b", &sdp("10.0.0.2"));
        rtp(&mut tap, 3, 0, &[0xff; 160]);
        for when in 4..7 {
            rtp(&mut tap, when, 101, &[7, 0x8a, 3, 0x20]);
        }
        tap.sip(8, false, "INFO sip:x@h SIP/2.0", "2 INFO", ";tag=b", "Signal=7\r\nDuration=160\r\n");
        tap.sip(9, false, "BYE sip:x@h SIP/2.0", "3 BYE", ";tag=b", "");
        tap.0.finish();
        let (mut withheld, mut found) = ((0, 0), Vec::new());
        for product in std::iter::from_fn(|| tap.0.poll()) {
            match product {
                Product::Cc(cc) => found.push(cc),
                Product::CallClosed(closed) => withheld = (closed.digits_withheld, closed.digits_blanked),
                Product::Iri(iri) => assert!(!format!("{:?}", iri.facts.event).contains("info")),
                _ => {}
            }
        }
        let holds = |cc: &Cc, what: &[u8]| cc.octets.0.windows(what.len()).any(|w| w == what);
        let (signal, event) = (b"Signal=7".as_slice(), [7, 0x8a, 3, 0x20].as_slice());
        let seen = found.iter().filter(|cc| holds(cc, signal) || holds(cc, event)).count();
        let expected = if digits { (4, 8, (0, 0)) } else { (0, 5, (3, 1)) };
        if product == "IRI" {
            assert!(found.is_empty());
        } else {
            assert_eq!((seen, found.len(), withheld), expected);
            let blank = found.iter().find(|cc| holds(cc, b"xxxxxxxx"));
            assert_eq!(
                blank.map(|cc| cc.link),
                (!digits).then_some(LinkType::UPPER_PDU),
                "no checksum gives it away"
            );
        }
    }
}

#[test]
fn digits_are_refused_to_a_warrant_for_facts() {
    let mut document = intercept("L", "IRI");
    document["post_dial_digits"] = json!(true);
    let mut point = point(&[]);
    let refused = point.admit(bundle(&document).to_string().as_bytes(), at(0), Resume::default());
    assert_eq!(refused.map(|a| a.id).unwrap_err().code(), "warrant_not_honourable");
}

#[test]
fn p20_a_call_that_was_up_before_the_warrant_is_followed_from_then_on() {
    let mut tap = Tap(point(&[]));
    let sdp = |ip: &str| format!("v=0\r\nc=IN IP4 {ip}\r\nm=audio 4000 RTP/AVP 0\r\n");
    tap.sip(1, false, "INVITE sip:x@h SIP/2.0", "1 INVITE", "", &sdp("10.0.0.1"));
    tap.sip(2, true, "SIP/2.0 200 OK", "1 INVITE", ";tag=b", &sdp("10.0.0.2"));
    rtp(&mut tap, 3, 0, b"before");
    tap.0.head = None;
    let document = intercept("L", "IRIandCC");
    tap.0.admit(bundle(&document).to_string().as_bytes(), at(4), Resume::default()).unwrap();
    rtp(&mut tap, 5, 0, b"after!");
    let found = contents(&mut tap);
    assert_eq!(found.len(), 1);
    assert!(found[0].ends_with(b"after!"), "and nothing of before was kept");
}

/// A call of the target up to its answer, and a REFER of the target's that the other side accepts.
fn referred(tap: &mut Tap) {
    let sdp = |ip: &str| format!("v=0\r\nc=IN IP4 {ip}\r\nm=audio 4000 RTP/AVP 0\r\n");
    tap.sip(1, false, "INVITE sip:x@h SIP/2.0", "1 INVITE", "", &sdp("10.0.0.1"));
    tap.sip(2, true, "SIP/2.0 200 OK", "1 INVITE", ";tag=b", &sdp("10.0.0.2"));
    tap.sip(3, false, "REFER sip:x@h SIP/2.0\r\nRefer-To: <sip:c@h>", "2 REFER", ";tag=b", "");
    tap.sip(3, true, "SIP/2.0 202 Accepted", "2 REFER", ";tag=b", "");
}

#[test]
fn p13_the_content_ends_when_the_target_has_transferred_the_call() {
    let mut tap = Tap(point(&[intercept("L", "IRIandCC")]));
    referred(&mut tap);
    rtp(&mut tap, 4, 0, b"still here");
    tap.sip(5, true, "BYE sip:x@h SIP/2.0", "3 BYE", ";tag=b", "");
    rtp(&mut tap, 6, 0, b"others");
    let told = tap.told();
    assert_eq!(told.iter().filter(|t| t.ends_with("cc")).count(), 4 + 1 + 1);
    assert_eq!(told.last().map(String::as_str), Some("L closed target_left"), "{told:?}");
}

#[test]
fn p13_another_identity_ends_it_only_by_the_networks_word_and_after_a_refer() {
    let update = |who: &str| format!("UPDATE sip:x@h SIP/2.0\r\nP-Asserted-Identity: <sip:{who}@h>");
    let mut tap = Tap(point(&[intercept("L", "IRIandCC")]));
    referred(&mut tap);
    tap.sip(4, false, &update(TARGET), "4 UPDATE", ";tag=b", "");
    rtp(&mut tap, 5, 0, b"the target");
    tap.sip(6, false, &update("+33639989999"), "5 UPDATE", ";tag=b", "");
    rtp(&mut tap, 7, 0, b"somebody else");
    let found = contents(&mut tap);
    assert!(
        found.iter().any(|c| c.ends_with(b"the target"))
            && !found.iter().any(|c| c.ends_with(b"somebody else"))
    );

    let mut tap = Tap(point(&[intercept("L", "IRIandCC")]));
    tap.call();
    let mut tap = Tap(point(&[intercept("L", "IRIandCC")]));
    let sdp = "v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n";
    tap.sip(1, false, "INVITE sip:x@h SIP/2.0", "1 INVITE", "", sdp);
    tap.sip(2, true, "SIP/2.0 200 OK", "1 INVITE", ";tag=b", "");
    tap.sip(6, false, &update("+33639989999"), "5 UPDATE", ";tag=b", "");
    rtp(&mut tap, 7, 0, b"the target all the same");
    assert!(
        contents(&mut tap).iter().any(|c| c.ends_with(b"the target all the same")),
        "no evasion by a header"
    );
}

#[test]
fn p17_a_leg_is_followed_only_by_a_certain_rule_and_as_long_as_its_twin_is_up() {
    let (one, two) = ("ab30317f1a784dc48ff824d0d3715d86", "47755a9de7794ba387653f2099600ef2");
    let leg = |port: u16, first: &str, cseq: &str, headers: &str| {
        let message = format!(
            "{first}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKleg{cseq}\r\nFrom: <sip:anonymous@anonymous.invalid>;tag=z\r\n\
             To: <sip:y@h>\r\nCall-ID: leg\r\nCSeq: {cseq}\r\n{headers}\r\nContent-Length: 0\r\n\r\n"
        );
        datagram(port, message.as_bytes(), false)
    };
    let certain = format!("Session-ID: {two};remote={one}");
    let half = format!("Session-ID: {one};remote={}", "0".repeat(32));
    for (headers, expected) in [(certain, 3), (half, 0)] {
        let mut tap = Tap(point(&[intercept("L", "IRIandCC")]));
        let first = format!("INVITE sip:x@h SIP/2.0\r\nSession-ID: {one};remote={two}");
        tap.packet(0, &leg(5060, "INVITE sip:y@h SIP/2.0", "1 INVITE", &headers));
        tap.sip(1, false, &first, "1 INVITE", "", "");
        tap.packet(2, &leg(5060, "UPDATE sip:y@h SIP/2.0", "2 UPDATE", &headers));
        tap.packet(3, &leg(5060, "UPDATE sip:y@h SIP/2.0", "3 UPDATE", &headers));
        tap.packet(3, &leg(5060, "UPDATE sip:y@h SIP/2.0", "4 UPDATE", &headers));
        tap.sip(4, true, "SIP/2.0 486 Busy", "1 INVITE", ";tag=b", "");
        tap.packet(5, &leg(5060, "UPDATE sip:y@h SIP/2.0", "5 UPDATE", &headers));
        let found = contents(&mut tap);
        let of_leg = found.iter().filter(|c| c.windows(12).any(|w| w == b"Call-ID: leg")).count();
        assert_eq!(of_leg, expected);
    }
}

#[test]
fn a_lead_is_not_told_of_a_call_that_nobody_may_hear_of() {
    let mut tap = Tap(point(&[intercept("L", "IRI")]));
    let stranger = "INVITE sip:+33639980300@h SIP/2.0\r\nFrom: <sip:s@h>;tag=s\r\nTo: <sip:x@h>\r\nCall-ID: secret\r\n\
                    CSeq: 1 INVITE\r\n\r\n";
    tap.packet(1, &datagram(5060, stranger.as_bytes(), false));
    tap.sip(2, false, "INVITE sip:+33639980300@h SIP/2.0", "1 INVITE", "", "");
    tap.0.finish();
    let linked = std::iter::from_fn(|| tap.0.poll()).any(|product| match product {
        Product::Iri(iri) => iri.facts.course.is_some_and(|c| !c.links.is_empty()),
        _ => false,
    });
    assert!(!linked);
}

proptest! {
    #[test]
    fn packets_of_any_octets_release_nothing_without_a_match(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..40)) {
        let mut tap = Tap(point(&[]));
        for (i, octets) in packets.iter().enumerate() {
            tap.packet(i as i64, &datagram(5060, octets, i % 2 == 0));
            tap.packet(i as i64, octets);
        }
        prop_assert!(tap.told().is_empty());
    }
}

/// A frame of a signalling link (MTP 2) with an ISUP message of circuit 5.
fn circuit_frame(from: u8, message: &[u8]) -> Vec<u8> {
    // Two point codes of 14 bits each: 1 and 2.
    let label = if from == 1 { [0x02, 0x40, 0x00, 0x00] } else { [0x01, 0x80, 0x00, 0x00] };
    let unit = [&[0x85][..], &label, &[5, 0], message].concat();
    [&[0, 0, unit.len() as u8][..], &unit].concat()
}

#[test]
fn a_call_of_a_circuit_switch_makes_the_same_product_as_one_of_sip() {
    let retention = warrant("R", "retention", &json!({"retention": {"days": 1}, "recipients": []}));
    let mut point = point(&[intercept("A", "IRIandCC"), retention]);
    // National number with its prefix: nature of address 3.
    let setup = crate::decode::isup::tests::iam(
        &crate::decode::isup::tests::number(3, 0x10, "0639980101"),
        &[(0x0a, &crate::decode::isup::tests::number(4, 0x13, "44207946000"))],
    );
    let messages: [(u8, &[u8]); 5] = [
        (1, &setup),
        (2, &[6, 0x04, 0, 0]),
        (2, &[9, 0]),
        (1, &[0x0c, 2, 0, 2, 0x8a, 0x90]),
        (2, &[0x10, 0]),
    ];
    for (second, (from, message)) in messages.iter().enumerate() {
        let data = circuit_frame(*from, message);
        point.handle(&Packet {
            ts: at(second as i64),
            link: LinkType::MTP2,
            data: &data,
            wire_len: data.len() as u32,
        });
    }
    point.finish();
    let (mut events, mut contents, mut closed, mut records) = (Vec::new(), 0, 0, Vec::new());
    while let Some(product) = point.poll() {
        match product {
            Product::Iri(iri) => {
                assert_eq!((iri.matched, iri.facts.via), (Some(Role::CalledParty), Some("isup")));
                events.push((iri.iri_type, iri.facts.event));
            }
            Product::Cc(cc) => {
                assert!(matches!(cc.kind, CcKind::Circuit(Carrier::Mtp3)) && cc.link == LinkType::MTP2);
                contents += 1;
            }
            Product::CallClosed(call) => {
                assert_eq!((call.answer, call.end), (Some(at(2)), Some(at(3))));
                closed += 1;
            }
            Product::CallRecord(record) => records.push((record.caller.0.clone(), record.callee.0.clone())),
            Product::Suspended(..) => panic!("no ceiling"),
        }
    }
    // The number is complete, and so looked up, with the ACM; what came before it belongs to nobody's evidence.
    assert_eq!(events, [(IriType::Begin, "selected"), (IriType::Continue, "answer"), (IriType::End, "end")]);
    assert_eq!((contents, closed), (4, 1));
    assert_eq!(records, [("44207946000".into(), "33639980101".into())]);
}

#[path = "point_access_tests.rs"]
mod access;
/// The tasks of the fuzz target `point`, in one log. The numbers and words are those of the demo capture.
#[test]
fn the_fuzz_target_has_tasks_that_are_admitted() {
    let criterion = |kind: &str, more: Value| json!({"criteria": [more], "ceiling": {"sessions": 3}, "legal_basis": kind});
    let keyword = json!({"type": "keyword", "value": "tournesol", "whole_word": true});
    let domain = json!({"type": "domain", "value": "watched.example", "subdomains": true});
    let documents = [
        intercept("NUMBER", "IRIandCC"),
        warrant("KEYWORD", "screening", &criterion("keyword", keyword)),
        warrant("DOMAIN", "screening", &criterion("domain", domain)),
        warrant("RETENTION", "retention", &json!({"retention": {"days": 1}, "recipients": []})),
    ];
    let mut bundles = documents.each_ref().map(bundle);
    let leaves: Vec<Vec<u8>> =
        bundles.iter().map(|b| STANDARD.decode(b["entry"].as_str().unwrap()).unwrap()).collect();
    for (index, bundle) in bundles.iter_mut().enumerate() {
        let proof: Vec<String> =
            testlog::inclusion(&leaves, index).iter().map(|hash| STANDARD.encode(hash)).collect();
        bundle["index"] = json!(index);
        bundle["proof"] = json!(proof);
        bundle["checkpoint"] = json!(testlog::note("test/log", &leaves, "test/log", &key(1)));
    }
    let mut point = point(&[]);
    for bundle in &bundles {
        point.admit(bundle.to_string().as_bytes(), at(0), Resume::default()).unwrap();
    }
    let bundles = bundles.map(|bundle| bundle.to_string());
    let tasks = json!({"now": START, "config": config().to_string(), "bundles": bundles});
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/fuzz/point.json");
    if std::env::var_os("WRITE_FUZZ_TASKS").is_some() {
        std::fs::write(file, format!("{tasks:#}\n")).unwrap();
    }
    let written: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(written == tasks, "out of date: run this test once with WRITE_FUZZ_TASKS=1");
}

#[path = "point_recorded_tests.rs"]
mod recorded;
