"""The history of each case, from what its events show: who approved, within which window, until when, without gaps."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256

from ..log import SITE_CASE, Kind
from ..log.entry import EPOCH_SECONDS, Value
from .finding import Class, Finding
from .pack import PartialOpening

APPROVALS = 2
_STARTS = frozenset({Kind.AUTHORISE, Kind.APPROVE, Kind.ACTIVATE, Kind.LEASE})
# What tells of a time in which the task was in force, and may be written after its end.
_AFTER_THE_END = frozenset(Kind) - _STARTS - {Kind.BREAK_GLASS}
Event = tuple[PartialOpening, dict[str, Value], int]


def check(events: Iterable[tuple[PartialOpening, int]], approvals: int = APPROVALS) -> list[Finding]:
    """All findings of all cases; `events` are openings that lead to their leaves, each with its leaf's epoch."""
    cases: dict[str, list[Event]] = defaultdict(list)
    for opening, epoch in sorted(events, key=lambda item: item[0].index):
        fields = opening.fields()
        cases[str(fields.get("liid"))].append((opening, fields, epoch))
    found: list[Finding] = []
    for case, of_case in sorted(cases.items()):
        found += _chain(case, of_case)
        if case != SITE_CASE:
            found += _life(case, of_case, approvals)
    return found


def _chain(case: str, events: list[Event]) -> list[Finding]:
    found = []
    before = b""
    for opening, fields, _ in events:
        # Logs from before the chain have events without `prev`; from its first link on, none may lack it.
        expected = sha256(before).hexdigest() if before else None
        linked = any("prev" in other for _, other, _ in events)
        if fields.get("prev") != expected and (linked or "prev" in fields):
            found.append(Finding(Class.GAP, "doesn't follow the case's event before it", opening.index, case))
        before = opening.commit
    return found


def _life(case: str, events: list[Event], approvals: int) -> list[Finding]:
    found: list[Finding] = []
    authority: Value | None = None
    requester = ""
    approvers: set[str] = set()
    ended = False

    def wrong(message: str, opening: PartialOpening) -> None:
        found.append(Finding(Class.UNAUTHORISED, message, opening.index, case))

    for opening, fields, epoch in events:
        kind = fields.get("kind")
        if ended and kind not in _AFTER_THE_END:
            wrong(f"{kind} after the end", opening)
        if kind == Kind.AUTHORISE:
            authority, requester, approvers = (
                fields.get("authority_hash"),
                _person(fields.get("requester")),
                set(),
            )
        elif kind in _STARTS and fields.get("authority_hash") != authority:
            wrong(f"{kind} under an authority that was never entered", opening)
        if kind == Kind.APPROVE:
            name = _person(fields.get("approver"))
            if name == requester:
                wrong("approved by whoever asked for it", opening)
            elif name in approvers:
                wrong("approved twice by one person", opening)
            approvers.add(name)
        elif kind == Kind.ACTIVATE and len(approvers - {requester}) < approvals:
            wrong(f"activated with {len(approvers - {requester})} of {approvals} approvals", opening)
        if kind in {Kind.ACTIVATE, Kind.LEASE} and epoch * EPOCH_SECONDS >= _instant(fields.get("valid_to")):
            wrong(f"{kind} when its window was over", opening)
        ended = ended or kind == Kind.DEACTIVATE
    return found


def _person(name: object) -> str:
    return " ".join(str(name or "").casefold().split())


def _instant(moment: object) -> float:
    try:
        return datetime.fromisoformat(str(moment)).timestamp()
    except ValueError:
        return 0
