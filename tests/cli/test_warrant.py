"""From a template to a warrant in force, without ever printing whom it names."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Mandat

TARGET = "+33639980101"


def complete(path: Path, agency: str) -> None:
    """Fills in what a template leaves open."""
    document = json.loads(path.read_text())
    for name in ("legal_basis", "issuing_authority", "requester"):
        document[name] = "the test's"
    if document["kind"] != "retention":
        document["recipients"] = [agency]
    path.write_text(json.dumps(document))


def agency(lab: Path) -> str:
    return (lab / "lab/agency.pub").read_text().strip()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("intercept", ["--target", TARGET, "--content"]),
        ("retention", []),
        ("disclosure", ["--target", TARGET]),
        ("screening", ["--keyword", "tournesol"]),
        ("screening", ["--domain", "watched.example"]),
    ],
)
def test_a_completed_template_is_a_warrant(
    mandat: Mandat, lab: Path, tmp_path: Path, kind: str, options: list[str]
) -> None:
    path = tmp_path / "w.json"
    assert mandat("warrant", "new", kind, *options, "-o", path)[0] == 0
    assert path.stat().st_mode & 0o077 == 0
    code, _, err = mandat("warrant", "check", path)
    assert (code, "document_incomplete" in err or "fill in" in err) == (5, True)
    complete(path, agency(lab))
    code, out, err = mandat("warrant", "check", path)
    assert code == 0, err
    assert kind in out


def test_a_warrant_comes_into_force_with_its_second_approval(
    mandat: Mandat, lab: Path, tmp_path: Path
) -> None:
    path = tmp_path / "w.json"
    mandat("warrant", "new", "intercept", "--target", TARGET, "-o", path)
    complete(path, agency(lab))
    code, out, err = mandat("warrant", "add", path, "--site", lab)
    assert (code, "approvals still needed: 2" in out) == (0, True), err
    assert "LAB" in err
    assert (
        "added"
        in mandat("warrant", "approve", "LI-0001", "--key", lab / "lab/approver-1.key", "--site", lab)[1]
    )
    assert mandat("warrant", "approve", "LI-0001", "--key", lab / "lab/approver-1.key", "--site", lab)[0] == 4
    assert (
        "active"
        in mandat("warrant", "approve", "LI-0001", "--key", lab / "lab/approver-2.key", "--site", lab)[1]
    )
    for command in (["list"], ["show", "LI-0001"], ["list", "--json"], ["show", "LI-0001", "--json"]):
        code, out, err = mandat("warrant", *command, "--site", lab)
        assert code == 0
        assert TARGET not in out + err
    code, out, _ = mandat("warrant", "revoke", "LI-0001", "--reason", "error", "--site", lab)
    assert (code, "revoked" in out) == (0, True)
    code, _, err = mandat("run", "nothing.pcap", "--site", lab)
    assert (code, "no warrant is in force" in err) == (4, True)


def test_an_existing_file_is_not_overwritten(mandat: Mandat, tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    path.write_text("mine")
    assert mandat("warrant", "new", "retention", "-o", path)[0] == 2
    assert path.read_text() == "mine"


def test_a_time_in_another_form_is_refused(mandat: Mandat) -> None:
    code, _, err = mandat("warrant", "new", "retention", "--start", "tomorrow")
    assert (code, "2026-06-01T09:00:00Z" in err) == (5, True)
