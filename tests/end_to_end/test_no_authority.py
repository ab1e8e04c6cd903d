"""Every way to run without authority fails in the core itself, whoever hands it the bundle."""

import base64
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mandat.log import Signer
from mandat.log.entry import seal
from mandat.warrant import parse_warrant, sign

from . import wire
from .lab import APPROVERS, Lab, number
from .offering import ADMITTED, offered

LIID = "LI-1"
Bundle = dict[str, Any]


class Forger:
    """Somebody with the desk's disk in hand, but without two approvers' keys or the log's."""

    def __init__(self, lab: Lab) -> None:
        self.lab, self.site = lab, lab.site
        self.bundle: Bundle = json.loads(self.site.admission(LIID).bundle)
        self.config: Bundle = json.loads(self.site.point_config())
        self.warrant = parse_warrant(self.bundle["warrant"].encode())
        self.names = [approver.name for approver in self.site.keys.approvers()]

    def signed(self, signer: Signer, name: str) -> dict[str, str]:
        approval = sign(self.warrant, signer, name)
        return {"approver": approval.approver, "signature": approval.signature}

    def answer(self, bundle: Bundle, now: float | None = None) -> str:
        return offered(self.lab.base, self.config, bundle, now)

    def altered(self, **changes: Any) -> Bundle:
        return {**self.bundle, **changes}

    def document(self, **changes: Any) -> Bundle:
        """Another document under the signatures and the entry of this one."""
        return self.altered(
            warrant=json.dumps({**json.loads(self.bundle["warrant"]), **changes}, separators=(",", ":"))
        )

    def entry(self, **changes: Any) -> Bundle:
        """An entry of the forger's own, with the log's proof of the true one."""
        terms = self.warrant.terms
        facts = {
            "kind": "activate",
            "liid": self.warrant.liid,
            "authority_id": terms.reference,
            "authority_hash": self.warrant.digest,
            "valid_from": terms.window.start,
            "valid_to": terms.window.end,
            "actor": "the forger",
            **changes,
        }
        entry, opening = seal(self.bundle["index"], 0, 0, secrets.token_bytes(32), facts)
        return self.altered(
            entry=base64.b64encode(entry.encode()).decode(),
            opening=base64.b64encode(opening.randomness).decode(),
            disclosures=list(opening.disclosures),
        )


def other_entry(forger: Forger) -> Bundle:
    """The true entry, opening and proof of another warrant."""
    other = json.loads(forger.site.admission("LI-2").bundle)
    return {**other, "warrant": forger.bundle["warrant"], "approvals": forger.bundle["approvals"]}


def flipped(text: str) -> str:
    octets = bytearray(base64.b64decode(text))
    octets[0] ^= 1
    return base64.b64encode(octets).decode()


def stranger() -> Signer:
    return Signer.generate("a-passer-by")


FORGERIES: dict[str, tuple[Callable[[Forger], Bundle], str]] = {
    "no approvals": (lambda f: f.altered(approvals=[]), "approvals_missing"),
    "one where two are needed": (
        lambda f: f.altered(approvals=f.bundle["approvals"][:1]),
        "approvals_missing",
    ),
    "one approver twice": (
        lambda f: f.altered(approvals=[f.bundle["approvals"][0]] * 2),
        "approvals_missing",
    ),
    "a key of nobody here": (
        lambda f: f.altered(approvals=[f.bundle["approvals"][0], f.signed(stranger(), "a passer-by")]),
        "approver_unknown",
    ),
    "an approver's name, another key": (
        lambda f: f.altered(approvals=[f.signed(stranger(), f.names[0]), f.bundle["approvals"][1]]),
        "approval_invalid",
    ),
    "altered after approval": (lambda f: f.document(legal_basis="another"), "entry_mismatch"),
    "a wider window": (
        lambda f: f.document(window={"start": "2020-01-01T00:00:00Z", "end": "2030-01-01T00:00:00Z"}),
        "entry_mismatch",
    ),
    "altered, with an entry to fit": (lambda f: f.entry(authority_hash="00" * 32), "not_in_log"),
    "not in the log": (lambda f: f.entry(), "not_in_log"),
    "proof for another entry": (other_entry, "entry_mismatch"),
    "proof altered": (
        lambda f: f.altered(proof=[flipped(f.bundle["proof"][0]), *f.bundle["proof"][1:]]),
        "not_in_log",
    ),
    "index moved": (lambda f: f.altered(index=f.bundle["index"] - 1), "not_in_log"),
    "disclosures left out": (
        lambda f: f.altered(disclosures=f.bundle["disclosures"][1:]),
        "commitment_invalid",
    ),
    "another opening": (lambda f: f.altered(opening=flipped(f.bundle["opening"])), "commitment_invalid"),
    "checkpoint altered": (
        lambda f: f.altered(checkpoint=f.bundle["checkpoint"].replace("\n", "\n1", 1)),
        "checkpoint_invalid",
    ),
    "checkpoint of nobody": (lambda f: f.altered(checkpoint=""), "checkpoint_invalid"),
    "a field too many": (lambda f: f.altered(force=True), "bundle_unreadable"),
}


@pytest.fixture
def forger(lab: Lab) -> Forger:
    lab.intercept(LIID, ["+33639980101"])
    lab.intercept("LI-2", ["+33639980102"])
    return Forger(lab)


def test_the_true_bundle_is_admitted(forger: Forger) -> None:
    """The control: what is refused below is refused for its forgery."""
    assert forger.answer(forger.bundle) == ADMITTED


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_bundles(forger: Forger, name: str) -> None:
    forge, code = FORGERIES[name]
    assert forger.answer(forge(forger)) == code


def test_outside_the_window(forger: Forger) -> None:
    assert forger.answer(forger.bundle, 1_500_000_000) == "window_not_begun"
    assert forger.answer(forger.bundle, time.time() + 3 * 86_400) == "window_over"


def test_a_kind_that_policy_does_not_allow(forger: Forger) -> None:
    forger.config["policy"]["kinds"].remove("intercept")
    assert forger.answer(forger.bundle) == "kind_not_allowed"


def test_the_requester_as_approver(lab: Lab) -> None:
    """The desk's own refusal; that of the core stands in test_dishonest_desk."""
    name = lab.site.keys.approvers()[0].name
    document = lab.document(LIID, "intercept", targets=[number("+33639980101")], requester=name)
    lab.site.add_warrant(json.dumps(document).encode())
    told = lab.refused("warrant", "approve", LIID, "--key", str(lab.root / "lab" / APPROVERS[0]), code=4)
    assert told["code"] == "requester_approves"


def test_a_log_that_was_rolled_back(lab: Lab, tmp_path: Path) -> None:
    """What the point has seen can't be unseen: an older log, however well signed, is refused."""
    lab.intercept(LIID, ["+33639980101"])
    older = {
        path.relative_to(lab.root): path.read_bytes()
        for path in (lab.root / "log").rglob("*")
        if path.is_file()
    }
    capture = wire.capture(tmp_path / "in.pcap", wire.call(0, "c", "+33639980101", "+33639980300", 20000, 5))
    lab.run(capture)
    for path in list((lab.root / "log").rglob("*")):
        if path.is_file() and path.relative_to(lab.root) not in older:
            path.unlink()
    for name, octets in older.items():
        (lab.root / name).write_bytes(octets)
    done = lab.mandat("run", str(capture), code=6)
    assert "log" in done.stderr


def test_warrants_without_two_approvals_select_nothing(lab: Lab, tmp_path: Path) -> None:
    document = lab.document(LIID, "intercept", targets=[{"type": "e164Number", "value": "+33639980101"}])
    lab.site.add_warrant(json.dumps(document).encode())
    lab.site.approve(LIID, lab.root / "lab" / APPROVERS[0])
    capture = wire.capture(tmp_path / "in.pcap", wire.call(0, "c", "+33639980101", "+33639980300", 20000, 5))
    done = lab.mandat("run", str(capture), code=4)
    assert "no warrant is in force" in done.stderr
    assert not [path for path in (lab.root / "product").rglob("*") if path.is_file()]
