"""A log that breaks at every write it makes, and one that others lay hands on."""

import errno
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mandat.log import (
    Checkpoint,
    Event,
    Kind,
    LogFault,
    LogWriter,
    Opening,
    Openings,
    Signer,
    audit,
    durable,
    openings,
    writer,
)

SIZES = [1, 2, 255, 256, 257, 600]


def test_indices_follow_each_other_and_each_step_verifies(log, events) -> None:
    for size in SIZES:
        before = log.checkpoint()
        have = Checkpoint.open(before, log.signer.verifier).size
        assert log.writer().append(events(size - have)) == list(range(have, size))
        report = log.audit(older=before)
        assert (report.size, report.opened, report.unexplained) == (size, size, 0)


def test_nothing_to_log_changes_nothing(log) -> None:
    before = log.checkpoint()
    assert log.writer().append([]) == []
    assert log.checkpoint() == before


def test_cases_have_their_own_gapless_sequence(log, events) -> None:
    held = log.writer()
    held.append(events(3, "LI-1") + events(2, "LI-2"))
    held.append([*events(1, "LI-2"), *events(1, "LI-1"), *events(1, "LI-2")])
    opened = openings.Openings(log.openings)
    assert [(event.index, event.sequence) for event in opened.events("LI-2", 8)] == [
        (3, 0),
        (4, 1),
        (5, 2),
        (7, 3),
    ]
    assert opened.case_key("LI-1") != opened.case_key("LI-2")
    assert log.audit().kinds == {"access": 8}


def test_two_writers_take_turns(log, events) -> None:
    one, other = log.writer(), log.writer()
    assert [one.append(events(1)), other.append(events(1)), one.append(events(1))] == [[0], [1], [2]]
    assert log.audit().opened == 3


def _hold(root: str, skey: str, liid: str) -> None:
    held = LogWriter(Path(root) / "log", Path(root) / "openings", Signer.parse(skey))
    for _ in range(20):
        held.append([Event(Kind.ACCESS, liid, "desk", {"count": 1})])


def test_processes_take_turns(log) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_hold, args=(str(log.root), log.signer.skey, f"LI-{n}")) for n in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert (log.audit().size, log.audit().unexplained) == (60, 0)


def test_a_held_lock_is_told(log, events, monkeypatch: pytest.MonkeyPatch) -> None:
    held = log.writer()
    monkeypatch.setattr(writer, "LOCK_SECONDS", 0.05)
    with held._locked(), pytest.raises(LogFault) as refused:
        log.writer()
    assert refused.value.code == "log_locked"
    assert held.append(events(1)) == [0]


def test_public_and_private_files_lie_apart(log, events) -> None:
    log.writer().append(events(5))
    for path in log.root.rglob("*"):
        if path.is_file() and log.openings in path.parents:
            assert path.stat().st_mode & 0o777 == 0o600, path
    public = b"".join(path.read_bytes() for path in log.tiles.rglob("*") if path.is_file())
    assert b"LI-1" not in public
    assert b"access" not in public


# ------------------------------------------------------------ every write fails once

START = 250


def _break(monkeypatch: pytest.MonkeyPatch, at: int, kind: int) -> None:
    """Let write number `at` fail in the middle of it."""
    count = 0
    write_atomic, append = durable.write_atomic, durable.append

    def fails() -> bool:
        nonlocal count
        count += 1
        return count == at

    def broken_write(path: Path, data: bytes, mode: int = durable.PUBLIC) -> None:
        if fails():
            path.with_name(f".{path.name}.torn.tmp").write_bytes(data[: len(data) // 2])
            raise OSError(kind, os.strerror(kind), str(path))
        write_atomic(path, data, mode)

    def broken_append(path: Path, data: bytes, mode: int = durable.PRIVATE) -> None:
        if fails():
            append(path, data[: len(data) // 2], mode)
            raise OSError(kind, os.strerror(kind), str(path))
        append(path, data, mode)

    monkeypatch.setattr(writer, "write_atomic", broken_write)
    monkeypatch.setattr(openings, "write_atomic", broken_write)
    monkeypatch.setattr(openings, "append", broken_append)


@pytest.mark.parametrize("kind", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_failed_write_is_never_acknowledged_and_needs_no_repair(
    log, events, kind: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log.writer().append(events(START))
    pristine = tmp_path_factory.mktemp("copy") / "pristine"
    shutil.copytree(log.root, pristine)
    at, acknowledged = 0, False
    while not acknowledged:  # every write has failed once when one more breaks nothing
        at += 1
        shutil.rmtree(log.root)
        shutil.copytree(pristine, log.root)
        held = log.writer()
        with pytest.MonkeyPatch.context() as patch:
            _break(patch, at, kind)
            try:
                held.append([*events(10, "LI-1"), *events(3, "LI-new")])
                acknowledged = True
            except LogFault as fault:
                assert fault.code == "log_unwritable"
        size = Checkpoint.open(log.checkpoint(), log.signer.verifier).size
        assert size == (START + 13 if acknowledged else START)
        # The same process goes on, and so does a new one; nothing was lost, nothing signed twice.
        held.append(events(1, "LI-2"))
        log.writer().append(events(300, "LI-new"))
        report = log.audit(older=(pristine / "log/checkpoint").read_bytes())
        assert report.unexplained == 0, at
        assert report.size in (START + 301, START + 314), at
    assert at > 10


KILLS = 12

_APPENDER = """
import sys
from pathlib import Path
from mandat.log import Event, Kind, LogWriter, Signer
root = Path(sys.argv[1])
log = LogWriter(root / "log", root / "openings", Signer.parse(sys.argv[2]))
while True:
    batch = [Event(Kind.ACCESS, f"LI-{n % 3}", "desk", {"count": n}) for n in range(60)]
    sys.stdout.write(f"{log.append(batch)[-1]}\\n")
    sys.stdout.flush()
"""


def test_what_was_acknowledged_survives_kill(log) -> None:
    """kill -9 at odd moments: nothing that was acknowledged is lost, nothing needs repair."""
    acknowledged = -1
    for attempt in range(KILLS):
        command = [sys.executable, "-c", _APPENDER, str(log.root), log.signer.skey]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(1 + attempt % 4):
                acknowledged = int(process.stdout.readline())
            time.sleep(attempt * 0.0017)
            process.kill()
            lines = [line for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        acknowledged = int(lines[-1]) if lines else acknowledged
        seen = log.checkpoint()
        assert log.writer().size > acknowledged
        report = log.audit(older=seen)
        assert report.unexplained == 0


# ------------------------------------------------------------ hands on the log


def _flip(path: Path, at: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def _swap_checkpoint(log, size: int) -> None:
    (log.tiles / "checkpoint").write_bytes(Checkpoint("example.org/log", size, bytes(32)).sign(log.signer))


ATTACKS = {
    "entry altered": lambda log: _flip(log.tiles / "tile/entries/000"),
    "last entry altered": lambda log: _flip(log.tiles / "tile/entries/001.p/44"),
    "tile altered": lambda log: _flip(log.tiles / "tile/0/000"),
    "upper tile altered": lambda log: _flip(log.tiles / "tile/1/000.p/1"),
    "bundle cut": lambda log: os.truncate(log.tiles / "tile/entries/001.p/44", 100),
    "tile cut": lambda log: os.truncate(log.tiles / "tile/0/001.p/44", 32),
    "tile gone": lambda log: (log.tiles / "tile/0/000").unlink(),
    "bundle gone": lambda log: (log.tiles / "tile/entries/000").unlink(),
    "checkpoint gone": lambda log: (log.tiles / "checkpoint").unlink(),
    "checkpoint altered": lambda log: _flip(log.tiles / "checkpoint", 16),
    "checkpoint unsigned": lambda log: (log.tiles / "checkpoint").write_bytes(b"example.org/log\n1\nAA==\n"),
    "checkpoint empty": lambda log: (log.tiles / "checkpoint").write_bytes(b""),
    "longer checkpoint": lambda log: _swap_checkpoint(log, 301),
    "other root": lambda log: _swap_checkpoint(log, 300),
    "other root of a shorter log": lambda log: _swap_checkpoint(log, 200),
    "signed note gone": lambda log: (log.openings / "signed").unlink(),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_no_writer_starts_on_a_log_that_disagrees(log, events, attack) -> None:
    log.writer().append(events(300))
    held = log.writer()
    attack(log)
    with pytest.raises(LogFault) as refused:
        log.writer()
    assert refused.value.code in {"log_missing", "log_malformed", "log_unsigned", "log_damaged", "log_forked"}
    if "checkpoint" in str(refused.value):
        with pytest.raises(LogFault):
            held.append(events(1))


def test_a_rolled_back_log_is_refused(log, events) -> None:
    log.writer().append(events(3))
    shutil.copytree(log.tiles, log.root / "old")
    log.writer().append(events(3))
    newest = log.checkpoint()
    shutil.rmtree(log.tiles)
    shutil.move(log.root / "old", log.tiles)
    # The published state alone is older: the private copy of the last signed note completes or refuses it.
    with pytest.raises(LogFault):
        log.writer()
    with pytest.raises(LogFault) as refused:
        log.audit(older=newest)
    assert refused.value.code == "log_forked"


def test_a_crash_between_signing_and_publishing_is_completed(log, events) -> None:
    log.writer().append(events(3))
    before = log.checkpoint()
    log.writer().append(events(3))
    after = log.checkpoint()
    (log.tiles / "checkpoint").write_bytes(before)
    assert log.writer().size == 6
    assert log.checkpoint() == after


def test_openings_that_another_process_left_unsigned_are_forgotten(log, events) -> None:
    held = log.writer()
    held.append(events(2) + events(1, "LI-2"))
    # Another process died between its openings and its signature, and left its mark; this one goes on as it was.
    (log.openings / "lock").write_bytes(b"an append is under way\n")
    for case, torn in (("LI-1", False), ("LI-2", True)):
        path = log.openings / case / "events.jsonl"
        line = path.read_bytes().splitlines(keepends=True)[-1]
        ahead = line.replace(b'"index":1', b'"index":3').replace(b'"seq":1', b'"seq":2')
        path.write_bytes(path.read_bytes() + (line[:50] if torn else ahead))
    held.append(events(2, "LI-3"))
    held.append(events(1) + events(1, "LI-2"))
    assert (log.audit().size, log.audit().unexplained) == (7, 0)


def test_a_log_is_made_once(log) -> None:
    with pytest.raises(LogFault):
        LogWriter.create(log.tiles, log.openings, log.signer)


def test_an_append_does_not_look_at_every_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A case stays for ever, so looking at each would slow every later act down."""
    writer = LogWriter.create(tmp_path / "log", tmp_path / "openings", Signer.generate("example.org/log"))
    writer.append([Event(Kind.ACCESS, f"LI-{n}", "desk", {"count": 1}) for n in range(20)])
    looked: list[Path] = []
    plain = Openings._last

    def counted(self: Openings, path: Path) -> Opening | None:
        looked.append(path)
        return plain(self, path)

    monkeypatch.setattr(Openings, "_last", counted)
    writer.append([Event(Kind.ACCESS, "LI-3", "desk", {"count": 1})])
    assert {path.parent.name for path in looked} == {"LI-3"}


def test_what_another_process_left_unsigned_is_found_by_one_that_was_there_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = Signer.generate("example.org/log")
    writer = LogWriter.create(tmp_path / "log", tmp_path / "openings", signer)
    writer.append([Event(Kind.ACCESS, "LI-1", "desk", {"count": 1})])
    dying = LogWriter(tmp_path / "log", tmp_path / "openings", signer)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LogWriter, "_write_tiles", die)
        with pytest.raises(KeyboardInterrupt):
            dying.append([Event(Kind.ACCESS, "LI-2", "desk", {"count": 1})])
    assert writer.append([Event(Kind.ACCESS, "LI-1", "desk", {"count": 1})]) == [1]
    assert writer.append([Event(Kind.ACCESS, "LI-2", "desk", {"count": 1})]) == [2]
    assert audit(tmp_path / "log", signer.verifier, tmp_path / "openings").opened == 3
