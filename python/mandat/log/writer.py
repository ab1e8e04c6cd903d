"""The one writer of a log.

How many leaves an append adds, and when, is the schedule's matter (`schedule.py`, `slots.py`); here is how they get to
the disk. Order of an append; each step is on disk before the next begins:

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from . import slots
from .checkpoint import Checkpoint
from .dummy import DummyKeys
from .durable import PRIVATE, PRIVATE_DIRECTORY, make_directory, write_atomic, write_many
from .edge import Edge
from .entry import EPOCH_SECONDS, Entry, Opening, Value, previous, seal
from .event import Kind, facts
from .fault import Fault, LogFault
from .merkle import leaf_hash
from .note import Signer, split_note
from .openings import Openings
from .queue import Draft, Queue
from .reader import Tiles
from .schedule import SITE_CASE, Mode, Position, Schedule, Segment
from .tile import WIDTH, bundle_path, encode_bundle, tile_path

# Up to this size a start checks every entry (0.2 s); beyond it, the right edge, and `audit` checks the rest.
FULL_CHECK = 1 << 16
# Appends take milliseconds. Who waits longer than this waits for a writer that hangs.
LOCK_SECONDS = 10.0
_LOCK_POLL = 0.02
# Beyond so many files one wait for the disk serves them all.
MANY_FILES = 16
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

    clock: Callable[[], float] = staticmethod(time.time)
    sleep: Callable[[float], None] = staticmethod(time.sleep)

    def __init__(
        self, directory: Path, openings: Path, signer: Signer, dummies: DummyKeys | None = None
    ) -> None:
        self._directory = directory
        self._openings = Openings(openings)
        self._queue = Queue(openings)
        self._dummies = dummies
        self._signed = openings / "signed"
        self._signer = signer
        self._edge = Edge()
        self._current = b""
        with self._locked() as lock:
            self._sync(lock)

    @classmethod
    def create(
        cls, directory: Path, openings: Path, signer: Signer,
        segment: Segment | None = None, dummies: DummyKeys | None = None,
    ) -> "LogWriter":  # fmt: skip
        """Start an empty log, signed from its first moment; without a segment it is plain."""
        try:
            make_directory(directory, PRIVATE_DIRECTORY)
            make_directory(openings, PRIVATE_DIRECTORY)
            if (openings / "signed").exists() or (directory / "checkpoint").exists():
                raise LogFault(Fault.FORKED, "there is a log here already", where=str(directory))
            if segment is not None:
                Schedule((segment,)).write(directory)
            note = Checkpoint(signer.verifier.name, 0, Edge().root()).sign(signer)
            write_atomic(openings / "signed", note, PRIVATE)
            write_atomic(directory / "checkpoint", note)
        except OSError as error:
            raise _unwritable(error, directory) from None
        return cls(directory, openings, signer, dummies)

    @property
    def size(self) -> int:
        """Number of entries that are signed for."""
        return self._edge.size

    def append(
        self, events: Sequence[Event], now: float | None = None, told: Callable[[float], None] | None = None
    ) -> list[int]:
        """Log events. When this returns they are signed for and on disk; their indices are the answer.

        In fixed slots this may wait for the next tick; `told` hears for how long (seconds).
        """
        drafts, written = self._enter(events, now)
        if written is not None:
            return written
        try:
            while True:
                indices = self._found(drafts, self.advance(now, told=told))
                if None not in indices:
                    return [index for index in indices if index is not None]
                self._wait(now, told)
        except BaseException:
            # Whoever gives up waiting doesn't act: what isn't logged yet must not be.
            self._withdraw(drafts)
            raise

    def defer(self, events: Sequence[Event], now: float | None = None) -> list[int | None]:
        """Log events as soon as there is room, without waiting: on return they are durable. None: no index yet."""
        drafts, written = self._enter(events, now)
        if written is not None:
            return [*written]
        try:
            self.advance(now, most=1)
        except LogFault as fault:
            if fault.code is not Fault.CLOCK:
                raise
        return self._found(drafts, self.size)

    def waiting(self) -> list[Draft]:
        """Events that no slot has taken yet."""
        with self._turn():
            return self._queue.waiting()

    @property
    def fixed(self) -> bool:
        """Whether the log fills fixed slots now."""
        return self._position(self.clock()).segment.mode is Mode.FIXED

    @property
    def due(self) -> float | None:
        """When the next tick may be written; None without a clock."""
        position = self._position(self.clock())
        return position.due if position.segment.mode is Mode.FIXED else None

    def advance(
        self, now: float | None = None, *, most: int | None = None, told: Callable[[float], None] | None = None,
        watch: Callable[[int, int], None] | None = None,
    ) -> int:  # fmt: skip
        """Write every tick that is due, the current one with what waits; gives the log's size.

        After a pause this takes several rounds of the lock (`most` limits them), each durable. `watch` hears how many
        ticks were written of how many.
        """
        begun: int | None = None
        rounds = 0
        while True:
            with self._turn() as lock:
                moment = self.clock() if now is None else now
                position = self._position(moment)
                if position.segment.mode is not Mode.FIXED:
                    return self.size
                batch, behind = slots.batch(
                    position, moment, self._queue.waiting, self._dummy_keys(), self.size
                )
                if batch:
                    self._commit(lock, batch, None)
                size = self.size
            begun = behind if begun is None else begun
            if watch is not None:
                watch(begun - behind + len(batch) // position.segment.leaves, begun)
            rounds += 1
            # Where a change of schedule is known, the next segment may be due as well: look once more.
            done = behind * position.segment.leaves <= len(batch) and position.ticks_left is None
            if done or behind <= 0 or rounds == most:
                return size

    def change(self, segment: Segment, actor: str, now: float | None = None) -> int:
        """Publish and log a change of schedule; it begins at a later epoch. Gives the index of its entry."""
        moment = self.clock() if now is None else now
        if segment.start <= moment or segment.mode is Mode.PLAIN:
            raise LogFault(
                Fault.BAD_EVENT, "a change of schedule begins later than now", where=f"{segment.start}",
                advice="Name a time that is an epoch of 60 s away at least.",
            )  # fmt: skip
        self._dummy_keys()
        schedule = Schedule.read(self._directory).then(segment)
        index = self.append([schedule_event(segment, actor)], now)[0]
        with self._turn():
            self._write(lambda: schedule.write(self._directory))
        return index

    def _enter(self, events: Sequence[Event], now: float | None) -> tuple[list[Draft], list[int] | None]:
        """Events as drafts: written at once without a clock, which gives their indices; else put in the queue."""
        drafts = [Draft.of(facts(event.kind, event.liid, event.actor, event.fields)) for event in events]
        if not drafts:
            return drafts, []
        with self._turn() as lock:
            if not self.fixed:
                return drafts, self._commit(lock, self._pad(drafts, now), now)
            self._write(lambda: self._queue.add(drafts))
        return drafts, None

    def _position(self, now: float) -> Position:
        return Schedule.read(self._directory).position(
            self._edge.size, now, Tiles(self._directory, self._edge.size).first_from
        )

    def _dummy_keys(self) -> DummyKeys:
        if self._dummies is None:
            raise LogFault(
                Fault.MISSING, "the log has a schedule, and the key of its dummies isn't there",
                where=str(self._directory), advice="Restore keys/dummy.key from a copy.",
            )  # fmt: skip
        return self._dummies

    def _pad(self, drafts: Sequence[Draft], now: float | None) -> list[Draft | bytes]:
        """A batch without a clock: what waits, the events, and dummies up to a multiple of the schedule's leaves."""
        leaves = self._position(self.clock() if now is None else now).segment.leaves
        events = [*self._queue.waiting(), *drafts] if leaves > 1 else list(drafts)
        empty = -(self.size + len(events)) % leaves
        if not empty:
            return list(events)
        return slots.mix(events, empty, self._dummy_keys(), self._epoch(now), self.size)

    def _epoch(self, now: float | None) -> int:
        """The epoch of a batch without a clock: never before that of the last entry, whatever the clock did."""
        epoch = int(self.clock() if now is None else now) // EPOCH_SECONDS
        if self.size:
            last = Tiles(self._directory, self.size).entry(self.size - 1)
            epoch = max(epoch, Entry.decode(last).epoch)
        return epoch

    def _wait(self, now: float | None, told: Callable[[float], None] | None) -> None:
        due = self.due
        moment = self.clock() if now is None else now
        left = 0.0 if due is None else due - moment
        if now is not None or left > slots.MAX_WAIT:
            raise slots.clock_behind(left, self._directory)
        if told is not None and left > 0:
            told(left)
        self.sleep(max(left, _LOCK_POLL))

    def _found(self, drafts: Sequence[Draft], size: int) -> list[int | None]:
        """Where drafts stand in the log, if they do."""
        at: dict[bytes, int] = {}
        for case in {draft.case for draft in drafts}:
            at |= self._openings.recent(case, size)
        return [at.get(draft.randomness) for draft in drafts]

    def _withdraw(self, drafts: Sequence[Draft]) -> None:
        with suppress(LogFault), self._turn():
            self._write(lambda: self._queue.remove(draft.randomness for draft in drafts))

    @contextmanager
    def _turn(self) -> Iterator[int]:
        with self._locked() as lock:
            self._sync(lock)
            yield lock

    def keep_cosigned(self, note: bytes, *, quorum: bool) -> bool:
        """Publish the checkpoint with its cosignatures; False when the log has grown meanwhile.

        Where the cosigners are a quorum the note is also kept as `cosigned`, which the next append doesn't replace.
        """
        kept = self._directory / "cosigned"
        with self._turn():
            try:
                if quorum and (not kept.exists() or _size(kept) <= _size_of(note)):
                    write_atomic(kept, note)
                if not note.startswith(self._current):
                    return False
                self._publish(note)
            except OSError as error:
                raise _unwritable(error, self._directory) from None
            return True

    def _write(self, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as error:
            raise _unwritable(error, self._directory) from None

    def _commit(self, lock: int, batch: Sequence[Draft | bytes], now: float | None) -> list[int]:
        try:
            os.pwrite(lock, _UNDER_WAY, 0)
            indices = self._commit_batch(batch, now)
            os.ftruncate(lock, 0)
            return indices
        except OSError as error:
            self._current = b""  # what is on disk is unknown: look again before the next append
            raise _unwritable(error, self._directory) from None

    def _commit_batch(self, batch: Sequence[Draft | bytes], now: float | None) -> list[int]:
        """Drafts get their places, dummies are there already. Gives the indices of the drafts."""
        first = self._edge.size
        entries: list[bytes] = []
        by_case: dict[str, list[Opening]] = {}
        known: dict[str, Opening | None] = {}
        witnessed = self._witnessed() if any(isinstance(item, Draft) for item in batch) else {}
        epochs = slots.epochs(batch, lambda: self._epoch(now), lambda: self._position(self.clock()), first)
        for index, item in enumerate(batch, first):
            if isinstance(item, bytes):
                entries.append(item)
                continue
            key = self._openings.make_case(item.case)
            if item.case not in known:
                known[item.case] = self._openings.last(item.case)
            before = known[item.case]
            chain: dict[str, Value] = dict(witnessed)
            if before is not None:
                chain["prev"] = previous(before)
            sequence = 0 if before is None else before.sequence + 1
            entry, opening = seal(
                index, sequence, epochs(index), key, chain, item.randomness, item.disclosures
            )
            entries.append(entry.encode())
            by_case.setdefault(item.case, []).append(opening)
            known[item.case] = opening
        for case, openings in by_case.items():  # 1
            self._openings.add(case, openings)
        edge = self._write_tiles(entries)  # 2
        note = Checkpoint(self._signer.verifier.name, edge.size, edge.root()).sign(self._signer)
        write_atomic(self._signed, note, PRIVATE)  # 3
        self._publish(note)  # 4
        self._edge, self._current = edge, note
        self._drop_partial(first, edge.size)
        drafts = [(index, item) for index, item in enumerate(batch, first) if isinstance(item, Draft)]
        self._queue.remove(item.randomness for _, item in drafts)
        return [index for index, _ in drafts]  # 5

    def _witnessed(self) -> dict[str, Value]:
        """The last checkpoint that a quorum has cosigned: the event is not older than  their time."""
        try:
            return {"witnessed": sha256((self._directory / "cosigned").read_bytes()).hexdigest()}
        except FileNotFoundError:
            return {}

    def _write_tiles(self, entries: Sequence[bytes]) -> Edge:
        edge = self._edge.copy()
        first = edge.size
        start = first - first % WIDTH
        pending = Tiles(self._directory, first).bundle(first // WIDTH) if first % WIDTH else []
        files = [
            (tile_path(level, number), data)
            for level, number, data in edge.extend([leaf_hash(entry) for entry in entries])
        ]
        files += [
            (tile_path(level, number, len(edge.levels[level])), data)
            for level, number, data in edge.partial()
        ]
        pending.extend(entries)
        for at in range(0, len(pending), WIDTH):
            chunk = pending[at : at + WIDTH]
            files.append((bundle_path((start + at) // WIDTH, len(chunk)), encode_bundle(chunk)))
        if len(files) > MANY_FILES:
            write_many([(self._directory / path, data) for path, data in files])
            return edge
        for path, data in files:
            target = self._directory / path
            make_directory(target.parent)
            write_atomic(target, data)
        return edge

    def _publish(self, note: bytes) -> None:
        write_atomic(self._directory / "checkpoint", note)

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
            # A crash between signature and queue leaves an event in both.
            waiting = self._queue.waiting()
            found = self._found(waiting, self._edge.size)
            self._queue.remove(
                draft.randomness for draft, at in zip(waiting, found, strict=True) if at is not None
            )
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


def schedule_event(segment: Segment, actor: str) -> Event:
    """What the log says of a schedule."""
    mode, leaves, tick, begins = segment.said()
    said: dict[str, Value] = {"mode": mode, "leaves": leaves, "tick": tick, "valid_from": begins}
    return Event(Kind.SCHEDULE, SITE_CASE, actor, said)


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
