"""The examples run as their first lines say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mandat.site import Site

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(*command: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], input=given, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("path", sorted((EXAMPLES / "warrants").glob("*.json")), ids=lambda path: path.stem)
def test_each_warrant_is_valid(path: Path) -> None:
    done = run("-m", "mandat", "warrant", "check", str(path))
    assert done.returncode == 0, done.stderr


def test_an_overseer_checks_a_log_and_sees_a_rollback(tmp_path: Path) -> None:
    site = Site.init(tmp_path / "site", lab=True, actor="test")
    site.record("search", liid="LI-1", count=1)
    vkey = json.loads(site.point_config())["log"]["vkey"]
    log = site.root / "log"
    done = run(str(EXAMPLES / "overseer.py"), str(log), vkey)
    assert done.returncode == 0, done.stderr
    assert "entries" in done.stdout

    checkpoint = log / "checkpoint"
    origin, size, rest = checkpoint.read_bytes().split(b"\n", 2)
    checkpoint.write_bytes(b"\n".join([origin, b"%d" % (int(size) + 1), rest]))
    done = run(str(EXAMPLES / "overseer.py"), str(log), vkey)
    assert done.returncode == 1
    assert "does not hold" in done.stderr


def test_missed_calls_reads_exported_records() -> None:
    common = {"start": "2026-06-01T09:00:14Z", "from": "sip:a@h", "end_reason": "failure"}
    records = [
        {**common, "iri_type": "END", "matched": "request_uri", "answer": None},
        {**common, "iri_type": "END", "matched": "from", "answer": None},
        {**common, "iri_type": "BEGIN", "matched": "to", "answer": None},
        {**common, "iri_type": "END", "matched": "to", "answer": "2026-06-01T09:00:15Z"},
    ]
    done = run(str(EXAMPLES / "missed_calls.py"), given="".join(json.dumps(r) + "\n" for r in records))
    assert done.stdout == "2026-06-01T09:00:14Z sip:a@h failure\n", done.stderr
