//! SMTP commands and replies (RFC 5321 4.1, 4.2), LMTP (RFC 2033), CHUNKING (RFC 3030), STARTTLS (RFC 3207), AUTH
//! (RFC 4954), SMTPUTF8 (RFC 6531).

use super::line::{begins, trim_start, word};

/// A command that changes what a session is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Command<'a> {
    /// EHLO, HELO or LHLO with the name that the client gives itself.
    Hello { name: &'a [u8], lmtp: bool },
    /// MAIL FROM: the argument as written, and the reverse-path without brackets; empty for `<>`.
    Mail { argument: &'a [u8], path: &'a [u8] },
    /// RCPT TO: likewise.
    Rcpt { argument: &'a [u8], path: &'a [u8] },
    /// DATA.
    Data,
    /// BDAT: so many octets follow at once.
    Bdat { size: u64, last: bool },
    /// RSET.
    Reset,
    /// AUTH with its mechanism and initial response.
    Auth { mechanism: &'a [u8], initial: Option<&'a [u8]> },
    /// STARTTLS.
    StartTls,
    /// Any other, known or not: it gets one reply.
    Other,
}

/// Reads a line of the client.
pub(crate) fn command(line: &[u8]) -> Command<'_> {
    let (verb, rest) = word(line);
    let is = |name: &[u8]| verb.eq_ignore_ascii_case(name);
    if is(b"EHLO") || is(b"HELO") {
        return Command::Hello { name: word(rest).0, lmtp: false };
    }
    if is(b"LHLO") {
        return Command::Hello { name: word(rest).0, lmtp: true };
    }
    if is(b"MAIL") && begins(rest, b"FROM:") {
        return Command::Mail { argument: rest, path: path(&rest[5..]) };
    }
    if is(b"RCPT") && begins(rest, b"TO:") {
        return Command::Rcpt { argument: rest, path: path(&rest[3..]) };
    }
    if is(b"BDAT") {
        let (size, end) = word(rest);
        let digits = std::str::from_utf8(size).ok().filter(|s| s.bytes().all(|b| b.is_ascii_digit()));
        return match digits.and_then(|s| s.parse().ok()) {
            Some(size) => Command::Bdat { size, last: end.eq_ignore_ascii_case(b"LAST") },
            None => Command::Other,
        };
    }
    if is(b"AUTH") && !rest.is_empty() {
        let (mechanism, initial) = word(rest);
        return Command::Auth { mechanism, initial: Some(initial).filter(|i| !i.is_empty()) };
    }
    match () {
        () if is(b"DATA") => Command::Data,
        () if is(b"RSET") => Command::Reset,
        () if is(b"STARTTLS") => Command::StartTls,
        () => Command::Other,
    }
}

/// A path (RFC 5321 4.1.2) without its brackets and its source route, which a receiver ignores (appendix C). One
/// without brackets, as some clients send it, ends at the first space.
fn path(text: &[u8]) -> &[u8] {
    let text = trim_start(text);
    let Some(inner) = text.strip_prefix(b"<") else { return word(text).0 };
    let (mut quoted, mut escaped) = (false, false);
    let end = inner.iter().position(|octet| match octet {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' if quoted => {
            escaped = true;
            false
        }
        b'"' => {
            quoted = !quoted;
            false
        }
        b'>' => !quoted,
        _ => false,
    });
    let mailbox = &inner[..end.unwrap_or(inner.len())];
    match (mailbox.first(), mailbox.iter().position(|b| *b == b':')) {
        (Some(b'@'), Some(colon)) => &mailbox[colon + 1..],
        _ => mailbox,
    }
}

/// One line of a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reply {
    /// The three digits.
    pub(crate) code: u16,
    /// No line of the same reply follows.
    pub(crate) last: bool,
}

impl Reply {
    /// 2xx.
    pub(crate) const fn positive(self) -> bool {
        self.code / 100 == 2
    }

    /// 4xx and 5xx.
    pub(crate) const fn negative(self) -> bool {
        self.code >= 400
    }
}

/// Reads a line of the server (RFC 5321 4.2.1).
pub(crate) fn reply(line: &[u8]) -> Option<Reply> {
    let (digits, rest) = line.split_at_checked(3)?;
    if !matches!(digits[0], b'2'..=b'5') || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = digits.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0'));
    match rest.first() {
        None | Some(b' ') => Some(Reply { code, last: true }),
        Some(b'-') => Some(Reply { code, last: false }),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mail(line: &str) -> Vec<u8> {
        match command(line.as_bytes()) {
            Command::Mail { path, .. } | Command::Rcpt { path, .. } => path.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn paths_lose_brackets_parameters_and_routes() {
        for (line, path) in [
            ("MAIL FROM:<alice@example.com> SIZE=1000 BODY=8BITMIME", "alice@example.com"),
            ("mail from: <alice@example.com>", "alice@example.com"),
            ("RCPT TO:<@relay.example,@b.example:bob@c.example>", "bob@c.example"),
            ("RCPT TO:<\"a > b\\\"@x\"@example.com> NOTIFY=NEVER", "\"a > b\\\"@x\"@example.com"),
            ("RCPT TO:postmaster X=1", "postmaster"),
            ("MAIL FROM:<>", ""),
            ("MAIL FROM:<δοκιμή@παράδειγμα.ελ> SMTPUTF8", "δοκιμή@παράδειγμα.ελ"),
        ] {
            assert_eq!(mail(line), path.as_bytes(), "{line}");
        }
    }

    #[test]
    fn p60_commands_of_chunking_and_starttls_are_read() {
        assert_eq!(command(b"BDAT 86 LAST"), Command::Bdat { size: 86, last: true });
        assert_eq!(command(b"bdat 0"), Command::Bdat { size: 0, last: false });
        assert_eq!(command(b"BDAT 99999999999999999999 LAST"), Command::Other);
        assert_eq!(command(b"BDAT +1"), Command::Other);
        assert_eq!(command(b"STARTTLS"), Command::StartTls);
        assert_eq!(command(b"LHLO c.example"), Command::Hello { name: b"c.example", lmtp: true });
        assert_eq!(
            command(b"AUTH PLAIN AGEAYg=="),
            Command::Auth { mechanism: b"PLAIN", initial: Some(b"AGEAYg==") }
        );
        assert_eq!(command(b"AUTH LOGIN"), Command::Auth { mechanism: b"LOGIN", initial: None });
        assert_eq!(command(b"MAIL TO:<a@b>"), Command::Other);
    }

    #[test]
    fn replies_of_several_lines_end_with_a_space() {
        assert_eq!(reply(b"250-SIZE 1"), Some(Reply { code: 250, last: false }));
        assert_eq!(reply(b"250 ok"), Some(Reply { code: 250, last: true }));
        assert_eq!(reply(b"354"), Some(Reply { code: 354, last: true }));
        for line in ["25", "2500", "150 x", "abc", "+OK"] {
            assert_eq!(reply(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_panic(line in proptest::collection::vec(any::<u8>(), 0..60), verb in 0usize..6) {
            let verbs: [&[u8]; 6] = [b"", b"MAIL FROM:", b"RCPT TO:<", b"BDAT ", b"AUTH ", b"EHLO "];
            let line = [verbs[verb], &line].concat();
            if let Command::Mail { path, argument } | Command::Rcpt { path, argument } = command(&line) {
                prop_assert!(path.len() <= argument.len());
            }
            _ = reply(&line);
        }
    }
}
