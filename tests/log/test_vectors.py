"""The published vectors are right, and verifiers that aren't ours say so too."""

import importlib.util
import json
from base64 import b64encode
from pathlib import Path

import pytest
from verifiers import EXCUSES, build, theirs

from mandat.log.witness import Witness, read_request

VECTORS = Path(__file__).parents[2] / "docs/vectors"


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_vectors", VECTORS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_files_are_what_the_script_makes(maker) -> None:
    assert maker.check() == []
    listed = (VECTORS / "README.md").read_text()
    for path in VECTORS.iterdir():
        assert path.name in {"README.md", "__pycache__"} or path.name in listed, path


def test_a_second_verifier_accepts_them(tmp_path: Path) -> None:
    program = build("go_c2sp", tmp_path, EXCUSES)
    keys = json.loads((VECTORS / "keys.json").read_text())
    entry, trees = b64encode(b"entry 300").decode(), json.loads((VECTORS / "trees.json").read_text())
    proof = {"log": keys["log"]["vkey"], "entry": entry, "policy": (VECTORS / "policy").read_text()}
    whole = proof | {"tlog_proof": (VECTORS / "entry-300.tlog-proof").read_text()}
    part = proof | {"tlog_proof": (VECTORS / "entry-300.ed25519.tlog-proof").read_text()}
    # The log's own post-quantum line, as the only one that is known.
    quantum = whole | {"log": keys["log, ML-DSA-44"]["vkey"], "policy": ""}
    cases = [whole, part, part | {"policy": ""}, quantum, quantum | {"entry": ""}]
    assert theirs([str(program)], cases) == ["ok", "refused", "ok", "ok", "refused"]
    assert len(trees["consistency"]) == 55


def test_a_witness_accepts_the_request(maker, tmp_path: Path) -> None:
    witness = Witness.create(tmp_path / "w", "w")
    witness.add_log(maker.LOG.verifier.vkey)
    first = maker.write_request(0, [], maker.head(256).sign(maker.LOG))
    assert witness.add_checkpoint(first).status == 200
    request = (VECTORS / "add-checkpoint").read_bytes()
    assert read_request(request)[0] == 256
    assert witness.add_checkpoint(request).status == 200
