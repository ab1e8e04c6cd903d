import dataclasses
import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mandat.errors import Refusal, SiteError, WarrantError
from mandat.log import Signer
from mandat.warrant import Approval, Approver, parse_approval, parse_warrant, sign
from mandat.warrant.approvals import CONTEXT, check, trust, verify

ONE, TWO, STRANGER = (Signer.generate(name) for name in ("one", "two", "stranger"))
PINNED = trust([Approver("Approver 1", ONE.verifier.vkey), Approver("Approver 2", TWO.verifier.vkey)])


@pytest.fixture
def warrant(document):
    return parse_warrant(json.dumps(document()).encode())


def refused(call, *arguments) -> str:
    with pytest.raises(Refusal) as found:
        call(*arguments)
    assert found.value.advice
    return found.value.code


def test_the_signature_is_over_the_canonical_octets(warrant) -> None:
    approval = sign(warrant, ONE, "Approver 1")
    assert approval.signature == b64encode(ONE.sign(b"mandat/approval/v1\n" + warrant.canonical)).decode()


def test_two_people_suffice_where_two_are_needed(warrant) -> None:
    both = [sign(warrant, ONE, "Approver 1"), sign(warrant, TWO, "Approver 2")]
    check(warrant, both, PINNED, 2)


def test_every_way_without_approval_fails(warrant, document) -> None:
    first, second = sign(warrant, ONE, "Approver 1"), sign(warrant, TWO, "Approver 2")
    assert refused(check, warrant, [], PINNED, 2) == "approvals_missing"
    assert refused(check, warrant, [first], PINNED, 2) == "approvals_missing"
    assert refused(check, warrant, [first, first], PINNED, 2) == "approver_twice"
    assert refused(check, warrant, [first, second, first], PINNED, 2) == "approver_twice"
    assert (
        refused(check, warrant, [first, sign(warrant, STRANGER, "Approver 2")], PINNED, 2)
        == "approver_unknown"
    )
    assert (
        refused(check, warrant, [first, sign(warrant, STRANGER, "Somebody")], PINNED, 2) == "approver_unknown"
    )
    assert refused(check, warrant, [first, sign(warrant, ONE, "Approver 2")], PINNED, 2) == "approver_unknown"
    claimed = Approval("Approver 2", TWO.verifier.vkey, first.signature)
    assert refused(check, warrant, [first, claimed], PINNED, 2) == "approval_wrong"
    altered = parse_warrant(json.dumps(document(product="IRI")).encode())
    assert refused(check, altered, [first, second], PINNED, 2) == "approval_wrong"
    # One bad approval spoils the set, even where the others suffice.
    bare = Approval("Approver 2", TWO.verifier.vkey, b64encode(TWO.sign(warrant.canonical)).decode())
    assert refused(check, warrant, [first, bare], PINNED, 1) == "approval_wrong"


@pytest.mark.parametrize("requester", ["Approver 1", "approver 1", " APPROVER\u00a0 1 ", "Ａpprover 1"])
def test_the_requester_never_approves(document, requester: str) -> None:
    own = parse_warrant(json.dumps(document(requester=requester)).encode())
    assert refused(verify, own, sign(own, ONE, "Approver 1"), PINNED) == "requester_approves"


@given(st.text() | st.binary().map(lambda data: b64encode(data).decode()))
def test_any_text_is_no_signature(document, signature: str) -> None:
    warrant = parse_warrant(json.dumps(document()).encode())
    approval = Approval("Approver 1", ONE.verifier.vkey, signature)
    assert refused(verify, warrant, approval, PINNED) == "approval_wrong"


@given(st.binary())
def test_any_octets_are_no_approval(data: bytes) -> None:
    with pytest.raises(WarrantError):
        parse_approval(data)


def test_one_key_or_name_pinned_twice_is_refused() -> None:
    for pair in (("A", ONE), ("B", ONE)), (("A", ONE), (" a", TWO)):
        with pytest.raises(SiteError):
            trust([Approver(name, signer.verifier.vkey) for name, signer in pair])


def test_the_context_separates_approvals_from_notes(warrant) -> None:
    assert not ONE.verifier.verify(warrant.canonical, ONE.sign(CONTEXT + warrant.canonical))
    assert dataclasses.is_dataclass(warrant)
