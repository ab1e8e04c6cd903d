"""Go's x/mod, which shares no code with us, must give the same verdicts."""

import subprocess
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from verifiers import build, ours, theirs

from mandat.log import Checkpoint, LogFault, LogWriter, Signer, Tiles
from mandat.log.merkle import MAX_PROOF

SIZES = (1, 2, 255, 256, 257, 1000, 4000)
GO = Path(__file__).parents[1] / "go"


@pytest.fixture(scope="module")
def checkverify(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("go", tmp_path_factory.mktemp("go"))


def b64(items: list[bytes]) -> list[str]:
    return [b64encode(item).decode() for item in items]


def forgeries(case: dict, other: Signer) -> list[dict]:
    """The same case, altered in each of its parts."""
    note = case["checkpoint"]
    altered = [
        {"checkpoint": note.replace("\n", "\n0", 1)},
        {"checkpoint": note.replace("\n", "\n1", 1)},
        {"checkpoint": note.replace("example.org", "example.com")},
        {"checkpoint": note.rpartition("\u2014")[0]},
        {"checkpoint": note.replace("\u2014", "-")},
        {"checkpoint": note + "\u2014 witness AAAAAAAA\n"},
        {"checkpoint": note + note.splitlines()[-1] + "\n"},
        {"checkpoint": note + "\n"},
        {"checkpoint": note[:-1]},
        {"checkpoint": other.sign_note(note.partition("\n\n")[0] + "\n").decode()},
        {"checkpoint": ""},
    ]
    name = "consistency" if case.get("older") else "proof"
    proof = case[name]
    altered += [{name: proof[:-1]}, {name: [*proof, b64encode(bytes(32)).decode()]}, {name: proof[::-1]}]
    altered += [{name: [b64encode(bytes(32)).decode()] * (MAX_PROOF + 1)}]
    if proof:
        raw = b64decode(proof[0])
        altered += [{name: [b64encode(bytes([raw[0] ^ 128]) + raw[1:]).decode(), *proof[1:]]}]
    if case.get("older"):
        altered += [{"older": note, "checkpoint": case["older"]}, {"older": note}]
    else:
        altered += [{"index": case["index"] + 1}, {"index": -1}, {"index": 2**62}, {"entry": "AAAA"}]
    return [case | change for change in altered]


def test_same_verdict_on_proofs_and_forgeries(log, events, checkverify: Path) -> None:
    cases: list[dict] = []
    notes: list[str] = []
    other = Signer.generate("example.org/log")
    for size in SIZES:
        log.writer().append(events(size - log.writer().size))
        note = log.checkpoint().decode()
        tiles = Tiles(log.tiles, size)
        for index in sorted({0, size // 2, size - 1, min(255, size - 1), min(256, size - 1)}):
            case = {"checkpoint": note, "index": index, "entry": b64encode(tiles.entry(index)).decode()}
            cases.append(case | {"proof": b64(tiles.inclusion(index))})
        for older in notes:
            old = Checkpoint.open(older.encode(), log.signer.verifier).size
            cases.append({"checkpoint": note, "older": older, "consistency": b64(tiles.consistency(old))})
        notes.append(note)
    forged = [forgery for case in cases for forgery in forgeries(case, other)]
    assert theirs([str(checkverify), log.signer.verifier.vkey], cases) == ["ok"] * len(cases)
    verdicts = theirs([str(checkverify), log.signer.verifier.vkey], forged)
    assert verdicts == [ours(case, log.signer.verifier) for case in forged]
    assert [ours(case, log.signer.verifier) for case in cases] == ["ok"] * len(cases)
    assert verdicts.count("refused") > len(verdicts) * 0.7


@pytest.mark.parametrize("size", [*SIZES, 70_000])
def test_whole_logs_verify_from_their_files(log, events, checkverify: Path, size: int) -> None:
    log.writer().append(events(size))
    assert log.writer().size == size  # beyond 65,536 a start reads the right edge alone
    command = [str(checkverify), "-tiles", log.signer.verifier.vkey, str(log.tiles)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == [
        "ok",
        str(size),
    ]
    last = sorted(path for path in (log.tiles / "tile/entries").rglob("*") if path.is_file())[-1]
    data = bytearray(last.read_bytes())
    data[40] ^= 1
    last.write_bytes(data)
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
    with pytest.raises(LogFault):
        log.audit()


def test_a_fork_is_refused_by_both(log, events, checkverify: Path, tmp_path: Path) -> None:
    log.writer().append(events(300))
    fork = LogWriter.create(tmp_path / "fork", tmp_path / "fork-openings", log.signer)
    fork.append(events(400))
    case = {
        "checkpoint": (tmp_path / "fork/checkpoint").read_text(),
        "older": log.checkpoint().decode(),
        "consistency": b64(Tiles(tmp_path / "fork", 400).consistency(300)),
    }
    assert (
        theirs([str(checkverify), log.signer.verifier.vkey], [case])
        == [ours(case, log.signer.verifier)]
        == ["refused"]
    )
