"""Checkpoints: what a log signs to say how long it is and what it holds (C2SP tlog-checkpoint)."""

import binascii
import re
from base64 import b64encode
from dataclasses import dataclass

from .fault import Fault, LogFault
from .merkle import HASH_SIZE
from .note import NoteKey, Signer, open_note, valid_name

# Sizes are signed 64-bit in the tools that verify us.
MAX_SIZE = (1 << 63) - 1

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Origin, size and root of a log. Origin is also the name of the log's key."""

    origin: str
    size: int
    root: bytes

    def body(self) -> str:
        """The three signed lines. Extension lines are not used."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    def sign(self, signer: Signer) -> bytes:
        """The checkpoint as a signed note."""
        return signer.sign_note(self.body())

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read the three lines; anything else is refused."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not valid_name(lines[0]) or not _SIZE.fullmatch(lines[1]):
            raise LogFault(
                Fault.MALFORMED, "the checkpoint doesn't have the three lines origin, size and root"
            )
        try:
            root = binascii.a2b_base64(lines[2].encode("ascii"), strict_mode=True)
        except (binascii.Error, UnicodeEncodeError):
            root = b""
        size = int(lines[1])
        if len(root) != HASH_SIZE or b64encode(root).decode() != lines[2] or size > MAX_SIZE:
            raise LogFault(Fault.MALFORMED, "the checkpoint's size or root is malformed")
        return cls(lines[0], size, root)

    @classmethod
    def open(cls, note: bytes, verifier: NoteKey) -> "Checkpoint":
        """Read a signed checkpoint of the log that this key belongs to."""
        checkpoint = cls.parse(open_note(note, [verifier]))
        if checkpoint.origin != verifier.name:
            raise LogFault(Fault.UNSIGNED, "the checkpoint is of another log")
        return checkpoint
