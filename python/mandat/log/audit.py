"""What an overseer runs: verify a whole log from its files, and every event that openings are at hand for."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .checkpoint import Checkpoint
from .dummy import DummyKeys
from .fault import Fault, LogFault
from .merkle import verify_consistency
from .note import Verifier
from .openings import Openings
from .reader import Tiles
from .tile import WIDTH


@dataclass(frozen=True, slots=True)
class Report:
    """A log that holds: how long it is and what could be opened of it."""

    origin: str
    size: int
    root: bytes
    opened: int
    kinds: dict[str, int] = field(default_factory=dict)
    dummies: int = 0

    @property
    def unexplained(self) -> int:
        """Entries that are neither opened nor dummies. For all openings and keys anything but 0 is a finding."""
        return self.size - self.opened - self.dummies


def read_checkpoint(directory: Path, verifier: Verifier) -> tuple[Checkpoint, bytes]:
    """The log's checkpoint, verified, and the signed note itself."""
    path = directory / "checkpoint"
    try:
        note = path.read_bytes()
    except OSError as error:
        raise LogFault(
            Fault.MISSING, f"no checkpoint: {error.strerror}", where=str(path),
            advice="Name the log's directory. If it is gone, restore log and openings from the same copy.",
        ) from None  # fmt: skip
    return Checkpoint.open(note, verifier), note


def check_extends(directory: Path, verifier: Verifier, older: bytes, current: Checkpoint) -> None:
    """Refuse a log that is shorter than an older checkpoint of it, or doesn't start with what it signed."""
    head = Checkpoint.open(older, verifier)
    tiles = Tiles(directory, current.size)
    if head.size > current.size:
        raise LogFault(
            Fault.FORKED,
            f"the log was rolled back: {head.size} entries were seen, {current.size} are shown",
            where=str(directory),
            advice="Restore the newer log. Nothing is admitted until it extends what was seen.",
        )
    proof = tiles.consistency(head.size)
    if not verify_consistency(head.size, current.size, head.root, current.root, proof):
        raise LogFault(
            Fault.FORKED,
            "the log was rewritten: it doesn't extend the checkpoint that was seen before",
            where=str(directory),
            advice="Keep both checkpoints: they are the evidence. Tell the overseer.",
        )


def audit(
    directory: Path,
    verifier: Verifier,
    openings: Path | None = None,
    *,
    older: bytes | None = None,
    dummies: DummyKeys | None = None,
) -> Report:
    """Verify (1) signature, (2) entries and tiles, (3) root, (4) an older checkpoint, (5) opened events."""
    checkpoint, _ = read_checkpoint(directory, verifier)  # (1)
    tiles = Tiles(directory, checkpoint.size)
    if tiles.rebuild().root() != checkpoint.root:  # (2), (3)
        raise LogFault(
            Fault.DAMAGED, "the entries aren't those that the checkpoint signs for", where=str(directory)
        )
    if older is not None:  # (4)
        check_extends(directory, verifier, older, checkpoint)
    opened, kinds = (0, Counter[str]()) if openings is None else _open_all(tiles, Openings(openings))  # (5)
    empty = 0 if dummies is None else _count_dummies(tiles, dummies)
    return Report(
        checkpoint.origin, checkpoint.size, checkpoint.root, opened, dict(sorted(kinds.items())), empty
    )


def _count_dummies(tiles: Tiles, dummies: DummyKeys) -> int:
    """Dummies are recomputed a run of one epoch at a time. No event can be one: its tag would be an HMAC collision."""
    found = first = 0
    run: list[bytes] = []
    for index, entry in enumerate(tiles.entries()):
        if run and (entry[1:9] != run[0][1:9] or len(run) == WIDTH):
            found += _same(run, dummies, first)
            first, run = index, []
        run.append(entry)
    return found + (_same(run, dummies, first) if run else 0)


def _same(run: list[bytes], dummies: DummyKeys, first: int) -> int:
    computed = dummies.entries(int.from_bytes(run[0][1:9], "big"), first, len(run))
    return sum(a == b for a, b in zip(run, computed, strict=False))


def _open_all(tiles: Tiles, openings: Openings) -> tuple[int, Counter[str]]:
    """Each opening must lead to the very entry at its index, and each entry be opened at most once."""
    expected: dict[int, bytes] = {}
    kinds: Counter[str] = Counter()
    for case in openings.cases():
        events = openings.events(case, tiles.size)
        key = openings.case_key(case) if events else b""
        for event in events:
            if event.index in expected:
                raise LogFault(Fault.DAMAGED, f"entry {event.index} has two openings", where=case)
            fields = event.fields()
            if fields.get("liid") != case:
                raise LogFault(
                    Fault.DAMAGED, f"the opening of entry {event.index} is of another case", where=case
                )
            expected[event.index] = event.entry(key).encode()
            kinds[str(fields.get("kind"))] += 1
    for index, entry in enumerate(tiles.entries()):
        if expected.get(index, entry) != entry:
            raise LogFault(
                Fault.DAMAGED,
                f"the opening of entry {index} doesn't lead to that entry",
                where=str(openings.directory),
                advice="The opening was altered, or the event it tells of never was logged.",
            )
    return len(expected), kinds
