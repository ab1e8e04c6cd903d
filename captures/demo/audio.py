"""What the two ends of a call say: melodies, one high and one low, that take turns, in G.711.

Sines come from a table of rounded integers and everything after it is integer arithmetic, so that the
octets don't depend on a platform's floating point.
"""

import math
import struct
from collections.abc import Iterator

RATE = 8000
FRAME = 160
"""Samples in a packet of 20 ms."""

_SINE = [round(32767 * math.sin(2 * math.pi * n / 1024)) for n in range(1024)]

_HIGH = [523, 587, 659, 523, 523, 587, 659, 523, 659, 698, 784, 0, 659, 698, 784, 0]
"""The caller's notes in Hz, four a second; 0 is a rest."""
_LOW = [196, 165, 147, 131, 0, 147, 165, 196, 175, 0, 131, 131]
"""The callee's."""
_TURN = 2 * RATE
"""Samples before the other side speaks."""


def melody(side: int, seconds: float) -> list[int]:
    """Return what the caller (0) or the callee (1) says, as 16-bit samples."""
    notes = _LOW if side else _HIGH
    # A plain tone above, a buzz of odd harmonics below: nobody takes one for the other.
    harmonics = [(1, 4), (3, 3), (5, 2)] if side else [(1, 8), (2, 1)]
    samples, phase = [], 0
    for n in range(int(seconds * RATE)):
        if (n // _TURN) % 2 != side:
            samples.append(0)
            continue
        note = notes[n // (RATE // 4) % len(notes)]
        phase = (phase + note * 1024 * 256 // RATE) % (1024 * 256)
        within = n % (RATE // 4)
        # Up in 20 ms, down over the rest of the note: a syllable, not a whistle.
        loud = within * 100 // 160 if within < 160 else 100 * (2000 - within) // 1840
        tone = sum(weight * _SINE[phase // 256 * multiple % 1024] for multiple, weight in harmonics)
        samples.append(tone * loud // 100 // 24 if note else 0)
    return samples


def a_law(sample: int) -> int:
    """Encode one sample (ITU-T G.711, A-law)."""
    mask = 0xD5 if sample >= 0 else 0x55
    value = min((sample if sample >= 0 else -sample - 1) >> 3, 4095)
    if value < 32:
        return (value >> 1) ^ mask
    exponent = value.bit_length() - 5
    return (exponent << 4 | (value >> exponent) & 0x0F) ^ mask


def mu_law(sample: int) -> int:
    """Encode one sample (ITU-T G.711, mu-law)."""
    value = min(abs(sample >> 2), 8158) + 33
    exponent = value.bit_length() - 6
    return ~((0x80 if sample < 0 else 0) | exponent << 4 | (value >> (exponent + 1)) & 0x0F) & 0xFF


KEY_DOWN = 50
"""Packet of a stream in which a key is pressed."""
KEY_PACKETS = 8
"""100 ms of key, its last packet three times (RFC 4733, 2.5.1.4)."""


def rtp(
    side: int, seconds: float, payload_type: int, ssrc: int, key: int | None = None
) -> Iterator[tuple[float, bytes]]:
    """Yield the packets of one direction with their times (RFC 3551, 6: type 0 is mu-law, 8 is A-law)."""
    encode = a_law if payload_type == 8 else mu_law
    samples = melody(side, seconds)
    for n in range(len(samples) // FRAME):
        pressed = n - KEY_DOWN if key is not None and 0 <= n - KEY_DOWN < KEY_PACKETS else None
        if key is not None and pressed is not None:
            kind, begin, marker = 101, KEY_DOWN, pressed == 0
            end, duration = (0x80, 5 * FRAME) if pressed >= 5 else (0, FRAME * (pressed + 1))
            payload = struct.pack(">BBH", key, end | 10, duration)
        else:
            kind, begin, marker = payload_type, n, n == 0
            payload = bytes(map(encode, samples[n * FRAME : (n + 1) * FRAME]))
        head = struct.pack(">BBHII", 0x80, kind | (0x80 if marker else 0), 1000 + n, begin * FRAME, ssrc)
        yield n * 0.02, head + payload
