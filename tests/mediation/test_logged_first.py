"""Nothing is decrypted before its entry is in the log: a reader that is killed half-way has left its trace."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mandat.errors import StoreError
from mandat.mediation.index import Service
from mandat.mediation.keys import read_identities
from mandat.mediation.product import Reader
from mandat.mediation.recording import open_recording
from mandat.records.disclose import disclose
from mandat.site import Site
from tests.test_races import run, wanted
from tests.test_site import NOW, activate, document

LIID = "LI-0001"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site.init(tmp_path / "site", lab=True, origin="example.org/site", actor="desk")
    activate(site, wanted(site))
    run(site)
    return site


def last(site: Site, liid: str = LIID) -> dict[str, Any]:
    return site.events(liid)[-1].fields()


@pytest.mark.parametrize(
    ("read", "kind", "what"),
    [
        (lambda reader, keys: reader.rows(Service.CALL, LIID, keys), "access", "access.call"),
        (lambda reader, keys: reader.table(Service.CALL, LIID, keys), "export", "export.call"),
    ],
)
def test_a_read_that_dies_while_decrypting_is_in_the_log(
    site: Site, monkeypatch: pytest.MonkeyPatch, read: Callable[..., Any], kind: str, what: str
) -> None:
    keys = read_identities(site.root / "lab/agency.key")
    count = len(Reader(site).rows(Service.CALL, LIID, keys))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    before = len(site.events(LIID))
    monkeypatch.setattr("mandat.mediation.product.decrypt", die)
    with pytest.raises(KeyboardInterrupt):
        read(Reader(site), keys)
    assert len(site.events(LIID)) == before + 1
    assert (last(site)["kind"], last(site)["what"], last(site)["count"]) == (kind, what, count)


def test_a_log_that_takes_nothing_lets_nobody_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    monkeypatch.setattr("mandat.mediation.product.decrypt", lambda *given: opened.append(given))

    def full(*_: object) -> None:
        raise StoreError("disk_full", "full")

    monkeypatch.setattr(Site, "_append", full)
    monkeypatch.setattr(Site, "_defer", full)
    with pytest.raises(StoreError):
        Reader(site).rows(Service.CALL, LIID, [])
    assert opened == []


def test_a_disclosure_that_dies_while_searching_is_in_the_log(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    period = {"start": "2026-05-01T00:00:00Z", "end": "2026-07-01T00:00:00Z"}
    scope = {"retention_liid": "LI-0002", "period": period, "services": ["call"]}
    retention = {"kind": "retention", "targets": [], "recipients": [], "product": "IRI"}
    activate(site, document(site, liid="LI-0002", retention={"days": 30}, **retention))
    run(site)
    activate(site, document(site, liid="LI-0003", kind="disclosure", product="IRI", disclosure=scope))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mandat.store.EmbeddedStore.find", die)
    with pytest.raises(KeyboardInterrupt):
        disclose(site, "LI-0003", NOW)
    assert (last(site, "LI-0003")["kind"], last(site, "LI-0003")["what"]) == ("search", "disclose.call")


def test_a_link_laid_in_the_output_is_not_followed(site: Site, tmp_path: Path) -> None:
    """The output may be a directory where others write: no name there can be foreseen, and no link is followed."""
    keys = read_identities(site.root / "lab/agency.key")
    recording = Reader(site).recordings(LIID)[0]
    output, victim = tmp_path / "out", tmp_path / "victim"
    output.mkdir()
    victim.write_text("mine")
    name = f"{LIID}-{recording.cin:010d}.pcapng"
    (output / f".{name}.part").symlink_to(victim)
    (output / name).symlink_to(victim)
    opened = open_recording(site.root / "product", recording, keys, output)
    assert victim.read_text() == "mine"
    assert opened.evidence is not None
    assert not opened.evidence.is_symlink()
    assert opened.evidence.stat().st_mode & 0o777 == 0o600
