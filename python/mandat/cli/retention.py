"""`mandat retention`."""

from typing import TYPE_CHECKING

import click

from mandat.cli.screen import Screen, site_option

if TYPE_CHECKING:
    from mandat.records.retention import Held
    from mandat.site import Site


@click.group()
def retention() -> None:
    """Sealed call records: how far back they are held."""


@retention.command(
    epilog="""\b
Example:
  mandat retention status --json | jq '.held[0].oldest'
"""
)
@site_option
def status(screen: Screen, site: "Site") -> None:
    """A line a month: records held, the oldest, and whether the key that opens them still exists."""
    from mandat.records.retention import held

    found = held(site)
    screen.result({"held": found}, text=lambda: _table(screen, found))


def _table(screen: Screen, found: "list[Held]") -> None:
    screen.table(
        ["LIID", "MONTH", ">RECORDS", ">SEGMENTS", ">OCTETS", "OLDEST", "NEWEST", "KEY"],
        [
            (
                h.liid,
                h.period,
                h.rows,
                h.segments,
                h.octets,
                f"{h.oldest:%Y-%m-%d %H:%MZ}",
                f"{h.newest:%Y-%m-%d %H:%MZ}",
                "held" if h.key else "gone",
            )
            for h in found
        ],
        empty="no call records are held",
    )
