"""Files of a site: durable, private, and with errors that say what to do."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mandat.errors import LogError, MandatError, SiteError, StoreError
from mandat.log import Fault, LogFault
from mandat.log.durable import PRIVATE, make_directory, write_atomic

# Nothing that a site reads whole is larger: warrants have a quarter of it, configurations less.
MAX_FILE = 1 << 20
# An act at the desk takes milliseconds; who waits longer waits for a process that hangs.
LOCK_SECONDS = 10.0
_LOCK_POLL = 0.02


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
def exclusive(path: Path, *, wait: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold a lock that every process of this site respects; whoever dies lets go of it."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE)
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise SiteError(
                        "site_busy",
                        "another process of Mandat is at work on this site",
                        where=str(path),
                        advice="Wait until it has ended, then repeat.",
                    ) from None
                time.sleep(_LOCK_POLL)
        yield
    finally:
        os.close(handle)


@contextmanager
def log_faults() -> Iterator[None]:
    """The log package's faults as errors of this project."""
    try:
        yield
    except LogFault as fault:
        kind = StoreError if fault.code is Fault.UNWRITABLE else LogError
        raise kind(fault.code.value, fault.message, where=fault.where, advice=fault.advice) from fault
