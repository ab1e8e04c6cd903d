//! The client's side of one TCP connection, read for the names it asks for: TLS `ClientHello`, HTTP/1 requests, and
//! what either carries behind CONNECT or STARTTLS. Holds a few numbers, never an octet of the stream.
//!
//! ```text
//!             16 03 …             whole hello
//! Undecided ──────────▶ Tls ───────────────────▶ Done
//!   │  ▲  method …                                 ▲
//!   │  ├──────────▶ Head ──────▶ Body, Chunked     │
//!   │  └──── CONNECT, end of body ──────┘          │
//!   └── neither, too often ────────────────────────┘
//! ```

use super::http2::{Http2, Read};
use crate::decode::http::{self, Body, Chunked, MAX_HEAD};
use crate::decode::http2::{self, PREFACE};
use crate::decode::name::host_of;
use crate::decode::tls::{self, Step, Stream};
use crate::decode::websocket;
use crate::session::NameVia;

/// Octets that a caller keeps of one stream: enough for the longest hello in records of any sensible length.
pub(crate) const MAX_KEPT: usize = 64 * 1024;

/// Segments looked at, in all, that begin neither a request nor a hello: what comes before STARTTLS, SOCKS and PROXY
/// headers, a body or a response that a stream joined late begins with. Then the stream is another protocol's.
const MAX_FOREIGN: u8 = 32;

/// Where in the stream we are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// A request or a hello may begin here: at the start, after each request, in a CONNECT tunnel, and after a gap.
    Undecided,
    /// A request has begun: so many octets of it have been looked at.
    Head { seen: usize },
    /// A hello has begun; it can't be whole before so many octets.
    Tls { wanted: usize },
    /// So many octets of a body are to be skipped.
    Body { left: u64 },
    /// A chunked body is to be skipped.
    Chunked(Chunked),
    /// Frames of HTTP/2, to the end.
    Http2,
    /// The request asks to go on as a WebSocket of SIP (RFC 7118): what follows isn't ours.
    Upgraded,
    /// The caller may forget the stream.
    Done,
}

/// What a hello was, besides its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HelloFacts {
    /// It offers `dot` (RFC 7858; IANA, ALPN Protocol IDs).
    pub(crate) dot: bool,
    /// It offers `sip/2` (IANA, ALPN Protocol IDs).
    pub(crate) sip: bool,
}

/// One for the client-to-server direction of a TCP connection.
#[derive(Debug)]
pub(crate) struct WebStream {
    state: State,
    foreign: u8,
    unreadable: u32,
    lost: u32,
    hello: Option<HelloFacts>,
    http2: Option<Box<Http2>>,
}

impl WebStream {
    pub(crate) const fn new() -> Self {
        Self { state: State::Undecided, foreign: 0, unreadable: 0, lost: 0, hello: None, http2: None }
    }

    /// No more octets are needed.
    pub(crate) fn finished(&self) -> bool {
        self.state == State::Done
    }

    /// What comes next is, if the server agrees, a WebSocket of SIP.
    pub(crate) fn upgraded(&self) -> bool {
        self.state == State::Upgraded
    }

    /// How many names were left out since the last call because they weren't printable: to be counted.
    pub(crate) fn take_unreadable(&mut self) -> u32 {
        std::mem::take(&mut self.unreadable)
    }

    /// The hello that was read since the last call.
    pub(crate) fn take_hello(&mut self) -> Option<HelloFacts> {
        self.hello.take()
    }

    /// How many times since the last call HTTP/2 could not be followed further: to be counted.
    pub(crate) fn take_lost(&mut self) -> u32 {
        std::mem::take(&mut self.lost)
    }

    /// Octets that the tap never saw are missing before what comes next, so that its place is unknown.
    pub(crate) fn gap(&mut self) {
        if self.state == State::Http2 {
            // Frames have no mark to find the next one by, and the header table is out of step.
            self.lose();
        } else if self.state != State::Done {
            self.state = State::Undecided;
        }
    }

    /// Takes the octets not consumed so far, in order, and says how many of them it has consumed. The caller keeps
    /// the others and calls again when more have come; it never has to keep [`MAX_KEPT`].
    pub(crate) fn data(&mut self, buf: &[u8], emit: &mut dyn FnMut(NameVia, &str)) -> usize {
        let mut at = 0;
        while at < buf.len() && !matches!(self.state, State::Done | State::Upgraded) {
            match self.step(&buf[at..], emit) {
                0 => break,
                consumed => at += consumed,
            }
        }
        if self.state == State::Done { buf.len() } else { at }
    }

    /// One transition; `rest` isn't empty. 0 consumed: more octets must come.
    fn step(&mut self, rest: &[u8], emit: &mut dyn FnMut(NameVia, &str)) -> usize {
        match self.state {
            State::Done | State::Upgraded => rest.len(),
            State::Undecided => match rest[0] {
                // Empty lines before a request (RFC 9112, 2.2).
                b'\r' | b'\n' => 1,
                // A handshake record. This octet begins no method.
                0x16 => self.tls(rest, emit),
                // Whatever begins with less of it than this may be `PRI` and no more.
                b'P' if PREFACE.starts_with(&rest[..rest.len().min(PREFACE.len())]) => self.preface(rest),
                0 if http2::begins_with_settings(rest) => {
                    self.http2();
                    self.frames(rest, emit)
                }
                0 if rest.len() < http2::HEADER => 0,
                _ => self.request(rest, emit),
            },
            State::Http2 => self.frames(rest, emit),
            State::Head { seen } if rest.len() <= MAX_HEAD && !http::more_to_tell(rest, seen) => {
                self.state = State::Head { seen: rest.len() };
                0
            }
            State::Head { .. } => self.request(rest, emit),
            State::Tls { wanted } if rest.len() < wanted => 0,
            State::Tls { .. } => self.tls(rest, emit),
            State::Body { left } => {
                let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                self.state = match left - skipped as u64 {
                    0 => State::Undecided,
                    left => State::Body { left },
                };
                skipped
            }
            State::Chunked(mut body) => match body.skip(rest) {
                Some((skipped, ended)) => {
                    self.state = if ended { State::Undecided } else { State::Chunked(body) };
                    skipped
                }
                None => self.not_ours(rest),
            },
        }
    }

    /// HTTP/2 by prior knowledge, or after 101 (RFC 9113, 3).
    fn preface(&mut self, rest: &[u8]) -> usize {
        if rest.len() < PREFACE.len() {
            return 0;
        }
        self.http2();
        PREFACE.len()
    }

    fn http2(&mut self) {
        self.state = State::Http2;
        self.http2 = Some(Box::default());
    }

    fn frames(&mut self, rest: &[u8], emit: &mut dyn FnMut(NameVia, &str)) -> usize {
        let Some(http2) = &mut self.http2 else { return self.not_ours(rest) };
        let read = http2.step(rest, emit);
        self.unreadable += http2.take_unreadable();
        match read {
            Read::Consumed(consumed) => consumed,
            Read::Lost => {
                self.lose();
                rest.len()
            }
        }
    }

    fn lose(&mut self) {
        (self.lost, self.state, self.http2) = (self.lost + 1, State::Done, None);
    }

    fn tls(&mut self, rest: &[u8], emit: &mut dyn FnMut(NameVia, &str)) -> usize {
        match tls::handshake(rest) {
            Stream::NeedMore(wanted) if rest.len() < MAX_KEPT => {
                self.state = State::Tls { wanted: wanted.min(MAX_KEPT) };
                0
            }
            Stream::NeedMore(_) | Stream::Foreign => self.not_ours(rest),
            Stream::Whole(handshake) => {
                if let Step::Done(hello) = tls::client_hello(&handshake) {
                    let offers = |wanted: &[u8]| hello.protocols().any(|protocol| protocol == wanted);
                    self.hello = Some(HelloFacts { dot: offers(b"dot"), sip: offers(b"sip/2") });
                    if let Some(name) = hello.name() {
                        emit(NameVia::tls(hello.ech), &name);
                    } else if hello.server_name.is_some() {
                        self.unreadable += 1;
                    }
                }
                // A second hello, after HelloRetryRequest, has the same name (RFC 8446, 4.1.2).
                self.state = State::Done;
                rest.len()
            }
        }
    }

    fn request(&mut self, rest: &[u8], emit: &mut dyn FnMut(NameVia, &str)) -> usize {
        match http::request(rest) {
            Step::NeedMore if rest.len() <= MAX_HEAD => {
                self.state = State::Head { seen: rest.len() };
                0
            }
            Step::NeedMore | Step::Foreign => match http::switches_to_http2(rest) {
                // A server's answer to `Upgrade: h2c` (RFC 7540, 3.2): what it promises follows in frames.
                Some(head) => {
                    self.http2();
                    head
                }
                None => self.not_ours(rest),
            },
            Step::Done(request) => {
                self.unreadable += tell(&request, emit);
                self.foreign = 0;
                self.state = match request.body {
                    Body::Length(0) if websocket::is_sip_handshake(&rest[..request.head]) => State::Upgraded,
                    Body::Length(0) | Body::Unknown => State::Undecided,
                    Body::Length(left) => State::Body { left },
                    Body::Chunked => State::Chunked(Chunked::START),
                };
                request.head
            }
        }
    }

    /// Passes over what is there: the next segment may begin a request or a hello.
    fn not_ours(&mut self, rest: &[u8]) -> usize {
        self.foreign += 1;
        self.state = if self.foreign >= MAX_FOREIGN { State::Done } else { State::Undecided };
        rest.len()
    }
}

/// Host fields, or else the host in the target; both where they differ, for then they name two servers. CONNECT is
/// told as such and as a request. Returns how many Host fields are no printable name.
fn tell(request: &http::Request<'_>, emit: &mut dyn FnMut(NameVia, &str)) -> u32 {
    let target = request.target_host();
    if let Some(name) = target.as_deref().filter(|_| request.is_connect()) {
        emit(NameVia::HttpConnect, name);
    }
    let (mut same, mut unreadable) = (false, 0);
    for host in &request.hosts {
        let Some(name) = host_of(host) else {
            unreadable += 1;
            continue;
        };
        same |= target.as_deref().is_some_and(|t| t.eq_ignore_ascii_case(&name));
        emit(NameVia::Http, &name);
    }
    if let Some(name) = target.as_deref().filter(|_| !same) {
        emit(NameVia::Http, name);
    }
    unreadable
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::tls::tests::{hello_for, records};

    /// Feeds a stream in segments of these lengths in turn, as a caller does.
    fn feed(state: &mut WebStream, stream: &[u8], lengths: &[usize]) -> Vec<(NameVia, String)> {
        let (mut names, mut kept, mut rest, mut turn) =
            (Vec::new(), Vec::new(), stream, lengths.iter().cycle());
        while !rest.is_empty() {
            let (segment, after) = rest.split_at((*turn.next().unwrap()).min(rest.len()));
            rest = after;
            kept.extend_from_slice(segment);
            let consumed = state.data(&kept, &mut |via, name| names.push((via, name.to_owned())));
            kept.drain(..consumed);
        }
        names
    }

    fn all(stream: &[u8]) -> Vec<(NameVia, String)> {
        feed(&mut WebStream::new(), stream, &[usize::MAX])
    }

    fn named(via: NameVia, name: &str) -> (NameVia, String) {
        (via, name.to_owned())
    }

    const REQUESTS: &[u8] = b"POST / HTTP/1.1\r\nHost: one.example:8080\r\nContent-Length: 30\r\n\r\n\
        GET / HTTP/1.1\r\nHost: not.one\r\nPUT / HTTP/1.1\r\nHost: two.example\r\nTransfer-Encoding: chunked\r\n\r\n\
        1f\r\nGET / HTTP/1.1\r\nHost: not.two\r\n\r\n0\r\n\r\nGET http://three.example/ HTTP/1.0\r\n\r\n";

    fn requests() -> Vec<(NameVia, String)> {
        ["one.example", "two.example", "three.example"].map(|name| named(NameVia::Http, name)).to_vec()
    }

    #[test]
    fn requests_follow_requests_and_bodies_are_passed_over() {
        assert_eq!(REQUESTS.windows(31).filter(|w| w.starts_with(b"GET / HTTP/1.1\r\nHost: not")).count(), 2);
        assert_eq!(all(REQUESTS), requests());
    }

    #[test]
    fn a_hello_ends_the_reading() {
        let mut state = WebStream::new();
        let stream = records(&hello_for("www.example.com"), &[500]);
        assert_eq!(feed(&mut state, &stream, &[100]), [named(NameVia::Tls, "www.example.com")]);
        assert!(state.finished());
        assert_eq!(state.data(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", &mut |_, _| panic!()), 35);
    }

    #[test]
    fn p59_behind_connect_there_may_be_tls_or_a_second_try() {
        let connect = b"CONNECT www.example.com:443 HTTP/1.1\r\nHost: www.example.com:443\r\n\r\n";
        let stream = [&connect[..], connect, &records(&hello_for("inner.example"), &[2000])].concat();
        let twice = [named(NameVia::HttpConnect, "www.example.com"), named(NameVia::Http, "www.example.com")];
        assert_eq!(all(&stream), [&twice[..], &twice, &[named(NameVia::Tls, "inner.example")]].concat());
    }

    /// HEADERS with `:authority: www.example.com` (RFC 7541, C.4.1).
    const HEADERS: &[u8] =
        b"\0\0\x11\x01\x05\0\0\0\x01\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";

    const SETTINGS: &[u8] = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64";

    #[test]
    fn p59_http2_by_prior_knowledge_and_after_an_upgrade() {
        let preface = [PREFACE, SETTINGS, HEADERS].concat();
        let upgrade = b"GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: h2c\r\n\r\n";
        for length in [1, 7, 4000] {
            let http2 = named(NameVia::Http2, "www.example.com");
            assert_eq!(feed(&mut WebStream::new(), &preface, &[length]), std::slice::from_ref(&http2));
            let both = [named(NameVia::Http, "a.example"), http2];
            assert_eq!(feed(&mut WebStream::new(), &[&upgrade[..], &preface].concat(), &[length]), both);
        }
    }

    #[test]
    fn p59_what_a_server_promises_is_told() {
        let mut promise = HEADERS.to_vec();
        // PUSH_PROMISE has the promised stream before the block.
        (promise[2], promise[3], promise[4]) = (0x15, 5, 4);
        promise.splice(9..9, [0, 0, 0, 2]);
        let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
        let want = [named(NameVia::Http2, "www.example.com")];
        assert_eq!(all(&[&switch[..], SETTINGS, &promise].concat()), want);
        assert_eq!(all(&[SETTINGS, &promise].concat()), want);
    }

    #[test]
    fn after_a_gap_http2_is_given_up_and_counted() {
        let mut state = WebStream::new();
        feed(&mut state, &[PREFACE, SETTINGS].concat(), &[99]);
        state.gap();
        assert!(state.finished());
        assert_eq!((state.take_lost(), state.take_lost()), (1, 0));
    }

    #[test]
    fn p55_a_name_beside_ech_is_told_as_one_that_may_be_outer() {
        let hello = crate::decode::tls::tests::hello_with_ech("public.example");
        assert_eq!(all(&records(&hello, &[2000])), [named(NameVia::TlsEch, "public.example")]);
    }

    #[test]
    fn behind_starttls_there_is_tls() {
        let mut state = WebStream::new();
        assert!(feed(&mut state, b"EHLO client.example\r\n", &[99]).is_empty());
        assert!(feed(&mut state, b"STARTTLS\r\n", &[99]).is_empty());
        let hello = records(&hello_for("mail.example"), &[2000]);
        assert_eq!(feed(&mut state, &hello, &[700]), [named(NameVia::Tls, "mail.example")]);
    }

    #[test]
    fn a_target_that_contradicts_host_is_told_too() {
        let names = all(b"GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n");
        assert_eq!(names, [named(NameVia::Http, "a.example"), named(NameVia::Http, "b.example")]);
        assert_eq!(all(b"GET http://A.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n").len(), 1);
    }

    #[test]
    fn names_that_are_not_printable_are_not_told() {
        let hello = records(&hello_for("a\x08.example"), &[2000]);
        for stream in [&b"GET / HTTP/1.1\r\nHost: a\x1b[2J.example\r\n\r\n"[..], &hello] {
            let mut state = WebStream::new();
            assert!(feed(&mut state, stream, &[99]).is_empty());
            assert_eq!((state.take_unreadable(), state.take_unreadable()), (1, 0));
        }
    }

    #[test]
    fn a_stream_joined_late_is_read_from_the_next_request_on() {
        let mut state = WebStream::new();
        assert!(feed(&mut state, b"rest of a body\r\nGET ", &[99]).is_empty());
        let next = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
        assert_eq!(feed(&mut state, next, &[99]), [named(NameVia::Http, "a.example")]);
    }

    #[test]
    fn after_a_gap_the_next_request_is_found() {
        let mut state = WebStream::new();
        let post = b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 100000\r\n\r\nbody";
        assert_eq!(feed(&mut state, post, &[99]).len(), 1);
        state.gap();
        let next = b"GET / HTTP/1.1\r\nHost: b.example\r\n\r\n";
        assert_eq!(feed(&mut state, next, &[99]), [named(NameVia::Http, "b.example")]);
    }

    #[test]
    fn another_protocol_is_given_up() {
        let mut state = WebStream::new();
        for _ in 0..MAX_FOREIGN {
            assert!(!state.finished());
            assert_eq!(state.data(b"\x17\x03\x03\0\x02ab", &mut |_, _| panic!()), 7);
        }
        assert!(state.finished());
    }

    /// The longest hello that is read, in a record of 16 KiB.
    const HUGE_HELLO: &[u8] = b"\x16\x03\x01\x40\0\x01\0\xff\xfb";

    #[test]
    fn no_more_than_the_limit_is_asked_to_be_kept() {
        for start in [&b"GET / HTTP/1.1\r\nX: "[..], HUGE_HELLO] {
            let stream = [start, &vec![b'a'; MAX_KEPT]].concat();
            let mut state = WebStream::new();
            let waits = state.data(&stream[..40], &mut |_, _| panic!());
            assert_eq!(waits, 0, "it must be refused for its length, not at once");
            assert!(state.data(&stream[..MAX_KEPT], &mut |_, _| panic!()) > 0);
        }
    }

    proptest! {
        #[test]
        fn segments_of_any_length_give_the_same_names(
            lengths in proptest::collection::vec(1_usize..90, 1..6),
            sizes in proptest::collection::vec(1_usize..400, 1..4),
        ) {
            prop_assert_eq!(feed(&mut WebStream::new(), REQUESTS, &lengths), requests());
            let stream = records(&hello_for("www.example.com"), &sizes);
            let names = feed(&mut WebStream::new(), &stream, &lengths);
            prop_assert_eq!(names, [named(NameVia::Tls, "www.example.com")]);
        }

        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..500), length in 1_usize..100) {
            feed(&mut WebStream::new(), &octets, &[length]);
            let names = feed(&mut WebStream::new(), &[b"GET http://", &octets[..], b"HTTP/1.1\r\n\r\n"].concat(), &[length]);
            prop_assert!(!names.iter().any(|(_, name)| name.chars().any(char::is_control)));
        }
    }
}
