"""The command line. `main` is the only thing that the installed `mandat` script calls.

Nothing heavy is imported here or by `app`: a command imports what it uses when it is called, so that `mandat --help`
is quick and `mandat run` pays only for itself.
"""

import os
import sys

PRIVATE_UMASK = 0o077
"""Whatever a command creates, only its owner may read."""


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit code; see docs/exit-codes.md."""
    from mandat.cli.app import app
    from mandat.cli.failures import guarded

    os.umask(PRIVATE_UMASK)
    given = sys.argv[1:] if arguments is None else arguments
    return guarded(lambda: app.main(args=given, prog_name="mandat", standalone_mode=False), given)
