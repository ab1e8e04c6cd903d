"""`mandat run`."""

import ipaddress
import signal
import time
from types import FrameType
from typing import TYPE_CHECKING

import click

from mandat.cli.screen import Screen, site_option

if TYPE_CHECKING:
    from mandat.mediation.run import RunReport, TaskResult
    from mandat.site import Site

SIGNALLED = 128
"""A run that a signal ended exits with this and the signal's number, once everything is written and told."""


def addresses(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Addresses, checked."""
    try:
        return tuple(str(ipaddress.ip_address(address)) for address in given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command(
    epilog="""\b
Examples:
  mandat run monday.pcapng.zst tuesday.pcapng.zst --site /var/lib/mandat
  tcpdump -w - -i eth1 | mandat run -
  mandat run capture.pcap --json | jq .tasks
  mandat run siprec:192.0.2.1:5060 --from 192.0.2.9 --site /var/lib/mandat
"""
)
@click.argument("sources", nargs=-1, required=True)
@click.option(
    "--keylog",
    "keylogs",
    multiple=True,
    metavar="FILE",
    help="TLS secrets that your own servers logged (SSLKEYLOGFILE), to read what they carried. May be repeated.",
)
@click.option(
    "--from",
    "controllers",
    multiple=True,
    metavar="ADDRESS",
    callback=addresses,
    help="A session border controller that may send to siprec:ADDRESS:PORT. May be repeated.",
)
@site_option
def run(
    screen: Screen,
    site: "Site",
    sources: tuple[str, ...],
    keylogs: tuple[str, ...],
    controllers: tuple[str, ...],
) -> int:
    """Watch SOURCES and keep what the warrants in force select; everything else is dropped and counted.

    A source is a capture file (pcap, pcapng; plain, gzip, zstd) or - for standard input; several are merged by time.
    siprec:ADDRESS:PORT is a recording server (RFC 7866, UDP and TCP) for the controllers that --from names; it takes
    their media at ports 20000 to 22047 of the same address, and runs alone until it is stopped.
    Ctrl-C or SIGTERM ends the run cleanly: what was written is kept and logged.

    Exits 3 when a source was damaged (what came before the damage is kept), 4 when a warrant was refused, 8 when
    product could not be written.
    """
    from mandat.cli.progress import ProgressLine
    from mandat.mediation.run import Runner

    caught: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        caught.append(number)
        if len(caught) > 1:  # a second Ctrl-C means it
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    begun = time.monotonic()
    try:
        runner = Runner(site, list(sources), time.time_ns(), keylogs, controllers)
        if any(source.startswith("siprec:") for source in sources):
            screen.note(f"waiting for recording sessions at {sources[0].removeprefix('siprec:')}")
        with ProgressLine(enabled=not screen.json) as line:
            report = runner.go(line.show, lambda: bool(caught))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    report.seconds = round(time.monotonic() - begun, 3)
    screen.result(report, text=lambda: show(screen, report))
    if screen.json:
        tell_faults(screen, report)
    return SIGNALLED + caught[0] if caught else exit_code(report)


def exit_code(report: "RunReport") -> int:
    """The code of the worst that happened."""
    if report.faults:
        return max(int(fault["exit_code"]) for fault in report.faults)
    if report.damaged_sources:
        return 3
    return 4 if report.refused else 0


def show(screen: Screen, report: "RunReport") -> None:
    """What a run did, for a person."""
    screen.table(
        ["LIID", "KIND", ">SESSIONS", ">IRI", ">CC", ">RECORDINGS", ">CALL RECORDS", "NOTE"],
        [
            (
                t.liid,
                t.kind,
                t.sessions,
                t.iri,
                t.cc,
                t.recordings,
                t.call_records,
                note_of(t),
            )
            for t in report.tasks
        ],
    )
    rate = report.packets / report.seconds if report.seconds else 0
    screen.say()
    screen.say(
        f"{report.packets:,} packets, {_size(report.octets)} in {report.seconds:.2f} s ({rate:,.0f} packets/s)"
    )
    if report.dropped:
        parts = [
            f"{count:,} {name.removeprefix('drop.').replace('_', ' ')}"
            for name, count in report.dropped.items()
        ]
        screen.say("dropped: " + ", ".join(parts))
    if report.names:
        screen.say(names_of(report.names))
    tell_faults(screen, report)


def names_of(names: dict[str, int]) -> str:
    """The share of flows whose site could not be seen, and why: a warrant for a domain selects none of them."""
    flows = sum(names.values())
    hidden = {
        name.removeprefix("not_visible.").replace("_", " "): count
        for name, count in names.items()
        if name.startswith("not_visible.")
    }
    unseen = sum(hidden.values())
    said = f"names: not visible in {unseen:,} of {flows:,} flows ({unseen / flows:.0%})"
    if hidden:
        said += ": " + ", ".join(f"{count:,} {why}" for why, count in hidden.items())
    if outer := names.get("outer"):
        said += f"; in {outer:,} the name may be the outer one of an encrypted hello"
    return said


def note_of(task: "TaskResult") -> str:
    """What a person should know of a task beside its numbers."""
    if task.suspended:
        return "suspended: ceiling"
    if task.lost_records:
        return f"{task.lost_records:,} lost"
    return "ended during the run" if task.withdrawn else ""


def tell_faults(screen: Screen, report: "RunReport") -> None:
    """What went wrong, to stderr."""
    for liid in report.ended:
        screen.note(f"note: the window of {liid} is over; its end is logged")
    for task in report.tasks:
        if task.begins_after:
            screen.note(
                f"note: {task.liid} selected nothing: all packets are from before its window, "
                f"which opens at {task.begins_after}"
            )
    for refusal in report.refused:
        screen.note(f"refused: {refusal.liid}: {refusal.message} ({refusal.code})")
        if refusal.advice:
            screen.note(f"  what to do: {refusal.advice}")
    for warning in report.warnings:
        screen.note(f"warning: {warning}")
    for fault in report.faults:
        place = f"{fault['where']}: " if fault["where"] else ""
        screen.note(f"fault: {place}{fault['message']}; what was written before is kept and logged")
        if fault["advice"]:
            screen.note(f"  what to do: {fault['advice']}")
    if report.stopped:
        screen.note("stopped before the end of the sources; what was written is kept and logged")


def _size(octets: float) -> str:
    for unit in ("octets", "KB", "MB"):
        if octets < 1000:
            return f"{octets:,.0f} {unit}" if unit == "octets" else f"{octets:.1f} {unit}"
        octets /= 1000
    return f"{octets:.2f} GB"
