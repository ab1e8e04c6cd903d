"""What the command line must not hide: traffic outside every window, records that were lost, who sees an argument."""

import json
from pathlib import Path
from typing import Any

import pytest

from mandat.cli import main
from mandat.errors import StoreError
from mandat.mediation.run import Runner
from mandat.site import Site
from mandat.store import EmbeddedStore
from tests.test_races import CAPTURE, run, wanted
from tests.test_site import NOW, activate, document, key

RETENTION = {
    "kind": "retention",
    "targets": [],
    "recipients": [],
    "product": "IRI",
    "retention": {"days": 30},
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.init(tmp_path / "site", lab=True, origin="example.org/site", actor="desk")


def test_a_run_says_that_all_traffic_is_from_before_the_window(site: Site, capsys: Any) -> None:
    window = {"start": "2026-06-02T00:00:00Z", "end": "2026-12-31T00:00:00Z"}
    later = NOW + 86_400 * 1_000_000_000
    document_ = json.loads(wanted(site)) | {"window": window}
    liid = site.add_warrant(json.dumps(document_).encode(), now_ns=later).liid
    for number in (1, 2):
        site.approve(liid, key(site, number), later)
    report = Runner(site, [str(CAPTURE)], later).go(lambda _: None, lambda: False)
    assert report.tasks[0].begins_after == window["start"]
    from mandat.cli.run import show
    from mandat.cli.screen import Screen

    show(Screen(), report)
    assert "before its window" in capsys.readouterr().err
    activate(site, wanted(site, "LI-0002"))
    assert [task.begins_after for task in run(site).tasks] == [""]


def test_records_that_could_not_be_stored_are_counted_as_lost(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    activate(site, document(site, **RETENTION))
    whole = run(site).tasks[0]
    assert (whole.lost_records, whole.call_records > 0) == (0, True)

    def full(*_: object) -> None:
        raise StoreError("disk_write", "full")

    monkeypatch.setattr(EmbeddedStore, "put", full)
    report = run(site)
    assert report.tasks[0].lost_records == whole.call_records
    assert [fault["code"] for fault in report.faults] == ["disk_write"]
    said = site.events("LI-0001")[-1].fields()
    assert (said["kind"], said["count"], said["dropped"]) == ("match-summary", 0, whole.call_records)


def test_one_summary_that_cannot_be_logged_leaves_the_others(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for liid in ("LI-0001", "LI-0002"):
        activate(site, wanted(site, liid))
    plain = Site.record

    def some(self: Site, kind: str, liid: str, **fields: Any) -> int:
        if liid == "LI-0001":
            raise StoreError("disk_full", "full")
        return plain(self, kind, liid, **fields)

    monkeypatch.setattr(Site, "record", some)
    report = run(site)
    assert [fault["code"] for fault in report.faults] == ["disk_full"]
    assert [task.liid for task in report.tasks] == ["LI-0001", "LI-0002"]
    assert site.events("LI-0002")[-1].fields()["kind"] == "match-summary"


def test_a_target_need_not_stand_on_the_command_line(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "targets"
    file.write_text("+33639980001\n\n  sip:a@example.org \n")
    arguments = ["warrant", "new", "intercept", "--target", f"@{file}", "--keyword", "@@at"]
    assert main(arguments) == 0
    made = json.loads(capsys.readouterr().out)
    assert [target["value"] for target in made["targets"]] == ["+33639980001", "sip:a@example.org"]
    assert made["criteria"][0]["value"] == "@at"


@pytest.mark.parametrize("content", [None, b"", b"\xff+33639980001", b"+33639980001\n" * 100_000])
def test_a_wrong_file_of_targets_is_told_without_what_it_holds(
    tmp_path: Path, capsys: Any, content: bytes | None
) -> None:
    file = tmp_path / "targets"
    if content is not None:
        file.write_bytes(content)
    assert main(["warrant", "new", "intercept", "--target", f"@{file}"]) == 2
    assert "33639980001" not in "".join(capsys.readouterr())


def test_what_a_crash_left_approved_can_be_put_in_force(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import UTC, datetime, timedelta

    now = datetime.now(UTC).replace(microsecond=0)
    window = {"start": f"{now:%Y-%m-%dT%H:%M:%SZ}", "end": f"{now + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"}
    site.add_warrant(json.dumps(json.loads(wanted(site)) | {"window": window}).encode())

    def full(*_: object) -> None:
        raise StoreError("disk_full", "full")

    site.approve("LI-0001", key(site, 1))
    with monkeypatch.context() as patch:
        patch.setattr(Site, "_activate", full)
        with pytest.raises(StoreError):
            site.approve("LI-0001", key(site, 2))
    assert main(["warrant", "activate", "LI-0001", "--site", str(site.root)]) == 0
    assert site.show("LI-0001").state == "active"
