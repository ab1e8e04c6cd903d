"""The right edge of a tree: all that is needed to add leaves, however long the log is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .merkle import fold, join
from .tile import MAX_LEVEL, WIDTH


@dataclass(slots=True)
class Edge:
    """The hashes of the unfinished tile at each level; at most 255 at each of eight levels."""

    size: int = 0
    levels: list[list[bytes]] = field(default_factory=lambda: [[]])

    def add(self, leaf: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Add a leaf's hash; gives each tile (level, number, octets) that it completes."""
        self.size += 1
        yield from self._carry(0, self.size - 1, leaf)

    def extend(self, leaves: Sequence[bytes]) -> Iterator[tuple[int, int, bytes]]:
        """Add many leaves' hashes: the same as `add` of each, a tile at a time where that is possible."""
        at = 0
        while at < len(leaves):
            if self.levels[0] or len(leaves) - at < WIDTH:
                yield from self.add(leaves[at])
                at += 1
                continue
            tile = leaves[at : at + WIDTH]
            number = self.size // WIDTH
            self.size += WIDTH
            at += WIDTH
            yield 0, number, b"".join(tile)
            yield from self._carry(1, number, fold(tile))

    def extend_tiles(self, hashes: Sequence[bytes]) -> Iterator[tuple[int, int, bytes]]:
        """Add whole tiles of the lowest level, each by the hash over its 256 leaves."""
        if self.levels[0]:
            raise ValueError("the tile before isn't full")
        for hashed in hashes:
            self.size += WIDTH
            yield from self._carry(1, self.size // WIDTH - 1, hashed)

    def _carry(self, level: int, number: int, hashed: bytes) -> Iterator[tuple[int, int, bytes]]:
        while True:
            if level == len(self.levels):
                self.levels.append([])
            row = self.levels[level]
            row.append(hashed)
            number //= WIDTH
            if len(row) < WIDTH or level == MAX_LEVEL:
                return
            yield level, number, b"".join(row)
            hashed = fold(row)
            row.clear()
            level += 1

    def partial(self) -> Iterator[tuple[int, int, bytes]]:
        """The unfinished tiles that have at least one hash: an empty tile doesn't exist."""
        for level, row in enumerate(self.levels):
            if row:
                yield level, self.size // WIDTH ** (level + 1), b"".join(row)

    def root(self) -> bytes:
        """Root of the tree."""
        parts: list[bytes] = []
        for row in reversed(self.levels):
            at = 0
            while at < len(row):  # a row of width 6 is a subtree of 4 and one of 2
                width = 1 << ((len(row) - at).bit_length() - 1)
                parts.append(fold(row[at : at + width]))
                at += width
        return join(parts)

    def copy(self) -> "Edge":
        """An edge to try an append on."""
        return Edge(self.size, [list(row) for row in self.levels])
