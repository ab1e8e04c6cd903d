"""`mandat site`."""

import os
from pathlib import Path

import click

from mandat.cli.screen import Screen, screen_option


@click.group()
def site() -> None:
    """A site holds one operator's keys, policy, warrants, log and stores in one directory."""


@site.command(
    epilog="""\b
Examples:
  mandat site init /var/lib/mandat --origin mandat.example.net
  mandat site init --lab lab
"""
)
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--lab", is_flag=True, help="For trying things out: throw-away approvers and an agency's key inside."
)
@click.option("--origin", help="The log's public name.  [default: made from DIRECTORY]")
@screen_option
def init(screen: Screen, directory: Path, lab: bool, origin: str | None) -> None:
    """Make a new site in DIRECTORY, which must be empty or not exist."""
    from mandat.site import Site

    made = Site.init(directory, lab, origin=origin, actor=os.environ.get("MANDAT_ACTOR"))
    screen.banner(made)
    result = {"site": str(directory), "origin": made.origin, "lab": made.lab}
    screen.result(result, text=lambda: _made(screen, directory, made.origin, lab))


def _made(screen: Screen, directory: Path, origin: str, lab: bool) -> None:
    screen.say(f"site {directory} is made; its log is called {origin}")
    if lab:
        screen.say(f"  approvers' keys  {directory}/lab/approver-1.key, {directory}/lab/approver-2.key")
        screen.say(f"  agency's key     {directory}/lab/agency.key")
    else:
        screen.say(f"  next: name the approvers and their keys in {directory}/keys/approvers.json,")
        screen.say(f"  and look through policy and numbering in {directory}/config.json")
