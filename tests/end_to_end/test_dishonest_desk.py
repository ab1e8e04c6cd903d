"""Somebody holds the desk, the log's key and one approver's, writes the log as he likes, and still selects nothing.

What the entry says is then true of the document, so the core's other checks stand alone: each code below is that of
the one that holds.
"""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from mandat.log import Checkpoint, Event, Kind, LogWriter, Signer, Tiles, read_checkpoint
from mandat.log.entry import Opening
from mandat.site.keys import read_signer
from mandat.warrant import Approval, Warrant, parse_warrant, sign
from mandat.warrant.approvals import CONTEXT
from mandat.warrant.tasking import bundle

from .lab import APPROVERS, Lab, number
from .offering import ADMITTED, TARGET, offered

Bundle = dict[str, Any]


class Desk:
    """The dishonest desk. It has the approvers' keys as well, so that each test may withhold them."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.site = lab, lab.site
        self.names = [approver.name for approver in self.site.keys.approvers()]
        self.signers = [read_signer(lab.root / "lab" / key) for key in APPROVERS]
        self.config: Bundle = json.loads(self.site.point_config())
        self.writer = LogWriter(
            self.site.log, self.site.openings, self.site.keys.log_signer(), self.site.keys.dummies()
        )

    def document(self, **changes: Any) -> bytes:
        terms = {"liid": "LI-1", "kind": "intercept", "targets": [number(TARGET)], "product": "IRIandCC"}
        return json.dumps(self.lab.document(**(terms | changes))).encode()

    def approvals(self, warrant: Warrant) -> list[Approval]:
        return [sign(warrant, signer, name) for signer, name in zip(self.signers, self.names, strict=True)]

    def logged(self, warrant: Warrant, approvals: list[Approval], **facts: Any) -> Bundle:
        """A bundle whose entry really stands in the log; `facts` are lies that it tells."""
        window = warrant.terms.window
        true = {
            "authority_id": warrant.terms.reference,
            "authority_hash": warrant.digest,
            "valid_from": window.start,
            "valid_to": window.end,
        }
        kind = facts.pop("kind", Kind.ACTIVATE)
        liid = facts.pop("liid", warrant.liid)
        (index,) = self.writer.append([Event(kind, liid, "nobody", {**true, **facts})])
        return self.bundle(warrant, approvals, liid, index)

    def bundle(self, warrant: Warrant, approvals: list[Approval], liid: str, index: int) -> Bundle:
        verifier = self.site.keys.log_verifier()
        checkpoint, note = read_checkpoint(self.site.log, verifier)
        opening: Opening = next(event for event in self.site.events(liid) if event.index == index)
        tiles = Tiles(self.site.log, checkpoint.size)
        since = tiles.consistency(Checkpoint.open(self.config["head"].encode(), verifier).size)
        made: Bundle = json.loads(bundle(warrant, approvals, opening, tiles, note, since))
        return made

    def answer(self, bundle: Bundle) -> str:
        return offered(self.lab.base, self.config, bundle)


@pytest.fixture
def desk(lab: Lab) -> Desk:
    return Desk(lab)


def honest(desk: Desk) -> Bundle:
    warrant = parse_warrant(desk.document())
    return desk.logged(warrant, desk.approvals(warrant))


def with_approvals(
    change: Callable[[Desk, Warrant, list[Approval]], list[Approval]],
) -> Callable[[Desk], Bundle]:
    def make(desk: Desk) -> Bundle:
        warrant = parse_warrant(desk.document())
        return desk.logged(warrant, change(desk, warrant, desk.approvals(warrant)))

    return make


def with_facts(**facts: Any) -> Callable[[Desk], Bundle]:
    def make(desk: Desk) -> Bundle:
        warrant = parse_warrant(desk.document())
        return desk.logged(warrant, desk.approvals(warrant), **facts)

    return make


def requested_by_an_approver(desk: Desk) -> Bundle:
    warrant = parse_warrant(desk.document(requester=desk.names[0]))
    return desk.logged(warrant, desk.approvals(warrant))


def altered_after_approval(desk: Desk) -> Bundle:
    signed = parse_warrant(desk.document(targets=[number("+33639980999")]))
    return desk.logged(parse_warrant(desk.document()), desk.approvals(signed))


def over(desk: Desk) -> Bundle:
    warrant = parse_warrant(
        desk.document(window={"start": "2025-06-01T00:00:00Z", "end": "2025-07-01T00:00:00Z"})
    )
    return desk.logged(warrant, desk.approvals(warrant))


def not_begun(desk: Desk) -> Bundle:
    warrant = parse_warrant(
        desk.document(window={"start": "2190-01-01T00:00:00Z", "end": "2190-07-01T00:00:00Z"})
    )
    return desk.logged(warrant, desk.approvals(warrant))


def of_a_kind_that_policy_forbids(desk: Desk) -> Bundle:
    desk.config["policy"]["kinds"].remove("intercept")
    return honest(desk)


def content_of_a_screening(desk: Desk) -> Bundle:
    word = {"type": "keyword", "value": "tournesol", "whole_word": True}
    warrant = parse_warrant(
        desk.document(kind="screening", targets=[], criteria=[word], ceiling={"sessions": 9})
    )
    return desk.logged(warrant, desk.approvals(warrant))


def a_disclosure(desk: Desk) -> Bundle:
    """It opens records. It is approved as such, and is no task for traffic."""
    scope = {"start": "2026-01-01T00:00:00Z", "end": "2026-12-01T00:00:00Z"}
    warrant = parse_warrant(
        desk.document(
            kind="disclosure",
            product="IRI",
            disclosure={"retention_liid": "LI-2", "period": scope, "services": ["call"]},
        )
    )
    return desk.logged(warrant, desk.approvals(warrant))


def disclosures_swapped(desk: Desk) -> Bundle:
    """The entry of one warrant opened with what another entry discloses."""
    bundle = honest(desk)
    other = parse_warrant(desk.document(liid="LI-2", targets=[number("+33639980999")]))
    return {**bundle, "disclosures": desk.logged(other, desk.approvals(other))["disclosures"]}


def of_another_log(own_key: bool) -> Callable[[Desk], Bundle]:
    """The same tree under a checkpoint of another log: its name and the site's key, or the other way round."""

    def make(desk: Desk) -> Bundle:
        bundle, site = honest(desk), desk.site
        checkpoint, _ = read_checkpoint(site.log, site.keys.log_verifier())
        if own_key:
            text = checkpoint.body().replace(site.origin, "another.example/log", 1)
            note = site.keys.log_signer().sign_note(text)
        else:
            note = Signer.generate(site.origin).sign_note(checkpoint.body())
        return {**bundle, "checkpoint": note.decode()}

    return make


def signature_of_the_bare_document(desk: Desk) -> Bundle:
    """What an approver signed for another purpose is no approval: its context is missing."""
    bundle = honest(desk)
    octets = bundle["warrant"].encode()
    assert not octets.startswith(CONTEXT)
    bare = [base64.b64encode(signer.sign(octets)).decode() for signer in desk.signers]
    both = zip(desk.names, bare, strict=True)
    return {**bundle, "approvals": [{"approver": name, "signature": text} for name, text in both]}


ATTEMPTS: dict[str, tuple[Callable[[Desk], Bundle], str]] = {
    "nobody approved": (with_approvals(lambda *_: []), "approvals_missing"),
    "one approved": (with_approvals(lambda d, w, a: a[:1]), "approvals_missing"),
    "one approved twice": (with_approvals(lambda d, w, a: [a[0], a[0]]), "approvals_missing"),
    "a key of his own": (
        with_approvals(lambda d, w, a: [a[0], sign(w, Signer.generate("x"), d.names[1])]),
        "approval_invalid",
    ),
    "a name of his own": (
        with_approvals(lambda d, w, a: [a[0], sign(w, Signer.generate("x"), "x")]),
        "approver_unknown",
    ),
    "the log's key as an approver's": (
        with_approvals(lambda d, w, a: [a[0], sign(w, d.site.keys.log_signer(), d.names[1])]),
        "approval_invalid",
    ),
    "one key under the other's name": (
        with_approvals(lambda d, w, a: [a[0], sign(w, d.signers[0], d.names[1])]),
        "approval_invalid",
    ),
    "the requester approved": (requested_by_an_approver, "approver_is_requester"),
    "altered after approval": (altered_after_approval, "approval_invalid"),
    "signed without context": (signature_of_the_bare_document, "approval_invalid"),
    "its window is over": (over, "window_over"),
    "its window has not begun": (not_begun, "window_not_begun"),
    "policy forbids the kind": (of_a_kind_that_policy_forbids, "kind_not_allowed"),
    "content of a screening": (content_of_a_screening, "warrant_not_honourable"),
    "a disclosure for traffic": (a_disclosure, "warrant_not_honourable"),
    "the entry says authorise": (with_facts(kind=Kind.AUTHORISE), "entry_mismatch"),
    "the entry is of another LIID": (with_facts(liid="LI-2"), "entry_mismatch"),
    "the entry is of another document": (with_facts(authority_hash="00" * 32), "entry_mismatch"),
    "the entry has another reference": (with_facts(authority_id="X"), "entry_mismatch"),
    "the entry has a later end": (with_facts(valid_to="2199-01-01T00:00:00Z"), "entry_mismatch"),
    "disclosures of another entry": (disclosures_swapped, "commitment_invalid"),
    "another log's key": (of_another_log(own_key=False), "checkpoint_invalid"),
    "another log's name": (of_another_log(own_key=True), "checkpoint_invalid"),
}


def test_the_control(desk: Desk) -> None:
    """What is refused below is refused for what is wrong with it: all right, it selects."""
    assert desk.answer(honest(desk)) == ADMITTED


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_whatever_the_desk_writes(desk: Desk, attempt: str) -> None:
    make, code = ATTEMPTS[attempt]
    assert desk.answer(make(desk)) == code
