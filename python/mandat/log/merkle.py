"""Merkle tree hashes and proofs (RFC 6962 2.1; verification as in RFC 9162 2.1.3.2 and 2.1.4.2).

Proofs are made from a function that gives the hash of a *perfect* subtree. So the same code serves a tree in
memory and one that lies in tiles, and a proof costs O(log² n) look-ups, never a pass over the entries.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()
# A tree of 2^63 leaves has proofs of 63 hashes, and a consistency proof one more. A longer one is hostile.
MAX_PROOF = 64

# node(height, index): hash over leaves index·2^height up to (index + 1)·2^height.
Node = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """Hash of one entry."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """Root over a power of two of equal subtrees."""
    level = list(hashes)
    while len(level) > 1:
        # `node_hash`, written out: a year's audit passes here eight million times.
        level = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=True)
        ]
    return level[0]


def join(parts: Sequence[bytes]) -> bytes:
    """Root over perfect subtrees of falling size, left to right: the right edge of an RFC 6962 tree."""
    if not parts:
        return EMPTY_ROOT
    root = parts[-1]
    for left in reversed(parts[:-1]):
        root = node_hash(left, root)
    return root


def tree_root(size: int, node: Node) -> bytes:
    """Root of the first `size` leaves."""
    return _subtree(0, size, node)


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962 2.1.1: sibling hashes from the leaf upwards."""
    if not 0 <= index < size:
        raise ValueError("no such leaf in a tree of this size")
    low, high = 0, size
    path: list[bytes] = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_subtree(middle, high, node))
            high = middle
        else:
            path.append(_subtree(low, middle, node))
            low = middle
    path.reverse()
    return path


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962 2.1.2: shows that the new tree starts with the old one."""
    if not 0 <= old <= new:
        raise ValueError("the older tree can't be the larger one")
    if old in (0, new):
        return []
    low, high = 0, new
    path: list[bytes] = []
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(_subtree(middle, high, node))
            high = middle
        else:
            path.append(_subtree(low, middle, node))
            low = middle
    if low:  # the old root itself is known to the verifier and is left out
        path.append(_subtree(low, high, node))
    path.reverse()
    return path


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` shows that the leaf with this hash stands at `index` (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size or not _sound(proof):
        return False
    position, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            computed = node_hash(sibling, computed)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            computed = node_hash(computed, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and computed == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the tree of `new` leaves extends the one of `old` (RFC 9162 2.1.4.2)."""
    if not 0 <= old <= new or not _sound(proof):
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position >>= 1
        last >>= 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            first = node_hash(sibling, first)
            second = node_hash(sibling, second)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            second = node_hash(second, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and first == old_root and second == new_root


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _subtree(low: int, high: int, node: Node) -> bytes:
    parts = []
    while low < high:
        height = (high - low).bit_length() - 1
        parts.append(node(height, low >> height))
        low += 1 << height
    return join(parts)


def _sound(proof: Sequence[bytes]) -> bool:
    return len(proof) <= MAX_PROOF and all(len(item) == HASH_SIZE for item in proof)
