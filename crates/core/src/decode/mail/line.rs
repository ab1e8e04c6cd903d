//! Lines of a text protocol, and the words in them. A line ends with LF; the CR before it is not a part of it
//! (RFC 5321 2.3.8 asks for CRLF; a bare LF is what some clients send and most servers take).

use memchr::memchr;

/// Octets of one command or reply. RFC 4954 4 asks for 12,288 of an AUTH line, the longest of all; IMAP clients send
/// up to 8,192 (RFC 7162 4).
pub(crate) const MAX_LINE: usize = 16 << 10;

/// What stands at the head of a stream of lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Line<'a> {
    /// A line without its end, and how many octets it took with it.
    Whole(&'a [u8], usize),
    /// It has no end yet.
    NeedMore,
    /// It is longer than [`MAX_LINE`].
    TooLong,
}

/// The first line of `octets`.
pub(crate) fn next(octets: &[u8]) -> Line<'_> {
    match memchr(b'\n', &octets[..octets.len().min(MAX_LINE)]) {
        Some(end) => Line::Whole(trim_end(&octets[..end]), end + 1),
        None if octets.len() >= MAX_LINE => Line::TooLong,
        None => Line::NeedMore,
    }
}

/// Without trailing CR, space and tab (RFC 5321 4.1.1: a receiver tolerates them).
fn trim_end(mut line: &[u8]) -> &[u8] {
    while let Some((b'\r' | b' ' | b'\t', rest)) = line.split_last() {
        line = rest;
    }
    line
}

/// Without leading spaces.
pub(crate) fn trim_start(mut line: &[u8]) -> &[u8] {
    while let Some((b' ' | b'\t', rest)) = line.split_first() {
        line = rest;
    }
    line
}

/// The first word of a line and what follows it.
pub(crate) fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let line = trim_start(line);
    match memchr(b' ', line) {
        Some(end) => (&line[..end], trim_start(&line[end..])),
        None => (line, &[]),
    }
}

/// Whether `octets` begin with `prefix`, in any case.
pub(crate) fn begins(octets: &[u8], prefix: &[u8]) -> bool {
    octets.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

/// Whether `octets` end with `suffix`, in any case.
pub(crate) fn ends(octets: &[u8], suffix: &[u8]) -> bool {
    let at = octets.len().checked_sub(suffix.len());
    at.is_some_and(|at| octets[at..].eq_ignore_ascii_case(suffix))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_ends_with_lf_and_tolerates_what_stands_before_it() {
        assert_eq!(next(b"NOOP \r\nQUIT\r\n"), Line::Whole(b"NOOP", 7));
        assert_eq!(next(b"NOOP\nQUIT"), Line::Whole(b"NOOP", 5));
        assert_eq!(next(b"NOOP\r"), Line::NeedMore);
        assert_eq!(next(&[b'x'; MAX_LINE]), Line::TooLong);
        assert_eq!(word(b"  MAIL   FROM:<a@b> X"), (&b"MAIL"[..], &b"FROM:<a@b> X"[..]));
        assert!(begins(b"ehlo x", b"EHLO ") && !begins(b"EH", b"EHLO "));
        assert!(ends(b"(UID 4 body[]", b"BODY[]") && !ends(b"[]", b"BODY[]"));
    }

    proptest! {
        #[test]
        fn lines_go_forward_and_stay_inside(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Line::Whole(line, used) = next(&octets) {
                prop_assert!(line.len() < used && used <= octets.len());
                let (first, rest) = word(line);
                prop_assert!(first.len() + rest.len() <= line.len());
            }
        }
    }
}
