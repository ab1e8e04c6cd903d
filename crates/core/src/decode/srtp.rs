//! SRTP (RFC 3711; RFC 6188 for longer keys, RFC 7714 for GCM): from one protected packet to RTP, with a key that a
//! session description gave. Stateless: which rollover counter holds is the caller's to know or to try.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::rtp;
use super::sdes::{Crypto, Suite};

const BLOCK: usize = 16;

/// Octets of the key of HMAC-SHA1 (RFC 3711, 5.2).
const AUTH_KEY: usize = 20;

/// Labels of key derivation (RFC 3711, 4.3.1 and 4.3.2).
#[derive(Clone, Copy)]
enum Label {
    Cipher = 0,
    Auth = 1,
    Salt = 2,
}

/// AES of any key length.
enum Aes {
    Of128(Aes128),
    Of192(Aes192),
    Of256(Aes256),
}

impl Aes {
    fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128::new_from_slice(key).ok().map(Self::Of128),
            24 => Aes192::new_from_slice(key).ok().map(Self::Of192),
            _ => Aes256::new_from_slice(key).ok().map(Self::Of256),
        }
    }

    fn encrypt(&self, block: [u8; BLOCK]) -> [u8; BLOCK] {
        let mut block = block.into();
        match self {
            Self::Of128(aes) => aes.encrypt_block(&mut block),
            Self::Of192(aes) => aes.encrypt_block(&mut block),
            Self::Of256(aes) => aes.encrypt_block(&mut block),
        }
        block.into()
    }

    /// AES in counter mode (RFC 3711, 4.1.1): the key stream from `iv` on, whose last 16 bits count, put over `data`.
    fn counter_mode(&self, iv: u128, data: &mut [u8]) {
        for (n, piece) in (0_u128..).zip(data.chunks_mut(BLOCK)) {
            over(piece, self.encrypt(iv.wrapping_add(n).to_be_bytes()));
        }
    }
}

fn over(data: &mut [u8], stream: [u8; BLOCK]) {
    for (octet, key) in data.iter_mut().zip(stream) {
        *octet ^= key;
    }
}

/// How payload is hidden.
enum Cipher {
    CounterMode(Box<Aes>),
    /// RFC 3711, 4.1.2: the cipher, and the cipher under the masked key.
    F8(Box<(Aes, Aes)>),
    Gcm128(Box<Aes128Gcm>),
    Gcm256(Box<Aes256Gcm>),
    /// `UNENCRYPTED_SRTP`.
    Null,
}

/// The session keys that one master key gives (RFC 3711, 4.3).
pub(crate) struct Keys {
    cipher: Cipher,
    /// Salt, on the left of 128 bits.
    salt: u128,
    auth: Option<Hmac<Sha1>>,
    suite: Suite,
    mki: usize,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl Keys {
    /// Derives the keys that hold at a packet index.
    pub(crate) fn derive(crypto: &Crypto, index: u64) -> Option<Self> {
        let period = crypto.rate.map_or(0, |rate| index >> rate);
        let prf = Aes::new(crypto.key())?;
        let master_salt = left(crypto.salt());
        let derive = |label: Label, out: &mut [u8]| {
            // 4.3.1: label and index DIV rate, 56 bits, at the right end of the 112 bits of the salt.
            let id = u128::from(label as u8) << 48 | u128::from(period & 0xffff_ffff_ffff);
            prf.counter_mode(master_salt ^ id << 16, out);
        };
        let mut key = Zeroizing::new([0; 32]);
        let key = key.get_mut(..crypto.suite.key())?;
        derive(Label::Cipher, key);
        let mut salt = [0; 14];
        let salt = salt.get_mut(..crypto.suite.salt())?;
        derive(Label::Salt, salt);
        let mut auth = Zeroizing::new([0; AUTH_KEY]);
        derive(Label::Auth, &mut auth[..]);
        Self::of(crypto, key, salt, &auth[..])
    }

    /// Session keys as they are.
    fn of(crypto: &Crypto, key: &[u8], salt: &[u8], auth: &[u8]) -> Option<Self> {
        let suite = crypto.suite;
        let cipher = match suite {
            Suite::AeadAes128Gcm => Cipher::Gcm128(Box::new(Aes128Gcm::new_from_slice(key).ok()?)),
            Suite::AeadAes256Gcm => Cipher::Gcm256(Box::new(Aes256Gcm::new_from_slice(key).ok()?)),
            _ if crypto.unencrypted => Cipher::Null,
            Suite::F8_128Sha1_80 => {
                let mask = salt.iter().copied().chain(std::iter::repeat(0x55));
                let masked: Zeroizing<Vec<u8>> =
                    Zeroizing::new(key.iter().zip(mask).map(|(k, m)| k ^ m).collect());
                Cipher::F8(Box::new((Aes::new(key)?, Aes::new(&masked)?)))
            }
            _ => Cipher::CounterMode(Box::new(Aes::new(key)?)),
        };
        let with_tag = !suite.is_aead() && !crypto.unauthenticated;
        let auth = if with_tag { Some(<Hmac<Sha1> as KeyInit>::new_from_slice(auth).ok()?) } else { None };
        Some(Self { cipher, salt: left(salt), auth, suite, mki: usize::from(crypto.mki) })
    }

    /// Whether a packet of these keys proves itself; if not, a wrong counter can't be told from a right one.
    pub(crate) const fn authenticated(&self) -> bool {
        self.suite.is_aead() || self.auth.is_some()
    }

    /// Opens a packet: the first rollover counter of `tried` under which its tag is right, and the RTP packet in `out`.
    /// `out` is of no use when there is none.
    pub(crate) fn unprotect(
        &self,
        datagram: &[u8],
        tried: impl IntoIterator<Item = u32>,
        out: &mut Vec<u8>,
    ) -> Option<u32> {
        let header = rtp::header_length(datagram)?;
        if self.suite.is_aead() {
            return tried.into_iter().find(|roc| self.open_aead(datagram, header, *roc, out).is_some());
        }
        // 3.1: the MKI stands before the tag, and neither is authenticated.
        let tag_length = if self.auth.is_some() { self.suite.tag() } else { 0 };
        let (rest, tag) = datagram.split_at_checked(datagram.len().checked_sub(tag_length)?)?;
        let portion = rest.get(..rest.len().checked_sub(self.mki)?).filter(|p| p.len() >= header)?;
        let mac = self.auth.as_ref().map(|mac| mac.clone().chain_update(portion));
        let right = |roc: &u32| {
            mac.as_ref().is_none_or(|mac| {
                let mac = mac.clone().chain_update(roc.to_be_bytes());
                mac.verify_truncated_left(tag).is_ok()
            })
        };
        let roc = tried.into_iter().find(right)?;
        out.clear();
        out.extend_from_slice(portion);
        let fixed: [u8; 12] = *portion.first_chunk()?;
        self.decrypt(&fixed, roc, out.get_mut(header..)?);
        Some(roc)
    }

    fn decrypt(&self, header: &[u8; 12], roc: u32, payload: &mut [u8]) {
        match &self.cipher {
            Cipher::CounterMode(aes) => {
                // 4.1.1: IV = (k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16).
                let index = u128::from(index_of(header, roc));
                aes.counter_mode(self.salt ^ u128::from(ssrc_of(header)) << 64 ^ index << 16, payload);
            }
            Cipher::F8(both) => {
                let (aes, masked) = &**both;
                // 4.1.2.2: IV = 0x00 || M || PT || SEQ || TS || SSRC || ROC.
                let mut iv = [0; BLOCK];
                iv[1..12].copy_from_slice(&header[1..]);
                iv[12..].copy_from_slice(&roc.to_be_bytes());
                let iv = u128::from_be_bytes(masked.encrypt(iv));
                let mut stream = [0; BLOCK];
                for (n, piece) in (0_u128..).zip(payload.chunks_mut(BLOCK)) {
                    stream = aes.encrypt((iv ^ n ^ u128::from_be_bytes(stream)).to_be_bytes());
                    over(piece, stream);
                }
            }
            Cipher::Gcm128(_) | Cipher::Gcm256(_) | Cipher::Null => {}
        }
    }

    /// RFC 7714, 8: the header is associated data; the MKI stands behind the tag.
    fn open_aead(&self, datagram: &[u8], header: usize, roc: u32, out: &mut Vec<u8>) -> Option<()> {
        let whole = datagram.get(..datagram.len().checked_sub(self.mki)?)?;
        let (aad, _) = whole.split_at_checked(header)?;
        let (sealed, tag) = whole.split_at_checked(whole.len().checked_sub(self.suite.tag())?)?;
        let fixed: [u8; 12] = *sealed.first_chunk()?;
        // 8.1: 00 00 || SSRC || ROC || SEQ, XOR salt.
        let packet = u128::from(ssrc_of(&fixed)) << 48 | u128::from(index_of(&fixed, roc));
        let octets = (self.salt ^ packet << 32).to_be_bytes();
        let nonce: &[u8; 12] = octets.first_chunk()?;
        out.clear();
        out.extend_from_slice(sealed);
        let payload = out.get_mut(header..)?;
        let tag = tag.try_into().ok()?;
        match &self.cipher {
            Cipher::Gcm128(gcm) => gcm.decrypt_inout_detached(nonce.into(), aad, payload.into(), tag).ok(),
            Cipher::Gcm256(gcm) => gcm.decrypt_inout_detached(nonce.into(), aad, payload.into(), tag).ok(),
            _ => None,
        }
    }
}

/// Octets on the left of 128 bits.
fn left(octets: &[u8]) -> u128 {
    octets
        .iter()
        .take(BLOCK)
        .fold((0, 120_u32), |(sum, shift), b| (sum | u128::from(*b) << shift, shift.saturating_sub(8)))
        .0
}

fn ssrc_of(header: &[u8; 12]) -> u32 {
    let [.., a, b, c, d] = *header;
    u32::from_be_bytes([a, b, c, d])
}

/// The packet index: rollover counter and sequence number, 48 bits (RFC 3711, 3.3.1).
fn index_of(header: &[u8; 12], roc: u32) -> u64 {
    u64::from(roc) << 16 | u64::from(u16::from_be_bytes([header[2], header[3]]))
}

#[cfg(test)]
#[path = "srtp_tests.rs"]
mod tests;
#[cfg(test)]
pub(crate) use self::tests::protect;
