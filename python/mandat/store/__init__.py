"""Where sealed call records are kept. `base` says what a store does; `embedded` does it with files."""

from mandat.store.base import RecordStore, SealedRow, Segment
from mandat.store.embedded import EmbeddedStore

__all__ = ["EmbeddedStore", "RecordStore", "SealedRow", "Segment"]
