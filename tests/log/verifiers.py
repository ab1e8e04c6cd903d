"""One case, judged by us and by programs that share no code with us."""

import json
import shutil
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest

from mandat.log import Checkpoint, LogFault
from mandat.log.merkle import leaf_hash, verify_consistency, verify_inclusion
from mandat.log.note import NoteKey

TESTS = Path(__file__).parents[1]
# The libraries of the second verifier need a newer Go than those of the first: Debian 12's doesn't do.
EXCUSES = ("dial", "requires go", "invalid go version")


def build(name: str, place: Path, excuses: tuple[str, ...] = ("dial",)) -> Path:
    """The Go program in tests/NAME. `excuses` are words of the compiler for what this machine can't help."""
    if shutil.which("go") is None:
        pytest.skip("Go isn't installed")
    program = place / name
    command = ["go", "build", "-o", str(program), "."]
    built = subprocess.run(command, cwd=TESTS / name, capture_output=True, text=True, check=False)
    if built.returncode and any(word in built.stderr for word in excuses):
        pytest.skip("the Go module proxy can't be reached, or Go is older than the libraries ask")
    assert built.returncode == 0, built.stderr
    return program


def ours(case: dict, key: NoteKey) -> str:
    """Our verdict on an inclusion or, with an older checkpoint, on a consistency."""
    try:
        head = Checkpoint.open(case["checkpoint"].encode(), key)
        if "older" in case:
            older = Checkpoint.open(case["older"].encode(), key)
            proof = [b64decode(item) for item in case["consistency"]]
            good = verify_consistency(older.size, head.size, older.root, head.root, proof)
        else:
            proof = [b64decode(item) for item in case["proof"]]
            leaf = leaf_hash(b64decode(case["entry"]))
            good = verify_inclusion(leaf, case["index"], head.size, proof, head.root)
    except LogFault:
        return "refused"
    return "ok" if good else "refused"


def theirs(command: list[str], cases: list[dict]) -> list[str]:
    """A program's verdicts."""
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    return subprocess.run(command, input=lines, capture_output=True, text=True, check=True).stdout.split()
