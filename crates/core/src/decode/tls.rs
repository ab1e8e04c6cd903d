//! TLS: the `ClientHello` alone (RFC 8446, 4.1.2; the same bytes since RFC 3546), from handshake octets or from the
//! records of a TCP stream. All that follows it is encrypted or says nothing that we need.

use std::borrow::Cow;

use super::cursor::Cursor;
use super::name::printable;

/// Longest `ClientHello` read. Post-quantum key shares make about 1.8 kB, and servers refuse more than 16 to 64 kB.
pub(crate) const MAX_HELLO: usize = 0xffff;

/// Longest plaintext record (RFC 8446, 5.1).
const MAX_RECORD: usize = 1 << 14;

const HANDSHAKE: u8 = 22;
pub(super) const CLIENT_HELLO: u8 = 1;
const RECORD_HEADER: usize = 5;
const HANDSHAKE_HEADER: usize = 4;

/// Extension numbers (IANA, TLS `ExtensionType` Values).
mod extension {
    pub(super) const SERVER_NAME: u16 = 0;
    /// RFC 5764.
    pub(super) const USE_SRTP: u16 = 14;
    pub(super) const ALPN: u16 = 16;
    /// RFC 9849.
    pub(super) const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
    /// draft-ietf-tls-esni-02 to -06, the forerunner of ECH.
    pub(super) const ENCRYPTED_SERVER_NAME: u16 = 0xffce;
}

/// What the octets so far say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step<T> {
    /// A `ClientHello`, as far as it goes; more octets must come.
    NeedMore,
    /// Whole.
    Done(T),
    /// No `ClientHello`, or a damaged one.
    Foreign,
}

/// What a client says before anything is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct ClientHello<'a> {
    /// First `host_name` of the `server_name` extension (RFC 6066, 3).
    pub(crate) server_name: Option<&'a [u8]>,
    /// Body of the ALPN extension (RFC 7301): see [`ClientHello::protocols`].
    alpn: &'a [u8],
    /// `encrypted_client_hello` is there. The server name is then the outer one and the inner one unknown; real use
    /// and GREASE look the same (RFC 9849, 6.2), so this never means that the outer name is false.
    pub(crate) ech: bool,
    /// `encrypted_server_name`, its forerunner.
    #[allow(dead_code, reason = "no record tells it yet")]
    pub(crate) esni: bool,
    /// `use_srtp`: keys for the media of a call, and no site.
    pub(crate) srtp: bool,
}

impl<'a> ClientHello<'a> {
    /// The server name as text; `None` when there is none or it isn't printable.
    pub(crate) fn name(&self) -> Option<Cow<'a, str>> {
        self.server_name.and_then(printable)
    }

    /// Protocols offered: `h2`, `http/1.1`, `h3`, …
    pub(crate) fn protocols(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut list = Cursor(self.alpn);
        std::iter::from_fn(move || list.vec8())
    }
}

/// Reads handshake octets: those of TLS records or of QUIC CRYPTO frames.
pub(crate) fn client_hello(handshake: &[u8]) -> Step<ClientHello<'_>> {
    match hello_length(handshake) {
        Step::Done(whole) => match handshake.get(HANDSHAKE_HEADER..whole) {
            None => Step::NeedMore,
            Some(body) => parse(body, false).map_or(Step::Foreign, Step::Done),
        },
        Step::NeedMore => Step::NeedMore,
        Step::Foreign => Step::Foreign,
    }
}

/// Octets of the whole handshake message, header and all, as soon as its first 4 are there.
pub(crate) fn hello_length(handshake: &[u8]) -> Step<usize> {
    let mut cursor = Cursor(handshake);
    match (cursor.u8(), cursor.u24()) {
        (None, _) | (Some(CLIENT_HELLO), None) => Step::NeedMore,
        (Some(CLIENT_HELLO), Some(length)) if length as usize <= MAX_HELLO - HANDSHAKE_HEADER => {
            Step::Done(HANDSHAKE_HEADER + length as usize)
        }
        _ => Step::Foreign,
    }
}

/// The hello of DTLS, without its handshake header.
pub(super) fn hello_of_dtls(body: &[u8]) -> Option<ClientHello<'_>> {
    parse(body, true)
}

fn parse(body: &[u8], datagrams: bool) -> Option<ClientHello<'_>> {
    let mut cursor = Cursor(body);
    // legacy_version: 3.0 (SSL 3) to 3.4; later versions stay at 3.3. DTLS counts down from 254.255.
    if cursor.u8()? != if datagrams { 0xfe } else { 3 } {
        return None;
    }
    cursor.u8()?;
    cursor.take(32)?; // random
    cursor.vec8()?; // legacy_session_id
    if datagrams {
        cursor.vec8()?; // cookie (RFC 6347, 4.2.1)
    }
    cursor.vec16()?; // cipher_suites
    cursor.vec8()?; // legacy_compression_methods
    let mut hello = ClientHello::default();
    // Before RFC 3546 a hello ended here.
    let Some(extensions) = cursor.vec16() else {
        return cursor.0.is_empty().then_some(hello);
    };
    // In any order: browsers permute them on purpose.
    let mut extensions = Cursor(extensions);
    while let Some(kind) = extensions.u16() {
        let data = extensions.vec16()?;
        match kind {
            extension::SERVER_NAME => hello.server_name = hello.server_name.or_else(|| host_name(data)),
            extension::USE_SRTP => hello.srtp = true,
            extension::ALPN => hello.alpn = Cursor(data).vec16().unwrap_or_default(),
            extension::ENCRYPTED_CLIENT_HELLO => hello.ech = true,
            extension::ENCRYPTED_SERVER_NAME => hello.esni = true,
            _ => {}
        }
    }
    Some(hello)
}

/// First `host_name` (0) of a `ServerNameList`.
fn host_name(data: &[u8]) -> Option<&[u8]> {
    let mut list = Cursor(Cursor(data).vec16()?);
    loop {
        let kind = list.u8()?;
        let name = list.vec16()?;
        if kind == 0 {
            return Some(name);
        }
    }
}

/// What the records at the head of a TCP stream hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Stream<'a> {
    /// A `ClientHello`, as far as it goes. The stream must have at least so many octets before asking again is any
    /// use, however it is cut into records: asking at every segment would make many small ones costly.
    NeedMore(usize),
    /// The whole handshake message.
    Whole(Cow<'a, [u8]>),
    /// No `ClientHello`.
    Foreign,
}

/// Takes the handshake octets at the head of a TCP stream out of their records. One message may be cut into records
/// of one octet each; one record is the rule, and is borrowed. Copied only once the whole hello is there.
pub(crate) fn handshake(stream: &[u8]) -> Stream<'_> {
    let mut header = [0; HANDSHAKE_HEADER];
    let (mut have, mut whole, mut cursor) = (0_usize, HANDSHAKE_HEADER, Cursor(stream));
    loop {
        let (fragment, whole_record) = match record(&mut cursor) {
            Step::Done(found) => found,
            Step::NeedMore => return Stream::NeedMore(stream.len() + whole - have),
            Step::Foreign => return Stream::Foreign,
        };
        for (to, from) in header.iter_mut().skip(have).zip(fragment) {
            *to = *from;
        }
        have += fragment.len();
        match hello_length(&header[..have.min(HANDSHAKE_HEADER)]) {
            // More may follow in this record (an early second message): it isn't ours.
            Step::Done(length) if have >= length => {
                return Stream::Whole(if have == fragment.len() {
                    Cow::Borrowed(&fragment[..length])
                } else {
                    Cow::Owned(gather(stream, length))
                });
            }
            Step::Done(length) => whole = length,
            Step::NeedMore => {}
            Step::Foreign => return Stream::Foreign,
        }
        if !whole_record {
            return Stream::NeedMore(stream.len() + whole - have);
        }
    }
}

/// The next record's fragment, as much of it as is there, and whether that is all of it.
fn record<'a>(cursor: &mut Cursor<'a>) -> Step<(&'a [u8], bool)> {
    // Whatever is there must fit, so that other protocols are told apart from their first octet on.
    match cursor.0 {
        [] => return Step::NeedMore,
        [kind, ..] if *kind != HANDSHAKE => return Step::Foreign,
        [_, major, ..] if *major != 3 => return Step::Foreign,
        [_, _, minor, ..] if *minor > 4 => return Step::Foreign,
        rest if rest.len() < RECORD_HEADER => return Step::NeedMore,
        _ => {}
    }
    cursor.take(3);
    let length = usize::from(cursor.u16().unwrap_or_default());
    // An empty handshake record is forbidden (RFC 8446, 5.1).
    if length == 0 || length > MAX_RECORD {
        return Step::Foreign;
    }
    let there = length.min(cursor.0.len());
    Step::Done((cursor.take(there).unwrap_or_default(), there == length))
}

fn gather(stream: &[u8], whole: usize) -> Vec<u8> {
    let (mut out, mut cursor) = (Vec::with_capacity(whole), Cursor(stream));
    while let Step::Done((fragment, _)) = record(&mut cursor) {
        out.extend_from_slice(&fragment[..fragment.len().min(whole - out.len())]);
        if out.len() == whole {
            break;
        }
    }
    out
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vec16(body: &[u8]) -> Vec<u8> {
        [&(body.len() as u16).to_be_bytes()[..], body].concat()
    }

    fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
        [kind.to_be_bytes().to_vec(), vec16(data)].concat()
    }

    fn server_name(name: &str) -> Vec<u8> {
        extension(0, &vec16(&[vec![0], vec16(name.as_bytes())].concat()))
    }

    /// A `ClientHello` with these extensions, as handshake octets.
    fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.push(32);
        body.extend([8; 32]);
        body.extend([0, 4, 0x13, 1, 0x13, 2, 1, 0]);
        body.extend(vec16(&extensions.concat()));
        let mut out = vec![CLIENT_HELLO];
        out.extend(&(body.len() as u32).to_be_bytes()[1..]);
        out.extend(body);
        out
    }

    /// A `ClientHello` for `name`, as long as one with a post-quantum key share.
    pub(crate) fn hello_for(name: &str) -> Vec<u8> {
        hello(&[extension(51, &[9; 1216]), server_name(name), extension(16, b"\0\x0c\x02h2\x08http/1.1")])
    }

    /// The same with `encrypted_client_hello`.
    pub(crate) fn hello_with_ech(name: &str) -> Vec<u8> {
        hello(&[server_name(name), extension(0xfe0d, &[0; 40])])
    }

    /// Cuts handshake octets into records of at most the given lengths, in turn.
    pub(crate) fn records(handshake: &[u8], lengths: &[usize]) -> Vec<u8> {
        let (mut out, mut rest, mut turn) = (Vec::new(), handshake, lengths.iter().cycle());
        while !rest.is_empty() {
            let (head, tail) = rest.split_at((*turn.next().unwrap()).min(rest.len()));
            out.extend([HANDSHAKE, 3, 1]);
            out.extend(vec16(head));
            rest = tail;
        }
        out
    }

    fn name_in(stream: &[u8]) -> Step<String> {
        match handshake(stream) {
            Stream::NeedMore(wanted) => {
                assert!(wanted > stream.len());
                Step::NeedMore
            }
            Stream::Foreign => Step::Foreign,
            Stream::Whole(octets) => match client_hello(&octets) {
                Step::Done(hello) => Step::Done(hello.name().unwrap_or_default().into_owned()),
                _ => Step::Foreign,
            },
        }
    }

    #[test]
    fn a_hello_says_what_it_offers() {
        let octets = hello_for("www.example.com");
        let Step::Done(found) = client_hello(&octets) else { panic!() };
        assert_eq!(found.name().as_deref(), Some("www.example.com"));
        assert_eq!(found.protocols().collect::<Vec<_>>(), [&b"h2"[..], b"http/1.1"]);
        assert!(!found.ech && !found.esni);
    }

    #[test]
    fn p55_encrypted_hellos_are_told() {
        let octets =
            hello(&[extension(0xfe0d, &[0; 186]), server_name("public.example"), extension(0xffce, &[1])]);
        let Step::Done(found) = client_hello(&octets) else { panic!() };
        assert!(found.ech && found.esni);
        assert_eq!(found.name().as_deref(), Some("public.example"));
    }

    #[test]
    fn p54_a_hello_without_name_or_extensions_is_still_one() {
        let mut old = hello(&[]);
        assert_eq!(client_hello(&old), Step::Done(ClientHello::default()));
        old.truncate(old.len() - 2);
        old[3] -= 2;
        assert_eq!(client_hello(&old), Step::Done(ClientHello::default()));
    }

    #[test]
    fn only_a_host_name_is_a_name() {
        let list = vec16(&[vec![1], vec16(b"other"), vec![0], vec16(b"right.example")].concat());
        let octets = hello(&[extension(0, &list)]);
        let Step::Done(found) = client_hello(&octets) else { panic!() };
        assert_eq!(found.name().as_deref(), Some("right.example"));
    }

    #[test]
    fn lengths_that_lie_are_foreign() {
        let mut octets = hello_for("www.example.com");
        let at = octets.len() - 1 - 12 - 4;
        octets[at - 1] = 0xff; // the name's extension now reaches past the end
        for broken in [&octets[..], &[1, 1, 0, 0], &[2, 0, 0, 4, 3, 3], &[1, 0, 0, 1, 3]] {
            assert_ne!(
                std::mem::discriminant(&client_hello(broken)),
                std::mem::discriminant(&Step::NeedMore)
            );
        }
        assert_eq!(client_hello(&[1, 1, 0, 0]), Step::Foreign, "longer than we read");
        assert_eq!(client_hello(&[2]), Step::Foreign, "a ServerHello");
    }

    #[test]
    fn p54_records_of_one_octet_are_put_together() {
        let stream = records(&hello_for("www.example.com"), &[1]);
        assert_eq!(name_in(&stream), Step::Done("www.example.com".into()));
        assert_eq!(name_in(&stream[..stream.len() - 1]), Step::NeedMore);
    }

    #[test]
    fn many_small_records_cost_few_walks() {
        let stream = records(&hello_for("www.example.com"), &[1]);
        let (mut there, mut walks) = (1, 0);
        while let Stream::NeedMore(wanted) = handshake(&stream[..there]) {
            assert!(wanted <= stream.len(), "waits for more than there will be");
            (there, walks) = (wanted, walks + 1);
        }
        assert_eq!(there, stream.len());
        assert!(walks < 60, "{walks}");
    }

    #[test]
    fn other_streams_are_foreign_from_the_first_octet_that_differs() {
        for other in [
            &b"G"[..],
            b"\x17\x03\x03",
            b"\x16\x01",
            b"\x16\x03\x09",
            b"\x16\x03\x01\0\0",
            b"\x16\x03\x01\0\x05\x02",
        ] {
            assert_eq!(handshake(other), Stream::Foreign, "{other:02x?}");
        }
        let mut alert_between = records(&hello_for("a.example"), &[100]);
        alert_between[105] = 21;
        assert_eq!(handshake(&alert_between), Stream::Foreign);
    }

    proptest! {
        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = name_in(&octets);
            let _ = client_hello(&octets);
            let _ = parse(&octets, false);
            let _ = parse(&[&hello_for("a.example")[4..44], &octets].concat(), true);
        }

        #[test]
        fn damage_is_safe(at in 0_usize..1400, value: u8) {
            let mut octets = records(&hello_for("www.example.com"), &[300]);
            if let Some(octet) = octets.get_mut(at) { *octet = value; }
            let _ = name_in(&octets);
        }

        #[test]
        fn records_of_any_length_hold_the_same_name(
            name in "[a-z0-9-]{1,40}\\.example",
            lengths in proptest::collection::vec(1_usize..700, 1..6),
        ) {
            let stream = records(&hello_for(&name), &lengths);
            prop_assert_eq!(name_in(&stream), Step::Done(name));
            for cut in (0..stream.len()).step_by(97) {
                prop_assert_eq!(name_in(&stream[..cut]), Step::NeedMore);
            }
        }
    }
}
