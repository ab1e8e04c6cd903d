"""What every act of a site stands on: its configuration, its keys and its log."""

import getpass
import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import msgspec

from mandat.config import Config, parse_config
from mandat.errors import Refusal
from mandat.log import (
    Checkpoint,
    Event,
    Kind,
    LogWriter,
    Opening,
    Openings,
    Report,
    Segment,
    Tiles,
    audit,
    check_extends,
    read_checkpoint,
)
from mandat.log.proof import Proof, prove
from mandat.site import files, layout
from mandat.site.keys import Keys
from mandat.site.registry import Registry
from mandat.site.witnessing import Witnessing
from mandat.warrant import Approver


class Ground:
    """An opened site directory."""

    def __init__(self, root: Path, actor: str | None = None) -> None:
        self.root = root
        identity = layout.read_identity(root)
        self.lab = identity.lab
        self.origin = identity.origin
        self.created = identity.created
        self.actor = actor or _login()
        self.keys = Keys(root / "keys")
        self.log = root / "log"
        self.openings = root / "openings"
        self._registry = Registry(root / "warrants")

    # ------------------------------------------------------------ configuration and keys

    @cached_property
    def config(self) -> Config:
        """Policy and numbering."""
        path = self.root / "config.json"
        return parse_config(files.read(path), str(path))

    @cached_property
    def _writer(self) -> LogWriter:
        return LogWriter(self.log, self.openings, self.keys.log_signer(), self.keys.dummies())

    @cached_property
    def witnessing(self) -> Witnessing:
        """The witnesses of the site's policy, if it has one."""
        return Witnessing(self.root, self.log, self.keys.log_verifier, lambda: self._writer)

    def point_config(self, head: bytes | None = None) -> bytes:
        """What the point trusts, how it reads numbers and which head of the log it accepted last, as JSON.

        `head` is for bundles that were made for an earlier one; otherwise it is read anew.
        """
        rules = self.config.policy
        return msgspec.json.encode(
            {
                "head": (files.read(self._head) if head is None else head).decode(errors="replace"),
                "log": {"origin": self.origin, "vkey": self.keys.log_verifier().vkey},
                "approvers": self.keys.approvers(),
                "policy": {
                    "kinds": rules.kinds,
                    "approvals": rules.approvals,
                    "screening_product": rules.screening_product,
                },
                "numbering": self.config.numbering,
                "hep": self.config.hep,
                "leg_header": self.config.leg_header,
                "smpp": self.config.smpp,
            }
        )

    def pin_approvers(self, approvers: list[Approver]) -> None:
        """Pin the people who may approve. The point reads them at its next run."""
        self.keys.pin(approvers)

    def period_key(self, liid: str, period: str) -> bytes:
        """The key that seals a month of call records under a retention warrant; made at its first use."""
        return self.keys.period_key(liid, period)

    def new_run_id(self) -> str:
        """A name for a run: sorts by time, and two runs never share one."""
        return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"

    # ------------------------------------------------------------ log

    def verify_log(self) -> Report:
        """Verify the whole log, every opening, and that it extends what the point saw last."""
        with files.log_faults():
            older = files.read(self._head)
            return audit(
                self.log, self.keys.log_verifier(), self.openings, older=older, dummies=self.keys.dummies()
            )

    def events(self, liid: str) -> list[Opening]:
        """What the log says of a warrant, in order."""
        with files.log_faults():
            checkpoint, _ = read_checkpoint(self.log, self.keys.log_verifier())
            return Openings(self.openings).events(liid, checkpoint.size)

    def proof(self, liid: str, index: int | None = None, only: Collection[str] = ()) -> Proof:
        """The proof of one act of a warrant, by default its newest activation, under the best checkpoint there is."""
        found = [
            event
            for event in self.events(liid)
            if (event.fields().get("kind") == Kind.ACTIVATE if index is None else event.index == index)
        ]
        if not found:
            raise Refusal(
                "not_in_log", "the log has no such entry of this warrant", where=liid,
                advice="`mandat log show LIID` lists its entries.",
            )  # fmt: skip
        checkpoint, note = self.witnessing.cosigned_note(found[-1].index + 1)
        with files.log_faults():
            return prove(Tiles(self.log, checkpoint.size), note, found[-1], only)

    def checkpoint(self) -> bytes:
        """The log's signed checkpoint as it is."""
        with files.log_faults():
            return read_checkpoint(self.log, self.keys.log_verifier())[1]

    def pin_head(self, checkpoint: bytes) -> None:
        """Remember a checkpoint that the point has accepted: no shorter or other log is believed from now on.

        The pin only moves forward: of two runs at once the later one may have pinned more already.
        """
        with files.log_faults(), files.exclusive(self._head.with_name("head.lock")):
            verifier = self.keys.log_verifier()
            pinned = files.read(self._head)
            new = Checkpoint.open(checkpoint, verifier)
            if new.size > Checkpoint.open(pinned, verifier).size:
                check_extends(self.log, verifier, pinned, new)
                files.write(self._head, checkpoint)

    @property
    def _head(self) -> Path:
        return self.root / "point" / "head"

    def _append(self, events: Sequence[Event]) -> list[int]:
        with files.log_faults():
            indices = self._writer.append(events, told=self.told)
        self.witnessing.tell()
        return indices

    def _defer(self, events: Sequence[Event]) -> list[int | None]:
        """For what has stopped already, and for what nobody waits for: durable on return, logged when there is room."""
        with files.log_faults():
            indices = self._writer.defer(events)
        self.witnessing.tell()
        return indices

    # ------------------------------------------------------------ schedule

    told: Callable[[float], None] | None = None
    """Hears for how many seconds an act waits for the log's next tick."""

    def keep_log(self, watch: Callable[[int, int], None] | None = None) -> float | None:
        """Write every tick of the log that is due. Gives when the next one is; None without a clock."""
        with files.log_faults():
            self._writer.advance(watch=watch)
            due = self._writer.due
        self.witnessing.tell()
        return due

    def schedule_log(self, segment: Segment) -> int:
        """Publish and log a change of schedule. A log from before there were schedules gets its first one so."""
        with files.log_faults():
            self.keys.dummies(make=True)
            self.__dict__.pop("_writer", None)  # it was opened without the key
            return self._writer.change(segment, self.actor)


def _login() -> str:
    """Who acts, as the operating system says; a service without a login name is named so."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "service"
