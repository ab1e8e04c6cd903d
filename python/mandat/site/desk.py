"""The desk: warrants come in, are approved, put in force and ended.

Two orders hold throughout:

* Starting waits for the log. A warrant is active only after its `activate` entry is signed for and on disk.
* Stopping doesn't. A warrant that ends is marked so first and logged then; what a crash left unlogged, the
  next `expire` logs.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mandat.errors import MandatError, Refusal
from mandat.log import (
    Event,
    Kind,
    Verifier,
)
from mandat.log.entry import Value, read_disclosure
from mandat.site import files
from mandat.site.ground import Ground
from mandat.site.keys import read_signer
from mandat.site.registry import Record, Standing
from mandat.warrant import Approval, State, Warrant, instant, parse_warrant, policy
from mandat.warrant import approvals as approval_rules
from mandat.warrant import sign as sign_approval
from mandat.warrant.tasking import move

# Why a warrant may end before its time. A code, not a sentence: it stands in the log.
REVOCATIONS = ("authority_withdrew", "error", "target_left", "purpose_met", "operator_unable", "other")
_EXPIRED = "window_over"


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


class Desk(Ground):
    """The acts on warrants."""

    def add_warrant(
        self, document: bytes, approvals: Sequence[Approval] = (), now_ns: int | None = None
    ) -> Summary:
        """Take a warrant in, with the approvals at hand. With enough of them it is activated at once."""
        warrant = parse_warrant(document)
        with self._one_at_a_time():
            self._add(warrant, approvals, now_ns)
        self._confirm(warrant.liid, now_ns)
        return self.show(warrant.liid)

    def _add(self, warrant: Warrant, approvals: Sequence[Approval], now_ns: int | None) -> None:
        policy.check(warrant, self.config.policy)
        policy.check_not_over(warrant, moment(now_ns))
        # The log remembers a LIID even when its files are gone.
        if self._registry.has(warrant.liid) or any(
            event.fields()["kind"] in (Kind.ACTIVATE, Kind.DEACTIVATE) for event in self.events(warrant.liid)
        ):
            raise Refusal(
                "liid_taken",
                "this LIID is or was in use",
                where=warrant.liid,
                advice="Give the warrant a LIID of its own.",
            )
        for approval in approvals:
            approval_rules.verify(warrant, approval, self._trust())
        # An overseer compares the approvers with whoever asked; a name that is no plain text is left out.
        asked: dict[str, Value] = {}
        if warrant.terms.requester.isprintable():
            asked = {"requester": warrant.terms.requester}
        said = self._event(Kind.AUTHORISE, warrant, window=True, warrant=warrant.kind.value, **asked)
        index = self._append([said])[0]
        record = Record(warrant, [], Standing(State.ADDED, authorised=index))
        self._registry.save(record)
        for approval in approvals:
            self._approve(record, approval, now_ns)

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
        with self._one_at_a_time():
            self._approve(self._registry.load(liid), approval, now_ns)
        self._confirm(liid, now_ns)
        return self.show(liid)

    def activate(self, liid: str, now_ns: int | None = None) -> Summary:
        """Put an approved warrant in force. `approve` does so; alone it completes what a crash cut short."""
        with self._one_at_a_time():
            self._activate(self._registry.load(liid), now_ns)
        self._confirm(liid, now_ns)
        return self.show(liid)

    def revoke(self, liid: str, reason: str) -> Summary:
        """End a warrant before its time, for good."""
        if reason not in REVOCATIONS:
            raise Refusal(
                "reason_unknown", "this is no reason code", where=liid, advice=", ".join(REVOCATIONS)
            )
        with self._one_at_a_time():
            self._end(self._registry.load(liid), State.REVOKED, reason)
        return self.show(liid)

    def expire(self, now_ns: int | None = None) -> list[str]:
        """End each warrant whose window is over; log what a crash left unlogged. Gives what ended."""
        with self._one_at_a_time():
            return self._expire(moment(now_ns))

    def _expire(self, now: datetime) -> list[str]:
        ended = []
        for liid in self._registry.liids():
            try:
                record = self._registry.load(liid)
            except MandatError:  # `admissions` withholds it and says why
                continue
            over = now >= instant(record.warrant.terms.window.end)
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

    # ------------------------------------------------------------ steps

    def _approve(self, record: Record, approval: Approval, now_ns: int | None) -> None:
        warrant = record.warrant
        if record.standing.state is not State.ADDED:
            move(warrant.liid, record.standing.state, State.APPROVED)
        policy.check_not_over(warrant, moment(now_ns))
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
        """Log the activation. Where the site has witnesses, only `_confirm` puts the warrant in force."""
        warrant, standing = record.warrant, record.standing
        self._may_start(record, now_ns)
        state = move(warrant.liid, standing.state, State.ACTIVE)
        if standing.activated is None or not self.witnessing.required:
            standing.activated = self._append([self._event(Kind.ACTIVATE, warrant, window=True)])[0]
        if not self.witnessing.required:
            standing.state = state
        self._registry.save(record)

    def _confirm(self, liid: str, now_ns: int | None) -> None:
        """Wait for a quorum of witnesses to cosign the activation; without it the warrant isn't in force.

        The lock isn't held meanwhile: whoever stops another warrant doesn't wait for witnesses.
        """
        standing = self._registry.standing(liid)
        logged = standing.state is State.APPROVED and standing.activated is not None
        if standing.activated is None or not logged or not self.witnessing.required:
            return
        self.witnessing.require(standing.activated, liid)
        with self._one_at_a_time():
            record = self._registry.load(liid)
            self._may_start(record, now_ns)
            record.standing.state = move(liid, record.standing.state, State.ACTIVE)
            self._registry.save(record)

    def _may_start(self, record: Record, now_ns: int | None) -> None:
        approval_rules.check(record.warrant, record.approvals, self._trust(), self._needed(record.warrant))
        policy.check(record.warrant, self.config.policy)
        policy.check_not_over(record.warrant, moment(now_ns))

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
            record.standing.ended = self._logged_end(record.warrant.liid)
            if record.standing.ended is None and not self._end_waits(record.warrant.liid):
                record.standing.ended = self._defer([event])[0]
            self._registry.save(record)
            if record.standing.ended is None:
                return  # it waits for a slot; the next `expire` looks again
            # From here on a log from before this end is a log that was rolled back.
            self.pin_head(self.checkpoint())

    def _logged_end(self, liid: str) -> int | None:
        ends = [event.index for event in self.events(liid) if event.fields()["kind"] == Kind.DEACTIVATE]
        return ends[-1] if ends else None

    def _end_waits(self, liid: str) -> bool:
        with files.log_faults():
            return any(
                draft.case == liid
                and ("kind", Kind.DEACTIVATE.value) in map(read_disclosure, draft.disclosures)
                for draft in self._writer.waiting()
            )

    def _one_at_a_time(self) -> AbstractContextManager[None]:
        """An act reads a warrant, logs and writes it back: two at once would lose one of them."""
        return files.exclusive(self.root / "warrants" / "lock")

    def _event(self, act: Kind, authority: Warrant, *, window: bool = False, **more: Value) -> Event:
        terms = authority.terms
        fields: dict[str, Value] = {"authority_id": terms.reference, "authority_hash": authority.digest}
        if window:
            fields |= {"valid_from": terms.window.start, "valid_to": terms.window.end}
        return Event(act, authority.liid, self.actor, fields | more)

    def _trust(self) -> dict[str, Verifier]:
        return approval_rules.trust(self.keys.approvers())

    def _needed(self, warrant: Warrant) -> int:
        return policy.approvals_needed(self.config.policy, warrant.kind)


def moment(now_ns: int | None) -> datetime:
    """A time in nanoseconds since 1970 as this code compares it; None is now."""
    return datetime.now(UTC) if now_ns is None else datetime.fromtimestamp(now_ns // 1_000_000_000, UTC)
