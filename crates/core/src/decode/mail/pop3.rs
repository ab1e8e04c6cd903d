//! POP3 commands and responses (RFC 1939), CAPA and STLS (RFC 2449, RFC 2595), AUTH (RFC 5034).

use super::line::word;

/// A command, by the response that it gets and by what it says of the user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Command<'a> {
    /// USER with the name.
    User(&'a [u8]),
    /// PASS. Its argument is a secret and is not read.
    Pass,
    /// APOP with the name.
    Apop(&'a [u8]),
    /// AUTH with mechanism and initial response.
    Auth { mechanism: &'a [u8], initial: Option<&'a [u8]> },
    /// RETR: a message follows.
    Retr,
    /// TOP: headers and some lines of a message follow.
    Top,
    /// STLS.
    Stls,
    /// CAPA, AUTH without argument, LIST and UIDL without one: several lines follow.
    Lines,
    /// Any other: one line follows.
    Other,
}

/// Reads a line of the client.
pub(crate) fn command(line: &[u8]) -> Command<'_> {
    let (verb, rest) = word(line);
    let is = |name: &[u8]| verb.eq_ignore_ascii_case(name);
    match () {
        // A name may hold spaces (RFC 1939 7: the rest of the line).
        () if is(b"USER") => Command::User(rest),
        () if is(b"PASS") => Command::Pass,
        () if is(b"APOP") => Command::Apop(word(rest).0),
        () if is(b"AUTH") && !rest.is_empty() => {
            let (mechanism, initial) = word(rest);
            Command::Auth { mechanism, initial: Some(initial).filter(|i| !i.is_empty()) }
        }
        () if is(b"RETR") => Command::Retr,
        () if is(b"TOP") => Command::Top,
        () if is(b"STLS") => Command::Stls,
        () if is(b"CAPA") || is(b"AUTH") => Command::Lines,
        () if (is(b"LIST") || is(b"UIDL")) && rest.is_empty() => Command::Lines,
        () => Command::Other,
    }
}

/// What a response says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Response {
    /// `+OK`.
    Ok,
    /// `-ERR`.
    Err,
    /// `+ `: the server waits for more of an AUTH exchange (RFC 5034 4).
    Continue,
}

/// Reads the first line of a response.
pub(crate) fn response(line: &[u8]) -> Option<Response> {
    match word(line).0 {
        b"+" => Some(Response::Continue),
        word if word.eq_ignore_ascii_case(b"+OK") => Some(Response::Ok),
        word if word.eq_ignore_ascii_case(b"-ERR") => Some(Response::Err),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_by_what_answers_them() {
        assert_eq!(command(b"user alice@example.com"), Command::User(b"alice@example.com"));
        assert_eq!(command(b"APOP mrose c4c9334bac560ecc979e58001b3e22fb"), Command::Apop(b"mrose"));
        assert_eq!(command(b"LIST"), Command::Lines);
        assert_eq!(command(b"LIST 1"), Command::Other);
        assert_eq!(command(b"AUTH"), Command::Lines);
        assert_eq!(command(b"AUTH CRAM-MD5"), Command::Auth { mechanism: b"CRAM-MD5", initial: None });
        assert_eq!(command(b"PASS secret"), Command::Pass);
        assert_eq!(response(b"+OK 2 messages"), Some(Response::Ok));
        assert_eq!(response(b"+ PDE4"), Some(Response::Continue));
        assert_eq!(response(b"+OKAY"), None);
    }
}
