"""The listening copy of a recording that isn't all G.711: each side decoded, in its place, on one time line.

A side is a file of samples with holes. What a packet holds goes where the sink placed the packet; where nothing came
there is a hole, which reads as silence. Two streams of one side at once (early media of two branches) are both heard.
"""

import os
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from mandat.mediation import codecs, ffmpeg
from mandat.mediation.frames import Frame
from mandat.mediation.wav import RATE, parse

WIDE = 16_000
"""The rate where any encoding has more than telephone quality. Opus has more still; speech needs no more."""

PIECE = 15_000
"""Packets decoded at once: five minutes of 20 ms. Each piece begins with a fresh decoder."""

MAX_POSITION = 8000 * 3600 * 37
"""37 hours, what a WAV can hold. A place beyond it was forged."""


def is_wide(frame: Frame) -> bool:
    """Whether a packet's encoding has more than 8000 samples a second."""
    try:
        return codecs.of(frame).rate > RATE
    except ValueError:
        return False


class Side:
    """The samples of one side, 16 bits little-endian, at one rate."""

    def __init__(self, path: Path, rate: int) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        self._file: IO[bytes] = os.fdopen(descriptor, "w+b")
        self._path = path
        self._rate = rate
        self.samples = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def put(self, at: int, sound: bytes) -> None:
        """Adds samples from a place on. What lies before the beginning is cut off."""
        if at < 0:
            at, sound = 0, sound[-2 * at :]
        if not sound or at > MAX_POSITION * (self._rate // RATE):
            return
        self._file.seek(2 * at)
        before = self._file.read(len(sound))
        if any(before):
            sound = _sum(sound, before)
        self._file.seek(2 * at)
        self._file.write(sound)
        self.samples = max(self.samples, at + len(sound) // 2)

    def read(self, at: int, count: int) -> "array[int]":
        """So many samples; silence behind the last one."""
        self._file.seek(2 * at)
        octets = self._file.read(2 * count)
        return _samples(octets + bytes(2 * count - len(octets)))


def stereo(left: Side, right: Side) -> Iterator[bytes]:
    """Both sides, left and right in turn, a second and a bit at a time."""
    length, piece = max(left.samples, right.samples), 1 << 15
    for at in range(0, length, piece):
        count = min(piece, length - at)
        both = array("h", bytes(4 * count))
        both[0::2], both[1::2] = left.read(at, count), right.read(at, count)
        yield _octets(both)


def put_segment(sides: tuple[Side, Side], at: int, octets: bytes, rate: int) -> None:
    """A segment of G.711 as the sink wrote it. At 8000 Hz it stays bit for bit what it is; at twice that, every other
    sample does, and the others lie half-way. Raises ValueError when it is damaged.
    """
    sound, _ = parse(octets)
    both = _samples(sound)
    for side, samples in zip(sides, (both[0::2], both[1::2]), strict=True):
        if any(samples):
            side.put(at * (rate // RATE), _octets(_doubled(samples) if rate == WIDE else samples))


class Streams:
    """Packets by stream and encoding, decoded a piece at a time."""

    def __init__(self, sides: tuple[Side, Side], rate: int) -> None:
        self._sides = sides
        self._rate = rate
        self._waiting: dict[tuple[int, int, str, int, int, int], list[Frame]] = {}
        self.faults: list[str] = []
        """What could not be decoded, once each."""

    def add(self, frame: Frame) -> None:
        """Takes a packet."""
        key = (frame.stream, frame.side, frame.encoding, frame.clock, frame.channels, frame.packing)
        waiting = self._waiting.setdefault(key, [])
        waiting.append(frame)
        if len(waiting) >= PIECE:
            self._decode(self._waiting.pop(key))

    def finish(self) -> None:
        """Decodes what is left."""
        for waiting in self._waiting.values():
            self._decode(waiting)
        self._waiting.clear()

    def _fault(self, encoding: str, why: object) -> None:
        text = f"part of the {encoding} sound can't be decoded: {why}"
        if text not in self.faults:
            self.faults.append(text)

    def _decode(self, waiting: list[Frame]) -> None:
        waiting.sort(key=lambda frame: frame.position)
        runs: dict[codecs.Codec, list[tuple[int, codecs.Unit]]] = {}
        for frame in waiting:
            try:
                codec = codecs.of(frame)
                units = list(codec.units(frame))
            except ValueError as fault:
                self._fault(frame.encoding, fault)
                continue
            # iLBC has two modes, told packet by packet; all others have one codec a key.
            runs.setdefault(codec, []).extend((frame.position, unit) for unit in units)
        for codec, found in runs.items():
            try:
                self._place(self._sides[waiting[0].side], codec, found)
            except ffmpeg.DecodeError as fault:
                self._fault(waiting[0].encoding, fault)

    def _place(self, side: Side, codec: codecs.Codec, found: list[tuple[int, codecs.Unit]]) -> None:
        if not found:
            return
        sound = ffmpeg.decode(codec.file([unit for _, unit in found]), codec.options, self._rate)
        done = 0
        run: tuple[int, int, int] | None = None  # where it goes; first and last sample in `sound`
        for position, unit in found:
            place = position * self._rate // RATE + unit.place * self._rate // codec.rate
            first, done = done * self._rate // codec.rate, done + unit.samples
            last = done * self._rate // codec.rate
            # What joins without a seam is written at once.
            if run is not None and run[0] + (run[2] - run[1]) == place:
                run = (run[0], run[1], last)
                continue
            if run is not None:
                side.put(run[0], sound[2 * run[1] : 2 * run[2]])
            run = (place, first, last)
        if run is not None:
            side.put(run[0], sound[2 * run[1] : 2 * run[2]])


def _samples(octets: bytes) -> "array[int]":
    samples = array("h", octets[: len(octets) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _octets(samples: "array[int]") -> bytes:
    if sys.byteorder == "big":
        samples = array("h", samples)
        samples.byteswap()
    return samples.tobytes()


def _sum(one: bytes, other: bytes) -> bytes:
    a, b = _samples(one), _samples(other)
    for n, value in enumerate(b):
        if value:
            a[n] = max(-32_768, min(32_767, a[n] + value))
    return _octets(a)


def _doubled(samples: "array[int]") -> "array[int]":
    out = array("h", bytes(4 * len(samples)))
    out[0::2] = samples
    following = samples[1:] + samples[-1:]
    out[1::2] = array("h", ((a + b) // 2 for a, b in zip(samples, following, strict=True)))
    return out
