"""Events that wait for a slot: private, durable, and taken in order of urgency.

Randomness and salts are drawn when an event joins the queue, so an event can be recognised in the openings: one that a
crash left both in the log and in the queue is found and taken out. Trust: who can write here can make a waiting event
vanish before it is logged. So what starts something waits for the log itself, see `event.URGENCY`.
"""

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .durable import PRIVATE, append, write_atomic
from .entry import OPENING_SIZE, Value, disclose, read_disclosure
from .event import Urgency, urgency
from .fault import Fault, LogFault

FILE = "queue.jsonl"
# At four events a tick this is a day and a half of a log that never rests. Beyond it something is broken.
MAX_WAITING = 32_768


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that has its randomness, and neither index nor sequence number yet."""

    case: str
    urgency: Urgency
    randomness: bytes
    disclosures: tuple[str, ...]

    @classmethod
    def of(cls, fields: Mapping[str, Value]) -> "Draft":
        """From the facts of an event."""
        return cls(
            str(fields["liid"]),
            urgency(str(fields["kind"])),
            secrets.token_bytes(OPENING_SIZE),
            tuple(disclose(name, value) for name, value in fields.items()),
        )

    def to_line(self) -> bytes:
        """One line of JSON."""
        document = {
            "case": self.case,
            "urgency": self.urgency.value,
            "opening": b64encode(self.randomness).decode(),
            "disclosures": list(self.disclosures),
        }
        return json.dumps(document, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Draft":
        """Read one line of JSON."""
        try:
            document = json.loads(line)
            draft = cls(
                document["case"],
                Urgency(document["urgency"]),
                b64decode(document["opening"], validate=True),
                tuple(document["disclosures"]),
            )
            if dict(read_disclosure(item) for item in draft.disclosures)["liid"] != draft.case:
                raise ValueError
        except (ValueError, KeyError, TypeError, RecursionError, AttributeError):
            raise LogFault(Fault.DAMAGED, "an event that waits can't be read", where=FILE) from None
        return draft


class Queue:
    """The file of waiting events. Its user holds the log's lock."""

    def __init__(self, openings: Path) -> None:
        self._path = openings / FILE

    def waiting(self) -> list[Draft]:
        """All that waits, in the order it is taken."""
        try:
            lines = self._path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise LogFault(Fault.DAMAGED, f"can't be read: {error.strerror}", where=str(self._path)) from None
        # A line that a crash tore was never acknowledged.
        drafts = [Draft.from_line(line) for line in lines if line.endswith(b"\n")]
        return sorted(drafts, key=lambda draft: draft.urgency)

    def add(self, drafts: Sequence[Draft]) -> None:
        """Keep events; durable on return. Raises OSError."""
        have = self.waiting()
        if len(have) + len(drafts) > MAX_WAITING:
            raise LogFault(
                Fault.LOCKED,
                f"{len(have)} events wait for a slot of the log",
                where=str(self._path),
                advice="Publish a schedule with more leaves: mandat log schedule --help.",
            )
        lines = b"".join(draft.to_line() for draft in drafts)
        torn = self._path.exists() and not self._path.read_bytes().endswith(b"\n")
        if torn and self._path.stat().st_size:
            self._write(have)
        append(self._path, lines)

    def remove(self, randomness: Iterable[bytes]) -> None:
        """Take events out. Raises OSError."""
        gone = set(randomness)
        have = self.waiting()
        kept = [draft for draft in have if draft.randomness not in gone]
        if len(kept) != len(have):
            self._write(kept)

    def _write(self, drafts: Sequence[Draft]) -> None:
        write_atomic(self._path, b"".join(draft.to_line() for draft in drafts), PRIVATE)
