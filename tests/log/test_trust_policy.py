import pytest
from forge import World
from hypothesis import given
from hypothesis import strategies as st

from mandat.log import LogFault, Signer
from mandat.log.cosign import Algorithm, CosignatureSigner
from mandat.log.policy import MAX_WITNESSES, Policy, shown

WORLD = World(3)
LOG = WORLD.signer.verifier.vkey
W = [witness.verifier.vkey for witness in WORLD.witnesses]
GOOD = WORLD.policy_text


def test_the_quorum_decides() -> None:
    for cosigners, reached in (
        ((), False), ((0,), False), ((1,), False), ((1, 2), False), ((0, 1), True), ((2, 0), True), ((0, 1, 2), True),
    ):  # fmt: skip
        note = WORLD.note(77, cosigners).encode()
        verdict = WORLD.policy.check(note)
        assert (verdict.reached, verdict.checkpoint.size) == (reached, 77)
        assert sorted(verdict.cosigned) == sorted(f"w{n}" for n in cosigners)
        assert all(1_760_000_000 <= moment < 1_760_000_100 for moment in verdict.cosigned.values())
        if reached:
            assert WORLD.policy.satisfied(note) == verdict
        else:
            with pytest.raises(LogFault, match="no quorum"):
                WORLD.policy.satisfied(note)


def test_a_witness_that_signs_wrongly_spoils_the_note() -> None:
    note = WORLD.note(77, (0, 1)).replace("w1.example ", "w1.example A").encode()
    with pytest.raises(LogFault):
        WORLD.policy.check(note)
    # One that the policy doesn't know is ignored, and counts for nothing.
    stranger = CosignatureSigner.generate("w0.example", Algorithm.ED25519_COSIGNATURE)
    body = WORLD.policy.check(WORLD.note(77).encode()).checkpoint.body()
    lines = stranger.line(body, 5)
    assert WORLD.policy.check((WORLD.note(77) + lines).encode()).cosigned == {}


def test_a_log_that_the_policy_does_not_name_is_refused() -> None:
    text = GOOD.replace(LOG, Signer.generate("example.org/log").verifier.vkey)
    with pytest.raises(LogFault, match="no log of the policy"):
        Policy.parse(text.encode()).check(WORLD.note(5, (0, 1, 2)).encode())
    # A log's key signs under its own origin only.
    text = GOOD.replace(LOG, WORLD.quantum.verifier.vkey)
    assert Policy.parse(text.encode()).check(WORLD.note(5, (0, 1)).encode()).reached


@pytest.mark.parametrize(
    "text",
    [
        f"log {LOG}\n\n# a comment\n \t# another\nquorum none\n",
        f"\t witness  a \t {W[0]}  https://w.example/path/ \nquorum a\n",
        f"quorum none\nwitness a {W[0]}\nlog {LOG} http://log.example\n",
        f"witness k\u212a {W[0]}\nwitness K {W[1]}\ngroup g 2 k\u212a K\nquorum g\n",
        f"witness any {W[0]}\ngroup all any any\nquorum all\n",
    ],
)
def test_what_the_specification_allows(text: str) -> None:
    assert Policy.parse(text.encode()).quorum


def test_names_are_octets() -> None:
    policy = Policy.parse(b"witness \xff " + W[0].encode() + b"\nquorum \xff\n")
    assert [shown(name) for name in policy.witnesses] == ["\\xff"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"witness a {W[0]}\nwitness a {W[1]}\nquorum a\n", 2),
        (f"witness a {W[0]}\nwitness b {W[0]}\nquorum a\n", 2),
        (f"witness none {W[0]}\nquorum none\n", 1),
        (f"witness a {LOG}\nquorum a\n", 1),
        (f"witness a {W[0][:-4]}\nquorum a\n", 1),
        (f"witness a {W[0]} ftp://x\nquorum a\n", 1),
        (f"witness a {W[0]} http://user@x\nquorum a\n", 1),
        (f"witness a {W[0]} http://x http://y\nquorum a\n", 1),
        (f"log {W[1]}\nquorum none\n", 1),
        (f"log {LOG}\nlog {LOG}\nquorum none\n", 2),
        ("\nquorum a\n", 2),
        ("quorum none\nquorum none\n", 2),
        ("quorum\n", 1),
        (f"quorum a\nwitness a {W[0]}\n", 1),
        (f"witness a {W[0]}\ngroup g 2 a\nquorum g\n", 2),
        (f"witness a {W[0]}\ngroup g 0 a\nquorum g\n", 2),
        (f"witness a {W[0]}\ngroup g 01 a\nquorum g\n", 2),
        (f"witness a {W[0]}\ngroup g any\nquorum g\n", 2),
        (f"witness a {W[0]}\ngroup g any a a\nquorum g\n", 2),
        (f"witness a {W[0]}\ngroup g any a\ngroup h any a\nquorum h\n", 3),
        ("group g any g\nquorum g\n", 1),
        (f"witness a {W[0]}\ngroup g any none a\nquorum g\n", 2),
        ("quorum none\nQUORUM none\n", 2),
        ("quorum none\n\u00a0quorum none\n", 2),
        ("quorum none\nlog a\x0cb\n", 2),
        ("quorum none\r\n", 1),
        ("quorum none\nlog \x00\n", 2),
    ],
)
def test_hostile_files_are_refused_with_their_line(text: str, line: int) -> None:
    with pytest.raises(LogFault) as refused:
        Policy.parse(text.encode(), "trust")
    assert refused.value.where == f"trust, line {line}"


def test_whole_files() -> None:
    for data in (b"", b"\n", b"quorum none", b"# x\n", b"#" * 300_000 + b"\nquorum none\n"):
        with pytest.raises(LogFault):
            Policy.parse(data)
    many = [
        CosignatureSigner("w", Algorithm.ED25519_COSIGNATURE, bytes([n]) * 32)
        for n in range(MAX_WITNESSES + 1)
    ]
    lines = [f"witness w{n} {signer.verifier.vkey}\n" for n, signer in enumerate(many)]
    assert Policy.parse("".join([*lines[:-1], "quorum none\n"]).encode())
    with pytest.raises(LogFault, match="more than 64"):
        Policy.parse("".join([*lines, "quorum none\n"]).encode())


@given(
    st.binary(max_size=200)
    | st.integers(0, len(GOOD) - 1).map(lambda n: GOOD.encode()[:n] + GOOD.encode()[n + 1 :])
)
def test_any_octets_are_read_or_refused(data: bytes) -> None:
    try:
        policy = Policy.parse(data)
    except LogFault:
        return
    assert policy.reached(dict.fromkeys(policy.witnesses, 1))
