"""Telephones on TLS and on WebSockets at a real registrar (Kamailio): read with the key log, told as unread without."""

import contextlib
import shutil
from pathlib import Path

import pytest

from .lab import Lab, tap
from .phone import Phone, Stream, WebSocket
from .registrar import TLS, WS, WSS, registrar, trusting

TARGET, OTHER, STRANGER = "+33155510001", "+33155510002", "+33155510003"
LINES = ("tls", "ws", "wss")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture and a key log of two calls on each kind of line: one of the target, one of strangers."""
    for tool in ("kamailio", "tcpdump", "openssl"):
        assert shutil.which(tool), f"{tool} is not installed: ./dev setup"
    place = tmp_path_factory.mktemp("connections")
    with registrar(place):
        for kind in LINES:
            with tap(place / f"{kind}.pcap", f"tcp port {TLS} or tcp portrange {WS}-{WSS}"):
                talk(place, kind)
    return place


def talk(place: Path, kind: str) -> None:
    context = trusting(place, place / f"{kind}.keys")

    def line() -> Stream | WebSocket:
        if kind == "tls":
            return Stream(TLS, context)
        return WebSocket(WS, None) if kind == "ws" else WebSocket(WSS, context)

    for call_id, caller in (("wanted", TARGET), ("unwanted", STRANGER)):
        with contextlib.closing(line()) as one, contextlib.closing(line()) as other:
            phones = [Phone(caller, one, 26500), Phone(OTHER, other, 26510)]
            for phone in phones:
                phone.register()
            phones[0].call(phones[1], f"{kind}-{call_id}")


def keys(place: Path, kind: str) -> tuple[str, ...]:
    return () if kind == "ws" else ("--keylog", str(place / f"{kind}.keys"))


@pytest.mark.parametrize("kind", LINES)
def test_p3_p7_a_call_between_telephones_on_connections_is_told_as_it_went(
    lab: Lab, place: Path, kind: str
) -> None:
    lab.intercept("LINES", [TARGET])
    lab.retain("ALL")
    report = lab.run(place / f"{kind}.pcap", *keys(place, kind))
    rows = lab.export("calls", "LINES")
    assert [(row["iri_type"], row["event"]) for row in rows] == [
        ("BEGIN", "invite"), ("CONTINUE", "answer"), ("END", "end"),
    ]  # fmt: skip
    assert {row["call_id"] for row in rows} == {f"{kind}-wanted"}, "and not the strangers'"
    assert (rows[-1]["status"], rows[-1]["end_reason"]) == (200, "bye")
    # Registrations, and each message of a call on the caller's line and on the called one's, but for the server's 100.
    registered, said = 4, 11
    assert report["counters"]["sip.messages"] == 2 * (registered + said)
    # Signalling that was read is no session with a site; a WebSocket begins with a request to one.
    assert report["names"] == ({} if kind == "tls" else {"visible": 4})
    tasks = {task["liid"]: task for task in report["tasks"]}
    assert tasks["ALL"]["call_records"] == 2
    assert tasks["LINES"]["cc"] == said


@pytest.mark.parametrize("kind", ["tls", "wss"])
def test_p7_p69_without_its_key_log_a_line_is_told_as_unread(lab: Lab, place: Path, kind: str) -> None:
    lab.intercept("LINES", [TARGET])
    lab.retain("ALL")
    report = lab.run(place / f"{kind}.pcap")
    assert "sip.messages" not in report["counters"]
    assert all((task["sessions"], task["call_records"]) == (0, 0) for task in report["tasks"])
    # Four connections, whose hellos name nobody: an address is no name (RFC 6066, 3).
    unread = {f"not_visible.{'sips' if kind == 'tls' else 'no_name'}": 4}
    assert report["names"] == unread
    others = place / ("wss.keys" if kind == "tls" else "tls.keys")
    wrong = lab.run(place / f"{kind}.pcap", "--keylog", str(others))
    assert wrong["counters"]["tls.unopened"] == 8, "both directions of each"
    assert "sip.messages" not in wrong["counters"]
    assert wrong["names"] == unread, "the key log of others changes nothing"
