"""Joins the listening copies of a recording's segments into one WAV, a segment at a time.

Each segment is a whole WAV of at most ten seconds with a cue for each gap (RIFF MCI, IBM and Microsoft, 1991). The
joined file has one header over all of them, and the cues moved to where they now are.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from mandat.errors import StoreError

FRAME = 4
"""Octets of one moment: 16 bits left (caller), 16 bits right (callee)."""

RATE = 8000
HEADER = 44
MAX_DATA = 0xFFFF_FFFF - (1 << 20)
"""RIFF counts with 32 bits: 37 hours of sound. What is longer stays in the segments, and is said."""

MAX_MARKS = 10_000
"""Gaps that are marked in the joined file; a line with more is useless, and recording.json lists all."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A gap: where it begins, how long it is, in frames, and what it says."""

    start: int
    length: int
    label: bytes


def parse(octets: bytes) -> tuple[bytes, list[Mark]]:
    """The sound and the marks of one segment; whatever else it holds is passed over. Raises ValueError."""
    if len(octets) < 12 or octets[:4] != b"RIFF" or octets[8:12] != b"WAVE":
        raise ValueError("not a WAV")
    sound: bytes | None = None
    starts: dict[int, int] = {}
    lengths: dict[int, int] = {}
    labels: dict[int, bytes] = {}
    for name, body in _chunks(octets, 12):
        if name == b"data":
            sound = body[: len(body) - len(body) % FRAME]
        elif name == b"cue ":
            for at in range(4, len(body) - 23, 24):
                mark, start = struct.unpack_from("<II", body, at)
                starts[mark] = start
        elif name == b"LIST" and body[:4] == b"adtl":
            for kind, note in _chunks(body, 4):
                if len(note) >= 8 and kind == b"ltxt":
                    mark, length = struct.unpack_from("<II", note)
                    lengths[mark] = length
                elif len(note) >= 4 and kind == b"labl":
                    labels[struct.unpack_from("<I", note)[0]] = note[4:].rstrip(b"\0")
    if sound is None:
        raise ValueError("a WAV without sound")
    return sound, [
        Mark(start, lengths.get(mark, 0), labels.get(mark, b"gap")) for mark, start in starts.items()
    ]


def _chunks(octets: bytes, at: int) -> list[tuple[bytes, bytes]]:
    found = []
    while at + 8 <= len(octets):
        name, length = octets[at : at + 4], struct.unpack_from("<I", octets, at + 4)[0]
        found.append((name, octets[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return found


class Joined:
    """The joined file, written in one pass; the header's lengths are filled in at the end."""

    def __init__(self, path: Path, rate: int = RATE) -> None:
        self._path = path
        self._rate = rate
        self._file: IO[bytes] = path.open("wb")
        self._file.write(bytes(HEADER))
        self._marks: list[Mark] = []
        self.frames = 0

    def __enter__(self) -> Self:
        return self

    def append(self, octets: bytes) -> None:
        """Adds one segment behind the last one."""
        try:
            sound, marks = parse(octets)
        except ValueError as fault:
            raise StoreError("product_damaged", f"a segment of sound is damaged: {fault}") from None
        room = MAX_DATA - self.frames * FRAME
        self._file.write(sound[:room])
        for mark in marks[: MAX_MARKS - len(self._marks)]:
            self._marks.append(Mark(self.frames + mark.start, mark.length, mark.label))
        self.frames += len(sound[:room]) // FRAME

    def add(self, sound: bytes) -> None:
        """Adds sound as it is, left and right in turn."""
        room = MAX_DATA - self.frames * FRAME
        self._file.write(sound[:room])
        self.frames += len(sound[:room]) // FRAME

    def mark(self, start: int, length: int, label: str) -> None:
        """Marks a gap."""
        if len(self._marks) < MAX_MARKS:
            self._marks.append(Mark(start, length, label.encode()))

    def silence(self, frames: int) -> None:
        """Stands in for a segment that is missing, so that what follows keeps its place in time; it is marked."""
        if frames > 0:
            self._marks.append(Mark(self.frames, frames, b"segment missing"))
        while frames > 0:
            piece = min(frames, RATE)
            self._file.write(bytes(piece * FRAME))
            self.frames += piece
            frames -= piece

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file as file:
            data = self.frames * FRAME
            tail = self._tail()
            file.write(tail)
            file.seek(0)
            file.write(struct.pack("<4sI4s", b"RIFF", HEADER - 8 + data + len(tail), b"WAVE"))
            file.write(
                struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, self._rate, self._rate * FRAME, FRAME, 16)
            )
            file.write(struct.pack("<4sI", b"data", data))

    def _tail(self) -> bytes:
        if not self._marks:
            return b""
        cues, notes = struct.pack("<I", len(self._marks)), b"adtl"
        for number, mark in enumerate(self._marks, 1):
            cues += struct.pack("<II4sIII", number, mark.start, b"data", 0, 0, mark.start)
            notes += _chunk(b"ltxt", struct.pack("<II4sQ", number, mark.length, b"rgn ", 0))
            notes += _chunk(b"labl", struct.pack("<I", number) + mark.label + b"\0")
        return _chunk(b"cue ", cues) + _chunk(b"LIST", notes)


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
