"""What is written stays written: a kill in mid-call, a signal, a full disk."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from . import wire
from .lab import Lab

TARGET = "+33639980101"


def long_call(place: Path, seconds: int) -> Path:
    return wire.capture(place / "in.pcap", wire.call(0, "c1", TARGET, "+33639980300", 20000, seconds * 50))


@contextmanager
def slowly(lab: Lab, capture: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run that has been given all but the end of its capture, over a pipe that stays open."""
    line = [sys.executable, "-m", "mandat", "run", "-", "--site", str(lab.root), "--json"]
    pipe, out = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(line, stdin=pipe, stdout=pipe, stderr=out, env=lab.environment) as process:
        assert process.stdin
        octets = capture.read_bytes()
        process.stdin.write(octets[: len(octets) - len(octets) // 8])
        process.stdin.flush()
        try:
            yield process
        finally:
            process.kill()


def finished(lab: Lab, at_least: int) -> list[Path]:
    """Finished segments, once there are so many."""
    for _ in range(200):
        found = sorted(lab.root.glob("product/*/recordings/*/*.age"))
        if len(found) >= at_least:
            return found
        time.sleep(0.05)
    raise AssertionError("no finished segment came")


def opened(lab: Lab, segment: Path) -> bytes:
    """A segment, opened with other people's age."""
    line = ["age", "--decrypt", "-i", str(lab.agency_key), str(segment)]
    return subprocess.run(line, check=True, capture_output=True, timeout=30).stdout


def check(lab: Lab, segments: list[Path], place: Path) -> int:
    """All segments are whole; says how many packets capinfos counts in them."""
    packets = 0
    for segment in segments:
        octets = opened(lab, segment)
        if ".wav." in segment.name:
            assert octets[:4] == b"RIFF"
            assert octets[8:12] == b"WAVE"
            continue
        (place / "one.pcapng").write_bytes(octets)
        told = subprocess.run(
            ["capinfos", "-Mc", str(place / "one.pcapng")], check=True, capture_output=True, text=True
        )
        packets += int(told.stdout.split()[-1])
    return packets


def test_a_kill_in_mid_call_leaves_every_finished_segment(lab: Lab, tmp_path: Path) -> None:
    lab.intercept("CALLS", [TARGET])
    capture = long_call(tmp_path, 60)
    with slowly(lab, capture) as process:
        finished(lab, 9)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    segments = sorted(lab.root.glob("product/*/recordings/*/*.age"))
    # 52 s of the 60 s came; at most the last 10 s of them are lost, 100 packets a second.
    assert check(lab, segments, tmp_path) >= 4000
    assert lab.mandat("log", "verify")

    # The next run goes on with a number of its own and loses nothing either.
    lab.run(capture)
    listed = json.loads(lab.mandat("recordings", "list", "--json").stdout)["recordings"]
    assert len({r["cin"] for r in listed}) == 2
    assert max(sum(s["written"] for s in r["streams"]) for r in listed) == 6000


def test_a_signal_ends_a_run_cleanly(lab: Lab, tmp_path: Path) -> None:
    lab.intercept("CALLS", [TARGET])
    with slowly(lab, long_call(tmp_path, 30)) as process:
        finished(lab, 2)
        process.send_signal(signal.SIGTERM)
        assert process.stdin
        process.stdin.close()
        process.wait(30)
        assert process.returncode != -signal.SIGTERM, "it ended by itself"
    listed = json.loads(lab.mandat("recordings", "list", "--json").stdout)["recordings"]
    assert [r["closed"] for r in listed] == [True]
    kinds = json.loads(lab.mandat("log", "verify", "--json").stdout)
    assert "match-summary" in json.dumps(kinds), "the run's counts are in the log"


def test_a_file_that_may_not_grow(lab: Lab, tmp_path: Path) -> None:
    """A disk that refuses: told with its path, with its own exit code, and what was written before stays whole."""
    lab.intercept("CALLS", [TARGET])
    capture = long_call(tmp_path, 40)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    done = lab.mandat("run", str(capture), code=8, preexec_fn=limit)
    assert "product" in done.stderr
    assert "what to do" in done.stderr or "free space" in done.stderr or "check the volume" in done.stderr
    check(lab, sorted(lab.root.glob("product/*/recordings/*/*.age")), tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_full_disk(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=700k", "none", str(place)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        lab = Lab.make(place)
        lab.intercept("CALLS", [TARGET])
        capture = wire.capture(
            tmp_path / "in.pcap", wire.call(0, "c1", TARGET, "+33639980300", 20000, 60 * 50)
        )
        done = lab.mandat("run", str(capture), code=8)
        assert "disk_full" in done.stderr
        segments = sorted(lab.root.glob("product/*/recordings/*/*.age"))
        assert segments
        check(lab, segments, tmp_path)
    finally:
        subprocess.run(["umount", str(place)], check=True)
