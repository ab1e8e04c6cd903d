"""Calls that are diverted, by the telephone (SIPp) that is called and by the proxy (Kamailio): who is told as what."""

from pathlib import Path

import pytest

from .dialog import NUMBERS, answer, ask, begin, description, expect, ok, refused, say, taken
from .lab import Lab
from .transfer import call, heard, network, told

TARGET, SHOP, THIRD = NUMBERS
MOVED = [expect("INVITE"), answer("302 Moved Temporarily", SHOP), expect("ACK")]
"""The shop's telephone sends the call elsewhere."""


def talk(cseq: int, to: str) -> list[str]:
    return [
        expect(100, 180, optional=True) + expect(200),
        to_shop(ask("ACK", cseq, TARGET, to)),
        say("target"),
        to_shop(ask("BYE", cseq + 1, TARGET, to)),
        expect(200),
    ]


def to_shop(request: str) -> str:
    """Whom the call was for first stays in To (RFC 3261, 8.1.3.4)."""
    return request.replace(f"To: <sip:+{NUMBERS[THIRD]}@", f"To: <sip:+{NUMBERS[SHOP]}@")


def redirected(place: Path) -> None:
    """The caller itself follows the 302."""
    offer = description(TARGET)
    target = [
        ask("INVITE", 1, TARGET, SHOP, new=True, body=offer),
        expect(100, optional=True) + expect(302),
        refused(1, TARGET, SHOP, new=True),
        to_shop(ask("INVITE", 2, TARGET, THIRD, new=True, body=offer)),
        *talk(2, THIRD),
    ]
    third = [*taken(THIRD), begin("third"), expect("BYE"), ok(THIRD)]
    call(place, "redirected", {TARGET: target, SHOP: MOVED, THIRD: third})


def diverted(place: Path) -> None:
    """The proxy follows it, and says so by Diversion (RFC 5806) and History-Info (RFC 7044)."""
    target = [
        ask("INVITE", 1, TARGET, SHOP, "X-Diverts: yes", new=True, body=description(TARGET)),
        *talk(1, THIRD),
    ]
    third = [*taken(THIRD), begin("third"), expect("BYE"), ok(THIRD)]
    call(place, "diverted", {TARGET: target, SHOP: MOVED, THIRD: third})


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("diversions")
    with network(place, place / "lo.pcap"):
        redirected(place)
        diverted(place)
    return place / "lo.pcap"


@pytest.mark.parametrize("who", [TARGET, SHOP, THIRD])
def test_p14_a_diverted_call_is_one_call_of_each_of_the_three(lab: Lab, capture: Path, who: str) -> None:
    lab.intercept("CALLS", [f"+{NUMBERS[who]}"])
    lab.run(capture)
    calls = told(lab, "CALLS")
    assert set(calls) == {"redirected@lab", "diverted@lab"}
    assert {(row["status"], row["end_reason"]) for row in calls.values()} == {(200, "bye")}
    assert heard(lab, "CALLS") == {name: {"target", "third"} for name in calls}


def test_p14_dialled_diverted_and_reached_are_told_apart(lab: Lab, capture: Path) -> None:
    lab.intercept("CALLS", [f"+{NUMBERS[TARGET]}"])
    lab.run(capture)
    calls = told(lab, "CALLS")
    for row in calls.values():
        asked = [party["uri"] for party in row["parties"] if party["role"] == "request_uri"]
        assert [NUMBERS[who] in uri for who, uri in zip((SHOP, THIRD), asked, strict=True)] == [True, True]
    course = calls["diverted@lab"]["course"]
    told_as = {
        NUMBERS[who]: [name for name, uri in course.items() if NUMBERS[who] in str(uri)] for who in NUMBERS
    }
    assert {"dialled", "originally_called", "last_redirecting"} <= set(told_as[NUMBERS[SHOP]])
    assert "reached" in told_as[NUMBERS[THIRD]] and "reached" not in told_as[NUMBERS[SHOP]]
