"""`mandat witness`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mandat.cli.screen import Screen, screen_option

if TYPE_CHECKING:
    from mandat.log.witness import Seen

EXAMPLES = """\b
An overseer's first minute:
  mandat witness init w --name witness.example.org
  mandat witness add-log w "$(cat log.vkey)"
  mandat witness serve w --listen 127.0.0.1:8420
  mandat witness show w
"""

# Only this machine, unless somebody says otherwise; a proxy with TLS belongs before it.
DEFAULT_LISTEN = "127.0.0.1:8420"
MAX_PORT = 65_535


@click.group(epilog=EXAMPLES)
def witness() -> None:
    """A witness cosigns a log's checkpoints once it has seen that each extends the last. It sees no entry."""


@witness.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Name of its keys, such as witness.example.org.")
@screen_option
def init(screen: Screen, directory: Path, name: str) -> None:
    """Make a witness in DIRECTORY: an Ed25519 and an ML-DSA-44 key. Prints the lines that go into policies."""
    from mandat.log.witness import Witness
    from mandat.site.files import log_faults

    with log_faults():
        made = Witness.create(directory, name)
    keys = {key.algorithm.name.lower(): key.vkey for key in made.cosigners}

    def text() -> None:
        screen.say(f"the witness {made.name} is made; for an operator's policy, one of:")
        for vkey in keys.values():
            screen.say(f"witness {made.name} {vkey} http://{DEFAULT_LISTEN}")

    screen.result({"witness": str(directory), "name": made.name, "vkeys": keys}, text=text)


@witness.command(name="add-log")
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("vkey")
@screen_option
def add_log(screen: Screen, directory: Path, vkey: str) -> None:
    """Accept checkpoints of the log with this VKEY (what SITE/keys/log.vkey holds)."""
    from mandat.log.witness import Witness
    from mandat.site.files import log_faults

    with log_faults():
        origin = Witness(directory).add_log(vkey.strip())
    screen.result({"origin": origin}, text=lambda: screen.say(f"the log {origin} is accepted from now on"))


@witness.command()
@click.argument("directory", type=click.Path(path_type=Path))
@screen_option
def show(screen: Screen, directory: Path) -> int:
    """Show which logs it knows and what it saw last. Exits 6 when a log has signed two histories."""
    from mandat.log.witness import Witness, log_id
    from mandat.site.files import log_faults

    with log_faults():
        logs = Witness(directory).logs()
    result = [
        {
            "origin": seen.origin,
            "size": seen.size,
            "root": seen.root.hex(),
            "cosigned": seen.time,
            "forked": seen.forked,
            "monitor": f"/{log_id(seen.origin)}/checkpoint",
        }
        for seen in logs
    ]
    screen.result({"logs": result}, text=lambda: _table(screen, logs))
    return 6 if any(seen.forked for seen in logs) else 0


@witness.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--listen", default=DEFAULT_LISTEN, show_default=True, metavar="HOST:PORT")
@screen_option
def serve(screen: Screen, directory: Path, listen: str) -> None:
    """Serve add-checkpoint and the monitor's address until Ctrl-C or SIGTERM. Speaks HTTP; put TLS before it."""
    import signal

    from mandat.errors import SiteError, UsageError
    from mandat.log.witness import Witness
    from mandat.log.witness_server import WitnessServer
    from mandat.site.files import log_faults

    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > MAX_PORT:
        raise UsageError("listen_wrong", "that is no HOST:PORT", where=listen, advice=DEFAULT_LISTEN)
    with log_faults():
        held = Witness(directory)
    try:
        server = WitnessServer(held, host.strip("[]"), int(port))
    except OSError as error:
        raise SiteError(
            "listen_failed", f"can't listen there: {error.strerror}", where=listen, advice="Name another."
        ) from None
    with server:
        at = f"{host}:{server.socket.getsockname()[1]}"
        screen.result({"listening": at}, text=lambda: screen.say(f"{held.name} listens on {at}"))
        sys.stdout.flush()
        signal.signal(signal.SIGTERM, _stop)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            screen.note("stopped")


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _table(screen: Screen, logs: "list[Seen]") -> None:
    import time

    screen.table(
        ["LOG", ">SIZE", "ROOT", "COSIGNED", "STATE"],
        [
            (
                seen.origin,
                seen.size,
                seen.root.hex()[:16],
                time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seen.time)) if seen.time else None,
                "FORKED: two histories are signed" if seen.forked else "ok",
            )
            for seen in logs
        ],
        empty="no log is known: mandat witness add-log DIR VKEY",
    )
