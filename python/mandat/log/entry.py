"""Entries of 73 octets: they commit to an event and show nothing of it; and the disclosures that open one.

    entry  = 0x01 || u64be(epoch) || tag[32] || commit[32]
    tag    = HMAC-SHA256(K_case, "li/tag/v1\\n" || u64be(seq))        seq = 0, 1, 2, … without gaps
    D_i    = base64url(JSON([salt, name, value]))                    shape of an SD-JWT disclosure, RFC 9901
    commit = SHA256("li/commit/v1\\n" || r[32] || sorted(SHA256(D_1) … SHA256(D_n)))

Salt and r come from the operating system. Once they are destroyed an entry says nothing for ever, while
tree and proofs stay as they are.

How many entries there are, and when, is the schedule's matter: `schedule.py`. Entries that say nothing: `dummy.py`.
"""

import hmac
import json
import secrets
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from .fault import Fault, LogFault

VERSION = 1
ENTRY_SIZE = 73
OPENING_SIZE = 32
CASE_KEY_SIZE = 32
SALT_SIZE = 16
# Event times are shown to the minute: finer ones tell when a subscriber was tapped.
EPOCH_SECONDS = 60
# An event has about ten short facts. More, or larger, is not an event of ours.
MAX_DISCLOSURES = 32
MAX_DISCLOSURE = 1024

Value = str | int


@dataclass(frozen=True, slots=True)
class Entry:
    """What the public log shows of one event."""

    epoch: int
    tag: bytes
    commit: bytes

    def encode(self) -> bytes:
        """The 73 octets."""
        return bytes([VERSION]) + self.epoch.to_bytes(8, "big") + self.tag + self.commit

    @classmethod
    def decode(cls, data: bytes) -> "Entry":
        """Read the 73 octets."""
        if len(data) != ENTRY_SIZE or data[0] != VERSION:
            raise LogFault(Fault.DAMAGED, "an entry isn't of version 1 and 73 octets")
        return cls(int.from_bytes(data[1:9], "big"), data[9:41], data[41:73])


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens one entry. Private: it lies apart from the tiles."""

    index: int
    sequence: int
    epoch: int
    randomness: bytes
    disclosures: tuple[str, ...]

    def fields(self) -> dict[str, Value]:
        """The event in clear."""
        return dict(read_disclosure(item) for item in self.disclosures)

    def entry(self, case_key: bytes) -> Entry:
        """The entry that this opening must lead to."""
        return Entry(self.epoch, tag(case_key, self.sequence), commit(self.randomness, self.disclosures))

    def to_line(self) -> bytes:
        """One line of JSON."""
        document = {
            "index": self.index,
            "seq": self.sequence,
            "epoch": self.epoch,
            "opening": b64encode(self.randomness).decode(),
            "disclosures": list(self.disclosures),
        }
        return json.dumps(document, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Opening":
        """Read one line of JSON."""
        try:
            document = json.loads(line)
            opening = cls(
                _natural(document["index"]),
                _natural(document["seq"]),
                _natural(document["epoch"]),
                b64decode(document["opening"], validate=True),
                tuple(str(item) for item in document["disclosures"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            raise LogFault(Fault.DAMAGED, "an opening can't be read") from None
        if len(opening.randomness) != OPENING_SIZE or not 0 < len(opening.disclosures) <= MAX_DISCLOSURES:
            raise LogFault(Fault.DAMAGED, "an opening can't be read")
        return opening


def tag(case_key: bytes, sequence: int) -> bytes:
    """The mark by which the holder of a case's key finds its events, and shows that none follows the last."""
    return hmac.digest(case_key, b"li/tag/v1\n" + sequence.to_bytes(8, "big"), "sha256")


def commit(randomness: bytes, disclosures: Sequence[str]) -> bytes:
    """Commitment to a set of disclosures; their order carries nothing."""
    if len(randomness) != OPENING_SIZE:
        raise ValueError("the opening of a commitment has exactly 32 octets")
    digests = sorted(sha256(item.encode()).digest() for item in disclosures)
    return sha256(b"li/commit/v1\n" + randomness + b"".join(digests)).digest()


def disclose(name: str, value: Value) -> str:
    """A salted disclosure of one fact."""
    salt = urlsafe_b64encode(secrets.token_bytes(SALT_SIZE)).rstrip(b"=").decode()
    body = json.dumps([salt, name, value], separators=(",", ":"), ensure_ascii=False).encode()
    return urlsafe_b64encode(body).rstrip(b"=").decode()


def read_disclosure(disclosure: str) -> tuple[str, Value]:
    """Name and value of a disclosure."""
    try:
        if len(disclosure) > MAX_DISCLOSURE:
            raise ValueError
        salt, name, value = json.loads(urlsafe_b64decode(disclosure + "=" * (-len(disclosure) % 4)))
    except (ValueError, TypeError, RecursionError):
        raise LogFault(Fault.DAMAGED, "a disclosure can't be read") from None
    if not isinstance(salt, str) or not isinstance(name, str) or isinstance(value, bool):
        raise LogFault(Fault.DAMAGED, "a disclosure can't be read")
    if not isinstance(value, str | int):
        raise LogFault(Fault.DAMAGED, "a disclosure can't be read")
    return name, value


def previous(opening: Opening) -> str:
    """What the next event of a case says of this one."""
    return sha256(commit(opening.randomness, opening.disclosures)).hexdigest()


def seal(
    index: int,
    sequence: int,
    epoch: int,
    case_key: bytes,
    fields: Mapping[str, Value],
    randomness: bytes | None = None,
    stated: Sequence[str] = (),
) -> tuple[Entry, Opening]:
    """Entry and opening of an event; `stated` are disclosures that were made before, when it began to wait."""
    disclosures = (*stated, *(disclose(name, value) for name, value in fields.items()))
    opening = Opening(index, sequence, epoch, randomness or secrets.token_bytes(OPENING_SIZE), disclosures)
    return opening.entry(case_key), opening


def _natural(value: object) -> int:
    # Bounded by u64 so that no number of a damaged file overflows `to_bytes`.
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 64:
        raise ValueError
    return value
