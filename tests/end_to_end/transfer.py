"""A proxy (Kamailio) and three telephones (SIPp) that speak, and which sounds a warrant's recordings hold."""

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .dialog import NUMBERS, PORTS, PROXY
from .lab import Lab, program, tap
from .switch import ROUTING, kamailio

CAPTURED = "udp portrange 28060-28499"
MEDIA = {"target": 28100, "shop": 28200, "third": 28300}
SOUNDS = {
    "target": 0x11,
    "shop": 0x22,
    "third": 0x33,
    "target-later": 0x44,
    "shop-later": 0x55,
    "third-later": 0x66,
}
"""What is said, one octet for each sound: the payload of a packet tells who sent it, and when."""

INVITE = """
    if ($rU == "+{shop}") $du = "sip:127.0.0.1:{shop_port}";
    else if ($rU == "+{third}") $du = "sip:127.0.0.1:{third_port}";
    else $du = "sip:127.0.0.1:{target_port}";
    if ($hdr(X-Diverts) != $null) t_on_failure("DIVERT");
"""
DIVERT = """
failure_route[DIVERT] {{
    if (!t_check_status("302")) exit;
    $ru = "sip:+{third}@127.0.0.1:{third_port}";
    $du = "sip:127.0.0.1:{third_port}";
    append_hf("Diversion: <sip:+{shop}@127.0.0.1>;reason=unconditional\\r\\n");
    append_hf("History-Info: <sip:+{shop}@127.0.0.1>;index=1, <sip:+{third}@127.0.0.1;cause=302>;index=1.1\\r\\n");
    t_relay();
}}
"""


def call(place: Path, name: str, telephones: dict[str, list[str]]) -> None:
    """One call. The first telephone begins; it is done when all of them are."""
    with contextlib.ExitStack() as running:
        started = []
        for who, steps in reversed(telephones.items()):
            script = place / f"{name}-{who}.xml"
            body = "\n".join(steps)
            script.write_text(f'<?xml version="1.0"?>\n<scenario name="{who}">\n{body}\n</scenario>\n')
            line = ["sipp", f"127.0.0.1:{PROXY}", "-sf", script, "-i", "127.0.0.1", "-p", PORTS[who]]
            line += ["-mp", MEDIA[who], "-m", 1, "-cid_str", f"{name}@lab", "-nostdin", "-timeout", "30s"]
            log = place / f"{name}-{who}.log"
            line += ["-trace_err", "-error_file", place / f"{name}-{who}.err"]
            telephone = running.enter_context(program(*map(str, line), log=log))
            started.append((who, telephone))
            listening(PORTS[who], telephone, log)
        for who, telephone in started:
            code = telephone.wait(timeout=40)
            error = place / f"{name}-{who}.err"
            assert code == 0, f"{name}: {who}: {error.read_text() if error.exists() else code}"


def listening(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until a telephone or the proxy has its port."""
    while not subprocess.run(["ss", "-Hlun", f"sport = :{port}"], capture_output=True, check=True).stdout:
        assert server.poll() is None, log.read_text()[-1000:]
        time.sleep(0.02)


@contextlib.contextmanager
def network(place: Path, capture: Path) -> Iterator[None]:
    """The proxy and a tap on it and on all media."""
    lacking = [tool for tool in ("kamailio", "sipp", "tcpdump") if shutil.which(tool) is None]
    assert not lacking, f"not installed: {', '.join(lacking)}: ./dev setup"
    names = {**NUMBERS, **{f"{who}_port": port for who, port in PORTS.items()}}
    routes = {"invite": INVITE.format(**names), "more": DIVERT.format(**names)}
    line = kamailio(place, ROUTING.format(port=PROXY, **routes))
    for sound, octet in SOUNDS.items():
        (place / f"{sound}.al").write_bytes(bytes([octet]) * 1600)
    log = place / "kamailio.log"
    with contextlib.chdir(place), tap(capture, CAPTURED), program(*line, log=log) as proxy:
        listening(PROXY, proxy, log)
        yield


def heard(lab: Lab, liid: str) -> dict[str, set[str]]:
    """Which sounds the recordings of a warrant hold, by Call-ID."""
    names = {row["cin"]: row["call_id"] for row in lab.export("calls", liid) if row["call_id"]}
    found: dict[str, set[str]] = {}
    for recording in json.loads(lab.mandat("recordings", "list", "--json").stdout)["recordings"]:
        if recording["liid"] != liid:
            continue
        output = lab.base / f"{liid}-{recording['cin']}"
        line = ["recording", "open", liid, str(recording["cin"]), "--identity", str(lab.agency_key)]
        lab.mandat(*line, "-o", str(output), "--json")
        evidence = next(output.glob("*.pcapng")).read_bytes()
        sounds = {sound for sound, octet in SOUNDS.items() if bytes([octet]) * 160 in evidence}
        found.setdefault(names[recording["cin"]], set()).update(sounds)
    return found


def told(lab: Lab, liid: str) -> dict[str, dict[str, Any]]:
    """The last that a warrant was told of each call, by Call-ID; its course is read."""
    names: dict[int, str] = {}
    rows: dict[str, dict[str, Any]] = {}
    for row in lab.export("calls", liid):
        names[row["cin"]] = row["call_id"] or names.get(row["cin"], "")
        rows[names[row["cin"]]] = {**row, "course": json.loads(row["course"] or "{}")}
    return rows
