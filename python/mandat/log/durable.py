"""Writing that survives a crash: temporary file, fsync, rename, fsync of the directory."""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

PUBLIC = 0o644
PRIVATE = 0o600
PRIVATE_DIRECTORY = 0o700


def write_atomic(path: Path, data: bytes, mode: int = PUBLIC) -> None:
    """Replace a file by new contents, wholly or not at all. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        try:
            write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def append(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Add to the end of a file and wait until it is on disk. Raises OSError."""
    new = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, mode)
    try:
        write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    if new:
        sync_directory(path.parent)


def make_directory(path: Path, mode: int = PRIVATE_DIRECTORY) -> None:
    """Make a directory and its missing parents, each of them durable. Raises OSError."""
    if path.is_dir():
        return
    make_directory(path.parent, mode)
    path.mkdir(mode=mode, exist_ok=True)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make renames and new names in a directory durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_all(handle: int, data: bytes) -> None:
    """Write every octet: the system may take fewer at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def write_many(files: Sequence[tuple[Path, bytes]], mode: int = PUBLIC) -> None:
    """Write new files, durable on return, in three passes: one wait for the disk then serves them all.

    For files that nothing points to yet: after a crash each may be there, or be missing. Raises OSError.
    """
    written: list[tuple[Path, Path]] = []
    directories: dict[Path, None] = {}
    for path, data in files:
        if path.parent not in directories:
            make_directory(path.parent)
            directories[path.parent] = None
        temporary = path.with_name(f".{path.name}.many.tmp")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        try:
            write_all(handle, data)
        finally:
            os.close(handle)
        written.append((temporary, path))
    # sync(2) waits for all that is written, on Linux; hundreds of fdatasync(2) wait for the journal each time.
    os.sync()
    for temporary, path in written:
        temporary.rename(path)
    os.sync()
