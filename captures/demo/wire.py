"""Frames, datagrams and TCP connections, and the capture file they end in."""

import ipaddress
import struct
from dataclasses import dataclass, field

Address = tuple[str, int]
"""IP address and port."""

UDP, TCP = 17, 6
SYN, PSH, ACK, FIN = 0x02, 0x08, 0x10, 0x01
MSS = 1400
"""Octets of payload in a TCP segment: a ClientHello with a post-quantum key share needs two."""


def checksum(octets: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(octets) % 2:
        octets += b"\0"
    total: int = sum(struct.unpack(f">{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _packet(source: str, destination: str, protocol: int, segment: bytearray, checksum_at: int) -> bytes:
    """Put an IP header before `segment` and fill in both checksums."""
    src, dst = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    pseudo = src.packed + dst.packed + struct.pack(">II", len(segment), protocol)
    value = checksum(pseudo + segment) or 0xFFFF
    struct.pack_into(">H", segment, checksum_at, value)
    if src.version == 6:
        return struct.pack(">IHBB", 6 << 28, len(segment), protocol, 64) + src.packed + dst.packed + segment
    head = bytearray(struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, protocol, 0))
    head += src.packed + dst.packed
    struct.pack_into(">H", head, 10, checksum(bytes(head)))
    return bytes(head + segment)


def _mac(address: str) -> bytes:
    """Return a locally administered address that follows from the IP address."""
    return b"\x02\x00" + ipaddress.ip_address(address).packed[-4:]


@dataclass
class Trace:
    """What the tap saw. Times are seconds since the beginning of the capture."""

    start: int
    frames: list[tuple[int, bytes]] = field(default_factory=list)

    def _frame(self, at: float, source: str, destination: str, packet: bytes, vlan: int | None) -> None:
        kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00"
        tag = b"" if vlan is None else struct.pack(">HH", 0x8100, vlan)
        frame = _mac(destination) + _mac(source) + tag + kind + packet
        self.frames.append((round(at * 1_000_000), frame))

    def udp(
        self, at: float, source: Address, destination: Address, payload: bytes, vlan: int | None = None
    ) -> None:
        """Send a datagram."""
        segment = bytearray(struct.pack(">HHHH", source[1], destination[1], 8 + len(payload), 0) + payload)
        packet = _packet(source[0], destination[0], UDP, segment, 6)
        self._frame(at, source[0], destination[0], packet, vlan)

    def tcp(
        self, at: float, source: Address, destination: Address, numbers: tuple[int, int, int], payload: bytes
    ) -> None:
        """Send one segment; `numbers` are sequence, acknowledgement and flags."""
        seq, ack, flags = numbers
        head = struct.pack(">HHIIBBHHH", source[1], destination[1], seq, ack, 5 << 4, flags, 65535, 0, 0)
        packet = _packet(source[0], destination[0], TCP, bytearray(head + payload), 16)
        self._frame(at, source[0], destination[0], packet, None)

    def pcap(self) -> bytes:
        """Return the capture file: classic, little endian, microseconds, Ethernet."""
        out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)]
        for at, frame in sorted(self.frames, key=lambda entry: entry[0]):
            seconds, microseconds = divmod(at, 1_000_000)
            out.append(
                struct.pack("<IIII", self.start + seconds, microseconds, len(frame), len(frame)) + frame
            )
        return b"".join(out)


class Connection:
    """A TCP connection, from handshake to FIN, with an acknowledgement for every segment."""

    def __init__(self, trace: Trace, at: float, client: Address, server: Address) -> None:
        self.trace, self.ends = trace, (client, server)
        self.next = [0x10000000 + client[1], 0x20000000 + server[1]]
        self._segment(at, 0, SYN, acknowledge=False)
        self._segment(at + 0.01, 1, SYN)
        self._segment(at + 0.02, 0, 0)

    def _segment(
        self, at: float, side: int, flags: int, payload: bytes = b"", acknowledge: bool = True
    ) -> None:
        ack, flags = (self.next[1 - side], flags | ACK) if acknowledge else (0, flags)
        self.trace.tcp(at, self.ends[side], self.ends[1 - side], (self.next[side], ack, flags), payload)
        self.next[side] += len(payload) + bool(flags & (SYN | FIN))

    def send(self, at: float, side: int, payload: bytes, size: int = MSS) -> None:
        """Send `payload` from the client (0) or the server (1), in segments of at most `size` octets."""
        for n, begin in enumerate(range(0, len(payload), size)):
            self._segment(at + n * 0.0002, side, PSH, payload[begin : begin + size])
        self._segment(at + 0.012, 1 - side, 0)

    def close(self, at: float) -> None:
        """Close it from the client's side."""
        self._segment(at, 0, FIN)
        self._segment(at + 0.01, 1, FIN)
        self._segment(at + 0.02, 0, 0)
