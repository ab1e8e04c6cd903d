"""Recordings: how complete each is (no key needed), and opening one with the agency's key.

Evidence is a pcapng: its segments are whole sections, so the joined file is their concatenation (draft-ietf-opsawg-
pcapng, 3). The listening copy is one WAV, caller left and callee right: joined by `wav.Joined` where all is G.711,
else made by `listen` from what the sink kept for that. Both are written under a hidden name and appear whole.
"""

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mandat.errors import StoreError, UsageError
from mandat.mediation import ffmpeg, frames, listen
from mandat.mediation.index import recording_cins
from mandat.mediation.keys import decrypt, decrypt_to
from mandat.mediation.wav import RATE, Joined

if TYPE_CHECKING:
    from pyrage.x25519 import Identity

SEGMENT_FRAMES = 10 * RATE
"""Frames of sound in one segment; the name of a segment of sound says which ten seconds it covers."""

SOUND_NAME = re.compile(r"([0-9]{6,9})(?:-([0-9]{5}))?\.wav\.age")
DIGEST_CHUNK = 1 << 20


class Gap(msgspec.Struct, frozen=True):
    """A gap on the time line of the listening copy."""

    from_ms: int
    to_ms: int
    packets: int


class Stream(msgspec.Struct, frozen=True):
    """One media stream: what the tap saw and what was written."""

    side: str
    ssrc: str
    encoding: str
    expected: int | None
    seen: int | None
    duplicates: int | None
    lost_on_wire: int | None
    written: int
    dropped_by_us: dict[str, int]
    late: int
    gaps: list[Gap] = []
    attribution: str | None = None
    """Whether both ends were announced, or one was learned from the packets."""
    protection: str | None = None
    """`none`, `sdes_decrypted`, `sdes_failed`, `dtls_srtp` or `unknown`."""
    quality: dict[str, Any] | None = None
    """Jitter, lateness, pauses, drift and a mean opinion score, as measured at the tap."""


class SegmentFile(msgspec.Struct, frozen=True):
    """A finished file of a recording."""

    file: str
    kind: str
    sha256: str
    octets: int


class Recording(msgspec.Struct, frozen=True):
    """`recording.json`, as far as a desk needs it."""

    liid: str
    cin: int
    start: str | None
    answer: str | None
    end: str | None
    end_reason: str | None
    first: str
    last: str
    closed: bool
    complete: bool
    octets: int
    streams: list[Stream]
    segments: list[SegmentFile]
    listening_copy: dict[str, Any]

    def expected(self) -> int:
        """Media packets that were sent, as their sequence numbers say."""
        return sum(stream.expected or 0 for stream in self.streams)

    def seen(self) -> int:
        """Media packets that the tap saw."""
        return sum(stream.seen or 0 for stream in self.streams)

    def written(self) -> int:
        """Media packets in the evidence."""
        return sum(stream.written for stream in self.streams)

    def lost(self) -> int:
        """Media packets that the tap never saw."""
        return sum(stream.lost_on_wire or 0 for stream in self.streams)

    def dropped(self) -> int:
        """Media packets that we saw and could not keep."""
        return sum(sum(stream.dropped_by_us.values()) for stream in self.streams)


@dataclass(slots=True)
class Opened:
    """The files that an opened recording became."""

    liid: str
    cin: int
    evidence: Path | None = None
    sound: Path | None = None
    seconds: float = 0.0
    """Length of the listening copy."""
    damaged: list[str] = field(default_factory=list)
    """Segments that could not be used, and why. The others are in the files."""
    unheard: list[str] = field(default_factory=list)
    """What the listening copy lacks though the evidence has it, and why."""


def recordings(product: Path, liid: str) -> list[Recording]:
    """All recordings under one label, by CIN."""
    return [read_recording(product, liid, cin) for cin in recording_cins(product / liid)]


def read_recording(product: Path, liid: str, cin: int) -> Recording:
    """What one recording says of itself."""
    path = _directory(product, liid, cin) / "recording.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Recording)
    except FileNotFoundError:
        raise UsageError(
            "no_recording",
            f"there is no recording {cin} under {liid}",
            advice="mandat recordings list shows what is there",
        ) from None
    except (OSError, msgspec.MsgspecError):
        raise StoreError(
            "recording_damaged",
            "the description of a recording can't be read",
            where=str(path),
            advice="its segments are not touched by this; put the file back from a backup",
        ) from None


def open_recording(
    product: Path, recording: Recording, identities: "Sequence[Identity]", output: Path
) -> Opened:
    """Decrypts a recording into `output`: one .pcapng and, where there is sound, one .wav.

    A segment that is missing, altered or damaged is left out and told; its place in the sound is silence, marked.
    When none can be opened, that is the error.
    """
    directory = _directory(product, recording.liid, recording.cin)
    opened = Opened(recording.liid, recording.cin)
    name = f"{recording.liid}-{recording.cin:010d}"
    _make_output(output)
    evidence = [segment for segment in recording.segments if segment.kind == "pcapng"]
    sound = [segment for segment in recording.segments if segment.kind == "wav"]
    if evidence:
        opened.evidence = output / f"{name}.pcapng"
        with _appearing(opened.evidence) as temporary:
            _join_evidence(directory, evidence, identities, temporary, opened)
    coded = [segment for segment in recording.segments if segment.kind == "frames"]
    if coded and not ffmpeg.present():
        names = sorted({stream.encoding for stream in recording.streams} - {"PCMA", "PCMU"})
        opened.unheard.append(
            f"no listening copy of {', '.join(names)}: ffmpeg is not installed here; the evidence is whole"
        )
        coded = []
    if sound or coded:
        opened.sound = output / f"{name}.wav"
        with _appearing(opened.sound) as temporary:
            if coded:
                opened.seconds = _make_sound(
                    directory, recording, (sound, coded), identities, temporary, opened
                )
            else:
                opened.seconds = _join_sound(directory, sound, identities, temporary, opened) / RATE
    return opened


def copy_recording(product: Path, recording: Recording, output: Path) -> int:
    """Copies the encrypted segments and the description to `output`; each is checked on the way."""
    directory = _directory(product, recording.liid, recording.cin)
    _make_output(output)
    paths = [_checked(directory, segment) for segment in recording.segments]
    for path in [directory / "recording.json", *paths]:
        with _appearing(output / path.name) as temporary:
            shutil.copyfile(path, temporary)
    return len(paths) + 1


def _join_evidence(
    directory: Path,
    segments: list[SegmentFile],
    identities: "Sequence[Identity]",
    path: Path,
    opened: Opened,
) -> None:
    good, fault = 0, None
    with path.open("wb") as file:
        for segment in segments:
            begun = file.tell()
            try:
                decrypt_to(_checked(directory, segment), file, identities)
                good += 1
            except StoreError as error:
                # Half a section would hide the sections behind it from a reader.
                file.seek(begun)
                file.truncate()
                fault = error
                opened.damaged.append(error.diagnostics())
    if not good and fault is not None:
        raise fault


def _join_sound(
    directory: Path,
    segments: list[SegmentFile],
    identities: "Sequence[Identity]",
    path: Path,
    opened: Opened,
) -> int:
    with Joined(path) as joined:
        for segment in sorted(segments, key=_frame):
            try:
                octets = decrypt(_checked(directory, segment), identities)
                joined.silence(_frame(segment) - joined.frames)
                joined.append(octets)
            except StoreError as fault:
                opened.damaged.append(fault.diagnostics())
        return joined.frames


def _make_sound(
    directory: Path,
    recording: Recording,
    segments: tuple[list[SegmentFile], list[SegmentFile]],
    identities: "Sequence[Identity]",
    path: Path,
    opened: Opened,
) -> float:
    """Decodes what isn't G.711 and puts all on one time line. Returns its length in seconds."""
    sound, coded = segments
    opener = _Opener(directory, identities, opened)
    # Which rate it takes, one packet tells that is wide: the first pass stops there.
    wide = any(listen.is_wide(frame) for segment in coded for frame in opener.frames(segment, tell=False))
    rate = listen.WIDE if wide else RATE
    left, right = (path.with_name(f"{path.name}.{side}") for side in ("left", "right"))
    with listen.Side(left, rate) as caller, listen.Side(right, rate) as callee, Joined(path, rate) as joined:
        sides = (caller, callee)
        for segment in sound:
            try:
                octets = decrypt(_checked(directory, segment), identities)
                listen.put_segment(sides, _frame(segment), octets, rate)
            except (StoreError, ValueError) as fault:
                told = fault.diagnostics() if isinstance(fault, StoreError) else f"{segment.file}: {fault}"
                opened.damaged.append(told)
        streams = listen.Streams(sides, rate)
        for segment in coded:
            for frame in opener.frames(segment, tell=True):
                streams.add(frame)
        streams.finish()
        opened.unheard += streams.faults
        for piece in listen.stereo(caller, callee):
            joined.add(piece)
        for stream in recording.streams:
            for gap in stream.gaps:
                start, length = gap.from_ms * rate // 1000, (gap.to_ms - gap.from_ms) * rate // 1000
                joined.mark(max(start, 0), length, f"lost: {stream.side}, {gap.packets} packets")
        return joined.frames / rate


@dataclass(slots=True)
class _Opener:
    """Opens files of frames, and tells once of each that is damaged."""

    directory: Path
    identities: "Sequence[Identity]"
    opened: Opened

    def frames(self, segment: SegmentFile, *, tell: bool) -> Iterator[frames.Frame]:
        try:
            yield from frames.parse(decrypt(_checked(self.directory, segment), self.identities))
        except StoreError as fault:
            if tell:
                self.opened.damaged.append(fault.diagnostics())
        except ValueError as fault:
            if tell:
                self.opened.damaged.append(f"{segment.file}: {fault}")


def _frame(segment: SegmentFile) -> int:
    """Where on the time line a segment of sound begins: `000012.wav.age`; a later part is `000012-04000.wav.age`."""
    if not (found := SOUND_NAME.fullmatch(segment.file)):
        raise StoreError("recording_damaged", "a recording lists a file that is not of this program's making")
    return int(found[1]) * SEGMENT_FRAMES + int(found[2] or 0)


def _checked(directory: Path, segment: SegmentFile) -> Path:
    """The segment's path, once its digest is what the recording says."""
    path = directory / Path(segment.file).name
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(DIGEST_CHUNK):
                digest.update(chunk)
    except OSError as fault:
        raise StoreError("segment_missing", fault.strerror or "unreadable", where=str(path)) from None
    if digest.hexdigest() != segment.sha256:
        raise StoreError("segment_altered", "this segment isn't the one that was written", where=str(path))
    return path


def _directory(product: Path, liid: str, cin: int) -> Path:
    return product / Path(liid).name / "recordings" / f"{cin:010d}"


def _make_output(output: Path) -> None:
    try:
        output.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise UsageError("output", fault.strerror or "can't make this directory", where=str(output)) from None


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """A hidden file beside `path` that takes its name when all went well. Clear content: only its owner may read it."""
    # A name that nobody can foresee, and no link followed: the directory may be one where others write, such as /tmp.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        yield temporary
        temporary.replace(path)
    except OSError as fault:
        raise StoreError(
            "disk_write",
            fault.strerror or "can't write",
            where=str(path),
            advice="free some space, then try again",
        ) from None
    finally:
        temporary.unlink(missing_ok=True)
