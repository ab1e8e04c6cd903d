"""Every way without authority, through the front door of a site."""

import errno
import json
import os
import shutil
import subprocess
import sys
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mandat.errors import LogError, MandatError, Refusal, SiteError, StoreError, UsageError, WarrantError
from mandat.log import Checkpoint, Signer, Verifier
from mandat.log.entry import commit, read_disclosure
from mandat.log.merkle import leaf_hash, verify_inclusion
from mandat.site import REVOCATIONS, Admission, Site, files
from mandat.warrant import Approver, parse_warrant, sign

NUMBER = "+33639980001"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


NOW, BEFORE, AFTER = at("2026-06-01T09:00:00"), at("2025-12-31T23:59:59"), at("2026-12-31T00:00:00")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.init(tmp_path / "site", lab=True, origin="example.org/site", actor="desk")


def document(site: Site, **changes: Any) -> bytes:
    warrant = {
        "version": 1, "reference": "FR-2026-0001", "liid": "LI-0001", "kind": "intercept",
        "legal_basis": "section 1", "issuing_authority": "court", "requester": "officer 1",
        "targets": [{"type": "e164Number", "value": NUMBER}], "criteria": [], "product": "IRIandCC",
        "window": {"start": "2026-01-01T00:00:00Z", "end": "2026-12-31T00:00:00Z"},
        "recipients": [(site.root / "lab/agency.pub").read_text().strip()],
    }  # fmt: skip
    return json.dumps(warrant | changes).encode()


def screening(site: Site, **changes: Any) -> bytes:
    keyword = {"type": "keyword", "value": "saffron", "whole_word": True}
    filled = {"kind": "screening", "targets": [], "criteria": [keyword], "product": "IRI"}
    return document(site, **(filled | {"ceiling": {"sessions": 10}} | changes))


def key(site: Site, number: int) -> Path:
    return site.root / f"lab/approver-{number}.key"


def activate(site: Site, data: bytes | None = None) -> str:
    liid = site.add_warrant(data or document(site), now_ns=NOW).liid
    site.approve(liid, key(site, 1), NOW)
    assert site.approve(liid, key(site, 2), NOW).state == "active"
    return liid


def offered(site: Site, now_ns: int) -> list[Admission]:
    return site.offer(now_ns).admissions


def kinds(site: Site) -> dict[str, int]:
    return {kind: count for kind, count in site.verify_log().kinds.items() if kind != "schedule"}


def code(call, *arguments, **named) -> str:
    with pytest.raises(MandatError) as refused:
        call(*arguments, **named)
    assert NUMBER[1:] not in refused.value.diagnostics()
    return refused.value.code


# ------------------------------------------------------------ what an authority gives


def test_an_approved_warrant_gives_a_bundle_that_proves_itself(site: Site) -> None:
    activate(site)
    site.record("access", liid="LI-0001", count=2)
    (admission,) = offered(site, NOW)
    bundle = json.loads(admission.bundle)
    assert set(bundle) == {
        "warrant", "approvals", "entry", "opening", "disclosures", "index", "proof", "checkpoint",
        "consistency",
    }  # fmt: skip
    config = json.loads(site.point_config())
    # (1) the warrant's own octets, and approvals over them by pinned people
    warrant = bundle["warrant"].encode()
    assert parse_warrant(warrant).canonical == warrant
    pinned = {item["name"]: Verifier.parse(item["vkey"]) for item in config["approvers"]}
    assert len({item["approver"] for item in bundle["approvals"]}) == 2
    for item in bundle["approvals"]:
        assert set(item) == {"approver", "signature"}
        assert pinned[item["approver"]].verify(
            b"mandat/approval/v1\n" + warrant, b64decode(item["signature"], validate=True)
        )
    # (2) an entry that the signed log holds, and that opens to the activation of these octets
    log = Verifier.parse(config["log"]["vkey"])
    head = Checkpoint.open(bundle["checkpoint"].encode(), log)
    entry = b64decode(bundle["entry"])
    proof = [b64decode(item) for item in bundle["proof"]]
    assert verify_inclusion(leaf_hash(entry), bundle["index"], head.size, proof, head.root)
    assert commit(b64decode(bundle["opening"]), bundle["disclosures"]) == entry[41:]
    assert [read_disclosure(item) for item in bundle["disclosures"]][:-1] == [
        ("kind", "activate"), ("liid", "LI-0001"), ("authority_id", "FR-2026-0001"),
        ("authority_hash", parse_warrant(warrant).digest), ("valid_from", "2026-01-01T00:00:00Z"),
        ("valid_to", "2026-12-31T00:00:00Z"), ("actor", "desk"),
    ]  # fmt: skip
    assert read_disclosure(bundle["disclosures"][-1])[0] == "prev"


def test_the_log_tells_each_step(site: Site) -> None:
    liid = activate(site)
    site.record("match-summary", liid=liid, count=3, first_seq=0, last_seq=2)
    site.revoke(liid, "purpose_met")
    assert kinds(site) == {"activate": 1, "approve": 2, "authorise": 1, "deactivate": 1, "match-summary": 1}
    assert site.verify_log().unexplained == 0
    shown = site.show(liid)
    at = {event.fields()["kind"]: event.index for event in site.events(liid)}
    assert (shown.authorised, shown.activated) == (at["authorise"], at["activate"])
    assert (shown.ended, shown.purpose) == (at["deactivate"], "purpose_met")
    # Each act is a batch of four leaves, filled with dummies.
    assert site.verify_log().size % 4 == 0


def test_approvals_made_elsewhere_count(site: Site) -> None:
    data = document(site)
    warrant = parse_warrant(data)
    names = [approver.name for approver in site.keys.approvers()]
    signers = [Signer.parse(key(site, number).read_text().strip()) for number in (1, 2)]
    approvals = [sign(warrant, signer, name) for signer, name in zip(signers, names, strict=True)]
    assert site.add_warrant(data, approvals, now_ns=NOW).state == "active"


def test_no_screen_shows_a_target(site: Site) -> None:
    activate(site)
    activate(site, screening(site, liid="LI-0002"))
    shown = repr(site.warrants()) + repr(site.show("LI-0001"))
    assert NUMBER[1:] not in shown
    assert "saffron" not in shown
    assert [(item.targets, item.criteria) for item in site.warrants()] == [(1, 0), (0, 1)]


def test_the_log_and_its_openings_hold_no_target(site: Site) -> None:
    liid = activate(site)
    site.record("search", liid=liid, count=1, what="calls")
    everything = b""
    for directory in (site.log, site.openings):
        everything += b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())
    for event in site.events(liid):
        everything += json.dumps(event.fields()).encode()
    assert NUMBER[1:].encode() not in everything


# ------------------------------------------------------------ every way without authority


def test_without_enough_approvals_nothing_is_in_force(site: Site) -> None:
    site.add_warrant(document(site), now_ns=NOW)
    assert offered(site, NOW) == []
    assert code(site.admission, "LI-0001", NOW) == "warrant_added"
    assert code(site.activate, "LI-0001", NOW) == "approvals_missing"
    site.approve("LI-0001", key(site, 1), NOW)
    assert offered(site, NOW) == []
    assert code(site.activate, "LI-0001", NOW) == "approvals_missing"
    assert code(site.approve, "LI-0001", key(site, 1), NOW) == "approver_twice"
    assert "activate" not in kinds(site)


def test_a_stranger_cannot_approve(site: Site, tmp_path: Path) -> None:
    site.add_warrant(document(site), now_ns=NOW)
    stranger = tmp_path / "stranger.key"
    stranger.write_text(Signer.generate("example.org/stranger").skey)
    assert code(site.approve, "LI-0001", stranger, NOW) == "approver_unknown"
    stranger.write_text("not a key")
    assert code(site.approve, "LI-0001", stranger, NOW) == "key_damaged"
    assert code(site.approve, "LI-0001", tmp_path / "missing", NOW) == "key_missing"
    assert kinds(site) == {"authorise": 1}


def test_the_requester_cannot_approve(site: Site) -> None:
    site.add_warrant(document(site, requester="Lab Approver 1"), now_ns=NOW)
    assert code(site.approve, "LI-0001", key(site, 1), NOW) == "requester_approves"


def test_a_window_that_is_over_or_not_begun_gives_nothing(site: Site) -> None:
    activate(site)
    assert offered(site, BEFORE) == offered(site, AFTER) == []
    assert code(site.admission, "LI-0001", BEFORE) == "window_not_begun"
    assert code(site.admission, "LI-0001", AFTER) == "window_over"
    assert code(site.add_warrant, document(site, liid="LI-0002"), now_ns=AFTER) == "window_over"
    site.add_warrant(document(site, liid="LI-0003"), now_ns=NOW)
    assert code(site.approve, "LI-0003", key(site, 1), AFTER) == "window_over"


def test_expired_warrants_end_in_the_log_and_stay_ended(site: Site) -> None:
    liid = activate(site)
    assert site.expire(NOW) == []
    assert site.expire(AFTER) == [liid]
    assert site.expire(AFTER) == []
    assert kinds(site)["deactivate"] == 1
    assert code(site.admission, liid, NOW) == "warrant_expired"
    assert code(site.activate, liid, NOW) == "state_forbids"
    assert code(site.approve, liid, key(site, 1), NOW) == "state_forbids"


def test_a_kind_that_the_policy_does_not_allow_is_refused(tmp_path: Path, site: Site) -> None:
    strict = Site.init(tmp_path / "strict", origin="example.org/strict")
    assert code(strict.add_warrant, screening(site), now_ns=NOW) == "kind_not_allowed"
    assert code(site.add_warrant, screening(site, product="IRIandCC"), now_ns=NOW) == "product_not_allowed"
    assert strict.warrants() == []


def test_a_policy_that_became_stricter_holds_for_what_was_activated(site: Site) -> None:
    activate(site)
    path = site.root / "config.json"
    path.write_bytes(path.read_bytes().replace(b'"intercept": 2', b'"intercept": 3', 1))
    again = Site.open(site.root)
    offer = again.offer(NOW)
    assert (offer.admissions, [refusal.code for refusal in offer.withheld]) == ([], ["approvals_missing"])


def test_a_revoked_warrant_stays_revoked(site: Site) -> None:
    liid = activate(site)
    assert code(site.revoke, liid, "because") == "reason_unknown"
    assert site.revoke(liid, REVOCATIONS[0]).state == "revoked"
    assert offered(site, NOW) == []
    assert code(site.revoke, liid, REVOCATIONS[0]) == "state_forbids"
    # Whoever writes `active` back meets the log.
    path = site.root / "warrants" / liid / "standing.json"
    path.write_text(json.dumps({"state": "active", "authorised": 0, "approved": [1, 2], "activated": 3}))
    assert code(site.admission, liid, NOW) == "ended_in_log"
    # Whoever takes the files away can't use the LIID anew.
    shutil.rmtree(path.parent)
    assert code(site.add_warrant, document(site), now_ns=NOW) == "liid_taken"


def test_a_suspended_warrant_stays_suspended(site: Site) -> None:
    liid = activate(site, screening(site))
    site.record("suspend", liid=liid, purpose="ceiling", count=11)
    assert site.show(liid).state == "suspended"
    assert offered(site, NOW) == []
    assert code(site.activate, liid, NOW) == "state_forbids"
    # A run that outlives its warrant still gets its fact into the log.
    site.revoke(liid, "error")
    site.record("suspend", liid=liid, purpose="ceiling")
    assert site.show(liid).state == "revoked"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b"+33639980001", b"+33639980002", "approval_wrong"),
        (b"2026-12-31", b"2027-01-01", "approval_wrong"),
        (b'"IRIandCC"', b'"IRI"', "approval_wrong"),
        (b'"version":1', b'"version": 1', "warrant_altered"),
        (b"LI-0001", b"LI-0002", "warrant_altered"),
        (b"{", b"", "document_not_json"),
    ],
)
def test_a_warrant_altered_after_approval_is_withheld(
    site: Site, old: bytes, new: bytes, expected: str
) -> None:
    liid = activate(site)
    path = site.root / "warrants" / liid / "canonical.json"
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    offer = site.offer(NOW)
    assert offer.admissions == []
    assert [refusal.code for refusal in offer.withheld] == [expected]


def test_one_bad_warrant_does_not_hold_up_the_others(site: Site) -> None:
    activate(site)
    activate(site, document(site, liid="LI-0002"))
    (site.root / "warrants/LI-0001/standing.json").write_bytes(b"{")
    offer = site.offer(NOW)
    assert [admission.liid for admission in offer.admissions] == ["LI-0002"]
    assert [refusal.where for refusal in offer.withheld] == ["LI-0001"]


def test_a_warrant_that_claims_to_be_active_needs_its_entry(site: Site) -> None:
    liid = site.add_warrant(document(site), now_ns=NOW).liid
    names = [approver.name for approver in site.keys.approvers()]
    directory = site.root / "warrants" / liid
    for number, name in enumerate(names, 1):
        signer = Signer.parse(key(site, number).read_text().strip())
        approval = sign(parse_warrant(document(site)), signer, name)
        (directory / "approvals").mkdir(exist_ok=True)
        (directory / f"approvals/0{number}.json").write_text(
            json.dumps({"approver": approval.approver, "key": approval.key, "signature": approval.signature})
        )
    (directory / "standing.json").write_text('{"state": "active", "activated": 0}')
    assert code(site.admission, liid, NOW) == "not_in_log"


def test_all_offers_of_one_run_rest_on_one_checkpoint(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may log an act between two offers."""
    activate(site)
    activate(site, document(site, liid="LI-0002"))
    other, plain = Site.open(site.root), Site._in_force

    def meanwhile(self: Site, *arguments: Any) -> Any:
        other.record("access", liid="LI-0001", count=1)
        return plain(self, *arguments)

    monkeypatch.setattr(Site, "_in_force", meanwhile)
    offers = [json.loads(admission.bundle) for admission in offered(site, NOW)]
    assert len(offers) == 2
    assert offers[0]["checkpoint"] == offers[1]["checkpoint"]


def test_a_pin_that_was_withdrawn_withdraws_its_approvals(site: Site) -> None:
    activate(site)
    site.pin_approvers(
        [site.keys.approvers()[0], Approver("new", Signer.generate("example.org/new").verifier.vkey)]
    )
    assert code(site.admission, "LI-0001", NOW) == "approver_unknown"


def test_a_liid_is_used_once(site: Site) -> None:
    site.add_warrant(document(site), now_ns=NOW)
    assert code(site.add_warrant, document(site, targets=[]), now_ns=NOW) == "field_wrong"
    assert code(site.add_warrant, document(site), now_ns=NOW) == "liid_taken"
    assert code(site.show, "LI-9999") == code(site.revoke, "../keys", "error") == "warrant_unknown"


def test_a_disclosure_is_in_force_but_selects_no_traffic(site: Site) -> None:
    period = {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}
    scope = {"retention_liid": "LI-0002", "period": period, "services": ["call"]}
    liid = activate(site, document(site, kind="disclosure", product="IRI", disclosure=scope))
    assert offered(site, NOW) == []
    assert site.authority(liid, NOW).liid == liid
    assert site.admission(liid, NOW).kind == "disclosure"


# ------------------------------------------------------------ the log under a site


def test_a_log_that_was_rolled_back_admits_nothing(site: Site, tmp_path: Path) -> None:
    """Log, openings and all, as from last night's backup: only what the point saw tells."""
    activate(site)
    for name in ("log", "openings"):
        shutil.copytree(site.root / name, tmp_path / "backup" / name)
    site.revoke("LI-0001", "error")
    assert offered(site, NOW) == []
    for name in ("log", "openings"):
        shutil.rmtree(site.root / name)
        shutil.move(tmp_path / "backup" / name, site.root / name)
    (site.root / "warrants/LI-0001/standing.json").write_text('{"state": "active", "activated": 3}')
    again = Site.open(site.root)
    for call in (again.offer, lambda now: again.admission("LI-0001", now)):
        with pytest.raises(LogError) as refused:
            call(NOW)
        assert refused.value.code == "log_forked"
    with pytest.raises(LogError):
        again.verify_log()


def test_a_damaged_log_takes_nothing_more(site: Site) -> None:
    activate(site)
    (site.log / "tile/0/000.p/20").write_bytes(bytes(640))
    again = Site.open(site.root)
    with pytest.raises(LogError):
        again.record("access", liid="LI-0001", count=1)
    with pytest.raises(LogError):
        again.revoke("LI-0001", "error")
    # Stopping doesn't wait for the log.
    assert again.show("LI-0001").state == "revoked"


def test_what_a_crash_left_unlogged_is_logged_later(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    activate(site)
    with monkeypatch.context() as patch:
        patch.setattr(Site, "_defer", lambda *_: (_ for _ in ()).throw(StoreError("disk_full", "full")))
        with pytest.raises(StoreError):
            site.revoke("LI-0001", "error")
    assert offered(site, NOW) == []
    assert "deactivate" not in kinds(site)
    site.expire(NOW)
    site.expire(NOW)
    assert kinds(site)["deactivate"] == 1


def test_an_activation_that_a_crash_cut_short_is_completed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add_warrant(document(site), now_ns=NOW)
    site.approve("LI-0001", key(site, 1), NOW)
    with monkeypatch.context() as patch:
        patch.setattr(Site, "_activate", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            site.approve("LI-0001", key(site, 2), NOW)
    assert site.show("LI-0001").state == "approved"
    assert site.activate("LI-0001", NOW).state == "active"


@pytest.mark.parametrize("fields", [{"count": 1, "number": NUMBER}, {"count": 1, "purpose": NUMBER}, {}])
def test_the_log_takes_only_facts(site: Site, fields: dict) -> None:
    assert code(site.record, "access", liid="LI-0001", **fields) == "log_bad_event"


# ------------------------------------------------------------ the directory


def test_a_site_is_private(site: Site) -> None:
    activate(site)
    site.period_key("LI-0002", "2026-06")
    for path in [site.root, *site.root.rglob("*")]:
        mode = path.stat().st_mode & 0o777
        if path.is_dir():
            assert mode == 0o700, path
        elif site.log not in path.parents:
            assert mode == 0o600, path


def test_a_lab_says_so(site: Site, tmp_path: Path) -> None:
    assert Site.open(site.root).lab
    plain = Site.init(tmp_path / "plain")
    assert not plain.lab
    assert not (plain.root / "lab").exists()
    assert json.loads(plain.point_config())["approvers"] == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda root: (root / "site.json").unlink(), "site_missing"),
        (lambda root: (root / "site.json").write_bytes(b"{"), "site_damaged"),
        (lambda root: (root / "site.json").write_bytes(b"[" * 100000), "site_damaged"),
        (lambda root: _version(root, 2), "site_version"),
        (shutil.rmtree, "site_missing"),
    ],
)
def test_what_is_no_site_of_this_version_is_refused(site: Site, change, expected: str) -> None:
    change(site.root)
    with pytest.raises(SiteError) as refused:
        Site.open(site.root)
    assert refused.value.code == expected
    assert refused.value.advice


def _version(root: Path, version: int) -> None:
    known = json.loads((root / "site.json").read_bytes())
    (root / "site.json").write_text(json.dumps(known | {"version": version}))


def test_a_site_is_made_once_and_only_in_an_empty_directory(site: Site, tmp_path: Path) -> None:
    assert code(Site.init, site.root) == "site_exists"
    (tmp_path / "file").write_text("")
    assert code(Site.init, tmp_path) == "site_exists"
    assert code(Site.init, tmp_path / "file/below") == "site_unwritable"
    assert code(Site.init, tmp_path / "new", origin="a b") == "origin_wrong"


def test_period_keys_are_made_once_for_each_month(site: Site) -> None:
    june, july = site.period_key("LI-0002", "2026-06"), site.period_key("LI-0002", "2026-07")
    assert len(june) == 32
    assert june != july
    assert Site.open(site.root).period_key("LI-0002", "2026-06") == june
    assert site.keys.periods("LI-0002") == ["2026-06", "2026-07"]
    for liid, period in (("../x", "2026-06"), ("LI-1", "2026-13"), ("LI-1", "2026-06/..")):
        with pytest.raises(UsageError):
            site.period_key(liid, period)
    with pytest.raises(SiteError):
        site.keys.period_key("LI-0003", "2026-06", make=False)


def test_run_ids_differ_and_name_files(site: Site) -> None:
    names = {site.new_run_id() for _ in range(50)}
    assert len(names) == 50
    assert all(name.replace("-", "").isalnum() for name in names)


@pytest.mark.parametrize(
    ("number", "kind", "expected"),
    [(errno.ENOSPC, StoreError, "disk_full"), (errno.EROFS, SiteError, "site_unwritable")],
)
def test_a_full_or_read_only_disk_is_told(
    site: Site, monkeypatch, number: int, kind: type, expected: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files, "write_atomic", fail)
    with pytest.raises(kind) as refused:
        site.add_warrant(document(site), now_ns=NOW)
    assert refused.value.code == expected
    assert refused.value.where
    assert refused.value.advice


def test_errors_have_their_exit_codes() -> None:
    codes = {
        kind: kind.exit_code for kind in (UsageError, Refusal, WarrantError, LogError, SiteError, StoreError)
    }
    assert list(codes.values()) == [2, 4, 5, 6, 7, 8]


def test_opening_a_site_loads_nothing_heavy(site: Site) -> None:
    program = (
        "import sys; from pathlib import Path; from mandat.site import Site\n"
        "Site.open(Path(sys.argv[1])).offer()\n"
        "print([name for name in ('pyarrow', 'pyrage', 'rich', 'jsonschema') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program, str(site.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
