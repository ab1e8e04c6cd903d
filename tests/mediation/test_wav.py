"""Joining the listening copies of segments: every moment keeps its place, and every gap its mark."""

import io
import struct
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mandat.errors import StoreError
from mandat.mediation.wav import FRAME, Joined, parse


def segment(frames: int, marks: list[tuple[int, int]] = []) -> bytes:  # noqa: B006 - never changed
    """A WAV as the sink writes it: a cue, a length and a label for each gap."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"".join(struct.pack("<hh", n % 1000, -(n % 1000)) for n in range(frames)))
    octets = out.getvalue()
    cues, notes = struct.pack("<I", len(marks)), b"adtl"
    for number, (start, length) in enumerate(marks, 1):
        cues += struct.pack("<II4sIII", number, start, b"data", 0, 0, start)
        notes += b"ltxt" + struct.pack("<III4sQ", 20, number, length, b"rgn ", 0)
        label = struct.pack("<I", number) + b"lost\0"
        notes += b"labl" + struct.pack("<I", len(label)) + label + b"\0" * (len(label) % 2)
    if marks:
        octets += (
            b"cue " + struct.pack("<I", len(cues)) + cues + b"LIST" + struct.pack("<I", len(notes)) + notes
        )
    return octets[:4] + struct.pack("<I", len(octets) - 8) + octets[8:]


def test_segments_join_and_marks_move(tmp_path: Path) -> None:
    path = tmp_path / "joined.wav"
    with Joined(path) as joined:
        joined.append(segment(100, [(10, 5)]))
        joined.silence(50)
        joined.append(segment(30, [(7, 2)]))
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (2, 8000, 180)
        frames = file.readframes(180)
    assert struct.unpack_from("<hh", frames, 99 * FRAME) == (99, -99)
    assert frames[100 * FRAME : 150 * FRAME] == bytes(50 * FRAME)
    assert struct.unpack_from("<hh", frames, 151 * FRAME) == (1, -1)
    _, marks = parse(path.read_bytes())
    assert [(mark.start, mark.length) for mark in marks] == [(10, 5), (100, 50), (157, 2)]
    assert [mark.label for mark in marks] == [b"lost", b"segment missing", b"lost"]


def test_a_damaged_segment_is_refused_and_the_file_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "joined.wav"
    with Joined(path) as joined:
        joined.append(segment(10))
        with pytest.raises(StoreError):
            joined.append(b"RIFF....WAVE")
    with wave.open(str(path)) as file:
        assert file.getnframes() == 10


@given(st.binary(max_size=300), st.integers(0, 299))
def test_any_octets_are_refused_or_read(octets: bytes, cut: int) -> None:
    for candidate in (octets, b"RIFF\0\0\0\0WAVE" + octets, segment(40, [(1, 2)])[:cut]):
        try:
            sound, marks = parse(candidate)
        except ValueError:
            continue
        assert len(sound) % FRAME == 0
        assert len(marks) <= len(candidate)
