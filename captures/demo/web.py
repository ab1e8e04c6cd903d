"""Flows that tell a name: DNS, TLS, QUIC and HTTP."""

import hashlib
import hmac
import ipaddress
import struct

from demo.aes import encrypt_block, gcm
from demo.wire import Address, Connection, Trace

X25519MLKEM768, X25519 = 0x11EC, 0x001D
MLKEM_SHARE = 1184 + 32
"""Octets of the hybrid key share (draft-ietf-tls-ecdhe-mlkem): with it a ClientHello outgrows one segment."""
QUIC_SALT = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
"""RFC 9001, 5.2."""
INITIAL_SIZE = 1200
"""RFC 9000, 14.1: a client's Initial fills at least this many octets."""


def filler(label: str, size: int) -> bytes:
    """Return octets that look random and are the same in every run."""
    return hashlib.shake_128(label.encode()).digest(size)


def _vector(octets: bytes, width: int) -> bytes:
    return len(octets).to_bytes(width, "big") + octets


def _extension(kind: int, body: bytes) -> bytes:
    return struct.pack(">H", kind) + _vector(body, 2)


def client_hello(name: str, protocol: str, post_quantum: bool, quic: bool = False) -> bytes:
    """Write a ClientHello handshake message (RFC 8446, 4.1.2)."""
    shares = struct.pack(">H", X25519) + _vector(filler(name + "x", 32), 2)
    groups = struct.pack(">H", X25519)
    if post_quantum:
        shares = struct.pack(">H", X25519MLKEM768) + _vector(filler(name + "k", MLKEM_SHARE), 2) + shares
        groups = struct.pack(">H", X25519MLKEM768) + groups
    extensions = [
        _extension(43, _vector(b"\x03\x04", 1)),
        _extension(10, _vector(groups, 2)),
        _extension(13, _vector(bytes.fromhex("040308040401050308050501"), 2)),
        _extension(51, _vector(shares, 2)),
        _extension(0, _vector(b"\0" + _vector(name.encode(), 2), 2)),
        _extension(16, _vector(_vector(protocol.encode(), 1), 2)),
    ]
    if quic:
        extensions.append(_extension(0x39, bytes.fromhex("0104800075300408c0000000000fffff0f00")))
    body = b"\x03\x03" + filler(name + "r", 32) + _vector(b"" if quic else filler(name + "s", 32), 1)
    body += _vector(bytes.fromhex("130113021303"), 2) + _vector(b"\0", 1) + _vector(b"".join(extensions), 2)
    return b"\x01" + _vector(body, 3)


def tls(trace: Trace, at: float, client: Address, server: Address, name: str, post_quantum: bool) -> None:
    """Open a TLS connection: ClientHello, ServerHello, some records of data."""
    connection = Connection(trace, at, client, server)
    connection.send(at + 0.03, 0, b"\x16\x03\x01" + _vector(client_hello(name, "h2", post_quantum), 2))
    hello = b"\x03\x03" + filler(name + "S", 32) + b"\0\x13\x01\0" + _vector(_extension(43, b"\x03\x04"), 2)
    connection.send(at + 0.06, 1, b"\x16\x03\x03" + _vector(b"\x02" + _vector(hello, 3), 2))
    connection.send(at + 0.1, 0, b"\x17\x03\x03" + _vector(filler(name + "1", 300), 2))
    connection.send(at + 0.14, 1, b"\x17\x03\x03" + _vector(filler(name + "2", 2000), 2))
    connection.close(at + 0.3)


def _expand(secret: bytes, label: str, size: int) -> bytes:
    """HKDF-Expand-Label with SHA-256, one block (RFC 8446, 7.1)."""
    info = struct.pack(">H", size) + _vector(b"tls13 " + label.encode(), 1) + b"\0"
    return hmac.digest(secret, info + b"\x01", "sha256")[:size]


def quic_initial(name: str) -> bytes:
    """Write a client's first QUIC version 1 datagram (RFC 9001, 5 and appendix A)."""
    identifier = filler(name + "d", 8)
    initial = hmac.digest(QUIC_SALT, identifier, "sha256")
    secret = _expand(initial, "client in", 32)
    key, iv, protection = (
        _expand(secret, "quic key", 16),
        _expand(secret, "quic iv", 12),
        _expand(secret, "quic hp", 16),
    )
    number = bytes(4)
    head = b"\xc3\0\0\0\x01" + _vector(identifier, 1) + _vector(b"", 1) + b"\0"
    rest = INITIAL_SIZE - len(head) - 2
    head += struct.pack(">H", 0x4000 | rest) + number
    hello = client_hello(name, "h3", post_quantum=False, quic=True)
    frames = b"\x06\0" + struct.pack(">H", 0x4000 | len(hello)) + hello
    frames += bytes(rest - len(number) - 16 - len(frames))
    sealed = gcm(key, iv, frames, head)
    mask = encrypt_block(protection, sealed[:16])
    protected = bytes(a ^ b for a, b in zip(number, mask[1:5], strict=True))
    return bytes([head[0] ^ mask[0] & 0x0F]) + head[1:-4] + protected + sealed


def quic(trace: Trace, at: float, client: Address, server: Address, name: str) -> None:
    """Open a QUIC connection; what follows the Initial is sealed and stands for itself."""
    trace.udp(at, client, server, quic_initial(name))
    for n in range(4):
        ends = (server, client) if n % 2 == 0 else (client, server)
        trace.udp(at + 0.03 * (n + 1), *ends, b"\x40" + filler(f"{name}{n}", 400))


def http(trace: Trace, at: float, client: Address, server: Address, name: str) -> None:
    """Fetch a page in the clear (RFC 9112)."""
    connection = Connection(trace, at, client, server)
    connection.send(at + 0.03, 0, f"GET /index.html HTTP/1.1\r\nHost: {name}\r\nAccept: */*\r\n\r\n".encode())
    page = b"<!doctype html><title>demo</title>"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\n\r\n".encode()
    connection.send(at + 0.08, 1, head + page)
    connection.close(at + 0.2)


def dns(trace: Trace, at: float, client: Address, server: Address, name: str, address: str) -> None:
    """Ask for an address record and be told it (RFC 1035, 4.1)."""
    labels = b"".join(_vector(label.encode(), 1) for label in name.split(".")) + b"\0"
    question = labels + struct.pack(">HH", 1, 1)
    number = client[1] ^ 0x5A5A
    trace.udp(at, client, server, struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + question)
    answer = struct.pack(">HHHIH", 0xC00C, 1, 1, 300, 4) + ipaddress.ip_address(address).packed
    trace.udp(
        at + 0.02, server, client, struct.pack(">HHHHHH", number, 0x8180, 1, 1, 0, 0) + question + answer
    )
