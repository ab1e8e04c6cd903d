"""`mandat disclose`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mandat.cli.screen import Screen, site_option
from mandat.cli.sessions import clock

if TYPE_CHECKING:
    from mandat.records.disclose import Disclosure
    from mandat.site import Site


@click.command(
    epilog="""\b
Examples:
  mandat disclose LI-0009
  mandat disclose LI-0009 -o answer.jsonl.age
"""
)
@click.argument("liid")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Write JSON lines, encrypted to the warrant's recipients, and show only how many.",
)
@site_option
def disclose(screen: Screen, site: "Site", liid: str, output: Path | None) -> int:
    """Open the call records that the disclosure warrant LIID names: one identity, one period, both sides of a call.

    How many records were opened, and their digest, stand in the log before anything is shown. Exits 8 when segments
    could not be read, so that an answer that lacks something doesn't look whole.
    """
    from mandat.records.disclose import disclose as open_records

    found = open_records(site, liid, time.time_ns())
    for fault in found.damaged:
        screen.note(f"warning: {fault}")
    for period in found.missing_keys:
        screen.note(f"warning: the key of {period} is gone; its records are erased for good")
    if output is not None:
        _encrypt(site, found, output)
        result = {"file": str(output), "records": len(found.records), "digest": found.digest}
        screen.result(
            result, text=lambda: screen.say(f"{len(found.records)} records written to {output}, encrypted")
        )
    else:
        screen.result(found, text=lambda: show(screen, found))
    return 8 if found.damaged else 0


def show(screen: Screen, found: "Disclosure") -> None:
    """The opened records as a table."""
    screen.table(
        ["START", "ANSWER", "END", "ENDED BY", ">STATUS", "CALLER", "CALLEE"],
        [
            (clock(r.start), clock(r.answer), clock(r.end), r.end_reason, r.status, r.caller, r.callee)
            for r in found.records
        ],
        empty="no records of this identity in this period",
    )
    if screen.rich:
        screen.say(f"{len(found.records)} records, digest {found.digest[:16]}… as logged")


def _encrypt(site: "Site", found: "Disclosure", output: Path) -> None:
    from pyrage import encrypt, x25519

    from mandat.cli.exporting import private_file

    recipients = [x25519.Recipient.from_str(key) for key in site.authority(found.liid).terms.recipients]
    with private_file(output) as file:
        file.write(encrypt(found.lines(), recipients))
