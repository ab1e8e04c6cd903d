"""What a store of sealed call records promises: whole or nothing, found on both sides, and damage told by name."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mandat.errors import StoreError
from mandat.store import EmbeddedStore, Segment
from tests.conftest import START, SealedBatch

A, B, C = (bytes([n]) * 16 for n in (1, 2, 3))
BEFORE, AFTER = START - timedelta(days=1), START + timedelta(days=40)


@pytest.fixture
def store(tmp_path: Path) -> EmbeddedStore:
    return EmbeddedStore(tmp_path / "records")


def file_of(store: EmbeddedStore, tmp_path: Path, segment: Segment) -> Path:
    return tmp_path / "records" / segment.liid / segment.path


def test_a_row_is_found_from_both_sides_with_its_place(
    store: EmbeddedStore, sealed_batch: SealedBatch
) -> None:
    segment = store.put("LI-2", "2026-06", sealed_batch([(A, B), (B, C), (C, A), (B, B)]))
    rows = list(store.find("LI-2", "2026-06", A, BEFORE, AFTER))
    assert [(row.index, row.sealed) for row in rows] == [(0, b"sealed 0"), (2, b"sealed 2")]
    assert {row.segment for row in rows} == {segment.id}


def test_the_window_holds_its_start_and_not_its_end(store: EmbeddedStore, sealed_batch: SealedBatch) -> None:
    store.put("LI-2", "2026-06", sealed_batch([(A, B)] * 3))
    rows = store.find("LI-2", "2026-06", A, START, START + timedelta(minutes=2))
    assert [row.index for row in rows] == [0, 1]


def test_rows_of_another_warrant_or_period_are_not_found(
    store: EmbeddedStore, sealed_batch: SealedBatch
) -> None:
    store.put("LI-2", "2026-06", sealed_batch([(A, B)]))
    assert not list(store.find("LI-3", "2026-06", A, BEFORE, AFTER))
    assert not list(store.find("LI-2", "2026-07", A, BEFORE, AFTER))


def test_more_rows_than_a_row_group(store: EmbeddedStore, sealed_batch: SealedBatch) -> None:
    pairs = [(B, C)] * 20_000
    pairs[19_999] = (A, C)
    pairs[3] = (C, A)
    store.put("LI-2", "2026-06", sealed_batch(pairs))
    rows = store.find("LI-2", "2026-06", A, BEFORE, AFTER)
    assert [row.index for row in rows] == [3, 19_999]


def test_one_damaged_segment_is_named_and_the_others_are_read(
    store: EmbeddedStore, sealed_batch: SealedBatch, tmp_path: Path
) -> None:
    first = store.put("LI-2", "2026-06", sealed_batch([(A, B)]))
    store.put("LI-2", "2026-06", sealed_batch([(A, B)]))
    third = store.put("LI-2", "2026-06", sealed_batch([(A, B)]))
    broken = file_of(store, tmp_path, first)
    broken.write_bytes(broken.read_bytes()[:100])
    file_of(store, tmp_path, third).unlink()
    assert len(list(store.find("LI-2", "2026-06", A, BEFORE, AFTER))) == 1
    told = "\n".join(store.damaged())
    assert broken.name in told
    assert "missing" in told
    assert {fault.code for fault in store.verify("LI-2")} == {"segment_damaged", "segment_missing"}


def test_one_altered_octet_is_found_by_verify(
    store: EmbeddedStore, sealed_batch: SealedBatch, tmp_path: Path
) -> None:
    segment = store.put("LI-2", "2026-06", sealed_batch([(A, B)]))
    assert not store.verify("LI-2")
    path = file_of(store, tmp_path, segment)
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)
    assert [fault.code for fault in store.verify("LI-2")] == ["segment_damaged"]


def test_a_kill_before_the_manifest_loses_nothing(
    store: EmbeddedStore, sealed_batch: SealedBatch, tmp_path: Path
) -> None:
    segment = store.put("LI-2", "2026-06", sealed_batch([(A, B)]))
    manifest = tmp_path / "records/LI-2/manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-20])  # the line was torn
    half = file_of(store, tmp_path, segment).with_name(".segment-00.tmp")
    half.write_bytes(b"half")
    assert not store.segments("LI-2")
    assert [taken.id for taken in store.recover("LI-2")] == [segment.id]
    assert not half.exists()
    assert store.segments("LI-2") == [segment]
    assert not store.recover("LI-2")


def test_a_full_disk_leaves_nothing_behind(
    store: EmbeddedStore, sealed_batch: SealedBatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    with pytest.raises(StoreError) as refused:
        store.put("LI-2", "2026-06", sealed_batch([(A, B)]))
    assert refused.value.code == "disk_write"
    assert refused.value.advice
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_files_are_private(store: EmbeddedStore, sealed_batch: SealedBatch, tmp_path: Path) -> None:
    store.put("LI-2", "2026-06", sealed_batch([(A, B)]))
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "records").rglob("*")}
    assert modes == {0}


@pytest.mark.parametrize("liid", ["../x", "", "a/b", ".hidden", "x" * 26])
def test_a_label_never_leaves_the_store(store: EmbeddedStore, sealed_batch: SealedBatch, liid: str) -> None:
    with pytest.raises(StoreError):
        store.put(liid, "2026-06", sealed_batch([(A, B)]))


def test_a_manifest_that_points_elsewhere_is_not_followed(
    store: EmbeddedStore, sealed_batch: SealedBatch, tmp_path: Path
) -> None:
    segment = store.put("LI-2", "2026-06", sealed_batch([(A, B)]))
    manifest = tmp_path / "records/LI-2/manifest.jsonl"
    manifest.write_text(manifest.read_text().replace(segment.id, "../../../../etc"))
    assert not list(store.find("LI-2", "2026-06", A, BEFORE, AFTER))
    assert store.damaged()


def test_a_batch_that_contradicts_itself_is_refused(store: EmbeddedStore, sealed_batch: SealedBatch) -> None:
    with pytest.raises(StoreError):
        store.put("LI-2", "2026-07", sealed_batch([(A, B)]))


def test_another_form_of_seal_is_refused_and_said(
    store: EmbeddedStore, sealed_batch: SealedBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError) as refused:
        store.put("LI-2", "2026-06", sealed_batch([(A, B)], version="1"))
    assert refused.value.code == "record_version"
    with monkeypatch.context() as older:
        older.setattr("mandat.store.embedded.VERSION", "1")
        store.put("LI-2", "2026-06", sealed_batch([(A, B)], version="1"))
    assert not list(store.find("LI-2", "2026-06", A, BEFORE, AFTER))
    [told] = store.damaged()
    assert "sealed in form 1; this program reads form 2" in told


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.binary(max_size=400))
def test_any_octets_in_place_of_a_batch_are_refused_cleanly(store: EmbeddedStore, octets: bytes) -> None:
    with pytest.raises(StoreError):
        store.put("LI-2", "2026-06", octets)


def test_forgetting_a_period_removes_its_files_alone(store: EmbeddedStore, sealed_batch: SealedBatch) -> None:
    july = datetime(2026, 7, 1, tzinfo=UTC)
    store.put("LI-2", "2026-06", sealed_batch([(A, B)]))
    store.put("LI-2", "2026-07", sealed_batch([(A, B)], period="2026-07", start=july))
    assert store.forget("LI-2", "2026-06") == 1
    assert not list(store.find("LI-2", "2026-06", A, BEFORE, AFTER))
    assert len(list(store.find("LI-2", "2026-07", A, BEFORE, AFTER))) == 1
