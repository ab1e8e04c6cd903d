"""Numbers that go on from run to run: CINs and IRI sequence numbers of each LIID.

A number is never given twice, even when a run is killed: while a run is open its name stands in the file, and the
next run then goes on behind the highest number that the product store holds.
"""

from pathlib import Path

import msgspec

from mandat.errors import StoreError
from mandat.mediation.index import read_index, recording_cins
from mandat.store.files import writing


class Numbers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the next run begins to count."""

    next_cin: int = 1
    next_sequence: int = 0
    sessions: int = 0
    """Sessions released so far: they count towards a ceiling."""
    open_run: str = ""
    """The run that is under way, or that was killed."""


def next_numbers(product: Path, liid: str) -> Numbers:
    """The numbers to begin with; writes nothing, for the warrant may be refused yet."""
    numbers = _read(product / liid / "numbers.json")
    if numbers.open_run:
        numbers = _behind_the_killed_run(product / liid, numbers)
    return msgspec.structs.replace(numbers, open_run="")


def open_numbers(product: Path, liid: str, run_id: str) -> Numbers:
    """`next_numbers`; marks the run as open."""
    numbers = next_numbers(product, liid)
    _write(product / liid / "numbers.json", msgspec.structs.replace(numbers, open_run=run_id))
    return numbers


def close_numbers(product: Path, liid: str, numbers: Numbers) -> None:
    """Keeps the numbers with which a run ended."""
    _write(product / liid / "numbers.json", msgspec.structs.replace(numbers, open_run=""))


def _behind_the_killed_run(directory: Path, numbers: Numbers) -> Numbers:
    cins = set(recording_cins(directory))
    next_sequence = numbers.next_sequence
    for entry in read_index(directory / "iri"):
        if entry.run == numbers.open_run:
            cins.add(entry.row.cin)
            next_sequence = max(next_sequence, entry.row.sequence + 1)
    new = {cin for cin in cins if cin >= numbers.next_cin}
    return Numbers(
        next_cin=max(new, default=numbers.next_cin - 1) + 1,
        next_sequence=next_sequence,
        sessions=numbers.sessions + len(new),
    )


def _read(path: Path) -> Numbers:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Numbers)
    except FileNotFoundError:
        return Numbers()
    except (OSError, msgspec.MsgspecError):
        raise StoreError(
            "numbers_damaged",
            "the numbering of a warrant's sessions can't be read",
            where=str(path),
            advice="put it back from a backup; without it a number could be given twice",
        ) from None


def _write(path: Path, numbers: Numbers) -> None:
    with writing(path) as temporary:
        temporary.write_bytes(msgspec.json.encode(numbers))
