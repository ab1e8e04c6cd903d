"""What is planted is found, and nothing else is."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrage import x25519

import mandat.overseer
from mandat.log import DummyKeys, Event, Kind, LogFault, LogWriter, Openings, Segment, Signer, schedule_event
from mandat.overseer import Class, Pack, audit

ROOT = bytes(range(32))
SIGNER = Signer.generate("example.org/log")
HASH = "ab" * 32
AUTHORITY = {"authority_id": "FR-1", "authority_hash": HASH}
WINDOW = {"valid_from": "2026-01-01T00:00:00Z", "valid_to": "2099-01-01T00:00:00Z"}

OVER = {"valid_from": "2025-01-01T00:00:00Z", "valid_to": "2025-01-02T00:00:00Z"}


def life(liid: str = "LI-1") -> list[Event]:
    asked = {"requester": "Ms Asker"}
    return [
        Event(Kind.AUTHORISE, liid, "desk", AUTHORITY | WINDOW | asked),
        Event(Kind.APPROVE, liid, "desk", AUTHORITY | {"approver": "one"}),
        Event(Kind.APPROVE, liid, "desk", AUTHORITY | {"approver": "two"}),
        Event(Kind.ACTIVATE, liid, "desk", AUTHORITY | WINDOW),
        Event(Kind.DEACTIVATE, liid, "desk", {"purpose": "purpose_met"}),
    ]


def make(root: Path) -> LogWriter:
    segment = Segment.on_act(1_780_000_000)
    writer = LogWriter.create(root / "log", root / "openings", SIGNER, segment, DummyKeys(ROOT))
    writer.append([schedule_event(segment, "mandat")])
    return writer


def pack(root: Path, size: int, without: frozenset[int] = frozenset()) -> Pack:
    held = Openings(root / "openings")
    events = [event for case in held.cases() for event in held.events(case, size)]
    return Pack.build("example.org/log", ROOT, [event for event in events if event.index not in without])


def test_a_whole_life_is_explained(tmp_path: Path) -> None:
    writer = make(tmp_path)
    for event in life():
        writer.append([event])
    verdict = audit(tmp_path / "log", SIGNER.verifier, pack(tmp_path, writer.size))
    assert (verdict.findings, verdict.code, verdict.opened, verdict.dummies) == ([], 0, 6, 18)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=12))
def test_each_shadow_activation_is_found_and_nothing_else(tmp_path_factory, batches) -> None:
    root = tmp_path_factory.mktemp("shadow")
    writer, shadows = make(root), set()
    for number, (count, shadow) in enumerate(batches):
        case = f"LI-{number}"
        indices = writer.append((life(case) * 2)[:count])
        shadows |= set(indices) if shadow else set()
    verdict = audit(root / "log", SIGNER.verifier, pack(root, writer.size, frozenset(shadows)))
    assert {f.index for f in verdict.findings if f.kind is Class.UNEXPLAINED} == shadows
    assert verdict.unexplained == len(shadows)
    assert verdict.dummies + verdict.opened + verdict.unexplained == verdict.size
    assert (verdict.code == 21) == bool(shadows)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (life()[:2] + life()[3:], "1 of 2"),
        ([*life()[:2], life()[1], life()[3]], "one person"),
        ([life()[0], Event(Kind.APPROVE, "LI-1", "desk", AUTHORITY | {"approver": "MS ASKER"})], "asked"),
        ([*life(), life()[3]], "after the end"),
        (life()[3:4], "never entered"),
        (
            [*life()[:3], Event(Kind.ACTIVATE, "LI-1", "desk", AUTHORITY | OVER)],
            "window was over",
        ),
    ],
)  # fmt: skip
def test_acts_without_authority_are_named(tmp_path: Path, events: list[Event], said: str) -> None:
    writer = make(tmp_path)
    writer.append(events)
    verdict = audit(tmp_path / "log", SIGNER.verifier, pack(tmp_path, writer.size))
    assert verdict.code == 23
    assert any(said in finding.message and finding.case == "LI-1" for finding in verdict.findings)


def test_a_missing_event_breaks_the_chain(tmp_path: Path) -> None:
    writer = make(tmp_path)
    indices = writer.append(life())
    verdict = audit(tmp_path / "log", SIGNER.verifier, pack(tmp_path, writer.size, frozenset(indices[2:3])))
    assert {finding.kind for finding in verdict.findings} >= {Class.UNEXPLAINED, Class.GAP}


def test_every_altered_cut_or_missing_file_is_a_finding(tmp_path: Path) -> None:
    writer = make(tmp_path)
    for n in range(70):
        writer.append(life(f"LI-{n}"))
    given = pack(tmp_path, writer.size)
    # A partial tile of an earlier size may lie there until its full one is: nobody reads it.
    size = writer.size
    live = {str(size % 256), str(size // 256)}
    paths = [
        path for path in (tmp_path / "log").rglob("*")
        if path.is_file() and (not path.parent.name.endswith(".p") or path.name in live)
    ]  # fmt: skip
    assert len(paths) > 5
    for path in paths:
        octets = path.read_bytes()
        for changed in (octets[: len(octets) // 2], bytes([octets[0] ^ 1]) + octets[1:], None):
            path.unlink() if changed is None else path.write_bytes(changed)
            verdict = audit(tmp_path / "log", SIGNER.verifier, given)
            assert verdict.code, path
            path.write_bytes(octets)
    assert audit(tmp_path / "log", SIGNER.verifier, given).code == 0


def test_a_pack_opens_for_its_overseer_alone(tmp_path: Path) -> None:
    writer = make(tmp_path)
    writer.append([*life(), Event(Kind.ACCESS, "LI-1", "desk", {"count": 1, "what": "calls", "cin": 77})])
    key, other = x25519.Identity.generate(), x25519.Identity.generate()
    sealed = pack(tmp_path, writer.size).seal(str(key.to_public()))
    opened = Pack.open(sealed, f"# overseer\n{key}\n")
    assert audit(tmp_path / "log", SIGNER.verifier, opened).code == 0
    assert all("cin" not in event.fields() for event in opened.events)
    for octets, identity in ((sealed, other), (sealed[:-1], key), (b"", key)):
        with pytest.raises(LogFault):
            Pack.open(octets, str(identity))


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_what_is_no_pack_is_refused(octets: bytes) -> None:
    with pytest.raises(LogFault):
        Pack.parse(octets)


def test_the_two_packages_run_alone(tmp_path: Path) -> None:
    writer = make(tmp_path)
    writer.append(life())
    source = Path(mandat.overseer.__file__).parent
    for package in ("log", "overseer"):
        shutil.copytree(source.parent / package, tmp_path / "alone/kit" / package)
    program = (
        "import sys\nfrom pathlib import Path\nfrom kit.overseer import audit\nfrom kit.log import Verifier\n"
        "v = audit(Path(sys.argv[1]), Verifier.parse(sys.argv[2]))\n"
        "assert not any(name.startswith('mandat') for name in sys.modules)\nprint(v.size, v.unexplained)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "log"), SIGNER.verifier.vkey]
    done = subprocess.run(command, cwd=tmp_path / "alone", capture_output=True, text=True, check=True, env={})
    assert done.stdout.split() == [str(writer.size)] * 2
