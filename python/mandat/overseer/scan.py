"""Every leaf of a log: hashed, compared with its tile, and explained by a dummy's key or by an opening.

A year has 8.4 million leaves. Work is handed out by ranges of bundles; what comes back is a hash a bundle and the
leaves that nothing explains, so memory doesn't grow with the log.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..log import Checkpoint, DummyKeys, Fault, LogFault, Tiles
from ..log.edge import Edge
from ..log.merkle import fold
from ..log.tile import WIDTH, tile_path

# Bundles of one piece of work: a quarter of a second.
PIECE = 128
# Below this, starting processes takes longer than the work.
SMALL = 1 << 16
# What is told of a log that explains nothing; the count stays exact.
MAX_NAMED = 1_000

_state: dict[str, Any] = {}


def scan(
    directory: Path,
    checkpoint: Checkpoint,
    dummies: DummyKeys | None,
    opened: Mapping[int, bytes],
    watch: Callable[[int, int], None] | None = None,
) -> tuple[list[int], int, list[int]]:
    """Unexplained leaves (the first of them), how many dummies there are, and openings that lead to another leaf.

    Raises LogFault where entries, tiles and root disagree.
    """
    size = checkpoint.size
    tiles = Tiles(directory, size)
    edge = Edge()
    unexplained: list[int] = []
    false: list[int] = []
    empty = 0
    pieces = [(at, min(at + PIECE, size // WIDTH)) for at in range(0, size // WIDTH, PIECE)]
    with _workers((directory, size, dummies, opened), size) as each:
        for done, (hashes, odd, dummy_count, wrong) in enumerate(each(_piece, pieces), 1):
            for level, number, data in edge.extend_tiles(hashes):
                _compare(tiles, level, number, data)
            unexplained += odd
            empty += dummy_count
            false += wrong
            if watch is not None:
                watch(done * PIECE * WIDTH, size)
    if size % WIDTH:
        entries = tiles.bundle(size // WIDTH)
        first = size - len(entries)
        odd, dummy_count, wrong = _explain(entries, first, dummies, opened)
        unexplained += odd
        empty += dummy_count
        false += wrong
        for level, number, data in edge.extend([sha256(b"\0" + entry).digest() for entry in entries]):
            _compare(tiles, level, number, data)
    for level, number, data in edge.partial():
        _compare(tiles, level, number, data)
    if edge.root() != checkpoint.root:
        raise LogFault(
            Fault.DAMAGED, "the entries aren't those that the checkpoint signs for", where=str(directory)
        )
    return unexplained, empty, false


@contextmanager
def _workers(state: tuple[Any, ...], size: int) -> Iterator[Callable[..., Any]]:
    if size < SMALL or (os.cpu_count() or 1) == 1:
        _begin(*state)
        yield map
        return
    with multiprocessing.get_context("fork").Pool(os.cpu_count(), _begin, state) as pool:
        yield pool.imap


def _begin(directory: Path, size: int, dummies: DummyKeys | None, opened: Mapping[int, bytes]) -> None:
    _state.update(tiles=Tiles(directory, size), dummies=dummies, opened=opened)


def _piece(piece: tuple[int, int]) -> tuple[list[bytes], list[int], int, list[int]]:
    tiles: Tiles = _state["tiles"]
    hashes: list[bytes] = []
    unexplained: list[int] = []
    false: list[int] = []
    empty = 0
    for number in range(*piece):
        entries = tiles.bundle(number)
        leaves = [sha256(b"\0" + entry).digest() for entry in entries]
        _compare(tiles, 0, number, b"".join(leaves))
        hashes.append(fold(leaves))
        odd, dummy_count, wrong = _explain(entries, number * WIDTH, _state["dummies"], _state["opened"])
        unexplained += odd
        empty += dummy_count
        false += wrong
    return hashes, unexplained, empty, false


def _explain(
    entries: list[bytes], first: int, dummies: DummyKeys | None, opened: Mapping[int, bytes]
) -> tuple[list[int], int, list[int]]:
    unexplained: list[int] = []
    false: list[int] = []
    empty = at = 0
    while at < len(entries):
        epoch = entries[at][1:9]
        end = at + 1
        while end < len(entries) and entries[end][1:9] == epoch:
            end += 1
        expected = (
            [] if dummies is None else dummies.entries(int.from_bytes(epoch, "big"), first + at, end - at)
        )
        if expected == entries[at:end] and not any(first + n in opened for n in range(at, end)):
            empty += end - at
            at = end
            continue
        for n in range(at, end):
            commit = opened.get(first + n)
            if commit is not None:
                if entries[n][41:] != commit:
                    false.append(first + n)
            elif expected and expected[n - at] == entries[n]:
                empty += 1
            else:
                unexplained.append(first + n)
        at = end
    return unexplained, empty, false


def _compare(tiles: Tiles, level: int, number: int, data: bytes) -> None:
    if b"".join(tiles.hashes(level, number)) != data:
        raise LogFault(
            Fault.DAMAGED, "the tile doesn't hold the hashes of its entries", where=tile_path(level, number)
        )
