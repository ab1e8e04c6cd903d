"""What tests of several parts share. The real core is used where it is built; these stand in for it elsewhere."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from mandat.store.base import VERSION

START = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
SealedBatch = Callable[..., bytes]


@pytest.fixture(autouse=True)
def _own_umask() -> Iterator[None]:
    """Commands that a test runs in this process make new files private; servers of later tests couldn't read theirs."""
    umask = os.umask(0o022)
    os.umask(umask)
    yield
    os.umask(umask)


@pytest.fixture
def sealed_batch() -> SealedBatch:
    """Makes batches as `_core.Run.take_records` gives them: (caller token, callee token) a row, one row a minute."""

    def make(
        pairs: list[tuple[bytes, bytes]],
        *,
        period: str = "2026-06",
        start: datetime = START,
        segment: str = "",
        version: str = VERSION,
    ) -> bytes:
        times = [start + timedelta(minutes=n) for n in range(len(pairs))]
        moment = pa.timestamp("us", "UTC")
        columns = {
            "row": pa.array(range(len(pairs)), pa.uint32()),
            "start": pa.array(times, moment),
            "ringing": pa.array([None] * len(pairs), moment),
            "answer": pa.array(times, moment),
            "end": pa.array(times, moment),
            "end_reason": pa.array(["bye"] * len(pairs)),
            "status": pa.array([200] * len(pairs), pa.uint16()),
            "caller_token": pa.array([a for a, _ in pairs], pa.binary(16)),
            "callee_token": pa.array([b for _, b in pairs], pa.binary(16)),
            "sealed": pa.array([b"sealed %d" % n for n in range(len(pairs))]),
        }
        metadata = {"version": version, "segment": segment or os.urandom(16).hex(), "period": period}
        table = pa.table(columns).replace_schema_metadata(metadata)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return sink.getvalue().to_pybytes()

    return make
