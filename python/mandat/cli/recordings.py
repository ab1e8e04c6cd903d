"""`mandat recordings` and `mandat recording open`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mandat.cli.screen import Screen, site_option
from mandat.cli.sessions import identity_option

if TYPE_CHECKING:
    from mandat.mediation.recording import Opened, Recording
    from mandat.site import Site

EXAMPLES = """\b
Examples:
  mandat recordings list
  mandat recordings show LI-0001 3
  mandat recordings export LI-0001 3 -o handover
  mandat recording open LI-0001 3 --identity agency.key -o opened
"""


@click.group(epilog=EXAMPLES)
def recordings() -> None:
    """Recordings of calls, and how complete each is.

    A recording is kept encrypted to the warrant's recipients. Only `mandat recording open` needs their key.
    """


@recordings.command(name="list")
@click.argument("liid", required=False)
@site_option
def list_(screen: Screen, site: "Site", liid: str | None) -> None:
    """List recordings with expected, seen, written and lost packets."""
    from mandat.mediation.product import Reader

    found = Reader(site).recordings(liid)
    screen.result({"recordings": found}, text=lambda: table(screen, found))


@recordings.command()
@click.argument("liid")
@click.argument("cin", type=click.IntRange(min=0))
@site_option
def show(screen: Screen, site: "Site", liid: str, cin: int) -> None:
    """Show one recording, stream by stream, with its gaps."""
    from mandat.mediation.product import Reader

    found = Reader(site).recording(liid, cin)
    screen.result(found, text=lambda: _streams(screen, found))


@recordings.command()
@click.argument("liid")
@click.argument("cin", type=click.IntRange(min=0))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="A directory.")
@site_option
def export(screen: Screen, site: "Site", liid: str, cin: int, output: Path) -> None:
    """Copy a recording as it is, still encrypted, with its description."""
    from mandat.mediation.product import Reader

    copied = Reader(site).copy(liid, cin, output)
    result = {"directory": str(output), "files": copied}
    screen.result(result, text=lambda: screen.say(f"{copied} files copied to {output}, still encrypted"))


@click.group(epilog=EXAMPLES)
def recording() -> None:
    """One recording."""


@recording.command(name="open")
@click.argument("liid")
@click.argument("cin", type=click.IntRange(min=0))
@identity_option
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="A directory.")
@site_option
def open_(screen: Screen, site: "Site", liid: str, cin: int, identity: Path, output: Path) -> int:
    """Decrypt a recording to one .pcapng (evidence) and one .wav (caller left, callee right)."""
    from mandat.mediation.keys import read_identities
    from mandat.mediation.product import Reader

    opened = Reader(site).open(liid, cin, read_identities(identity), output)
    for fault in opened.damaged:
        screen.note(f"warning: {fault}")
    for lack in opened.unheard:
        screen.note(f"note: {lack}")
    screen.result(opened, text=lambda: _opened(screen, opened))
    return 8 if opened.damaged else 0


def table(screen: Screen, found: "list[Recording]") -> None:
    """Recordings, a line each."""
    screen.table(
        [
            "LIID",
            ">CIN",
            "START",
            "CODEC",
            ">EXPECTED",
            ">SEEN",
            ">WRITTEN",
            ">LOST ON WIRE",
            ">DROPPED",
            "COMPLETE",
        ],
        [
            (
                r.liid,
                r.cin,
                f"{(r.start or r.first)[:19].replace('T', ' ')}Z",
                "+".join(sorted({stream.encoding for stream in r.streams})) or None,
                r.expected(),
                r.seen(),
                r.written(),
                r.lost(),
                r.dropped(),
                "yes" if r.complete else "no" if r.closed else "still open",
            )
            for r in found
        ],
        empty="no recordings",
    )


def _streams(screen: Screen, found: "Recording") -> None:
    table(screen, [found])
    screen.say()
    screen.table(
        [
            "SIDE",
            "SSRC",
            "CODEC",
            "PROTECTION",
            "BOUND",
            ">EXPECTED",
            ">SEEN",
            ">WRITTEN",
            ">COPIES",
            ">LATE",
            ">JITTER MS",
            ">MOS AT TAP",
            "GAPS",
        ],
        [
            (
                s.side,
                s.ssrc,
                s.encoding,
                s.protection,
                s.attribution,
                s.expected,
                s.seen,
                s.written,
                s.duplicates,
                s.late,
                (s.quality or {}).get("jitter_ms"),
                (s.quality or {}).get("mos"),
                ", ".join(f"{g.from_ms / 1000:.2f}-{g.to_ms / 1000:.2f} s" for g in s.gaps) or "none",
            )
            for s in found.streams
        ],
        empty="no media",
    )
    for without in found.listening_copy.get("without", []):
        screen.say(f"no listening copy of {without['encoding']}: {without['reason']}")


def _opened(screen: Screen, opened: "Opened") -> None:
    if opened.evidence is not None:
        screen.say(f"evidence  {opened.evidence}")
    if opened.sound is not None:
        screen.say(f"sound     {opened.sound}  ({opened.seconds:.1f} s, caller left, callee right)")
    elif opened.evidence is not None:
        screen.say("sound     none: the call carried none that can be played, see mandat recordings show")
