"""Calls that real telephones (SIPp) hand on through a real proxy (Kamailio): content ends with the target's part."""

from pathlib import Path

import pytest

from .dialog import NUMBERS, answer, ask, begin, begun, description, expect, notify, ok, say, taken, trying
from .lab import Lab
from .transfer import call, heard, network, told

TARGET, SHOP, THIRD = NUMBERS
REFERRED_BY = f"Referred-By: <sip:+{NUMBERS[TARGET]}@127.0.0.1>"
TO_THIRD = f"sip:+{NUMBERS[THIRD]}@127.0.0.1"


def hands_on(cseq: int, refer_to: str, *meanwhile: str) -> list[str]:
    """The target's part: it asks, hears that it went well, and hangs up."""
    return [
        ask("REFER", cseq, TARGET, SHOP, f"Refer-To: <{refer_to}>", REFERRED_BY),
        trying(202),
        expect("NOTIFY"), ok(TARGET),
        *meanwhile,
        expect("NOTIFY"), ok(TARGET),
        ask("BYE", cseq + 1, TARGET, SHOP),
        expect(200),
    ]  # fmt: skip


def moves(*headers: str, meanwhile: tuple[str, ...] = ()) -> list[str]:
    """The shop's part: it takes the REFER, calls the third, says how that goes, and talks on."""
    return [
        expect("REFER"),
        answer("202 Accepted", SHOP, tagged=True),
        notify(1, SHOP, TARGET, "100 Trying", "active;expires=60"),
        *begun(SHOP, THIRD, REFERRED_BY, *headers, dialog="moved"),
        *meanwhile,
        notify(2, SHOP, TARGET, "200 OK", "terminated;reason=noresource"),
        expect("BYE"),
        ok(SHOP),
        say("shop-later"),
        ask("BYE", 2, SHOP, THIRD, dialog="moved"),
        expect(200),
    ]


def blind(place: Path) -> None:
    """RFC 5589, 6."""
    target = [*begun(TARGET, SHOP), say("target"), *hands_on(2, TO_THIRD)]
    shop = [*taken(SHOP), begin("shop"), *moves()]
    third = [*taken(THIRD), begin("third-later"), expect("BYE"), ok(THIRD)]
    call(place, "blind", {TARGET: target, SHOP: shop, THIRD: third})


def attended(place: Path) -> None:
    """RFC 5589, 7: the target speaks to the third first; the shop's INVITE replaces that call (RFC 3891)."""
    replaced, tags = "consult%2F%2F%2Fattended%40lab", "%3Bto-tag%3Dthird%3Bfrom-tag%3Dtarget"
    target = [
        *begun(TARGET, SHOP),
        say("target"),
        ask("INVITE", 2, TARGET, SHOP, body=description(TARGET, 2, "sendonly")),
        trying(200),
        ask("ACK", 2, TARGET, SHOP),
        *begun(TARGET, THIRD, dialog="consult"),
        say("target-later"),
        *hands_on(3, f"{TO_THIRD}?Replaces={replaced}{tags}", expect("BYE"), ok(TARGET)),
    ]
    held = [expect("INVITE"), ok(SHOP, description(SHOP, 2, "recvonly")), expect("ACK")]
    # The connected party says who it is (RFC 4916), which tells the shop that the other call is over.
    identified = (expect("UPDATE"), ok(SHOP))
    replaces = "Replaces: consult///attended@lab;to-tag=third;from-tag=target"
    shop = [*taken(SHOP), begin("shop"), *held, *moves(replaces, meanwhile=identified)]
    third = [
        *taken(THIRD),
        begin("third"),
        *taken(THIRD),
        ask("BYE", 1, THIRD, TARGET, dialog="consult"),
        expect(200),
        ask("UPDATE", 1, THIRD, SHOP, dialog="moved"),
        trying(200),
        begin("third-later"),
        expect("BYE"),
        ok(THIRD),
    ]
    call(place, "attended", {TARGET: target, SHOP: shop, THIRD: third})


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("transfers")
    with network(place, place / "lo.pcap"):
        blind(place)
        attended(place)
    return place / "lo.pcap"


@pytest.fixture
def watched(lab: Lab, capture: Path) -> Lab:
    """Who leaves and who stays are the targets of a warrant each."""
    lab.intercept("LEAVES", [f"+{NUMBERS[TARGET]}"])
    lab.intercept("STAYS", [f"+{NUMBERS[SHOP]}"])
    lab.run(capture)
    return lab


def test_p13_a_transfer_ends_the_content_of_who_leaves_and_of_nobody_else(watched: Lab) -> None:
    assert heard(watched, "LEAVES") == {
        "blind@lab": {"target", "shop"},
        "attended@lab": {"target", "shop"},
        "consult///attended@lab": {"target-later", "third"},
    }, "nothing of what the remaining two say"
    assert heard(watched, "STAYS") == {
        "blind@lab": {"target", "shop"},
        "moved///blind@lab": {"shop-later", "third-later"},
        "attended@lab": {"target", "shop"},
        "moved///attended@lab": {"shop-later", "third-later"},
    }


def test_p13_what_moved_the_call_is_told_to_whom_it_concerns(watched: Lab) -> None:
    leaves, stays = told(watched, "LEAVES"), told(watched, "STAYS")
    assert set(leaves) == {"blind@lab", "attended@lab", "consult///attended@lab"}
    assert {row["end_reason"] for row in (*leaves.values(), *stays.values())} == {"bye"}
    for row in (leaves["blind@lab"], leaves["attended@lab"]):
        moved = [(one["by"], one["side"]) for one in row["course"]["transfers"]]
        assert ("refer", "caller") in moved, moved
    by = {one["by"] for one in stays["moved///attended@lab"]["course"]["transfers"]}
    assert by == {"referred_by", "replaces"}
    links = {one["call"]: one["rule"] for one in leaves["attended@lab"]["course"]["links"]}
    assert links["consult///attended@lab"] == "named", links
    holds = leaves["attended@lab"]["course"]["holds"]
    assert [hold["side"] for hold in holds] == ["caller"], "the target put the shop on hold"
