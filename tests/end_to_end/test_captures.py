"""Real captures of the kinds that operators' taps give, scored against their truth."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("domains_dns_tls_quic_http", "sip_rtp", "sms", "malformed")
KINDS = ("call", "stream", "name.dns", "name.tls", "name.quic", "name.http", "sms")


def test_recall_and_precision(shared: Path, tmp_path: Path) -> None:
    build = ["cargo", "build", "--locked", "--quiet", "-p", "mandat-inspect", "--example", "inspect"]
    subprocess.run(build, cwd=ROOT, check=True, timeout=280)
    inspect = f"{ROOT}/target/debug/examples/inspect {{}}"
    result = tmp_path / "scores.json"
    captures = shared / "captures"
    folders = [str(captures / folder) for folder in FOLDERS]
    score = [
        sys.executable,
        str(captures / "score.py"),
        "--inspect",
        inspect,
        "--json",
        str(result),
        *folders,
    ]
    done = subprocess.run(score, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout
    told = json.loads(result.read_text())
    assert told["failed"] == []
    for kind in KINDS:
        scores = told["scores"][kind]
        assert scores["recall"] >= 0.95, (kind, scores)
        assert scores["precision"] >= 0.95, (kind, scores)
