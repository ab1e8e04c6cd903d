"""The published schedule: how many leaves the log gets and when, whatever happens or doesn't.

    log/schedule   {"version": 1, "segments": [{"from": 1780000020, "mode": "fixed", "tick": 15, "leaves": 4}, …]}

Nothing of the position in the schedule is stored: which tick is next follows from the log's size, so that no clock and
no crash can make a second batch for one tick. Each segment but an implied first one is also a `schedule` event in the
log, which an overseer compares with this file.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from .durable import make_directory, write_atomic
from .entry import EPOCH_SECONDS
from .fault import Fault, LogFault

VERSION = 1
FILE = "schedule"
# Case of events that belong to no warrant. No LIID begins with an underscore.
SITE_CASE = "_site"
# 16 leaves an epoch: 8.4 million a year, 0.63 GB; a start waits a tick at most.
TICK_SECONDS = 15
LEAVES = 4
# One bundle: a tick never rewrites more than two tiles of the lowest level.
MAX_LEAVES = 256
# A log with more changes than this was not scheduled but steered.
MAX_SEGMENTS = 1_000
# 9999-12-31: beyond it no calendar of ours can write a time down.
MAX_TIME = 253_402_300_799
MAX_FILE = 1 << 20


class Mode(StrEnum):
    """When leaves are added."""

    PLAIN = "plain"
    """One leaf an event: logs from before there were schedules."""
    ON_ACT = "on_act"
    """At each append, padded to a multiple of `leaves`: for labs and trials. Times and rough counts show."""
    FIXED = "fixed"
    """`leaves` at each tick, whatever happens."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One rule, in force from a time (seconds since 1970) until the next one's."""

    start: int
    mode: Mode
    leaves: int = 1
    tick: int = 0

    def __post_init__(self) -> None:
        sound = 0 <= self.start <= MAX_TIME and 1 <= self.leaves <= MAX_LEAVES
        if self.mode is Mode.FIXED:
            # Ticks divide the epoch, so that an epoch's leaves are the same number each time.
            sound = sound and self.tick > 0 and EPOCH_SECONDS % self.tick == 0 and self.start % self.tick == 0
        elif self.mode is Mode.PLAIN:
            sound = sound and self.leaves == 1 and self.tick == 0
        else:
            sound = sound and self.tick == 0
        if not sound:
            raise LogFault(
                Fault.MALFORMED,
                "the schedule is wrong: a tick divides 60 s, begins on a multiple of itself, and has 1 to 256 leaves",
                where=FILE,
            )

    @classmethod
    def fixed(cls, now: float, tick: int = TICK_SECONDS, leaves: int = LEAVES) -> "Segment":
        """Fixed slots from the tick that `now` lies in."""
        if tick <= 0:
            raise LogFault(Fault.MALFORMED, "a tick has at least one second", where=FILE)
        return cls(int(now) // tick * tick, Mode.FIXED, leaves, tick)

    @classmethod
    def on_act(cls, now: float, leaves: int = LEAVES) -> "Segment":
        """A batch at each act."""
        return cls(int(now), Mode.ON_ACT, leaves)

    def said(self) -> tuple[str, int, int, str]:
        """Mode, leaves, tick and begin, as a `schedule` event states them."""
        begins = datetime.fromtimestamp(self.start, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self.mode.value, self.leaves, self.tick, begins

    def number(self, moment: float) -> int:
        """The tick that a time lies in."""
        return int(moment) // self.tick

    @property
    def first(self) -> int:
        """The segment's first tick."""
        return self.start // self.tick


@dataclass(frozen=True, slots=True)
class Position:
    """Where a log of some size stands in its schedule."""

    segment: Segment
    base: int
    """Index of the segment's first leaf."""
    tick: int = 0
    """The next tick to be written; fixed only."""
    ticks_left: int | None = None
    """Ticks until the next segment begins; None: no end is known."""

    @property
    def due(self) -> int:
        """When the next tick may be written."""
        return self.tick * self.segment.tick


@dataclass(frozen=True, slots=True)
class Schedule:
    """All segments, by time."""

    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        starts = [segment.start for segment in self.segments]
        if not starts or len(starts) > MAX_SEGMENTS or any(a >= b for a, b in pairwise(starts)):
            raise LogFault(Fault.MALFORMED, "the schedule's segments don't follow each other", where=FILE)
        if any(start % EPOCH_SECONDS for start in starts[1:]):
            raise LogFault(Fault.MALFORMED, "a change of schedule begins with an epoch of 60 s", where=FILE)

    @classmethod
    def read(cls, directory: Path) -> "Schedule":
        """The schedule of a log. A log without one is plain."""
        path = directory / FILE
        try:
            with path.open("rb") as file:
                data = file.read(MAX_FILE + 1)
        except FileNotFoundError:
            return PLAIN
        except OSError as error:
            raise LogFault(Fault.DAMAGED, f"can't be read: {error.strerror}", where=str(path)) from None
        return cls.parse(data)

    @classmethod
    def parse(cls, data: bytes) -> "Schedule":
        """Read the file's octets."""
        try:
            if len(data) > MAX_FILE:
                raise ValueError
            document = json.loads(data)
            if document["version"] != VERSION:
                raise ValueError
            segments = tuple(
                Segment(
                    _natural(item["from"]),
                    Mode(item["mode"]),
                    _natural(item["leaves"]),
                    _natural(item["tick"]),
                )
                for item in document["segments"]
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            raise LogFault(
                Fault.MALFORMED, "the schedule can't be read", where=FILE, advice="Restore it from a copy."
            ) from None
        return cls(segments)

    def encode(self) -> bytes:
        """The file's octets."""
        segments = [
            {"from": item.start, "mode": item.mode.value, "tick": item.tick, "leaves": item.leaves}
            for item in self.segments
        ]
        return json.dumps({"version": VERSION, "segments": segments}, indent=1).encode() + b"\n"

    def write(self, directory: Path) -> None:
        """Publish. Raises OSError."""
        make_directory(directory)
        write_atomic(directory / FILE, self.encode())

    def then(self, segment: Segment) -> "Schedule":
        """With one more segment behind the others."""
        return Schedule((*self.segments, segment))

    def position(self, size: int, now: float, first_from: Callable[[int], int]) -> Position:
        """Where a log of `size` leaves stands.

        `first_from(epoch)` is the index of the first leaf of that epoch or a later one, or the size. Only segments
        behind one without a clock need it.
        """
        base = 0
        for segment, following in zip(self.segments, (*self.segments[1:], None), strict=True):
            if segment.mode is Mode.FIXED:
                done, rest = divmod(size - base, segment.leaves)
                if following is None:
                    if rest:
                        raise _off(size)
                    return Position(segment, base, segment.first + done)
                ticks = (following.start - segment.start) // segment.tick
                if done < ticks:
                    if rest:
                        raise _off(size)
                    return Position(segment, base, segment.first + done, ticks - done)
                base += ticks * segment.leaves
                continue
            if following is None:
                return Position(segment, base)
            begun = first_from(following.start // EPOCH_SECONDS)
            if begun == size and now < following.start:
                return Position(segment, base)
            base = begun
        raise AssertionError("a schedule has a last segment")  # pragma: no cover


PLAIN = Schedule((Segment(0, Mode.PLAIN),))


def _off(size: int) -> LogFault:
    return LogFault(
        Fault.FORKED,
        f"the log's {size} entries don't fill whole ticks of its schedule",
        where=FILE,
        advice="Schedule and log are not from the same copy: restore both from one, and tell the overseer.",
    )


def _natural(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TIME:
        raise ValueError
    return value
