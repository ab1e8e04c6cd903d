"""An Ogg file (RFC 3533) around packets of Opus (RFC 7845) or Speex: enough for a decoder to take them."""

import struct

MAX_PACKET = 255 * 254
"""Octets of a packet that fits on one page; the largest datagram is a little larger, and no codec fills it."""

SERIAL = 1


def _table() -> list[int]:
    table = []
    for n in range(256):
        value = n << 24
        for _ in range(8):
            value = ((value << 1) ^ (0x04C11DB7 if value & 0x8000_0000 else 0)) & 0xFFFF_FFFF
        table.append(value)
    return table


_CRC = _table()


def _checksum(octets: bytes) -> int:
    value = 0
    for octet in octets:
        value = ((value << 8) & 0xFFFF_FFFF) ^ _CRC[(value >> 24) ^ octet]
    return value


def _page(packet: bytes, granule: int, number: int, kind: int) -> bytes:
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    head = struct.pack("<4sBBqIII", b"OggS", 0, kind, granule, SERIAL, number, 0) + bytes([len(lacing)])
    page = head + lacing + packet
    return page[:22] + struct.pack("<I", _checksum(page)) + page[26:]


def file(headers: list[bytes], packets: list[tuple[bytes, int]]) -> bytes:
    """Header packets, then packets with how many samples each has."""
    pages = [_page(header, 0, n, 2 if n == 0 else 0) for n, header in enumerate(headers)]
    granule = 0
    for n, (packet, samples) in enumerate(packets):
        granule += samples
        last = 4 if n == len(packets) - 1 else 0
        pages.append(_page(packet[:MAX_PACKET], granule, len(headers) + n, last))
    return b"".join(pages)


def opus_headers() -> list[bytes]:
    """RFC 7845, 5.1 and 5.2, without pre-skip: the capture begins with speech. One channel: the decoder mixes."""
    head = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, 0, 48_000, 0, 0)
    return [head, struct.pack("<8sI", b"OpusTags", 0) + struct.pack("<I", 0)]


def speex_headers(rate: int) -> list[bytes]:
    """The Speex manual, 8.2: one frame a packet, the mode by the rate."""
    mode = {8000: 0, 16_000: 1}.get(rate, 2)
    frame = (160, 320, 640)[mode]
    head = struct.pack("<8s20s13i", b"Speex   ", b"1.2", 1, 80, rate, mode, 4, 1, -1, frame, 0, 1, 0, 0, 0)
    return [head, struct.pack("<II", 0, 0)]
