"""`mandat warrant`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mandat.cli.screen import Screen, screen_option, site_option

if TYPE_CHECKING:
    from mandat.site import Site, Summary

EXAMPLES = """\b
Examples:
  mandat warrant new intercept --liid LI-0001 --target @- -o w.json    (the number from standard input)
  mandat warrant check w.json
  mandat warrant add w.json --site lab
  mandat warrant approve LI-0001 --key approver.key
  mandat warrant activate LI-0001     (only when its last approval was cut short)
  mandat warrant revoke LI-0001 --reason authority_withdrew
"""

REASONS = ("authority_withdrew", "error", "target_left", "purpose_met", "operator_unable", "other")
"""As `mandat.site.REVOCATIONS`, which a test compares; written again so that --help imports nothing."""


@click.group(epilog=EXAMPLES)
def warrant() -> None:
    """Warrants: who permits what, against whom, from when to when, approved by whom.

    Nothing here ever prints a target, a keyword or a domain. Whoever may see them has the document.
    """


@warrant.command()
@click.argument("kind", type=click.Choice(["intercept", "retention", "disclosure", "screening"]))
@click.option(
    "--liid", default="LI-0001", show_default=True, help="The label; it says nothing of the target."
)
@click.option("--reference", help="The authority's own reference.  [default: the label]")
@click.option(
    "--target",
    "targets",
    multiple=True,
    help="A number (+33…), sip: URI, mail address or @FILE. Again for more.",
)
@click.option("--keyword", "keywords", multiple=True, help="A keyword in texts, or @FILE. Again for more.")
@click.option(
    "--domain", "domains", multiple=True, help="A domain with its subdomains, or @FILE. Again for more."
)
@click.option("--content", is_flag=True, help="Content too (IRIandCC), not only facts.")
@click.option("--start", help="RFC 3339, UTC.  [default: now]")
@click.option(
    "--days", type=click.IntRange(1, 3660), default=30, show_default=True, help="Length of the window."
)
@click.option("--recipient", "recipients", multiple=True, help="An age1… key of the agency. Again for more.")
@click.option(
    "--ceiling", type=click.IntRange(1), default=1000, show_default=True, help="Screening: sessions."
)
@click.option("--keep-days", type=click.IntRange(1, 3660), default=365, show_default=True, help="Retention.")
@click.option(
    "--of", "retention_liid", default="LI-0002", show_default=True, help="Disclosure: retention label."
)
@click.option("--from", "period_start", help="Disclosure: begin of the period.  [default: 30 days ago]")
@click.option("--to", "period_end", help="Disclosure: end of the period.  [default: now]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="A file; standard output otherwise.")
@screen_option
def new(screen: Screen, output: Path | None, **options: object) -> None:
    """Write a warrant document of KIND to be completed and checked.

    What no option gives is written as <…> and must be filled in. Each field is explained in docs/warrants.md.

    What stands on a command line can be read by others on this machine and stays in the shell's history. So --target,
    --keyword and --domain also take @FILE, one a line, and @- for standard input (@@x is the keyword @x); or leave
    them out and write them into the document.
    """
    from mandat.cli.template import from_files, template

    for name in ("targets", "keywords", "domains"):
        options[name] = from_files(options[name], f"--{name.removesuffix('s')}")  # type: ignore[arg-type]
    document = template(**options)  # type: ignore[arg-type]
    if output is None:
        click.echo(document, nl=False)
        return
    from mandat.cli.exporting import private_file

    with private_file(output) as file:
        file.write(document.encode())
    screen.result(
        {"file": str(output)}, text=lambda: screen.say(f"{output} is written; next: mandat warrant check")
    )


@warrant.command()
@click.argument("document", type=click.Path(path_type=Path))
@screen_option
def check(screen: Screen, document: Path) -> None:
    """Check a warrant document without any site."""
    from mandat.cli.template import read_document
    from mandat.warrant import parse_warrant

    parsed = parse_warrant(read_document(document))
    result = {"liid": parsed.liid, "kind": parsed.kind.value, "digest": parsed.digest, "valid": True}
    screen.result(result, text=lambda: screen.say(f"{parsed.liid}: a valid {parsed.kind.value} warrant"))


@warrant.command()
@click.argument("document", type=click.Path(path_type=Path))
@click.option(
    "--approval", "approvals", multiple=True, type=click.Path(path_type=Path), help="An approval's file."
)
@site_option
def add(screen: Screen, site: "Site", document: Path, approvals: tuple[Path, ...]) -> None:
    """Add a warrant to the site. With enough approvals it is in force at once."""
    from mandat.cli.template import read_document
    from mandat.warrant import parse_approval

    given = [parse_approval(read_document(path)) for path in approvals]
    _told(screen, site.add_warrant(read_document(document), given))


@warrant.command()
@click.argument("liid")
@click.option("--key", required=True, type=click.Path(path_type=Path), help="The approver's key file.")
@site_option
def approve(screen: Screen, site: "Site", liid: str, key: Path) -> None:
    """Approve a warrant with the approver's own key. The last approval needed puts it in force."""
    _told(screen, site.approve(liid, key))


@warrant.command()
@click.argument("liid")
@site_option
def activate(screen: Screen, site: "Site", liid: str) -> None:
    """Put a warrant in force that has its approvals and still isn't: a full disk or a crash came between."""
    _told(screen, site.activate(liid))


@warrant.command(name="list")
@site_option
def list_(screen: Screen, site: "Site") -> None:
    """List all warrants and where each one stands."""
    found = site.warrants()
    screen.result({"warrants": found}, text=lambda: _table(screen, found))


@warrant.command()
@click.argument("liid")
@site_option
def show(screen: Screen, site: "Site", liid: str) -> None:
    """Show a warrant without its targets and criteria."""
    found = site.show(liid)
    screen.result(found, text=lambda: _all(screen, found))


@warrant.command()
@click.argument("liid")
@click.option("--reason", required=True, type=click.Choice(REASONS))
@site_option
def revoke(screen: Screen, site: "Site", liid: str, reason: str) -> None:
    """End a warrant before its time, for good."""
    _told(screen, site.revoke(liid, reason))


def _told(screen: Screen, summary: "Summary") -> None:
    screen.result(summary, text=lambda: screen.say(f"{summary.liid} is {summary.state}{_lacks(summary)}"))


def _lacks(summary: "Summary") -> str:
    more = summary.approvals_needed - len(summary.approvers)
    return f"; approvals still needed: {more}" if summary.state == "added" and more > 0 else ""


def _table(screen: Screen, found: "list[Summary]") -> None:
    screen.table(
        ["LIID", "KIND", "STATE", "PRODUCT", "FROM", "TO", ">APPROVALS", "REFERENCE"],
        [
            (
                s.liid,
                s.kind,
                s.state,
                s.product,
                _minute(s.start),
                _minute(s.end),
                f"{len(s.approvers)}/{s.approvals_needed}",
                s.reference,
            )
            for s in found
        ],
        empty="no warrants",
    )


def _minute(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')}Z"


def _all(screen: Screen, summary: "Summary") -> None:
    for name in summary.__slots__:
        value = getattr(summary, name)
        if value in {None, ""} if not isinstance(value, list) else False:
            continue
        text = ", ".join(value) or "nobody yet" if isinstance(value, list) else value
        screen.say(f"{name.replace('_', ' '):18} {screen.plain(text)}")
    if lacks := _lacks(summary):
        screen.say(lacks.removeprefix("; "))
