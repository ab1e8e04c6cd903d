//! Protection of Initial packets (RFC 9001, 5). Their keys derive from a connection ID that is in the clear: they
//! keep out damage, not readers.

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes_gcm::Aes128Gcm;
use aes_gcm::aead::AeadInOut;
use hkdf::Hkdf;
use sha2::Sha256;

use super::{Initial, Version};

/// Octets of an AEAD tag.
const TAG: usize = 16;

/// What differs between versions in how an Initial is found and protected.
pub(super) struct Family {
    salt: [u8; 20],
    /// HKDF labels of key, IV and header protection key.
    labels: [&'static str; 3],
    /// Long packet type of an Initial; the others follow in a circle: 0-RTT, Handshake, Retry.
    pub(super) initial_type: u8,
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

/// Google's Q050, the last gQUIC with its own handshake: packets as in the drafts, frames as before them
/// (see [`super::super::gquic`]).
static Q050: Family = Family {
    salt: [
        0x50, 0x45, 0x74, 0xef, 0xd0, 0x66, 0xfe, 0x2f, 0x9d, 0x94, 0x5c, 0xfc, 0xdb, 0xd3, 0xa7, 0xf0, 0xd3,
        0xb5, 0x6b, 0x45,
    ],
    labels: V1_LABELS,
    initial_type: 0,
};

impl Version {
    pub(super) fn family(self) -> Option<&'static Family> {
        match self {
            Self::V1 | Self(0xff00_0021..=0xff00_0022) => Some(&V1),
            Self::V2 => Some(&V2),
            Self(0xff00_001d..=0xff00_0020) => Some(&DRAFT_29),
            // 0xfaceb002 is what mvfst's deployments called draft-27.
            Self(0xff00_0017..=0xff00_001c | 0xface_b002) => Some(&DRAFT_23),
            Self::Q050 => Some(&Q050),
            _ => None,
        }
    }
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

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::super::looks_like_quic;
    use super::super::tests::{SAMPLE_DCID, initial, unhex, varint};
    use super::*;

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

    pub(crate) fn sample_frames() -> Vec<u8> {
        let mut frames = unhex(SAMPLE);
        frames.resize(1162, 0);
        frames
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
    fn p52_the_protected_initial_is_that_of_rfc_9369_a2() {
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
    fn p52_drafts_have_their_own_salts() {
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

    proptest! {
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
