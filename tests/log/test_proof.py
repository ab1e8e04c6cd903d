from base64 import b64decode
from dataclasses import replace

import pytest
from forge import World
from hypothesis import given, settings
from hypothesis import strategies as st

from mandat.log import LogFault, Openings, Tiles
from mandat.log.policy import Policy
from mandat.log.proof import Evidence, Proof, prove

WORLD = World(5)
SOUND = [case for case in list(WORLD.cases(300))[::2] if "tlog_proof" in case]
CASE = next(
    case for case in SOUND if WORLD.policy.check(Proof.parse(case["tlog_proof"].encode()).checkpoint).reached
)
TEXT = CASE["tlog_proof"].encode()


@pytest.fixture
def proven(log, events) -> tuple[Proof, Policy]:
    log.writer().append(events(300))
    opening = Openings(log.openings).events("LI-1", 300)[217]
    policy = Policy.parse(f"log {log.signer.verifier.vkey}\nquorum none\n".encode())
    return prove(Tiles(log.tiles, 300), log.checkpoint(), opening), policy


def test_an_event_is_proved_with_its_facts(proven: tuple[Proof, Policy]) -> None:
    proof, policy = proven
    again = Proof.parse(proof.encode())
    assert again == proof
    evidence = Evidence.parse(again.extra)
    assert again.verify(policy, evidence.entry).checkpoint.size == 300
    stated = {"kind": "access", "liid": "LI-1", "count": 217, "actor": "desk"}
    assert evidence.facts().items() >= stated.items()


def test_facts_can_be_hidden_and_none_can_be_changed(log, proven: tuple[Proof, Policy]) -> None:
    opening = Openings(log.openings).events("LI-1", 300)[217]
    other = Openings(log.openings).events("LI-1", 300)[216]
    part = Evidence.parse(Evidence.of(Tiles(log.tiles, 300), opening, ("kind",)).encode())
    assert part.facts() == {"kind": "access"}
    assert b"desk" not in part.encode()
    for forged in (
        replace(part, hidden=part.hidden[:-1]),
        replace(part, hidden=(*part.hidden, bytes(32))),
        replace(part, disclosures=other.disclosures[:1]),
        replace(part, disclosures=()),
        replace(part, randomness=bytes(32)),
        replace(part, entry=part.entry[:-1] + b"\0"),
    ):
        with pytest.raises(LogFault):
            Evidence.parse(forged.encode()).facts()


@settings(max_examples=300)
@given(st.data())
def test_every_altered_octet_is_refused(data: st.DataObject) -> None:
    entry = b64decode(CASE["entry"])
    Proof.parse(TEXT).verify(WORLD.policy, entry)
    at, change = data.draw(st.integers(0, len(TEXT) - 1)), data.draw(st.integers(1, 255))
    forged = TEXT[:at] + bytes([TEXT[at] ^ change]) + TEXT[at + 1 :]
    try:
        proof = Proof.parse(forged)
        proof.verify(WORLD.policy, entry)
    except LogFault:
        return
    # What nothing authenticates: the extra line, and lines of keys that the policy doesn't know.
    right = Proof.parse(TEXT)
    assert (proof.index, proof.hashes) == (right.index, right.hashes)
    assert proof.checkpoint.partition(b"\n\n")[0] == right.checkpoint.partition(b"\n\n")[0]


@given(
    st.binary(max_size=200)
    | st.integers(0, len(TEXT)).map(lambda n: TEXT[:n])
    | st.binary().map(lambda b: TEXT + b)
)
def test_any_octets_are_read_or_refused(data: bytes) -> None:
    try:
        proof = Proof.parse(data)
    except LogFault:
        return
    assert Proof.parse(proof.encode()) == proof


@given(
    st.binary(max_size=100)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(repr).map(str.encode)
)
def test_any_extra_data_are_read_or_refused(extra: bytes) -> None:
    with pytest.raises(LogFault):
        Evidence.parse(extra).facts()


def test_limits() -> None:
    for data in (TEXT.replace(b"index ", b"index 0"), TEXT.replace(b"index ", b"index -"), b"x" * 2_000_000,
                 TEXT.replace(b"@v1", b"@v2"), TEXT.replace(b"\n\n", b"\n" + b"A" * 44 + b"\n\n", 1),
                 TEXT.replace(b"\n\n", b"\n" + (b"A" * 43 + b"=\n") * 65 + b"\n", 1),
                 TEXT.replace(b"index", b"extra \nindex")):  # fmt: skip
        with pytest.raises(LogFault):
            Proof.parse(data).verify(WORLD.policy, b"")
