//! QUIC long-header packets (RFC 9000, 17.2; RFC 9369 for version 2) and the protection of Initial packets
//! (RFC 9001, 5). An Initial is protected with keys that anyone on the path can derive: it holds the `ClientHello`.

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes_gcm::Aes128Gcm;
use aes_gcm::aead::AeadInOut;
use hkdf::Hkdf;
use sha2::Sha256;

use super::cursor::Cursor;

/// Longest connection ID of the versions that we read (RFC 9000, 17.2).
pub(crate) const MAX_CID: usize = 20;

/// Octets of an AEAD tag.
const TAG: usize = 16;

/// A QUIC version. Open: an unknown one is kept, and its packets are not read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Version(pub(crate) u32);

/// What differs between versions in how an Initial is found and protected.
struct Family {
    salt: [u8; 20],
    /// HKDF labels of key, IV and header protection key.
    labels: [&'static str; 3],
    /// Long packet type of an Initial; the others follow in a circle: 0-RTT, Handshake, Retry.
    initial_type: u8,
}

const V1_LABELS: [&str; 3] = ["quic key", "quic iv", "quic hp"];

/// draft-ietf-quic-tls-23 to -28, 5.2.
static DRAFT_23: Family = Family {
    salt: [
        0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe,
        0xf9, 0xf5, 0x02,
    ],
    labels: V1_LABELS,
    initial_type: 0,
};

/// draft-ietf-quic-tls-29 to -32, 5.2.
static DRAFT_29: Family = Family {
    salt: [
        0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43,
        0x90, 0xa8, 0x99,
    ],
    labels: V1_LABELS,
    initial_type: 0,
};

/// RFC 9001, 5.2, and the drafts from -33 on.
static V1: Family = Family {
    salt: [
        0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc,
        0xbb, 0x7f, 0x0a,
    ],
    labels: V1_LABELS,
    initial_type: 0,
};

/// RFC 9369, 3.
static V2: Family = Family {
    salt: [
        0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9,
        0xbd, 0x2e, 0xd9,
    ],
    labels: ["quicv2 key", "quicv2 iv", "quicv2 hp"],
    initial_type: 1,
};

impl Version {
    /// RFC 9000.
    pub(crate) const V1: Self = Self(1);
    /// RFC 9369.
    pub(crate) const V2: Self = Self(0x6b33_43cf);

    fn family(self) -> Option<&'static Family> {
        match self.0 {
            1 | 0xff00_0021..=0xff00_0022 => Some(&V1),
            0x6b33_43cf => Some(&V2),
            0xff00_001d..=0xff00_0020 => Some(&DRAFT_29),
            // 0xfaceb002 is what mvfst's deployments called draft-27.
            0xff00_0017..=0xff00_001c | 0xface_b002 => Some(&DRAFT_23),
            _ => None,
        }
    }
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
    /// RFC 9000, 17.2.5: the client starts again, with keys from this connection ID.
    Retry { scid: &'a [u8] },
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
        return Some((Packet::Retry { scid }, &[]));
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

/// Keys of the Initial packets that a client sends.
pub(crate) struct ClientKeys {
    key: [u8; 16],
    iv: [u8; 12],
    hp: [u8; 16],
}

impl ClientKeys {
    /// RFC 9001, 5.2, from the destination connection ID of the client's first Initial. `None`: unknown version.
    pub(crate) fn derive(version: Version, dcid: &[u8]) -> Option<Self> {
        let family = version.family()?;
        let initial = Hkdf::<Sha256>::new(Some(&family.salt), dcid);
        let client = Hkdf::<Sha256>::from_prk(&expand_label::<32>(&initial, "client in")?).ok()?;
        let [key, iv, hp] = family.labels;
        Some(Self {
            key: expand_label(&client, key)?,
            iv: expand_label(&client, iv)?,
            hp: expand_label(&client, hp)?,
        })
    }

    /// Five octets that hide the low bits of the first octet and the packet number (RFC 9001, 5.4.3).
    fn mask(&self, sample: &[u8; 16]) -> [u8; 5] {
        let mut block = (*sample).into();
        Aes128::new(&self.hp.into()).encrypt_block(&mut block);
        [block[0], block[1], block[2], block[3], block[4]]
    }

    fn nonce(&self, number: u32) -> [u8; 12] {
        let mut nonce = self.iv;
        for (octet, bits) in nonce[8..].iter_mut().zip(number.to_be_bytes()) {
            *octet ^= bits;
        }
        nonce
    }

    /// The frames of an Initial; `None` where these aren't its keys, or it is damaged.
    pub(crate) fn open(&self, initial: &Initial<'_>) -> Option<Vec<u8>> {
        let at = initial.number_at;
        // The sample is taken as if the packet number had 4 octets (RFC 9001, 5.4.2).
        let sample = initial.packet.get(at + 4..)?.first_chunk::<16>()?;
        let mask = self.mask(sample);
        let mut header = initial.packet.get(..at + 4)?.to_vec();
        header[0] ^= mask[0] & 0x0f;
        let number_octets = usize::from(header[0] & 3) + 1;
        header.truncate(at + number_octets);
        let mut number = 0;
        for (octet, bits) in header[at..].iter_mut().zip(&mask[1..]) {
            *octet ^= bits;
            // The whole number is the truncated one: no client sends enough Initials to need more
            // (RFC 9000, A.3, with no packet acknowledged).
            number = number << 8 | u32::from(*octet);
        }
        let (text, tag) = initial.packet.get(at + number_octets..)?.split_last_chunk::<TAG>()?;
        let mut frames = text.to_vec();
        Aes128Gcm::new(&self.key.into())
            .decrypt_inout_detached(
                &self.nonce(number).into(),
                &header,
                frames.as_mut_slice().into(),
                &(*tag).into(),
            )
            .ok()?;
        Some(frames)
    }
}

/// HKDF-Expand-Label with an empty context (RFC 8446, 7.1).
fn expand_label<const N: usize>(secret: &Hkdf<Sha256>, label: &str) -> Option<[u8; N]> {
    let mut out = [0; N];
    let length = u16::try_from(N).ok()?.to_be_bytes();
    let label_length = [u8::try_from("tls13 ".len() + label.len()).ok()?];
    secret.expand_multi_info(&[&length, &label_length, b"tls13 ", label.as_bytes(), &[0]], &mut out).ok()?;
    Some(out)
}

/// A frame of an Initial that we care about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Crypto<'a> {
    pub(crate) offset: u64,
    pub(crate) data: &'a [u8],
}

/// The CRYPTO frames among those that an Initial may hold: PADDING, PING, ACK, CRYPTO, CONNECTION_CLOSE
/// (RFC 9000, 12.4). Ends at anything else: it would be a protocol violation.
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

    use super::*;

    pub(crate) fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// A QUIC varint of 2 octets.
    fn varint(value: usize) -> [u8; 2] {
        (0x4000 | value as u16).to_be_bytes()
    }

    pub(crate) fn crypto(offset: usize, data: &[u8]) -> Vec<u8> {
        [&[6][..], &varint(offset), &varint(data.len()), data].concat()
    }

    /// Seals an Initial with the keys of `key_dcid` (RFC 9001, 5.3 and 5.4), packet number in 4 octets.
    pub(crate) fn seal(
        version: Version,
        key_dcid: &[u8],
        dcid: &[u8],
        token: &[u8],
        number: u32,
        frames: &[u8],
    ) -> Vec<u8> {
        let keys = ClientKeys::derive(version, key_dcid).unwrap();
        let mut packet = vec![0xc3 | version.family().unwrap().initial_type << 4];
        packet.extend(version.0.to_be_bytes());
        packet.push(dcid.len() as u8);
        packet.extend(dcid);
        packet.push(0);
        match token.len() {
            0 => packet.push(0),
            length => packet.extend(varint(length)),
        }
        packet.extend(token);
        packet.extend(varint(4 + frames.len() + TAG));
        let at = packet.len();
        packet.extend(number.to_be_bytes());
        let mut text = frames.to_vec();
        let tag = Aes128Gcm::new(&keys.key.into())
            .encrypt_inout_detached(&keys.nonce(number).into(), &packet, text.as_mut_slice().into())
            .unwrap();
        packet.extend(text);
        packet.extend(tag);
        let mask = keys.mask(packet[at + 4..].first_chunk().unwrap());
        packet[0] ^= mask[0] & 0x0f;
        packet[at..at + 4].iter_mut().zip(&mask[1..]).for_each(|(octet, bits)| *octet ^= bits);
        packet
    }

    /// The CRYPTO frame of RFC 9001, A.2, and RFC 9369, A.2: a `ClientHello` for example.com.
    const SAMPLE: &str = "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868
        04fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017
        001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce1
        5d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffff
        ffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff";

    fn sample_frames() -> Vec<u8> {
        let mut frames = unhex(SAMPLE);
        frames.resize(1162, 0);
        frames
    }

    const SAMPLE_DCID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

    fn initial(datagram: &[u8]) -> Initial<'_> {
        match packets(datagram).next() {
            Some(Packet::Initial(found)) => found,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_are_those_of_rfc_9001_a1() {
        let keys = ClientKeys::derive(Version::V1, &SAMPLE_DCID).unwrap();
        assert_eq!(keys.key.to_vec(), unhex("1f369613dd76d5467730efcbe3b1a22d"));
        assert_eq!(keys.iv.to_vec(), unhex("fa044b2f42a3fd3b46fb255c"));
        assert_eq!(keys.hp.to_vec(), unhex("9f50449e04a0e810283a1e9933adedd2"));
    }

    #[test]
    fn keys_are_those_of_rfc_9369_a1() {
        let keys = ClientKeys::derive(Version::V2, &SAMPLE_DCID).unwrap();
        assert_eq!(keys.key.to_vec(), unhex("8b1a0bc121284290a29e0971b5cd045d"));
        assert_eq!(keys.iv.to_vec(), unhex("91f73e2351d8fa91660e909f"));
        assert_eq!(keys.hp.to_vec(), unhex("45b95e15235d6f45a6b19cbcb0294ba9"));
    }

    /// The tag is over every octet, so the first octets and the tag tell the whole packet of the RFC.
    #[test]
    fn the_protected_initial_is_that_of_rfc_9001_a2() {
        let packet = seal(Version::V1, &SAMPLE_DCID, &SAMPLE_DCID, &[], 2, &sample_frames());
        assert_eq!(packet.len(), 1200);
        assert_eq!(
            packet[..38],
            unhex("c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9b")
        );
        assert_eq!(packet[1184..], unhex("e221af44860018ab0856972e194cd934"));
        let keys = ClientKeys::derive(Version::V1, &SAMPLE_DCID).unwrap();
        assert_eq!(keys.open(&initial(&packet)), Some(sample_frames()));
    }

    #[test]
    fn the_protected_initial_is_that_of_rfc_9369_a2() {
        let packet = seal(Version::V2, &SAMPLE_DCID, &SAMPLE_DCID, &[], 2, &sample_frames());
        assert_eq!(
            packet[..38],
            unhex("d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071")
        );
        assert_eq!(packet[1197..], unhex("84cbfc"));
        let keys = ClientKeys::derive(Version::V2, &SAMPLE_DCID).unwrap();
        assert_eq!(keys.open(&initial(&packet)), Some(sample_frames()));
    }

    #[test]
    fn drafts_have_their_own_salts() {
        for version in
            [0xff00_0017, 0xff00_001c, 0xff00_001d, 0xff00_0020, 0xff00_0021, 0xff00_0022].map(Version)
        {
            let packet = seal(version, &SAMPLE_DCID, &SAMPLE_DCID, &[], 0, &sample_frames());
            assert!(looks_like_quic(&packet));
            let keys = ClientKeys::derive(version, &SAMPLE_DCID).unwrap();
            assert!(keys.open(&initial(&packet)).is_some());
        }
        assert!(ClientKeys::derive(Version(0x0a1a_2a3a), &SAMPLE_DCID).is_none());
    }

    #[test]
    fn a_changed_octet_does_not_open() {
        let packet = seal(Version::V1, &SAMPLE_DCID, &SAMPLE_DCID, b"token", 7, &sample_frames());
        let keys = ClientKeys::derive(Version::V1, &SAMPLE_DCID).unwrap();
        for at in [0, 20, 24, 40, 700, packet.len() - 1] {
            let mut changed = packet.clone();
            changed[at] ^= 1;
            assert!(keys.open(&initial(&changed)).is_none(), "{at}");
        }
    }

    /// RFC 9001, A.4.
    #[test]
    fn a_retry_gives_its_connection_id() {
        let datagram = unhex("ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba");
        assert!(
            matches!(packets(&datagram).next(), Some(Packet::Retry { scid }) if scid == unhex("f067a5502a4262b5"))
        );
        // The same type bits are a Handshake packet in version 2.
        let mut v2 = datagram;
        v2[1..5].copy_from_slice(&Version::V2.0.to_be_bytes());
        assert!(!matches!(packets(&v2).next(), Some(Packet::Retry { .. })));
    }

    #[test]
    fn coalesced_packets_are_all_found() {
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
    fn frames_around_crypto_are_passed_over() {
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

        #[test]
        fn what_is_sealed_opens(
            dcid in proptest::collection::vec(any::<u8>(), 0..=20),
            frames in proptest::collection::vec(any::<u8>(), 4..300),
            number: u32,
        ) {
            for version in [Version::V1, Version::V2] {
                let packet = seal(version, &dcid, &dcid, b"t", number, &frames);
                let keys = ClientKeys::derive(version, &dcid).unwrap();
                let opened = keys.open(&initial(&packet));
                prop_assert_eq!(opened.as_deref(), Some(&frames[..]));
            }
        }
    }
}
