"""`mandat log`."""

import time
from typing import TYPE_CHECKING

import click

from mandat.cli.log_keep import keep, schedule
from mandat.cli.screen import Screen, site_option

if TYPE_CHECKING:
    from mandat.log import Report
    from mandat.site import Site


@click.group()
def log() -> None:
    """The append-only log: each act as one entry that nobody can take back. It holds commitments, no identities."""


log.add_command(keep)
log.add_command(schedule)


@log.command(
    epilog="""\b
Example:
  mandat log verify --site /var/lib/mandat
"""
)
@site_option
def verify(screen: Screen, site: "Site") -> None:
    """Verify the whole log: tiles, entries, signatures, every opening, and that nothing was taken back."""
    report = site.verify_log()
    result = {
        "origin": report.origin,
        "size": report.size,
        "root": report.root.hex(),
        "opened": report.opened,
        "dummies": report.dummies,
        "unexplained": report.unexplained,
        "kinds": report.kinds,
        "verified": True,
    }
    screen.result(result, text=lambda: show(screen, report))


@log.command(
    name="show",
    epilog="""\b
Examples:
  mandat log show
  mandat log show LI-0001
""",
)
@click.argument("liid", required=False)
@site_option
def show_(screen: Screen, site: "Site", liid: str | None) -> None:
    """Show the entries of one warrant, or of all, as their openings tell."""
    from mandat.log import Openings

    cases = [liid] if liid else Openings(site.openings).cases()
    found = [
        {"index": event.index, "time": _minute(event.epoch), **event.fields()}
        for case in cases
        for event in site.events(case)
    ]
    found.sort(key=lambda event: event["index"])
    screen.result(
        {"entries": found},
        text=lambda: screen.table(
            [">INDEX", "TIME", "LIID", "KIND", "ACTOR", "SAYS"],
            [
                (
                    str(event["index"]),
                    event["time"],
                    event["liid"],
                    event["kind"],
                    event["actor"],
                    ", ".join(f"{k} {_short(v)}" for k, v in event.items() if k not in SHOWN),
                )
                for event in found
            ],
            empty="no entries",
        ),
    )


SHOWN = frozenset({"index", "time", "liid", "kind", "actor"})


def show(screen: Screen, report: "Report") -> None:
    """The verdict for a person."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in report.kinds.items())
    screen.say(f"the log {report.origin} holds: {report.size} entries, none altered, none taken back")
    screen.say(f"  {kinds or 'no entries yet'}; {report.dummies} dummies")
    screen.say(f"  root {report.root.hex()}")
    if report.unexplained:
        screen.say(
            f"  {report.unexplained} entries have no opening here: only an overseer with all openings can judge"
        )


def _minute(epoch: int) -> str:
    """The log tells times to the minute only: see `mandat.log.entry.EPOCH_SECONDS`."""
    from mandat.log.entry import EPOCH_SECONDS

    return time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(epoch * EPOCH_SECONDS))


def _short(value: object) -> str:
    text = str(value)
    return f"{text[:12]}…" if len(text) == 64 else text
