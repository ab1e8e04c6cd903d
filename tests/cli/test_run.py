"""The whole way: a run on the bundled capture, what it keeps, and how it ends when something is wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mandat.cli.demo_lab import DISCLOSURE, NOW_NS, find_capture, warrant_documents
from mandat.cli.progress import describe
from mandat.mediation.run import Runner, RunReport
from mandat.site import Site
from tests.cli.conftest import Mandat

CAPTURE = find_capture(None)
TRUTH = json.loads(CAPTURE.with_suffix(".truth.json").read_bytes())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """The demo's site, with its warrants in force."""
    made = Site.init(tmp_path / "site", lab=True, actor="test")
    recipient = (made.root / "lab/agency.pub").read_text().strip()
    for liid, document in warrant_documents(TRUTH, recipient).items():
        made.add_warrant(document, now_ns=NOW_NS)
        for number in (1, 2):
            made.approve(liid, made.root / f"lab/approver-{number}.key", now_ns=NOW_NS)
    return made


def go(site: Site, *captures: Path) -> RunReport:
    return Runner(site, [str(path) for path in captures], NOW_NS).go(lambda _: None, lambda: False)


def test_the_demo_finds_what_its_truth_says(mandat: Mandat, tmp_path: Path) -> None:
    begun = time.monotonic()
    code, out, err = mandat("demo", "--dir", tmp_path)
    assert code == 0, out + err
    assert time.monotonic() - begun < 60
    for refusal in ("approvals_missing", "window_over", "not_in_log"):
        assert refusal in out
    assert "ADMITTED" not in out
    assert len(list((tmp_path / "opened").glob("*.wav"))) == 1


def test_the_log_has_every_act_and_no_identity(site: Site, mandat: Mandat) -> None:
    go(site, CAPTURE)
    key = site.root / "lab/agency.key"
    assert mandat("calls", "list", "--site", site.root)[0] == 0
    assert mandat("calls", "show", "LI-DEMO-CALLS", 1, "--identity", key, "--site", site.root)[0] == 0
    code, out, _ = mandat("log", "show", "--site", site.root, "--json")
    entries = json.loads(out)["entries"]
    assert code == 0
    assert {"activate", "approve", "match-summary", "search", "access"} <= {
        entry["kind"] for entry in entries
    }
    for secret in (TRUTH["target"].lstrip("+"), TRUTH["keyword"], TRUTH["domain"]):
        assert secret not in out
    assert mandat("log", "verify", "--site", site.root)[0] == 0


def test_numbers_go_on_in_the_next_run(site: Site, mandat: Mandat) -> None:
    first, second = go(site, CAPTURE), go(site, CAPTURE)
    calls = [next(t for t in report.tasks if t.liid == "LI-DEMO-CALLS") for report in (first, second)]
    assert calls[1].first_sequence == calls[0].next_sequence > 0
    _, out, _ = mandat("calls", "list", "LI-DEMO-CALLS", "--site", site.root, "--json")
    cins = [call["cin"] for call in json.loads(out)["calls"]]
    assert len(cins) == len(set(cins)) == 14


def test_a_damaged_source_is_told_and_what_came_before_is_kept(site: Site, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(CAPTURE.read_bytes()[:500_000])
    report = go(site, cut)
    assert report.damaged_sources == 1
    assert "cut.pcap" in report.warnings[0]
    assert sum(task.sessions for task in report.tasks) > 0


def test_a_full_disk_is_told_and_exits_8(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from mandat.cli.run import exit_code
    from mandat.errors import StoreError

    def full(*_: object) -> None:
        raise StoreError("disk_write", "No space left on device", advice="free some space")

    monkeypatch.setattr("mandat.store.EmbeddedStore.put", full)
    report = go(site, CAPTURE)
    assert [fault["code"] for fault in report.faults] == ["disk_write"]
    assert exit_code(report) == 8
    assert next(t for t in report.tasks if t.liid == "LI-DEMO-CALLS").recordings == 7


def test_a_disclosure_tells_of_one_person_alone(site: Site) -> None:
    from mandat.records.disclose import disclose

    go(site, CAPTURE)
    found = disclose(site, DISCLOSURE, NOW_NS)
    target = TRUTH["target"].lstrip("+")
    assert len(found.records) == 7
    assert all(target in {record.caller, record.callee} for record in found.records)
    last = site.events(DISCLOSURE)[-1].fields()
    assert (last["kind"], last["count"], last["records_root"]) == ("access", 7, found.digest)


def test_no_retained_record_names_anyone(site: Site) -> None:
    go(site, CAPTURE)
    kept = b"".join(path.read_bytes() for path in (site.root / "records").rglob("*") if path.is_file())
    assert len(kept) > 3000
    for call in TRUTH["calls"]:
        number = call["from"].partition(":")[2].partition("@")[0].lstrip("+")
        assert number.encode() not in kept


def test_sigterm_ends_a_run_cleanly(site: Site) -> None:
    """From a pipe that never ends: a run on it goes on until somebody stops it."""
    probe = (
        "import sys, time; from mandat.mediation import run; from mandat.cli import main; "
        f"time.time_ns = lambda: {NOW_NS}; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", probe, "run", "-", "--site", str(site.root), "--json"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        octets = CAPTURE.read_bytes()
        process.stdin.write(octets[:600_000])
        process.stdin.flush()
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(octets[600_000:], timeout=60)
    report = json.loads(out)
    assert process.returncode in {0, 128 + signal.SIGTERM}, err
    assert sum(task["sessions"] for task in report["tasks"]) > 0
    assert Site.open(site.root).verify_log().size > 20


def test_the_progress_line_says_rate_and_time_left() -> None:
    line = describe({"octets_read": 500, "octets_total": 1000, "packets": 4000, "capture_ns": 0}, 2.0)
    assert "50%" in line
    assert "2,000/s" in line
    assert "2 s left" in line
    assert "%" not in describe({"octets_read": 500, "octets_total": None, "packets": 4, "capture_ns": 0}, 2.0)


def test_a_run_without_retention_never_loads_pyarrow(site: Site) -> None:
    site.revoke("LI-DEMO-RETENTION", "other")
    probe = (
        f"import sys, time; time.time_ns = lambda: {NOW_NS}; from mandat.cli import main; "
        f"code = main(['run', {str(CAPTURE)!r}, '--site', {str(site.root)!r}]); "
        "print(code, 'pyarrow' in sys.modules, 'rich' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.stdout.splitlines()[-1] == "0 False False", done.stderr
