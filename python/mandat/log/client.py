"""Asking witnesses to cosign (C2SP tlog-witness, the client's side). Each witness is asked on a thread of its own."""

import queue
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from .checkpoint import MAX_SIZE, Checkpoint
from .cosign import timestamp
from .fault import LogFault
from .note import NoteKey, open_signatures, signature_line, split_lines, split_note
from .policy import Policy, Witness
from .reader import Tiles
from .witness import Status, write_request

# A witness answers in milliseconds; what takes longer than this is as good as down, until the next checkpoint.
WITNESS_SECONDS = 5.0
# After the quorum is there, how long the others may still take.
GRACE_SECONDS = 0.5
# A hybrid witness answers with 4 kB.
MAX_ANSWER = 1 << 16
# The size held may change between two requests of ours when another process asks too; more often is a game.
MAX_TRIES = 3
# "Verifiers MAY reject cosignatures with timestamps in the future": beyond what clocks differ by.
MAX_AHEAD_SECONDS = 300


class Result(StrEnum):
    """What became of asking one witness."""

    COSIGNED = "cosigned"
    NO_ADDRESS = "no_address"
    UNREACHABLE = "unreachable"
    LATE = "late"
    UNKNOWN_LOG = "unknown_log"
    KEY_REFUSED = "key_refused"
    REFUSED = "refused"
    AHEAD = "ahead"
    FORK = "fork"
    INVALID = "invalid"


# What to do about each: words for the operator.
ADVICE: Mapping[Result, str] = {
    Result.COSIGNED: "",
    Result.NO_ADDRESS: "Write the witness's address behind its key in the policy.",
    Result.UNREACHABLE: "Look whether the witness runs and the network leads there.",
    Result.LATE: "The witness hangs, or the way to it does.",
    Result.UNKNOWN_LOG: "Give its operator this log's key: mandat witness add-log DIR VKEY.",
    Result.KEY_REFUSED: "The witness knows another key for this log: ask its operator.",
    Result.REFUSED: "Ask the witness's operator.",
    Result.AHEAD: "It says that it saw a longer log: was this one restored from an old copy? Tell the overseer.",
    Result.FORK: "It says that this log contradicts what it saw. Keep all files and tell the overseer.",
    Result.INVALID: "Its answer isn't a cosignature of this checkpoint: wrong key in the policy, or it lies.",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one witness did with a checkpoint."""

    witness: str
    result: Result
    time: int | None = None
    """When it cosigned, by its own clock, in seconds since 1970."""
    size: int | None = None
    """The size that it holds now, as it says."""
    line: bytes = b""


def submit(
    note: bytes,
    log: NoteKey,
    tiles: Tiles,
    policy: Policy,
    sizes: Mapping[str, int],
    seconds: float = WITNESS_SECONDS,
) -> list[Outcome]:
    """Ask every witness of the policy to cosign a checkpoint. `sizes` is what each held when it was asked last.

    Comes back when all have answered, the time is up, or soon after the quorum is there.
    """
    checkpoint = Checkpoint.open(note, log)
    results: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    found = {name: Outcome(name, Result.LATE) for name in policy.witnesses}
    deadline = time.monotonic() + seconds
    # Not SITE's own cosignatures again: a witness needs the log's lines only.
    asks = [_Ask(w, note, log, checkpoint, tiles, sizes.get(w.name, 0)) for w in policy.witnesses.values()]
    for ask in asks:
        threading.Thread(target=ask.run, args=(results, deadline), daemon=True).start()
    waiting = len(asks)
    while waiting and (left := deadline - time.monotonic()) > 0:
        try:
            outcome = results.get(timeout=left)
        except queue.Empty:
            break
        found[outcome.witness] = outcome
        waiting -= 1
        signed = {o.witness: o.time or 0 for o in found.values() if o.result is Result.COSIGNED}
        if signed and policy.reached(signed):
            deadline = min(deadline, time.monotonic() + GRACE_SECONDS)
    for ask in asks:
        ask.cut()
    return list(found.values())


def with_cosignatures(note: bytes, outcomes: Sequence[Outcome], more: bytes = b"") -> bytes:
    """The log's own lines, then the cosignatures; those of `more` (an earlier copy of the same) that aren't new."""
    text, lines = split_note(note)
    extra = [line for outcome in outcomes if outcome.line for line in split_lines(outcome.line.decode())]
    if more:
        other, again = split_note(more)
        extra += again if other == text else []
    have: dict[tuple[str, bytes], bytes] = {}
    for name, key_id, signature in [*lines, *extra]:
        have.setdefault((name, key_id), signature)
    written = "".join(signature_line(name, key_id, signature) for (name, key_id), signature in have.items())
    return f"{text}\n{written}".encode()


class _Ask:
    """One witness being asked."""

    def __init__(
        self, witness: Witness, note: bytes, log: NoteKey, checkpoint: Checkpoint, tiles: Tiles, size: int
    ) -> None:
        self._witness = witness
        self._note = note
        self._checkpoint = checkpoint
        # A cache of its own: threads share nothing.
        self._tiles = Tiles(tiles.directory, checkpoint.size)
        self._size = min(size, checkpoint.size)
        self._connection: HTTPConnection | None = None

    def run(self, results: "queue.SimpleQueue[Outcome]", deadline: float) -> None:
        """Whatever the witness does, one outcome comes of it."""
        name = self._witness.name
        try:
            outcome = self._ask(deadline)
        except TimeoutError:
            outcome = Outcome(name, Result.LATE)
        except OSError:
            outcome = Outcome(name, Result.UNREACHABLE)
        except (HTTPException, LogFault, ValueError):
            outcome = Outcome(name, Result.INVALID)
        finally:
            self.cut()
        results.put(outcome)

    def cut(self) -> None:
        """End the exchange: a trickle of octets would keep a timeout from ever coming."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        connected = connection.sock
        if connected is not None:
            with suppress(OSError):  # the other side was faster
                connected.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            connection.close()

    def _ask(self, deadline: float) -> Outcome:
        name, url = self._witness.name, urlsplit(self._witness.url)
        if not url.hostname:
            return Outcome(name, Result.NO_ADDRESS)
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        connection = kind(url.hostname, url.port, timeout=max(0.1, deadline - time.monotonic()))
        self._connection = connection
        for _ in range(MAX_TRIES):
            proof = self._tiles.consistency(self._size)
            body = write_request(self._size, proof, self._note)
            connection.request("POST", f"{url.path}/add-checkpoint", body, {"Content-Type": "text/plain"})
            with connection.getresponse() as answer:
                data = answer.read(MAX_ANSWER + 1)
            if answer.status == Status.OK:
                return self._cosigned(data)
            if answer.status != Status.CONFLICT:
                return Outcome(name, _REFUSALS.get(answer.status, Result.REFUSED))
            held = _size(data)
            if held > self._checkpoint.size:
                return Outcome(name, Result.AHEAD, size=held)
            if held == self._size:
                return Outcome(name, Result.INVALID)
            self._size = held
        return Outcome(name, Result.INVALID)

    def _cosigned(self, data: bytes) -> Outcome:
        """Only this witness's own line over this very checkpoint counts; others are ignored, as specified."""
        if len(data) > MAX_ANSWER:
            raise ValueError
        text = self._checkpoint.body()
        _, found = open_signatures(f"{text}\n".encode() + data, [self._witness.key])
        key, signature = found[0]
        moment = timestamp(signature)
        if not 0 < moment <= time.time() + MAX_AHEAD_SECONDS:
            return Outcome(self._witness.name, Result.INVALID)
        line = signature_line(key.name, key.key_id, signature).encode()
        return replace(
            Outcome(self._witness.name, Result.COSIGNED), time=moment, size=self._checkpoint.size, line=line
        )


_REFUSALS: Mapping[int, Result] = {
    Status.NOT_FOUND: Result.UNKNOWN_LOG,
    Status.FORBIDDEN: Result.KEY_REFUSED,
    Status.UNPROCESSABLE: Result.FORK,
}


def _size(data: bytes) -> int:
    text = data.removesuffix(b"\n")
    if not text.isdigit() or len(text) > len(str(MAX_SIZE)) or int(text) > MAX_SIZE:
        raise ValueError
    return int(text)
