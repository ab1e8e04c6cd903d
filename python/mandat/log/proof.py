"""Proofs that verify offline (C2SP tlog-proof): an event's place in the log under a cosigned checkpoint.

    c2sp.org/tlog-proof@v1
    extra <base64>        JSON: the entry, its opening, the disclosures that are shown, digests of those that aren't
    index <decimal>
    <base64>…             inclusion proof
                          an empty line, then the checkpoint

Nothing authenticates the extra line but what it leads to: the entry must be the one that the proof is for, and opening
and disclosures must hash to the entry's commitment. Both are checked here.
"""

import binascii
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256

from .checkpoint import MAX_SIZE
from .entry import (
    ENTRY_SIZE,
    MAX_DISCLOSURE,
    MAX_DISCLOSURES,
    OPENING_SIZE,
    Entry,
    Opening,
    Value,
    read_disclosure,
)
from .fault import Fault, LogFault
from .merkle import HASH_SIZE, MAX_PROOF, leaf_hash, verify_inclusion
from .note import MAX_NOTE, decode64, split_note
from .policy import Policy, Verdict
from .reader import Tiles

HEADER = "c2sp.org/tlog-proof@v1"
# 32 disclosures of at most 1 kB each, in JSON and base64.
MAX_EXTRA = 1 << 16
MAX_FILE = MAX_NOTE + 2 * MAX_EXTRA
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Proof:
    """A `.tlog-proof` file."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def encode(self) -> bytes:
        """The file."""
        lines = [HEADER, *([f"extra {b64encode(self.extra).decode()}"] if self.extra else [])]
        lines += [f"index {self.index}", *(b64encode(item).decode() for item in self.hashes), "", ""]
        return "\n".join(lines).encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> "Proof":
        """Read a file; anything out of form is refused."""
        if len(data) > MAX_FILE:
            raise _malformed("the file is too large")
        head, blank, checkpoint = data.partition(b"\n\n")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            lines = []
        if not blank or len(lines) < 2 or lines[0] != HEADER:
            raise _malformed(f"the first line isn't {HEADER}")
        extra = b""
        if lines[1].startswith("extra "):
            extra = decode64(lines.pop(1).removeprefix("extra ")) or b""
            if not 0 < len(extra) <= MAX_EXTRA:
                raise _malformed("the extra line is malformed")
        found = _INDEX.fullmatch(lines[1]) if len(lines) > 1 else None
        hashes = [decode64(line) for line in lines[2:]]
        if found is None or int(found[1]) > MAX_SIZE:
            raise _malformed("the index line is malformed")
        if len(hashes) > MAX_PROOF or any(item is None or len(item) != HASH_SIZE for item in hashes):
            raise _malformed("a line of the inclusion proof isn't a hash")
        split_note(checkpoint)
        return cls(int(found[1]), tuple(item for item in hashes if item is not None), checkpoint, extra)

    def verify(self, policy: Policy, entry: bytes) -> Verdict:
        """Refuse unless the entry stands at the index, under a checkpoint that satisfies the policy."""
        verdict = policy.satisfied(self.checkpoint)
        head = verdict.checkpoint
        if not verify_inclusion(leaf_hash(entry), self.index, head.size, self.hashes, head.root):
            raise LogFault(Fault.DAMAGED, "the proof doesn't lead from this entry to the checkpoint's root")
        return verdict


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the extra line holds of an event of ours."""

    entry: bytes
    randomness: bytes
    disclosures: tuple[str, ...]
    hidden: tuple[bytes, ...] = ()
    """Digests of the disclosures that are not shown."""

    @classmethod
    def of(cls, tiles: Tiles, opening: Opening, only: Collection[str] = ()) -> "Evidence":
        """All facts of an event, or only those named."""
        shown, hidden = [], []
        for item in opening.disclosures:
            if only and read_disclosure(item)[0] not in only:
                hidden.append(sha256(item.encode()).digest())
            else:
                shown.append(item)
        return cls(tiles.entry(opening.index), opening.randomness, tuple(shown), tuple(sorted(hidden)))

    def encode(self) -> bytes:
        """As the extra data of a proof."""
        document = {
            "entry": b64encode(self.entry).decode(),
            "opening": b64encode(self.randomness).decode(),
            "disclosures": list(self.disclosures),
            "hidden": [b64encode(item).decode() for item in self.hidden],
        }
        return json.dumps(document, separators=(",", ":")).encode()

    @classmethod
    def parse(cls, extra: bytes) -> "Evidence":
        """Read the extra data."""
        try:
            document = json.loads(extra)
            found = cls(
                b64decode(document["entry"], validate=True),
                b64decode(document["opening"], validate=True),
                tuple(_text(item) for item in document["disclosures"]),
                tuple(b64decode(item, validate=True) for item in document["hidden"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
            raise _malformed("the extra data don't open an entry") from None
        parts = len(found.disclosures) + len(found.hidden)
        if (
            len(found.entry) != ENTRY_SIZE
            or len(found.randomness) != OPENING_SIZE
            or not 0 < parts <= MAX_DISCLOSURES
            or any(len(item) != HASH_SIZE for item in found.hidden)
        ):
            raise _malformed("the extra data don't open an entry")
        return found

    def facts(self) -> dict[str, Value]:
        """The facts shown, once they have been found to be those that the entry commits to."""
        digests = sorted([sha256(item.encode()).digest() for item in self.disclosures] + list(self.hidden))
        commitment = sha256(b"li/commit/v1\n" + self.randomness + b"".join(digests)).digest()
        if Entry.decode(self.entry).commit != commitment:
            raise LogFault(Fault.DAMAGED, "the disclosures aren't those that the entry commits to")
        return dict(read_disclosure(item) for item in self.disclosures)


def prove(tiles: Tiles, checkpoint: bytes, opening: Opening, only: Collection[str] = ()) -> Proof:
    """The proof of one event under a checkpoint whose size `tiles` has."""
    evidence = Evidence.of(tiles, opening, only)
    return Proof(opening.index, tuple(tiles.inclusion(opening.index)), checkpoint, evidence.encode())


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_DISCLOSURE:
        raise TypeError
    value.encode("ascii")  # base64url; a lone surrogate of JSON must not get further
    return value


def _malformed(message: str) -> LogFault:
    return LogFault(Fault.MALFORMED, message, advice="The file is cut or altered, or no .tlog-proof at all.")
