"""What the product store holds, read without any key: the indexes beside the encrypted files say no identity.

    SITE/product/<LIID>/iri/<run>-<nnnn>.arrow.age        facts, encrypted to the warrant's recipients
    SITE/product/<LIID>/iri/<run>-<nnnn>.json             its index
    SITE/product/<LIID>/texts/<run>-<nnnn>.arrow.age      texts of selected messages, the same way
    SITE/product/<LIID>/mails/<run>-<nnnnnn>.eml.age      mails, see `mail.py`
    SITE/product/<LIID>/recordings/<cin>/recording.json   how complete a recording is

`crates/sink` writes all of it, whole files at a time, so a reader never meets half of one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from mandat.errors import StoreError


class Service(StrEnum):
    """The kind of session; spelled as the core spells it."""

    CALL = "call"
    MESSAGE = "message"
    FLOW = "flow"
    ACCESS = "access"
    MAIL = "mail"


class IndexRow(msgspec.Struct, frozen=True):
    """One IRI record as its index tells it."""

    cin: int
    sequence: int
    service: Service
    iri_type: str
    event: str
    ts: datetime
    criterion: int | None = None
    matched: str | None = None


class IndexFile(msgspec.Struct, frozen=True):
    """The index of one encrypted file."""

    run: str
    rows: list[IndexRow]


@dataclass(frozen=True, slots=True)
class Entry:
    """An index row with the file it stands for."""

    run: str
    row: IndexRow
    path: Path
    """The encrypted file."""


@dataclass(slots=True)
class Session:
    """One call, message or flow, put together from its IRI records."""

    liid: str
    cin: int
    service: Service
    first: datetime
    last: datetime
    records: int
    event: str
    """The last thing that happened."""
    matched: str | None
    """Which header or field held the target; None under a screening warrant."""
    criterion: int | None


def liids(product: Path) -> list[str]:
    """Labels under which there is product."""
    if not product.is_dir():
        return []
    return sorted(path.name for path in product.iterdir() if path.is_dir())


def sessions(product: Path, liid: str, service: Service) -> list[Session]:
    """The sessions of one kind under one label, in order of their first record."""
    found: dict[int, Session] = {}
    rows = [entry.row for entry in read_index(product / liid / "iri") if entry.row.service is service]
    for row in sorted(rows, key=lambda row: (row.ts, row.sequence)):
        if (session := found.get(row.cin)) is None:
            found[row.cin] = Session(
                liid, row.cin, service, row.ts, row.ts, 1, row.event, row.matched, row.criterion
            )
            continue
        session.last, session.event = row.ts, row.event
        session.records += 1
        session.matched = session.matched or row.matched
    return list(found.values())


def read_index(directory: Path) -> Iterator[Entry]:
    """Every row of every index in a directory."""
    for path in sorted(directory.glob("*.json")) if directory.is_dir() else ():
        try:
            index = msgspec.json.decode(path.read_bytes(), type=IndexFile)
        except (OSError, msgspec.MsgspecError):
            raise StoreError(
                "index_damaged",
                "the index of a product file can't be read",
                where=str(path),
                advice="put it back from a backup; the encrypted file beside it is not touched by this",
            ) from None
        for row in index.rows:
            yield Entry(index.run, row, path.with_name(f"{path.stem}.arrow.age"))


def recording_cins(directory: Path) -> list[int]:
    """CINs of which there is a recording below SITE/product/<LIID>."""
    recordings = directory / "recordings"
    if not recordings.is_dir():
        return []
    return sorted(int(path.name) for path in recordings.iterdir() if path.name.isdecimal())
