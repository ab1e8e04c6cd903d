"""Signed notes, verifier keys, Ed25519 signatures (C2SP signed-note), with the verdicts of Go's reader."""

import binascii
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from .fault import Fault, LogFault

ED25519 = b"\x01"
# Both limits are those of Go's reader, so that no note passes here and fails there.
MAX_NOTE = 1_000_000
MAX_SIGNATURES = 100

_DASH = "\u2014 "
SECRET_PREFIX = "PRIVATE+KEY+"  # noqa: S105 - the marker of the format, not a secret


class NoteKey(Protocol):
    """A named public key of any algorithm, as `open_signatures` asks it."""

    @property
    def name(self) -> str:
        """Name of the key."""

    @property
    def key_id(self) -> bytes:
        """First four octets of SHA-256(name, newline, algorithm, key)."""

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature (without key identifier) over the note's text is this key's."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A named public key."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> "Verifier":
        """Read `name+hex(key id)+base64(algorithm, key)`; the base64 may itself hold a plus sign."""
        parts = vkey.split("+", 2)
        if len(parts) != 3 or not valid_name(parts[0]):
            raise _malformed("this is not a verifier key")
        material = decode64(parts[2])
        if material is None or len(material) != 33 or material[:1] != ED25519:
            raise _malformed("this is not an Ed25519 verifier key")
        verifier = cls(parts[0], material[1:])
        if parts[1] != verifier.key_id.hex():
            raise _malformed("the verifier key's identifier isn't that of its key")
        return verifier

    @property
    def key_id(self) -> bytes:
        """First four octets of SHA-256(name, newline, algorithm, key)."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        """The key in its text form."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(ED25519 + self.public).decode()}"

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature over the message is this key's."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """A named private key. Its text form is that of Go's note tools: `PRIVATE+KEY+name+id+base64`."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        if not valid_name(name):
            raise _malformed("a key's name has no space, plus sign or control character, and isn't empty")
        self._key = key
        self.verifier = Verifier(name, key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, name: str) -> "Signer":
        """A new key from the operating system's randomness."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, skey: str) -> "Signer":
        """Read the text form."""
        if not skey.startswith(SECRET_PREFIX):
            raise _malformed("this is not a signing key")
        parts = skey.removeprefix(SECRET_PREFIX).split("+", 2)
        material = decode64(parts[2]) if len(parts) == 3 else None
        if material is None or len(material) != 33 or material[:1] != ED25519:
            raise _malformed("this is not an Ed25519 signing key")
        signer = cls(parts[0], Ed25519PrivateKey.from_private_bytes(material[1:]))
        if parts[1] != signer.verifier.key_id.hex():
            raise _malformed("the signing key's identifier isn't that of its key")
        return signer

    @property
    def skey(self) -> str:
        """The key in its text form. Secret."""
        material = b64encode(ED25519 + self._key.private_bytes_raw()).decode()
        return f"{SECRET_PREFIX}{self.verifier.name}+{self.verifier.key_id.hex()}+{material}"

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature, 64 octets."""
        return self._key.sign(message)

    def sign_note(self, text: str) -> bytes:
        """The text as a signed note."""
        if not text.endswith("\n"):
            raise _malformed("a note's text ends with a newline")
        line = signature_line(self.verifier.name, self.verifier.key_id, self.sign(text.encode()))
        return f"{text}\n{line}".encode()


def open_note(note: bytes, known: Iterable[NoteKey]) -> str:
    """The text of a note that at least one known key has signed, and whose known signatures all hold."""
    return open_signatures(note, known)[0]


def open_signatures(note: bytes, known: Iterable[NoteKey]) -> tuple[str, list[tuple[NoteKey, bytes]]]:
    """The text and each known key's signature, in the order of the lines.

    Signatures by unknown keys are ignored, as the specification asks: a log may add new algorithms. Of one key only
    the first line counts, as in Go's reader.
    """
    text, signatures = split_note(note)
    keys = {(verifier.name, verifier.key_id): verifier for verifier in known}
    good: dict[tuple[str, bytes], tuple[NoteKey, bytes]] = {}
    for name, key_id, signature in signatures:
        verifier = keys.get((name, key_id))
        if verifier is None or (name, key_id) in good:
            continue
        if not verifier.verify(text.encode(), signature):
            raise LogFault(
                Fault.UNSIGNED, "a signature on the note is wrong", advice="The note was altered or forged."
            )
        good[name, key_id] = verifier, signature
    if not good:
        raise LogFault(
            Fault.UNSIGNED, "no known key has signed the note", advice="Check which log's key is pinned."
        )
    return text, list(good.values())


def split_note(note: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Text and signatures (name, key identifier, signature), none of them verified."""
    if len(note) > MAX_NOTE:
        raise _malformed("the note is larger than 1,000,000 octets")
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise _malformed("the note isn't UTF-8") from None
    if any(character < " " and character != "\n" for character in whole):
        raise _malformed("the note holds a control character")
    text, blank, tail = whole.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise _malformed("the note has no signatures")
    return text + "\n", split_lines(tail)


def split_lines(tail: str) -> list[tuple[str, bytes, bytes]]:
    """Signature lines (name, key identifier, signature), none of them verified."""
    lines = tail.removesuffix("\n").split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise _malformed("the note has more than 100 signatures")
    return [_signature_line(line) for line in lines]


def signature_line(name: str, key_id: bytes, signature: bytes) -> str:
    """One line of a signed note."""
    return f"{_DASH}{name} {b64encode(key_id + signature).decode()}\n"


def lines_of(name: str, lines: bytes) -> bytes:
    """Only the signature lines under one name: what others signed is left out, none of it verified."""
    mark = f"{_DASH}{name} ".encode()
    return b"".join(line for line in lines.splitlines(keepends=True) if line.startswith(mark))


def valid_name(name: str) -> bool:
    """Whether a key may have this name."""
    # Surrogates stand for octets that are no UTF-8.
    return bool(name) and not any(
        c.isspace() or c < " " or c in "+\x7f" or "\ud800" <= c <= "\udfff" for c in name
    )


def _signature_line(line: str) -> tuple[str, bytes, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    data = decode64(encoded)
    if not line.startswith(_DASH) or not space or not valid_name(name) or data is None or len(data) < 5:
        raise _malformed("a signature line is malformed")
    return name, data[:4], data[4:]


def decode64(text: str) -> bytes | None:
    """Standard base64, and only its one canonical spelling."""
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return data if b64encode(data).decode() == text else None


def _malformed(message: str) -> LogFault:
    return LogFault(Fault.MALFORMED, message)
