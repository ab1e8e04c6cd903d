"""`mandat log keep` and `mandat log schedule`: the log's clock."""

import time
from functools import partial
from typing import TYPE_CHECKING

import click

from mandat.cli.screen import Screen, site_option

if TYPE_CHECKING:
    from mandat.site import Site


@click.command(
    epilog="""\b
Examples:
  mandat log keep --site /var/lib/mandat            (as a service: for ever)
  mandat log keep --once --site /var/lib/mandat     (only what is due)
"""
)
@click.option("--once", is_flag=True, help="Write what is due, and end.")
@site_option
def keep(screen: Screen, site: "Site", once: bool) -> int:
    """Write each tick of the log on time, so that the times of publication say nothing.

    After a pause it first fills every tick that was missed. Without it the log shows when somebody acted. Ends with
    Ctrl-C or SIGTERM; a log without a clock has nothing to keep.
    """

    shown = 0.0

    def watch(done: int, ticks: int) -> None:
        nonlocal shown
        if ticks > 1 and time.monotonic() - shown > 2:
            shown = time.monotonic()
            screen.note(f"{done:,} of {ticks:,} ticks written")

    while True:
        due = site.keep_log(watch)
        if due is None or once:
            told = "the log has no clock" if due is None else "every tick that was due is written"
            screen.result({"next": due}, text=partial(screen.say, told))
            return 0
        time.sleep(max(0.0, due - time.time()))


@click.command(
    epilog="""\b
Examples:
  mandat log schedule fixed --site /var/lib/mandat
  mandat log schedule fixed --tick 15 --leaves 8 --in 3600
"""
)
@click.argument("mode", type=click.Choice(["fixed", "on_act"]))
@click.option("--tick", type=int, default=15, show_default=True, help="Seconds; it divides 60. Fixed only.")
@click.option("--leaves", type=click.IntRange(1, 256), default=4, show_default=True, help="Leaves a tick.")
@click.option(
    "--in",
    "seconds",
    type=click.IntRange(60),
    default=120,
    show_default=True,
    help="Begins in so many seconds.",
)
@site_option
def schedule(screen: Screen, site: "Site", mode: str, tick: int, leaves: int, seconds: int) -> None:
    """Publish another schedule, or a log's first one: a logged act that begins with a later epoch of 60 s."""
    from mandat.log import Mode, Segment
    from mandat.site.files import log_faults

    start = -(-int(time.time() + seconds) // 60) * 60
    with log_faults():
        segment = Segment(start, Mode(mode), leaves, tick if mode == "fixed" else 0)
    index = site.schedule_log(segment)
    begins = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start))
    screen.result(
        {"mode": mode, "tick": segment.tick, "leaves": leaves, "begins": begins, "index": index},
        text=lambda: screen.say(f"{mode}, {leaves} leaves, begins {begins}; logged as entry {index}"),
    )
