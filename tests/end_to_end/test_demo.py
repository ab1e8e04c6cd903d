"""The demo does the whole main job and says so."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def test_the_demo(tmp_path: Path) -> None:
    begun = time.monotonic()
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    line = [sys.executable, "-m", "mandat", "demo"]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    for promised in (
        "approvals_missing",
        "window_over",
        "not_in_log",
        "CALL RECORDS",
        "LOST ON WIRE",
        "dropped: ",
        "none altered, none taken back",
        "all as demo.truth.json says",
    ):
        assert promised in done.stdout + done.stderr, promised
    assert time.monotonic() - begun < 20
    opened = list(tmp_path.glob("mandat-demo-*/opened/*"))
    assert {path.suffix for path in opened} == {".pcapng", ".wav"}


def test_the_capture_is_what_its_script_makes() -> None:
    script = Path(__file__).parents[2] / "captures/make_demo.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    json.loads(script.with_name("demo.truth.json").read_text())
