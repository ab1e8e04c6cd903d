"""An overseer's visit by commands, on a lab site after acts."""

import json
from pathlib import Path

from mandat.site import Site


def test_an_overseer_explains_every_leaf(mandat, tmp_path: Path) -> None:
    site = Site.init(tmp_path / "site", lab=True, origin="example.org/site", actor="desk")
    assert mandat("overseer", "init", tmp_path / "o")[0] == 0
    recipient = (tmp_path / "o/overseer.pub").read_text().strip()
    pack = tmp_path / "pack.age"
    assert mandat("overseer", "pack", "--to", recipient, "-o", pack, "--site", site.root)[0] == 0
    vkey = (site.root / "keys/log.vkey").read_text().strip()
    call = ("audit", site.root / "log", "--key", vkey, "--json")
    code, out, _ = mandat(*call, "--pack", pack, "--identity", tmp_path / "o/overseer.key")
    found = json.loads(out)
    assert (code, found["opened"], found["unexplained"], found["findings"]) == (0, 1, 0, [])
    assert found["dummies"] == found["size"] - 1
    code, out, _ = mandat(*call)
    assert (code, json.loads(out)["unexplained"]) == (21, found["size"])
