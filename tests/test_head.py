"""The point's own memory of the log: what it accepted once is never taken back, whatever the desk hands over."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mandat.core import translated
from mandat.errors import LogError, Refusal
from mandat.log import Checkpoint
from mandat.mediation.run import Runner
from mandat.site import Site
from tests.test_site import NOW, activate, document

CAPTURE = Path(__file__).parent.parent / "captures/demo.pcap"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.init(tmp_path / "site", lab=True, origin="example.org/site", actor="desk")


def pinned(site: Site) -> int:
    return Checkpoint.open((site.root / "point/head").read_bytes(), site.keys.log_verifier()).size


def signed(site: Site) -> int:
    return Checkpoint.open(site.checkpoint(), site.keys.log_verifier()).size


def answer(config: bytes, bundle: bytes) -> str:
    """What the core itself says, with nothing of ours in between."""
    try:
        with translated() as core:
            core.check_admission(config, bundle, NOW)
    except Refusal as refusal:
        return refusal.code
    return "admitted"


def copy(site: Site, to: Path) -> Site:
    shutil.copytree(site.root, to)
    return Site.open(to, "desk")


def test_each_bundle_proves_that_the_log_extends_what_the_point_accepted(site: Site) -> None:
    activate(site)
    site.record("access", liid="LI-0001", count=1)  # 5 entries, then 9: a proof of several hashes
    site.pin_head(site.checkpoint())
    activate(site, document(site, liid="LI-0002"))
    offer = site.offer(NOW)
    assert json.loads(offer.config)["head"].encode() == (site.root / "point/head").read_bytes()
    for admission in offer.admissions:
        bundle = json.loads(admission.bundle)
        assert bundle["consistency"]
        assert answer(offer.config, admission.bundle) == "admitted"
        # The core needs the proof: without it, or with another one, it takes nothing.
        for changed in ([], bundle["consistency"][1:], bundle["consistency"][::-1]):
            other = json.dumps(bundle | {"consistency": changed}).encode()
            assert answer(offer.config, other) == "log_forked"


def test_the_core_itself_refuses_a_log_that_was_rolled_back(site: Site, tmp_path: Path) -> None:
    activate(site)
    backup = copy(site, tmp_path / "backup")
    site.record("access", liid="LI-0001", count=1)
    site.pin_head(site.checkpoint())
    # The older log is sound in itself; only the head that the point accepted tells.
    (old,) = backup.offer(NOW).admissions
    assert answer(backup.point_config(), old.bundle) == "admitted"
    assert answer(site.point_config(), old.bundle) == "log_forked"


def test_the_core_itself_refuses_a_log_that_was_forked(site: Site, tmp_path: Path) -> None:
    """Truncated, written anew and signed with the log's own key: as long as the true one, and longer."""
    activate(site)
    fork = copy(site, tmp_path / "fork")
    site.record("access", liid="LI-0001", count=1)
    site.pin_head(site.checkpoint())
    for _ in range(2):
        fork.record("access", liid="LI-0001", count=2)
        (admission,) = fork.offer(NOW).admissions
        assert answer(fork.point_config(), admission.bundle) == "admitted"
        assert answer(site.point_config(), admission.bundle) == "log_forked"


def test_a_run_pins_the_head_only_once_the_core_has_accepted_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    activate(site)
    before = pinned(site)
    plain = Site.offer

    def spoilt(self: Site, now_ns: int | None = None) -> Any:
        offer = plain(self, now_ns)
        for admission in offer.admissions:
            bundle = json.loads(admission.bundle) | {"proof": []}
            object.__setattr__(admission, "bundle", json.dumps(bundle).encode())
        return offer

    with monkeypatch.context() as patch:
        patch.setattr(Site, "offer", spoilt)
        with pytest.raises(Refusal, match="log"):
            Runner(site, [str(CAPTURE)], NOW)
    assert pinned(site) == before
    with_all = signed(site)
    Runner(site, [str(CAPTURE)], NOW).go(lambda _: None, lambda: False)
    assert pinned(site) == with_all


def test_the_end_of_a_warrant_moves_the_head(site: Site, tmp_path: Path) -> None:
    """Else the log from before it could be put back, and the warrant would be in force again."""
    activate(site)
    backup = copy(site, tmp_path / "backup")
    site.revoke("LI-0001", "error")
    assert pinned(site) == signed(site)
    (old,) = backup.offer(NOW).admissions
    assert answer(site.point_config(), old.bundle) == "log_forked"


def test_the_pin_never_moves_back(site: Site, tmp_path: Path) -> None:
    activate(site)
    earlier = site.checkpoint()
    fork = copy(site, tmp_path / "fork")
    site.record("access", liid="LI-0001", count=1)
    site.pin_head(site.checkpoint())
    at = pinned(site)
    site.pin_head(earlier)  # of a run that began earlier and was slower
    assert pinned(site) == at
    fork.record("access", liid="LI-0001", count=2)
    fork.record("access", liid="LI-0001", count=2)
    with pytest.raises(LogError):
        site.pin_head(fork.checkpoint())
    assert pinned(site) == at


def test_a_site_without_its_head_admits_nothing(site: Site) -> None:
    activate(site)
    (site.root / "point/head").unlink()
    with pytest.raises(Exception, match="can't be read"):
        site.offer(NOW)
