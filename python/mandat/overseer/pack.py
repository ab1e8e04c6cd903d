"""What the operator hands to the overseer: some disclosures of each event, digests of the others, the dummies' key.

Shown are kind, label, authority, window, roles, counts and chain (LOG.md 2.3); `cin`, `run` and digests of product
stay closed. The randomness and all digests are there, so that each opening leads to its leaf.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from typing import Any

from ..log import DummyKeys, Fault, LogFault, Opening
from ..log.entry import OPENING_SIZE, Value, read_disclosure

VERSION = 1
FORMAT = "mandat-overseer-pack"
HIDDEN = frozenset({"cin", "run", "records_root", "what"})
# A year of a busy site: 100,000 events of 2 KiB.
MAX_PACK = 1 << 30
_MAX_INDEX = 1 << 62


@dataclass(frozen=True, slots=True)
class PartialOpening:
    """An event of which some facts are shown."""

    index: int
    randomness: bytes
    shown: tuple[str, ...]
    hidden: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, opening: Opening) -> "PartialOpening":
        """Close what an overseer doesn't get."""
        closed = [item for item in opening.disclosures if read_disclosure(item)[0] in HIDDEN]
        return cls(
            opening.index,
            opening.randomness,
            tuple(item for item in opening.disclosures if item not in closed),
            tuple(sha256(item.encode()).digest() for item in closed),
        )

    @property
    def commit(self) -> bytes:
        """The commitment that this must be the opening of."""
        digests = sorted([*(sha256(item.encode()).digest() for item in self.shown), *self.hidden])
        return sha256(b"li/commit/v1\n" + self.randomness + b"".join(digests)).digest()

    def fields(self) -> dict[str, Value]:
        """What is shown. A name that is disclosed twice says nothing."""
        found: dict[str, Value] = {}
        for name, value in map(read_disclosure, self.shown):
            if name in found:
                raise LogFault(Fault.DAMAGED, f"entry {self.index} states {name} twice")
            found[name] = value
        return found


@dataclass(frozen=True, slots=True)
class Pack:
    """All of it."""

    origin: str
    dummy_root: bytes | None
    events: tuple[PartialOpening, ...]

    def dummies(self) -> DummyKeys | None:
        """The dummies' keys, if they were handed over."""
        return None if self.dummy_root is None else DummyKeys(self.dummy_root)

    @classmethod
    def build(cls, origin: str, root: bytes | None, openings: Iterable[Opening]) -> "Pack":
        """On the operator's side."""
        return cls(origin, root, tuple(PartialOpening.of(item) for item in openings))

    def seal(self, recipient: str) -> bytes:
        """Encrypted to an age recipient."""
        document = {
            "format": FORMAT,
            "version": VERSION,
            "origin": self.origin,
            "dummy_root": None if self.dummy_root is None else b64encode(self.dummy_root).decode(),
            "events": [
                [e.index, b64encode(e.randomness).decode(), list(e.shown), [h.hex() for h in e.hidden]]
                for e in self.events
            ],
        }
        age = import_module("pyrage")
        try:
            to = age.x25519.Recipient.from_str(recipient)
        except age.RecipientError:
            raise LogFault(
                Fault.MALFORMED, "this is no age recipient", advice="It begins with age1."
            ) from None
        sealed: bytes = age.encrypt(json.dumps(document, separators=(",", ":")).encode(), [to])
        return sealed

    @classmethod
    def open(cls, sealed: bytes, identity: str) -> "Pack":
        """Decrypt and read."""
        age = import_module("pyrage")
        try:
            keys = [line for line in identity.split() if line.startswith("AGE-SECRET-KEY-")]
            plain = age.decrypt(sealed, [age.x25519.Identity.from_str(key) for key in keys])
        except (age.DecryptError, age.IdentityError):
            raise LogFault(
                Fault.DAMAGED, "the pack doesn't open with this key", advice="Ask for it again."
            ) from None
        return cls.parse(plain)

    @classmethod
    def parse(cls, plain: bytes) -> "Pack":
        """Read the octets inside."""
        try:
            document: Any = json.loads(plain)
            if document["format"] != FORMAT or document["version"] != VERSION or len(plain) > MAX_PACK:
                raise ValueError
            root = document["dummy_root"]
            pack = cls(
                str(document["origin"]),
                None if root is None else b64decode(root, validate=True),
                tuple(_event(item) for item in document["events"]),
            )
            pack.dummies()
        except (ValueError, KeyError, TypeError, RecursionError):
            raise LogFault(Fault.MALFORMED, "the pack can't be read") from None
        return pack


def _event(item: Any) -> PartialOpening:
    index, randomness, shown, hidden = item
    opened = b64decode(randomness, validate=True)
    if not isinstance(index, int) or not 0 <= index < _MAX_INDEX or len(opened) != OPENING_SIZE:
        raise ValueError
    digests = tuple(bytes.fromhex(each) for each in hidden)
    if any(len(each) != 32 for each in digests) or not all(isinstance(each, str) for each in shown):
        raise ValueError
    return PartialOpening(index, opened, tuple(shown), digests)
