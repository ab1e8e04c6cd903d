"""What a store of sealed call records does.

A store is *not* trusted with identities: it holds keyed tokens and sealed rows, and no key. Whoever copies all of it
learns when calls were made and how they ended, but not by whom. Whoever alters it is found out: a row is bound by
its seal to its segment, its place and its tokens, and each segment's digest stands in the manifest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

VERSION = "2"
"""How rows are sealed and what their bodies are, as a segment's metadata say; see the head of seal.rs."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One committed batch of sealed call records, as its line in the manifest tells."""

    id: str
    """Hex of the 16 octets that the seal of each row is bound to."""
    liid: str
    """The retention warrant's label."""
    period: str
    """The UTC month whose key seals the rows: `2026-06`."""
    path: str
    """Where the file is, below the store."""
    rows: int
    octets: int
    sha256: str
    first: datetime
    """Earliest start of a call."""
    last: datetime
    """Latest start of a call."""


@dataclass(frozen=True, slots=True)
class SealedRow:
    """One call record, still sealed: what can be known of it without a key."""

    segment: str
    index: int
    start: datetime
    ringing: datetime | None
    answer: datetime | None
    end: datetime | None
    end_reason: str
    status: int | None
    caller_token: bytes
    callee_token: bytes
    sealed: bytes


class RecordStore(Protocol):
    """Where call records are kept, by warrant and period."""

    def put(self, liid: str, period: str, stream: bytes) -> Segment:
        """Commits one Arrow IPC stream of sealed rows: once this returns, the rows survive a power cut."""
        ...

    def segments(self, liid: str, period: str | None = None) -> list[Segment]:
        """All committed segments of a warrant, oldest first."""
        ...

    def find(
        self, liid: str, period: str, token: bytes, start: datetime, end: datetime
    ) -> Iterator[SealedRow]:
        """Rows of one period whose caller or callee has `token` and whose start is in [start, end)."""
        ...

    def damaged(self) -> list[str]:
        """What the last `find` could not read: one sentence a segment, naming the file."""
        ...
