"""Reading a log: static files, no server, no key.

The files are *not* trusted: whoever can change them can at most make verification fail.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .edge import Edge
from .entry import ENTRY_SIZE
from .fault import Fault, LogFault
from .merkle import consistency_proof, fold, inclusion_proof, leaf_hash
from .tile import HEIGHT, MAX_ENTRY, WIDTH, bundle_path, decode_bundle, split_hashes, tile_path

# A full bundle of entries that are as long as the format allows.
_MAX_FILE = WIDTH * (MAX_ENTRY + 2)
# Tiles of 8 KiB; a proof touches fewer than three at each of eight levels.
_CACHED_TILES = 64


@dataclass(slots=True)
class Tiles:
    """A log's directory, read up to a size that some checkpoint states."""

    directory: Path
    size: int
    _cache: OrderedDict[tuple[int, int], list[bytes]] = field(default_factory=OrderedDict)

    def node(self, height: int, index: int) -> bytes:
        """Hash over a perfect subtree, from the tile that holds its widest complete row."""
        level, rest = divmod(height, HEIGHT)
        first = index << rest
        number, at = divmod(first, WIDTH)
        return fold(self.hashes(level, number)[at : at + (1 << rest)])

    def hashes(self, level: int, number: int) -> list[bytes]:
        """All hashes that a tile has at this size."""
        cached = self._cache.get((level, number))
        if cached is None:
            width = self._width(level, number)
            path, data = self._read(tile_path(level, number), tile_path(level, number, width))
            cached = split_hashes(data, width, path)
            if len(self._cache) == _CACHED_TILES:
                self._cache.popitem(last=False)
            self._cache[level, number] = cached
        return cached

    def bundle(self, number: int) -> list[bytes]:
        """The entries of one bundle."""
        width = self._width(0, number)
        path, data = self._read(bundle_path(number), bundle_path(number, width))
        entries = decode_bundle(data, width, path)
        if any(len(entry) != ENTRY_SIZE for entry in entries):
            raise LogFault(Fault.DAMAGED, "an entry isn't of version 1 and 73 octets", where=path)
        return entries

    def entry(self, index: int) -> bytes:
        """One entry."""
        if not 0 <= index < self.size:
            raise LogFault(Fault.DAMAGED, f"the log has no entry {index}", where=str(self.directory))
        return self.bundle(index // WIDTH)[index % WIDTH]

    def entries(self) -> Iterator[bytes]:
        """All entries in order; one bundle at a time is in memory."""
        for number in range(-(-self.size // WIDTH)):
            yield from self.bundle(number)

    def first_from(self, epoch: int) -> int:
        """Index of the first entry of an epoch or a later one, or the size; epochs never fall in a scheduled log."""
        low, high = 0, self.size
        while low < high:
            middle = (low + high) // 2
            if int.from_bytes(self.entry(middle)[1:9], "big") < epoch:
                low = middle + 1
            else:
                high = middle
        return low

    def inclusion(self, index: int) -> list[bytes]:
        """Proof that an entry stands in the log."""
        return inclusion_proof(index, self.size, self.node)

    def consistency(self, old: int) -> list[bytes]:
        """Proof that the log extends what it was at an older size."""
        return consistency_proof(old, self.size, self.node)

    def edge(self) -> Edge:
        """The right edge, from the tiles alone."""
        edge = Edge(self.size, [])
        level, count = 0, self.size
        while count:
            number, width = divmod(count, WIDTH)
            edge.levels.append(list(self.hashes(level, number)) if width else [])
            level, count = level + 1, number
        return edge

    def rebuild(self) -> Edge:
        """The right edge, from the entries, with each tile compared on the way."""
        edge = Edge()
        for entry in self.entries():
            for level, number, data in edge.add(leaf_hash(entry)):
                self._compare(level, number, data)
        for level, number, data in edge.partial():
            self._compare(level, number, data)
        return edge

    def _compare(self, level: int, number: int, data: bytes) -> None:
        if b"".join(self.hashes(level, number)) != data:
            raise LogFault(
                Fault.DAMAGED,
                "the tile doesn't hold the hashes of its entries",
                where=tile_path(level, number),
                advice="Restore the log's files from a copy, then verify them against the last checkpoint.",
            )

    def _width(self, level: int, number: int) -> int:
        count = (self.size >> (HEIGHT * level)) - number * WIDTH
        if count <= 0:
            raise LogFault(Fault.DAMAGED, "the log has no such tile", where=tile_path(level, number))
        return min(count, WIDTH)

    def _read(self, full: str, partial: str) -> tuple[str, bytes]:
        # A partial tile may be gone once the full one exists (tlog-tiles, "Partial Tiles").
        for path in dict.fromkeys((partial, full)):
            try:
                with (self.directory / path).open("rb") as file:
                    return path, file.read(_MAX_FILE)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise LogFault(
                    Fault.DAMAGED, f"the file can't be read: {error.strerror}", where=path
                ) from None
        raise LogFault(
            Fault.DAMAGED,
            "a file of the log is missing",
            where=partial,
            advice="Restore the log's files from a copy, then verify them against the last checkpoint.",
        )
