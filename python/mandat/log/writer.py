"""The one writer of a log.

Order of an append; each step is on disk before the next begins:

    1. openings          private; without a signature they mean nothing
    2. entries, tiles    beyond the signed size no reader looks at them
    3. last signed note  private copy: the log can't be signed twice for one size after this
    4. checkpoint        public
    5. acknowledgement   only now may anybody act on the event

A crash before 3 leaves the log as it was: what lies beyond the signed size is overwritten by the next append.
A crash between 3 and 4 is completed at the next start.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .checkpoint import Checkpoint
from .durable import PRIVATE, PRIVATE_DIRECTORY, make_directory, write_atomic
from .edge import Edge
from .entry import EPOCH_SECONDS, Opening, Value, seal
from .event import Kind, facts
from .fault import Fault, LogFault
from .merkle import leaf_hash
from .note import Signer, split_note
from .openings import Openings
from .reader import Tiles
from .tile import WIDTH, bundle_path, encode_bundle, tile_path

# Up to this size a start checks every entry (0.2 s); beyond it, the right edge, and `audit` checks the rest.
FULL_CHECK = 1 << 16
# Appends take milliseconds. Who waits longer than this waits for a writer that hangs.
LOCK_SECONDS = 10.0
_LOCK_POLL = 0.02
# What the lock's file holds from step 1 to step 4: an append that died in between leaves it there.
_UNDER_WAY = b"an append is under way\n"

_RESTORE = "Don't repair by hand. Restore log and openings from the same copy and verify; tell the overseer."


@dataclass(frozen=True, slots=True)
class Event:
    """An act to be logged."""

    kind: Kind
    liid: str
    actor: str
    fields: Mapping[str, Value] = field(default_factory=dict)


class LogWriter:
    """Appends events to a log. Several processes may hold one; a lock lets them in one by one."""

    def __init__(self, directory: Path, openings: Path, signer: Signer) -> None:
        self._directory = directory
        self._openings = Openings(openings)
        self._signed = openings / "signed"
        self._signer = signer
        self._edge = Edge()
        self._current = b""
        with self._locked() as lock:
            self._sync(lock)

    @classmethod
    def create(cls, directory: Path, openings: Path, signer: Signer) -> "LogWriter":
        """Start an empty log, signed from its first moment."""
        try:
            make_directory(directory, PRIVATE_DIRECTORY)
            make_directory(openings, PRIVATE_DIRECTORY)
            if (openings / "signed").exists() or (directory / "checkpoint").exists():
                raise LogFault(Fault.FORKED, "there is a log here already", where=str(directory))
            note = Checkpoint(signer.verifier.name, 0, Edge().root()).sign(signer)
            write_atomic(openings / "signed", note, PRIVATE)
            write_atomic(directory / "checkpoint", note)
        except OSError as error:
            raise _unwritable(error, directory) from None
        return cls(directory, openings, signer)

    @property
    def size(self) -> int:
        """Number of entries that are signed for."""
        return self._edge.size

    def append(self, events: Sequence[Event], now: float | None = None) -> list[int]:
        """Log events. When this returns they are signed for and on disk; their indices are the answer."""
        stated = [facts(event.kind, event.liid, event.actor, event.fields) for event in events]
        if not stated:
            return []
        epoch = int(time.time() if now is None else now) // EPOCH_SECONDS
        with self._locked() as lock:
            self._sync(lock)
            try:
                os.pwrite(lock, _UNDER_WAY, 0)
                indices = self._commit(stated, epoch)
                os.ftruncate(lock, 0)
                return indices
            except OSError as error:
                self._current = b""  # what is on disk is unknown: look again before the next append
                raise _unwritable(error, self._directory) from None

    def keep_cosigned(self, note: bytes, *, quorum: bool) -> bool:
        """Publish the checkpoint with its cosignatures; False when the log has grown meanwhile.

        Where the cosigners are a quorum the note is also kept as `cosigned`, which the next append doesn't replace.
        """
        kept = self._directory / "cosigned"
        with self._locked() as lock:
            self._sync(lock)
            try:
                if quorum and (not kept.exists() or _size(kept) <= _size_of(note)):
                    write_atomic(kept, note)
                if not note.startswith(self._current):
                    return False
                self._publish(note)
            except OSError as error:
                raise _unwritable(error, self._directory) from None
            return True

    def _commit(self, stated: Sequence[Mapping[str, Value]], epoch: int) -> list[int]:
        first = self._edge.size
        entries: list[bytes] = []
        by_case: dict[str, list[Opening]] = {}
        known: dict[str, int] = {}
        for index, fields in enumerate(stated, first):
            case = str(fields["liid"])
            key = self._openings.make_case(case)
            if case not in known:
                known[case] = self._openings.next_sequence(case)
            sequence = known[case] + len(by_case.setdefault(case, []))
            entry, opening = seal(index, sequence, epoch, key, fields)
            entries.append(entry.encode())
            by_case[case].append(opening)
        for case, openings in by_case.items():  # 1
            self._openings.add(case, openings)
        edge = self._write_tiles(entries)  # 2
        note = Checkpoint(self._signer.verifier.name, edge.size, edge.root()).sign(self._signer)
        write_atomic(self._signed, note, PRIVATE)  # 3
        self._publish(note)  # 4
        self._edge, self._current = edge, note
        self._drop_partial(first, edge.size)
        return list(range(first, edge.size))  # 5

    def _write_tiles(self, entries: Sequence[bytes]) -> Edge:
        edge = self._edge.copy()
        first = edge.size
        start = first - first % WIDTH
        pending = Tiles(self._directory, first).bundle(first // WIDTH) if first % WIDTH else []
        for entry in entries:
            for level, number, data in edge.add(leaf_hash(entry)):
                self._write(tile_path(level, number), data)
        for level, number, data in edge.partial():
            self._write(tile_path(level, number, len(edge.levels[level])), data)
        pending.extend(entries)
        for at in range(0, len(pending), WIDTH):
            chunk = pending[at : at + WIDTH]
            self._write(bundle_path((start + at) // WIDTH, len(chunk)), encode_bundle(chunk))
        return edge

    def _publish(self, note: bytes) -> None:
        write_atomic(self._directory / "checkpoint", note)

    def _write(self, path: str, data: bytes) -> None:
        target = self._directory / path
        make_directory(target.parent)
        write_atomic(target, data)

    def _drop_partial(self, old: int, new: int) -> None:
        """Remove partial tiles whose full tile is signed for. They only take space: failing is no fault."""
        level = 0
        while old >> (8 * level) != new >> (8 * level):
            before, after = (old >> (8 * level)) // WIDTH, (new >> (8 * level)) // WIDTH
            if before != after:
                full = [tile_path(level, before)] + ([bundle_path(before)] if level == 0 else [])
                for path in full:
                    _remove_partials(self._directory / f"{path}.p")
            level += 1

    def _sync(self, lock: int) -> None:
        """Bring our view up to the disk's, and refuse to go on when log, entries and signature disagree."""
        signed, published = self._read(self._signed), self._read(self._directory / "checkpoint")
        if signed == self._current and published.startswith(signed):
            if signed != published:  # cosignatures follow; whatever else follows is refused
                Checkpoint.open(published, self._signer.verifier)
            # Of another process that died before its signature. To look without need costs a read for each case that
            # there ever was. (A power cut may lose the mark, but it ends this process too.)
            if os.fstat(lock).st_size:
                self._forget_unsigned()
            return
        ours = Checkpoint.open(signed, self._signer.verifier)
        theirs = Checkpoint.open(published, self._signer.verifier)
        if theirs.size > ours.size or (theirs.size == ours.size and theirs.root != ours.root):
            raise self._forked("the published checkpoint isn't the one that was last signed")
        tiles = Tiles(self._directory, ours.size)
        edge = tiles.rebuild() if ours.size <= FULL_CHECK else tiles.edge()
        if edge.root() != ours.root:
            raise self._forked("the entries aren't those that were last signed for")
        if theirs.size < ours.size and Tiles(self._directory, theirs.size).edge().root() != theirs.root:
            raise self._forked("the published checkpoint isn't one of this log")
        try:
            if not published.startswith(signed):  # the crash came between signing and publishing
                self._publish(signed)
        except OSError as error:
            raise _unwritable(error, self._directory) from None
        self._edge, self._current = edge, signed
        self._forget_unsigned()

    def _forget_unsigned(self) -> None:
        try:
            self._openings.forget_unsigned(self._edge.size)
        except OSError as error:
            raise _unwritable(error, self._openings.directory) from None

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise LogFault(
                Fault.MISSING, "the log's checkpoint is missing", where=str(path), advice=_RESTORE
            ) from None
        except OSError as error:
            raise LogFault(Fault.DAMAGED, f"can't be read: {error.strerror}", where=str(path)) from None

    def _forked(self, message: str) -> LogFault:
        return LogFault(Fault.FORKED, message, where=str(self._directory), advice=_RESTORE)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        path = self._signed.with_name("lock")
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE)
        except OSError as error:
            raise _unwritable(error, path) from None
        try:
            deadline = time.monotonic() + LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise LogFault(
                            Fault.LOCKED,
                            "another process holds the log",
                            where=str(path),
                            advice="Try again.",
                        ) from None
                    time.sleep(_LOCK_POLL)
            yield handle
        finally:
            os.close(handle)


def _size(path: Path) -> int:
    try:
        return _size_of(path.read_bytes())
    except LogFault:  # damaged: the new one is better
        return -1


def _size_of(note: bytes) -> int:
    return Checkpoint.parse(split_note(note)[0]).size


def _remove_partials(directory: Path) -> None:
    try:
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()
    except OSError:
        return


def _unwritable(error: OSError, path: Path) -> LogFault:
    return LogFault(
        Fault.UNWRITABLE,
        f"the log can't be written: {error.strerror}",
        where=str(error.filename or path),
        advice="Free or remount the disk, then repeat. Nothing was acknowledged.",
    )
