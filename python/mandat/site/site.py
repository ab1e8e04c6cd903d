"""A site: one operator's authorities, keys, log and stores in one directory. Every act goes through here."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from mandat.errors import MandatError, Refusal
from mandat.log import (
    Checkpoint,
    Event,
    Kind,
    Opening,
    Tiles,
    check_extends,
    read_checkpoint,
)
from mandat.log.entry import Value
from mandat.log.event import Urgency, urgency
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
    head: bytes
    """The head that the bundle's proof starts from: the point must be configured with the same."""
    checkpoint: bytes
    """What becomes the head, once the point has accepted it: see `pin_head`."""


@dataclass(frozen=True, slots=True)
class Offer:
    """All that one run puts before the point, resting on one checkpoint and one earlier head."""

    config: bytes
    """What the point trusts, with the head that it accepted last."""
    admissions: list[Admission]
    withheld: list[Refusal]
    checkpoint: bytes
    """What becomes the head, once the point has accepted it: see `Site.pin_head`."""


@dataclass(frozen=True, slots=True)
class _Ground:
    """The log as bundles need it."""

    tiles: Tiles
    note: bytes
    head: bytes
    consistency: list[bytes]


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

    def record(self, kind: str, liid: str, **fields: Value) -> int | None:
        """Log an act. On return it is signed for and on disk, or waits durably (None) if nobody has to wait for it.

        A suspension first ends the task.
        """
        if Kind(kind) is Kind.SUSPEND:
            self._suspend(liid)
        events = [Event(Kind(kind), liid, self.actor, fields)]
        return (self._append(events) if urgency(kind) is Urgency.START else self._defer(events))[0]

    def _suspend(self, liid: str) -> None:
        with self._one_at_a_time():
            found = self._registry.load(liid)
            # A run may outlive its warrant: what has ended meanwhile stays as it is, and the fact is logged.
            if found.standing.state is State.ACTIVE:
                found.standing.state = move(liid, found.standing.state, State.SUSPENDED)
                self._registry.save(found)

    def at_point(self) -> AbstractContextManager[None]:
        """Holds the site's one point: a second run would give out the same numbers again."""
        return files.exclusive(self.root / "point" / "run.lock", wait=0)

    def is_active(self, liid: str) -> bool:
        """Whether the desk still says `active`: what a run asks again and again. Whatever can't be read says no."""
        try:
            return self._registry.standing(liid).state is State.ACTIVE
        except MandatError:
            return False

    def authority(self, liid: str, now_ns: int | None = None) -> Warrant:
        """A warrant that is in force now, checked from its own octets and from the log; else a refusal."""
        return self._in_force(liid, moment(now_ns))[0].warrant

    def admission(self, liid: str, now_ns: int | None = None) -> Admission:
        """What the point needs to admit one warrant, beside `point_config`."""
        return self._admission(liid, now_ns, self._extended())

    def offer(self, now_ns: int | None = None) -> Offer:
        """What to put before the point: every warrant in force but disclosures, which select no traffic.

        Warrants that say `active` but don't hold up are withheld. The log must extend the checkpoint that the point
        accepted last: that is checked here, and by the point itself from the proof in each bundle.
        """
        # One checkpoint for all: within a run the point takes no other one without a proof.
        ground = self._extended()
        offered, withheld = [], []
        for liid in self._registry.liids():
            try:
                record = self._registry.load(liid)
                window = record.warrant.terms.window
                idle = record.standing.state is not State.ACTIVE or not window.holds(moment(now_ns))
                if not idle and record.warrant.kind is not WarrantKind.DISCLOSURE:
                    offered.append(self._admission(liid, now_ns, ground))
            except Refusal as refusal:
                withheld.append(refusal)
            except MandatError as error:
                withheld.append(Refusal(error.code, error.message, where=liid, advice=error.advice))
        return Offer(self.point_config(ground.head), offered, withheld, ground.note)

    def _admission(self, liid: str, now_ns: int | None, ground: _Ground) -> Admission:
        record, opening = self._in_force(liid, moment(now_ns))
        if opening.index >= ground.tiles.size:  # activated a moment ago, after the checkpoint was read
            raise Refusal(
                "not_in_log", "the log has no activation of this warrant yet", where=liid, advice="Try again."
            )
        with files.log_faults():
            offer = bundle(
                record.warrant, record.approvals, opening, ground.tiles, ground.note, ground.consistency
            )
        return Admission(liid, record.warrant.kind.value, offer, ground.head, ground.note)

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

    def _extended(self) -> _Ground:
        """The log as it is, once it has been shown to extend what the point accepted last."""
        with files.log_faults():
            verifier = self.keys.log_verifier()
            # The head first: what another run pins meanwhile is then never newer than the checkpoint.
            head = files.read(self._head)
            current, note = read_checkpoint(self.log, verifier)
            check_extends(self.log, verifier, head, current)
            tiles = Tiles(self.log, current.size)
            return _Ground(tiles, note, head, tiles.consistency(Checkpoint.open(head, verifier).size))
