"""The audit: (1) signature, (2) growth since the last visit, (3) every leaf, (4) the schedule, (5) every case."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..log import Checkpoint, Fault, LogFault, Mode, Schedule, Tiles, Verifier, check_extends, read_checkpoint
from . import history
from .finding import Class, Finding
from .pack import Pack, PartialOpening
from .scan import MAX_NAMED, scan


@dataclass(slots=True)
class Audit:
    """The verdict."""

    origin: str = ""
    size: int = 0
    root: str = ""
    opened: int = 0
    dummies: int = 0
    unexplained: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def code(self) -> int:
        """Exit code: 0, or that of the gravest finding."""
        return min((finding.kind.code for finding in self.findings), default=0)


def audit(
    directory: Path,
    verifier: Verifier,
    pack: Pack | None = None,
    *,
    since: bytes | None = None,
    approvals: int = history.APPROVALS,
    watch: Callable[[int, int], None] | None = None,
) -> Audit:
    """Audit a copy of a log's public files. Whatever is wrong with it is a finding, never an exception."""
    verdict = Audit()
    try:
        checkpoint, _ = read_checkpoint(directory, verifier)  # (1)
        verdict.origin, verdict.size, verdict.root = checkpoint.origin, checkpoint.size, checkpoint.root.hex()
        if since is not None:
            check_extends(directory, verifier, since, checkpoint)  # (2)
        if pack is not None and pack.origin != checkpoint.origin:
            raise LogFault(Fault.MALFORMED, "the pack is of another log")
        _leaves(verdict, directory, checkpoint, pack, approvals, watch)
    except LogFault as fault:
        where = f" ({fault.where})" if fault.where else ""
        verdict.findings.append(Finding(Class.BROKEN, f"{fault.message}{where}"))
    return verdict


def _leaves(
    verdict: Audit, directory: Path, checkpoint: Checkpoint, pack: Pack | None, approvals: int,
    watch: Callable[[int, int], None] | None,
) -> None:  # fmt: skip
    # An opening beyond the checkpoint is of a later visit's log.
    events = [event for event in pack.events if event.index < checkpoint.size] if pack else []
    opened: dict[int, bytes] = {}
    for event in events:
        if event.index in opened:
            verdict.findings.append(Finding(Class.FALSE_OPENING, "has two openings", event.index))
        opened[event.index] = event.commit
    odd, verdict.dummies, false = scan(  # (3)
        directory, checkpoint, pack.dummies() if pack else None, opened, watch
    )
    verdict.unexplained, verdict.opened = len(odd), len(opened) - len(false)
    verdict.findings += [
        Finding(Class.UNEXPLAINED, "neither an opened event nor a dummy", n) for n in odd[:MAX_NAMED]
    ]
    verdict.findings += [
        Finding(Class.FALSE_OPENING, "the opening doesn't lead to this leaf", n) for n in false
    ]
    tiles = Tiles(directory, checkpoint.size)
    wrong = set(false)
    good = [(event, _epoch(tiles, event.index)) for event in events if event.index not in wrong]
    verdict.kinds = dict(sorted(Counter(str(event.fields().get("kind")) for event, _ in good).items()))
    verdict.findings += _schedule(directory, tiles, [event for event, _ in good])  # (4)
    verdict.findings += history.check(good, approvals)  # (5)


def _schedule(directory: Path, tiles: Tiles, events: list[PartialOpening]) -> list[Finding]:
    """The published schedule is the one that was logged, and the last leaf lies in the tick that it should."""
    found: list[Finding] = []
    schedule = Schedule.read(directory)
    said = {
        (str(fields["mode"]), fields["leaves"], fields["tick"], str(fields["valid_from"]))
        for fields in (event.fields() for event in events)
        if fields.get("kind") == "schedule"
    }
    for segment in schedule.segments:
        if segment.mode is not Mode.PLAIN and segment.said() not in said:
            found.append(Finding(Class.OFF_SCHEDULE, f"a segment from {segment.said()[-1]} was never logged"))
    published = {segment.said() for segment in schedule.segments}
    found += [
        Finding(Class.OFF_SCHEDULE, f"a schedule from {item[-1]} was logged and isn't published")
        for item in said
        if item not in published
    ]
    try:
        position = schedule.position(tiles.size, float("inf"), tiles.first_from)
    except LogFault as fault:
        return [*found, Finding(Class.OFF_SCHEDULE, fault.message)]
    segment = position.segment
    if segment.mode is Mode.FIXED:
        for tick in range(segment.first, position.tick, max(1, (position.tick - segment.first) // 1000)):
            index = position.base + (tick - segment.first) * segment.leaves
            if _epoch(tiles, index) != tick * segment.tick // 60:
                found.append(Finding(Class.OFF_SCHEDULE, "lies in another epoch than its tick", index))
                break
    return found


def _epoch(tiles: Tiles, index: int) -> int:
    return int.from_bytes(tiles.entry(index)[1:9], "big")
