"""Every way to run without authority at the command line: files of a site changed by hand, acts out of order.

Each ends with exit code 4 (no authority), 6 (the log) or 7 (the site) and its own code, and leaves no product.
"""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mandat.log import Signer
from mandat.site.keys import read_signer
from mandat.warrant import parse_warrant, sign

from . import wire
from .lab import APPROVERS, Lab, number

LIID, TARGET = "LI-1", "+33639980101"


def document(lab: Lab, **changes: Any) -> dict[str, Any]:
    return lab.document(LIID, "intercept", **({"targets": [number(TARGET)], "product": "IRIandCC"} | changes))


def warrant_files(lab: Lab) -> Path:
    return lab.root / "warrants" / LIID


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes, separators=(",", ":"), sort_keys=True))


def in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


# ---------------------------------------------------------------- what is done to the site


def added_only(lab: Lab) -> None:
    lab.site.add_warrant(json.dumps(document(lab)).encode())


def approved_once(lab: Lab) -> None:
    added_only(lab)
    lab.site.approve(LIID, lab.root / "lab" / APPROVERS[0])


def said_to_be_active(lab: Lab) -> None:
    approved_once(lab)
    edit(warrant_files(lab) / "standing.json", state="active")


def said_to_be_active_and_approved(lab: Lab) -> None:
    """With both signatures: only the log doesn't know of it."""
    approved_once(lab)
    warrant = parse_warrant((warrant_files(lab) / "canonical.json").read_bytes())
    second = sign(warrant, read_signer(lab.root / "lab" / APPROVERS[1]), lab.site.keys.approvers()[1].name)
    parts = {"approver": second.approver, "key": second.key, "signature": second.signature}
    (warrant_files(lab) / "approvals/02.json").write_text(json.dumps(parts))
    edit(warrant_files(lab) / "standing.json", state="active")


def in_force(lab: Lab) -> None:
    lab.activate(document(lab))


def not_begun(lab: Lab) -> None:
    lab.activate(document(lab, window={"start": in_days(1), "end": in_days(2)}))


def revoked(lab: Lab) -> None:
    in_force(lab)
    lab.mandat("warrant", "revoke", LIID, "--reason", "authority_withdrew")


def revoked_and_called_active(lab: Lab) -> None:
    revoked(lab)
    edit(warrant_files(lab) / "standing.json", state="active", ended=None)


def one_approval_taken_away(lab: Lab) -> None:
    in_force(lab)
    (warrant_files(lab) / "approvals/02.json").unlink()


def one_approval_copied(lab: Lab) -> None:
    in_force(lab)
    shutil.copy(warrant_files(lab) / "approvals/01.json", warrant_files(lab) / "approvals/02.json")


def another_target(lab: Lab) -> None:
    in_force(lab)
    edit(warrant_files(lab) / "canonical.json", targets=[number("+33639980300")])


def another_spelling(lab: Lab) -> None:
    """The same warrant to a reader of JSON; other octets than were signed."""
    in_force(lab)
    path = warrant_files(lab) / "canonical.json"
    path.write_bytes(path.read_bytes().replace(b":", b": ", 1))


def under_another_label(lab: Lab) -> None:
    in_force(lab)
    warrant_files(lab).rename(warrant_files(lab).with_name("LI-2"))


def policy_changed(lab: Lab) -> None:
    in_force(lab)
    path = lab.root / "config.json"
    config = json.loads(path.read_text())
    config["policy"]["kinds"].remove("intercept")
    path.write_text(json.dumps(config))


def three_are_needed(lab: Lab) -> None:
    in_force(lab)
    path = lab.root / "config.json"
    config = json.loads(path.read_text())
    config["policy"]["approvals"]["intercept"] = 3
    path.write_text(json.dumps(config))


def an_approver_replaced(lab: Lab) -> None:
    in_force(lab)
    path = lab.root / "keys/approvers.json"
    approvers = json.loads(path.read_text())
    approvers[1]["vkey"] = Signer.generate("another").verifier.vkey
    path.write_text(json.dumps(approvers))


def both_approvers_one(lab: Lab) -> None:
    in_force(lab)
    path = lab.root / "keys/approvers.json"
    approvers = json.loads(path.read_text())
    approvers[1]["vkey"] = approvers[0]["vkey"]
    path.write_text(json.dumps(approvers))


def openings_gone(lab: Lab) -> None:
    in_force(lab)
    (lab.root / "openings" / LIID / "events.jsonl").unlink()


def an_entry_altered(lab: Lab) -> None:
    in_force(lab)
    for path in (lab.root / "log/tile/entries").rglob("*"):
        if path.is_file():
            octets = bytearray(path.read_bytes())
            for last in range(74, len(octets), 75):  # each entry, behind its two octets of length
                octets[last] ^= 1
            path.chmod(0o600)
            path.write_bytes(octets)


def another_log_key(lab: Lab) -> None:
    in_force(lab)
    (lab.root / "keys/log.vkey").write_text(Signer.generate(lab.site.origin).verifier.vkey + "\n")


def checkpoint_gone(lab: Lab) -> None:
    in_force(lab)
    (lab.root / "log/checkpoint").unlink()


def head_gone(lab: Lab) -> None:
    in_force(lab)
    (lab.root / "point/head").unlink()


WAYS: dict[Callable[[Lab], None], tuple[int, str]] = {
    added_only: (4, "nothing_in_force"),
    approved_once: (4, "nothing_in_force"),
    said_to_be_active: (4, "approvals_missing"),
    said_to_be_active_and_approved: (4, "not_in_log"),
    not_begun: (4, "nothing_in_force"),
    revoked: (4, "nothing_in_force"),
    revoked_and_called_active: (4, "ended_in_log"),
    one_approval_taken_away: (4, "approvals_missing"),
    one_approval_copied: (4, "approver_twice"),
    another_target: (4, "approval_wrong"),
    another_spelling: (4, "warrant_altered"),
    under_another_label: (4, "warrant_altered"),
    policy_changed: (4, "kind_not_allowed"),
    three_are_needed: (4, "approvals_missing"),
    an_approver_replaced: (4, "approver_unknown"),
    both_approvers_one: (4, "approver_twice"),
    openings_gone: (4, "not_in_log"),
    an_entry_altered: (4, "not_in_log"),
    another_log_key: (6, "log_unsigned"),
    checkpoint_gone: (6, "log_missing"),
    head_gone: (7, "site_damaged"),
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_no_run_without_authority(lab: Lab, tmp_path: Path, way: Callable[[Lab], None]) -> None:
    way(lab)
    exit_code, code = WAYS[way]
    capture = wire.capture(tmp_path / "in.pcap", wire.call(0, "c1", TARGET, "+33639980300", 20000, 20))
    told = lab.refused("run", str(capture), code=exit_code)
    assert told["code"] == code
    assert told["advice"], "it says what to do"
    if way is an_entry_altered:
        assert "log verify" in told["advice"]
    assert TARGET[1:] not in json.dumps(told)
    assert not [path for path in (lab.root / "product").rglob("*") if path.is_file()]
    assert not list((lab.root / "records").rglob("*.parquet"))


def test_a_warrant_that_does_not_hold_up_leaves_the_others_in_force(lab: Lab, tmp_path: Path) -> None:
    one_approval_taken_away(lab)
    lab.intercept("LI-2", ["+33639980300"])
    capture = wire.capture(tmp_path / "in.pcap", wire.call(0, "c1", TARGET, "+33639980300", 20000, 20))
    done = lab.mandat("run", str(capture), code=4)
    assert "refused: LI-1" in done.stderr
    assert "approvals_missing" in done.stderr
    assert "what to do: " in done.stderr
    assert {path.name for path in (lab.root / "product").iterdir()} == {"LI-2"}
    assert [row["iri_type"] for row in lab.export("calls", "LI-2")].count("BEGIN") == 1
