"""Files of a site: durable, private, and with errors that say what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mandat.errors import LogError, MandatError, SiteError, StoreError
from mandat.log import Fault, LogFault
from mandat.log.durable import PRIVATE, make_directory, write_atomic

# Nothing that a site reads whole is larger: warrants have a quarter of it, configurations less.
MAX_FILE = 1 << 20


def write(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Replace a file, wholly or not at all."""
    try:
        make_directory(path.parent)
        write_atomic(path, data, mode)
    except OSError as error:
        raise unwritable(path, error) from None


def read(path: Path, code: str = "site_damaged") -> bytes:
    """The contents of a file of the site."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise SiteError(
            code,
            f"the file can't be read: {error.strerror}",
            where=str(path),
            advice="Restore it from a copy, or check the permissions.",
        ) from None
    if len(data) > MAX_FILE:
        raise SiteError("site_damaged", f"the file has more than {MAX_FILE} octets", where=str(path))
    return data


def unwritable(path: Path, error: OSError) -> MandatError:
    """A full disk is a fault of the store, which a person frees; anything else is one of the site."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError("disk_full", "the disk is full", where=str(path), advice="Free space, then repeat.")
    return SiteError(
        "site_unwritable",
        f"the file can't be written: {error.strerror}",
        where=str(path),
        advice="Check mount options, owner and permissions, then repeat.",
    )


@contextmanager
def log_faults() -> Iterator[None]:
    """The log package's faults as errors of this project."""
    try:
        yield
    except LogFault as fault:
        kind = StoreError if fault.code is Fault.UNWRITABLE else LogError
        raise kind(fault.code.value, fault.message, where=fault.where, advice=fault.advice) from fault
