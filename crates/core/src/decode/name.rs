//! Host names as the wire gives them. What we hand on is printable text without final dot; whether it is a lawful
//! host name is for the matcher.

use std::borrow::Cow;

/// Longest name that is handed on: the limit of a domain name in DNS (RFC 1035, 2.3.4), to which SNI and Host refer.
pub(crate) const MAX_NAME: usize = 255;

/// The name, or `None` where it is empty, longer than [`MAX_NAME`], or holds control or invisible format characters:
/// such a name can match no criterion and could write on the terminal of whoever reads it. Octets that are not UTF-8
/// become U+FFFD, which no criterion holds.
pub(crate) fn printable(octets: &[u8]) -> Option<Cow<'_, str>> {
    let octets = octets.strip_suffix(b".").unwrap_or(octets);
    if octets.is_empty() || octets.len() > MAX_NAME {
        return None;
    }
    let name = String::from_utf8_lossy(octets);
    (!name.chars().any(|c| c.is_control() || unseen(c))).then_some(name)
}

/// Line and paragraph separators, zero-width characters and bidirectional controls (Unicode 16, table 23-2).
const fn unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The host of an authority, `[userinfo@]host[:port]` (RFC 3986, 3.2), without the port. An IPv6 literal loses its
/// brackets.
pub(crate) fn host_of(authority: &[u8]) -> Option<Cow<'_, str>> {
    let host = match memchr::memrchr(b'@', authority) {
        Some(at) => &authority[at + 1..],
        None => authority,
    };
    if let Some(literal) = host.strip_prefix(b"[") {
        return printable(&literal[..memchr::memchr(b']', literal)?]);
    }
    let end = memchr::memchr(b':', host).unwrap_or(host.len());
    let name = printable(&host[..end])?;
    // A path or white space in it: not an authority (a CONNECT to `/`, as scanners send).
    (!name.contains(['/', ' ', ',', '?', '#'])).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_final_dot_goes_and_case_stays() {
        assert_eq!(printable(b"Www.Example.COM.").as_deref(), Some("Www.Example.COM"));
        assert_eq!(printable("bücher.example".as_bytes()).as_deref(), Some("bücher.example"));
        assert_eq!(printable(b"b\xfccher.example").as_deref(), Some("b\u{fffd}cher.example"));
        assert_eq!(printable(&[b'a'; 255]).map(|name| name.len()), Some(255));
    }

    #[test]
    fn what_a_terminal_would_obey_is_no_name() {
        for bad in ["", ".", "a\nb.example", "\u{1b}[2J.example", "a\u{202e}b", "a\u{200b}b", "a\u{85}b"] {
            assert_eq!(printable(bad.as_bytes()), None, "{}", bad.escape_debug());
        }
        assert_eq!(printable(&[b'a'; 256]), None);
    }

    #[test]
    fn an_authority_is_reduced_to_its_host() {
        assert_eq!(host_of(b"example.com").as_deref(), Some("example.com"));
        assert_eq!(host_of(b"example.com.:8080").as_deref(), Some("example.com"));
        assert_eq!(host_of(b"user:secret@example.com:1").as_deref(), Some("example.com"));
        assert_eq!(host_of(b"[2001:db8::1]:443").as_deref(), Some("2001:db8::1"));
        assert_eq!(host_of(b"[2001:db8::1"), None);
        assert_eq!(host_of(b":443"), None);
        // tshark lists `/` as the name of `CONNECT / HTTP/1.1`; RFC 9110, 9.3.6, has an authority there.
        assert_eq!(host_of(b"/"), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
            for name in [printable(&octets), host_of(&octets)].into_iter().flatten() {
                prop_assert!(!name.chars().any(char::is_control));
                prop_assert!(!name.is_empty() && name.chars().count() <= MAX_NAME);
            }
        }
    }
}
