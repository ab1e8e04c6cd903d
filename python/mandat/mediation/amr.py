"""AMR and AMR-WB from RTP payload to storage format (RFC 4867): the two have the same frames in other clothes."""

from collections.abc import Iterator

from mandat.mediation.frames import Packing

NARROW_BITS = (95, 103, 118, 134, 148, 159, 204, 244, 39)
"""Speech bits of AMR's frame types 0 to 7, and of its SID, 8 (TS 26.101, table 1)."""

WIDE_BITS = (132, 177, 253, 285, 317, 365, 397, 461, 477, 40)
"""Speech bits of AMR-WB's frame types 0 to 8, and of its SID, 9 (TS 26.201, table 2)."""

MAX_FRAMES = 64
"""Frames of one packet. A table of contents without end is damage: RFC 4867 has 12 at most in use."""


def frames(payload: bytes, *, wide: bool, packing: Packing) -> Iterator[bytes | None]:
    """The frames of one packet in storage format (5.3), 20 ms each; None where nothing was sent (NO_DATA, 15), where it
    was lost on the way (SPEECH_LOST, 14), or where only comfort noise was described (SID). Raises ValueError on damage.
    """
    bits = WIDE_BITS if wide else NARROW_BITS
    aligned = packing is Packing.OCTET_ALIGNED
    reader = _Bits(payload)
    reader.take(8 if aligned else 4)  # CMR: what the other side is asked to send
    contents: list[tuple[int, int]] = []
    more = True
    while more:
        entry = reader.take(8) if aligned else reader.take(6) << 2
        contents.append(((entry >> 3) & 15, (entry >> 2) & 1))
        more = entry >> 7 == 1
        if len(contents) > MAX_FRAMES:
            raise ValueError("a table of contents without end")
    for kind, quality in contents:
        length = bits[kind] if kind < len(bits) else 0
        speech = reader.take_octets(length)
        if aligned:
            reader.align()
        yield None if kind >= len(bits) - 1 else bytes([(kind << 3) | (quality << 2)]) + speech


class _Bits:
    """Reads bits from the left."""

    def __init__(self, octets: bytes) -> None:
        self._value = int.from_bytes(octets, "big")
        self._length = 8 * len(octets)
        self._at = 0

    def take(self, count: int) -> int:
        """The next bits as a number."""
        self._at += count
        if self._at > self._length:
            raise ValueError("shorter than its table of contents says")
        return (self._value >> (self._length - self._at)) & ((1 << count) - 1)

    def take_octets(self, count: int) -> bytes:
        """The next bits, filled up with zeros on the right to whole octets."""
        octets = (count + 7) // 8
        return (self.take(count) << (8 * octets - count)).to_bytes(octets, "big")

    def align(self) -> None:
        """Goes to the next octet."""
        self._at = (self._at + 7) // 8 * 8
