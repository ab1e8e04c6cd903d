"""Bad input of every kind: a clear message with place and advice, the documented exit code, never a traceback."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from . import wire
from .lab import Lab

TARGET = "+33639980101"
CALL = wire.call(0, "c", TARGET, "+33639980300", 20000, 5)


@pytest.fixture
def ready(lab: Lab) -> Lab:
    lab.intercept("CALLS", [TARGET])
    return lab


@pytest.mark.parametrize(
    ("name", "octets"),
    [
        ("empty", b""),
        ("text", b"hello, world\n" * 10),
        ("short", b"\xd4\xc3\xb2\xa1\x02\x00"),
        ("lies", struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + b"\xff" * 40),
        ("gzip", b"\x1f\x8b\x08\x00 not deflate at all"),
    ],
)
def test_files_that_are_no_capture(ready: Lab, tmp_path: Path, name: str, octets: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(octets)
    done = ready.mandat("run", str(path), code=3)
    assert name in done.stderr


def test_a_directory_and_a_missing_file(ready: Lab, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.pcap"):
        done = ready.mandat("run", str(path), code=3)
        assert str(path) in done.stderr


def test_a_truncated_capture_gives_all_before_the_cut(ready: Lab, tmp_path: Path) -> None:
    path = wire.capture(tmp_path / "in.pcap", CALL)
    path.write_bytes(path.read_bytes()[:-7])
    done = ready.mandat("run", str(path), "--json", code=3)
    report = json.loads(done.stdout)
    assert report["packets"] == len(CALL) - 1
    assert report["damaged_sources"] == 1
    assert "in.pcap" in " ".join(report["warnings"])


def test_a_link_type_that_nobody_knows(ready: Lab, tmp_path: Path) -> None:
    path = wire.capture(tmp_path / "in.pcap", CALL)
    octets = bytearray(path.read_bytes())
    octets[20] = 147
    path.write_bytes(octets)
    done = ready.mandat("run", str(path), code=3)
    assert "link type 147" in done.stderr


def test_hostile_packets_are_counted(ready: Lab, tmp_path: Path) -> None:
    """Each packet of a call, cut at every length and with every octet wrong in turn, among the true ones."""
    broken = []
    for at, src, sport, dst, dport, payload in CALL[:4]:
        broken += [(at + 0.001, src, sport, dst, dport, payload[:cut]) for cut in range(0, len(payload), 7)]
        for place in range(0, len(payload), 5):
            octets = bytearray(payload)
            octets[place] ^= 0xFF
            broken.append((at + 0.002, src, sport, dst, dport, bytes(octets)))
    report = ready.run(wire.capture(tmp_path / "in.pcap", [*CALL, *broken]))
    assert "bug.contained" not in report["counters"]
    assert report["packets"] == len(CALL) + len(broken)


def test_sites_that_are_none(lab: Lab, tmp_path: Path) -> None:
    lab.intercept("CALLS", [TARGET])
    capture = wire.capture(tmp_path / "in.pcap", CALL)
    about = lab.root / "site.json"
    good = about.read_bytes()
    for octets in (b"", b"{", json.dumps({**json.loads(good), "version": 99}).encode()):
        about.write_bytes(octets)
        done = lab.mandat("run", str(capture), code=7)
        assert "site.json" in done.stderr
    about.unlink()
    assert "site" in lab.mandat("run", str(capture), code=7).stderr


WRONG: dict[str, Any] = {
    "version": 2,
    "liid": "x" * 26,
    "kind": "fishing",
    "reference": "",
    "targets": [{"type": "e164Number", "value": "0612"}],
    "criteria": [{"type": "domain", "value": "example.com", "subdomains": True}],
    "product": "everything",
    "window": {"start": "2026-01-01T00:00:00Z", "end": "2025-01-01T00:00:00Z"},
    "recipients": ["age1notakey"],
    "ceiling": {"sessions": 5},
    "extra": True,
}


@pytest.mark.parametrize("field", WRONG)
def test_each_field_of_a_warrant_wrong(lab: Lab, tmp_path: Path, field: str) -> None:
    document = lab.document("LI-1", "intercept", targets=[{"type": "e164Number", "value": TARGET}])
    path = tmp_path / "w.json"
    path.write_text(json.dumps({**document, field: WRONG[field]}))
    done = lab.mandat("warrant", "add", str(path), code=5)
    assert field in done.stderr
    assert TARGET[1:] not in done.stderr
    assert not list((lab.root / "warrants").iterdir())


@pytest.mark.parametrize("kind", ["imei", "ipv4Address", "ipv4Cidr", "macAddress", "shoeSize"])
def test_targets_that_cannot_be_honoured_are_refused(lab: Lab, tmp_path: Path, kind: str) -> None:
    document = lab.document("LI-1", "intercept", targets=[{"type": kind, "value": "208011234567890"}])
    path = tmp_path / "w.json"
    path.write_text(json.dumps(document))
    done = lab.mandat("warrant", "add", str(path), code=5)
    assert "208011234567890" not in done.stderr
