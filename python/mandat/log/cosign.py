"""Timestamped cosignatures (C2SP tlog-cosignature): Ed25519 (0x04) and ML-DSA-44 (0x06).

    0x04   u64be(t) || Ed25519("cosignature/v1\\ntime " dec(t) "\\n" body)
    0x06   u64be(t) || ML-DSA-44("subtree/v1\\n\\0" || len8+cosigner || u64be(t) || len8+origin || u64be(0)
                                 || u64be(size) || root)

A log may sign with 0x06 too, beside its Ed25519 line: what is kept for a decade should outlast Ed25519.
"""

import time
from base64 import b64encode
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from .checkpoint import Checkpoint
from .fault import Fault, LogFault
from .note import SECRET_PREFIX, Signer, decode64, signature_line, valid_name

# "timestamp MUST NOT exceed 2^63 - 1."
MAX_TIME = (1 << 63) - 1
# Names and origins stand behind one octet of length.
MAX_NAME = 255
SEED_SIZE = 32
_TIME_SIZE = 8


class Algorithm(IntEnum):
    """Signature types of C2SP signed-note that are used here."""

    ED25519_COSIGNATURE = 0x04
    ML_DSA_44 = 0x06


_PUBLIC_SIZE = {Algorithm.ED25519_COSIGNATURE: 32, Algorithm.ML_DSA_44: 1312}


@dataclass(frozen=True, slots=True)
class Cosigner:
    """The public half of a cosigner's key."""

    name: str
    algorithm: Algorithm
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> "Cosigner":
        """Read `name+hex(key id)+base64(algorithm, key)`."""
        parts = vkey.split("+", 2)
        material = decode64(parts[2]) if len(parts) == 3 else None
        if not material or not valid_name(parts[0]) or len(parts[0].encode()) > MAX_NAME:
            raise LogFault(Fault.MALFORMED, "this is not a verifier key")
        if material[0] not in Algorithm.__members__.values():
            raise LogFault(
                Fault.MALFORMED,
                "this is not a cosigner's key",
                advice="A witness's key has type 0x04 (Ed25519 cosignature) or 0x06 (ML-DSA-44).",
            )
        found = cls(parts[0], Algorithm(material[0]), material[1:])
        if len(found.public) != _PUBLIC_SIZE[found.algorithm] or parts[1] != found.key_id.hex():
            raise LogFault(Fault.MALFORMED, "the key's length or identifier isn't that of its algorithm")
        return found

    @property
    def key_id(self) -> bytes:
        """First four octets of SHA-256(name, newline, algorithm, key)."""
        return sha256(self.name.encode() + b"\n" + bytes([self.algorithm]) + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        """The key in its text form."""
        material = b64encode(bytes([self.algorithm]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{material}"

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether this is a timestamped cosignature by this key over a checkpoint's text."""
        moment, raw = signature[:_TIME_SIZE], signature[_TIME_SIZE:]
        try:
            signed = _statement(self, message, int.from_bytes(moment, "big"))
            if self.algorithm is Algorithm.ML_DSA_44:
                _mldsa(self.public).verify(raw, signed)
            else:
                Ed25519PublicKey.from_public_bytes(self.public).verify(raw, signed)
        except (LogFault, InvalidSignature, ValueError):
            return False
        return True


class CosignatureSigner:
    """A cosigner's private key. Its text form is that of Go's note tools; the key is the seed of 32 octets."""

    def __init__(self, name: str, algorithm: Algorithm, seed: bytes) -> None:
        if not valid_name(name) or len(name.encode()) > MAX_NAME or len(seed) != SEED_SIZE:
            raise LogFault(
                Fault.MALFORMED, "a cosigner's name has no space or plus sign and at most 255 octets"
            )
        self._seed = seed
        self._key: MLDSA44PrivateKey | Ed25519PrivateKey = (
            MLDSA44PrivateKey.from_seed_bytes(seed)
            if algorithm is Algorithm.ML_DSA_44
            else Ed25519PrivateKey.from_private_bytes(seed)
        )
        self.verifier = Cosigner(name, algorithm, self._key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, name: str, algorithm: Algorithm) -> "CosignatureSigner":
        """A new key from the operating system's randomness."""
        if algorithm is Algorithm.ML_DSA_44:
            return cls(name, algorithm, MLDSA44PrivateKey.generate().private_bytes_raw())
        return cls(name, algorithm, Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, skey: str) -> "CosignatureSigner":
        """Read the text form."""
        parts = skey.removeprefix(SECRET_PREFIX).split("+", 2) if skey.startswith(SECRET_PREFIX) else []
        material = decode64(parts[2]) if len(parts) == 3 else None
        if not material or material[0] not in Algorithm.__members__.values():
            raise LogFault(Fault.MALFORMED, "this is not a cosigner's signing key")
        signer = cls(parts[0], Algorithm(material[0]), material[1:])
        if parts[1] != signer.verifier.key_id.hex():
            raise LogFault(Fault.MALFORMED, "the signing key's identifier isn't that of its key")
        return signer

    @property
    def skey(self) -> str:
        """The key in its text form. Secret."""
        material = b64encode(bytes([self.verifier.algorithm]) + self._seed).decode()
        return f"{SECRET_PREFIX}{self.verifier.name}+{self.verifier.key_id.hex()}+{material}"

    def line(self, text: str, moment: int) -> str:
        """The signature line that cosigns a checkpoint's text at a time in seconds since 1970."""
        signature = self._key.sign(_statement(self.verifier, text.encode(), moment))
        return signature_line(
            self.verifier.name, self.verifier.key_id, moment.to_bytes(_TIME_SIZE, "big") + signature
        )


class HybridSigner(Signer):
    """A log's Ed25519 key with an ML-DSA-44 key of the same name: each checkpoint gets both lines."""

    def __init__(self, classic: Signer, quantum: CosignatureSigner) -> None:
        super().__init__(classic.verifier.name, classic._key)
        if quantum.verifier.name != classic.verifier.name:
            raise LogFault(Fault.MALFORMED, "the log's two keys have different names")
        self._quantum = quantum

    def sign_note(self, text: str) -> bytes:
        """The text as a note with both signatures, Ed25519 first: that line every reader knows."""
        return super().sign_note(text) + self._quantum.line(text, int(time.time())).encode()


def timestamp(signature: bytes) -> int:
    """When a cosignature that was verified says that it was made, in seconds since 1970."""
    return int.from_bytes(signature[:_TIME_SIZE], "big")


@lru_cache(maxsize=128)
def _mldsa(public: bytes) -> MLDSA44PublicKey:
    """Expanding a key costs more than verifying with it; a policy has at most 128 keys."""
    return MLDSA44PublicKey.from_public_bytes(public)


def _statement(cosigner: Cosigner, text: bytes, moment: int) -> bytes:
    """What is signed. Only a checkpoint can be cosigned."""
    checkpoint = Checkpoint.parse(text.decode())
    if not 0 <= moment <= MAX_TIME:
        raise LogFault(Fault.MALFORMED, "a cosignature's time is out of range")
    if cosigner.algorithm is Algorithm.ED25519_COSIGNATURE:
        return b"cosignature/v1\ntime %d\n" % moment + text
    origin, name = checkpoint.origin.encode(), cosigner.name.encode()
    if len(origin) > MAX_NAME:
        raise LogFault(Fault.MALFORMED, "the log's origin has more than 255 octets")
    return b"".join(
        (
            b"subtree/v1\n\0",
            bytes([len(name)]),
            name,
            moment.to_bytes(8, "big"),
            bytes([len(origin)]),
            origin,
            bytes(8),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )
