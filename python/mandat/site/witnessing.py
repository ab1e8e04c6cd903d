"""The witnesses of a site: SITE/witness-policy names them (C2SP tlog-policy); without that file there are none.

* Starting waits: a warrant comes in force when a quorum has cosigned its activation, and not before.
* Nothing else waits: other acts are told to the witnesses on a thread of their own. Stops never wait.
* What fails is shown: `standing` says since when, and how many entries, no quorum has cosigned.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mandat.errors import LogError, MandatError, Refusal
from mandat.log import Checkpoint, LogWriter, Tiles, Verifier, read_checkpoint
from mandat.log.client import ADVICE, WITNESS_SECONDS, Outcome, Result, submit, with_cosignatures
from mandat.log.note import lines_of
from mandat.log.policy import Policy, Verdict, shown
from mandat.site import files

# The core reads checkpoints of 64 kB and 64 lines; 16 post-quantum cosignatures take 53 kB beside the log's own lines.
MAX_SITE_WITNESSES = 16
# How long an activation waits for its quorum before it is refused. It stays approved and logged: `warrant activate`
# completes it. A person waits at the desk; witnesses that are down for longer won't be back within this command.
QUORUM_SECONDS = 20.0
_PAUSE_SECONDS = 1.0


class Asked(msgspec.Struct, frozen=True):
    """What became of asking a witness last. A cache and a report, not a proof: the cosignatures are that."""

    result: str
    asked: int
    """When, in seconds since 1970."""
    size: int = 0
    time: int | None = None


@dataclass(frozen=True, slots=True)
class WitnessState:
    """A witness as a person is told of it."""

    name: str
    result: str
    asked: int | None
    cosigned: int | None
    size: int | None
    advice: str


@dataclass(frozen=True, slots=True)
class WitnessStanding:
    """How far the witnesses vouch for the log."""

    size: int
    cosigned_size: int
    """Size of the newest checkpoint that a quorum has cosigned."""
    cosigned_time: int | None
    """When its last witness did so, in seconds since 1970."""
    witnesses: list[WitnessState]

    @property
    def gap(self) -> int:
        """Entries that no quorum vouches for yet."""
        return self.size - self.cosigned_size


class Witnessing:
    """Submits the log's checkpoints and keeps what comes back."""

    def __init__(
        self, root: Path, log: Path, verifier: Callable[[], Verifier], writer: Callable[[], LogWriter]
    ) -> None:
        self._policy_file = root / "witness-policy"
        self._state_file = root / "point" / "witnesses.json"
        self._log = log
        self._verifier = verifier
        self._writer = writer
        self._guard = threading.Lock()
        self._told = False
        self._worker: threading.Thread | None = None

    @property
    def required(self) -> bool:
        """Whether the site has a policy at all."""
        return self._policy_file.is_file()

    def policy(self) -> Policy:
        """The site's policy, read anew."""
        where = str(self._policy_file)
        with files.log_faults():
            policy = Policy.parse(files.read(self._policy_file), where)
        ours = self._verifier()
        if policy.logs and all(getattr(key, "vkey", "") != ours.vkey for key in policy.logs):
            raise LogError("policy_wrong", "the policy names other logs than this one", where=where,
                           advice="Add the line: log, then what keys/log.vkey holds.")  # fmt: skip
        if len(policy.witnesses) > MAX_SITE_WITNESSES:
            raise LogError("policy_wrong", f"the policy has more than {MAX_SITE_WITNESSES} witnesses",
                           where=where, advice="Name fewer.")  # fmt: skip
        return policy

    def tell(self) -> None:
        """Have the newest checkpoint cosigned, on a thread of its own. Comes back at once and never fails."""
        if not self.required:
            return
        with self._guard:
            self._told = True
            if self._worker is None:
                # No daemon: a command ends only when its entries were offered, which takes five seconds at most.
                self._worker = threading.Thread(target=self._work, name="witnessing")
                self._worker.start()

    def submit(self, seconds: float = WITNESS_SECONDS) -> list[Outcome]:
        """Ask all witnesses to cosign the newest checkpoint, and keep what they answer."""
        policy = self.policy()
        with files.log_faults():
            verifier = self._verifier()
            checkpoint, note = read_checkpoint(self._log, verifier)
            tiles = Tiles(self._log, checkpoint.size)
            sizes = {name: asked.size for name, asked in self._state().items()}
            outcomes = submit(_own_lines(note, verifier), verifier, tiles, policy, sizes, seconds)
            if any(outcome.result is Result.COSIGNED for outcome in outcomes):
                note = with_cosignatures(note, outcomes, note)
                reached = policy.check(note, verifier).reached
                self._writer().keep_cosigned(note, quorum=reached)
        self._remember(outcomes)
        return outcomes

    def require(self, index: int, liid: str) -> None:
        """Wait until a quorum has cosigned a checkpoint that holds this entry; refuse when it doesn't come."""
        deadline = time.monotonic() + QUORUM_SECONDS
        outcomes: list[Outcome] = []
        while True:
            verdict = self.cosigned()
            if verdict is not None and verdict.reached and verdict.checkpoint.size > index:
                return
            if (left := deadline - time.monotonic()) <= 0:
                break
            if outcomes:
                time.sleep(min(_PAUSE_SECONDS, left))
            outcomes = self.submit(min(WITNESS_SECONDS, max(left, 0.1)))
        failed = ", ".join(
            f"{shown(o.witness)} {o.result}" for o in outcomes if o.result is not Result.COSIGNED
        )
        raise Refusal(
            "quorum_missing",
            f"no quorum of witnesses cosigned the activation within {QUORUM_SECONDS:.0f} s ({failed})",
            where=liid,
            advice="It is approved and logged, not in force. When the witnesses are back: mandat warrant activate.",
        )

    def cosigned(self) -> Verdict | None:
        """The newest checkpoint that witnesses vouch for, verified."""
        policy = self.policy()
        best: Verdict | None = None
        for name in ("cosigned", "checkpoint"):
            if not (self._log / name).is_file():
                continue
            with files.log_faults():
                verdict = policy.check(files.read(self._log / name), self._verifier())
            if verdict.reached and (best is None or verdict.checkpoint.size >= best.checkpoint.size):
                best = verdict
        return best

    def cosigned_note(self, at_least: int) -> tuple[Checkpoint, bytes]:
        """The newest checkpoint with a quorum, if it has this many entries; otherwise the newest of all."""
        with files.log_faults():
            verifier = self._verifier()
            current, note = read_checkpoint(self._log, verifier)
            path = self._log / "cosigned"
            if self.required and path.is_file():
                kept = files.read(path)
                found = Checkpoint.open(kept, verifier)
                if at_least <= found.size <= current.size and not self.policy().check(note, verifier).reached:
                    return found, kept
            return current, note

    def standing(self) -> WitnessStanding:
        """How far the witnesses vouch for the log, and what became of asking each."""
        policy, asked, verdict = self.policy(), self._state(), self.cosigned()
        with files.log_faults():
            current, _ = read_checkpoint(self._log, self._verifier())
        states = []
        for name in policy.witnesses:
            last = asked.get(name)
            advice = ADVICE[Result(last.result)] if last else "Submit by hand: mandat log cosign."
            states.append(
                WitnessState(
                    shown(name),
                    last.result if last else "never_asked",
                    last.asked if last else None,
                    last.time if last else None,
                    last.size if last else None,
                    advice,
                )
            )
        if verdict is None:
            return WitnessStanding(current.size, 0, None, states)
        moment = max(verdict.cosigned.values(), default=None)
        return WitnessStanding(current.size, verdict.checkpoint.size, moment, states)

    def _work(self) -> None:
        while True:
            with self._guard:
                if not self._told:
                    self._worker = None
                    return
                self._told = False
            try:
                self.submit()
            except MandatError:
                # `standing` and the doctor meet the same fault and say so; the act that was logged stands.
                continue

    def _state(self) -> dict[str, Asked]:
        try:
            found = msgspec.json.decode(self._state_file.read_bytes(), type=dict[str, Asked])
            known = {result.value for result in Result}
            return {name: asked for name, asked in found.items() if asked.result in known and asked.size >= 0}
        except (OSError, msgspec.DecodeError):
            return {}  # only a cache

    def _remember(self, outcomes: list[Outcome]) -> None:
        before = self._state()
        now = int(time.time())
        state = {}
        for outcome in outcomes:
            last = before.get(outcome.witness, Asked("late", now))
            good = outcome.result is Result.COSIGNED
            size = outcome.size if good and outcome.size is not None else last.size
            state[outcome.witness] = Asked(outcome.result, now, size, outcome.time if good else last.time)
        try:
            files.write(self._state_file, msgspec.json.encode(state))
        except (MandatError, UnicodeError):
            return  # a full disk is told by the log itself, whose writer met it first


def _own_lines(note: bytes, verifier: Verifier) -> bytes:
    """The note with the log's own lines only: what others signed is nothing to a witness."""
    head, blank, lines = note.partition(b"\n\n")
    return head + blank + lines_of(verifier.name, lines)
