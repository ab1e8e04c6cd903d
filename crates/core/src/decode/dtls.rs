//! DTLS 1.0 to 1.3: the `ClientHello`, in fragments (RFC 6347, 4.2; RFC 9147, 5). It is that of TLS with a cookie more.

use super::cursor::Cursor;
use super::tls::{CLIENT_HELLO, ClientHello, MAX_HELLO, Step, hello_of_dtls};

const HANDSHAKE: u8 = 22;

/// A piece of a `ClientHello`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fragment<'a> {
    /// Number of the message: the hello after `HelloVerifyRequest` is the next.
    pub(crate) message: u16,
    /// Octets of the whole message, without this header.
    pub(crate) whole: usize,
    pub(crate) offset: usize,
    pub(crate) data: &'a [u8],
}

/// The pieces of a `ClientHello` in a datagram. Ends at the first record that is none: later ones are encrypted.
pub(crate) fn fragments(datagram: &[u8]) -> impl Iterator<Item = Fragment<'_>> {
    let (mut records, mut messages) = (Cursor(datagram), Cursor(&[]));
    std::iter::from_fn(move || {
        if messages.0.is_empty() {
            messages = Cursor(record(&mut records)?);
        }
        fragment(&mut messages)
    })
}

/// Whether a datagram begins with a `ClientHello`.
pub(crate) fn looks_like_dtls(datagram: &[u8]) -> bool {
    fragments(datagram).next().is_some()
}

/// The message, once it is whole.
pub(crate) fn client_hello(body: &[u8]) -> Step<ClientHello<'_>> {
    hello_of_dtls(body).map_or(Step::Foreign, Step::Done)
}

/// The handshake octets of a record of epoch 0, which is in the clear.
fn record<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    if cursor.u8()? != HANDSHAKE
        || cursor.u8()? != 0xfe
        || !matches!(cursor.u8()?, 0xff | 0xfd)
        || cursor.u16()? != 0
    {
        return None;
    }
    cursor.take(6)?; // sequence number
    cursor.vec16()
}

fn fragment<'a>(cursor: &mut Cursor<'a>) -> Option<Fragment<'a>> {
    if cursor.u8()? != CLIENT_HELLO {
        return None;
    }
    let whole = cursor.u24()? as usize;
    let message = cursor.u16()?;
    let (offset, length) = (cursor.u24()? as usize, cursor.u24()? as usize);
    let data = cursor.take(length)?;
    (whole <= MAX_HELLO && offset + length <= whole).then_some(Fragment { message, whole, offset, data })
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::tls::tests::hello_for;

    /// The body of a hello for `name`, with this cookie.
    fn body(name: &str, cookie: &[u8]) -> Vec<u8> {
        let tls = hello_for(name);
        // Behind the handshake header: version, random, and a session ID of 32 octets.
        let (head, tail) = tls[4..].split_at(2 + 32 + 1 + 32);
        [&[0xfe, 0xfd], &head[2..], &[cookie.len() as u8], cookie, tail].concat()
    }

    /// The datagrams of a hello in pieces of at most so many octets.
    pub(crate) fn datagrams(name: &str, cookie: &[u8], message: u16, piece: usize) -> Vec<Vec<u8>> {
        let body = body(name, cookie);
        let u24 = |n: usize| [(n >> 16) as u8, (n >> 8) as u8, n as u8];
        let pieces = body.chunks(piece).enumerate();
        let datagram = |(at, data): (usize, &[u8])| {
            let mut fragment = vec![CLIENT_HELLO];
            fragment.extend(u24(body.len()));
            fragment.extend(message.to_be_bytes());
            fragment.extend(u24(at * piece));
            fragment.extend(u24(data.len()));
            fragment.extend(data);
            let length = (fragment.len() as u16).to_be_bytes();
            [&[HANDSHAKE, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, at as u8][..], &length, &fragment].concat()
        };
        pieces.map(datagram).collect()
    }

    #[test]
    fn a_hello_in_one_datagram_is_read() {
        for cookie in [&b""[..], b"cookie of the server"] {
            let datagram = &datagrams("www.example.com", cookie, 1, 4000)[0];
            let found: Vec<_> = fragments(datagram).collect();
            assert_eq!((found.len(), found[0].offset, found[0].message), (1, 0, 1));
            let Step::Done(hello) = client_hello(found[0].data) else { panic!() };
            assert_eq!(hello.server_name, Some(&b"www.example.com"[..]));
        }
    }

    #[test]
    fn what_is_no_hello_is_not_followed() {
        let good = &datagrams("a.example", b"", 0, 4000)[0];
        for (at, octet) in [(0, 23), (1, 3), (2, 1), (4, 1), (13, 2), (22, 0x10)] {
            let mut bad = good.clone();
            bad[at] = octet;
            assert!(looks_like_dtls(good) && !looks_like_dtls(&bad), "{at}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = client_hello(&octets);
            let length = (octets.len() as u16).to_be_bytes();
            let record = [&[HANDSHAKE, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0][..], &length, &octets].concat();
            for found in fragments(&octets).chain(fragments(&record)) {
                prop_assert!(found.offset + found.data.len() <= found.whole);
            }
        }
    }
}
