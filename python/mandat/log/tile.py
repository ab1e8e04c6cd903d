"""Tiles and entry bundles: their paths and bytes (C2SP tlog-tiles)."""

import re
from collections.abc import Sequence

from .fault import Fault, LogFault
from .merkle import HASH_SIZE

HEIGHT = 8
WIDTH = 1 << HEIGHT
# Eight levels of height 8 address 2^64 leaves.
MAX_LEVEL = 7
# The length prefix of an entry is a u16.
MAX_ENTRY = 0xFFFF

_PATH = re.compile(
    r"tile/(?P<level>[0-7]|entries)/(?P<number>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


def tile_path(level: int, number: int, width: int = WIDTH) -> str:
    """Path of a hash tile; `width` below 256 names a partial tile."""
    if not 0 <= level <= MAX_LEVEL:
        raise ValueError("no such tile level")
    return f"tile/{level}/{_number(number)}{_partial(width)}"


def bundle_path(number: int, width: int = WIDTH) -> str:
    """Path of a bundle of entries."""
    return f"tile/entries/{_number(number)}{_partial(width)}"


def parse_path(path: str) -> tuple[int | None, int, int] | None:
    """Level (None: entries), number and width that a path names, or None for any other path."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    level = None if found["level"] == "entries" else int(found["level"])
    number = int(found["number"].replace("x", "").replace("/", ""))
    width = int(found["width"] or WIDTH)
    if width > WIDTH or (found["width"] and width == WIDTH):
        return None
    again = bundle_path(number, width) if level is None else tile_path(level, number, width)
    return (level, number, width) if again == path else None


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """At most 256 entries, each behind its length as a big-endian u16."""
    if len(entries) > WIDTH or any(len(entry) > MAX_ENTRY for entry in entries):
        raise ValueError("a bundle holds at most 256 entries of at most 65,535 octets")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes, count: int, where: str = "") -> list[bytes]:
    """The first `count` entries of a bundle. More may follow: a full bundle answers for a partial one too."""
    entries = []
    at = 0
    for _ in range(count):
        start = at + 2
        end = start + int.from_bytes(data[at:start], "big")
        if start > len(data) or end > len(data):
            raise LogFault(Fault.DAMAGED, "the bundle of entries ends too early", where=where)
        entries.append(data[start:end])
        at = end
    return entries


def split_hashes(data: bytes, count: int, where: str = "") -> list[bytes]:
    """The first `count` hashes of a tile."""
    if len(data) < count * HASH_SIZE or len(data) % HASH_SIZE or len(data) > WIDTH * HASH_SIZE:
        raise LogFault(Fault.DAMAGED, "the tile has the wrong length", where=where)
    return [data[i : i + HASH_SIZE] for i in range(0, count * HASH_SIZE, HASH_SIZE)]


def _number(number: int) -> str:
    if number < 0:
        raise ValueError("tiles are numbered from 0")
    groups = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        groups.append(f"x{number % 1000:03d}")
    return "/".join(reversed(groups))


def _partial(width: int) -> str:
    if not 1 <= width <= WIDTH:
        raise ValueError("a tile has 1 to 256 hashes")
    return "" if width == WIDTH else f".p/{width}"
