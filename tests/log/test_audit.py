import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mandat.log
from mandat.log import Checkpoint, LogFault, LogWriter, Signer, Tiles
from mandat.log.merkle import leaf_hash, verify_consistency, verify_inclusion


def test_every_entry_and_every_older_checkpoint_is_provable_from_tiles(log, events) -> None:
    held, seen = log.writer(), []
    for step in (1, 6, 248, 1, 1, 43, 211, 1, 188):
        held.append(events(step))
        seen.append(Checkpoint.open(log.checkpoint(), log.signer.verifier))
    newest = seen[-1]
    tiles = Tiles(log.tiles, newest.size)
    for index in range(0, newest.size, 7):
        leaf = leaf_hash(tiles.entry(index))
        assert verify_inclusion(leaf, index, newest.size, tiles.inclusion(index), newest.root)
    for old in seen:
        # Read from partial tiles, or from the full ones that replaced them, as tlog-tiles allows.
        assert Tiles(log.tiles, old.size).rebuild().root() == old.root
        assert verify_consistency(old.size, newest.size, old.root, newest.root, tiles.consistency(old.size))


@pytest.mark.parametrize(
    "change",
    [
        lambda event: event | {"seq": event["seq"] + 1},
        lambda event: event | {"epoch": event["epoch"] + 1},
        lambda event: event | {"opening": "A" * 43 + "="},
        lambda event: event | {"disclosures": event["disclosures"][:-1]},
        lambda event: event | {"disclosures": event["disclosures"] + event["disclosures"][:1]},
        lambda event: event | {"index": event["index"] + 1},
        lambda event: {},
    ],
)
def test_an_altered_opening_is_found(log, events, change) -> None:
    log.writer().append(events(4))
    path = log.openings / "LI-1/events.jsonl"
    lines = path.read_bytes().splitlines()
    lines[2] = json.dumps(change(json.loads(lines[2]))).encode()
    path.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(LogFault):
        log.audit()


def test_an_opening_of_another_case_is_found(log, events) -> None:
    log.writer().append(events(2))
    shutil.copytree(log.openings / "LI-1", log.openings / "LI-2")
    with pytest.raises(LogFault):
        log.audit()


def test_an_entry_without_opening_is_unexplained(log, events) -> None:
    log.writer().append(events(2) + events(3, "LI-2"))
    shutil.rmtree(log.openings / "LI-2")
    assert log.audit().unexplained == 3


def test_a_fork_that_the_true_key_signed_is_found(log, events, tmp_path: Path) -> None:
    """Whoever steals the log's key can write another log, but not one that extends what was seen."""
    log.writer().append(events(300))
    seen = log.checkpoint()
    fork = LogWriter.create(tmp_path / "fork", tmp_path / "fork-openings", log.signer)
    fork.append(events(400))
    for directory, openings in ((tmp_path / "fork", tmp_path / "fork-openings"),):
        with pytest.raises(LogFault) as refused:
            mandat.log.audit(directory, log.signer.verifier, openings, older=seen)
        assert refused.value.code == "log_forked"


def test_a_log_of_another_key_is_refused(log, events) -> None:
    log.writer().append(events(1))
    with pytest.raises(LogFault) as refused:
        mandat.log.audit(log.tiles, Signer.generate("example.org/log").verifier)
    assert refused.value.code == "log_unsigned"


def test_an_overseer_can_take_the_package_alone(log, events, tmp_path: Path) -> None:
    log.writer().append(events(3))
    shutil.copytree(Path(mandat.log.__file__).parent, tmp_path / "alone/overseer")
    program = (
        "import sys, overseer\nfrom pathlib import Path\n"
        "r = overseer.audit(Path(sys.argv[1]), overseer.Verifier.parse(sys.argv[2]), Path(sys.argv[3]))\n"
        "assert not any(name.startswith('mandat') for name in sys.modules)\nprint(r.size, r.opened)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(log.tiles), log.signer.verifier.vkey, str(log.openings)],
        cwd=tmp_path / "alone", capture_output=True, text=True, check=True, env={},
    )  # fmt: skip
    assert done.stdout.split() == ["3", "3"]
