use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;
use crate::decode::{rtp, sip};
use crate::packet::Transport;
use crate::product::{Role, Side};
use crate::session::call::Call;
use crate::session::{Change, Flow, NameVia, Text};

/// Hears everything of mail, and wants every message.
#[derive(Default)]
struct Ear {
    commands: Vec<String>,
    logins: Vec<String>,
    messages: Vec<Heard>,
    closed: Vec<Option<u16>>,
    counted: Vec<(Counter, u64)>,
    deaf_to_content: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Heard {
    content: Option<Vec<u8>>,
    parties: Vec<(Role, String)>,
    partial: bool,
    octets: u64,
    fetched: bool,
}

impl Observer for Ear {
    fn signal(&mut self, _: &mut Call, _: Change, _: &sip::Message<'_>, _: &Seen<'_>) {}
    fn rtp(&mut self, _: &mut Call, _: usize, _: &rtp::Packet<'_>, _: &Seen<'_>) {}
    fn rtcp(&mut self, _: &mut Call, _: Side, _: &Seen<'_>) {}
    fn call_closed(&mut self, _: &mut Call, _: Time) {}
    fn text(&mut self, _: &Text<'_>, _: &Seen<'_>) {}
    fn name(&mut self, _: &mut Flow, _: NameVia, _: &str, _: &Seen<'_>) {}
    fn flow_closed(&mut self, _: &mut Flow, _: Time) {}
    fn count(&mut self, what: Counter, n: u64) {
        if n > 0 {
            self.counted.push((what, n));
        }
    }
    fn mail_command(&mut self, via: Via, command: &'static str, argument: &[u8], _: &Seen<'_>) {
        let argument = String::from_utf8_lossy(argument);
        self.commands.push(format!("{} {command} {argument}", via.name()).trim_end().to_owned());
    }
    fn mail_login(&mut self, _: Via, name: &str, _: &Ends, _: &Seen<'_>) {
        self.logins.push(name.to_owned());
    }
    fn mail_header(&mut self, _: &mut Item) -> bool {
        !self.deaf_to_content
    }
    fn mail_message(&mut self, item: &mut Item) {
        self.messages.push(Heard {
            content: item.content().map(<[u8]>::to_vec),
            parties: item.parties().map(|(role, address)| (role, address.to_owned())).collect(),
            partial: item.partial,
            octets: item.octets,
            fetched: item.fetched,
        });
    }
    fn mail_closed(&mut self, item: &mut Item) {
        self.closed.push(item.status);
    }
}

/// A connection whose octets a test writes: lines that begin with `C: ` and `S: `, sent in pieces of `size` octets.
struct Wire {
    joined: Joined,
    held: usize,
    pending: [Vec<u8>; 2],
    mail: [bool; 2],
    hidden: bool,
    ear: Ear,
    size: usize,
    port: u16,
}

impl Wire {
    fn new(size: usize, port: u16) -> Self {
        let (joined, ear) = (Joined::default(), Ear::default());
        let (pending, mail) = ([Vec::new(), Vec::new()], [false; 2]);
        Self { joined, held: 0, pending, mail, hidden: false, ear, size, port }
    }

    fn seen(&self, side: usize) -> Seen<'static> {
        let end = |last, port| Endpoint { ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port };
        let ends = [end(1, 40_000), end(2, self.port)];
        let (src, dst) = (ends[side], ends[1 - side]);
        Seen { ts: Time(1), src, dst, transport: Transport::Tcp, packet: None, payload: &[] }
    }

    fn send(&mut self, side: usize, octets: &[u8]) {
        for piece in octets.chunks(self.size) {
            self.pending[side].extend_from_slice(piece);
            let seen = self.seen(side);
            let pending = std::mem::take(&mut self.pending[side]);
            if !self.mail[side] {
                self.mail[side] = self.joined.tells(&pending, &seen) == Some(true);
            }
            let progress = if self.mail[side] {
                self.joined.data(&pending, &seen, &mut self.held, &mut self.ear)
            } else {
                Progress::Used(0)
            };
            match progress {
                Progress::Used(used) => self.pending[side] = pending[used..].to_vec(),
                Progress::Hidden(_) => self.hidden = true,
                Progress::Ignore => {}
            }
        }
    }

    fn talk(&mut self, script: &str) {
        for line in script.lines().map(str::trim_start).filter(|l| !l.is_empty()) {
            let (side, text) = line.split_at(2);
            let side = usize::from(side == "S:");
            self.send(side, format!("{}\r\n", text.strip_prefix(' ').unwrap_or(text)).as_bytes());
        }
    }

    fn close(mut self) -> Ear {
        let seen = self.seen(0);
        self.joined.close(&seen, &mut self.held, &mut self.ear);
        assert_eq!(self.held, 0, "what is closed holds nothing");
        self.ear
    }
}

/// What is heard of a script, whatever the pieces in which it comes.
fn heard(port: u16, script: &str) -> Ear {
    let mut whole = Wire::new(usize::MAX, port);
    whole.talk(script);
    let whole = whole.close();
    for size in [1, 3, 7] {
        let mut wire = Wire::new(size, port);
        wire.talk(script);
        let ear = wire.close();
        assert_eq!(
            (&ear.messages, &ear.commands, &ear.logins),
            (&whole.messages, &whole.commands, &whole.logins)
        );
        assert_eq!(ear.closed, whole.closed);
    }
    whole
}

fn roles(heard: &Heard, role: Role) -> Vec<&str> {
    heard.parties.iter().filter(|p| p.0 == role).map(|p| &*p.1).collect()
}

#[test]
fn p60_a_whole_smtp_session_gives_envelope_and_message() {
    let ear = heard(
        2525,
        "S: 220 mx.example ESMTP
         C: EHLO client.example
         S: 250-mx.example
         S: 250 PIPELINING
         C: MAIL FROM:<alice@a.example> SIZE=50
         C: RCPT TO:<bob@b.example>
         C: RCPT TO:<nobody@b.example>
         C: DATA
         S: 250 ok
         S: 250 ok
         S: 550 no such user
         S: 354 go on
         C: From: Alice <alice@a.example>
         C: To: list@b.example
         C: Subject: x
         C:
         C: ..dots
         C: .
         S: 250 queued
         C: QUIT
         S: 221 bye",
    );
    let wanted = "From: Alice <alice@a.example>\r\nTo: list@b.example\r\nSubject: x\r\n\r\n.dots\r\n";
    assert_eq!(ear.messages.len(), 1);
    let message = &ear.messages[0];
    assert_eq!(message.content.as_deref(), Some(wanted.as_bytes()));
    assert_eq!((message.partial, message.fetched), (false, false));
    assert_eq!(roles(message, Role::MailFrom), ["alice@a.example"]);
    assert_eq!(roles(message, Role::RcptTo), ["bob@b.example"], "who was refused receives nothing");
    assert_eq!(roles(message, Role::HeaderTo), ["list@b.example"]);
    assert_eq!(ear.closed, [Some(250)]);
}

#[test]
fn p60_chunks_are_joined_and_may_hold_anything() {
    let mut wire = Wire::new(5, 25);
    wire.talk(
        "S: 220 mx
         C: EHLO c
         S: 250 CHUNKING
         C: MAIL FROM:<δοκιμή@παράδειγμα.ελ> BODY=BINARYMIME SMTPUTF8
         C: RCPT TO:<b@b.example>
         S: 250 ok
         S: 250 ok",
    );
    wire.send(0, b"BDAT 20\r\nSubject: a\r\n\r\nQUIT\r\nBDAT 9 LAST\r\n.\r\n\x00\xffRSETQUIT\r\n");
    wire.talk("S: 250 20 octets\nS: 250 ok\nS: 221 bye");
    let ear = wire.close();
    assert_eq!(ear.messages.len(), 1);
    assert_eq!(ear.messages[0].content.as_deref(), Some(&b"Subject: a\r\n\r\nQUIT\r\n.\r\n\x00\xffRSET"[..]));
    assert_eq!(roles(&ear.messages[0], Role::MailFrom), ["δοκιμή@παράδειγμα.ελ"]);
    assert_eq!(ear.closed, [Some(250)]);
}

#[test]
fn p60_starttls_ends_what_is_visible() {
    for (port, script, command) in [
        (25, "S: 220 mx\nC: EHLO c\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go", "smtp STARTTLS"),
        (143, "S: * OK ready\nC: a STARTTLS\nS: a OK go", "imap STARTTLS"),
        (110, "S: +OK ready\nC: STLS\nS: +OK go", "pop3 STLS"),
    ] {
        let mut wire = Wire::new(usize::MAX, port);
        wire.talk(script);
        wire.send(0, b"\x16\x03\x01\x02\x00\x01MAIL FROM:<a@b>\r\n");
        assert!(wire.hidden);
        assert_eq!(wire.ear.commands, [command]);
        assert!(wire.ear.counted.contains(&(Counter::MailHidden, 1)), "what can't be seen is counted");
    }
}

#[test]
fn p60_a_refused_starttls_hides_nothing() {
    let ear = heard(
        25,
        "S: 220 mx
         C: EHLO c
         S: 250 ok
         C: STARTTLS
         S: 454 not now
         C: MAIL FROM:<a@a.example>
         S: 250 ok",
    );
    assert_eq!(ear.commands, ["smtp STARTTLS", "smtp MAIL FROM:<a@a.example>"]);
}

#[test]
fn a_server_that_is_not_heard_is_taken_to_accept() {
    let ear = heard(
        25,
        "C: EHLO c
         C: AUTH PLAIN AGFsaWNlQGEuZXhhbXBsZQBzM2NyZXQ=
         C: MAIL FROM:<a@a.example>
         C: RCPT TO:<b@b.example>
         C: DATA
         C: Subject: 1
         C:
         C: one
         C: .
         C: MAIL FROM:<>
         C: RCPT TO:<c@c.example>
         C: DATA
         C: two
         C: .
         C: QUIT",
    );
    assert_eq!(ear.messages.len(), 2);
    assert_eq!(roles(&ear.messages[0], Role::Login), ["alice@a.example"]);
    assert_eq!(ear.messages[1].parties[0], (Role::RcptTo, "c@c.example".to_owned()), "a null path is nobody");
    assert_eq!(ear.closed, [None, None]);
}

#[test]
fn a_refused_data_is_no_message_and_its_lines_are_commands() {
    let ear = heard(
        25,
        "S: 220 mx
         C: HELO c
         S: 250 ok
         C: MAIL FROM:<a@a.example>
         S: 250 ok
         C: RCPT TO:<b@b.example>
         S: 550 no
         C: DATA
         S: 554 no valid recipients
         C: MAIL FROM:<c@a.example>
         S: 250 ok",
    );
    assert!(ear.messages.is_empty());
    assert_eq!(ear.commands.last().map(String::as_str), Some("smtp MAIL FROM:<c@a.example>"));
}

#[test]
fn passwords_are_never_heard() {
    let smtp = heard(
        587,
        "S: 220 mx
         C: EHLO c
         S: 250 AUTH
         C: AUTH LOGIN
         S: 334 VXNlcm5hbWU6
         C: YWxpY2U=
         S: 334 UGFzc3dvcmQ6
         C: czNjcmV0
         S: 235 ok
         C: AUTH PLAIN
         S: 334
         C: AGJvYgBzM2NyZXQ=
         S: 535 no",
    );
    assert_eq!(smtp.logins, ["alice"], "who was refused is not logged in");
    let imap = heard(
        143,
        "S: * OK ready
         C: a1 LOGIN {5}
         S: + go
         C: alice {6+}
         C: s3cret
         S: a1 OK in
         C: a2 AUTHENTICATE PLAIN
         S: +
         C: AGJvYgBzM2NyZXQ=
         S: a2 OK in
         C: a3 LOGIN \"carol\" \"s3cret\"
         S: a3 NO bad",
    );
    assert_eq!(imap.logins, ["alice", "bob"]);
    let pop3 = heard(110, "S: +OK hi\nC: USER dave\nS: +OK\nC: PASS s3cret\nS: +OK in");
    assert_eq!(pop3.logins, ["dave"]);
    for ear in [smtp, imap, pop3] {
        let all = ear.commands.join(" ");
        assert!(!all.contains("s3cret") && !all.contains("czNjcmV0") && !all.contains("AGJv"), "{all}");
    }
}

#[test]
fn imap_messages_are_told_from_parts_and_flags() {
    let mut wire = Wire::new(4, 1143);
    wire.talk(
        "S: * OK [CAPABILITY IMAP4rev1] ready
         C: 1 LOGIN alice@a.example pw
         S: 1 OK in
         C: 2 FETCH 1:2 (FLAGS BODY[])
         S: * 1 FETCH (FLAGS (\\Seen) BODY[] {27}",
    );
    wire.send(1, b"From: b@b.example\r\n\r\n)BYE\r\n UID 4)\r\n");
    wire.talk("S: * 2 FETCH (BODY[TEXT] {2}");
    wire.send(1, b"xx BODY[]<0> {8}\r\nTo: c@d\n)\r\n2 OK done\r\n");
    wire.talk("C: 3 APPEND {6+}");
    wire.send(0, b"Drafts (\\Draft) {10}\r\n");
    wire.talk("S: + go");
    wire.send(0, b"Cc: d@e\n\nx {7+}\r\nSubject\r\n");
    wire.talk("S: 3 OK appended");
    let ear = wire.close();
    let content: Vec<_> =
        ear.messages.iter().map(|m| String::from_utf8_lossy(m.content.as_ref().unwrap())).collect();
    assert_eq!(content, ["From: b@b.example\r\n\r\n)BYE\r\n", "To: c@d\n", "Cc: d@e\n\nx", "Subject"]);
    let flags: Vec<_> = ear.messages.iter().map(|m| (m.fetched, m.partial)).collect();
    assert_eq!(flags, [(true, false), (true, true), (false, false), (false, false)]);
    assert!(ear.messages.iter().all(|m| roles(m, Role::Login) == ["alice@a.example"]));
    assert!(ear.counted.contains(&(Counter::MailParts, 1)));
}

#[test]
fn a_refused_literal_is_not_read_from_what_follows() {
    let ear = heard(
        143,
        "S: * OK ready
         C: a APPEND INBOX {500}
         S: a NO [TRYCREATE] no such mailbox
         C: b LOGIN alice pw
         S: b OK in",
    );
    assert_eq!(ear.logins, ["alice"]);
    assert!(ear.messages.is_empty());
}

#[test]
fn pop3_responses_are_joined_to_pipelined_commands() {
    let ear = heard(
        1110,
        "S: +OK hi <1896.697170952@dbc.example>
         C: APOP alice@a.example c4c9334bac560ecc979e58001b3e22fb
         S: +OK in
         C: LIST
         C: RETR 1
         C: RETR 9
         C: TOP 2 0
         S: +OK
         S: 1 120
         S: .
         S: +OK 120 octets
         S: To: x@y.example
         S:
         S: ..
         S: .
         S: -ERR no such message
         S: +OK
         S: Subject: top
         S:
         S: .
         C: QUIT
         S: +OK",
    );
    assert_eq!(ear.messages.len(), 2);
    assert_eq!(ear.messages[0].content.as_deref(), Some(&b"To: x@y.example\r\n\r\n.\r\n"[..]));
    assert_eq!((ear.messages[0].partial, ear.messages[1].partial), (false, true));
    assert_eq!(roles(&ear.messages[0], Role::Login), ["alice@a.example"]);
}

#[test]
fn a_gap_makes_a_message_partial_and_its_reply_still_ends_it() {
    let mut wire = Wire::new(usize::MAX, 25);
    wire.talk(
        "S: 220 mx\nC: EHLO c\nS: 250 ok\nC: MAIL FROM:<a@b.c>\nS: 250 ok\nC: RCPT TO:<d@e.f>\nS: 250 ok",
    );
    wire.talk("C: DATA\nS: 354 go\nC: Subject: x\nC:\nC: one");
    let seen = wire.seen(0);
    wire.joined.gap(&seen, &mut wire.held, &mut wire.ear);
    wire.talk("S: 250 queued\nC: MAIL FROM:<g@h.i>");
    assert_eq!(wire.ear.closed, [Some(250)]);
    assert!(wire.ear.messages[0].partial);
    assert_eq!(wire.ear.commands.last().map(String::as_str), Some("smtp MAIL FROM:<g@h.i>"));
}

#[test]
fn a_message_that_nobody_selects_is_not_held() {
    let mut wire = Wire::new(1000, 25);
    wire.ear.deaf_to_content = true;
    wire.talk("C: EHLO c\nC: MAIL FROM:<a@b.c>\nC: RCPT TO:<d@e.f>\nC: DATA\nC: Subject: x\nC:");
    let before = wire.held;
    for _ in 0..2000 {
        wire.send(0, &[b'x'; 998]);
    }
    assert!(wire.held <= before + 1000, "{} octets held", wire.held);
    wire.talk("C:\nC: .");
    assert_eq!(wire.ear.messages[0].content, None);
    assert!(wire.ear.messages[0].octets > 1_900_000);
}

#[test]
fn ftp_and_others_that_greet_alike_are_not_mail() {
    let mut wire = Wire::new(usize::MAX, 21);
    wire.talk("S: 220 ftp.example\nC: USER anonymous");
    assert_eq!(wire.mail, [false, true]);
    assert!(wire.ear.commands.is_empty());
    let mut wire = Wire::new(usize::MAX, 6667);
    wire.talk("C: USER guest 0 * :Guest");
    assert_eq!(wire.mail, [false, false]);
}

#[test]
fn recipients_have_a_limit_that_is_counted() {
    let mut wire = Wire::new(usize::MAX, 25);
    wire.talk("C: EHLO c\nC: MAIL FROM:<a@b.c>");
    for n in 0..1100 {
        wire.talk(&format!("C: RCPT TO:<u{n}@e.f>"));
    }
    wire.talk("C: DATA\nC: x\nC: .");
    assert_eq!(roles(&wire.ear.messages[0], Role::RcptTo).len(), 1000);
    assert_eq!(wire.ear.counted.iter().filter(|c| c.0 == Counter::MailAddressesDropped).count(), 100);
}

proptest! {
    #[test]
    fn p66_any_talk_is_followed_within_the_limits(
        talk in proptest::collection::vec((0usize..2, prop_oneof![
            Just("EHLO c"), Just("MAIL FROM:<a@b>"), Just("RCPT TO:<c@d>"), Just("DATA"), Just("."), Just("BDAT 3"),
            Just("250 ok"), Just("354 go"), Just("550 no"), Just("220 hi"), Just("* OK"), Just("a LOGIN {3}"), Just("a OK"),
            Just("a APPEND b {9}"), Just("* 1 FETCH (BODY[] {4}"), Just("+OK"), Just("RETR 1"), Just("USER a"), Just("AUTH LOGIN"),
            Just("334 x"), Just("RSET"), Just("STARTTLS"), Just("\u{16}\u{3}"), Just("-ERR"), Just("PASS x"), Just("BDAT 99999999999999 LAST"),
        ], 0u8..20), 0..60), size in 1usize..40, port in prop_oneof![Just(25u16), Just(110), Just(143)],
    ) {
        let mut wire = Wire::new(size, port);
        for (side, line, gap) in talk {
            wire.send(side, format!("{line}\r\n").as_bytes());
            if gap == 0 {
                let seen = wire.seen(side);
                wire.joined.gap(&seen, &mut wire.held, &mut wire.ear);
            }
        }
        prop_assert!(wire.held < 1 << 20);
        let ear = wire.close();
        prop_assert_eq!(ear.messages.len(), ear.closed.len(), "each message is closed once");
    }
}
