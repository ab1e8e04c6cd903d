"""Call records in plain files: one Parquet file a segment, and a manifest that says which files are committed.

    SITE/records/<liid>/manifest.jsonl
    SITE/records/<liid>/<period>/<day of the first call>/segment-<id>.parquet

A segment is written under a hidden name, synced, renamed, and then named in the manifest. A kill between the last two
leaves a whole segment that nothing names: `recover` takes it in, since the file says itself what it is.
"""

import hashlib
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mandat.errors import StoreError
from mandat.store.base import VERSION, SealedRow, Segment
from mandat.store.files import append_line, sync_directory, writing

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP_ROWS = 8192
"""Rows that one look-up reads at least when it hits: about 2 MB."""

DIGEST_CHUNK = 1 << 20
"""Octets that are hashed at a time, so that a segment of any size needs the same memory."""

NAME = re.compile(r"[A-Za-z0-9._-]{1,25}")
"""A LIID as a directory name (TS 102 232-1, 5.2.2: at most 25 octets)."""

PERIOD = re.compile(r"[0-9]{4}-[0-9]{2}")
SEGMENT = re.compile(r"[0-9a-f]{32}")
MANIFEST = "manifest.jsonl"
PLAIN = ("start", "ringing", "answer", "end", "end_reason", "status")
TOKENS = ("caller_token", "callee_token")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ADVICE = "the other segments are still read; put back this file from a backup"


class EmbeddedStore:
    """A `RecordStore` in a directory. One process writes at a time: the run that holds the site."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._damaged: list[str] = []

    # ------------------------------------------------------------ writing

    def put(self, liid: str, period: str, stream: bytes) -> Segment:
        """Commits one Arrow IPC stream of sealed rows; see `RecordStore.put`."""
        table = _read_stream(stream)
        _check_version(table.schema)
        segment_id = _metadata(table, "segment")
        if not PERIOD.fullmatch(period) or _metadata(table, "period") != period:
            raise StoreError("record_period", "a batch of records names another period than it came with")
        first, last = _bounds(table)
        relative = f"{period}/{first:%Y-%m-%d}/segment-{segment_id}.parquet"
        path = self._directory(liid) / relative
        if path.exists():
            raise StoreError("segment_exists", "this segment is already committed", where=str(path))
        with writing(path) as temporary:
            _write_parquet(table, temporary)
            digest, octets = _digest(temporary)
        segment = Segment(segment_id, liid, period, relative, table.num_rows, octets, digest, first, last)
        with self._lock:
            append_line(self._directory(liid) / MANIFEST, msgspec.json.encode(segment))
        return segment

    def recover(self, liid: str) -> list[Segment]:
        """Takes in whole segments that a kill left unnamed, and removes half-written ones."""
        directory = self._directory(liid)
        named = {segment.path for segment in self.segments(liid)}
        taken = []
        for path in sorted(directory.glob("*/*/.segment-*.tmp")):
            path.unlink()
        for path in sorted(directory.glob("*/*/segment-*.parquet")):
            relative = str(path.relative_to(directory))
            if relative in named:
                continue
            try:
                table = _parquet(path).read()
                first, last = _bounds(table)
                segment_id, period = _metadata(table, "segment"), _metadata(table, "period")
            except StoreError as fault:
                self._damaged.append(fault.diagnostics())
                continue
            digest, octets = _digest(path)
            segment = Segment(segment_id, liid, period, relative, table.num_rows, octets, digest, first, last)
            append_line(directory / MANIFEST, msgspec.json.encode(segment))
            taken.append(segment)
        return taken

    # ------------------------------------------------------------ reading

    def liids(self) -> list[str]:
        """Labels of the warrants under which records are kept."""
        if not self._root.is_dir():
            return []
        return sorted(path.name for path in self._root.iterdir() if (path / MANIFEST).is_file())

    def segments(self, liid: str, period: str | None = None) -> list[Segment]:
        """All committed segments of a warrant, oldest first. A torn last line (a kill) is passed over."""
        manifest = self._directory(liid) / MANIFEST
        try:
            lines = manifest.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as fault:
            raise StoreError(
                "manifest_unreadable", fault.strerror or "unreadable", where=str(manifest)
            ) from None
        found = []
        for number, line in enumerate(lines[:-1], 1):
            try:
                segment = msgspec.json.decode(line, type=Segment)
            except msgspec.MsgspecError:
                self._damaged.append(f"{manifest}:{number}: this line of the manifest is damaged")
                continue
            if segment.liid == liid and (period is None or segment.period == period):
                found.append(segment)
        return sorted(found, key=lambda segment: (segment.first, segment.id))

    def find(
        self, liid: str, period: str, token: bytes, start: datetime, end: datetime
    ) -> Iterator[SealedRow]:
        """Rows of one period with `token` on either side, started in [start, end).

        Reads the two token columns of the segments that the period touches, then only the row groups that hold a hit.
        A damaged segment is passed over and told by `damaged`.
        """
        self._damaged = []
        for segment in self.segments(liid, period):
            if segment.last < start or segment.first >= end:
                continue
            try:
                yield from self._find_in(self._path(segment), segment, token, start, end)
            except StoreError as fault:
                self._damaged.append(fault.diagnostics())

    def damaged(self) -> list[str]:
        """What the last `find` could not read."""
        return list(self._damaged)

    def verify(self, liid: str) -> list[StoreError]:
        """Reads every segment and compares its digest with the manifest; returns what is wrong."""
        faults = []
        for segment in self.segments(liid):
            path = self._path(segment)
            try:
                digest, _ = _digest(path)
            except OSError as fault:
                faults.append(_unreadable(path, fault))
                continue
            if digest != segment.sha256:
                faults.append(
                    StoreError("segment_damaged", "not what was committed", where=str(path), advice=ADVICE)
                )
        return faults

    def forget(self, liid: str, period: str) -> int:
        """Removes the files of a period whose key is gone, and returns how many. The manifest's lines stay."""
        gone = 0
        for segment in self.segments(liid, period):
            path = self._path(segment)
            path.unlink(missing_ok=True)
            sync_directory(path.parent)
            gone += 1
        return gone

    # ------------------------------------------------------------ inside

    def _directory(self, liid: str) -> Path:
        if not NAME.fullmatch(liid) or liid.startswith("."):
            raise StoreError(
                "liid_form", "this label can't be the name of a directory", advice="see docs/nouns.md"
            )
        return self._root / liid

    def _path(self, segment: Segment) -> Path:
        """Built from checked parts, never from the manifest's own path: a manifest may have been altered."""
        if not PERIOD.fullmatch(segment.period) or not SEGMENT.fullmatch(segment.id):
            raise StoreError("manifest_damaged", "a line of the manifest is not of this program's making")
        day = f"{segment.first.astimezone(UTC):%Y-%m-%d}"
        return self._directory(segment.liid) / segment.period / day / f"segment-{segment.id}.parquet"

    def _find_in(
        self, path: Path, segment: Segment, token: bytes, start: datetime, end: datetime
    ) -> Iterator[SealedRow]:
        import pyarrow as pa
        import pyarrow.compute as pc

        file = _parquet(path)
        _check_version(file.schema, str(path))
        wanted = pa.scalar(token, pa.binary(16))
        groups = []
        for group in range(file.num_row_groups):
            tokens = file.read_row_group(group, columns=list(TOKENS))
            hit = pc.or_(pc.equal(tokens[0], wanted), pc.equal(tokens[1], wanted))
            if pc.any(hit).as_py():
                groups.append(group)
        for group in groups:
            table = file.read_row_group(group)
            hit = pc.or_(pc.equal(table["caller_token"], wanted), pc.equal(table["callee_token"], wanted))
            for row in table.filter(hit).to_pylist():
                if start <= row["start"] < end:
                    yield SealedRow(segment.id, row.pop("row"), **row)


def _read_stream(stream: bytes) -> "pa.Table":
    import pyarrow as pa

    try:
        table = pa.ipc.open_stream(pa.py_buffer(stream)).read_all()
    except (OSError, pa.ArrowException):
        raise StoreError("record_batch", "a batch of records from the core can't be read") from None
    missing = {"row", *PLAIN, *TOKENS, "sealed"} - set(table.column_names)
    if missing or not table.num_rows:
        raise StoreError("record_batch", f"a batch of records is empty or lacks {', '.join(sorted(missing))}")
    return table


def _metadata(table: "pa.Table", name: str) -> str:
    value = (table.schema.metadata or {}).get(name.encode(), b"").decode("ascii", "replace")
    if not (SEGMENT if name == "segment" else PERIOD).fullmatch(value):
        raise StoreError("record_batch", f"a batch of records doesn't say its {name}")
    return str(value)


def _check_version(schema: "pa.Schema", where: str = "") -> None:
    version = (schema.metadata or {}).get(b"version", b"1").decode("ascii", "replace")
    if version != VERSION:
        raise StoreError(
            "record_version",
            f"call records sealed in form {version:.10}; this program reads form {VERSION} alone",
            where=where,
            advice="read them with the version of Mandat that wrote them",
        )


def _bounds(table: "pa.Table") -> tuple[datetime, datetime]:
    """Earliest and latest start. Looked for here: to load pyarrow.compute takes longer than to go through a batch."""
    import pyarrow as pa

    starts = table["start"]
    if starts.type != pa.timestamp("us", "UTC") or starts.null_count:
        raise StoreError("record_batch", "a batch of records has calls without a start")
    spans = []
    for chunk in starts.chunks:
        if len(chunk):
            moments = memoryview(chunk.buffers()[1]).cast("q")[chunk.offset : chunk.offset + len(chunk)]
            spans += [min(moments), max(moments)]
    return EPOCH + timedelta(microseconds=min(spans)), EPOCH + timedelta(microseconds=max(spans))


def _write_parquet(table: "pa.Table", path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Tokens and seals are as good as random: to compress or to index them by value only costs time.
    random = {*TOKENS, "sealed"}
    codec = {name: "none" if name in random else "zstd" for name in table.column_names}
    try:
        pq.write_table(
            table,
            path,
            compression=codec,
            use_dictionary=["end_reason", "status"],
            write_statistics=["start", "row"],
            row_group_size=ROW_GROUP_ROWS,
        )
    except (OSError, pa.ArrowException) as fault:
        raise StoreError(
            "disk_write",
            f"call records could not be written ({type(fault).__name__})",
            where=str(path.parent),
            advice="free some space or mend the disk; committed segments are whole",
        ) from None


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return _Guarded(path, pq.ParquetFile(path, memory_map=False))
    except (OSError, pa.ArrowException) as fault:
        raise _unreadable(path, fault) from None


class _Guarded:
    """A Parquet file whose every failure is a `StoreError` that names the file."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path = path
        self._file = file
        self.num_row_groups: int = file.num_row_groups
        self.schema: pa.Schema = file.schema_arrow

    def read(self) -> "pa.Table":
        return self._guard(self._file.read)

    def read_row_group(self, group: int, columns: list[str] | None = None) -> "pa.Table":
        return self._guard(self._file.read_row_group, group, columns=columns)

    def _guard(self, read: Any, *args: Any, **kwargs: Any) -> "pa.Table":
        import pyarrow as pa

        try:
            return read(*args, **kwargs)
        except (OSError, KeyError, pa.ArrowException) as fault:
            raise _unreadable(self._path, fault) from None


def _unreadable(path: Path, fault: Exception) -> StoreError:
    if isinstance(fault, FileNotFoundError):
        return StoreError(
            "segment_missing", "this segment of call records is missing", where=str(path), advice=ADVICE
        )
    return StoreError(
        "segment_damaged", "this segment of call records is damaged", where=str(path), advice=ADVICE
    )


def _digest(path: Path) -> tuple[str, int]:
    digest, octets = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(DIGEST_CHUNK):
            digest.update(chunk)
            octets += len(chunk)
    return digest.hexdigest(), octets
