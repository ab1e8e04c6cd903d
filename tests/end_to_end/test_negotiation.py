"""Offers and answers wherever telephones (SIPp) put them, through a real proxy (Kamailio): what is said is recorded."""

from pathlib import Path

import pytest

from .dialog import (
    NUMBERS,
    answer,
    ask,
    begin,
    begun,
    description,
    expect,
    ok,
    refused,
    say,
    sent,
    taken,
    trying,
)
from .lab import Lab
from .transfer import call, heard, network, told

TARGET, SHOP, _ = NUMBERS
TIMER = ("Supported: timer", "Session-Expires: 90;refresher=uac")

KEEP = (
    '<recv request="INVITE"><action><ereg regexp="(Via: .*)From: " search_in="msg" check_it="true" '
    'assign_to="all,vias"/></action></recv><Reference variables="all"/>'
)
"""Waits for an INVITE and keeps its way back: something else comes between it and its last answer."""

HUNG_UP = [expect("BYE"), ok(SHOP)]


def hangs_up(cseq: int) -> list[str]:
    return [say("target-later"), ask("BYE", cseq, TARGET, SHOP), expect(200)]


def glare(place: Path) -> None:
    """Both sides re-invite at once and refuse each other (RFC 3261, 14.1); the shop, which may, tries again first."""
    pending = f"SIP/2.0 491 Request Pending\n[$vias]From: <sip:+{NUMBERS[SHOP]}@127.0.0.1>;tag=shop\n"
    pending += f"To: <sip:+{NUMBERS[TARGET]}@127.0.0.1>;tag=target\nCall-ID: [call_id]\nCSeq: 1 INVITE\n"
    target = [
        *begun(TARGET, SHOP),
        begin("target"),
        KEEP,
        ask("INVITE", 2, TARGET, SHOP, body=description(TARGET, 2, "inactive")),
        trying(491),
        refused(2, TARGET, SHOP),
        sent(pending),
        expect("ACK", "INVITE"),
        ok(TARGET, description(TARGET, 1)),
        expect("ACK"),
        *hangs_up(3),
    ]
    shop = [
        *taken(SHOP),
        say("shop"),
        ask("INVITE", 1, SHOP, TARGET, body=description(SHOP, 2)),
        trying("INVITE"),
        answer("491 Request Pending", SHOP, tagged=True),
        expect("ACK", 491),
        refused(1, SHOP, TARGET),
        ask("INVITE", 2, SHOP, TARGET, body=description(SHOP, 3)),
        trying(200),
        ask("ACK", 2, SHOP, TARGET),
        begin("shop-later"),
        *HUNG_UP,
    ]
    call(place, "glare", {TARGET: target, SHOP: shop})


def delayed(place: Path) -> None:
    """The offer stands in the answer and the answer in the ACK (RFC 3264, 4)."""
    target = [
        ask("INVITE", 1, TARGET, SHOP, new=True),
        expect(100, 180, optional=True) + expect(200),
        ask("ACK", 1, TARGET, SHOP, body=description(TARGET)),
        *hangs_up(2),
    ]
    call(place, "delayed", {TARGET: target, SHOP: [*taken(SHOP), begin("shop-later"), *HUNG_UP]})


def early(place: Path) -> None:
    """A reliable 183 with a description, and its PRACK (RFC 3262)."""
    target = [
        ask("INVITE", 1, TARGET, SHOP, "Supported: 100rel", new=True, body=description(TARGET)),
        trying(183),
        ask("PRACK", 2, TARGET, SHOP, "RAck: 1 1 INVITE"),
        expect(200),
        begin("target"),
        expect(200),
        ask("ACK", 1, TARGET, SHOP),
        *hangs_up(3),
    ]
    last = f"SIP/2.0 200 OK\n[$vias]From: <sip:+{NUMBERS[TARGET]}@127.0.0.1>;tag=target\n"
    last += f"To: <sip:+{NUMBERS[SHOP]}@127.0.0.1>;tag=shop\nCall-ID: [call_id]\nCSeq: 1 INVITE\n"
    shop = [
        KEEP,
        answer("183 Session Progress", SHOP, "Require: 100rel", "RSeq: 1", body=description(SHOP)),
        expect("PRACK"),
        ok(SHOP),
        say("shop"),
        sent(last, "Contact: <sip:shop@127.0.0.1:[local_port]>", again=True),
        expect("ACK"),
        begin("shop-later"),
        *HUNG_UP,
    ]
    call(place, "early", {TARGET: target, SHOP: shop})


def timed(place: Path) -> None:
    """The session is refreshed by an UPDATE without a description (RFC 4028, 7.4)."""
    target = [
        *begun(TARGET, SHOP, *TIMER),
        say("target"),
        ask("UPDATE", 2, TARGET, SHOP, *TIMER),
        trying(200),
        *hangs_up(3),
    ]
    agreed = ("Require: timer", TIMER[1])
    shop = [
        expect("INVITE"),
        answer("200 OK", SHOP, *agreed, body=description(SHOP), again=True),
        expect("ACK"),
        begin("shop"),
        expect("UPDATE"),
        ok(SHOP, "", *agreed),
        begin("shop-later"),
        *HUNG_UP,
    ]
    call(place, "timed", {TARGET: target, SHOP: shop})


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("negotiation")
    with network(place, place / "lo.pcap"):
        for one in (glare, delayed, early, timed):
            one(place)
    return place / "lo.pcap"


@pytest.fixture
def watched(lab: Lab, capture: Path) -> Lab:
    lab.intercept("TALKS", [f"+{NUMBERS[TARGET]}"])
    lab.run(capture)
    return lab


def test_p10_what_is_said_is_recorded_wherever_the_offer_stood(watched: Lab) -> None:
    whole = {"target", "shop", "target-later", "shop-later"}
    assert heard(watched, "TALKS") == {
        "glare@lab": whole,
        "delayed@lab": {"target-later", "shop-later"},
        "early@lab": whole,
        "timed@lab": whole,
    }


def test_p10_p11_p18_each_call_is_told_as_it_went(watched: Lab) -> None:
    calls = told(watched, "TALKS")
    assert set(calls) == {"glare@lab", "delayed@lab", "early@lab", "timed@lab"}
    assert {(row["status"], row["end_reason"]) for row in calls.values()} == {(200, "bye")}
    course = {name.split("@")[0]: row["course"] for name, row in calls.items()}
    assert not course["glare"].get("holds"), "the hold was refused"
    (branch,) = course["early"]["branches"]
    assert branch["early"] and branch["early_media"] and branch["answer"]
    assert branch["early"] <= branch["early_media"] < branch["answer"]
    assert course["timed"]["session_expires"] == 90
