//! Record protection of TLS 1.2 (RFC 5246, RFC 5288, RFC 7905) and TLS 1.3 (RFC 8446): AEAD ciphers only.

use aes_gcm::aead::{AeadInOut, KeyInit, Nonce, Tag};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use chacha20poly1305::ChaCha20Poly1305;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha384};

/// Octets of an AEAD tag.
const TAG: usize = 16;

/// Octets of a nonce.
const NONCE: usize = 12;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hash {
    Sha256,
    Sha384,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cipher {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
}

/// What a cipher suite means for records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Suite {
    cipher: Cipher,
    hash: Hash,
}

impl Suite {
    /// Suites by their IANA numbers; `None`: not one that we open (CBC, CCM, …).
    pub(super) fn parse(number: u16) -> Option<Self> {
        let (cipher, hash) = match number {
            // TLS 1.3; then RSA, DHE, ECDHE-ECDSA and ECDHE-RSA of TLS 1.2: how the key was agreed makes no difference.
            0x1301 | 0x009c | 0x009e | 0xc02b | 0xc02f => (Cipher::Aes128Gcm, Hash::Sha256),
            0x1302 | 0x009d | 0x009f | 0xc02c | 0xc030 => (Cipher::Aes256Gcm, Hash::Sha384),
            0x1303 | 0xcca8 | 0xcca9 | 0xccaa => (Cipher::ChaCha20Poly1305, Hash::Sha256),
            _ => return None,
        };
        Some(Self { cipher, hash })
    }

    const fn key_length(self) -> usize {
        match self.cipher {
            Cipher::Aes128Gcm => 16,
            Cipher::Aes256Gcm | Cipher::ChaCha20Poly1305 => 32,
        }
    }
}

/// Opens the records that one end sends.
pub(super) struct Opener {
    suite: Suite,
    key: Box<[u8]>,
    iv: [u8; NONCE],
    sequence: u64,
    /// TLS 1.3: from which the next keys come. `None`: TLS 1.2.
    secret: Option<Box<[u8]>>,
}

impl Opener {
    /// TLS 1.3, from the end's traffic secret (RFC 8446, 7.3).
    pub(super) fn tls13(suite: Suite, secret: &[u8]) -> Option<Self> {
        let key = expand_label(suite.hash, secret, "key", suite.key_length())?;
        let iv = expand_label(suite.hash, secret, "iv", NONCE)?.as_slice().try_into().ok()?;
        Some(Self { suite, key: key.into(), iv, sequence: 0, secret: Some(secret.into()) })
    }

    /// TLS 1.2, from the master secret and both randoms (RFC 5246, 6.3).
    pub(super) fn tls12(
        suite: Suite,
        master: &[u8],
        client: &[u8],
        server: &[u8],
        is_client: bool,
    ) -> Option<Self> {
        let explicit = suite.cipher != Cipher::ChaCha20Poly1305;
        let (key, salt) = (suite.key_length(), if explicit { 4 } else { NONCE });
        let block = prf(suite.hash, master, b"key expansion", &[server, client].concat(), 2 * (key + salt))?;
        let side = usize::from(!is_client);
        let mut iv = [0; NONCE];
        iv[..salt].copy_from_slice(block.get(2 * key + side * salt..)?.get(..salt)?);
        let key = block.get(side * key..)?.get(..key)?.into();
        Some(Self { suite, key, iv, sequence: 0, secret: None })
    }

    /// Opens a record's payload (`header` is that of the record): content type and plaintext. `None` when it isn't
    /// authentic under this key; the sequence number then stays.
    pub(super) fn open(&mut self, header: [u8; 5], payload: &[u8]) -> Option<(u8, Vec<u8>)> {
        let opened =
            if self.secret.is_some() { self.open13(header, payload) } else { self.open12(header, payload) };
        if opened.is_some() {
            self.sequence = self.sequence.wrapping_add(1);
        }
        opened
    }

    fn open13(&self, header: [u8; 5], payload: &[u8]) -> Option<(u8, Vec<u8>)> {
        let mut plain = self.decrypt(self.nonce(), &header, payload)?;
        // TLSInnerPlaintext: content, its type, zeros (RFC 8446, 5.2).
        let end = plain.iter().rposition(|b| *b != 0)?;
        let kind = plain[end];
        plain.truncate(end);
        Some((kind, plain))
    }

    fn open12(&self, header: [u8; 5], payload: &[u8]) -> Option<(u8, Vec<u8>)> {
        let (nonce, payload) = if self.suite.cipher == Cipher::ChaCha20Poly1305 {
            (self.nonce(), payload)
        } else {
            // The second part of the nonce is sent with each record (RFC 5288, 3).
            let (explicit, rest) = payload.split_first_chunk::<8>()?;
            let mut nonce = self.iv;
            nonce[4..].copy_from_slice(explicit);
            (nonce, rest)
        };
        let length = u16::try_from(payload.len().checked_sub(TAG)?).ok()?.to_be_bytes();
        let [kind, major, minor, ..] = header;
        let aad = [&self.sequence.to_be_bytes()[..], &[kind, major, minor], &length].concat();
        Some((kind, self.decrypt(nonce, &aad, payload)?))
    }

    /// Initialisation vector and sequence number (RFC 8446, 5.3; RFC 7905, 2).
    fn nonce(&self) -> [u8; NONCE] {
        let mut nonce = self.iv;
        for (octet, sequence) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *octet ^= sequence;
        }
        nonce
    }

    fn decrypt(&self, nonce: [u8; NONCE], aad: &[u8], payload: &[u8]) -> Option<Vec<u8>> {
        match self.suite.cipher {
            Cipher::Aes128Gcm => decrypt::<Aes128Gcm>(&self.key, nonce, aad, payload),
            Cipher::Aes256Gcm => decrypt::<Aes256Gcm>(&self.key, nonce, aad, payload),
            Cipher::ChaCha20Poly1305 => decrypt::<ChaCha20Poly1305>(&self.key, nonce, aad, payload),
        }
    }

    /// The sender goes on with the next keys (`KeyUpdate`; RFC 8446, 7.2).
    pub(super) fn update(&mut self) {
        let next = self.secret.as_deref().and_then(|secret| {
            let next = expand_label(self.suite.hash, secret, "traffic upd", secret.len())?;
            Self::tls13(self.suite, &next)
        });
        if let Some(next) = next {
            *self = next;
        }
    }
}

fn decrypt<A: KeyInit + AeadInOut>(
    key: &[u8],
    nonce: [u8; NONCE],
    aad: &[u8],
    payload: &[u8],
) -> Option<Vec<u8>> {
    let (sealed, tag) = payload.split_at_checked(payload.len().checked_sub(TAG)?)?;
    let aead = A::new_from_slice(key).ok()?;
    let nonce = Nonce::<A>::try_from(&nonce[..]).ok()?;
    let tag = Tag::<A>::try_from(tag).ok()?;
    let mut plain = sealed.to_vec();
    aead.decrypt_inout_detached(&nonce, aad, plain.as_mut_slice().into(), &tag).ok()?;
    Some(plain)
}

/// HKDF-Expand-Label with an empty context (RFC 8446, 7.1).
fn expand_label(hash: Hash, secret: &[u8], label: &str, length: usize) -> Option<Vec<u8>> {
    let size = u16::try_from(length).ok()?.to_be_bytes();
    let label_length = u8::try_from(label.len() + 6).ok()?;
    let info = [&size[..], &[label_length], b"tls13 ", label.as_bytes(), &[0]].concat();
    let mut out = vec![0; length];
    match hash {
        Hash::Sha256 => Hkdf::<Sha256>::from_prk(secret).ok()?.expand(&info, &mut out).ok()?,
        Hash::Sha384 => Hkdf::<Sha384>::from_prk(secret).ok()?.expand(&info, &mut out).ok()?,
    }
    Some(out)
}

/// The pseudorandom function of TLS 1.2 (RFC 5246, 5).
fn prf(hash: Hash, secret: &[u8], label: &[u8], seed: &[u8], length: usize) -> Option<Vec<u8>> {
    let hmac = |parts: &[&[u8]]| match hash {
        Hash::Sha256 => mac::<Hmac<Sha256>>(secret, parts),
        Hash::Sha384 => mac::<Hmac<Sha384>>(secret, parts),
    };
    let (mut out, mut a) = (Vec::new(), hmac(&[label, seed])?);
    while out.len() < length {
        out.extend(hmac(&[&a, label, seed])?);
        a = hmac(&[&a])?;
    }
    out.truncate(length);
    Some(out)
}

fn mac<M: Mac + KeyInit>(secret: &[u8], parts: &[&[u8]]) -> Option<Vec<u8>> {
    let mut mac = <M as KeyInit>::new_from_slice(secret).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().to_vec())
}
