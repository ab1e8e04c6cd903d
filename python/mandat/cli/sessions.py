"""`list`, `show` and `export` for one kind of session: calls, messages, flows and mails differ in columns only."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mandat.cli.screen import Screen, site_option

if TYPE_CHECKING:
    from mandat.mediation.index import Session
    from mandat.site import Site

PLUMBING = frozenset(
    {"liid", "cin", "sequence", "service", "target", "call_id", "parties", "asserted", "form"}
)
"""Columns that `show` leaves to `--json`: a person doesn't read them."""

identity_option = click.option(
    "--identity",
    "identity",
    required=True,
    type=click.Path(path_type=Path),
    metavar="KEY",
    help="The age identity file of a recipient that the warrant names.",
)


def session_group(service: str, noun: str, examples: str) -> click.Group:
    """A group `noun` with its three commands."""

    @click.group(name=noun, epilog=examples)
    def group() -> None:
        pass

    group.help = f"""Selected {noun}.

    `list` needs no key and shows no identity. `show` and `export` need the key of a recipient. Each of the three is
    an entry in the log, made before anything is shown.
    """

    @group.command(name="list")
    @click.argument("liid", required=False)
    @site_option
    def list_(screen: Screen, site: "Site", liid: str | None) -> None:
        """List what is there, without identities."""
        from mandat.mediation.index import Service
        from mandat.mediation.product import Reader

        found = Reader(site).sessions(Service(service), liid)
        screen.result({noun: found}, text=lambda: _table(screen, found, noun))

    @group.command()
    @click.argument("liid")
    @click.argument("cin", type=click.IntRange(min=0))
    @identity_option
    @site_option
    def show(screen: Screen, site: "Site", liid: str, cin: int, identity: Path) -> None:
        """Show the records of one session."""
        from mandat.mediation.index import Service
        from mandat.mediation.keys import read_identities
        from mandat.mediation.product import Reader

        rows = Reader(site).rows(Service(service), liid, read_identities(identity), cin=cin)
        screen.result({"records": rows}, text=lambda: _records(screen, rows))

    @group.command()
    @click.argument("liid")
    @identity_option
    @click.option(
        "--format", "form", type=click.Choice(["jsonl", "arrow"]), default="jsonl", show_default=True
    )
    @click.option(
        "-o", "--output", type=click.Path(path_type=Path), help="A file; standard output otherwise."
    )
    @site_option
    def export(
        screen: Screen, site: "Site", liid: str, identity: Path, form: str, output: Path | None
    ) -> None:
        """Write all records of a label, opened, as JSON lines or as an Arrow IPC stream."""
        from mandat.cli.exporting import export_rows

        export_rows(screen, site, service, liid, identity, form, output)

    return group


def _table(screen: Screen, found: "list[Session]", noun: str) -> None:
    screen.table(
        ["LIID", ">CIN", "FIRST", "LAST", "EVENT", "MATCHED BY", ">RECORDS"],
        [
            (s.liid, s.cin, clock(s.first), clock(s.last), s.event, s.matched or "criterion", s.records)
            for s in found
        ],
        empty=f"no {noun}",
    )


def _records(screen: Screen, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        screen.say(screen.strong(f"{clock(row['ts'])}  {row['iri_type']}  {row['event']}"))
        for name, value in row.items():
            if value is None or name in PLUMBING or name in {"ts", "iri_type", "event"}:
                continue
            screen.say(f"    {name.replace('_', ' '):12} {screen.plain(clock(value))}")
        for party in row["parties"] or ():
            if party["role"] not in {"from", "to", "request_uri"}:
                screen.say(f"    {party['role'].replace('_', ' '):12} {screen.plain(party['uri'])}")


def clock(value: object) -> object:
    """A moment as a person reads it: UTC, which the Z says, with milliseconds."""
    if hasattr(value, "strftime"):
        return value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"  # type: ignore[attr-defined]
    return value
