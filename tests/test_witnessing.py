"""A site with witnesses, through its front door: nothing starts without a quorum, and nothing that stops waits."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mandat.cli import main
from mandat.doctor import examine
from mandat.errors import LogError, Refusal
from mandat.log import LogFault
from mandat.log.policy import Policy
from mandat.log.witness import Witness
from mandat.log.witness_server import WitnessServer
from mandat.site import Site, witnessing
from tests.test_site import NOW, document, key

Served = Callable[[], None]


class Party:
    """A witness that can be switched off and on at one address."""

    def __init__(self, directory: Path, name: str, vkey: str) -> None:
        self.witness = Witness.create(directory, name)
        self.witness.add_log(vkey)
        self.port = 0
        self.up()

    def up(self) -> None:
        self.server = WitnessServer(self.witness, "127.0.0.1", self.port)
        self.port = int(self.server.socket.getsockname()[1])
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def down(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def line(self, name: str) -> str:
        return f"witness {name} {self.witness.cosigners[1].vkey} http://127.0.0.1:{self.port}\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(witnessing, "QUORUM_SECONDS", 1.0)
    monkeypatch.setattr(witnessing, "_PAUSE_SECONDS", 0.1)
    return Site.init(tmp_path / "site", lab=True, origin="example.org/site", actor="desk")


@pytest.fixture
def parties(site: Site, tmp_path: Path) -> Iterator[list[Party]]:
    """The overseer's witness and two others; quorum: the overseer's and one of the others."""
    vkey = site.keys.log_verifier().vkey
    found = [Party(tmp_path / f"w{n}", f"w{n}.example", vkey) for n in range(3)]
    lines = f"log {vkey}\n" + "".join(party.line(f"w{n}") for n, party in enumerate(found))
    policy = site.root / "witness-policy"
    policy.write_text(f"{lines}group others any w1 w2\ngroup both all w0 others\nquorum both\n")
    policy.chmod(0o600)
    yield found
    for party in found:
        if party.thread.is_alive():
            party.down()


def settled(site: Site) -> None:
    """Wait for what goes on beside the acts."""
    end = time.monotonic() + 10
    while site.witnessing._worker is not None and time.monotonic() < end:
        time.sleep(0.01)


def approve(site: Site) -> str:
    site.approve("LI-0001", key(site, 1), NOW)
    return site.approve("LI-0001", key(site, 2), NOW).state


def test_a_warrant_starts_with_a_quorum_and_its_proof_holds_offline(
    site: Site, parties: list[Party], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.add_warrant(document(site), now_ns=NOW)
    assert approve(site) == "active"
    settled(site)
    standing = site.witnessing.standing()
    assert (standing.gap, {w.result for w in standing.witnesses}) == (0, {"cosigned"})
    assert len(site.offer(NOW).admissions) == 1
    assert site.verify_log().size == standing.size
    # What comes after a quorum's signatures says which checkpoint it is not older than.
    cosigned = hashlib.sha256((site.log / "cosigned").read_bytes()).hexdigest()
    site.record("access", liid="LI-0001", count=1)
    assert site.events("LI-0001")[-1].fields()["witnessed"] == cosigned
    file, policy = tmp_path / "a.tlog-proof", site.root / "witness-policy"
    assert main(["log", "proof", "LI-0001", "--site", str(site.root), "-o", str(file)]) == 0
    capsys.readouterr()
    command = ["log", "check-proof", str(file), "--policy", str(policy), "--json"]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["facts"]["kind"] == "activate"
    assert {"w0"} < set(told["cosigned"]) <= {"w0", "w1", "w2"}
    index = told["index"]
    file.write_bytes(file.read_bytes().replace(b"\nindex %d" % index, b"\nindex %d" % (index ^ 1)))
    assert main(command) == 6
    assert main(["log", "check-proof", str(tmp_path / "none"), "--policy", str(policy)]) == 2


def test_without_a_quorum_nothing_starts_until_it_is_there(site: Site, parties: list[Party]) -> None:
    site.add_warrant(document(site), now_ns=NOW)
    settled(site)
    parties[0].down()
    with pytest.raises(Refusal) as refused:
        approve(site)
    assert refused.value.code == "quorum_missing"
    assert "w0 unreachable" in refused.value.message
    assert site.show("LI-0001").state == "approved"
    assert site.offer(NOW).admissions == []
    with pytest.raises(Refusal):
        site.activate("LI-0001", NOW)
    settled(site)
    assert site.witnessing.standing().gap > 0
    check = next(c for c in examine(site.root) if c.name == "witnesses")
    assert (check.state, "w0 unreachable" in check.advice) == ("fault", True)
    size = site.verify_log().size
    parties[0].up()
    assert site.activate("LI-0001", NOW).state == "active"
    # One activation was logged, however often it was tried.
    assert site.verify_log().size == size
    assert site.verify_log().kinds["activate"] == 1
    settled(site)
    assert next(c for c in examine(site.root) if c.name == "witnesses").state == "ok"


def test_stops_and_what_runs_never_wait_for_witnesses(site: Site, parties: list[Party]) -> None:
    site.add_warrant(document(site), now_ns=NOW)
    approve(site)
    for party in parties:
        party.down()
    assert len(site.offer(NOW).admissions) == 1
    site.record("access", "LI-0001", count=1)
    begun = time.monotonic()
    assert site.revoke("LI-0001", "error").state == "revoked"
    assert time.monotonic() - begun < 0.5
    assert site.offer(NOW).admissions == []
    settled(site)


def test_a_warrant_revoked_while_it_waits_does_not_start(site: Site, parties: list[Party]) -> None:
    site.add_warrant(document(site), now_ns=NOW)
    parties[0].down()
    site.approve("LI-0001", key(site, 1), NOW)
    failed: list[str] = []

    def second() -> None:
        try:
            site.approve("LI-0001", key(site, 2), NOW)
        except Refusal as refusal:
            failed.append(refusal.code)

    waiting = threading.Thread(target=second)
    waiting.start()
    while site.show("LI-0001").activated is None:
        time.sleep(0.01)
    other = Site.open(site.root)
    begun = time.monotonic()
    other.revoke("LI-0001", "error")
    assert time.monotonic() - begun < 0.6
    parties[0].up()
    waiting.join()
    assert failed in (["state_forbids"], ["quorum_missing"])
    assert site.show("LI-0001").state == "revoked"
    settled(site)
    settled(other)


def test_a_wrong_policy_stops_starts_and_is_told(site: Site, parties: list[Party]) -> None:
    policy = site.root / "witness-policy"
    right = policy.read_text()
    for wrong in ("", "quorum x\n", right.replace(right.splitlines()[0], "log " + "x" * 60)):
        policy.write_text(wrong)
        with pytest.raises(LogError):
            site.witnessing.standing()
        assert next(c for c in examine(site.root) if c.name == "witnesses").state == "fault"
    site.add_warrant(document(site), now_ns=NOW)
    settled(site)
    with pytest.raises(LogError):
        approve(site)
    assert site.show("LI-0001").state == "approved"
    assert main(["log", "cosign", "--site", str(site.root)]) == 6
    policy.write_text(right)
    assert site.activate("LI-0001", NOW).state == "active"
    settled(site)


def test_a_restored_site_is_found_out_by_its_witnesses(
    site: Site, parties: list[Party], tmp_path: Path
) -> None:
    import shutil

    site.add_warrant(document(site), now_ns=NOW)
    settled(site)
    shutil.copytree(site.root, tmp_path / "backup")
    approve(site)
    settled(site)
    old = Site.open(tmp_path / "backup")
    assert {o.result.value for o in old.witnessing.submit()} == {"ahead"}
    assert next(c for c in examine(old.root) if c.name == "witnesses").state == "fault"
    # Even when it is made as long again it is another history.
    for _ in range(3):
        old.record("access", "LI-0001", count=1)
    settled(old)
    assert {o.result.value for o in old.witnessing.submit()} == {"fork"}
    assert any(seen.forked for seen in parties[0].witness.logs())


def test_a_site_without_a_policy_asks_nobody(site: Site) -> None:
    site.add_warrant(document(site), now_ns=NOW)
    assert approve(site) == "active"
    assert site.witnessing._worker is None
    assert not (site.root / "log/cosigned").exists()
    proof = site.proof("LI-0001")
    own = Policy.parse(f"log {site.keys.log_verifier().vkey}\nquorum none\n".encode())
    with pytest.raises(LogFault):
        proof.verify(own, b"another entry")


def test_a_site_from_before_the_second_key_goes_on_with_one(site: Site) -> None:
    before = (site.log / "checkpoint").read_text().count("\u2014")
    for name in ("log.mldsa.key", "log.mldsa.vkey"):
        (site.root / "keys" / name).unlink()
    old = Site.open(site.root)
    old.add_warrant(document(old), now_ns=NOW)
    assert (before, (site.log / "checkpoint").read_text().count("\u2014")) == (2, 1)
    assert any(c.name == "log keys" and c.state == "warning" for c in examine(site.root))
    # A key that is lost is told, and the log isn't signed with one key as if it had never had two.
    (site.root / "keys/log.mldsa.vkey").write_text("x")
    with pytest.raises(Exception, match="can't be read"):
        Site.open(site.root).record("access", "LI-0001", count=1)


def test_a_witness_from_the_command_line(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(tmp_path / "w")
    assert main(["witness", "init", place, "--name", "w.example", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["vkeys"]) == {"ed25519_cosignature", "ml_dsa_44"}
    assert main(["witness", "add-log", place, site.keys.log_verifier().vkey]) == 0
    assert main(["witness", "show", place, "--json"]) == 0
    shown = capsys.readouterr().out.splitlines()[-1]
    assert json.loads(shown)["logs"][0]["origin"] == "example.org/site"
    assert main(["witness", "show", str(tmp_path / "none")]) == 6
    assert main(["witness", "add-log", place, "nonsense"]) == 6
    assert main(["witness", "serve", place, "--listen", "nowhere"]) == 2
