"""A site: one operator's authorities, keys, log and stores in one directory. Every act goes through here."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from mandat.errors import MandatError, Refusal
from mandat.log import (
    Event,
    Kind,
    Opening,
    Tiles,
    check_extends,
    read_checkpoint,
)
from mandat.log.entry import Value
from mandat.site import files, layout
from mandat.site.desk import Desk, moment
from mandat.site.registry import Record
from mandat.warrant import State, Warrant, WarrantKind, policy
from mandat.warrant import approvals as approval_rules
from mandat.warrant.tasking import bundle, move


@dataclass(frozen=True, slots=True)
class Admission:
    """What is offered to the point for one warrant."""

    liid: str
    kind: str
    bundle: bytes


class Site(Desk):
    """An opened site, and what it offers to the point."""

    @classmethod
    def init(
        cls, path: Path, lab: bool = False, *, origin: str | None = None, actor: str | None = None
    ) -> Self:
        """Make a site. A lab has throw-away approvers and an agency, and every kind enabled."""
        layout.make_site(Path(path), origin or layout.default_origin(Path(path)), lab)
        return cls(Path(path), actor)

    @classmethod
    def open(cls, path: Path, actor: str | None = None) -> Self:
        """Open a site of this version."""
        return cls(Path(path), actor)

    def record(self, kind: str, liid: str, **fields: Value) -> int:
        """Log an act; on return it is signed for and on disk. A suspension first ends the task."""
        if Kind(kind) is Kind.SUSPEND:
            found = self._registry.load(liid)
            # A run may outlive its warrant: what has ended meanwhile stays as it is, and the fact is logged.
            if found.standing.state is State.ACTIVE:
                found.standing.state = move(liid, found.standing.state, State.SUSPENDED)
                self._registry.save(found)
        return self._append([Event(Kind(kind), liid, self.actor, fields)])[0]

    def authority(self, liid: str, now_ns: int | None = None) -> Warrant:
        """A warrant that is in force now, checked from its own octets and from the log; else a refusal."""
        return self._in_force(liid, moment(now_ns))[0].warrant

    def admission(self, liid: str, now_ns: int | None = None) -> Admission:
        """What the point needs to admit one warrant."""
        with files.log_faults():
            checkpoint, note = read_checkpoint(self.log, self.keys.log_verifier())
        return self._admission(liid, now_ns, Tiles(self.log, checkpoint.size), note)

    def admissions(self, now_ns: int | None = None) -> list[Admission]:
        """What to offer to the point: every warrant in force but disclosures, which select no traffic."""
        return self.offers(now_ns)[0]

    def offers(self, now_ns: int | None = None) -> tuple[list[Admission], list[Refusal]]:
        """`admissions`, and the refusals of warrants that say `active` but don't hold up.

        First the log must extend the checkpoint that the point saw last; then that pin moves forward.
        """
        # One checkpoint for all: within a run the point takes no other one without a proof.
        tiles, note = self._check_head()
        offered, withheld = [], []
        for liid in self._registry.liids():
            try:
                record = self._registry.load(liid)
                window = record.warrant.terms.window
                idle = record.standing.state is not State.ACTIVE or not window.holds(moment(now_ns))
                if not idle and record.warrant.kind is not WarrantKind.DISCLOSURE:
                    offered.append(self._admission(liid, now_ns, tiles, note))
            except Refusal as refusal:
                withheld.append(refusal)
            except MandatError as error:
                withheld.append(Refusal(error.code, error.message, where=liid, advice=error.advice))
        return offered, withheld

    def _admission(self, liid: str, now_ns: int | None, tiles: Tiles, note: bytes) -> Admission:
        record, opening = self._in_force(liid, moment(now_ns))
        if opening.index >= tiles.size:  # activated a moment ago, after the checkpoint was read
            raise Refusal(
                "not_in_log", "the log has no activation of this warrant yet", where=liid, advice="Try again."
            )
        with files.log_faults():
            offer = bundle(record.warrant, record.approvals, opening, tiles, note)
        return Admission(liid, record.warrant.kind.value, offer)

    def _in_force(self, liid: str, now: datetime) -> tuple[Record, Opening]:
        record = self._registry.load(liid)
        warrant, standing = record.warrant, record.standing
        # (1) it is active
        if standing.state is not State.ACTIVE:
            raise Refusal(
                f"warrant_{standing.state.value}", f"the warrant is {standing.state.value}", where=liid,
                advice="`mandat warrant show` says what it lacks.",
            )  # fmt: skip
        # (2) the policy allows it, as it is today
        policy.check(warrant, self.config.policy)
        # (3) enough distinct people approved exactly these octets
        approval_rules.check(warrant, record.approvals, self._trust(), self._needed(warrant))
        # (4) its window is open
        policy.check_window(warrant, now)
        # (5) the log says that exactly these octets were activated, and nothing of an end
        opening = None
        for event in self.events(liid):
            fields = event.fields()
            if fields["kind"] == Kind.ACTIVATE and fields.get("authority_hash") == warrant.digest:
                opening = event
            elif fields["kind"] in (Kind.DEACTIVATE, Kind.SUSPEND):
                raise Refusal(
                    "ended_in_log",
                    "the log says that the warrant ended",
                    where=liid,
                    advice="Write a new warrant.",
                )
        if opening is None:
            raise Refusal(
                "not_in_log",
                "the log has no activation of this warrant",
                where=liid,
                advice="Approve it again.",
            )
        return record, opening

    def _check_head(self) -> tuple[Tiles, bytes]:
        with files.log_faults():
            verifier = self.keys.log_verifier()
            current, note = read_checkpoint(self.log, verifier)
            older = files.read(self._head)
            check_extends(self.log, verifier, older, current)
        if note != older:
            files.write(self._head, note)
        return Tiles(self.log, current.size), note
