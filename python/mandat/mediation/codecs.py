"""What ffmpeg is given for each codec, and how much sound each packet holds.

Only what a decoder can't do without is added: nothing stands in for a packet that didn't come, and descriptions of
comfort noise are left out, so that a pause is silence and not noise that nobody sent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mandat.mediation import amr, ogg
from mandat.mediation.frames import Frame, Packing


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece that a decoder turns into a known number of samples."""

    octets: bytes
    samples: int
    place: int
    """Where it begins, in samples from the beginning of its packet."""


class Codec(Protocol):
    """One encoding of one clock."""

    @property
    def rate(self) -> int:
        """Samples a second, before any conversion."""
        ...

    @property
    def options(self) -> tuple[str, ...]:
        """What tells ffmpeg the format."""
        ...

    def units(self, frame: Frame) -> Iterator[Unit]:
        """What a packet holds. Raises ValueError when it isn't that codec's."""
        ...

    def file(self, units: Sequence[Unit]) -> bytes:
        """Units as the file that ffmpeg reads."""
        ...


@dataclass(frozen=True, slots=True)
class Raw:
    """A codec without frames: so many samples an octet, and octets behind one another."""

    rate: int
    options: tuple[str, ...]
    bits: int
    """Bits of a sample."""

    def units(self, frame: Frame) -> Iterator[Unit]:
        """The packet as it is."""
        yield Unit(frame.payload, len(frame.payload) * 8 // self.bits, 0)

    def file(self, units: Sequence[Unit]) -> bytes:
        """One behind the other."""
        return b"".join(unit.octets for unit in units)


@dataclass(frozen=True, slots=True)
class Blocks:
    """A codec whose frames have a few lengths: which one, the packet tells."""

    rate: int
    options: tuple[str, ...]
    length: int
    samples: int
    header: bytes = b""
    sid: int = 0
    """Octets of a description of silence behind the last frame (G.729 annex B)."""

    def units(self, frame: Frame) -> Iterator[Unit]:
        """Frame after frame."""
        count, rest = divmod(len(frame.payload), self.length)
        if rest not in {0, self.sid}:
            raise ValueError("no whole number of frames")
        for n in range(count):
            yield Unit(frame.payload[n * self.length : (n + 1) * self.length], self.samples, n * self.samples)

    def file(self, units: Sequence[Unit]) -> bytes:
        """The header of the format, then the frames."""
        return self.header + b"".join(unit.octets for unit in units)


@dataclass(frozen=True, slots=True)
class G723:
    """G.723.1: the low bits of a frame say how long it is (RFC 3551, 4.5.3)."""

    rate: int = 8000
    options: tuple[str, ...] = ("-f", "g723_1")

    def units(self, frame: Frame) -> Iterator[Unit]:
        """Speech only; a description of silence is four octets, and an untransmitted frame one."""
        at, n = 0, 0
        while at < len(frame.payload):
            length = (24, 20, 4, 1)[frame.payload[at] & 3]
            octets = frame.payload[at : at + length]
            if len(octets) < length:
                raise ValueError("cut short")
            if length >= 20:
                yield Unit(octets, 240, n * 240)
            at, n = at + length, n + 1

    def file(self, units: Sequence[Unit]) -> bytes:
        """One behind the other."""
        return b"".join(unit.octets for unit in units)


@dataclass(frozen=True, slots=True)
class Amr:
    """AMR or AMR-WB."""

    wide: bool
    options: tuple[str, ...] = ("-f", "amr")

    @property
    def rate(self) -> int:
        """Samples a second."""
        return 16_000 if self.wide else 8000

    def units(self, frame: Frame) -> Iterator[Unit]:
        """Speech only: see `amr.frames`."""
        if frame.packing is Packing.OTHER:
            raise ValueError("a packing that is not unpacked here")
        samples = self.rate // 50
        for n, octets in enumerate(amr.frames(frame.payload, wide=self.wide, packing=frame.packing)):
            if octets is not None:
                yield Unit(octets, samples, n * samples)

    def file(self, units: Sequence[Unit]) -> bytes:
        """RFC 4867, 5.1."""
        return (b"#!AMR-WB\n" if self.wide else b"#!AMR\n") + b"".join(unit.octets for unit in units)


@dataclass(frozen=True, slots=True)
class Opus:
    """Opus: the first octet says how long the packet is (RFC 6716, 3.1 and 3.2)."""

    rate: int = 48_000
    options: tuple[str, ...] = ("-f", "ogg", "-c:a", "libopus")

    def units(self, frame: Frame) -> Iterator[Unit]:
        """One packet; one without payload is a pause (DTX)."""
        if frame.payload:
            yield Unit(frame.payload, opus_samples(frame.payload), 0)

    def file(self, units: Sequence[Unit]) -> bytes:
        """RFC 7845."""
        return ogg.file(ogg.opus_headers(), [(unit.octets, unit.samples) for unit in units])


def opus_samples(packet: bytes) -> int:
    """Samples of an Opus packet at 48 kHz."""
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        length = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        length = (480, 960)[config & 1]
    else:
        length = (120, 240, 480, 960)[config & 3]
    count = (packet[1] & 0x3F if len(packet) > 1 else 0) if code == 3 else (1, 2, 2)[code]
    samples = length * count
    if not 0 < samples <= 5760:
        raise ValueError("no Opus packet: RFC 6716, 3.4 allows 120 ms")
    return samples


@dataclass(frozen=True, slots=True)
class Speex:
    """Speex, one frame of 20 ms a packet, as everybody sends it (RFC 5574, 3.1)."""

    rate: int
    options: tuple[str, ...] = ("-f", "ogg", "-c:a", "libspeex")

    def units(self, frame: Frame) -> Iterator[Unit]:
        """One packet."""
        yield Unit(frame.payload, self.rate // 50, 0)

    def file(self, units: Sequence[Unit]) -> bytes:
        """Ogg with Speex headers."""
        return ogg.file(ogg.speex_headers(self.rate), [(unit.octets, unit.samples) for unit in units])


def of(frame: Frame) -> Codec:
    """The codec of a packet. Raises ValueError when there is none for it."""
    name, clock = frame.encoding, frame.clock
    if name.startswith("G726-"):
        bits = int(name[5:]) // 8
        # RFC 3551, 4.5.4: the first sample in the low bits; "AAL2-" names the other order, and isn't this one.
        return Raw(8000, ("-f", "g726le", "-code_size", str(bits), "-sample_rate", "8000"), bits)
    if name == "L16":
        layout = ("-f", "s16be", "-ar", str(clock), "-ac", str(frame.channels))
        return Raw(clock, layout, 16 * frame.channels)
    if name == "ILBC":
        # RFC 3952, 4: which mode it is shows in the length.
        if len(frame.payload) % 50 == 0:
            return Blocks(8000, ("-f", "ilbc"), 50, 240, b"#!iLBC30\n")
        return Blocks(8000, ("-f", "ilbc"), 38, 160, b"#!iLBC20\n")
    found: dict[str, Codec] = {
        "AMR": Amr(wide=False),
        "AMR-WB": Amr(wide=True),
        # Samples at 16 kHz, whatever its RTP clock says (RFC 3551, 4.5.2).
        "G722": Raw(16_000, ("-f", "g722"), 4),
        "G723": G723(),
        "G729": Blocks(8000, ("-f", "g729"), 10, 80, sid=2),
        "GSM": Blocks(8000, ("-f", "gsm"), 33, 160),
        "OPUS": Opus(),
        "SPEEX": Speex(clock),
    }
    if name not in found:
        raise ValueError("no decoder for this encoding")
    return found[name]
