//! What a point needs of the transparency log: signed checkpoints (C2SP signed-note, tlog-checkpoint), inclusion and
//! consistency proofs (RFC 6962 2.1, RFC 9162 2.1.3 and 2.1.4), and the 73-octet entry with its commitment.
//!
//! Everything is verified here, in the core, so that a Python process that has been taken over can't task the point
//! without an entry in the log.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

/// SHA-256 of a leaf or node.
pub(crate) type Hash = [u8; 32];

/// A signed note may hold this many octets; ours has some 4,000 with a post-quantum signature.
const MAX_NOTE: usize = 65_536;

/// Signature lines that one note may hold.
const MAX_SIGNATURES: usize = 64;

/// A tree of 2^63 leaves has proofs of 63 hashes.
const MAX_PROOF: usize = 63;

/// Signature type of a plain Ed25519 note signature.
const ALG_ED25519: u8 = 0x01;

/// A named Ed25519 public key, written `name+hex8(key id)+base64(0x01 || key)`.
#[derive(Clone, Debug)]
pub(crate) struct NoteKey {
    pub(crate) name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl NoteKey {
    /// Reads a vkey; `None` when it is malformed, of another algorithm, or its key id is not that of its key.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // Base64 may hold `+`, so only the first two separate.
        let mut parts = text.splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c == '+') {
            return None;
        }
        let key = STANDARD.decode(key).ok()?;
        let (&ALG_ED25519, octets) = key.split_first()? else { return None };
        let expected: [u8; 4] =
            Sha256::new().chain_update(name).chain_update(b"\n").chain_update(&key).finalize()[..4]
                .try_into()
                .ok()?;
        if id.len() != 8 || u32::from_str_radix(id, 16).ok()?.to_be_bytes() != expected {
            return None;
        }
        let key = VerifyingKey::from_bytes(octets.try_into().ok()?).ok()?;
        Some(Self { name: name.to_owned(), id: expected, key })
    }

    /// Whether `signature` is this key's over `message`.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|s| self.key.verify_strict(message, &s).is_ok())
    }

    /// Public key octets: two names for one key are one person.
    pub(crate) fn octets(&self) -> [u8; 32] {
        self.key.to_bytes()
    }
}

/// A log's state: so many entries, this root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Checkpoint {
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

impl Checkpoint {
    /// Opens a signed checkpoint: `None` unless it names `origin` and bears `key`'s signature.
    pub(crate) fn open(note: &str, origin: &str, key: &NoteKey) -> Option<Self> {
        if note.len() > MAX_NOTE {
            return None;
        }
        let split = note.rfind("\n\n")?;
        let (body, signatures) = (&note[..=split], &note[split + 2..]);
        if !signatures.ends_with('\n') || signatures.lines().count() > MAX_SIGNATURES {
            return None;
        }
        let mut signed = false;
        for line in signatures.lines() {
            let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
            let blob = STANDARD.decode(blob).ok()?;
            if name == key.name && blob.get(..4)? == key.id {
                // A wrong signature under the right key id spoils the note, as in Go's note.Open.
                if !key.verify(body.as_bytes(), &blob[4..]) {
                    return None;
                }
                signed = true;
            }
        }
        let mut lines = body.lines();
        let (first, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        if !signed || first != origin || lines.next().is_some() {
            return None;
        }
        let number: u64 = size.parse().ok()?;
        if number.to_string() != size {
            return None;
        }
        Some(Self { size: number, root: STANDARD.decode(root).ok()?.try_into().ok()? })
    }

    /// Whether `entry` stands at `index` of this log (RFC 9162 2.1.3.2).
    pub(crate) fn includes(&self, index: u64, entry: &[u8], proof: &[Hash]) -> bool {
        if index >= self.size || proof.len() > MAX_PROOF {
            return false;
        }
        let (mut at, mut last, mut hash) = (index, self.size - 1, leaf_hash(entry));
        for step in proof {
            if last == 0 {
                return false;
            }
            if at & 1 == 1 || at == last {
                hash = node_hash(step, &hash);
                while at & 1 == 0 && at != 0 {
                    at >>= 1;
                    last >>= 1;
                }
            } else {
                hash = node_hash(&hash, step);
            }
            at >>= 1;
            last >>= 1;
        }
        last == 0 && hash == self.root
    }

    /// Whether this log begins with all of `old` (RFC 9162 2.1.4.2).
    pub(crate) fn extends(&self, old: &Self, proof: &[Hash]) -> bool {
        if old.size > self.size || proof.len() > MAX_PROOF {
            return false;
        }
        if old.size == self.size {
            // The same log needs no proof; bundles of one run share theirs, and the first has moved the head.
            return old.root == self.root;
        }
        if old.size == 0 {
            return proof.is_empty();
        }
        let mut steps = proof.iter();
        let first = if old.size.is_power_of_two() { Some(&old.root) } else { steps.next() };
        let Some(first) = first else { return false };
        let (mut at, mut last) = (old.size - 1, self.size - 1);
        while at & 1 == 1 {
            at >>= 1;
            last >>= 1;
        }
        let (mut small, mut large) = (*first, *first);
        for step in steps {
            if last == 0 {
                return false;
            }
            if at & 1 == 1 || at == last {
                small = node_hash(step, &small);
                large = node_hash(step, &large);
                while at & 1 == 0 && at != 0 {
                    at >>= 1;
                    last >>= 1;
                }
            } else {
                large = node_hash(&large, step);
            }
            at >>= 1;
            last >>= 1;
        }
        last == 0 && small == old.root && large == self.root
    }
}

/// `SHA256(0x00 || entry)`.
pub(crate) fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

/// `SHA256(0x01 || left || right)`.
pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// An entry: `0x01 || u64be(epoch) || tag[32] || commit[32]`.
pub(crate) const ENTRY: usize = 73;

/// Disclosures that one entry may have.
const MAX_DISCLOSURES: usize = 64;

/// Opens an entry's commitment: the disclosed names and values, or `None` when they are not what was committed.
pub(crate) fn open_entry(
    entry: &[u8],
    opening: &[u8],
    disclosures: &[String],
) -> Option<Vec<(String, serde_json::Value)>> {
    if entry.len() != ENTRY || entry[0] != 1 || opening.len() != 32 || disclosures.len() > MAX_DISCLOSURES {
        return None;
    }
    let mut digests: Vec<Hash> = disclosures.iter().map(|d| Sha256::digest(d.as_bytes()).into()).collect();
    digests.sort_unstable();
    let mut commit = Sha256::new().chain_update(b"li/commit/v1\n").chain_update(opening);
    for digest in &digests {
        commit.update(digest);
    }
    if commit.finalize()[..] != entry[41..] {
        return None;
    }
    disclosures
        .iter()
        .map(|d| {
            let octets = URL_SAFE_NO_PAD.decode(d).ok()?;
            let (_salt, name, value): (String, String, serde_json::Value) =
                serde_json::from_slice(&octets).ok()?;
            Some((name, value))
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod testlog {
    //! A log for tests, written from RFC 6962's definitions rather than from the code above.
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    pub(crate) fn vkey(name: &str, key: &SigningKey) -> String {
        let public = [&[ALG_ED25519][..], key.verifying_key().as_bytes()].concat();
        let id = Sha256::digest([name.as_bytes(), b"\n", &public].concat());
        format!("{name}+{:02x}{:02x}{:02x}{:02x}+{}", id[0], id[1], id[2], id[3], STANDARD.encode(public))
    }

    pub(crate) fn root(leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => leaf_hash(one),
            many => {
                let k = many.len().next_power_of_two() / 2;
                node_hash(&root(&many[..k]), &root(&many[k..]))
            }
        }
    }

    pub(crate) fn inclusion(leaves: &[Vec<u8>], index: usize) -> Vec<Hash> {
        if leaves.len() <= 1 {
            return vec![];
        }
        let k = leaves.len().next_power_of_two() / 2;
        if index < k {
            let mut proof = inclusion(&leaves[..k], index);
            proof.push(root(&leaves[k..]));
            proof
        } else {
            let mut proof = inclusion(&leaves[k..], index - k);
            proof.push(root(&leaves[..k]));
            proof
        }
    }

    pub(crate) fn consistency(leaves: &[Vec<u8>], old: usize) -> Vec<Hash> {
        fn sub(leaves: &[Vec<u8>], old: usize, whole: bool) -> Vec<Hash> {
            if old == leaves.len() {
                return if whole { vec![] } else { vec![root(leaves)] };
            }
            let k = leaves.len().next_power_of_two() / 2;
            let mut proof;
            if old <= k {
                proof = sub(&leaves[..k], old, whole);
                proof.push(root(&leaves[k..]));
            } else {
                proof = sub(&leaves[k..], old - k, false);
                proof.push(root(&leaves[..k]));
            }
            proof
        }
        if old == 0 { vec![] } else { sub(leaves, old, true) }
    }

    pub(crate) fn note(origin: &str, leaves: &[Vec<u8>], name: &str, key: &SigningKey) -> String {
        let body = format!("{origin}\n{}\n{}\n", leaves.len(), STANDARD.encode(root(leaves)));
        let public = [&[ALG_ED25519][..], key.verifying_key().as_bytes()].concat();
        let id = Sha256::digest([name.as_bytes(), b"\n", &public].concat());
        let blob = [&id[..4], &key.sign(body.as_bytes()).to_bytes()].concat();
        format!("{body}\n\u{2014} {name} {}\n", STANDARD.encode(blob))
    }
}

#[cfg(test)]
mod tests {
    use super::testlog::{consistency, inclusion, note, root, vkey};
    use super::*;
    use ed25519_dalek::SigningKey;
    use proptest::prelude::*;

    fn leaves(n: usize) -> Vec<Vec<u8>> {
        (0..n).map(|i| format!("leaf {i}").into_bytes()).collect()
    }

    proptest! {
        #[test]
        fn proofs_hold_and_altered_ones_do_not(size in 1usize..140, pick in any::<prop::sample::Index>(), old in any::<prop::sample::Index>(), bit in 0usize..256) {
            let all = leaves(size);
            let head = Checkpoint { size: size as u64, root: root(&all) };
            let index = pick.index(size);
            let mut proof = inclusion(&all, index);
            prop_assert!(head.includes(index as u64, &all[index], &proof));
            prop_assert!(!head.includes(index as u64, b"other", &proof));
            prop_assert!(size == 1 || !head.includes(((index + 1) % size) as u64, &all[index], &proof));
            if let Some(step) = proof.first_mut() {
                step[bit / 8] ^= 1 << (bit % 8);
                prop_assert!(!head.includes(index as u64, &all[index], &proof));
            }
            let n = old.index(size) + 1;
            let earlier = Checkpoint { size: n as u64, root: root(&all[..n]) };
            let mut proof = consistency(&all, n);
            prop_assert!(head.extends(&earlier, &proof));
            let forged = Checkpoint { root: leaf_hash(b"fork"), ..earlier };
            prop_assert!(!head.extends(&forged, &proof));
            if let Some(step) = proof.last_mut() {
                step[bit / 8] ^= 1 << (bit % 8);
                prop_assert!(!head.extends(&earlier, &proof));
            }
            prop_assert!(!earlier.extends(&head, &proof) || n == size);
        }

        #[test]
        fn notes_of_any_text_never_panic(text in ".{0,300}") {
            let key = NoteKey::parse(&vkey("log", &SigningKey::from_bytes(&[7; 32]))).unwrap();
            prop_assert!(Checkpoint::open(&text, "log", &key).is_none());
            let _ = NoteKey::parse(&text);
        }
    }

    #[test]
    fn a_checkpoint_opens_only_for_its_log_and_key() {
        let signing = SigningKey::from_bytes(&[7; 32]);
        let key = NoteKey::parse(&vkey("example/log", &signing)).unwrap();
        let text = note("example/log", &leaves(5), "example/log", &signing);
        assert_eq!(Checkpoint::open(&text, "example/log", &key).map(|c| c.size), Some(5));
        assert!(Checkpoint::open(&text, "another/log", &key).is_none());
        assert!(Checkpoint::open(&text.replacen("\n5\n", "\n6\n", 1), "example/log", &key).is_none());
        let other = NoteKey::parse(&vkey("example/log", &SigningKey::from_bytes(&[8; 32]))).unwrap();
        assert!(Checkpoint::open(&text, "example/log", &other).is_none());
        let more = format!("{text}\u{2014} witness AAAAAAAA\n");
        assert!(Checkpoint::open(&more, "example/log", &key).is_some(), "unknown keys are ignored");
    }

    #[test]
    fn a_vkey_with_the_wrong_id_is_refused() {
        let good = vkey("log", &SigningKey::from_bytes(&[7; 32]));
        assert!(NoteKey::parse(&good).is_some());
        assert!(NoteKey::parse(&good.replacen("log+", "lag+", 1)).is_none());
    }

    #[test]
    fn an_entry_opens_only_to_what_it_commits_to() {
        let disclosure = URL_SAFE_NO_PAD.encode(br#"["c2FsdA","kind","activate"]"#);
        let digest = Sha256::digest(disclosure.as_bytes());
        let commit = Sha256::new()
            .chain_update(b"li/commit/v1\n")
            .chain_update([9; 32])
            .chain_update(digest)
            .finalize();
        let entry = [&[1][..], &[0; 40], &commit].concat();
        let open = open_entry(&entry, &[9; 32], std::slice::from_ref(&disclosure)).unwrap();
        assert_eq!(open, vec![("kind".to_owned(), "activate".into())]);
        assert!(open_entry(&entry, &[8; 32], std::slice::from_ref(&disclosure)).is_none());
        assert!(open_entry(&entry, &[9; 32], &[disclosure.clone(), disclosure]).is_none());
    }
}
