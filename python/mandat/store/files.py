"""Writing files so that a reader, a crash or a full disk finds either the whole of them or nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mandat.errors import StoreError

PRIVATE_DIRECTORY = 0o700
PRIVATE_FILE = 0o600
TORN_AT_MOST = 1 << 16
"""No line is longer, so a torn one begins within the last 64 KiB."""

FULL = "free some space or mend the disk, then run again; what was committed before is whole"


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Gives a hidden name to write to; then syncs, renames to `path` and syncs the directory. On a failure: nothing."""
    temporary = path.with_name(f".{path.stem}.tmp")
    try:
        make_directory(path.parent)
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE))
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as fault:
        temporary.unlink(missing_ok=True)
        raise StoreError(
            "disk_write", fault.strerror or "can't write", where=str(path), advice=FULL
        ) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def append_line(path: Path, line: bytes) -> None:
    """Appends one line and syncs. A torn line that an earlier kill left at the end is cut off first."""
    try:
        make_directory(path.parent)
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE), "rb+") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TORN_AT_MOST))
            tail = file.read()
            whole = size - len(tail) + tail.rfind(b"\n") + 1
            file.truncate(whole)
            file.seek(whole)
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if not size:
            sync_directory(path.parent)
    except OSError as fault:
        raise StoreError(
            "disk_write", fault.strerror or "can't write", where=str(path), advice=FULL
        ) from None


def make_directory(path: Path) -> None:
    """Makes `path` and what is above it, each private: `mkdir(parents=True)` would leave parents to the umask."""
    for directory in reversed([path, *path.parents]):
        if not directory.is_dir():
            directory.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)


def sync_directory(path: Path) -> None:
    """Makes a rename or removal in `path` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
