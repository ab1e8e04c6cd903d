//! HEP, the Homer Encapsulation Protocol: a message that an agent saw (a proxy's `siptrace`, `heplify`, …), with the
//! addresses and the time that it had there. HEP3 is "EEP", revision 37, of chunks; HEP1 and HEP2 are C structures.
//!
//! Who sent a HEP packet can't be told from it: UDP sources are forged with ease, and the authentication key of chunk
//! 0x000e goes in the clear. `session/hep.rs` decides whom to believe.

use std::borrow::Cow;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};

use super::Framing;
use super::cursor::Cursor;
use crate::packet::{Endpoint, Time, Transport};

/// The port that collectors listen on. HEP1 and HEP2 have no magic number, so they are looked for on this port alone.
pub(crate) const PORT: u16 = 9060;

/// Most octets that a compressed payload may become: four times the largest SIP message that proxies accept (64 KiB).
/// DEFLATE makes up to a thousand octets of one, so that a packet's own length is no limit.
pub(crate) const MAX_INFLATED: usize = 256 * 1024;

const MAGIC: &[u8] = b"HEP3";

/// Magic number and total length.
const HEADER: usize = 6;

/// Vendor, type and length of a chunk.
const CHUNK_HEADER: usize = 6;

/// Chunk types of vendor 0 that we read (EEP rev. 37, table "Generic chunk types").
mod chunk {
    pub(super) const FAMILY: u16 = 0x01;
    pub(super) const IP_PROTOCOL: u16 = 0x02;
    pub(super) const SOURCE_4: u16 = 0x03;
    pub(super) const DESTINATION_4: u16 = 0x04;
    pub(super) const SOURCE_6: u16 = 0x05;
    pub(super) const DESTINATION_6: u16 = 0x06;
    pub(super) const SOURCE_PORT: u16 = 0x07;
    pub(super) const DESTINATION_PORT: u16 = 0x08;
    pub(super) const SECONDS: u16 = 0x09;
    pub(super) const MICROSECONDS: u16 = 0x0a;
    pub(super) const PROTOCOL_TYPE: u16 = 0x0b;
    pub(super) const AUTHENTICATION_KEY: u16 = 0x0e;
    pub(super) const PAYLOAD: u16 = 0x0f;
    pub(super) const COMPRESSED_PAYLOAD: u16 = 0x10;
}

/// What the payload is said to be (chunk 0x000b). Open: unknown values are kept, and the payload is read all the same,
/// because agents are wrong about it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ProtocolType(pub(crate) u8);

impl ProtocolType {
    pub(crate) const SIP: Self = Self(1);
}

/// The message as the agent saw it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Report<'a> {
    pub(crate) src: Endpoint,
    pub(crate) dst: Endpoint,
    pub(crate) transport: Transport,
    /// The agent's clock, when it gives one.
    pub(crate) ts: Option<Time>,
    pub(crate) protocol: ProtocolType,
    /// Authentication key: a shared secret. Never printed.
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) payload: Payload<'a>,
}

impl std::fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

/// The payload as it came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload<'a> {
    /// Chunk 0x000f.
    Plain(&'a [u8]),
    /// Chunk 0x0010: gzip (RFC 1952), zlib (RFC 1950) or bare DEFLATE (RFC 1951); the document says "gzip/inflate".
    Compressed(&'a [u8]),
}

impl<'a> Payload<'a> {
    /// The message's octets; `None` when they don't inflate, or to more than [`MAX_INFLATED`].
    pub(crate) fn octets(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Plain(octets) => Some(Cow::Borrowed(octets)),
            Self::Compressed(octets) => inflate(octets).map(Cow::Owned),
        }
    }
}

/// Whether these first octets are those of HEP3.
pub(crate) fn looks_like_hep3(octets: &[u8]) -> bool {
    octets.starts_with(MAGIC)
}

/// Says what stands at the head of a stream of HEP3 packets.
pub(crate) fn frame(octets: &[u8]) -> Framing {
    let Some(header) = octets.first_chunk::<HEADER>() else {
        let begun = octets.len().min(MAGIC.len());
        return if octets[..begun] == MAGIC[..begun] { Framing::NeedMore } else { Framing::Foreign };
    };
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    if !looks_like_hep3(octets) || length < HEADER {
        return Framing::Foreign;
    }
    if octets.len() < length { Framing::NeedMore } else { Framing::Message(length) }
}

/// Reads a HEP packet of any version. `None` when it is none, or one without addresses or payload.
pub(crate) fn report(octets: &[u8]) -> Option<Report<'_>> {
    if looks_like_hep3(octets) { version_3(octets) } else { structure(octets) }
}

#[derive(Default)]
struct Chunks<'a> {
    family: Option<u8>,
    ip_protocol: Option<u8>,
    v4: [Option<IpAddr>; 2],
    v6: [Option<IpAddr>; 2],
    ports: [u16; 2],
    seconds: Option<u32>,
    microseconds: u32,
    protocol: Option<u8>,
    key: Option<&'a [u8]>,
    payload: Option<Payload<'a>>,
}

/// An integer or address chunk of exactly the length that the document gives it.
fn fixed<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.try_into().ok()
}

impl<'a> Chunks<'a> {
    /// Takes a chunk of vendor 0. One of a wrong length is as if it weren't there; of two, the later counts.
    fn take(&mut self, kind: u16, value: &'a [u8]) {
        let v4 = || fixed::<4>(value).map(|a| IpAddr::V4(Ipv4Addr::from(a)));
        let v6 = || fixed::<16>(value).map(|a| Ipv6Addr::from(a).to_canonical());
        let u16 = || fixed(value).map(u16::from_be_bytes);
        let u32 = || fixed(value).map(u32::from_be_bytes);
        let u8 = || fixed(value).map(u8::from_be_bytes);
        match kind {
            chunk::FAMILY => self.family = u8(),
            chunk::IP_PROTOCOL => self.ip_protocol = u8(),
            chunk::SOURCE_4 => self.v4[0] = v4(),
            chunk::DESTINATION_4 => self.v4[1] = v4(),
            chunk::SOURCE_6 => self.v6[0] = v6(),
            chunk::DESTINATION_6 => self.v6[1] = v6(),
            chunk::SOURCE_PORT => self.ports[0] = u16().unwrap_or(0),
            chunk::DESTINATION_PORT => self.ports[1] = u16().unwrap_or(0),
            chunk::SECONDS => self.seconds = u32(),
            chunk::MICROSECONDS => self.microseconds = u32().unwrap_or(0),
            chunk::PROTOCOL_TYPE => self.protocol = u8(),
            chunk::AUTHENTICATION_KEY => self.key = Some(value),
            chunk::PAYLOAD => self.payload = Some(Payload::Plain(value)),
            chunk::COMPRESSED_PAYLOAD => self.payload = Some(Payload::Compressed(value)),
            _ => {}
        }
    }

    fn report(self) -> Option<Report<'a>> {
        let (v4, v6) = (self.v4[0].zip(self.v4[1]), self.v6[0].zip(self.v6[1]));
        // The family decides where both are there; agents that leave it out send one pair.
        let (src, dst) = if self.family == Some(AF_INET) { v4.or(v6) } else { v6.or(v4) }?;
        Some(Report {
            src: Endpoint { ip: src, port: self.ports[0] },
            dst: Endpoint { ip: dst, port: self.ports[1] },
            transport: transport(self.ip_protocol.unwrap_or(17)),
            ts: self.seconds.and_then(|seconds| time(seconds, self.microseconds)),
            protocol: ProtocolType(self.protocol.unwrap_or(0)),
            key: self.key,
            payload: self.payload?,
        })
    }
}

fn version_3(octets: &[u8]) -> Option<Report<'_>> {
    let mut rest = Cursor(octets);
    rest.take(MAGIC.len())?;
    let length = usize::from(rest.u16()?);
    // A capture may have cut the packet: the chunks that are whole are read.
    let mut rest = Cursor(rest.take(length.checked_sub(HEADER)?.min(rest.0.len()))?);
    let mut chunks = Chunks::default();
    while let (Some(vendor), Some(kind), Some(length)) = (rest.u16(), rest.u16(), rest.u16()) {
        let Some(value) = usize::from(length).checked_sub(CHUNK_HEADER).and_then(|n| rest.take(n)) else {
            break;
        };
        // Chunks of a vendor mean what that vendor says; none that we know changes what the others mean.
        if vendor == 0 {
            chunks.take(kind, value);
        }
    }
    chunks.report()
}

/// Linux, where agents run, whatever the collector is.
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// `struct hep_hdr` of HEP1 and HEP2: version, header length, family, protocol, ports in network order.
const STRUCTURE: usize = 8;

/// `struct hep_timehdr` of HEP2, with its padding: seconds, microseconds, capture id, in the agent's own byte order.
const TIME_HEADER: usize = 12;

/// HEP1 and HEP2.
fn structure(octets: &[u8]) -> Option<Report<'_>> {
    let mut rest = Cursor(octets);
    let [version @ (1 | 2), length, family @ (AF_INET | AF_INET6), protocol] =
        *rest.take(4)?.first_chunk()?
    else {
        return None;
    };
    let ports = (rest.u16()?, rest.u16()?);
    let mut address = || match family {
        AF_INET => fixed::<4>(rest.take(4)?).map(|a| IpAddr::V4(Ipv4Addr::from(a))),
        _ => fixed::<16>(rest.take(16)?).map(|a| Ipv6Addr::from(a).to_canonical()),
    };
    let (src, dst) = (address()?, address()?);
    // Agents differ in whether the length counts the time header; it stands for a magic number here.
    let bare = STRUCTURE + if family == AF_INET { 8 } else { 32 };
    if usize::from(length) != bare && (version == 1 || usize::from(length) != bare + TIME_HEADER) {
        return None;
    }
    let mut ts = None;
    if version == 2 {
        let [seconds, microseconds, _] = *rest.take(TIME_HEADER)?.as_chunks::<4>().0.first_chunk()?;
        // All agents that still run do so on little-endian machines.
        ts = time(u32::from_le_bytes(seconds), u32::from_le_bytes(microseconds));
    }
    Some(Report {
        src: Endpoint { ip: src, port: ports.0 },
        dst: Endpoint { ip: dst, port: ports.1 },
        transport: transport(protocol),
        ts,
        protocol: ProtocolType::SIP,
        key: None,
        payload: Payload::Plain(rest.0),
    })
}

/// An agent's time; a microsecond field of a second or more is damage.
fn time(seconds: u32, microseconds: u32) -> Option<Time> {
    let nanoseconds = i64::from(microseconds) * 1000;
    (microseconds < 1_000_000).then(|| Time(Time(0).plus_seconds(seconds.into()).0 + nanoseconds))
}

/// Kamailio tells TLS and WebSocket by numbers that IP has no use for (`IPPROTO_IDP`, `IPPROTO_ESP`).
const fn transport(ip_protocol: u8) -> Transport {
    match ip_protocol {
        6 | 22 | 50 => Transport::Tcp,
        132 => Transport::Sctp,
        _ => Transport::Udp,
    }
}

fn inflate(octets: &[u8]) -> Option<Vec<u8>> {
    match octets {
        [0x1f, 0x8b, ..] => read_within(GzDecoder::new(octets)),
        // CM = 8, and a check that makes the first two octets a multiple of 31 (RFC 1950, 2.2).
        [cmf, flg, ..] if cmf & 0x0f == 8 && u16::from_be_bytes([*cmf, *flg]).is_multiple_of(31) => {
            read_within(ZlibDecoder::new(octets))
        }
        _ => read_within(DeflateDecoder::new(octets)),
    }
}

fn read_within(reader: impl Read) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let read = reader.take(MAX_INFLATED as u64 + 1).read_to_end(&mut out).ok()?;
    (0 < read && read <= MAX_INFLATED).then_some(out)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn chunk(vendor: u16, kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + CHUNK_HEADER).unwrap();
        [&vendor.to_be_bytes()[..], &kind.to_be_bytes(), &length.to_be_bytes(), value].concat()
    }

    pub(crate) fn packet(chunks: &[Vec<u8>]) -> Vec<u8> {
        let body = chunks.concat();
        let length = u16::try_from(body.len() + HEADER).unwrap();
        [MAGIC, &length.to_be_bytes(), &body].concat()
    }

    /// A packet from 192.0.2.1:5060 to 192.0.2.2:5062 at `seconds`.5.
    pub(crate) fn chunks(seconds: u32, payload: &[u8]) -> Vec<Vec<u8>> {
        vec![
            chunk(0, 1, &[2]),
            chunk(0, 2, &[17]),
            chunk(0, 3, &[192, 0, 2, 1]),
            chunk(0, 4, &[192, 0, 2, 2]),
            chunk(0, 7, &5060u16.to_be_bytes()),
            chunk(0, 8, &5062u16.to_be_bytes()),
            chunk(0, 9, &seconds.to_be_bytes()),
            chunk(0, 10, &500_000u32.to_be_bytes()),
            chunk(0, 11, &[1]),
            chunk(0, 12, &1u32.to_be_bytes()),
            chunk(0, 15, payload),
        ]
    }

    fn end(last: u8, port: u16) -> Endpoint {
        Endpoint { ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port }
    }

    #[test]
    fn hep3_gives_the_message_as_the_agent_saw_it() {
        let octets = packet(&chunks(7, b"SIP"));
        let found = report(&octets).expect("a report");
        assert_eq!((found.src, found.dst, found.transport), (end(1, 5060), end(2, 5062), Transport::Udp));
        assert_eq!((found.ts, found.protocol), (Some(Time(7_500_000_000)), ProtocolType::SIP));
        assert_eq!(found.payload.octets().as_deref(), Some(&b"SIP"[..]));
        assert_eq!(frame(&octets), Framing::Message(octets.len()));
        for cut in 0..octets.len() {
            assert_eq!(frame(&octets[..cut]), Framing::NeedMore, "{cut}");
        }
        assert_eq!((frame(b"HEX"), frame(b"HEP3\0\x05")), (Framing::Foreign, Framing::Foreign));
    }

    #[test]
    fn chunks_of_vendors_and_unknown_ones_are_passed_over() {
        let mut all = chunks(7, b"SIP");
        all.insert(0, chunk(2, 0x0f, b"not this"));
        all.push(chunk(0, 0xfff0, b"nor this"));
        all.push(chunk(4, 0x03, &[1, 2, 3, 4]));
        let octets = packet(&all);
        let found = report(&octets).expect("a report");
        assert_eq!((found.src, found.payload.octets().as_deref()), (end(1, 5060), Some(&b"SIP"[..])));
    }

    #[test]
    fn a_chunk_that_lies_about_its_length_ends_the_packet() {
        let whole = chunks(7, b"SIP");
        for length in [0u16, 5, 0xffff] {
            let mut bad = chunk(0, 0x11, b"id");
            bad[4..6].copy_from_slice(&length.to_be_bytes());
            assert!(report(&packet(&[&whole[..], &[bad.clone()]].concat())).is_some());
            assert!(report(&packet(&[&[bad], &whole[..]].concat())).is_none());
        }
    }

    #[test]
    fn the_family_decides_between_two_pairs_and_mapped_addresses_have_one_spelling() {
        let six = |last| [&[0x20, 0x01, 0x0d, 0xb8][..], &[0; 11], &[last]].concat();
        let both = |family| {
            let mut all = chunks(7, b"SIP");
            all[0] = chunk(0, 1, &[family]);
            all.extend([chunk(0, 5, &six(1)), chunk(0, 6, &six(2))]);
            report(&packet(&all)).map(|r| r.src.ip.is_ipv6())
        };
        assert_eq!((both(AF_INET), both(AF_INET6)), (Some(false), Some(true)));
        let mapped = [&[0; 10][..], &[0xff, 0xff, 192, 0, 2, 1]].concat();
        let mut all = chunks(7, b"SIP");
        all[2] = chunk(0, 5, &mapped);
        all[3] = chunk(0, 6, &mapped);
        assert_eq!(report(&packet(&all)).map(|r| r.src), Some(end(1, 5060)));
    }

    fn compressed(by: impl Fn(&[u8]) -> Vec<u8>, text: &[u8]) -> Option<Vec<u8>> {
        let packed = by(text);
        Payload::Compressed(&packed).octets().map(Cow::into_owned)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::best());
        out.write_all(text).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn each_way_to_compress_is_read_and_a_bomb_is_not() {
        let zlib = |text: &[u8]| {
            let mut out = ZlibEncoder::new(Vec::new(), Compression::fast());
            out.write_all(text).unwrap();
            out.finish().unwrap()
        };
        let bare = |text: &[u8]| {
            let mut out = DeflateEncoder::new(Vec::new(), Compression::fast());
            out.write_all(text).unwrap();
            out.finish().unwrap()
        };
        let text = b"SIP/2.0 200 OK\r\n".repeat(9);
        for found in [compressed(gzip, &text), compressed(zlib, &text), compressed(bare, &text)] {
            assert_eq!(found.as_deref(), Some(&text[..]));
        }
        assert_eq!(compressed(gzip, &vec![0; MAX_INFLATED]).map(|o| o.len()), Some(MAX_INFLATED));
        assert_eq!(compressed(gzip, &vec![0; MAX_INFLATED + 1]), None);
        assert_eq!(Payload::Compressed(b"\x1f\x8bnot gzip").octets(), None);
    }

    #[test]
    fn the_two_old_versions_are_read() {
        let mut one = vec![1, 16, 2, 17, 0x13, 0xc4, 0x13, 0xc6, 192, 0, 2, 1, 192, 0, 2, 2];
        one.extend_from_slice(b"SIP");
        let found = report(&one).expect("HEP1");
        assert_eq!((found.src, found.dst, found.ts), (end(1, 5060), end(2, 5062), None));
        for length in [16, 28] {
            let mut two = vec![2, length, 2, 6, 0x13, 0xc4, 0x13, 0xc6, 192, 0, 2, 1, 192, 0, 2, 2];
            two.extend_from_slice(&[9, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0]);
            two.extend_from_slice(b"SIP");
            let found = report(&two).expect("HEP2");
            assert_eq!((found.ts, found.transport), (Some(Time(9_000_001_000)), Transport::Tcp));
            assert_eq!(found.payload.octets().as_deref(), Some(&b"SIP"[..]));
        }
        assert!(report(&[1, 17, 2, 17, 0, 1, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2]).is_none());
    }

    #[test]
    fn nothing_secret_is_printed() {
        let octets = packet(&[&chunks(7, b"SIP")[..], &[chunk(0, 14, b"s3cret")]].concat());
        let found = report(&octets).expect("a report");
        assert_eq!(found.key, Some(&b"s3cret"[..]));
        assert_eq!(format!("{found:?}"), "Report { protocol: ProtocolType(1), .. }");
    }

    proptest! {
        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..200), length in any::<u16>()) {
            let _ = report(&octets).map(|r| r.payload.octets());
            let _ = report(&[MAGIC, &length.to_be_bytes(), &octets].concat()).map(|r| r.payload.octets());
            let _ = frame(&octets);
        }

        #[test]
        fn chunks_in_any_order_give_the_same(
            order in Just((0..11).collect::<Vec<usize>>()).prop_shuffle(), text in proptest::collection::vec(any::<u8>(), 0..90),
        ) {
            let straight = chunks(7, &text);
            let mixed: Vec<_> = order.iter().map(|n| straight[*n].clone()).collect();
            prop_assert!(report(&packet(&mixed)) == report(&packet(&straight)));
        }
    }
}
