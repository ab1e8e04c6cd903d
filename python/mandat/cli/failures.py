"""How a command fails: a diagnosis for a person (or JSON for a program), an exit code, and never a traceback."""

import os
import sys
from collections.abc import Callable
from types import TracebackType

import click

from mandat.errors import MandatError, UsageError

INTERRUPTED = 130
"""128 + SIGINT, as shells have it. Also when a person declines a question."""

PIPE_CLOSED = 141
"""128 + SIGPIPE: the reader of our output went away. Nothing is said about it."""

UNEXPECTED = 70
"""EX_SOFTWARE of sysexits.h: a fault of this program."""


def guarded(command: Callable[[], object], arguments: list[str]) -> int:
    """Runs `command` and returns its exit code."""
    as_json = "--json" in arguments
    try:
        code = _run(command, as_json)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered has no reader; without this, the interpreter complains at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    return code


def _run(command: Callable[[], object], as_json: bool) -> int:
    stdout = sys.stdout
    try:
        result = command()
    except MandatError as fault:
        return tell(fault, as_json)
    except click.exceptions.Exit as end:
        return end.exit_code
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("stopped\n")
        return INTERRUPTED
    except click.ClickException as fault:
        return tell(_usage(fault), as_json)
    except SystemExit as end:
        if sys.stdout is stdout:
            raise
        # Click met a closed pipe: it swaps stdout for one that stays silent, and exits with a code of its own.
        return PIPE_CLOSED
    except BrokenPipeError:
        raise
    except Exception as fault:
        if os.environ.get("MANDAT_DEBUG") == "1":
            raise
        return _apologise(fault, as_json)
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


def tell(fault: MandatError, as_json: bool) -> int:
    """Writes the diagnosis to stderr and gives the exit code."""
    if as_json:
        import json

        parts = {"code": fault.code, "message": fault.message, "where": fault.where, "advice": fault.advice}
        sys.stderr.write(json.dumps({"error": {**parts, "exit_code": fault.exit_code}}) + "\n")
    else:
        sys.stderr.write(f"mandat: {fault.diagnostics()}\n")
    return fault.exit_code


def _usage(fault: click.ClickException) -> UsageError:
    context = getattr(fault, "ctx", None)
    path = context.command_path if context is not None else "mandat"
    return UsageError("usage", fault.format_message(), advice=f"{path} --help")


def _apologise(fault: Exception, as_json: bool) -> int:
    try:
        place = _report(fault)
    except OSError:
        place = "(no report could be written)"
    broken = MandatError(
        "unexpected",
        "sorry: this is a fault of Mandat, not yours; nothing more was done",
        advice=f"send {place} with a report of the fault (it holds no identity); MANDAT_DEBUG=1 shows more",
    )
    tell(broken, as_json)
    return UNEXPECTED


def _report(fault: BaseException) -> str:
    """Where in the program it happened. Messages, arguments and values are left out: they may hold an identity."""
    import platform
    import tempfile

    from mandat import __version__

    lines = [f"mandat {__version__}", f"python {platform.python_version()} {platform.platform()}"]
    cause: BaseException | None = fault
    while cause is not None:
        lines += ["", f"{type(cause).__module__}.{type(cause).__qualname__}", *_frames(cause.__traceback__)]
        cause = cause.__cause__ or cause.__context__
    descriptor, name = tempfile.mkstemp(prefix="mandat-report-", suffix=".txt")
    with os.fdopen(descriptor, "w") as file:
        file.write("\n".join(lines) + "\n")
    return name


def _frames(trace: TracebackType | None) -> list[str]:
    frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"  {code.co_filename}:{trace.tb_lineno} {code.co_qualname}")
        trace = trace.tb_next
    return frames
