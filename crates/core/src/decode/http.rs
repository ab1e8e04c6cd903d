//! HTTP/1 requests (RFC 9112): the head, borrowed, and how long the body is. Bodies are skipped, never read.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::name::host_of;
use super::tls::Step;

/// Longest request head. Servers accept 8 to 32 kB.
pub(crate) const MAX_HEAD: usize = 32 * 1024;

/// Longest method: the registered ones have at most 17 octets (`UPDATEREDIRECTREF`); private ones are longer.
const MAX_METHOD: usize = 32;

/// Hosts kept of one request. There must be one (RFC 9112, 3.2); a request with several is refused by honest servers
/// and read in two ways by a proxy and its origin, so all are told.
const MAX_HOSTS: usize = 4;

/// Octets of a chunk-size line or trailer line; honest ones have a few.
const MAX_CHUNK_LINE: u32 = 8 * 1024;

/// How the body is framed (RFC 9112, 6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Body {
    /// So many octets; 0 where there is no body.
    Length(u64),
    /// Chunked.
    Chunked,
    /// Contradictory or unknown framing: where the next request begins can't be known.
    Unknown,
}

/// The head of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Request<'a> {
    /// Octets of the head, with the empty line that ends it and empty lines before it.
    pub(crate) head: usize,
    /// Method, as sent: case-sensitive.
    pub(crate) method: &'a [u8],
    /// Request target.
    pub(crate) target: &'a [u8],
    /// Values of the Host fields, with their ports: nearly always one.
    pub(crate) hosts: SmallVec<[&'a [u8]; 1]>,
    pub(crate) body: Body,
}

impl<'a> Request<'a> {
    /// The target is an authority and what follows the head is a tunnel (RFC 9110, 9.3.6).
    pub(crate) fn is_connect(&self) -> bool {
        self.method == b"CONNECT"
    }

    /// The host in the target: that of CONNECT or of an absolute URI, which an origin obeys rather than Host
    /// (RFC 9112, 3.2.2).
    pub(crate) fn target_host(&self) -> Option<Cow<'a, str>> {
        if self.is_connect() {
            return host_of(self.target);
        }
        let colon = memchr::memchr(b':', self.target)?;
        let (scheme, rest) = self.target.split_at(colon);
        let rest = rest.strip_prefix(b"://")?;
        if !scheme.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        host_of(&rest[..end])
    }
}

/// Reads the request head at the start of `buf`.
pub(crate) fn request(buf: &[u8]) -> Step<Request<'_>> {
    // "A server SHOULD ignore at least one empty line" before a request (RFC 9112, 2.2).
    let empty = buf.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let message = &buf[empty..];
    let incomplete = if buf.len() > MAX_HEAD { Step::Foreign } else { Step::NeedMore };
    if !may_begin(message) {
        return Step::Foreign;
    }
    let Some((first, mut rest)) = line(message) else {
        return incomplete;
    };
    let Some((method, target)) = request_line(first) else {
        return Step::Foreign;
    };
    let mut found = Request { head: 0, method, target, hosts: SmallVec::new(), body: Body::Length(0) };
    let mut framing = BodyFraming::default();
    let mut field: &[u8] = b"";
    loop {
        let Some((current, after)) = line(rest) else {
            return incomplete;
        };
        rest = after;
        if current.is_empty() {
            break;
        }
        let value = match current {
            // obs-fold (RFC 9112, 5.2): the value goes on.
            [b' ' | b'\t', ..] => current,
            _ => match memchr::memchr(b':', current) {
                Some(colon) => {
                    field = current[..colon].trim_ascii();
                    &current[colon + 1..]
                }
                // No field: servers differ in what they do; we go on to the next line.
                None => continue,
            },
        };
        let value = value.trim_ascii();
        if field.eq_ignore_ascii_case(b"host") {
            if !value.is_empty() && found.hosts.len() < MAX_HOSTS && !found.hosts.contains(&value) {
                found.hosts.push(value);
            }
        } else {
            framing.field(field, value);
        }
    }
    found.head = buf.len() - rest.len();
    found.body = if found.is_connect() { Body::Length(0) } else { framing.body() };
    if found.head > MAX_HEAD { Step::Foreign } else { Step::Done(found) }
}

/// Octets of the head of a response that switches to HTTP/2 (RFC 7540, 3.2), if there is one at the start of `buf`.
pub(crate) fn switches_to_http2(buf: &[u8]) -> Option<usize> {
    if !buf.starts_with(b"HTTP/1.1 101") {
        return None;
    }
    let (mut rest, mut h2c) = (&buf[..buf.len().min(MAX_HEAD)], false);
    let all = rest.len();
    while let Some((current, after)) = line(rest) {
        rest = after;
        if current.is_empty() {
            return h2c.then_some(all - rest.len());
        }
        let colon = memchr::memchr(b':', current).unwrap_or(0);
        h2c |=
            current[..colon].eq_ignore_ascii_case(b"upgrade") && current[colon + 1..].trim_ascii() == b"h2c";
    }
    None
}

/// Whether asking [`request`] again is any use once octets have come behind the first `seen`: the first line or the
/// head has ended in them. Asking at every segment would make many small ones costly.
pub(crate) fn more_to_tell(buf: &[u8], seen: usize) -> bool {
    let Some((old, new)) = buf.split_at_checked(seen) else { return true };
    let mut ends = memchr::memchr_iter(b'\n', new).map(|at| &buf[..seen + at]);
    ends.any(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.is_empty() || line.ends_with(b"\n") || memchr::memchr(b'\n', old).is_none()
    })
}

/// A line without its end, and what follows. A bare LF ends a line too (RFC 9112, 2.2).
fn line(buf: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', buf)?;
    let text = &buf[..end];
    Some((text.strip_suffix(b"\r").unwrap_or(text), &buf[end + 1..]))
}

/// Whether these first octets can be those of a request line: a method, and a space after it if it has ended.
fn may_begin(buf: &[u8]) -> bool {
    let method = buf.iter().take(MAX_METHOD + 1).take_while(|b| is_token(**b)).count();
    method <= MAX_METHOD && (method == buf.len() || (method > 0 && matches!(buf[method], b' ' | b'\t')))
}

/// `tchar` of RFC 9110, 5.6.2.
const fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(octet, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// Method and target. Read leniently, as RFC 9112, 3, allows: any white space separates, the version must end the
/// line. It is what tells HTTP from SIP, RTSP, ICAP and the HTTP/2 preface.
fn request_line(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.trim_ascii_end();
    let (rest, version) = line.split_at_checked(line.len().checked_sub(b"HTTP/1.1".len())?)?;
    if !version.starts_with(b"HTTP/1.") || !version[7].is_ascii_digit() {
        return None;
    }
    let end = rest.iter().position(|b| !is_token(*b))?;
    let target = rest[end..].trim_ascii();
    (end > 0 && !target.iter().any(u8::is_ascii_control)).then_some((&rest[..end], target))
}

/// Content-Length and Transfer-Encoding fields, as they are met.
#[derive(Default)]
struct BodyFraming {
    length: Option<u64>,
    contradictory: bool,
    coded: bool,
    chunked_last: bool,
}

impl BodyFraming {
    fn field(&mut self, name: &[u8], value: &[u8]) {
        if name.eq_ignore_ascii_case(b"content-length") {
            // A list of equal values may be read as one (RFC 9110, 8.6).
            for value in value.split(|b| *b == b',') {
                let length = decimal(value.trim_ascii());
                self.contradictory |= length.is_none() || self.length.is_some_and(|l| Some(l) != length);
                self.length = length;
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            for coding in value.split(|b| *b == b',') {
                self.coded = true;
                self.chunked_last = coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
            }
        }
    }

    fn body(&self) -> Body {
        match (self.coded, self.chunked_last, self.contradictory) {
            (true, true, _) => Body::Chunked,
            (true, false, _) | (false, _, true) => Body::Unknown,
            (false, _, false) => Body::Length(self.length.unwrap_or(0)),
        }
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Where in a chunked body we are (RFC 9112, 7.1). Holds no octet of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Chunked {
    /// In a chunk-size line: the size so far, digits read, octets of the line; `extension` once the digits have ended.
    Size { size: u64, digits: u8, octets: u32, extension: bool },
    /// In the data: octets left, the line end behind them included.
    Data { left: u64 },
    /// In the trailer section, at so many octets of a line.
    Trailer { octets: u32 },
}

impl Chunked {
    pub(crate) const START: Self = Self::Size { size: 0, digits: 0, octets: 0, extension: false };

    /// Skips what belongs to the body: octets skipped, and whether it has ended. `None`: not chunked as it claims.
    pub(crate) fn skip(&mut self, buf: &[u8]) -> Option<(usize, bool)> {
        let mut at = 0;
        while let Some(&octet) = buf.get(at) {
            match self {
                Self::Data { left } => {
                    let step = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.len() - at);
                    at += step;
                    *left -= step as u64;
                    if *left == 0 {
                        *self = Self::START;
                    }
                    continue;
                }
                Self::Trailer { octets } => match octet {
                    b'\n' if *octets == 0 => return Some((at + 1, true)),
                    b'\n' => *octets = 0,
                    b'\r' => {}
                    _ if *octets > MAX_CHUNK_LINE => return None,
                    _ => *octets += 1,
                },
                Self::Size { size, digits, octets, extension } => {
                    *octets += 1;
                    match (octet, char::from(octet).to_digit(16)) {
                        (b'\n', _) if *digits == 0 => return None,
                        (b'\n', _) if *size == 0 => *self = Self::Trailer { octets: 0 },
                        // The CR LF behind the data is skipped with it.
                        (b'\n', _) => *self = Self::Data { left: size.checked_add(2)? },
                        (_, Some(digit)) if !*extension => {
                            *size = size.checked_mul(16)?.checked_add(u64::from(digit))?;
                            *digits = digits.saturating_add(1);
                        }
                        (b';' | b' ' | b'\t' | b'\r', _) if *digits > 0 => *extension = true,
                        _ if *extension && *octets <= MAX_CHUNK_LINE => {}
                        _ => return None,
                    }
                }
            }
            at += 1;
        }
        Some((at, false))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn done(text: &[u8]) -> Request<'_> {
        match request(text) {
            Step::Done(found) => found,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_head_is_read_and_its_end_found() {
        let text = b"\r\nGET /a?b HTTP/1.1\r\nUser-Agent: x\r\nhOsT:  www.example.com:8080 \r\n\r\nGET /next";
        let found = done(text);
        assert_eq!((found.method, found.target), (&b"GET"[..], &b"/a?b"[..]));
        assert_eq!(found.hosts.as_slice(), [b"www.example.com:8080"]);
        assert_eq!(&text[found.head..], b"GET /next");
        assert_eq!(found.body, Body::Length(0));
        for cut in 0..found.head {
            assert_eq!(request(&text[..cut]), Step::NeedMore, "{cut}");
            assert!(more_to_tell(text, cut));
        }
    }

    #[test]
    fn a_folded_host_a_bare_line_feed_and_a_space_before_the_colon_are_read() {
        assert_eq!(
            done(b"GET / HTTP/1.0\nHost:\n  www.example.com\n\n").hosts.as_slice(),
            [b"www.example.com"]
        );
        assert_eq!(done(b"GET / HTTP/1.1\r\nHost : a.example\r\n\r\n").hosts.as_slice(), [b"a.example"]);
        let two = done(b"GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\nHost: a.example\r\n\r\n");
        assert_eq!(two.hosts.as_slice(), [b"a.example", b"b.example"]);
    }

    #[test]
    fn the_target_may_name_the_host() {
        let host = |text: &'static [u8]| done(text).target_host();
        assert_eq!(host(b"CONNECT www.example.com:443 HTTP/1.1\r\n\r\n").as_deref(), Some("www.example.com"));
        assert_eq!(
            host(b"GET http://u@www.example.com:81/a:b HTTP/1.1\r\n\r\n").as_deref(),
            Some("www.example.com")
        );
        assert_eq!(
            host(b"GET http://www.example.com?q HTTP/1.1\r\n\r\n").as_deref(),
            Some("www.example.com")
        );
        assert_eq!(host(b"GET /redirect?to=http://other.example/ HTTP/1.1\r\n\r\n"), None);
        assert_eq!(host(b"OPTIONS * HTTP/1.1\r\n\r\n"), None);
        assert_eq!(host(b"CONNECT / HTTP/1.1\r\n\r\n"), None);
    }

    #[test]
    fn only_the_end_of_the_first_line_or_of_the_head_is_worth_asking_for() {
        let text = b"GET / HTTP/1.1\r\nA: b\r\nC: d\r\n\r\n";
        let told: Vec<_> = (0..text.len()).filter(|seen| more_to_tell(&text[..=*seen], *seen)).collect();
        assert_eq!(told, [15, text.len() - 1]);
    }

    #[test]
    fn the_neighbours_are_foreign() {
        for other in [
            &b"INVITE sip:a@b.example SIP/2.0\r\n"[..],
            b"PRI * HTTP/2.0\r\n",
            b"HTTP/1.1 200 OK\r\n",
            b"SSH-2.0-x\r\n",
            b"EHLO a.example\r\n",
            b"GET /\r\n",
            b"\x16\x03\x01",
            b" GET",
            b"AVeryLongWordThatIsNoMethodOfAnyKind",
        ] {
            assert_eq!(request(other), Step::Foreign, "{}", other.escape_ascii());
        }
        let endless = [&b"GET / HTTP/1.1\r\nX: "[..], &vec![b'a'; MAX_HEAD]].concat();
        assert_eq!(request(&endless), Step::Foreign);
    }

    #[test]
    fn bodies_are_framed_as_the_standard_says() {
        let body = |fields: &str| done(format!("POST / HTTP/1.1\r\n{fields}\r\n").as_bytes()).body;
        assert_eq!(body(""), Body::Length(0));
        assert_eq!(body("Content-Length: 12\r\n"), Body::Length(12));
        assert_eq!(body("Content-Length: 12, 12\r\ncontent-length: 12\r\n"), Body::Length(12));
        assert_eq!(body("Content-Length: 12\r\nContent-Length: 13\r\n"), Body::Unknown);
        assert_eq!(body("Content-Length: -1\r\n"), Body::Unknown);
        assert_eq!(body("Content-Length: 99999999999999999999\r\n"), Body::Unknown);
        assert_eq!(body("Transfer-Encoding: gzip, Chunked\r\nContent-Length: 5\r\n"), Body::Chunked);
        assert_eq!(body("Transfer-Encoding: chunked, gzip\r\n"), Body::Unknown);
    }

    const CHUNKED: &[u8] = b"4\r\nWiki\r\nA;name=\"x y\"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";

    #[test]
    fn a_chunked_body_ends_where_it_ends() {
        let text = [CHUNKED, b"GET /next"].concat();
        for cut in 0..CHUNKED.len() {
            let mut state = Chunked::START;
            assert_eq!(state.skip(&text[..cut]), Some((cut, false)));
            assert_eq!(state.skip(&text[cut..]), Some((CHUNKED.len() - cut, true)));
        }
    }

    #[test]
    fn what_is_not_chunked_is_given_up() {
        for bad in [&b"\r\n"[..], b"xyz\r\n", b"ffffffffffffffff1\r\n", b"ffffffffffffffff\r\n", b";a\r\n"] {
            assert_eq!(Chunked::START.clone().skip(bad), None, "{}", bad.escape_ascii());
        }
        let endless = [&b"4;"[..], &vec![b'a'; MAX_CHUNK_LINE as usize + 1]].concat();
        assert_eq!(Chunked::START.clone().skip(&endless), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = request(&octets);
            let _ = Chunked::START.clone().skip(&octets);
            if let Step::Done(found) = request(&[b"GET http://a/ HTTP/1.1\r\nHost:", &octets[..], b"\r\n\r\n"].concat()) {
                let _ = found.target_host();
            }
        }

        #[test]
        fn any_text_is_safe(text in "(GET|CONNECT|X) [ -~]{0,40}( HTTP/1.1)?\r?\n([A-Za-z:, \t-]{0,30}\r?\n){0,6}") {
            if let Step::Done(found) = request(text.as_bytes()) {
                prop_assert!(found.head <= text.len());
                let _ = found.target_host();
            }
        }
    }
}
