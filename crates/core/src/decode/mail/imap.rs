//! IMAP commands and responses (RFC 9051, RFC 3501), literals with and without waiting (RFC 7888), literal8 (RFC 6855).

use super::line::{begins, ends, trim_start, word};

/// A command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Command<'a> {
    /// LOGIN with its arguments: the first is the user's name.
    Login(&'a [u8]),
    /// AUTHENTICATE with mechanism and initial response.
    Authenticate { mechanism: &'a [u8], initial: Option<&'a [u8]> },
    /// APPEND with its arguments, up to a literal.
    Append(&'a [u8]),
    /// STARTTLS.
    StartTls,
    /// COMPRESS (RFC 4978): what follows can't be read.
    Compress,
    /// Any other.
    Other,
}

/// Commands to tell the protocol by, for streams joined late as well (RFC 9051 6, RFC 2177, RFC 2971).
const FIRST: &[&[u8]] = &[
    b"CAPABILITY",
    b"NOOP",
    b"LOGIN",
    b"AUTHENTICATE",
    b"STARTTLS",
    b"ID",
    b"LOGOUT",
    b"SELECT",
    b"EXAMINE",
    b"LIST",
    b"NAMESPACE",
    b"ENABLE",
    b"FETCH",
    b"UID",
    b"APPEND",
    b"IDLE",
    b"STATUS",
    b"SEARCH",
    b"STORE",
];

/// A line of the client: its tag and its command. `None` when it has none.
pub(crate) fn command(line: &[u8]) -> Option<(&[u8], Command<'_>)> {
    let (tag, rest) = word(line);
    let (verb, arguments) = word(rest);
    if tag.is_empty() || verb.is_empty() {
        return None;
    }
    let is = |name: &[u8]| verb.eq_ignore_ascii_case(name);
    let command = match () {
        () if is(b"LOGIN") => Command::Login(arguments),
        () if is(b"AUTHENTICATE") => {
            let (mechanism, initial) = word(arguments);
            Command::Authenticate { mechanism, initial: Some(initial).filter(|i| !i.is_empty()) }
        }
        () if is(b"APPEND") => Command::Append(arguments),
        () if is(b"STARTTLS") => Command::StartTls,
        () if is(b"COMPRESS") => Command::Compress,
        () => Command::Other,
    };
    Some((tag, command))
}

/// Whether a line is one that a client begins with.
pub(crate) fn begins_like_client(line: &[u8]) -> bool {
    let (tag, rest) = word(line);
    let verb = word(rest).0;
    // RFC 9051 9, `tag`: ASTRING-CHAR but "+".
    let tag_like = (1..=32).contains(&tag.len())
        && tag.iter().all(|b| b.is_ascii_graphic() && !b"+*%(){\\\"".contains(b));
    tag_like && FIRST.iter().any(|name| verb.eq_ignore_ascii_case(name))
}

/// A literal that a line ends with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Literal<'a> {
    /// Octets that follow the line.
    pub(crate) size: u64,
    /// The line before it.
    pub(crate) before: &'a [u8],
}

/// `{n}`, `{n+}`, `{n-}` or `~{n}` at the end of a line.
pub(crate) fn literal(line: &[u8]) -> Option<Literal<'_>> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|b| *b == b'{')?;
    let digits = &inner[open + 1..];
    let digits = digits.strip_suffix(b"+").or_else(|| digits.strip_suffix(b"-")).unwrap_or(digits);
    // 20 digits are the largest number of 64 bits.
    if digits.is_empty() || digits.len() > 20 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let before = &line[..open];
    Some(Literal { size, before: before.strip_suffix(b"~").unwrap_or(before) })
}

/// The first argument, an `astring` (RFC 9051 9), and what follows: `None` when it is a literal or damaged.
pub(crate) fn astring(arguments: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let arguments = trim_start(arguments);
    let Some(inner) = arguments.strip_prefix(b"\"") else {
        let (atom, rest) = word(arguments);
        return (!atom.is_empty() && !atom.starts_with(b"{") && !atom.starts_with(b"~{"))
            .then(|| (atom.to_vec(), rest));
    };
    let (mut out, mut octets) = (Vec::new(), inner.iter().enumerate());
    while let Some((at, octet)) = octets.next() {
        match octet {
            b'"' => return Some((out, &inner[at + 1..])),
            b'\\' => out.push(*octets.next()?.1),
            other => out.push(*other),
        }
    }
    None
}

/// Whether an APPEND whose arguments up to a literal are `before` carries a message in that literal. The name of the
/// mailbox may be a literal too; CATENATE (RFC 4469) puts a message together from parts.
pub(crate) fn append_is_message(before: &[u8]) -> bool {
    let mut words = before.split(|b| matches!(b, b' ' | b'('));
    !trim_start(before).is_empty() && !words.any(|w| w.eq_ignore_ascii_case(b"CATENATE"))
}

/// What the literal of a FETCH response is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fetched {
    /// BODY[], RFC822 or BINARY[]: the whole message.
    Message,
    /// BODY[]<0>: its beginning, as large as the client asked for.
    Beginning,
    /// Any other part.
    Part,
}

/// What a literal is that follows `before` in a FETCH response (RFC 9051 7.5.2).
pub(crate) fn fetched(before: &[u8]) -> Fetched {
    let mut item = before;
    while let Some((b' ', rest)) = item.split_last() {
        item = rest;
    }
    // What precedes the item's name ends it: RFC822 is no part of X-RFC822.
    let named = |name: &[u8]| {
        ends(item, name) && matches!(item[..item.len() - name.len()].last(), None | Some(b' ' | b'('))
    };
    match () {
        () if named(b"BODY[]") || named(b"RFC822") || named(b"BINARY[]") => Fetched::Message,
        () if named(b"BODY[]<0>") || named(b"BINARY[]<0>") => Fetched::Beginning,
        () => Fetched::Part,
    }
}

/// A line of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Response<'a> {
    /// `* n FETCH …`.
    Fetch,
    /// Any other untagged one.
    Untagged,
    /// `+ …`: the server waits for more.
    Continue,
    /// `tag OK …`, `tag NO …`, `tag BAD …`.
    Tagged { tag: &'a [u8], ok: bool },
    /// None of these: the rest of a line behind a literal.
    Rest,
}

/// Reads a line of the server, or what of it stands before a literal.
pub(crate) fn response(line: &[u8]) -> Response<'_> {
    let (first, rest) = word(line);
    let (second, third) = word(rest);
    match first {
        b"+" => Response::Continue,
        b"*" if !second.is_empty() && second.iter().all(u8::is_ascii_digit) && begins(third, b"FETCH") => {
            Response::Fetch
        }
        b"*" => Response::Untagged,
        tag if second.eq_ignore_ascii_case(b"OK") => Response::Tagged { tag, ok: true },
        tag if second.eq_ignore_ascii_case(b"NO") || second.eq_ignore_ascii_case(b"BAD") => {
            Response::Tagged { tag, ok: false }
        }
        _ => Response::Rest,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn literals_are_read_in_all_their_forms() {
        for (line, size, before) in [
            ("a LOGIN {5}", 5, "a LOGIN "),
            ("a APPEND INBOX {310+}", 310, "a APPEND INBOX "),
            ("a APPEND INBOX UTF8 (~{7}", 7, "a APPEND INBOX UTF8 ("),
            ("* 1 FETCH (BODY[] {0}", 0, "* 1 FETCH (BODY[] "),
        ] {
            assert_eq!(literal(line.as_bytes()), Some(Literal { size, before: before.as_bytes() }), "{line}");
        }
        for line in ["{}", "{-1}", "{+}", "{1 }", "x}", "{99999999999999999999}", "{000000000000000000001}"] {
            assert_eq!(literal(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_user_name_may_be_an_atom_or_a_string() {
        assert_eq!(astring(b"alice pw"), Some((b"alice".to_vec(), &b"pw"[..])));
        assert_eq!(astring(b"\"al\\\"ice x\" \"pw\""), Some((b"al\"ice x".to_vec(), &b" \"pw\""[..])));
        assert_eq!(astring(b"{5}"), None);
        assert_eq!(astring(b"\"open"), None);
    }

    #[test]
    fn only_whole_messages_are_messages() {
        assert_eq!(fetched(b"* 1 FETCH (UID 3 FLAGS (\\Seen) BODY[] "), Fetched::Message);
        assert_eq!(fetched(b" rfc822 "), Fetched::Message);
        assert_eq!(fetched(b"* 1 FETCH (BODY[]<0> "), Fetched::Beginning);
        for part in
            ["BODY[]<4096> ", "BODY[TEXT] ", "BODY[HEADER.FIELDS (FROM TO)] ", "RFC822.HEADER ", "X-RFC822 "]
        {
            assert_eq!(fetched(format!("* 1 FETCH ({part}").as_bytes()), Fetched::Part, "{part}");
        }
        assert!(
            append_is_message(b"INBOX (\\Seen) ")
                && !append_is_message(b"")
                && !append_is_message(b"INBOX CATENATE (TEXT ")
        );
    }

    #[test]
    fn responses_are_told_apart() {
        assert_eq!(response(b"* 12 FETCH (BODY[] "), Response::Fetch);
        assert_eq!(response(b"* OK ready"), Response::Untagged);
        assert_eq!(response(b"+ go ahead"), Response::Continue);
        assert_eq!(response(b"a1 NO no"), Response::Tagged { tag: b"a1", ok: false });
        assert_eq!(response(b". OK done"), Response::Tagged { tag: b".", ok: true });
        assert_eq!(response(b")"), Response::Rest);
        assert!(begins_like_client(b". CAPABILITY") && begins_like_client(b"a1 login x y"));
        assert!(!begins_like_client(b"GET / HTTP/1.1") && !begins_like_client(b"* LIST"));
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_panic(line in "[ -~]{0,40}") {
            let line = line.as_bytes();
            _ = (command(line), response(line), fetched(line), begins_like_client(line), append_is_message(line));
            if let Some(found) = literal(line) {
                prop_assert!(found.before.len() + 3 <= line.len());
            }
            if let Some((name, rest)) = astring(line) {
                prop_assert!(name.len() + rest.len() <= line.len());
            }
        }
    }
}
