//! The torture messages of RFC 4475 and RFC 5118, each with what a tap makes of it. Where the RFC has a server refuse a
//! message, a tap still reads what it can: the far end may forgive (ADR 6), and whom a damaged message concerns must not
//! depend on the damage.

use super::*;
use crate::product::Role;

/// A message: `\n` stands for CRLF.
fn wire(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

fn with_body(head: &str, body: &str) -> Vec<u8> {
    let body = body.replace('\n', "\r\n");
    format!("{}\r\nContent-Length: {}\r\n\r\n{body}", head.replace('\n', "\r\n"), body.len()).into_bytes()
}

fn uris(message: &Message<'_>, wanted: Role) -> Vec<String> {
    let mut out = Vec::new();
    message.parties(&mut |role, uri| {
        if role == wanted {
            out.push(uri.to_owned());
        }
    });
    out
}

/// Start line, Call-ID, `CSeq` and To as read.
fn read(octets: &[u8]) -> Option<(String, String, u32, Vec<String>)> {
    let message = Message::parse(octets)?;
    let first = match message.start {
        Start::Request { method, uri } => format!("{method:?} {}", text(uri)),
        Start::Response { status, .. } => status.to_string(),
    };
    let call_id = text(message.call_id).into_owned();
    Some((first, call_id, message.cseq.number, uris(&message, Role::To)))
}

const SDP: &str = "v=0\no=mhandley 29739 7272939 IN IP4 192.0.2.3\ns=-\nc=IN IP4 192.0.2.4\nt=0 0\nm=audio 49217 RTP/AVP 0 12\n";

/// RFC 4475, 3.1.1.1 `wsinv`: "A Short Tortuous INVITE".
#[test]
fn p2_a_short_tortuous_invite() {
    let octets = wire(&format!(
        "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\nTO :\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\n\
         from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\n  ;\n  tag = 98asjd8\nMaX-fOrWaRdS: 0068\n\
         Call-ID: wsinv.ndaksdj@192.0.2.1\nContent-Length   : 150\ncseq: 0009\n  INVITE\nVia  : SIP  /   2.0\n /UDP\n    192.0.2.2;branch=390skdjuw\n\
         s :\nNewFangledHeader:   newfangled value\n continued newfangled value\nUnknownHeaderWithUnusualValue: ;;,,;;,;\nContent-Type: application/sdp\n\
         Route:\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\nv:  SIP  / 2.0  / TCP     spindle.example.com   ;\n  branch  =   z9hG4bK9ikj8  ,\n \
         SIP  /    2.0   / UDP  192.168.255.111   ; branch=\n z9hG4bK30239\nm:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\n      newvalue ;\n  \
         secondparam ; q = 0.33\n\n{SDP}"
    ));
    let message = Message::parse(&octets).expect("a message");
    assert_eq!((message.call_id, message.cseq.number), (&b"wsinv.ndaksdj@192.0.2.1"[..], 9));
    assert_eq!((message.from_tag, message.to_tag), (&b"98asjd8"[..], &b"1918181833n"[..]));
    assert_eq!(message.branch(), b"390skdjuw");
    assert_eq!(uris(&message, Role::From), ["sip:jdrosen@example.com"]);
    assert_eq!(uris(&message, Role::To), ["sip:vivekg@chair-dnrc.example.com"]);
    assert!(message.body.starts_with(b"v=0"));
}

/// 3.1.1.2 `intmeth`: a method, URI and display names of every character that is allowed.
#[test]
fn p2_wide_range_of_valid_characters() {
    let octets = wire(
        "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0\n\
         Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~\nTo: \"BEL:\\\x07 NUL:\\\0 DEL:\\\x7f\" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>\n\
         From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"\u{440}\u{430}\";tag=_token~1'+`*%!-.\n\
         Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\nCSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\nMax-Forwards: 255\nContent-Length: 0\n\n",
    );
    let message = Message::parse(&octets).expect("a message");
    assert_eq!((message.method(), message.cseq.number), (Method::Other, 139_122_385));
    assert_eq!(message.call_id, b"intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
    assert_eq!((message.from_tag, message.branch()), (&b"_token~1'+`*%!-."[..], &b"z9hG4bK-.!%66*_+`'~"[..]));
    assert_eq!(
        uris(&message, Role::To),
        ["sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com"]
    );
}

/// 3.1.1.3 `esc01`, 3.1.1.4 `escnull`, 3.1.1.5 `esc02`: escapes are kept as they stand.
#[test]
fn p2_escapes_are_kept_and_nul_is_no_end() {
    let one = wire(
        "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0\nTo: sip:%75se%72@example.com\nFrom: <sip:I%20have%20spaces@example.net>;tag=938\n\
         Call-ID: esc01\nCSeq: 234234 INVITE\nContent-Length: 0\n\n",
    );
    let (first, _, number, to) = read(&one).expect("a message");
    assert_eq!((first.as_str(), number), ("Invite sip:sips%3Auser%40example.com@example.net", 234_234));
    assert_eq!(to, ["sip:%75se%72@example.com"]);
    let null = wire(
        "REGISTER sip:example.com SIP/2.0\nTo: sip:null-%00-null@example.com\nCall-ID: escnull\nCSeq: 14398234 REGISTER\nm: <sip:%00@host5.example.com>\nL:0\n\n",
    );
    assert_eq!(read(&null).expect("a message").3, ["sip:null-%00-null@example.com"]);
    let percent = wire(
        "RE%47IST%45R sip:registrar.example.com SIP/2.0\nTo: \"%Z%45\" <sip:resource@example.com>\nCall-ID: esc02\nCSeq: 29344 RE%47IST%45R\n\n",
    );
    assert_eq!(
        Message::parse(&percent).expect("a message").method(),
        Method::Other,
        "an escaped method is another method"
    );
}

/// 3.1.1.6 `lwsdisp`, 3.1.1.7 `longreq`, 3.1.1.8 `dblreq`, 3.1.1.9 `semiuri`, 3.1.1.10 `transports`.
#[test]
fn p2_display_names_length_trailers_and_semicolons() {
    let display = wire(
        "OPTIONS sip:user@example.com SIP/2.0\nTo: sip:user@example.com\nFrom: caller<sip:caller@example.com>;tag=323\nCall-ID: lwsdisp\nCSeq: 60 OPTIONS\n\n",
    );
    assert_eq!(uris(&Message::parse(&display).expect("a message"), Role::From), ["sip:caller@example.com"]);
    let long = "user-".repeat(60);
    let request = wire(&format!(
        "INVITE sip:user@example.com SIP/2.0\nTo: \"I have a {long}\" <sip:{long}@example.com>\nF: sip:{long}\nCall-ID: longreq.{long}\nCSeq: 3882340 INVITE\n\n"
    ));
    assert_eq!(read(&request).expect("a message").1, format!("longreq.{long}"));
    let first = "REGISTER sip:example.com SIP/2.0\nTo: sip:j.user@example.com\nCall-ID: dblreq.0ha0isndaksdj99sdfafnl3lk233412\nCSeq: 8 REGISTER\nContent-Length: 0\n\n";
    let double = wire(&format!("{first}INVITE sip:joe@example.com SIP/2.0\nCall-ID: other\n\n"));
    let message = Message::parse(&double).expect("a message");
    assert_eq!(message.octets, wire(first), "what follows the first message is not of it");
    let semicolon = wire(
        "OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0\nTo: sip:j_user@example.com\nCall-ID: semiuri\nCSeq: 8 OPTIONS\n\n",
    );
    assert_eq!(read(&semicolon).expect("a message").0, "Options sip:user;par=u%40example.net@example.com");
    let transports = wire(
        "OPTIONS sip:user@example.com SIP/2.0\nCall-ID: t\nCSeq: 60 OPTIONS\nVia: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw\nVia: SIP/2.0/UNKNOWN t5.example.com;branch=z9hG4bKkdjuw3\n\n",
    );
    assert_eq!(Message::parse(&transports).expect("a message").branch(), b"z9hG4bKkdjuw");
}

/// 3.1.1.11 `mpart01`, 3.1.1.12 `unreason`, 3.1.1.13 `noreason`.
#[test]
fn p6_multipart_and_odd_reason_phrases() {
    let octets = with_body(
        "MESSAGE sip:kumiko@example.org SIP/2.0\nCall-ID: mpart01\nCSeq: 1 MESSAGE\nContent-Type: multipart/mixed;boundary=7a9cbec02ceef655",
        "--7a9cbec02ceef655\nContent-Type: text/plain\nContent-Transfer-Encoding: binary\n\nHello\n--7a9cbec02ceef655\nContent-Type: application/octet-stream\n\n\0\x01--7a9\n--7a9cbec02ceef655--\n",
    );
    let mut parts = Vec::new();
    Message::parse(&octets)
        .expect("a message")
        .bodies(|kind, body| parts.push((kind.to_vec(), body.to_vec())));
    assert_eq!(
        parts,
        [
            (b"text/plain".to_vec(), b"Hello".to_vec()),
            (b"application/octet-stream".to_vec(), b"\0\x01--7a9".to_vec())
        ]
    );
    for (line, status) in [
        ("SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e}", "200"),
        ("SIP/2.0 100 ", "100"),
        ("SIP/2.0 100", "100"),
    ] {
        let octets = wire(&format!("{line}\nCall-ID: r\nCSeq: 35 INVITE\n\n"));
        assert_eq!(read(&octets).expect("a message").0, status);
    }
}

/// 3.1.2: invalid messages that a server refuses. What is certain of them is read.
#[test]
fn p66_what_is_invalid_is_read_as_far_as_it_goes() {
    let head = "Call-ID: bad\nCSeq: 193942 INVITE\nTo: sip:j.user@example.com\n";
    // 3.1.2.1 badinv01, 3.1.2.2 clerr, 3.1.2.3 ncl: extraneous separators, lengths too large and negative.
    for odd in
        ["Contact: \"Joe\" <sip:joe@example.org>;;;;\n", "Content-Length: 9999\n", "Content-Length: -999\n"]
    {
        let octets = wire(&format!(
            "INVITE sip:user@example.com SIP/2.0\n{head}{odd}Content-Type: application/sdp\n\n{SDP}"
        ));
        let message = Message::parse(&octets).expect("a message");
        assert_eq!((message.call_id, message.body.starts_with(b"v=0")), (&b"bad"[..], true), "{odd}");
    }
    // 3.1.2.4 scalar02: numbers that don't fit are no numbers.
    let octets =
        wire("REGISTER sip:example.com SIP/2.0\nCall-ID: scalar02\nCSeq: 36893488147419103232 REGISTER\n\n");
    assert_eq!(read(&octets).expect("a message").2, 0);
    let octets = wire(
        "SIP/2.0 503 Service Unavailable\nCall-ID: scalarlg\nCSeq: 9292394834772304023312 OPTIONS\nRetry-After: 949302838503028349304023988\n\n",
    );
    assert_eq!(read(&octets).expect("a message").0, "503");
    // 3.1.2.6 quotbal: a quote that never closes.
    let octets = wire(
        "INVITE sip:user@example.com SIP/2.0\nTo: \"Mr. J. User <sip:j.user@example.com>\nCall-ID: quotbal\nCSeq: 8 INVITE\n\n",
    );
    assert_eq!(read(&octets).expect("a message").3, ["sip:j.user@example.com"]);
    // 3.1.2.7 ltgtruri, 3.1.2.8 lwsruri, 3.1.2.9 lwsstart, 3.1.2.10 trws: the Request-URI as it stands.
    for uri in [
        "<sip:user@example.com>",
        "sip:user@example.com; lr",
        " sip:user@example.com ",
        "sip:remote-target@example.com ",
    ] {
        let octets = wire(&format!("INVITE {uri} SIP/2.0\n{head}\n"));
        assert_eq!(read(&octets).expect("a message").0, format!("Invite {}", uri.trim()));
    }
    // 3.1.2.11 escruri, 3.1.2.12 baddate, 3.1.2.13 regbadct, 3.1.2.14 badaspec, 3.1.2.15 baddn.
    for odd in [
        "Date: Fri, 01 Jan 2010 16:00:00 EST",
        "Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E",
        "From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43",
    ] {
        let octets = wire(&format!("INVITE sip:user@example.com?Route=%3Csip:e%3E SIP/2.0\n{head}{odd}\n\n"));
        assert_eq!(read(&octets).expect("a message").1, "bad", "{odd}");
    }
    let octets = wire(
        "OPTIONS sip:user@example.org SIP/2.0\nTo: \"Watson, Thomas\" < sip:t.watson@example.org >\nCall-ID: badaspec\nCSeq: 1 OPTIONS\n\n",
    );
    assert_eq!(read(&octets).expect("a message").3, ["sip:t.watson@example.org"]);
    // 3.1.2.16 badvers, 3.1.2.19 bigcode: not SIP/2.0, no status.
    assert!(read(&wire(&format!("OPTIONS sip:t.watson@example.org SIP/7.0\n{head}\n"))).is_none());
    assert!(read(&wire(&format!("SIP/2.0 4294967301 better not break the receiver\n{head}\n"))).is_none());
    // 3.1.2.17 mismatch01, mismatch02: the first line counts.
    for (method, cseq) in [("OPTIONS", "INVITE"), ("NEWMETHOD", "INVITE")] {
        let octets =
            wire(&format!("{method} sip:user@example.com SIP/2.0\nCall-ID: mismatch\nCSeq: 8 {cseq}\n\n"));
        assert_ne!(Message::parse(&octets).expect("a message").method(), Method::Invite);
    }
}

/// 3.2 `badbranch`, 3.3: application semantics.
#[test]
fn p66_semantics_that_are_odd() {
    let octets = wire(
        "OPTIONS sip:user@example.com SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK\nCall-ID: badbranch\nCSeq: 8 OPTIONS\n\n",
    );
    assert_eq!(Message::parse(&octets).expect("a message").branch(), b"z9hG4bK");
    // 3.3.1 insuf: without Call-ID a message belongs to nothing.
    assert!(read(&wire("INVITE sip:user@example.com SIP/2.0\nCSeq: 193942 INVITE\n\n")).is_none());
    // 3.3.2 unkscm, 3.3.3 novelsc, 3.3.4 unksm2: other schemes are kept as text.
    for uri in
        ["nobodyKnowsThisScheme:totallyopaquecontent", "soap.beep://192.0.2.103:3002", "isbn:2983792873"]
    {
        let octets =
            wire(&format!("OPTIONS {uri} SIP/2.0\nTo: <{uri}>\nCall-ID: unkscm\nCSeq: 3923423 OPTIONS\n\n"));
        assert_eq!(read(&octets).expect("a message").3, [uri]);
    }
    // 3.3.8 multi01, 3.3.9 mcl01: the first From, To and Call-ID name the call; all identities are kept.
    let octets = wire(
        "INVITE sip:company.com SIP/2.0\nCall-ID: multi01.first\nCSeq: 5 INVITE\nTo: sip:user@example.com\nFrom: sip:other@example.net;tag=1\n\
                       Call-ID: multi01.second\nFrom: sip:caller@example.com;tag=2\nTo: sip:t@example.org\n\n",
    );
    let message = Message::parse(&octets).expect("a message");
    assert_eq!((message.call_id, message.from_tag), (&b"multi01.first"[..], &b"1"[..]));
    assert_eq!(uris(&message, Role::From), ["sip:other@example.net", "sip:caller@example.com"]);
    // 3.3.10 bcast, 3.3.14 bext01, 3.3.15 invut, 3.3.16 regaut01: read like any other. 3.4.1 inv2543: no branch, no Max-Forwards.
    let octets = wire(&format!(
        "INVITE sip:UserB@example.com SIP/2.0\nVia: SIP/2.0/UDP iftgw.example.com\nFrom: <sip:+13035551111@ift.client.example.net;user=phone>\nCall-ID: inv2543.1717@ift.client.example.com\nCSeq: 56 INVITE\n\n{SDP}"
    ));
    let message = Message::parse(&octets).expect("a message");
    assert_eq!((message.branch(), message.from_tag), (&b""[..], &b""[..]));
    assert!(message.body.starts_with(b"v=0"));
}

/// RFC 5118, 4.1 to 4.10: IPv6 references, right and wrong.
#[test]
fn p2_ipv6_torture() {
    let request = |uri: &str, more: &str| {
        wire(&format!(
            "INVITE {uri} SIP/2.0\nTo: sip:user@example.com\nCall-ID: v6\nCSeq: 98176 INVITE\n{more}\n\n"
        ))
    };
    for (uri, via) in [
        ("sip:[2001:db8::10]", "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111"), // 4.1
        ("sip:2001:db8::10", "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111"),   // 4.2, invalid
        ("sip:[2001:db8::10:5070]", "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111"), // 4.3, the port as address
        ("sip:[2001:db8::10]:5070", "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111"), // 4.4
        (
            "sip:[2001:db8::10]",
            "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111",
        ), // 4.5
        ("sip:user@example.com", "SIP/2.0/UDP 2001:db8::9:1;received=2001:db8::9:255;branch=z9hG4bKas3-111"),
    ] {
        let octets = request(uri, &format!("Via: {via}"));
        let message = Message::parse(&octets).expect("a message");
        assert_eq!(message.branch(), b"z9hG4bKas3-111");
        assert_eq!(uris(&message, Role::RequestUri), [uri]);
    }
    // 4.6 and 4.7: brackets in SDP, and several addresses in it.
    let sdp = "v=0\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\ns=-\nc=IN IP4 192.0.2.1\nt=3338481189 3370017201\n\
               m=audio 6000 RTP/AVP 2\nm=video 6024 RTP/AVP 107\nc=IN IP6 2001:db8::30\n";
    let octets =
        with_body("INVITE sip:u@h SIP/2.0\nCall-ID: v6\nCSeq: 1 INVITE\nContent-Type: application/sdp", sdp);
    let message = Message::parse(&octets).expect("a message");
    let session = crate::decode::sdp::Session::parse(message.body).expect("a description");
    let ends: Vec<_> = session.media.iter().map(|m| m.connection.map(|ip| ip.to_string())).collect();
    assert_eq!(ends, [Some("192.0.2.1".into()), Some("2001:db8::30".into())]);
    // 4.8 to 4.10: IPv4-mapped addresses are IPv4 addresses; three colons are an address to nobody.
    let mapped =
        crate::decode::sdp::Session::parse(b"v=0\nc=IN IP6 ::ffff:192.0.2.10\nm=audio 1 RTP/AVP 0\n")
            .expect("a description");
    assert_eq!(mapped.media[0].connection.map(|ip| ip.to_string()).as_deref(), Some("192.0.2.10"));
    let octets = request("sip:user@[2001:db8:::192.0.2.1]", "Contact: <sip:user@[2001:db8:::192.0.2.1]>");
    assert_eq!(read(&octets).expect("a message").0, "Invite sip:user@[2001:db8:::192.0.2.1]");
}
