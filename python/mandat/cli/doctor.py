"""`mandat doctor`."""

from pathlib import Path

import click

from mandat.cli.screen import Screen, screen_option

MARKS = {"ok": "ok  ", "warning": "warn", "fault": "FAIL"}


@click.command(
    epilog="""\b
Example:
  mandat doctor --site /var/lib/mandat --json
"""
)
@click.option(
    "--site",
    "site_path",
    envvar="MANDAT_SITE",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The site.",
)
@screen_option
def doctor(screen: Screen, site_path: Path | None) -> int:
    """Check the site and this machine: core, clock, disk, permissions, keys, stores and log. Exits 7 on a fault."""
    from mandat.doctor import examine

    found = examine(site_path)
    worst = "fault" if any(check.state == "fault" for check in found) else "ok"
    screen.result({"state": worst, "checks": found}, text=lambda: None)
    if not screen.json:
        for check in found:
            screen.say(f"{MARKS[check.state]}  {check.name:12} {check.detail}")
            if check.advice:
                screen.say(f"      {'':12} what to do: {check.advice}")
    return 7 if worst == "fault" else 0
