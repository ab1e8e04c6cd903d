//! One direction of an HTTP/2 connection in the clear: prior knowledge or `Upgrade: h2c` (RFC 9113, 3). Told are the
//! authorities asked for, those that a server promises, what a CONNECT tunnel begins with, and lookups by `DoH`
//! (RFC 8484) that nothing hides.
//!
//! Of the header table (RFC 7541, 2.3.2) it keeps the values of the few fields that it reads; of all others, cookies
//! among them, only the size.

use std::collections::VecDeque;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use smallvec::SmallVec;

use super::NameVia;
use super::web::MAX_KEPT;
use crate::decode::dns;
use crate::decode::hpack::{self, ENTRY_OVERHEAD, Field, Name, Representation, STATIC_ENTRIES};
use crate::decode::http2::{Frame, HEADER, Kind};
use crate::decode::name::host_of;
use crate::decode::tls::{self, Step, Stream};

/// Largest dynamic table followed. It is 4,096 octets unless the other side allows more (RFC 9113, 6.5.2); servers
/// that do stop at 64 kB. An entry takes at least 32 of them, so a connection keeps at most 2,048 small ones.
const MAX_TABLE: usize = 64 * 1024;

/// The size at the start.
const INITIAL_TABLE: usize = 4096;

/// Longest value kept in the table: an authority with its port, or a `DoH` query in a path (RFC 8484, 6: 512 octets of
/// DNS are 683 in base64). A longer one stays in the table without its value.
const MAX_VALUE: usize = 1024;

/// Octets of such values in one table, besides the entries themselves.
const MAX_VALUES: usize = 8 * 1024;

/// Streams whose DATA will be looked at, of one connection at once.
const MAX_STREAMS: usize = 16;

/// What the DATA of a stream is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Content {
    /// `application/dns-message`.
    Dns,
    /// A CONNECT tunnel.
    Tunnel,
}

/// An entry of the dynamic table.
struct Entry {
    field: Field,
    /// Empty where it isn't read.
    value: Box<[u8]>,
    /// Octets of the name, for a later literal that borrows it.
    name: usize,
    /// Octets that it counts for.
    size: usize,
}

/// The dynamic table, newest first.
struct Table {
    entries: VecDeque<Entry>,
    size: usize,
    limit: usize,
    values: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self { entries: VecDeque::new(), size: 0, limit: INITIAL_TABLE, values: 0 }
    }
}

impl Table {
    fn insert(&mut self, field: Field, name: usize, value: &[u8]) {
        let size = name + value.len() + ENTRY_OVERHEAD;
        self.shrink(self.limit.saturating_sub(size));
        if size <= self.limit {
            let room = value.len() <= MAX_VALUE && self.values + value.len() <= MAX_VALUES;
            let value: Box<[u8]> = if field != Field::Other && room { value.into() } else { Box::default() };
            self.values += value.len();
            self.size += size;
            self.entries.push_front(Entry { field, value, name, size });
        }
    }

    /// Forgets the oldest entries until the table is no larger than this (RFC 7541, 4.3 and 4.4).
    fn shrink(&mut self, to: usize) {
        while self.size > to {
            let Some(entry) = self.entries.pop_back() else { return };
            self.size -= entry.size;
            self.values -= entry.value.len();
        }
    }

    fn resize(&mut self, limit: usize) -> Option<()> {
        self.limit = (limit <= MAX_TABLE).then_some(limit)?;
        self.shrink(limit);
        Some(())
    }

    /// Field, value, and octets of the name.
    fn get(&self, index: usize) -> Option<(Field, &[u8], usize)> {
        hpack::static_entry(index).or_else(|| {
            let entry = self.entries.get(index.checked_sub(STATIC_ENTRIES + 1)?)?;
            Some((entry.field, &*entry.value, entry.name))
        })
    }

    /// The fields of a block that are read. `None`: the table can't be followed any more.
    fn block(&mut self, block: &[u8]) -> Option<Request> {
        let mut request = Request::default();
        for representation in hpack::representations(block) {
            match representation? {
                Representation::TableSize(limit) => self.resize(limit)?,
                Representation::Indexed(index) => {
                    let (field, value, _) = self.get(index)?;
                    request.field(field, value);
                }
                Representation::Literal { name, value, enters } => {
                    let (field, length) = match name {
                        Name::Indexed(index) => self.get(index).map(|(field, _, length)| (field, length))?,
                        Name::Literal(name) => {
                            let name = name.decode()?;
                            (Field::named(&name), name.len())
                        }
                    };
                    let value = value.decode()?;
                    request.field(field, &value);
                    if enters {
                        self.insert(field, length, &value);
                    }
                }
            }
        }
        Some(request)
    }
}

/// What a header block says of the host asked for. A response says nothing.
#[derive(Default)]
struct Request {
    authority: Option<Box<[u8]>>,
    host: Option<Box<[u8]>>,
    path: Option<Box<[u8]>>,
    connect: bool,
    extended: bool,
    dns: bool,
}

impl Request {
    fn field(&mut self, field: Field, value: &[u8]) {
        match field {
            Field::Authority => self.authority = Some(value.into()),
            Field::Host => self.host = Some(value.into()),
            Field::Path => self.path = Some(value.into()),
            Field::Method => self.connect = value == b"CONNECT",
            Field::Protocol => self.extended = true,
            Field::ContentType => self.dns = value.eq_ignore_ascii_case(b"application/dns-message"),
            Field::Other => {}
        }
    }

    /// What the DATA of its stream will be, if it is looked at.
    fn content(&self) -> Option<Content> {
        match (&self.authority, self.connect && !self.extended) {
            (Some(_), true) => Some(Content::Tunnel),
            (Some(_), false) if self.dns => Some(Content::Dns),
            _ => None,
        }
    }
}

/// What one step has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Read {
    /// So many octets are done with; 0: more must come.
    Consumed(usize),
    /// Damage, or over a limit: nothing more can be told of this connection.
    Lost,
}

/// One direction.
#[derive(Default)]
pub(crate) struct Http2 {
    table: Table,
    streams: SmallVec<[(u32, Content); 2]>,
    /// Octets of payload still to be passed over.
    skip: usize,
    /// Asking again is of no use before so many octets are there.
    wanted: usize,
    unreadable: u32,
}

impl std::fmt::Debug for Http2 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The table holds names and paths.
        f.debug_struct("Http2").field("table_size", &self.table.size).finish_non_exhaustive()
    }
}

impl Http2 {
    /// Names left out since the last call because they weren't printable.
    pub(crate) fn take_unreadable(&mut self) -> u32 {
        std::mem::take(&mut self.unreadable)
    }

    /// Takes what stands at the head of `rest`, behind the preface.
    pub(crate) fn step(&mut self, rest: &[u8], emit: &mut dyn FnMut(NameVia, &str)) -> Read {
        if self.skip > 0 {
            let skipped = self.skip.min(rest.len());
            self.skip -= skipped;
            return Read::Consumed(skipped);
        }
        let wanted = self.wanted.max(HEADER);
        let Some(frame) = Frame::parse(rest).filter(|_| rest.len() >= wanted) else {
            self.wanted = wanted;
            return Read::Consumed(0);
        };
        self.wanted = 0;
        match frame.kind {
            Kind::Headers | Kind::PushPromise => self.headers(frame, rest, emit),
            Kind::Data => self.data(frame, rest, emit),
            // Without the HEADERS that it continues the table can't be followed.
            Kind::Continuation => Read::Lost,
            Kind::Other => self.pass(frame),
        }
    }

    fn pass(&mut self, frame: Frame) -> Read {
        self.skip = frame.length;
        Read::Consumed(HEADER)
    }

    fn want(&mut self, octets: usize) -> Read {
        self.wanted = octets;
        if octets > MAX_KEPT { Read::Lost } else { Read::Consumed(0) }
    }

    /// A header block, which CONTINUATION frames alone may cut (RFC 9113, 4.3).
    fn headers(&mut self, first: Frame, rest: &[u8], emit: &mut dyn FnMut(NameVia, &str)) -> Read {
        let (mut block, mut at, mut frame): (SmallVec<[&[u8]; 2]>, _, _) = (SmallVec::new(), 0, first);
        loop {
            let end = at + HEADER + frame.length;
            let Some(payload) = rest.get(at + HEADER..end) else { return self.want(end) };
            let Some(piece) = frame.content(payload) else { return Read::Lost };
            block.push(piece);
            at = end;
            if frame.ends_headers() {
                break;
            }
            let Some(next) = Frame::parse(&rest[at..]) else { return self.want(at + HEADER) };
            if next.kind != Kind::Continuation || next.stream != first.stream {
                return Read::Lost;
            }
            frame = next;
        }
        let found = match &block[..] {
            [whole] => self.table.block(whole),
            pieces => self.table.block(&pieces.concat()),
        };
        let Some(request) = found else { return Read::Lost };
        self.tell(&request, emit);
        if let Some(content) = request.content().filter(|_| self.streams.len() < MAX_STREAMS) {
            self.streams.push((first.stream, content));
        }
        Read::Consumed(at)
    }

    fn tell(&mut self, request: &Request, emit: &mut dyn FnMut(NameVia, &str)) {
        let via = match request.content() {
            Some(Content::Tunnel) => NameVia::HttpConnect,
            _ => NameVia::Http2,
        };
        let authority = request.authority.as_deref();
        // A Host that says otherwise is told too, as servers differ in which they obey.
        let host =
            request.host.as_deref().filter(|host| authority.is_none_or(|a| !a.eq_ignore_ascii_case(host)));
        for (name, via) in authority.map(|a| (a, via)).into_iter().chain(host.map(|h| (h, NameVia::Http2))) {
            match host_of(name) {
                Some(name) => emit(via, &name),
                None => self.unreadable += 1,
            }
        }
        let query = request.path.as_deref().filter(|_| authority.is_some()).and_then(doh_query);
        if let Some(message) = query {
            lookup(&message, emit);
        }
    }

    /// DATA of a stream that is looked at: only its first frame is, which holds a whole query or hello as a rule.
    fn data(&mut self, frame: Frame, rest: &[u8], emit: &mut dyn FnMut(NameVia, &str)) -> Read {
        let Some(at) = self.streams.iter().position(|(stream, _)| *stream == frame.stream) else {
            return self.pass(frame);
        };
        let end = HEADER + frame.length;
        if end <= MAX_KEPT && rest.len() < end {
            return self.want(end);
        }
        let (_, content) = self.streams.swap_remove(at);
        let Some(data) = rest.get(HEADER..end).and_then(|payload| frame.content(payload)) else {
            return self.pass(frame);
        };
        match content {
            Content::Dns if frame.ends_stream() => lookup(data, emit),
            Content::Dns => {}
            Content::Tunnel => {
                if let Stream::Whole(handshake) = tls::handshake(data)
                    && let Step::Done(hello) = tls::client_hello(&handshake)
                    && let Some(name) = hello.name()
                {
                    emit(NameVia::tls(hello.ech), &name);
                }
            }
        }
        Read::Consumed(end)
    }
}

/// The message in `?dns=` of a path (RFC 8484, 4.1).
fn doh_query(path: &[u8]) -> Option<Vec<u8>> {
    let query = &path[memchr::memchr(b'?', path)? + 1..];
    let coded = query.split(|octet| *octet == b'&').find_map(|pair| pair.strip_prefix(b"dns="))?;
    URL_SAFE_NO_PAD.decode(coded).ok()
}

fn lookup(message: &[u8], emit: &mut dyn FnMut(NameVia, &str)) {
    dns::names(message, &mut |section, name| emit(NameVia::dns(section), name));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::hpack::tests::{encode, unhex};

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
    }

    fn read(state: &mut Http2, mut octets: &[u8]) -> (Vec<(NameVia, String)>, bool) {
        let mut names = Vec::new();
        while !octets.is_empty() {
            match state.step(octets, &mut |via, name| names.push((via, name.to_owned()))) {
                Read::Consumed(0) => break,
                Read::Consumed(n) => octets = &octets[n..],
                Read::Lost => return (names, true),
            }
        }
        (names, false)
    }

    fn http2(name: &str) -> (NameVia, String) {
        (NameVia::Http2, name.to_owned())
    }

    /// The three requests of RFC 7541, C.4: the second and third take the authority from the dynamic table.
    #[test]
    fn p59_http2_the_requests_of_rfc_7541_name_their_authority() {
        let blocks = [
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            "828684be5886a8eb10649cbf",
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        ];
        let octets: Vec<u8> =
            blocks.iter().zip([1, 3, 5]).flat_map(|(block, id)| frame(1, 5, id, &unhex(block))).collect();
        let (names, lost) = read(&mut Http2::default(), &octets);
        assert_eq!(names, vec![http2("www.example.com"); 3]);
        assert!(!lost);
    }

    #[test]
    fn the_table_is_that_of_rfc_7541_c4_and_c5() {
        let mut table = Table::default();
        for (block, size) in [
            ("828684418cf1e3c2e5f23a6ba0ab90f4ff", 57),
            ("828684be5886a8eb10649cbf", 110),
            ("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", 164),
        ] {
            table.block(&unhex(block)).unwrap();
            assert_eq!(table.size, size);
        }
        // With a limit of 256 octets the third response throws out what the first has entered (C.6).
        let mut table = Table::default();
        table.resize(256).unwrap();
        for (block, size) in [
            (
                "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
                222,
            ),
            ("4883640effc1c0bf", 222),
            (
                "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
                215,
            ),
        ] {
            table.block(&unhex(block)).unwrap();
            assert_eq!(table.size, size);
        }
        assert!(table.entries.iter().all(|entry| entry.value.is_empty()), "no value of these is read");
    }

    fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
        let coded = encode(value);
        assert!(name.len() < 127 && coded.len() < 127);
        [&[0x40, name.len() as u8][..], name, &[0x80 | coded.len() as u8], &coded].concat()
    }

    #[test]
    fn a_block_in_continuations_and_a_promise_are_read() {
        let block = literal(b":authority", b"a.example:8080");
        let (head, tail) = block.split_at(5);
        let mut octets = frame(1, 0, 1, head);
        octets.extend(frame(9, 4, 1, tail));
        octets.extend(frame(5, 4, 1, &[&[0, 0, 0, 2][..], &literal(b":authority", b"b.example")].concat()));
        assert_eq!(read(&mut Http2::default(), &octets).0, [http2("a.example"), http2("b.example")]);
        // Between them nothing else may come.
        let broken = [frame(1, 0, 1, head), frame(0, 0, 1, b"x")].concat();
        assert!(read(&mut Http2::default(), &broken).1);
    }

    #[test]
    fn p59_connect_names_the_tunnel_and_what_it_carries() {
        let connect =
            [literal(b":method", b"CONNECT"), literal(b":authority", b"outer.example:443")].concat();
        let hello = tls::tests::records(&tls::tests::hello_for("inner.example"), &[2000]);
        let octets = [frame(1, 4, 1, &connect), frame(0, 0, 1, &hello)].concat();
        let names = read(&mut Http2::default(), &octets).0;
        assert_eq!(
            names,
            [(NameVia::HttpConnect, "outer.example".to_owned()), (NameVia::Tls, "inner.example".to_owned())]
        );
        // An extended CONNECT opens a WebSocket to the authority itself (RFC 8441).
        let socket = [&connect[..], &literal(b":protocol", b"websocket")].concat();
        assert_eq!(read(&mut Http2::default(), &frame(1, 4, 1, &socket)).0, [http2("outer.example")]);
    }

    /// RFC 8484, 4.1.1: both examples.
    #[test]
    fn p56_doh_in_the_clear_tells_what_it_looks_up() {
        let want = (NameVia::Dns, "www.example.com".to_owned());
        let path = b"/dns-query?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB";
        let get = [literal(b":authority", b"dnsserver.example.net"), literal(b":path", path)].concat();
        let names = read(&mut Http2::default(), &frame(1, 5, 1, &get)).0;
        assert_eq!(names, [http2("dnsserver.example.net"), want.clone()]);
        let post = [
            literal(b":authority", b"dnsserver.example.net"),
            literal(b"content-type", b"application/dns-message"),
        ];
        let message = unhex("00000100000100000000000003777777076578616d706c6503636f6d0000010001");
        let octets = [frame(1, 4, 1, &post.concat()), frame(0, 1, 1, &message)].concat();
        assert_eq!(read(&mut Http2::default(), &octets).0, [http2("dnsserver.example.net"), want]);
    }

    #[test]
    fn a_table_over_the_limit_ends_the_reading() {
        // An update to 64 KiB, then one to 64 KiB and 1.
        let mut state = Http2::default();
        assert!(!read(&mut state, &frame(1, 4, 1, &[0x3f, 0xe1, 0xff, 0x03])).1);
        assert!(read(&mut state, &frame(1, 4, 1, &[0x3f, 0xe2, 0xff, 0x03])).1);
    }

    #[test]
    fn memory_stays_bounded_whatever_is_entered() {
        let mut table = Table::default();
        table.resize(MAX_TABLE).unwrap();
        for n in 0..10_000_u32 {
            table.insert(Field::Authority, 10, format!("{n:0500}").as_bytes());
            table.insert(Field::Other, 1, b"");
        }
        assert!(table.size <= MAX_TABLE && table.values <= MAX_VALUES);
        let kept: usize = table.entries.iter().map(|entry| entry.value.len()).sum();
        assert_eq!(kept, table.values);
        table.resize(0).unwrap();
        assert_eq!((table.size, table.values, table.entries.len()), (0, 0, 0));
    }

    proptest! {
        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..400), kind in 0_u8..10, flags: u8) {
            read(&mut Http2::default(), &octets);
            let mut state = Http2::default();
            read(&mut state, &frame(kind, flags, 1, &octets));
            prop_assert!(state.table.size <= MAX_TABLE);
        }
    }
}
