"""QUIC between two ends of a library that is not ours (aioquic), and DNS over TLS from unbound: names seen exactly."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest

from . import resolver
from .lab import Lab, program, tap
from .registrar import certificate, until

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from aioquic.asyncio import connect, serve
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.packet import QuicProtocolVersion

PORT = 27843
V1, V2 = QuicProtocolVersion.VERSION_1, QuicProtocolVersion.VERSION_2
NAME = "wanted.example"

KINDS: dict[str, dict[str, Any]] = {
    "v1": {"client": [V1], "server": [V1]},
    "v2": {"client": [V2], "server": [V2]},
    "retry": {"client": [V1], "server": [V1], "retry": True},
    "retry-v2": {"client": [V2], "server": [V2], "retry": True},
    # The server doesn't know the first and says so (RFC 9000, 6); or it changes on the way (RFC 9368, 2.3).
    "negotiated": {"client": [V2, V1], "server": [V1]},
    "compatible": {"client": [V1, V2], "server": [V2, V1]},
}

RESOLVER, DOT = "127.0.0.78", 853


async def visit(place: Path, names: list[str], kind: dict[str, Any], protocol: str = "h3") -> None:
    """One connection for each name, until its handshake is done."""
    server = QuicConfiguration(is_client=False, alpn_protocols=[protocol], supported_versions=kind["server"])
    server.load_cert_chain(place / "cert.pem", place / "key.pem")
    running = await serve("127.0.0.1", PORT, configuration=server, retry=kind.get("retry", False))
    try:
        for name in names:
            client = QuicConfiguration(
                is_client=True, alpn_protocols=[protocol], server_name=name, verify_mode=ssl.CERT_NONE,
                supported_versions=kind["client"], original_version=kind["client"][0],
            )  # fmt: skip
            async with connect("127.0.0.1", PORT, configuration=client) as connection:
                await connection.ping()
    finally:
        running.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for tool in ("tcpdump", "openssl", "dig"):
        assert shutil.which(tool), f"{tool} is not installed: ./dev setup"
    place = tmp_path_factory.mktemp("quic")
    certificate(place)
    return place


def screened(lab: Lab, capture: Path) -> tuple[dict[str, Any], list[str]]:
    lab.screen("D", [{"type": "domain", "value": NAME, "subdomains": True}])
    report = lab.run(capture)
    rows = lab.export("flows", "D")
    return report, sorted(f"{row['via']} {row['name']}" for row in rows if row["iri_type"] == "BEGIN")


@pytest.mark.parametrize("kind", KINDS)
def test_p52_p53_names_of_every_version_are_seen_exactly(lab: Lab, place: Path, kind: str) -> None:
    capture = place / f"{kind}.pcap"
    with tap(capture, f"udp port {PORT}"):
        asyncio.run(visit(place, [NAME, f"www.{NAME}", f"not{NAME}"], KINDS[kind]))
    report, names = screened(lab, capture)
    assert names == [f"quic {NAME}", f"quic www.{NAME}"]
    assert report["names"] == {"visible": 3}
    assert report["tasks"][0]["sessions"] == 2


def test_p56_dns_over_quic_is_told_and_its_server_is_no_visit(lab: Lab, place: Path) -> None:
    capture = place / "doq.pcap"
    with tap(capture, f"udp port {PORT}"):
        asyncio.run(visit(place, ["resolver.example"], KINDS["v1"], "doq"))
    report, names = screened(lab, capture)
    assert (report["names"], names) == ({"not_visible.doq": 1}, [])


def test_p56_dns_over_tls_is_told_and_what_it_asks_is_not_guessed(lab: Lab, place: Path) -> None:
    keys = (f'tls-service-key: "{place}/key.pem"', f'tls-service-pem: "{place}/cert.pem"')
    config = resolver.configure(place, f"{RESOLVER}@{DOT}", f"tls-port: {DOT}", *keys)

    def ask(name: str) -> bool:
        line = ["dig", "+tls", "+tries=1", "+time=3", "-p", str(DOT), f"@{RESOLVER}", name]
        return subprocess.run(line, capture_output=True, check=False, timeout=30).returncode == 0

    capture = place / "dot.pcap"
    with contextlib.ExitStack() as stack:
        stack.enter_context(program("unbound", "-c", config, log=place / "unbound.log"))
        until(lambda: ask("first.example"), "unbound")
        stack.enter_context(tap(capture, f"host {RESOLVER} and port {DOT}"))
        assert ask(NAME)
        assert ask(f"www.{NAME}")
    report, names = screened(lab, capture)
    assert (report["names"], names) == ({"not_visible.dot": 2}, [])
    assert "names.dns" not in report["counters"]
