"""SIP over TLS is read with the secrets that the operator's own server logs, and not without. OpenSSL is both ends."""

import ssl
import struct
import subprocess
from pathlib import Path

import pytest

from .lab import Lab

SERVER, CLIENT = "192.0.2.1", "198.51.100.7"
TARGET = "+33612345678"
SUITES = [
    ("TLSv1_3", None),
    ("TLSv1_2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("TLSv1_2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("TLSv1_2", "ECDHE-ECDSA-CHACHA20-POLY1305"),
]


def sip(first: str, cseq: str, *lines: str) -> bytes:
    head = [
        first,
        "Via: SIP/2.0/TLS h.example;branch=z9hG4bK1",
        f"From: <sip:{TARGET}@a.example>;tag=1",
        "To: <sip:+33123456789@a.example>" + ("" if first.startswith("INVITE") else ";tag=2"),
        "Call-ID: over-tls",
        f"CSeq: {cseq}",
        *lines,
        "Content-Length: 0",
    ]
    return "\r\n".join([*head, "", ""]).encode()


TALK = [
    (CLIENT, sip("INVITE sip:+33123456789@a.example SIP/2.0", "1 INVITE")),
    (SERVER, sip("SIP/2.0 200 OK", "1 INVITE")),
    (CLIENT, sip("BYE sip:+33123456789@a.example SIP/2.0", "2 BYE")),
    (SERVER, sip("SIP/2.0 200 OK", "2 BYE")),
]


class Wire:
    """Segments of one TCP connection, in a classic capture file of raw IP."""

    def __init__(self) -> None:
        self.records = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101)]
        self.next = {CLIENT: 1000, SERVER: 5000}
        self.now = 1_750_000_000_000_000
        self.segment(CLIENT, b"", 2)
        self.segment(SERVER, b"", 18)

    def segment(self, src: str, octets: bytes, flags: int = 24) -> None:
        dst = SERVER if src == CLIENT else CLIENT
        ports = (40000, 5061) if src == CLIENT else (5061, 40000)
        tcp = (
            struct.pack("!HHIIBBHHH", *ports, self.next[src], self.next[dst], 0x50, flags, 65535, 0, 0)
            + octets
        )
        address = bytes(int(n) for n in (src + "." + dst).split("."))
        packet = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0) + address + tcp
        self.now += 1000
        self.records.append(
            struct.pack("<IIII", *divmod(self.now, 1_000_000), len(packet), len(packet)) + packet
        )
        self.next[src] += len(octets) + (flags in {2, 18})

    def send(self, src: str, octets: bytes) -> None:
        for at in range(0, len(octets), 700):
            self.segment(src, octets[at : at + 700])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("certificate")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    line = ["req", "-x509", *curve, "-nodes", "-days", "2", "-subj", "/CN=a.example"]
    files = ["-keyout", str(place / "key.pem"), "-out", str(place / "cert.pem")]
    subprocess.run(["openssl", *line, *files], check=True, capture_output=True, timeout=60)
    return place


def converse(place: Path, version: str, suite: str | None, capture: Path, keylog: Path) -> None:
    """A talk between two OpenSSL ends, with a capture of it and the server's key log."""
    only = getattr(ssl.TLSVersion, version)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(place / "cert.pem", place / "key.pem")
    server.keylog_filename = str(keylog)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(place / "cert.pem")
    for context in (server, client):
        context.minimum_version = context.maximum_version = only
        if suite:
            context.set_ciphers(suite)
    inbox = {end: ssl.MemoryBIO() for end in (CLIENT, SERVER)}
    outbox = {end: ssl.MemoryBIO() for end in (CLIENT, SERVER)}
    ends = {
        CLIENT: client.wrap_bio(inbox[CLIENT], outbox[CLIENT], server_hostname="a.example"),
        SERVER: server.wrap_bio(inbox[SERVER], outbox[SERVER], server_side=True),
    }
    wire = Wire()

    def shuttle(src: str) -> None:
        if outbox[src].pending:
            octets = outbox[src].read()
            wire.send(src, octets)
            inbox[SERVER if src == CLIENT else CLIENT].write(octets)

    left = {CLIENT, SERVER}
    while left:
        for end in (CLIENT, SERVER):
            try:
                if end in left:
                    ends[end].do_handshake()
                    left.discard(end)
            except ssl.SSLWantReadError:
                pass
            shuttle(end)
    for src, message in TALK:
        ends[src].write(message)
        shuttle(src)
        assert ends[SERVER if src == CLIENT else CLIENT].read(65536) == message
    wire.segment(CLIENT, b"", 17)
    wire.segment(SERVER, b"", 17)
    capture.write_bytes(b"".join(wire.records))


@pytest.mark.parametrize(("version", "suite"), SUITES)
def test_p7_a_call_over_tls_is_released_with_the_key_log_and_not_without(
    tmp_path: Path, certificate: Path, version: str, suite: str | None
) -> None:
    lab = Lab.make(tmp_path / "lab")
    lab.intercept("LI-TLS", [TARGET])
    capture, keylog = tmp_path / "tls.pcap", tmp_path / "keys.log"
    converse(certificate, version, suite, capture, keylog)
    blind = lab.run(capture)
    assert (blind["tasks"][0]["sessions"], blind["counters"].get("sip.messages", 0)) == (0, 0)
    other = tmp_path / "other.log"
    converse(certificate, version, suite, tmp_path / "other.pcap", other)
    wrong = lab.run(capture, "--keylog", str(other))
    assert (wrong["tasks"][0]["sessions"], wrong["counters"]["tls.unopened"]) == (0, 2)
    seen = lab.run(capture, "--keylog", str(keylog))
    assert (seen["tasks"][0]["sessions"], seen["counters"]["sip.messages"]) == (1, 4)
    assert seen["tasks"][0]["iri"] == 3  # BEGIN, answer, END
    secrets = [line.split()[2] for line in keylog.read_text().splitlines() if not line.startswith("#")]
    for path in lab.base.rglob("*"):
        if path.is_file():
            octets = path.read_bytes()
            assert not any(secret.encode() in octets or bytes.fromhex(secret) in octets for secret in secrets)


def test_p7_a_key_log_that_is_not_there_is_refused(tmp_path: Path) -> None:
    lab = Lab.make(tmp_path / "lab")
    lab.intercept("LI-TLS", [TARGET])
    done = lab.mandat("run", "captures/demo.pcap", "--keylog", str(tmp_path / "none.log"), code=3)
    assert "key log" in done.stderr
