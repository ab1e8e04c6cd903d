"""Three verifiers that share no code give one verdict: ours, Go's x/mod, transparency-dev's formats and merkle.

The suite runs a slice; the whole is `MANDAT_CASES=10000 ./dev test tests/log/test_agreement.py`.
"""

import os
from base64 import b64decode
from pathlib import Path

import pytest
import verifiers
from forge import World
from verifiers import EXCUSES, build, theirs

from mandat.log import LogFault, Verifier
from mandat.log.cosign import Cosigner
from mandat.log.note import NoteKey
from mandat.log.policy import Policy
from mandat.log.proof import Proof

CASES = int(os.environ.get("MANDAT_CASES", "600"))


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("go_c2sp", tmp_path_factory.mktemp("second"), EXCUSES)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("go", tmp_path_factory.mktemp("first"), EXCUSES)


def ours(case: dict, key: NoteKey) -> str:
    if "tlog_proof" not in case:
        return verifiers.ours(case, key)
    try:
        policy = Policy.parse(case["policy"].encode())
        Proof.parse(case["tlog_proof"].encode()).verify(policy, b64decode(case["entry"]))
    except LogFault:
        return "refused"
    return "ok"


@pytest.mark.timeout(1200)
def test_one_verdict(first: Path, second: Path) -> None:
    seed = int.from_bytes(os.urandom(4), "big")
    world = World(seed)
    cases = list(world.cases(CASES))
    verdicts = [ours(case, world.signer.verifier) for case in cases]
    again = theirs([str(second)], cases)
    wrong = [case for case, one, two in zip(cases, verdicts, again, strict=True) if one != two]
    assert not wrong, (seed, len(wrong), wrong[0])
    plain = [n for n, case in enumerate(cases) if "tlog_proof" not in case]
    go = theirs([str(first), world.signer.verifier.vkey], [cases[n] for n in plain])
    assert [verdicts[n] for n in plain] == go, seed
    # Sound cases are accepted, but for proofs whose cosigners are no quorum.
    sound = [
        verdict for case, verdict in zip(cases[::2], verdicts[::2], strict=True) if "tlog_proof" not in case
    ]
    assert set(sound) == {"ok"}
    assert {"ok", "refused"} <= set(verdicts)
    assert verdicts.count("refused") > CASES * 0.3


def test_post_quantum_lines_of_the_log_verify_elsewhere(second: Path) -> None:
    """The second verifier with the log's ML-DSA-44 key alone, which Go's x/mod doesn't know."""
    world = World(7)
    cases = [
        case | {"log": world.quantum.verifier.vkey} for case in world.cases(120) if "tlog_proof" not in case
    ]
    key = Cosigner.parse(world.quantum.verifier.vkey)
    verdicts = [ours(case, key) for case in cases]
    assert theirs([str(second)], cases) == verdicts
    assert set(verdicts) == {"ok", "refused"}


def test_keys_of_one_kind_are_not_taken_for_another() -> None:
    world = World(1)
    for vkey in (world.quantum.verifier.vkey, world.witnesses[1].verifier.vkey):
        with pytest.raises(LogFault):
            Verifier.parse(vkey)
    with pytest.raises(LogFault):
        Cosigner.parse(world.signer.verifier.vkey)
