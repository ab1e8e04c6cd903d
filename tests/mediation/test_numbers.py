"""CINs and sequence numbers: never given twice, not even after a kill."""

import json
from pathlib import Path

from mandat.mediation.numbers import Numbers, close_numbers, open_numbers


def test_numbers_go_on(tmp_path: Path) -> None:
    assert open_numbers(tmp_path, "LI-1", "run-a") == Numbers(1, 0, 0)
    close_numbers(tmp_path, "LI-1", Numbers(5, 12, 4))
    assert open_numbers(tmp_path, "LI-1", "run-b") == Numbers(5, 12, 4)


def test_after_a_kill_they_go_on_behind_what_was_written(tmp_path: Path) -> None:
    open_numbers(tmp_path, "LI-1", "run-a")
    close_numbers(tmp_path, "LI-1", Numbers(5, 12, 4))
    open_numbers(tmp_path, "LI-1", "run-b")  # and then the machine loses power
    (tmp_path / "LI-1/recordings/0000000008").mkdir(parents=True)
    index = tmp_path / "LI-1/iri/run-b-0000.json"
    index.parent.mkdir()
    row = {"cin": 6, "sequence": 13, "service": "call", "iri_type": "BEGIN", "event": "invite"}
    row |= {"ts": "2026-06-01T09:00:00.000000000Z", "criterion": None, "matched": "from"}
    index.write_text(json.dumps({"version": 1, "run": "run-b", "liid": "LI-1", "rows": [row]}))
    assert open_numbers(tmp_path, "LI-1", "run-c") == Numbers(9, 14, 6)
