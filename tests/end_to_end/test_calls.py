"""Calls that real telephones (SIPp) make through a real proxy (Kamailio): what a warrant is told of each."""

import json
from pathlib import Path
from typing import Any

import pytest

from .lab import Lab
from .switch import (
    FIRST,
    MEDIA,
    SECOND,
    call,
    called,
    description,
    expect,
    missing,
    pause,
    proxy,
    reply,
    request,
    scenario,
    send,
)

TARGET, STRANGER = "33155500001", "33155500002"
SHOP, HUNT = "33155500003", "33155500009"

BYE = (expect("ACK"), expect("BYE"), reply())


def invite(caller: str, to: str) -> tuple[str, ...]:
    return (
        send(request("INVITE", 1, caller, to, description(MEDIA)), retransmitted=True),
        expect(100, optional=True),
        expect(180, optional=True),
        expect(183, optional=True),
    )


def answered(caller: str, to: str, *middle: str, last: int = 2) -> str:
    return scenario(
        *invite(caller, to),
        expect(200, routes=True),
        send(request("ACK", 1, caller, to, within=True)),
        pause(200),
        *middle,
        send(request("BYE", last, caller, to, within=True), retransmitted=True),
        expect(200),
    )


def held(caller: str, to: str) -> str:
    on_hold = request("INVITE", 2, caller, to, description(MEDIA, 2, "sendonly"), within=True)
    return answered(
        caller, to, send(on_hold), expect(100, optional=True), expect(200),
        send(request("ACK", 2, caller, to, within=True)), pause(200), last=3,
    )  # fmt: skip


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if lacking := missing():
        pytest.fail(f"not installed: {', '.join(lacking)}: ./dev setup")
    place = tmp_path_factory.mktemp("switch")
    path = place / "lo.pcap"
    rings, takes = ("180 Ringing", False), ("200 OK", True)
    hold = (expect("ACK"), expect("INVITE"), reply(body=description(MEDIA + 100, 2, "recvonly")))
    gives_up = (expect("CANCEL"), reply(), reply("487 Request Terminated"), expect("ACK"))
    with proxy(place, path):
        call(place, "plain", answered(TARGET, SHOP), (FIRST, called("x", rings, takes, then=BYE)))
        call(place, "other", answered(STRANGER, SHOP), (FIRST, called("x", rings, takes, then=BYE)))
        call(place, "held", held(STRANGER, TARGET), (FIRST, called("x", takes, then=(*hold, *BYE))))
        lost = answered(TARGET, SHOP).split("<pause")[0] + "</scenario>\n"
        call(place, "lost", lost, (FIRST, called("x", takes, then=(expect("ACK"),))))
        busy = scenario(*invite(TARGET, SHOP), expect(486), send(request("ACK", 1, TARGET, SHOP)))
        call(place, "busy", busy, (FIRST, called("x", ("486 Busy Here", False), then=(expect("ACK"),))))
        early = called("y", ("183 Session Progress", True), then=gives_up, port=MEDIA + 200)
        slow = called("x", rings, ("180 Ringing", False), takes, then=BYE)
        call(place, "forked", answered(TARGET, HUNT), (FIRST, slow), (SECOND, early))
    return path


@pytest.fixture
def product(lab: Lab, capture: Path) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    lab.intercept("CALLS", [f"+{TARGET}"])
    lab.retain("ALL")
    report = lab.run(capture)
    rows: dict[str, list[dict[str, Any]]] = {}
    calls = {}
    for row in lab.export("calls", "CALLS"):
        calls[row["cin"]] = row["call_id"] or calls.get(row["cin"])
        rows.setdefault(calls[row["cin"]].split("@")[0], []).append(row)
    return report, rows


def test_each_call_of_the_target_is_told_as_it_went(
    product: tuple[dict[str, Any], dict[str, list[dict[str, Any]]]],
) -> None:
    report, rows = product
    assert set(rows) == {"plain", "held", "lost", "busy", "forked"}, "and not the stranger's"
    kept = {task["liid"]: task["call_records"] for task in report["tasks"]}
    assert kept["ALL"] == 6
    last = {name: calls[-1] for name, calls in rows.items()}
    assert {name: row["end_reason"] for name, row in last.items()} == {
        "plain": "bye", "held": "bye", "lost": "source_ended", "busy": "failure", "forked": "bye",
    }  # fmt: skip
    assert {name: row["status"] for name, row in last.items()} == {
        "plain": 200, "held": 200, "lost": 200, "busy": 486, "forked": 200,
    }  # fmt: skip
    assert last["busy"]["answer"] is None and last["lost"]["answer"]
    assert {row["matched"] for row in rows["plain"]} == {"from"}
    assert {row["matched"] for row in rows["held"]} <= {"to", "request_uri"}


def test_p09_p12_branches_and_holds_are_told(
    product: tuple[dict[str, Any], dict[str, list[dict[str, Any]]]],
) -> None:
    _, rows = product
    course = json.loads(rows["forked"][-1]["course"])
    branches = course["branches"]
    assert [b for b in branches if b["early"]] == [b for b in branches if not b["answer"]], (
        "early media of one"
    )
    assert len(branches) == 2 and sum(bool(b["answer"]) for b in branches) == 1, "the other one won"
    holds = json.loads(rows["held"][-1]["course"])["holds"]
    assert len(holds) == 1
