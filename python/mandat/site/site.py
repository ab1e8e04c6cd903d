"""A site: one operator's authorities, keys, log and stores in one directory.

Every act goes through here, and two orders hold throughout:

* Starting waits for the log. A warrant is active only after its `activate` entry is signed for and on disk.
* Stopping doesn't. A warrant that ends is marked so first and logged then; what a crash left unlogged, the
  next `expire` logs.
"""

import getpass
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Self

import msgspec

from mandat.config import Config, parse_config
from mandat.errors import MandatError, Refusal
from mandat.log import (
    Event,
    Kind,
    LogWriter,
    Opening,
    Openings,
    Report,
    Tiles,
    Verifier,
    audit,
    check_extends,
    read_checkpoint,
)
from mandat.log.entry import Value
from mandat.site import files, layout
from mandat.site.keys import Keys, read_signer
from mandat.site.registry import Record, Registry, Standing
from mandat.warrant import Approval, Approver, State, Warrant, WarrantKind, instant, parse_warrant, policy
from mandat.warrant import approvals as approval_rules
from mandat.warrant import sign as sign_approval
from mandat.warrant.tasking import bundle, move

# Why a warrant may end before its time. A code, not a sentence: it stands in the log.
REVOCATIONS = ("authority_withdrew", "error", "target_left", "purpose_met", "operator_unable", "other")
_EXPIRED = "window_over"


@dataclass(frozen=True, slots=True)
class Admission:
    """What is offered to the point for one warrant."""

    liid: str
    kind: str
    bundle: bytes


@dataclass(frozen=True, slots=True)
class Summary:
    """What may be shown of a warrant: all but its targets and criteria."""

    liid: str
    kind: str
    state: str
    reference: str
    issuing_authority: str
    legal_basis: str
    requester: str
    approvers: list[str]
    approvals_needed: int
    product: str
    start: str
    end: str
    targets: int
    criteria: int
    recipients: int
    digest: str
    authorised: int | None
    activated: int | None
    ended: int | None
    purpose: str


class Site:
    """An opened site."""

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

    @classmethod
    def init(
        cls, path: Path, lab: bool = False, *, origin: str | None = None, actor: str | None = None
    ) -> Self:
        """Make a site. A lab has throw-away approvers and an agency under SITE/lab, and every kind enabled."""
        layout.make_site(Path(path), origin or layout.default_origin(Path(path)), lab)
        return cls(Path(path), actor)

    @classmethod
    def open(cls, path: Path, actor: str | None = None) -> Self:
        """Open a site of this version."""
        return cls(Path(path), actor)

    # ------------------------------------------------------------ configuration and keys

    @cached_property
    def config(self) -> Config:
        """Policy and numbering."""
        path = self.root / "config.json"
        return parse_config(files.read(path), str(path))

    @cached_property
    def _writer(self) -> LogWriter:
        return LogWriter(self.log, self.openings, self.keys.log_signer())

    def point_config(self) -> bytes:
        """What the point trusts and how it reads numbers, as JSON."""
        rules = self.config.policy
        return msgspec.json.encode(
            {
                "log": {"origin": self.origin, "vkey": self.keys.log_verifier().vkey},
                "approvers": self.keys.approvers(),
                "policy": {
                    "kinds": rules.kinds,
                    "approvals": rules.approvals,
                    "screening_product": rules.screening_product,
                },
                "numbering": self.config.numbering,
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

    def record(self, kind: str, liid: str, **fields: Value) -> int:
        """Log an act; on return it is signed for and on disk. A suspension also ends the task, before it is logged."""
        if Kind(kind) is Kind.SUSPEND:
            found = self._registry.load(liid)
            found.standing.state = move(liid, found.standing.state, State.SUSPENDED)
            self._registry.save(found)
        return self._append([Event(Kind(kind), liid, self.actor, fields)])[0]

    def verify_log(self) -> Report:
        """Verify the whole log, every opening, and that it extends what the point saw last."""
        with files.log_faults():
            older = files.read(self._head)
            return audit(self.log, self.keys.log_verifier(), self.openings, older=older)

    def events(self, liid: str) -> list[Opening]:
        """What the log says of a warrant, in order."""
        with files.log_faults():
            checkpoint, _ = read_checkpoint(self.log, self.keys.log_verifier())
            return Openings(self.openings).events(liid, checkpoint.size)

    @property
    def _head(self) -> Path:
        return self.root / "point" / "head"

    def _append(self, events: Sequence[Event]) -> list[int]:
        with files.log_faults():
            return self._writer.append(events)

    # ------------------------------------------------------------ warrants

    def add_warrant(
        self, document: bytes, approvals: Sequence[Approval] = (), now_ns: int | None = None
    ) -> Summary:
        """Take a warrant in, with the approvals at hand. With enough of them it is activated at once."""
        warrant = parse_warrant(document)
        policy.check(warrant, self.config.policy)
        policy.check_not_over(warrant, _moment(now_ns))
        # The log remembers a LIID even when its files are gone.
        if self._registry.has(warrant.liid) or any(
            event.fields()["kind"] in (Kind.ACTIVATE, Kind.DEACTIVATE) for event in self.events(warrant.liid)
        ):
            raise Refusal(
                "liid_taken",
                "this LIID is in use",
                where=warrant.liid,
                advice="Give the warrant a LIID of its own.",
            )
        for approval in approvals:
            approval_rules.verify(warrant, approval, self._trust())
        index = self._append([self._event(Kind.AUTHORISE, warrant, window=True)])[0]
        record = Record(warrant, [], Standing(State.ADDED, authorised=index))
        self._registry.save(record)
        for approval in approvals:
            self._approve(record, approval, now_ns)
        return self.show(warrant.liid)

    def approve(self, liid: str, key_file: Path, now_ns: int | None = None) -> Summary:
        """Approve with a key file. The last approval needed activates the warrant."""
        signer = read_signer(Path(key_file))
        vkey = signer.verifier.vkey
        names = [approver.name for approver in self.keys.approvers() if approver.vkey == vkey]
        record = self._registry.load(liid)
        # A key that isn't pinned has no name here; `verify` refuses it.
        approval = sign_approval(record.warrant, signer, names[0] if names else signer.verifier.name)
        return self.add_approval(liid, approval, now_ns)

    def add_approval(self, liid: str, approval: Approval, now_ns: int | None = None) -> Summary:
        """Add an approval that was made elsewhere. The last one needed activates the warrant."""
        record = self._registry.load(liid)
        self._approve(record, approval, now_ns)
        return self.show(liid)

    def activate(self, liid: str, now_ns: int | None = None) -> Summary:
        """Put an approved warrant in force. `approve` does this; by itself it completes what a crash cut short."""
        record = self._registry.load(liid)
        self._activate(record, now_ns)
        return self.show(liid)

    def revoke(self, liid: str, reason: str) -> Summary:
        """End a warrant before its time, for good."""
        if reason not in REVOCATIONS:
            raise Refusal(
                "reason_unknown", "this is no reason code", where=liid, advice=", ".join(REVOCATIONS)
            )
        self._end(self._registry.load(liid), State.REVOKED, reason)
        return self.show(liid)

    def expire(self, now_ns: int | None = None) -> list[str]:
        """End each warrant whose window is over, and log what a crash left unlogged. Gives the LIIDs that ended."""
        ended = []
        for liid in self._registry.liids():
            try:
                record = self._registry.load(liid)
            except MandatError:  # `admissions` withholds it and says why
                continue
            over = _moment(now_ns) >= instant(record.warrant.terms.window.end)
            if record.standing.state in (State.EXPIRED, State.REVOKED):
                self._log_end(record)
            elif over:
                self._end(record, State.EXPIRED, _EXPIRED)
                ended.append(liid)
        return ended

    def show(self, liid: str) -> Summary:
        """A warrant without its targets and criteria."""
        record = self._registry.load(liid)
        terms, standing = record.warrant.terms, record.standing
        return Summary(
            liid=liid,
            kind=record.warrant.kind.value,
            state=standing.state.value,
            reference=terms.reference,
            issuing_authority=terms.issuing_authority,
            legal_basis=terms.legal_basis,
            requester=terms.requester,
            approvers=[approval.approver for approval in record.approvals],
            approvals_needed=policy.approvals_needed(self.config.policy, record.warrant.kind),
            product=str(terms.product),
            start=terms.window.start,
            end=terms.window.end,
            targets=len(terms.targets),
            criteria=len(terms.criteria),
            recipients=len(terms.recipients),
            digest=record.warrant.digest,
            authorised=standing.authorised,
            activated=standing.activated,
            ended=standing.ended,
            purpose=standing.purpose,
        )

    def warrants(self) -> list[Summary]:
        """All warrants, without their targets and criteria."""
        return [self.show(liid) for liid in self._registry.liids()]

    # ------------------------------------------------------------ in force

    def authority(self, liid: str, now_ns: int | None = None) -> Warrant:
        """A warrant that is in force now, checked from its own octets and from the log; else a refusal."""
        return self._in_force(liid, _moment(now_ns))[0].warrant

    def admission(self, liid: str, now_ns: int | None = None) -> Admission:
        """What the point needs to admit one warrant."""
        record, opening = self._in_force(liid, _moment(now_ns))
        with files.log_faults():
            checkpoint, note = read_checkpoint(self.log, self.keys.log_verifier())
            offer = bundle(record.warrant, record.approvals, opening, Tiles(self.log, checkpoint.size), note)
        return Admission(liid, record.warrant.kind.value, offer)

    def admissions(self, now_ns: int | None = None) -> list[Admission]:
        """What to offer to the point: every warrant in force but disclosures, which select no traffic."""
        return self.offers(now_ns)[0]

    def offers(self, now_ns: int | None = None) -> tuple[list[Admission], list[Refusal]]:
        """`admissions`, and the refusals of warrants that say `active` but don't hold up.

        First the log must extend the checkpoint that the point saw last; then that pin moves forward.
        """
        self._check_head()
        offered, withheld = [], []
        for liid in self._registry.liids():
            try:
                record = self._registry.load(liid)
                window = record.warrant.terms.window
                idle = record.standing.state is not State.ACTIVE or not window.holds(_moment(now_ns))
                if not idle and record.warrant.kind is not WarrantKind.DISCLOSURE:
                    offered.append(self.admission(liid, now_ns))
            except Refusal as refusal:
                withheld.append(refusal)
            except MandatError as error:
                withheld.append(Refusal(error.code, error.message, where=liid, advice=error.advice))
        return offered, withheld

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

    def _check_head(self) -> None:
        with files.log_faults():
            verifier = self.keys.log_verifier()
            current, note = read_checkpoint(self.log, verifier)
            older = files.read(self._head)
            check_extends(self.log, verifier, older, current)
        if note != older:
            files.write(self._head, note)

    # ------------------------------------------------------------ steps

    def _approve(self, record: Record, approval: Approval, now_ns: int | None) -> None:
        warrant = record.warrant
        if record.standing.state is not State.ADDED:
            move(warrant.liid, record.standing.state, State.APPROVED)
        policy.check_not_over(warrant, _moment(now_ns))
        approval_rules.check(warrant, [*record.approvals, approval], self._trust(), 0)
        number = len(record.approvals) + 1
        event = self._event(Kind.APPROVE, warrant, approver=approval.approver)
        record.standing.approved.append(self._append([event])[0])
        record.approvals.append(approval)
        if number >= self._needed(warrant):
            record.standing.state = move(warrant.liid, record.standing.state, State.APPROVED)
        self._registry.save(record)
        if record.standing.state is State.APPROVED:
            self._activate(record, now_ns)

    def _activate(self, record: Record, now_ns: int | None) -> None:
        warrant, standing = record.warrant, record.standing
        approval_rules.check(warrant, record.approvals, self._trust(), self._needed(warrant))
        policy.check(warrant, self.config.policy)
        policy.check_not_over(warrant, _moment(now_ns))
        state = move(warrant.liid, standing.state, State.ACTIVE)
        standing.activated = self._append([self._event(Kind.ACTIVATE, warrant, window=True)])[0]
        standing.state = state
        self._registry.save(record)

    def _end(self, record: Record, state: State, purpose: str) -> None:
        standing = record.standing
        standing.state = move(record.warrant.liid, standing.state, state)
        standing.purpose = purpose
        self._registry.save(record)
        self._log_end(record)

    def _log_end(self, record: Record) -> None:
        if record.standing.ended is None:
            event = Event(
                Kind.DEACTIVATE, record.warrant.liid, self.actor, {"purpose": record.standing.purpose}
            )
            record.standing.ended = self._append([event])[0]
            self._registry.save(record)

    def _event(self, kind: Kind, warrant: Warrant, *, window: bool = False, **more: Value) -> Event:
        fields: dict[str, Value] = {"authority_id": warrant.terms.reference, "authority_hash": warrant.digest}
        if window:
            fields |= {"valid_from": warrant.terms.window.start, "valid_to": warrant.terms.window.end}
        return Event(kind, warrant.liid, self.actor, fields | more)

    def _trust(self) -> dict[str, Verifier]:
        return approval_rules.trust(self.keys.approvers())

    def _needed(self, warrant: Warrant) -> int:
        return policy.approvals_needed(self.config.policy, warrant.kind)


def _moment(now_ns: int | None) -> datetime:
    return datetime.now(UTC) if now_ns is None else datetime.fromtimestamp(now_ns // 1_000_000_000, UTC)


def _login() -> str:
    """Who acts, as the operating system says; a service without a login name is named so."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "service"
