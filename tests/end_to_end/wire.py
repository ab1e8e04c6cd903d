"""A little traffic, written by hand: UDP over IPv4 over Ethernet in a classic capture file."""

import struct
from collections.abc import Iterable
from pathlib import Path

START = 1_780_300_000.0
"""2026-06-01, in seconds."""

Datagram = tuple[float, str, int, str, int, bytes]
"""Seconds after START, source, port, destination, port, payload."""


def capture(path: Path, datagrams: Iterable[Datagram]) -> Path:
    """Writes the datagrams in order of time."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)]
    for at, src, sport, dst, dport, payload in sorted(datagrams, key=lambda d: d[0]):
        udp = struct.pack("!HHHH", sport, dport, len(payload) + 8, 0) + payload
        ip = (
            struct.pack("!BBHHHBBH", 0x45, 0, len(udp) + 20, 0, 0x4000, 64, 17, 0)
            + address(src)
            + address(dst)
        )
        frame = bytes(12) + b"\x08\x00" + ip + udp
        micros = round((START + at) * 1_000_000)
        out.append(
            struct.pack("<IIII", micros // 1_000_000, micros % 1_000_000, len(frame), len(frame)) + frame
        )
    path.write_bytes(b"".join(out))
    return path


def address(text: str) -> bytes:
    return bytes(int(part) for part in text.split("."))


def sip(first: str, call_id: str, cseq: str, caller: str, callee: str, **more: str) -> bytes:
    """A SIP message. `more`: `tag` of the callee, `body` and its `kind`, further header lines in `extra`."""
    body = more.get("body", "").encode()
    to_tag = f";tag={more['tag']}" if "tag" in more else ""
    lines = [
        first,
        f"Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK{call_id}{cseq.split(maxsplit=1)[0]}",
        f"From: {more.get('display', '')}<sip:{caller}@10.0.0.1;user=phone>;tag=a{call_id}",
        f"To: <sip:{callee}@10.0.0.2;user=phone>{to_tag}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq}",
    ]
    if body:
        lines.append(f"Content-Type: {more.get('kind', 'application/sdp')}")
    lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def call(
    at: float,
    call_id: str,
    caller: str,
    callee: str,
    port: int,
    talk: int,
    mark: bytes = b"",
    display: str = "",
) -> list[Datagram]:
    """An answered call with `talk` packets of A-law in each direction; `mark` stands in every payload and the SDP."""
    a, b = "10.0.0.1", "10.0.0.2"
    uri = f"sip:{callee}@{b};user=phone"

    def sdp(ip: str) -> str:
        text = mark.decode() or "-"
        return f"v=0\r\no=- 1 1 IN IP4 {ip}\r\ns={text}\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"

    def say(when: float, back: bool, first: str, cseq: str, **more: str) -> Datagram:
        message = sip(first, call_id, cseq, caller, callee, display=display, **more)
        return (at + when, b, 5060, a, 5060, message) if back else (at + when, a, 5060, b, 5060, message)

    out = [
        say(0, False, f"INVITE {uri} SIP/2.0", "1 INVITE", body=sdp(a)),
        say(0.1, True, "SIP/2.0 180 Ringing", "1 INVITE", tag="b"),
        say(0.5, True, "SIP/2.0 200 OK", "1 INVITE", tag="b", body=sdp(b)),
        say(0.6, False, f"ACK {uri} SIP/2.0", "1 ACK", tag="b"),
    ]
    for n in range(talk):
        payload = (mark + bytes(160))[:160] if mark else bytes([0xD5] * 160)
        head = struct.pack("!BBHI", 0x80, 8, n, n * 160)
        out.append((at + 0.7 + n * 0.02, a, port, b, port, head + b"AAAA" + payload))
        out.append((at + 0.7 + n * 0.02, b, port, a, port, head + b"BBBB" + payload))
    end = 0.8 + talk * 0.02
    out.append(say(end, False, f"BYE {uri} SIP/2.0", "2 BYE", tag="b"))
    out.append(say(end + 0.1, True, "SIP/2.0 200 OK", "2 BYE", tag="b"))
    return out


def text(at: float, call_id: str, caller: str, callee: str, body: str) -> Datagram:
    """A SIP MESSAGE."""
    first = f"MESSAGE sip:{callee}@10.0.0.2;user=phone SIP/2.0"
    message = sip(first, call_id, "1 MESSAGE", caller, callee, body=body, kind="text/plain;charset=UTF-8")
    return at, "10.0.0.1", 5060, "10.0.0.2", 5060, message


def lookup(at: float, port: int, name: str) -> Datagram:
    """A DNS query."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + labels + b"\x00\x00\x01\x00\x01"
    return at, "10.0.0.9", port, "10.0.0.53", 53, query
