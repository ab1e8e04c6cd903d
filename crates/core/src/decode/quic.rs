//! QUIC long-header packets (RFC 9000, 17.2; RFC 9369 for version 2) and the frames of an Initial, which hold the
//! `ClientHello`. `initial.rs` takes their protection off.

mod initial;

pub(crate) use initial::ClientKeys;

use super::cursor::Cursor;

/// Longest connection ID of the versions that we read (RFC 9000, 17.2).
pub(crate) const MAX_CID: usize = 20;

/// A QUIC version. Open: an unknown one is kept, and its packets are not read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Version(pub(crate) u32);

impl Version {
    /// RFC 9000.
    pub(crate) const V1: Self = Self(1);
    /// RFC 9369.
    pub(crate) const V2: Self = Self(0x6b33_43cf);
    /// Google QUIC 50: `Q050`.
    pub(crate) const Q050: Self = Self(0x5130_3530);
}

/// An Initial packet, still protected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Initial<'a> {
    pub(crate) version: Version,
    /// Destination connection ID. The keys derive from that of the client's first Initial (RFC 9001, 5.2).
    pub(crate) dcid: &'a [u8],
    /// From the first octet to the end that Length gives.
    packet: &'a [u8],
    /// Where the protected packet number begins.
    number_at: usize,
}

/// One packet of a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Packet<'a> {
    /// RFC 9000, 17.2.2.
    Initial(Initial<'a>),
    /// RFC 9000, 17.2.5: the client starts again, with keys from this packet's source connection ID. That is the
    /// destination of the Initial that follows, so that the Retry itself need not be read.
    Retry,
    /// RFC 8999, 6: the client starts again, with another version.
    VersionNegotiation,
    /// 0-RTT, Handshake, or a version that we can't read.
    Other,
}

/// The packets coalesced in a datagram (RFC 9000, 12.2). Ends at the first octets that are no long-header packet:
/// a short-header packet, padding, or damage.
pub(crate) fn packets(datagram: &[u8]) -> impl Iterator<Item = Packet<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let (packet, after) = long(rest)?;
        rest = after;
        Some(packet)
    })
}

/// Whether this datagram can begin a QUIC connection that we can follow: a long header of a version that we know.
/// The fixed bit keeps RTP and RTCP out, whose first two bits are 10 (RFC 9443, 3).
pub(crate) fn looks_like_quic(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & 0xc0 == 0xc0)
        && matches!(long(datagram), Some((Packet::Initial(_), _)))
}

/// One long-header packet, and what follows it.
fn long(datagram: &[u8]) -> Option<(Packet<'_>, &[u8])> {
    let mut cursor = Cursor(datagram);
    let first = cursor.u8()?;
    if first & 0x80 == 0 {
        return None;
    }
    let version = Version(cursor.u32()?);
    let dcid = cursor.vec8()?;
    let scid = cursor.vec8()?;
    if version.0 == 0 {
        return Some((Packet::VersionNegotiation, &[]));
    }
    let Some(family) = version.family().filter(|_| dcid.len() <= MAX_CID && scid.len() <= MAX_CID) else {
        return Some((Packet::Other, &[]));
    };
    let kind = (first >> 4 & 3).wrapping_sub(family.initial_type) & 3;
    if kind == 3 {
        return Some((Packet::Retry, &[]));
    }
    if kind == 0 {
        let token = cursor.varint()?;
        cursor.take(usize::try_from(token).ok()?)?;
    }
    let length = usize::try_from(cursor.varint()?).ok()?;
    let number_at = datagram.len() - cursor.0.len();
    cursor.take(length)?;
    let (packet, after) = datagram.split_at(datagram.len() - cursor.0.len());
    Some(match kind {
        0 => (Packet::Initial(Initial { version, dcid, packet, number_at }), after),
        _ => (Packet::Other, after),
    })
}

/// A frame of an Initial that we care about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Crypto<'a> {
    pub(crate) offset: u64,
    pub(crate) data: &'a [u8],
}

/// The CRYPTO frames among those that an Initial may hold: PADDING, PING, ACK, CRYPTO and
/// `CONNECTION_CLOSE` (RFC 9000, 12.4). Ends at anything else: it would be a protocol violation.
pub(crate) fn crypto_frames(frames: &[u8]) -> impl Iterator<Item = Crypto<'_>> {
    let mut cursor = Cursor(frames);
    std::iter::from_fn(move || next_crypto(&mut cursor))
}

fn next_crypto<'a>(cursor: &mut Cursor<'a>) -> Option<Crypto<'a>> {
    loop {
        match cursor.varint()? {
            // PADDING, PING
            0 | 1 => {}
            // ACK, without and with ECN counts (19.3): each range takes octets, so the count can't lie for long.
            kind @ (2 | 3) => {
                cursor.varint()?;
                cursor.varint()?;
                let ranges = cursor.varint()?;
                cursor.varint()?;
                for _ in 0..ranges {
                    cursor.varint()?;
                    cursor.varint()?;
                }
                for _ in 0..if kind == 3 { 3 } else { 0 } {
                    cursor.varint()?;
                }
            }
            6 => {
                let offset = cursor.varint()?;
                let length = usize::try_from(cursor.varint()?).ok()?;
                return Some(Crypto { offset, data: cursor.take(length)? });
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::initial::tests::sample_frames;
    pub(crate) use super::initial::tests::seal;
    use super::*;

    pub(crate) fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// A QUIC varint of 2 octets.
    pub(super) fn varint(value: usize) -> [u8; 2] {
        (0x4000 | value as u16).to_be_bytes()
    }

    pub(crate) fn crypto(offset: usize, data: &[u8]) -> Vec<u8> {
        [&[6][..], &varint(offset), &varint(data.len()), data].concat()
    }

    pub(super) const SAMPLE_DCID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

    pub(super) fn initial(datagram: &[u8]) -> Initial<'_> {
        match packets(datagram).next() {
            Some(Packet::Initial(found)) => found,
            other => panic!("{other:?}"),
        }
    }

    /// RFC 9001, A.4.
    #[test]
    fn a_retry_is_told_from_a_handshake_packet() {
        let datagram = unhex("ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba");
        assert!(matches!(packets(&datagram).next(), Some(Packet::Retry)));
        // The same type bits are a Handshake packet in version 2.
        let mut v2 = datagram;
        v2[1..5].copy_from_slice(&Version::V2.0.to_be_bytes());
        assert!(!matches!(packets(&v2).next(), Some(Packet::Retry)));
    }

    #[test]
    fn p52_coalesced_packets_are_all_found() {
        let one = seal(Version::V1, &SAMPLE_DCID, &SAMPLE_DCID, &[], 0, &sample_frames());
        let mut datagram = one.clone();
        datagram.extend([0xe0, 0, 0, 0, 1, 1, 9, 0, 0x40, 4, 1, 2, 3, 4]); // Handshake
        datagram.extend(&one);
        datagram.extend([0x40, 1, 2, 3]); // short header
        let kinds: Vec<_> = packets(&datagram).map(|p| matches!(p, Packet::Initial(_))).collect();
        assert_eq!(kinds, [true, false, true]);
    }

    #[test]
    fn what_is_not_quic_is_not_followed() {
        // RTP, payload type 0, sequence number 0, timestamp 0x01……: the octets of version 1.
        assert!(!looks_like_quic(&[0x80, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]));
        assert!(!looks_like_quic(&[0xc0, 0x0a, 0x1a, 0x2a, 0x3a, 0, 0, 0, 1, 0]), "a greased version");
        assert!(!looks_like_quic(&[0xc0, 0, 0, 0, 1, 21]), "a connection ID over 20 octets");
        assert!(matches!(packets(&[0x80, 0, 0, 0, 0, 1, 7, 0]).next(), Some(Packet::VersionNegotiation)));
    }

    #[test]
    fn p53_frames_around_crypto_are_passed_over() {
        let mut frames = vec![0, 0, 1];
        frames.extend([2, 5, 0, 1, 0, 1, 2]); // ACK with one range more
        frames.extend([3, 5, 0, 0, 0, 1, 2, 3]); // ACK with ECN counts
        frames.extend(crypto(9, b"abc"));
        frames.extend([0; 4]);
        frames.extend(crypto(0, b"de"));
        frames.extend([8, 1, 2]); // STREAM: not allowed here
        frames.extend(crypto(2, b"x"));
        let found: Vec<_> = crypto_frames(&frames).map(|f| (f.offset, f.data)).collect();
        assert_eq!(found, [(9, &b"abc"[..]), (0, b"de")]);
    }

    proptest! {
        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let keys = ClientKeys::derive(Version::V1, &SAMPLE_DCID).unwrap();
            for head in [&b""[..], b"\xc0\0\0\0\x01", b"\xd0\x6b\x33\x43\xcf\x01"] {
                for packet in packets(&[head, &octets].concat()) {
                    if let Packet::Initial(found) = packet {
                        prop_assert!(keys.open(&found).is_none());
                    }
                }
            }
            prop_assert!(crypto_frames(&octets).count() <= octets.len());
        }

    }
}
