"""Files of frames: what the listening copy of a codec is made from. `crates/sink/src/frames.rs` has the layout."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

MAGIC = b"MNDTFRM1"
_HEAD = struct.Struct("<HBBBBHIqI")


class Packing(IntEnum):
    """How the frames of AMR lie in a payload (RFC 4867, 8.1)."""

    BANDWIDTH_EFFICIENT = 0
    OCTET_ALIGNED = 1
    OTHER = 2


@dataclass(frozen=True, slots=True)
class Frame:
    """The payload of one packet, opened, and its place."""

    stream: int
    side: int
    """0 is the caller, 1 the callee."""
    packing: Packing
    channels: int
    sequence: int
    clock: int
    """RTP clock, Hz."""
    position: int
    """Where it begins: 1/8000 s from the start of the media."""
    encoding: str
    payload: bytes


def parse(octets: bytes) -> Iterator[Frame]:
    """The packets of one file, in order of arrival. Raises ValueError where it is damaged."""
    if not octets.startswith(MAGIC):
        raise ValueError("not a file of frames")
    at = len(MAGIC)
    while at < len(octets):
        try:
            stream, side, packing, channels, name, sequence, clock, position, length = _HEAD.unpack_from(
                octets, at
            )
        except struct.error:
            raise ValueError("cut short") from None
        at += _HEAD.size
        end = at + name + length
        if end > len(octets) or side > 1:
            raise ValueError("cut short or altered")
        encoding = octets[at : at + name].decode("ascii", "replace")
        payload = octets[at + name : end]
        yield Frame(stream, side, Packing(packing), channels, sequence, clock, position, encoding, payload)
        at = end
