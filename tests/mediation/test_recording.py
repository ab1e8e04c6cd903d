"""Opening recordings: what is damaged is told and left out, and the rest keeps its place."""

import hashlib
import json
import wave
from pathlib import Path

import pyrage
import pytest

from mandat.errors import StoreError, UsageError
from mandat.mediation.keys import read_identities
from mandat.mediation.recording import copy_recording, open_recording, read_recording
from tests.mediation.test_wav import segment

KEY = pyrage.x25519.Identity.generate()


@pytest.fixture
def product(tmp_path: Path) -> Path:
    """One recording of 25 s: three segments of evidence and three of sound."""
    directory = tmp_path / "product/LI-1/recordings/0000000007"
    directory.mkdir(parents=True)
    files = [(f"{n:06}.pcapng.age", "pcapng", b"section %d;" % n) for n in range(3)]
    files += [(f"{n:06}.wav.age", "wav", segment(80_000 if n < 2 else 40_000)) for n in range(3)]
    segments = []
    for name, kind, clear in files:
        sealed = pyrage.encrypt(clear, [KEY.to_public()])
        (directory / name).write_bytes(sealed)
        digest = hashlib.sha256(sealed).hexdigest()
        segments.append({"file": name, "kind": kind, "sha256": digest, "octets": len(sealed)})
    facts = {"liid": "LI-1", "cin": 7, "start": None, "answer": None, "end": None, "end_reason": "bye"}
    facts |= {
        "first": "2026-06-01T09:00:00Z",
        "last": "2026-06-01T09:00:25Z",
        "closed": True,
        "complete": True,
    }
    facts |= {"octets": 1, "streams": [], "segments": segments, "listening_copy": {"without": []}}
    (directory / "recording.json").write_text(json.dumps(facts))
    return tmp_path / "product"


def at(product: Path, name: str) -> Path:
    return product / "LI-1/recordings/0000000007" / name


def test_a_recording_becomes_two_files_of_its_owner_alone(product: Path, tmp_path: Path) -> None:
    opened = open_recording(product, read_recording(product, "LI-1", 7), [KEY], tmp_path / "out")
    assert opened.evidence is not None
    assert opened.sound is not None
    assert opened.evidence.read_bytes() == b"section 0;section 1;section 2;"
    with wave.open(str(opened.sound)) as file:
        assert file.getnframes() == 200_000
    assert (opened.seconds, opened.damaged) == (25.0, [])
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "out").iterdir()} == {0}


def test_an_altered_and_a_missing_segment_are_told_and_the_rest_keeps_its_place(
    product: Path, tmp_path: Path
) -> None:
    altered = at(product, "000001.pcapng.age")
    altered.write_bytes(altered.read_bytes()[:-1] + b"x")
    at(product, "000001.wav.age").unlink()
    opened = open_recording(product, read_recording(product, "LI-1", 7), [KEY], tmp_path / "out")
    assert len(opened.damaged) == 2
    assert opened.evidence is not None
    assert opened.evidence.read_bytes() == b"section 0;section 2;"
    assert opened.seconds == 25.0


def test_another_key_opens_nothing_and_leaves_nothing(product: Path, tmp_path: Path) -> None:
    other = pyrage.x25519.Identity.generate()
    with pytest.raises(StoreError) as refused:
        open_recording(product, read_recording(product, "LI-1", 7), [other], tmp_path / "out")
    assert refused.value.code == "wrong_identity"
    assert not list((tmp_path / "out").iterdir())


def test_a_copy_stays_encrypted(product: Path, tmp_path: Path) -> None:
    assert copy_recording(product, read_recording(product, "LI-1", 7), tmp_path / "copy") == 7
    assert all(
        path.read_bytes().startswith(b"age-encryption.org") for path in (tmp_path / "copy").glob("*.age")
    )


def test_what_isnt_there_is_a_usage_error(product: Path) -> None:
    with pytest.raises(UsageError):
        read_recording(product, "LI-1", 8)


@pytest.mark.parametrize("content", ["", "AGE-SECRET-KEY-1NONSENSE", "# only a comment\n", "\0\xff"])
def test_what_is_no_identity_is_refused_without_being_shown(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(UsageError) as refused:
        read_identities(path)
    assert "NONSENSE" not in refused.value.diagnostics()
