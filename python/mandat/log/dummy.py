"""Dummies: leaves that say nothing, that nobody can tell from events, and that an overseer can recompute.

    K_dummy_epoch = HMAC(K_dummy_root, "li/dummy-epoch/v1\\n" || u64be(epoch))
    tag           = HMAC(K_dummy_epoch, "li/dummy-tag/v1\\n" || u64be(slot))
    commit        = HMAC(K_dummy_epoch, "li/dummy-commit/v1\\n" || u64be(slot))

`slot` is the leaf's index in the log: unique under every schedule, and a dummy that was moved is no dummy any more.

Trust: who has K_dummy_root can tell all dummies from events, so see how much happens; no more. An epoch's key tells of
that epoch alone.
"""

import hmac
from collections.abc import Iterator
from hashlib import sha256

from .entry import VERSION
from .fault import Fault, LogFault

KEY_SIZE = 32
_EPOCH = b"li/dummy-epoch/v1\n"
_TAG = b"li/dummy-tag/v1\n"
_COMMIT = b"li/dummy-commit/v1\n"
_BLOCK = 64
_INNER = bytes(n ^ 0x36 for n in range(256))
_OUTER = bytes(n ^ 0x5C for n in range(256))


class DummyKeys:
    """K_dummy_root, or the keys of a period that an overseer was given."""

    def __init__(self, root: bytes | None, epochs: dict[int, bytes] | None = None) -> None:
        given = [*((root,) if root is not None else ()), *(epochs or {}).values()]
        if not given or any(len(key) != KEY_SIZE for key in given):
            raise LogFault(Fault.MALFORMED, "a key of dummies has 32 octets")
        self._root = root
        self._epochs = epochs or {}

    def epoch_key(self, epoch: int) -> bytes | None:
        """K_dummy_epoch, or None where it wasn't given."""
        if self._root is not None:
            return hmac.digest(self._root, _EPOCH + epoch.to_bytes(8, "big"), "sha256")
        return self._epochs.get(epoch)

    def entries(self, epoch: int, first: int, count: int) -> list[bytes]:
        """`count` dummies of one epoch from index `first` on; none where the epoch's key isn't at hand."""
        key = self.epoch_key(epoch)
        return [] if key is None else list(_entries(key, epoch, first, count))


def _entries(key: bytes, epoch: int, first: int, count: int) -> Iterator[bytes]:
    # HMAC by its definition (RFC 2104), with the two keyed states made once: a year has 17 million of them, and
    # `hmac.digest` sets them up anew each time, which takes twice as long. A test compares the two.
    padded = key.ljust(_BLOCK, b"\0")
    inner, outer = sha256(padded.translate(_INNER)), sha256(padded.translate(_OUTER))
    tag_state, commit_state = inner.copy(), inner
    tag_state.update(_TAG)
    commit_state.update(_COMMIT)
    head = bytes([VERSION]) + epoch.to_bytes(8, "big")
    tag_copy, commit_copy, outer_copy = tag_state.copy, commit_state.copy, outer.copy
    for slot in range(first, first + count):
        octets = slot.to_bytes(8, "big")
        tag, tag_outer = tag_copy(), outer_copy()
        tag.update(octets)
        tag_outer.update(tag.digest())
        commit, commit_outer = commit_copy(), outer_copy()
        commit.update(octets)
        commit_outer.update(commit.digest())
        yield head + tag_outer.digest() + commit_outer.digest()
