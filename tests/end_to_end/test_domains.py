"""Real servers and clients on loopback: a warrant for a domain selects its sessions, however they name it, alone."""

import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from . import resolver
from .lab import Lab, program, tap

TOOLS = ("nginx", "unbound", "tcpdump", "curl", "dig", "openssl")
HTTP, HTTPS = 44380, 44343
RESOLVER = "127.0.0.77"
"""Its port has to be 53, which is how lookups are told; the address keeps it apart from the host's own resolver."""

WANTED = "wanted.example"
OTHERS = ("notwanted.example", "wanted.example.net.example", "xn--wnted-0ra.example")

NGINX = """
daemon off; pid {place}/nginx.pid; error_log {place}/error.log; worker_processes 1;
events {{}}
http {{
  access_log off; client_body_temp_path {place}/b; proxy_temp_path {place}/p; fastcgi_temp_path {place}/f;
  uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;
  server {{ listen 127.0.0.1:{http}; return 200 "plain"; }}
  server {{
    listen 127.0.0.1:{https} ssl http2; ssl_certificate {place}/c.pem; ssl_certificate_key {place}/k.pem;
    return 200 "secret";
  }}
}}
"""


def until(works: Callable[[], bool]) -> None:
    """Waits for a server to answer."""
    for _ in range(100):
        if works():
            return
        time.sleep(0.1)
    pytest.fail("a server did not answer in 10 s")


def ask(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0


def get(name: str, *more: str, tls: bool = True) -> bool:
    port, scheme = (HTTPS, "https") if tls else (HTTP, "http")
    place = ("--resolve", f"{name}:{port}:127.0.0.1")
    return ask("curl", "-sk", "--noproxy", "*", *more, *place, f"{scheme}://{name}:{port}/")


def dig(name: str, *more: str) -> bool:
    return ask("dig", "+tries=1", "+time=2", f"@{RESOLVER}", name, *more)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The traffic of every client with every server, for the wanted name and for names that look like it."""
    for tool in TOOLS:
        if shutil.which(tool) is None and not Path(f"/usr/sbin/{tool}").exists():
            pytest.fail(f"{tool} is not installed")
    place = tmp_path_factory.mktemp("servers")
    subject = ("-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=example")
    keys = ("-keyout", str(place / "k.pem"), "-out", str(place / "c.pem"))
    assert ask("openssl", "req", "-x509", *subject, *keys)
    (place / "nginx.conf").write_text(NGINX.format(place=place, http=HTTP, https=HTTPS))
    unbound = resolver.configure(place, RESOLVER)
    pcap = place / "traffic.pcap"
    ports = f"port {HTTP} or port {HTTPS} or (port 53 and host {RESOLVER})"
    with ExitStack() as stack:
        stack.enter_context(program("nginx", "-c", str(place / "nginx.conf")))
        stack.enter_context(program("unbound", "-c", unbound))
        until(lambda: get("first.example", tls=False))
        if not dig("first.example"):
            until(lambda: dig("first.example"))
        stack.enter_context(tap(pcap, ports))
        for name in (WANTED, f"www.{WANTED}", *OTHERS):
            assert get(name, "--http2")
            assert get(name, "--http1.1")
            assert get(name, tls=False)
            assert dig(name)
            assert dig(name, "+tcp")
    return pcap


@pytest.fixture
def found(lab: Lab, capture: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    lab.screen("D", [{"type": "domain", "value": WANTED, "subdomains": True}])
    report = lab.run(capture)
    return report, lab.export("flows", "D")


def test_p58_sessions_of_the_domain_and_no_other(found: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    report, rows = found
    names = [(row["name"], row["via"]) for row in rows if row["iri_type"] in ("BEGIN", "REPORT")]
    each = ["dns", "dns", "http", "tls", "tls"]
    assert sorted(names) == [(name, via) for name in (WANTED, f"www.{WANTED}") for via in each]
    assert report["tasks"][0]["sessions"] == 10


def test_p69_a_run_says_how_many_names_could_be_seen(
    found: tuple[dict[str, Any], list[dict[str, Any]]],
) -> None:
    # Two TLS connections and one in the clear a name; lookups are no sessions with a site.
    assert found[0]["names"] == {"visible": 3 * (2 + len(OTHERS))}
