"""`mandat audit` and `mandat overseer`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mandat.cli.screen import Screen, screen_option, site_option

if TYPE_CHECKING:
    from mandat.overseer import Audit
    from mandat.site import Site

FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command(
    epilog="""\b
Examples:
  mandat audit copy-of-log --key "$(cat log.vkey)" --pack pack.age --identity overseer.key
  mandat audit copy-of-log --key "$(cat log.vkey)" --since last-visit/checkpoint --json

\b
Exit codes: 0 everything is explained, 20 the log doesn't hold, 21 unexplained leaves, 22 false openings,
23 acts without authority, 24 gaps, 25 off schedule. Of several findings the gravest, which is the lowest.
"""
)
@click.argument("tiles", type=click.Path(path_type=Path))
@click.option("--key", required=True, help="The log's public key (vkey), got another way than the log.")
@click.option("--pack", type=FILE, help="What the operator handed over: mandat overseer pack.")
@click.option("--identity", type=FILE, help="The overseer's age key, which opens the pack.")
@click.option("--since", type=FILE, help="The checkpoint kept from the last visit.")
@click.option(
    "--approvals", type=click.IntRange(1, 16), default=2, show_default=True, help="Needed per case."
)
@screen_option
def audit(
    screen: Screen,
    tiles: Path,
    key: str,
    pack: Path | None,
    identity: Path | None,
    since: Path | None,
    approvals: int,
) -> int:
    """Check a copy of a log: signature, growth, every leaf, the schedule, every case. Offline; sees no subscriber."""
    from mandat.log import Verifier
    from mandat.overseer import Pack
    from mandat.overseer import audit as examine
    from mandat.site.files import log_faults

    if (pack is None) != (identity is None):
        raise click.UsageError("--pack and --identity go together")
    shown = time.monotonic()

    def watch(done: int, size: int) -> None:
        nonlocal shown
        if time.monotonic() - shown > 2:
            shown = time.monotonic()
            screen.note(f"{min(done, size):,} of {size:,} leaves")

    with log_faults():
        opened = Pack.open(pack.read_bytes(), identity.read_text()) if pack and identity else None
        verdict = examine(
            tiles, Verifier.parse(key.strip()), opened,
            since=since.read_bytes() if since else None, approvals=approvals, watch=watch,
        )  # fmt: skip
    result = {
        "origin": verdict.origin, "size": verdict.size, "root": verdict.root, "opened": verdict.opened,
        "dummies": verdict.dummies, "unexplained": verdict.unexplained, "kinds": verdict.kinds,
        "findings": [finding.as_json() for finding in verdict.findings],
    }  # fmt: skip
    screen.result(result, text=lambda: _show(screen, verdict))
    return verdict.code


def _show(screen: Screen, verdict: "Audit") -> None:
    screen.say(f"{verdict.origin}: {verdict.size} leaves, root {verdict.root}")
    screen.say(f"  {verdict.opened} opened, {verdict.dummies} dummies, {verdict.unexplained} unexplained")
    for finding in verdict.findings:
        place = "" if finding.index is None else f"leaf {finding.index} "
        screen.say(
            f"  {finding.kind.value[0]}: {place}{screen.plain(finding.case)}: {screen.plain(finding.message)}"
        )
    if not verdict.findings:
        screen.say("  nothing to object to")


@click.group()
def overseer() -> None:
    """Keys and packs for an overseer, who checks everything and sees no number and no content."""


@overseer.command(epilog="\b\nExample:\n  mandat overseer init overseer\n")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@screen_option
def init(screen: Screen, directory: Path) -> None:
    """Make the overseer's age key in DIRECTORY. On the overseer's own machine."""
    from pyrage import x25519

    from mandat.site import files

    if (directory / "overseer.key").exists():
        raise click.UsageError(f"there is a key in {directory} already")
    identity = x25519.Identity.generate()
    files.write(directory / "overseer.key", f"{identity}\n".encode())
    files.write(directory / "overseer.pub", f"{identity.to_public()}\n".encode())
    screen.result(
        {"identity": str(directory / "overseer.key"), "recipient": str(identity.to_public())},
        text=lambda: screen.say(f"the operator needs {identity.to_public()}"),
    )


@overseer.command(
    epilog="\b\nExample:\n  mandat overseer pack --to age1… -o pack.age --site /var/lib/mandat\n"
)
@click.option("--to", "recipient", required=True, help="The overseer's age recipient.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The file to write.")
@site_option
def pack(screen: Screen, site: "Site", recipient: str, output: Path) -> None:
    """Hand over what opens the log to the overseer: kinds, authorities, times, roles, and the dummies' key."""
    from mandat.cli.exporting import private_file
    from mandat.log import Openings
    from mandat.overseer import Pack
    from mandat.site.files import log_faults

    with log_faults():
        events = [event for case in Openings(site.openings).cases() for event in site.events(case)]
        sealed = Pack.build(site.origin, site.keys.dummy_root(), events).seal(recipient)
    with private_file(output) as file:
        file.write(sealed)
    result = {"file": str(output), "events": len(events)}
    screen.result(result, text=lambda: screen.say(f"{len(events)} events in {output}, encrypted"))
