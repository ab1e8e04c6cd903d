use proptest::prelude::*;

use super::*;
use crate::decode::Framing;

const INVITE: &[u8] = b"INVITE sip:bob@biloxi.example;user=phone SIP/2.0\r\n\
    Via: SIP/2.0/UDP pc33.example;branch=z9hG4bK776, SIP/2.0/UDP b;branch=z9hG4bKlower\r\n\
    From: \"A, <b>; \\\"c\\\"\" <sip:alice@atlanta.example>;tag=1928\r\n\
    To: Bob <sip:bob@biloxi.example>\r\n\
    Call-ID: a84b4c76e66710\r\n\
    CSeq: 314159 INVITE\r\n\
    P-Asserted-Identity: <sip:+15551@a.example;user=phone>, <tel:+15551;phone-context=+1>\r\n\
    p-asserted-identity:\r\n  \"x,y\" <sip:z@a.example>\r\n\
    History-Info: <sip:v@a.example?Reason=SIP%3Bcause%3D302>;index=1\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 5\r\n\r\nv=0\r\nrest";

fn parties(message: &Message<'_>) -> Vec<(Role, String)> {
    let mut found = Vec::new();
    message.parties(&mut |role, uri| found.push((role, uri.to_owned())));
    found
}

fn uri(message: &Message<'_>, role: Role) -> String {
    parties(message).into_iter().find(|(found, _)| *found == role).map(|(_, uri)| uri).unwrap_or_default()
}

#[test]
fn reads_a_request() {
    let message = Message::parse(INVITE).expect("a message");
    assert_eq!(
        message.start,
        Start::Request { method: Method::Invite, uri: b"sip:bob@biloxi.example;user=phone" }
    );
    assert_eq!(message.call_id, b"a84b4c76e66710");
    assert_eq!(message.cseq, CSeq { number: 314_159, method: Method::Invite });
    assert_eq!(
        (uri(&message, Role::From), message.from_tag),
        ("sip:alice@atlanta.example".to_owned(), &b"1928"[..])
    );
    assert_eq!((uri(&message, Role::To), message.to_tag), ("sip:bob@biloxi.example".to_owned(), &b""[..]));
    assert_eq!(message.branch(), b"z9hG4bK776");
    assert_eq!(message.body, b"v=0\r\n");
}

#[test]
fn finds_every_identity_where_it_stands() {
    let message = Message::parse(INVITE).expect("a message");
    let expected = [
        (Role::RequestUri, "sip:bob@biloxi.example;user=phone"),
        (Role::From, "sip:alice@atlanta.example"),
        (Role::To, "sip:bob@biloxi.example"),
        (Role::PAssertedIdentity, "sip:+15551@a.example;user=phone"),
        (Role::PAssertedIdentity, "tel:+15551;phone-context=+1"),
        (Role::PAssertedIdentity, "sip:z@a.example"),
        (Role::HistoryInfo, "sip:v@a.example"),
    ];
    let found = parties(&message);
    assert_eq!(found.iter().map(|(r, u)| (*r, u.as_str())).collect::<Vec<_>>(), expected);
}

#[test]
fn compact_names_bare_line_feeds_and_leading_line_ends() {
    let message = Message::parse(
        b"\r\n\r\nSIP/2.0 180 Ringing\nv:SIP/2.0/TCP h ; branch = b1\nF: sip:a@h;tag=x\nt : <sip:b@h>;TAG=y\n\
          I: id\ncseq: 2  INVITE\nc: text/plain\nk: x\nr: <sip:no@h>\nl: 2\n\nokay",
    )
    .expect("a message");
    assert_eq!(message.start, Start::Response { status: 180, reason: b"Ringing" });
    assert_eq!((message.branch(), message.call_id, message.body), (&b"b1"[..], &b"id"[..], &b"ok"[..]));
    assert_eq!((uri(&message, Role::From), message.from_tag), ("sip:a@h".to_owned(), &b"x"[..]));
    assert_eq!(message.to_tag, b"y");
    assert_eq!(message.method(), Method::Invite);
    assert_eq!(parties(&message).len(), 2, "Refer-To is not an identity of the call");
}

#[test]
fn a_bad_content_length_takes_what_is_there() {
    for length in ["99999", "-1", "4294967296", "x", ""] {
        let raw = format!("MESSAGE sip:b@h SIP/2.0\r\ni: 1\r\nl: {length}\r\n\r\nbody\0\u{e9}");
        let message = Message::parse(raw.as_bytes()).expect("a message");
        assert_eq!(message.body, "body\0\u{e9}".as_bytes());
    }
}

#[test]
fn octets_beyond_utf_8_stay_distinct() {
    let message =
        Message::parse(b"BYE sip:\xff@h SIP/2.0\r\ni: 1\r\nf: <sip:\xfe@h>\r\n\r\n").expect("a message");
    let found = parties(&message);
    assert_eq!(found[0].1, "sip:\u{ff}@h");
    assert_eq!(found[1].1, "sip:\u{fe}@h");
}

#[test]
fn what_is_not_sip() {
    assert!(looks_like_sip(INVITE));
    assert!(looks_like_sip(b"SIP/2.0 200 OK\r\n"));
    for other in [
        &b"hello"[..],
        b"",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"SIP/2.0 099 x\r\n",
        b"SIP/2.0 2000 x\r\n",
        b"\x80\x00\n SIP/2.0\n",
        b"INVITE SIP/2.0\r\n",
        b"IN(VITE x SIP/2.0\r\n",
        b"AUEP 1 gw MGCP 1.0\r\n",
    ] {
        assert!(!looks_like_sip(other), "{other:?}");
    }
    assert!(Message::parse(b"BYE sip:a SIP/2.0\r\nTo: x\r\n\r\n").is_none(), "no Call-ID");
}

#[test]
fn multipart_bodies() {
    let raw = b"INVITE sip:b SIP/2.0\r\ni: 1\r\nContent-Type: multipart/mixed;boundary=\"b1\"\r\n\r\n\
        preamble\r\n--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b1-not\r\n\r\n--b1\r\n\
        c: multipart/x; boundary=b1x\r\n\r\n--b1x\r\n\r\nplain\r\n--b1x--\r\n--b1\r\n\
        Content-Type: application/isup\r\n\r\n\x01\0\r\n\xff\r\n--b1--\r\nafter";
    let mut found = Vec::new();
    Message::parse(raw).expect("a message").bodies(|kind, body| found.push((kind.to_vec(), body.to_vec())));
    let expected: [(&[u8], &[u8]); 3] = [
        (b"application/sdp", b"v=0\r\n--b1-not\r\n"),
        (b"text/plain", b"plain"),
        (b"application/isup", b"\x01\0\r\n\xff"),
    ];
    assert_eq!(found, expected.map(|(kind, body)| (kind.to_vec(), body.to_vec())));
}

#[test]
fn p39_post_dial_digits_are_no_part_of_an_identity() {
    let raw = b"INVITE tel:+33612345678;postd=pp4711;isub=1 SIP/2.0\r\ni: 1\r\nTo: <sip:+33612345678;PostD=w22@h;user=phone>\r\n\
        From: <tel:+33698765432;postd=1>\r\n\r\n";
    let message = Message::parse(raw).expect("a message");
    let mut found = Vec::new();
    message.parties(&mut |_, uri| found.push(uri.to_owned()));
    found.sort();
    assert_eq!(found, ["sip:+33612345678@h;user=phone", "tel:+33612345678;isub=1", "tel:+33698765432"]);
}

#[test]
fn p06_encodings_of_bodies_are_undone() {
    let bodies = |head: &str, body: &[u8]| {
        let raw = [format!("MESSAGE sip:b SIP/2.0\r\ni: 1\r\n{head}\r\n\r\n").as_bytes(), body].concat();
        let mut found = Vec::new();
        let is_whole = Message::parse(&raw).expect("a message").bodies(|_, body| found.push(body.to_vec()));
        (found, is_whole)
    };
    let mixed = b"--x\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naGk=\r\n\
        --x\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\r\n\xff\r\n--x--";
    let parts = (vec![b"hi".to_vec(), b"\0\r\n\xff".to_vec()], true);
    let kind = "c: multipart/mixed;boundary=x";
    assert_eq!(bodies(kind, mixed), parts);
    assert_eq!(bodies(&format!("{kind}\r\ne: gzip"), &crate::decode::mime::tests::gzip(mixed)), parts);
    assert_eq!(
        bodies("c: text/plain\r\nContent-Transfer-Encoding: quoted-printable", b"h=69"),
        (vec![b"hi".to_vec()], true)
    );
    assert_eq!(bodies("c: text/plain\r\nContent-Encoding: br", b"hi"), (Vec::new(), false));
}

#[test]
fn frames_a_stream() {
    let message = b"BYE sip:a SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 3\r\n\r\nabc";
    let mut stream = b"\r\n\r\n".to_vec();
    stream.extend_from_slice(message);
    stream.extend_from_slice(b"OPTIONS sip:a SIP/2.0\r\ni: 2\r\n\r\n");
    assert_eq!(frame(&stream), Framing::Skip(4));
    assert_eq!(frame(&stream[4..]), Framing::Message(message.len()));
    for cut in 1..message.len() {
        assert_eq!(frame(&message[..cut]), Framing::NeedMore, "{cut} octets");
    }
    assert_eq!(frame(&stream[4 + message.len()..]), Framing::Message(31), "no Content-Length: no body");
}

#[test]
fn joins_a_stream_in_the_middle() {
    let stream = b"=0 PCMU/8000\r\na=sendrecv\r\nSIP/2.0 200 OK\r\ni: 1\r\nl: 0\r\n\r\n";
    assert_eq!(frame(stream), Framing::Skip(26));
    assert_eq!(frame(&stream[..26]), Framing::Skip(26), "the rest of a body alone");
    assert_eq!(frame(b"\x16\x03\x01\x02\0"), Framing::Foreign);
    assert_eq!(frame(b"GET / HTTP/1.1\r\n"), Framing::Foreign);
    let insane =
        b"BYE sip:a SIP/2.0\r\ni: 1\r\nContent-Length: 999999999\r\n\r\nBYE sip:b SIP/2.0\r\ni: 2\r\n\r\n";
    assert_eq!(frame(insane), Framing::Message(54));
    assert_eq!(frame(&insane[54..]), Framing::Message(27));
}

proptest! {
    #[test]
    fn any_octets(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = looks_like_sip(&octets);
        let _ = frame(&octets);
        if let Some(message) = Message::parse(&octets) { drop(parties(&message)); }
    }

    #[test]
    fn damaged_messages(at in 0..INVITE.len(), octets in proptest::collection::vec(any::<u8>(), 0..6), cut in 0..INVITE.len()) {
        let mut damaged = INVITE.to_vec();
        damaged.splice(at..at, octets);
        for raw in [&damaged[..], &damaged[..cut]] {
            let _ = frame(raw);
            if let Some(message) = Message::parse(raw) {
                drop(parties(&message));
                message.bodies(|_, _| {});
            }
        }
    }

    #[test]
    fn header_values_of_any_text(value in "[ -~]{0,60}") {
        address::each(value.as_bytes(), |uri| assert!(!uri.is_empty()));
        let _ = (address::tag(value.as_bytes()), address::addr_spec(value.as_bytes()));
    }

    #[test]
    fn a_tag_reads_the_same_wherever_it_stands(tag in "[ -~]{0,20}") {
        let first = format!("<sip:a@h>;tag={tag}");
        let second = format!("<sip:a@h>;x;tag={tag}");
        prop_assert_eq!(address::tag(first.as_bytes()), address::tag(second.as_bytes()));
    }

    #[test]
    fn names_the_parties_back(user in "[a-z0-9+]{1,12}", name in "[ -~]{0,20}", more in "[a-z]{1,6}") {
        let name = name.replace(['"', '\\'], "");
        let raw = format!("INVITE sip:x SIP/2.0\r\ni: 1\r\nf: \"{name}\" <sip:{user}@h;user=phone>;tag=t\r\nDiversion: \"{name}\" <sip:{user}@d>;reason=x, \"{name}\" <tel:{more}>\r\n\r\n");
        let message = Message::parse(raw.as_bytes()).expect("a message");
        let found: Vec<_> = parties(&message).into_iter().skip(1).map(|(_, u)| u).collect();
        prop_assert_eq!(found, vec![format!("sip:{user}@h;user=phone"), format!("sip:{user}@d"), format!("tel:{more}")]);
    }
}
