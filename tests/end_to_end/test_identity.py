"""A subscriber is followed by the address that a real RADIUS server was told of, exactly as long as it is theirs."""

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from .lab import Lab, program, tap
from .wire import lookup

TOOLS = ("freeradius", "radclient", "tcpdump")
PORT = 21813
SECRET = "testing"
HOME, NEIGHBOUR = "127.77.0.7", "127.77.0.8"
TARGET, STRANGER = "target@isp.example", "stranger@isp.example"

SERVER = """
prefix = /usr
logdir = {place}
run_dir = {place}
db_dir = {place}
name = radiusd
pidfile = {place}/radiusd.pid
security {{
 allow_vulnerable_openssl = yes
}}
client lab {{
 ipaddr = 127.0.0.1
 secret = {secret}
}}
modules {{
 always ok {{
  rcode = ok
 }}
}}
server default {{
 listen {{
  type = acct
  ipaddr = 127.0.0.1
  port = {port}
 }}
 preacct {{
  ok
 }}
 accounting {{
  ok
 }}
}}
"""


def tell(status: str, session: str, user: str, address: str = HOME) -> bool:
    """One Accounting-Request; true when the server has answered."""
    attributes = {
        "Acct-Status-Type": status,
        "Acct-Session-Id": session,
        "User-Name": user,
        "NAS-IP-Address": "192.0.2.1",
        "Framed-IP-Address": address,
    }
    text = ", ".join(f'{name} = "{value}"' for name, value in attributes.items())
    command = ["radclient", "-r", "1", "-t", "2", f"127.0.0.1:{PORT}", "acct", SECRET]
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False, timeout=30)
    return done.returncode == 0


def visit(address: str, port: int, name: str) -> None:
    """A DNS query from this address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((address, port))
        sender.sendto(lookup(0, port, name)[5], ("127.77.0.53", 53))
    time.sleep(0.05)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """What lies on the loopback interface while a RADIUS server and its subscribers speak."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.fail(f"not installed: {', '.join(missing)}")
    place = tmp_path / "raddb"
    place.mkdir()
    (place / "radiusd.conf").write_text(SERVER.format(place=place, secret=SECRET, port=PORT))
    path = tmp_path / "lo.pcap"
    with (
        tap(path, f"udp and (port {PORT} or net 127.77.0.0/16)"),
        program("freeradius", "-f", "-l", "stdout", "-d", str(place), "-n", "radiusd"),
    ):
        deadline = time.monotonic() + 20
        while not tell("Start", "warm-up", "nobody@isp.example", "127.77.0.99"):
            assert time.monotonic() < deadline, "the RADIUS server doesn't answer"
        visit(HOME, 40001, "before.example")
        assert tell("Start", "s1", TARGET)
        visit(HOME, 40002, "first.example")
        visit(NEIGHBOUR, 40003, "neighbour.example")
        assert tell("Interim-Update", "s1", TARGET)
        visit(HOME, 40004, "second.example")
        assert tell("Stop", "s1", TARGET)
        visit(HOME, 40004, "after.example")
        assert tell("Start", "s2", STRANGER)
        visit(HOME, 40005, "stranger.example")
        # The end of the target's second session is lost: the next Start is the end.
        assert tell("Start", "s3", TARGET, NEIGHBOUR)
        visit(NEIGHBOUR, 40006, "third.example")
        assert tell("Start", "s4", STRANGER, NEIGHBOUR)
        visit(NEIGHBOUR, 40007, "taken.example")
    return path


def test_p59_exactly_the_flows_of_the_subscriber_are_selected(lab: Lab, capture: Path) -> None:
    document = lab.document("ACCESS", "intercept", targets=[{"type": "nai", "value": TARGET}])
    lab.activate({**document, "product": "IRIandCC"})
    report = lab.run(capture)

    rows = lab.export("flows", "ACCESS")
    names = [row["name"] for row in rows if row["event"] == "name"]
    assert names == ["first.example", "second.example", "third.example"]
    assert {row["matched"] for row in rows} == {"framed_address"}
    begins = [row for row in rows if row["iri_type"] == "BEGIN"]
    assert len(begins) == len({row["cin"] for row in rows}) == 3

    sessions = [(row["iri_type"], row["address"]) for row in lab.export("access", "ACCESS")]
    assert sessions == [("BEGIN", HOME), ("END", HOME), ("BEGIN", NEIGHBOUR), ("END", NEIGHBOUR)]

    # The content: three packets in two recordings, and no name of anybody else's in what the site keeps in clear.
    task = next(task for task in report["tasks"] if task["liid"] == "ACCESS")
    assert task["cc"] == 3
    listed = json.loads(lab.mandat("recordings", "list", "--json").stdout)["recordings"]
    assert len(listed) == 2
    for liid_part in (b"before.example", b"stranger.example", b"taken.example"):
        kept = [path for path in (lab.root / "product").rglob("*") if path.is_file()]
        assert not any(liid_part in path.read_bytes() for path in kept)
