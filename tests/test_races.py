"""Two processes at one site, and a desk that acts while a run is under way."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mandat.errors import MandatError, SiteError
from mandat.mediation.run import Runner, RunReport
from mandat.site import Site
from tests.test_site import NOW, activate, document, key

TARGETS = [{"type": "e164Number", "value": "+33639980101"}]  # calls in the capture
CAPTURE = Path(__file__).parent.parent / "captures/demo.pcap"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.init(tmp_path / "site", lab=True, origin="example.org/site", actor="desk")


def wanted(site: Site, liid: str = "LI-0001") -> bytes:
    return document(site, liid=liid, targets=TARGETS)


def run(site: Site) -> RunReport:
    return Runner(site, [str(CAPTURE)], NOW).go(lambda _: None, lambda: False)


def test_two_runs_at_once_would_number_twice_so_the_second_is_refused(site: Site) -> None:
    activate(site, wanted(site))
    first = Runner(site, [str(CAPTURE)], NOW)
    with pytest.raises(SiteError) as refused:
        Runner(Site.open(site.root), [str(CAPTURE)], NOW)
    assert refused.value.code == "site_busy"
    report = first.go(lambda _: None, lambda: False)
    assert report.tasks[0].sessions > 0
    run(site)  # the first has let go


def test_a_run_that_could_not_begin_lets_go(site: Site) -> None:
    for _ in range(2):
        with pytest.raises(MandatError) as refused:
            run(site)
        assert refused.value.code == "nothing_in_force"


def test_two_approvals_at_once_are_both_kept(site: Site) -> None:
    """Each reads the warrant and writes it back; without a lock one is lost although the log has it."""
    for number in range(5):
        liid = site.add_warrant(document(site, liid=f"LI-{number}"), now_ns=NOW).liid
        begin = threading.Barrier(2)

        def approve(approver: int, liid: str = liid, begin: threading.Barrier = begin) -> None:
            begin.wait()
            Site.open(site.root, "desk").approve(liid, key(site, approver), NOW)

        threads = [threading.Thread(target=approve, args=(approver,)) for approver in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        summary = site.show(liid)
        assert (summary.state, len(summary.approvers)) == ("active", 2)


def test_a_warrant_that_is_revoked_during_a_run_selects_nothing_more(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mandat.mediation.run.HEED_SECONDS", 0.0)
    monkeypatch.setattr("mandat.mediation.run.FIRST_STEP", 200)
    monkeypatch.setattr("mandat.mediation.run.STEP_PACKETS", 200)
    activate(site, wanted(site))
    activate(site, wanted(site, "LI-0002"))
    whole = {task.liid: task.iri for task in run(site).tasks}
    assert whole["LI-0001"] == whole["LI-0002"] > 2
    other = Site.open(site.root, "desk")
    steps = 0

    def revoke(_: object) -> None:
        nonlocal steps
        steps += 1
        if steps == 3:
            other.revoke("LI-0001", "error")

    report = Runner(site, [str(CAPTURE)], NOW).go(revoke, lambda: False)
    first, second = report.tasks
    assert (first.withdrawn, second.withdrawn) == (True, False)
    assert first.iri < second.iri == whole["LI-0002"]
    kinds = [str(event.fields()["kind"]) for event in site.events("LI-0001")]
    assert kinds[-2:] == ["deactivate", "match-summary"]


def test_a_lock_dies_with_its_holder(site: Site) -> None:
    activate(site, wanted(site))
    program = (
        "import os, sys; from pathlib import Path; from mandat.site import Site\n"
        "Site.open(Path(sys.argv[1])).at_point().__enter__(); os._exit(9)"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(site.root)], check=False)
    assert killed.returncode == 9
    assert run(site).tasks
