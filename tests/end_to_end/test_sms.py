"""A real SMPP client (Kannel) and a centre: exactly the texts that the warrants name, with their receipts."""

import shutil
import socket
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from .centre import Centre
from .lab import Lab, program, tap

PROGRAMS = ("bearerbox", "smsbox", "tcpdump")
TARGET, OTHER, SENDER = "+33612345678", "+33698765432", "+33611111111"
"""With `+`, so that Kannel says that they are international."""
PATIENCE = 30
"""Seconds that Kannel gets for each step."""

LONG = "\N{SUNFLOWER} " * 22 + "tournesol " + "\N{SUNFLOWER} " * 40
"""In UTF-16 the word lies across the end of the first part (67 units), and surrogate pairs across others."""

CONFIGURATION = """
group = core
admin-port = {admin}
admin-password = test
smsbox-port = {boxes}
box-allow-ip = 127.0.0.1
log-level = 1
dlr-storage = internal

group = smsc
smsc = smpp
host = 127.0.0.1
port = {centre}
transceiver-mode = true
smsc-username = kannel
smsc-password = test
system-type = ""
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {http}
log-level = 1

group = sendsms-user
username = test
password = test
max-messages = 10
concatenation = true

group = sms-service
keyword = default
text = ""
max-messages = 0
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait(until: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def send(port: int, to: str, text: str, **more: str | bytes) -> None:
    terms: dict[str, str | bytes] = {
        "username": "test",
        "password": "test",
        "from": SENDER,
        "to": to,
        "text": text,
        "charset": "UTF-8",
    }
    # Kannel asks for a receipt only when somebody wants to hear of it; nobody listens there.
    terms |= {"dlr-mask": "31", "dlr-url": "http://127.0.0.1:9/"} | more
    with urllib.request.urlopen(
        f"http://127.0.0.1:{port}/cgi-bin/sendsms?{urllib.parse.urlencode(terms)}", timeout=PATIENCE
    ) as answer:
        assert answer.status in (200, 202)


def capture(place: Path) -> Path:
    """What is on the wire while Kannel sends six messages in eight parts."""
    centre = Centre()
    admin, boxes, http = free_port(), free_port(), free_port()
    configuration = place / "kannel.conf"
    configuration.write_text(CONFIGURATION.format(admin=admin, boxes=boxes, http=http, centre=centre.port))
    file = place / "sms.pcap"
    try:
        with tap(file, f"tcp port {centre.port}"), program("bearerbox", str(configuration)):
            wait(lambda: is_open(boxes), "bearerbox is there")
            with program("smsbox", str(configuration)):
                wait(lambda: is_open(http), "smsbox is there")
                send(http, TARGET, "price 5\N{EURO SIGN} [net] @home")
                send(http, OTHER, "nothing of interest")
                send(http, OTHER, "a tournesol in the field")
                send(http, TARGET, LONG, coding="2")
                send(
                    http,
                    OTHER,
                    "t\N{CYRILLIC SMALL LETTER O}urnes\N{CYRILLIC SMALL LETTER O}l",
                    coding="2",
                )
                send(http, TARGET, "bin", coding="1", udh=b"\x06\x05\x04\x0b\x84\x23\xf0")
                wait(lambda: centre.acknowledged >= 8, f"only {centre.submitted} submitted")
    finally:
        centre.close()
    return file


@pytest.mark.timeout(240)
def test_p44_p45_kannel_and_a_centre(lab: Lab, tmp_path: Path) -> None:
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        pytest.fail(f"not installed: {', '.join(missing)}")
    lab.intercept("NUMBER", [TARGET.removeprefix("+")])
    lab.screen("WORD", [{"type": "keyword", "value": "tournesol", "whole_word": True}])
    file = capture(tmp_path)
    lab.run(file)

    number = lab.export("messages", "NUMBER")
    # Kannel sends what it was given at once in an order of its own.
    texts = sorted(
        (row for row in number if row["event"] == "message"), key=lambda row: row.get("text") or ""
    )
    assert [(row["kind"], row.get("text")) for row in texts] == [
        ("wap_push", None),
        ("text", "price 5\N{EURO SIGN} [net] @home"),
        ("text", LONG),
    ]
    assert texts[2]["parts"] >= 2
    assert not texts[2]["partial"]
    # Every part has its receipt, and each is told with its message.
    receipts = [row for row in number if row["event"] == "receipt"]
    parts = {row["cin"]: row["parts"] for row in texts}
    assert {row["state"] for row in receipts} == {"delivered"}
    assert not any("text" in row for row in receipts)
    assert {cin: sum(row["cin"] == cin for row in receipts) for cin in parts} == parts

    # The receipts of all messages repeat the word; only those who wrote it are met.
    word = [row for row in lab.export("messages", "WORD") if row["event"] == "message"]
    assert sorted(row["form"] for row in word) == ["raw", "raw", "skeleton"]
