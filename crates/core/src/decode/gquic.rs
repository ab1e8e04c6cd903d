//! Google QUIC before the IETF's: the `CHLO` message of the QUIC crypto handshake, whose tag `SNI` names the server.
//! Up to Q046 the first packets are in the clear behind a hash; Q050 protects them as IETF Initials are (see
//! [`super::quic`]), and only its frames are read here. Chrome spoke it until 2021; some applications still do.
//!
//! After the documents "QUIC: Wire Layout Specification" and "QUIC Crypto" (Google, 2012 to 2018); there is no RFC.

use super::cursor::Cursor;
use super::tls::Step;

/// Octets of the FNV-1a hash that stands before the frames of an unencrypted packet.
const HASH: usize = 12;

/// Tags read of one message. Chrome sends some 30; the count on the wire may claim 65535.
const MAX_TAGS: u16 = 128;

/// Flags of the public header (up to Q043).
mod flag {
    pub(super) const VERSION: u8 = 0x01;
    pub(super) const RESET: u8 = 0x02;
    pub(super) const CONNECTION_ID: u8 = 0x08;
    pub(super) const PACKET_NUMBER: u8 = 0x30;
}

/// What a client's first message asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Chlo<'a> {
    /// Value of `SNI`; absent where the client names nobody.
    pub(crate) server_name: Option<&'a [u8]>,
}

/// Whether a datagram is a client's, of a version whose handshake is in the clear (Q025 to Q046).
pub(crate) fn looks_like_gquic(datagram: &[u8]) -> bool {
    frames_of(datagram).is_some()
}

/// The `CHLO` of an unencrypted packet. [`Step::NeedMore`]: another of the connection's packets has it.
pub(crate) fn chlo(datagram: &[u8]) -> Step<Chlo<'_>> {
    match frames_of(datagram) {
        Some((order, frames)) => stream_one(frames, order).map_or(Step::NeedMore, read),
        None => Step::Foreign,
    }
}

/// The same from the frames of a decrypted Initial of Q050.
pub(crate) fn chlo_of_frames(frames: &[u8]) -> Step<Chlo<'_>> {
    let mut cursor = Cursor(frames);
    loop {
        match cursor.u8() {
            // PADDING and PING.
            Some(0 | 7) => {}
            // CRYPTO had the number 8 before it got 6.
            Some(8) => {
                let place = cursor.varint().zip(cursor.varint());
                let Some((0, length)) = place else { return Step::NeedMore };
                let data = usize::try_from(length).ok().and_then(|n| cursor.take(n));
                return data.map_or(Step::Foreign, read);
            }
            // ACK (0x40 to 0x7f) in a packet that repeats the message: with one block, of 1 or 2 octets.
            Some(kind @ 0x40..=0x7f) if skip_ack(&mut cursor, kind).is_some() => {}
            _ => return Step::NeedMore,
        }
    }
}

/// ACK without further blocks: largest acknowledged, delay, first block, and the timestamps' count.
fn skip_ack(cursor: &mut Cursor<'_>, kind: u8) -> Option<()> {
    let size = |bits: u8| [1, 2, 4, 6][usize::from(bits & 3)];
    cursor.take(size(kind >> 2) + 2)?;
    if kind & 0x20 != 0 {
        return None;
    }
    cursor.take(size(kind))?;
    match cursor.u8()? {
        0 => Some(()),
        // The first timestamp has 5 octets, each other 3.
        n => cursor.take(5 + 3 * (usize::from(n) - 1)).map(|_| ()),
    }
}

/// Integers were little-endian up to Q038.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    Little,
    Big,
}

/// The frames of an unencrypted client packet.
fn frames_of(datagram: &[u8]) -> Option<(Order, &[u8])> {
    let mut cursor = Cursor(datagram);
    let first = cursor.u8()?;
    let order = if first & 0x80 == 0 {
        if first & (flag::VERSION | flag::CONNECTION_ID | flag::RESET) != flag::VERSION | flag::CONNECTION_ID
        {
            return None;
        }
        cursor.take(8)?;
        let order = match number_of(cursor.take(4)?)? {
            // Before Q025 messages were otherwise; 44 and 45 were never deployed.
            25..=38 => Order::Little,
            39..=43 => Order::Big,
            _ => return None,
        };
        cursor.take([1, 2, 4, 6][usize::from((first & flag::PACKET_NUMBER) >> 4)])?;
        order
    } else {
        if number_of(cursor.take(4)?)? != 46 {
            return None;
        }
        // Two lengths of a nibble each, 3 less than the octets; 0 is none. A client gives the destination alone.
        let lengths = cursor.u8()?;
        let octets = |nibble: u8| if nibble == 0 { 0 } else { usize::from(nibble) + 3 };
        cursor.take(octets(lengths >> 4) + octets(lengths & 0xf))?;
        cursor.take(usize::from(first & 3) + 1)?;
        Order::Big
    };
    cursor.take(HASH)?;
    Some((order, cursor.0))
}

/// The number in `Q0nn`.
fn number_of(version: &[u8]) -> Option<u8> {
    let [b'Q', b'0', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = version else { return None };
    Some((tens - b'0') * 10 + ones - b'0')
}

/// The beginning of stream 1, the handshake's.
fn stream_one(frames: &[u8], order: Order) -> Option<&[u8]> {
    let mut cursor = Cursor(frames);
    loop {
        let kind = cursor.u8()?;
        match kind {
            // PADDING runs to the end up to Q043; as one octet each it is the same here. PING.
            0 | 7 => {}
            0x40..=0x7f => skip_ack(&mut cursor, kind)?,
            0x80.. => {
                let id = integer(cursor.take(usize::from(kind & 3) + 1)?, order);
                let offset = match kind >> 2 & 7 {
                    0 => 0,
                    n => integer(cursor.take(usize::from(n) + 1)?, order),
                };
                let data = if kind & 0x20 != 0 {
                    let length = integer(cursor.take(2)?, order);
                    cursor.take(usize::try_from(length).ok()?)?
                } else {
                    std::mem::take(&mut cursor.0)
                };
                if (id, offset) == (1, 0) {
                    return Some(data);
                }
            }
            _ => return None,
        }
    }
}

fn integer(octets: &[u8], order: Order) -> u64 {
    let add = |value: u64, octet: &u8| value << 8 | u64::from(*octet);
    match order {
        Order::Big => octets.iter().fold(0, add),
        Order::Little => octets.iter().rev().fold(0, add),
    }
}

/// A handshake message: tag, count of entries, padding, then tags with the ends of their values, then the values.
/// These integers are little-endian in every version.
fn read(message: &[u8]) -> Step<Chlo<'_>> {
    let Some(rest) = message.strip_prefix(b"CHLO") else { return Step::Foreign };
    let mut cursor = Cursor(rest);
    let (Some(count), Some(_)) = (cursor.take(2), cursor.take(2)) else { return Step::Foreign };
    let count = u16::from_le_bytes([count[0], count[1]]);
    let Some(values) = rest.get(4 + 8 * usize::from(count)..) else { return Step::Foreign };
    let mut start = 0;
    for _ in 0..count.min(MAX_TAGS) {
        let (Some(tag), Some(end)) = (cursor.take(4), cursor.take(4)) else { return Step::Foreign };
        let end = integer(end, Order::Little) as usize;
        if tag == b"SNI\0" {
            // The name stands early, so that it is there even where the message goes on in a second packet.
            let name = values.get(start..end);
            return name.map_or(Step::Foreign, |name| Step::Done(Chlo { server_name: Some(name) }));
        }
        start = end;
    }
    Step::Done(Chlo { server_name: None })
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message with these tags, as Chrome pads it: `PAD`, then `SNI`, then `VER`.
    fn message(name: &[u8]) -> Vec<u8> {
        let mut out = b"CHLO\x03\0\0\0".to_vec();
        let pad = 900_u32;
        let ends = [pad, pad + name.len() as u32, pad + name.len() as u32 + 4];
        for (tag, end) in [b"PAD\0", b"SNI\0", b"VER\0"].iter().zip(ends) {
            out.extend(*tag);
            out.extend(end.to_le_bytes());
        }
        out.resize(out.len() + pad as usize, b'-');
        out.extend(name);
        out.extend(b"Q046");
        out
    }

    /// Stream 1 from 0 on, with its length, in the order of the version.
    fn stream(data: &[u8], order: Order) -> Vec<u8> {
        let length = data.len() as u16;
        let length = if order == Order::Big { length.to_be_bytes() } else { length.to_le_bytes() };
        [&[0xa0, 1][..], &length, data].concat()
    }

    fn public(version: &[u8], frames: &[u8]) -> Vec<u8> {
        [&[0x0d][..], b"connecti", version, &[1], &[7; HASH], frames].concat()
    }

    pub(crate) fn q046(name: &[u8]) -> Vec<u8> {
        let frames = stream(&message(name), Order::Big);
        [&[0xc3][..], b"Q046", &[0x50], b"connecti", &[0, 0, 0, 1], &[7; HASH], &frames].concat()
    }

    fn name(datagram: &[u8]) -> Option<&[u8]> {
        match chlo(datagram) {
            Step::Done(chlo) => chlo.server_name,
            _ => None,
        }
    }

    #[test]
    fn the_name_is_found_in_every_version_in_the_clear() {
        let want = Some(&b"www.example.com"[..]);
        for (version, order) in [(b"Q035", Order::Little), (b"Q039", Order::Big), (b"Q043", Order::Big)] {
            let datagram = public(version, &stream(&message(b"www.example.com"), order));
            assert!(looks_like_gquic(&datagram));
            assert_eq!(name(&datagram), want, "{version:?}");
        }
        assert_eq!(name(&q046(b"www.example.com")), want);
    }

    #[test]
    fn q050_has_the_message_in_a_crypto_frame_after_others() {
        let message = message(b"www.example.com");
        let length = (0x4000 | message.len() as u16).to_be_bytes();
        let frames = [&[0, 0, 7, 8, 0][..], &length, &message, &[0; 9]].concat();
        assert_eq!(chlo_of_frames(&frames), Step::Done(Chlo { server_name: Some(b"www.example.com") }));
        // A retry acknowledges the rejection first: largest 1, delay, first block 1, no timestamps.
        let again = [&[0x40, 1, 0, 0, 1, 0][..], &frames].concat();
        assert_eq!(chlo_of_frames(&again), Step::Done(Chlo { server_name: Some(b"www.example.com") }));
        assert_eq!(chlo_of_frames(&[8, 9, 1, b'x']), Step::NeedMore, "not the beginning");
    }

    #[test]
    fn a_message_without_a_name_and_one_that_lies() {
        let none = [&b"CHLO\x01\0\0\0VER\0\x04\0\0\0Q043"[..]].concat();
        let none = public(b"Q043", &stream(&none, Order::Big));
        assert_eq!(chlo(&none), Step::Done(Chlo { server_name: None }));
        let lies = b"CHLO\x01\0\0\0SNI\0\xff\xff\xff\xffx";
        assert_eq!(chlo(&public(b"Q043", &stream(lies, Order::Big))), Step::Foreign);
    }

    #[test]
    fn what_is_not_gquic_is_not_followed() {
        for datagram in
            [&b""[..], b"\x0dconnectiX039\x01", b"\x0dconnectiQ044\x01aaaaaaaaaaaa", b"\xc0Q050\x50"]
        {
            assert!(!looks_like_gquic(datagram));
        }
        // The server answers without the version.
        assert!(!looks_like_gquic(&[&[0x08][..], b"connecti", &[1], &[7; 40]].concat()));
    }

    proptest! {
        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = chlo_of_frames(&octets);
            let _ = chlo(&octets);
            let _ = chlo(&public(b"Q039", &octets));
            let _ = chlo(&public(b"Q035", &stream(&[&b"CHLO"[..], &octets].concat(), Order::Little)));
        }
    }
}
