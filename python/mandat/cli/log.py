"""`mandat log`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mandat.cli.log_keep import keep, schedule
from mandat.cli.screen import Screen, screen_option, site_option

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
    standing = site.witnessing.standing() if site.witnessing.required else None
    if standing is not None and standing.gap:
        screen.note(
            f"no quorum of witnesses has cosigned the last {standing.gap} of {standing.size} entries; "
            "mandat log cosign says why"
        )
    witnessed = {} if standing is None else {"witnesses": standing, "gap": standing.gap}
    screen.result(
        {"entries": found} | witnessed,
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


@log.command(
    epilog="""\b
Example:
  mandat log cosign --site /var/lib/mandat
Exits 6 when no quorum of the policy has cosigned the log as it is.
"""
)
@site_option
def cosign(screen: Screen, site: "Site") -> int:
    """Submit the newest checkpoint to the witnesses of SITE/witness-policy, and say who signed when."""
    site.witnessing.submit()
    standing = site.witnessing.standing()
    screen.result(
        standing,
        text=lambda: screen.table(
            ["WITNESS", "RESULT", "COSIGNED", ">SIZE", "WHAT TO DO"],
            [(w.name, w.result, _second(w.cosigned), w.size, w.advice or None) for w in standing.witnesses],
            empty="the policy names no witness",
        ),
    )
    if standing.gap:
        screen.note(f"no quorum has cosigned the last {standing.gap} of {standing.size} entries")
    return 6 if standing.gap else 0


@log.command(
    epilog="""\b
Examples:
  mandat log proof LI-0001 -o activation.tlog-proof
  mandat log proof LI-0001 --index 12 --only kind --only valid_to -o e.tlog-proof
"""
)
@click.argument("liid")
@click.option("--index", type=click.IntRange(0), help="Which entry.  [default: the activation]")
@click.option("--only", multiple=True, help="Show this fact and hide the others. Again for more.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The file to write.")
@site_option
def proof(
    screen: Screen, site: "Site", liid: str, index: int | None, only: tuple[str, ...], output: Path
) -> None:
    """Write the proof that an act of a warrant stands in the log, with its facts: a court can check it offline."""
    from mandat.cli.exporting import private_file

    made = site.proof(liid, index, only)
    with private_file(output) as file:
        file.write(made.encode())
    result = {"file": str(output), "index": made.index}
    screen.result(result, text=lambda: screen.say(f"{output} proves entry {made.index}"))


@log.command(
    name="check-proof",
    epilog="""\b
Example:
  mandat log check-proof activation.tlog-proof --policy policy
Exits 6 when the proof doesn't hold. Needs no site and no network.
""",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--policy", "policy_file", required=True, type=click.Path(path_type=Path), help="Whom to trust."
)
@screen_option
def check_proof(screen: Screen, file: Path, policy_file: Path) -> None:
    """Check a proof under a policy of your own: who logged it, who cosigned it when, and what it says."""
    from mandat.log.policy import MAX_POLICY, Policy, shown
    from mandat.log.proof import MAX_FILE, Evidence, Proof
    from mandat.site.files import log_faults

    with log_faults():
        policy = Policy.parse(_file(policy_file, MAX_POLICY), str(policy_file))
        given = Proof.parse(_file(file, MAX_FILE))
        evidence = Evidence.parse(given.extra)
        verdict = given.verify(policy, evidence.entry)
        facts = evidence.facts()
    cosigned = {shown(name): _second(moment) for name, moment in verdict.cosigned.items()}
    result = {
        "origin": verdict.checkpoint.origin,
        "size": verdict.checkpoint.size,
        "index": given.index,
        "cosigned": cosigned,
        "facts": facts,
        "hidden": len(evidence.hidden),
        "verified": True,
    }

    def text() -> None:
        head = verdict.checkpoint
        screen.say(f"entry {given.index} of the log {head.origin} ({head.size} entries) says:")
        for name, value in facts.items():
            screen.say(f"  {screen.plain(name):16} {screen.plain(value)}")
        if evidence.hidden:
            screen.say(f"  {len(evidence.hidden)} more facts are not shown")
        for name, moment in cosigned.items():
            screen.say(f"cosigned by {screen.plain(name)} at {moment}")

    screen.result(result, text=text)


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


def _second(moment: int | None) -> str | None:
    if moment is None:
        return None
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
    except (ValueError, OverflowError, OSError):  # a year that no calendar has
        return str(moment)


def _file(path: Path, limit: int) -> bytes:
    from mandat.errors import UsageError

    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise UsageError("file_unreadable", f"can't be read: {error.strerror}", where=str(path)) from None
