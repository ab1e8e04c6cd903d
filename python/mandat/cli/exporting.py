"""Writing opened product to a file or a pipe."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mandat.cli.screen import Screen
from mandat.errors import UsageError

if TYPE_CHECKING:
    from mandat.site import Site


def export_rows(
    screen: Screen, site: "Site", service: str, liid: str, identity: Path, form: str, output: Path | None
) -> None:
    """Opens the records of one label and writes them in one of two forms."""
    import msgspec

    from mandat.mediation.index import Service
    from mandat.mediation.keys import read_identities
    from mandat.mediation.product import Reader

    if output is None and form == "arrow" and sys.stdout.isatty():
        raise UsageError(
            "binary_to_terminal", "an Arrow stream is nothing for a terminal", advice="give -o FILE"
        )
    reader, keys = Reader(site), read_identities(identity)
    if form == "jsonl":
        rows = reader.rows(Service(service), liid, keys, purpose="export")
        with _sink(output) as file:
            for row in rows:
                file.write(msgspec.json.encode(row) + b"\n")
        count = len(rows)
    else:
        import pyarrow as pa

        table = reader.table(Service(service), liid, keys)
        with _sink(output) as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
        count = table.num_rows
    if output is not None:
        result = {"file": str(output), "records": count}
        screen.result(result, text=lambda: screen.say(f"{count} records written to {output}"))


def _sink(output: Path | None) -> BinaryIO:
    if output is None:
        # A copy of the descriptor, so that closing it leaves stdout open.
        return os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    return private_file(output)


def private_file(path: Path) -> BinaryIO:
    """A new file that only its owner may read; an existing one is never overwritten."""
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except FileExistsError:
        raise UsageError("output_exists", "this file exists already", where=str(path)) from None
    except OSError as fault:
        raise UsageError("output", fault.strerror or "can't write", where=str(path)) from None
