"""A witness (C2SP tlog-witness): it cosigns what extends all that it saw before, and nothing else.

Pure of HTTP: requests are octets, answers are a status and octets. One directory for each log, named by the SHA-256 of
its origin as the monitor's address is:

    DIR/witness.keys                 the witness's signing keys, mode 0600
    DIR/logs/<sha256>/log.vkey       the log's keys
    DIR/logs/<sha256>/seen           the newest checkpoint that was verified; on disk before it is cosigned
    DIR/logs/<sha256>/checkpoint     the same with our cosignatures, for monitors
    DIR/logs/<sha256>/fork           a checkpoint that contradicts `seen`, signed by the log: evidence

A witness sees origin, size and root of a log; never an entry.
"""

import binascii
import fcntl
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from pathlib import Path

from .checkpoint import MAX_SIZE, Checkpoint
from .cosign import Algorithm, CosignatureSigner, Cosigner, timestamp
from .durable import PRIVATE, make_directory, write_atomic
from .fault import Fault, LogFault
from .merkle import EMPTY_ROOT, HASH_SIZE, verify_consistency
from .note import NoteKey, lines_of, open_signatures, split_note
from .policy import log_key

# "The client MUST NOT send more than 63 consistency proof lines."
MAX_PROOF_LINES = 63
# 63 lines of proof take 3 kB, a checkpoint with hybrid signatures 4 kB, one with 16 post-quantum cosignatures 57 kB.
MAX_REQUEST = 1 << 16
_MAX_FILE = 1 << 16
_OLD = re.compile(rb"old (0|[1-9][0-9]{0,18})")
_ID = re.compile(r"[0-9a-f]{64}")
_TEXT = "text/plain; charset=utf-8"


class Status(IntEnum):
    """Answers of a witness, with HTTP's numbers."""

    OK = 200
    BAD_REQUEST = 400
    FORBIDDEN = 403
    NOT_FOUND = 404
    CONFLICT = 409
    TOO_LARGE = 413
    UNPROCESSABLE = 422
    UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Answer:
    """What a witness answers."""

    status: Status
    body: bytes
    kind: str = _TEXT


@dataclass(frozen=True, slots=True)
class Seen:
    """What a witness knows of one log."""

    origin: str
    size: int
    root: bytes
    time: int | None
    """When it cosigned last, in seconds since 1970."""
    forked: bool
    """Whether the log has signed two histories: `fork` and `seen` prove it."""


class Witness:
    """A witness with its keys and all that it saw. Several processes may hold one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        lines = _read(directory / "witness.keys").decode(errors="replace").split()
        self.signers = [CosignatureSigner.parse(line) for line in lines]
        if not self.signers:
            raise LogFault(Fault.DAMAGED, "the witness has no key", where=str(directory))

    @classmethod
    def create(cls, directory: Path, name: str) -> "Witness":
        """Make a witness with an Ed25519 key, which every client knows, and an ML-DSA-44 key, which outlasts it."""
        signers = [CosignatureSigner.generate(name, algorithm) for algorithm in Algorithm]
        try:
            make_directory(directory / "logs")
            if (directory / "witness.keys").exists():
                raise LogFault(Fault.MALFORMED, "there is a witness here already", where=str(directory))
            keys = "".join(f"{signer.skey}\n" for signer in signers)
            write_atomic(directory / "witness.keys", keys.encode(), PRIVATE)
        except OSError as error:
            raise _unwritable(error, directory) from None
        return cls(directory)

    @property
    def name(self) -> str:
        """The name of the witness's keys."""
        return self.signers[0].verifier.name

    @property
    def cosigners(self) -> list[Cosigner]:
        """The public keys."""
        return [signer.verifier for signer in self.signers]

    def add_log(self, vkey: str) -> str:
        """Accept checkpoints of a log from now on. A log's second key is added; a key that it has not is never lost."""
        key = log_key(vkey)
        place = self._place(key.name)
        try:
            make_directory(place)
            with self._locked(place):
                known = self._keys(place) if (place / "log.vkey").exists() else []
                if any(type(other) is type(key) and other != key for other in known):
                    raise LogFault(
                        Fault.FORKED,
                        "another key of this kind is known for that log",
                        where=str(place / "log.vkey"),
                        advice="A log keeps its key for life. Ask its operator, on another way, why it changed.",
                    )
                if key not in known:
                    lines = [str(getattr(item, "vkey", "")) for item in [*known, key]]
                    write_atomic(place / "log.vkey", "".join(f"{line}\n" for line in lines).encode(), PRIVATE)
        except OSError as error:
            raise _unwritable(error, place) from None
        return key.name

    def logs(self) -> list[Seen]:
        """What the witness knows of each log."""
        places = sorted((self.directory / "logs").glob("*/log.vkey"))
        return [self._seen(path.parent) for path in places]

    def add_checkpoint(self, body: bytes, now: float | None = None) -> Answer:
        """The add-checkpoint call. Whatever the octets are, there is an answer."""
        if len(body) > MAX_REQUEST:
            return _refusal(Status.TOO_LARGE, f"more than {MAX_REQUEST} octets")
        try:
            old, proof, note = read_request(body)
            text = split_note(note)[0]
            claimed = Checkpoint.parse(text)
        except LogFault as fault:
            return _refusal(Status.BAD_REQUEST, fault.message)
        place = self._place(claimed.origin)
        if not (place / "log.vkey").is_file():
            return _refusal(Status.NOT_FOUND, "this log is unknown here")
        try:
            checkpoint = Checkpoint.parse(open_signatures(note, self._keys(place))[0])
        except LogFault as fault:
            code = Status.FORBIDDEN if fault.code is Fault.UNSIGNED else Status.UNAVAILABLE
            return _refusal(code, fault.message)
        if old > checkpoint.size:
            return _refusal(Status.BAD_REQUEST, "the old size is larger than the checkpoint's")
        try:
            with self._locked(place):
                return self._judge(place, old, proof, checkpoint, note, time.time() if now is None else now)
        except (OSError, LogFault):
            # Its own files can't be read or written. Not to sign is safe; to sign what isn't stored is a fork.
            return _refusal(Status.UNAVAILABLE, "the witness can't store what it saw")

    def checkpoint(self, identifier: str) -> Answer:
        """What monitors get: the newest cosigned checkpoint of the log whose origin has this SHA-256."""
        path = self.directory / "logs" / identifier / "checkpoint"
        if not _ID.fullmatch(identifier) or not path.is_file():
            return _refusal(Status.NOT_FOUND, "no checkpoint of such a log was cosigned here")
        try:
            return Answer(Status.OK, _read(path))
        except LogFault:
            return _refusal(Status.UNAVAILABLE, "the checkpoint can't be read")

    def _judge(
        self, place: Path, old: int, proof: Sequence[bytes], new: Checkpoint, note: bytes, now: float
    ) -> Answer:
        seen = self._seen(place)
        # (1) the proof starts from what was seen last: whoever asks learns the size from the answer
        if old != seen.size:
            return Answer(Status.CONFLICT, b"%d\n" % seen.size, "text/x.tlog.size")
        # (2) one size, two roots: two histories, both signed by the log
        if new.size == seen.size and new.root != seen.root:
            if not (place / "fork").exists():
                write_atomic(place / "fork", note, PRIVATE)
            return _refusal(Status.UNPROCESSABLE, "another root was seen at this size")
        # (3) the new tree starts with the one that was seen
        if not verify_consistency(old, new.size, seen.root, new.root, proof):
            return _refusal(Status.UNPROCESSABLE, "the consistency proof doesn't hold")
        # (4) stored before signed: after a crash the witness asks for a proof from here
        text = new.body()
        moment = max(
            int(now), seen.time or 0
        )  # a clock that was set back must not contradict what was signed
        if new.size > seen.size or seen.time is None:
            write_atomic(place / "seen", note, PRIVATE)
        lines = "".join(signer.line(text, moment) for signer in self.signers).encode()
        log_lines = note[len(text.encode()) + 1 :]
        write_atomic(place / "checkpoint", f"{text}\n".encode() + lines_of(new.origin, log_lines) + lines)
        return Answer(Status.OK, lines)

    def _seen(self, place: Path) -> Seen:
        keys = self._keys(place)
        origin = keys[0].name
        size, root, moment = 0, EMPTY_ROOT, None
        if (place / "seen").exists():
            checkpoint = Checkpoint.parse(open_signatures(_read(place / "seen"), keys)[0])
            size, root = checkpoint.size, checkpoint.root
        if (place / "checkpoint").exists():
            _, found = open_signatures(_read(place / "checkpoint"), self.cosigners)
            moment = max(timestamp(signature) for _, signature in found)
        return Seen(origin, size, root, moment, (place / "fork").exists())

    def _keys(self, place: Path) -> list[NoteKey]:
        keys = [log_key(line) for line in _read(place / "log.vkey").decode(errors="replace").split()]
        if not keys or any(self._place(key.name) != place for key in keys):
            raise LogFault(Fault.DAMAGED, "the log's key isn't of that log", where=str(place))
        return keys

    def _place(self, origin: str) -> Path:
        return self.directory / "logs" / log_id(origin)

    @contextmanager
    def _locked(self, place: Path) -> Iterator[None]:
        """Look, store and sign as one step, whatever other threads and processes do."""
        handle = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def log_id(origin: str) -> str:
    """How a monitor's address names a log: SHA-256 of the origin in hex."""
    return sha256(origin.encode()).hexdigest()


def read_request(body: bytes) -> tuple[int, list[bytes], bytes]:
    """Old size, consistency proof and checkpoint of an add-checkpoint request."""
    head, blank, note = body.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    found = _OLD.fullmatch(first)
    if not blank or found is None or len(lines) > MAX_PROOF_LINES or int(found[1]) > MAX_SIZE:
        raise LogFault(Fault.MALFORMED, "the request isn't old size, proof, empty line and checkpoint")
    try:
        proof = [binascii.a2b_base64(line, strict_mode=True) for line in lines]
    except binascii.Error:
        proof = [b""]
    if any(len(item) != HASH_SIZE for item in proof):
        raise LogFault(Fault.MALFORMED, "a line of the proof isn't a hash")
    return int(found[1]), proof, note


def write_request(old: int, proof: Sequence[bytes], note: bytes) -> bytes:
    """An add-checkpoint request."""
    lines = b"".join(binascii.b2a_base64(item) for item in proof)
    return b"old %d\n" % old + lines + b"\n" + note


def _refusal(status: Status, why: str) -> Answer:
    return Answer(status, f"{why}\n".encode())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise LogFault(
            Fault.MISSING, f"can't be read: {error.strerror}", where=str(path),
            advice="Make a witness with `mandat witness init DIR`, or restore its directory.",
        ) from None  # fmt: skip
    if len(data) > _MAX_FILE:
        raise LogFault(Fault.DAMAGED, f"the file has more than {_MAX_FILE} octets", where=str(path))
    return data


def _unwritable(error: OSError, path: Path) -> LogFault:
    return LogFault(
        Fault.UNWRITABLE,
        f"the witness can't be written: {error.strerror}",
        where=str(error.filename or path),
        advice="Free or remount the disk, then repeat.",
    )
