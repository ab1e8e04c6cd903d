"""How far back call records are held, and whether the keys that could open them still exist."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mandat.store import EmbeddedStore

if TYPE_CHECKING:
    from mandat.site import Site


@dataclass(slots=True)
class Held:
    """What is held of one month under one retention warrant."""

    liid: str
    period: str
    segments: int
    rows: int
    octets: int
    oldest: datetime
    newest: datetime
    key: bool
    """Whether the month's key exists. Without it, the rows can never be opened again."""


def held(site: "Site") -> list[Held]:
    """A line a month and warrant, oldest first. Reads the manifests only."""
    store = EmbeddedStore(site.root / "records")
    found: dict[tuple[str, str], Held] = {}
    for liid in store.liids():
        keys = site.keys.periods(liid)
        for segment in store.segments(liid):
            at = (liid, segment.period)
            if at not in found:
                known = segment.period in keys
                found[at] = Held(liid, segment.period, 0, 0, 0, segment.first, segment.last, known)
            month = found[at]
            month.segments += 1
            month.rows += segment.rows
            month.octets += segment.octets
            month.oldest = min(month.oldest, segment.first)
            month.newest = max(month.newest, segment.last)
    return [found[at] for at in sorted(found)]
