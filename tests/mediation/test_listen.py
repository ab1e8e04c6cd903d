"""Listening copies: every codec's tone comes out at its pitch and in its place, and what didn't come is silence."""

import contextlib
import math
import struct
import subprocess
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mandat.mediation import amr, codecs, ffmpeg, ogg
from mandat.mediation.frames import MAGIC, Frame, Packing, parse
from mandat.mediation.listen import Side, Streams, put_segment, stereo
from tests.mediation.test_wav import segment

SECONDS = 2
PITCH = 697.0
"""Hz; one of the tones of a keypad, and no multiple of a frame."""


@pytest.fixture(autouse=True)
def _decoder() -> None:
    if not ffmpeg.present():
        pytest.fail("ffmpeg is not installed: ./dev setup")


def frame(encoding: str, clock: int, payload: bytes, n: int = 0, place: int = 0, **more: int) -> Frame:
    return Frame(
        more.get("stream", 0),
        more.get("side", 0),
        Packing(more.get("packing", 0)),
        more.get("channels", 1),
        n,
        clock,
        place,
        encoding,
        payload,
    )


def record(one: Frame) -> bytes:
    """A packet as the sink writes it."""
    name = one.encoding.encode()
    head = struct.pack(
        "<HBBBBHIqI",
        one.stream,
        one.side,
        one.packing,
        one.channels,
        len(name),
        one.sequence,
        one.clock,
        one.position,
        len(one.payload),
    )
    return head + name + one.payload


def pitch(samples: "array[int]", rate: int, wanted: float = PITCH) -> float:
    """The share of the sound's power at a pitch, by Goertzel's filter: 1.0 is that tone and nothing else."""
    w = 2 * math.pi * wanted / rate
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + 2 * math.cos(w) * last - before
    power = last * last + before * before - 2 * math.cos(w) * last * before
    total = sum(sample * sample for sample in samples) or 1
    return 2 * power / (total * len(samples))


def encode(arguments: list[str]) -> bytes:
    """A tone through one of ffmpeg's encoders."""
    tone = ["-f", "lavfi", "-i", f"sine=frequency={PITCH}:duration={SECONDS}:sample_rate=48000"]
    line = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", *tone, *arguments, "pipe:1"]
    octets = subprocess.run(line, check=True, capture_output=True).stdout
    # G.723.1 has no raw writer; a WAV has its frames behind the header.
    return octets[octets.index(b"data") + 8 :] if octets.startswith(b"RIFF") else octets


def cut(octets: bytes, length: int) -> list[bytes]:
    return [octets[at : at + length] for at in range(0, len(octets) - length + 1, length)]


def packets_of_ogg(octets: bytes) -> list[bytes]:
    """The packets of an Ogg file, without its two headers."""
    found, at, open_packet = [], 0, b""
    while at < len(octets):
        lacing = octets[at + 27 : at + 27 + octets[at + 26]]
        at += 27 + len(lacing)
        for length in lacing:
            open_packet += octets[at : at + length]
            at += length
            if length < 255:
                found.append(open_packet)
                open_packet = b""
    return found[2:]


def listen(tmp_path: Path, frames: list[Frame], rate: int) -> "tuple[array[int], list[str]]":
    with Side(tmp_path / "l", rate) as left, Side(tmp_path / "r", rate) as right:
        streams = Streams((left, right), rate)
        for one in frames:
            streams.add(one)
        streams.finish()
        return left.read(0, left.samples), streams.faults


CODECS = [
    ("G722", 8000, ["-ar", "16000", "-c:a", "g722", "-f", "g722"], 160, 160),
    ("G726-32", 8000, ["-ar", "8000", "-c:a", "g726le", "-b:a", "32k", "-f", "g726le"], 80, 160),
    ("G726-16", 8000, ["-ar", "8000", "-c:a", "g726le", "-b:a", "16k", "-f", "g726le"], 40, 160),
    ("G726-40", 8000, ["-ar", "8000", "-c:a", "g726le", "-b:a", "40k", "-f", "g726le"], 100, 160),
    ("GSM", 8000, ["-ar", "8000", "-c:a", "libgsm", "-f", "gsm"], 33, 160),
    ("G723", 8000, ["-ar", "8000", "-c:a", "g723_1", "-b:a", "6300", "-f", "wav"], 24, 240),
    ("L16", 8000, ["-ar", "8000", "-f", "s16be"], 320, 160),
    ("L16", 16000, ["-ar", "16000", "-f", "s16be"], 640, 160),
    ("L16", 44100, ["-ar", "44100", "-f", "s16be"], 882, 80),
    ("OPUS", 48000, ["-ar", "48000", "-c:a", "libopus", "-b:a", "32k", "-f", "ogg"], 0, 160),
    ("SPEEX", 8000, ["-ar", "8000", "-c:a", "libspeex", "-f", "ogg"], 0, 160),
    ("SPEEX", 16000, ["-ar", "16000", "-c:a", "libspeex", "-f", "ogg"], 0, 160),
]


@pytest.mark.parametrize(("encoding", "clock", "arguments", "length", "step"), CODECS)
def test_p31_the_tone_has_its_pitch_and_its_place(
    tmp_path: Path, encoding: str, clock: int, arguments: list[str], length: int, step: int
) -> None:
    octets = encode(["-ac", "1", *arguments])
    payloads = cut(octets, length) if length else packets_of_ogg(octets)
    begin = 4000
    frames = [
        frame(encoding, clock, payload, n, begin + n * step)
        for n, payload in enumerate(payloads)
        if not 40 <= n < 45  # five packets never came
    ]
    rate = 16_000 if codecs.of(frames[0]).rate > 8000 else 8000
    sound, faults = listen(tmp_path, frames, rate)
    assert faults == []
    scale = rate // 8000
    assert abs(len(sound) - (begin + len(payloads) * step) * scale) <= 2 * scale
    # Half a second before the first packet, and five packets: silence, exactly. Two samples of slack where rates divide
    # with a rest.
    assert not any(sound[: begin * scale - 2])
    hole = slice((begin + 40 * step) * scale + 2, (begin + 45 * step) * scale - 2)
    assert not any(sound[hole])
    middle = sound[(begin + 60 * step) * scale : (begin + 60 * step + 4000) * scale]
    assert pitch(middle, rate) > 0.8, encoding
    # Aligned to 20 ms: the tone begins where its first packet is, but for what a codec delays.
    loud = next(n for n, sample in enumerate(sound) if abs(sample) > 500)
    assert 0 <= loud / rate - begin / 8000 < 0.02 + 0.012


def test_p36_packets_in_any_order_and_twice_over_two_streams_make_one_sound(tmp_path: Path) -> None:
    payloads = cut(encode(["-ac", "1", "-ar", "8000", "-f", "s16be"]), 320)
    frames = [frame("L16", 8000, payload, n, n * 160) for n, payload in enumerate(payloads)]
    straight, _ = listen(tmp_path, frames, 8000)
    (tmp_path / "again").mkdir()
    mixed, _ = listen(tmp_path / "again", frames[::2] + frames[1::2], 8000)
    assert straight == mixed == array("h", struct.unpack(f">{len(straight)}h", b"".join(payloads)))
    (tmp_path / "both").mkdir()
    other = [frame("L16", 8000, one.payload, one.sequence, one.position, stream=1) for one in frames]
    both, _ = listen(tmp_path / "both", frames + other, 8000)
    assert list(both) == [max(-32768, min(32767, 2 * sample)) for sample in straight]


def test_p36_g711_among_wide_codecs_keeps_every_sample(tmp_path: Path) -> None:
    octets = segment(8000)
    plain = struct.unpack("<16000h", octets[44 : 44 + 32_000])
    with Side(tmp_path / "l", 16_000) as left, Side(tmp_path / "r", 16_000) as right:
        put_segment((left, right), 80, octets, 16_000)
        assert list(left.read(160, 16_000)[::2]) == list(plain[::2])
        assert list(right.read(160, 16_000)[::2]) == list(plain[1::2])
        assert not any(left.read(0, 160))
        joined = b"".join(stereo(left, right))
        assert len(joined) == 4 * (160 + 16_000)


# ------------------------------------------------------------------ AMR


def pack(contents: list[tuple[int, bytes]], *, wide: bool, aligned: bool) -> bytes:
    """The other way round: frame types and their bits as a payload."""
    bits = amr.WIDE_BITS if wide else amr.NARROW_BITS
    out = "1111" + ("0000" if aligned else "")
    for n, (kind, _) in enumerate(contents):
        out += f"{int(n + 1 < len(contents))}{kind:04b}1" + ("00" if aligned else "")
    for kind, octets in contents:
        length = bits[kind] if kind < len(bits) else 0
        speech = "".join(f"{octet:08b}" for octet in octets)[:length]
        out += speech + ("0" * (-length % 8) if aligned else "")
    out += "0" * (-len(out) % 8)
    return int(out, 2).to_bytes(len(out) // 8, "big")


@given(
    kinds=st.lists(st.sampled_from([0, 2, 7, 8, 14, 15]), min_size=1, max_size=6),
    wide=st.booleans(),
    aligned=st.booleans(),
    seed=st.binary(min_size=61, max_size=61),
)
def test_p32_both_packings_give_the_same_frames(
    kinds: list[int], wide: bool, aligned: bool, seed: bytes
) -> None:
    bits = amr.WIDE_BITS if wide else amr.NARROW_BITS
    payload = pack([(kind, seed) for kind in kinds], wide=wide, aligned=aligned)
    packing = Packing.OCTET_ALIGNED if aligned else Packing.BANDWIDTH_EFFICIENT
    found = list(amr.frames(payload, wide=wide, packing=packing))
    assert len(found) == len(kinds)
    for kind, one in zip(kinds, found, strict=True):
        speech = kind < len(bits) - 1
        assert (one is not None) == speech, "SID, SPEECH_LOST and NO_DATA are pauses, and no error"
        if one is not None:
            assert one[0] == (kind << 3) | 4
            assert len(one) == 1 + (bits[kind] + 7) // 8
            assert one[1:-1] == seed[: len(one) - 2]


@given(payload=st.binary(max_size=80), wide=st.booleans(), packing=st.sampled_from(Packing))
def test_p32_any_octets_are_frames_or_damage(payload: bytes, wide: bool, packing: Packing) -> None:
    with contextlib.suppress(ValueError):
        assert len(list(amr.frames(payload, wide=wide, packing=packing))) <= amr.MAX_FRAMES


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("aligned", [False, True])
def test_p32_amr_with_pauses_keeps_its_place(tmp_path: Path, wide: bool, aligned: bool) -> None:
    name, clock = ("AMR-WB", 16_000) if wide else ("AMR", 8000)
    # Speech of all modes, then a pause of SID and NO_DATA, then speech. What it sounds like is not the question here.
    kinds = [0, 2, 7] * 10 + [8 + wide] + [15] * 20 + [4] * 10
    packing = int(aligned)
    frames = [
        frame(
            name,
            clock,
            pack([(k, b"\x3c\xa5" * 31)], wide=wide, aligned=aligned),
            n,
            n * 160,
            packing=packing,
        )
        for n, k in enumerate(kinds)
    ]
    sound, faults = listen(tmp_path, frames, clock)
    assert faults == []
    assert len(sound) == len(kinds) * clock // 50
    assert any(sound[: 30 * clock // 50])
    assert not any(sound[30 * clock // 50 : 51 * clock // 50])
    assert any(sound[51 * clock // 50 :])


# ------------------------------------------------------------------ G.729, iLBC, and what isn't itself


def test_p34_descriptions_of_silence_and_modes_are_told_by_length(tmp_path: Path) -> None:
    g729 = codecs.of(frame("G729", 8000, b""))
    assert [(u.samples, u.place) for u in g729.units(frame("G729", 8000, bytes(22)))] == [(80, 0), (80, 80)]
    assert list(g729.units(frame("G729", 8000, bytes(2)))) == []
    with pytest.raises(ValueError, match="whole number"):
        list(g729.units(frame("G729", 8000, bytes(13))))
    for length, samples in ((38, 160), (50, 240), (76, 160)):
        one = frame("ILBC", 8000, bytes(length))
        assert {u.samples for u in codecs.of(one).units(one)} == {samples}
    g723 = codecs.of(frame("G723", 8000, b""))
    payload = bytes([0] + 23 * [0]) + bytes([2, 0, 0, 0]) + bytes([1] + 19 * [0]) + b"\x03"
    assert [(len(u.octets), u.place) for u in g723.units(frame("G723", 8000, payload))] == [
        (24, 0),
        (20, 480),
    ]
    for encoding, length in (("G729", 20), ("ILBC", 38), ("ILBC", 50), ("GSM", 33)):
        (tmp_path / f"{encoding}{length}").mkdir()
        frames = [frame(encoding, 8000, bytes(length), n, n * 240) for n in range(10)]
        assert listen(tmp_path / f"{encoding}{length}", frames, 8000)[1] == []


def test_p33_what_nobody_decodes_is_told_and_harms_nothing(tmp_path: Path) -> None:
    payloads = cut(encode(["-ac", "1", "-ar", "8000", "-f", "s16be"]), 320)
    frames = [frame("L16", 8000, payload, n, n * 160) for n, payload in enumerate(payloads)]
    frames += [frame("EVS", 16_000, b"\x01" * 33, n, n * 160, stream=1) for n in range(3)]
    frames += [frame("OPUS", 48_000, b"\xff\xff", n, n * 160, stream=2) for n in range(3)]
    sound, faults = listen(tmp_path, frames, 8000)
    assert pitch(sound[4000:8000], 8000) > 0.9
    assert len(faults) == 2
    assert "EVS" in faults[0]


def test_opus_packets_tell_their_length() -> None:
    """RFC 6716, table 2."""
    assert codecs.opus_samples(b"\x00") == 480
    assert codecs.opus_samples(b"\x1b\x02") == 5760
    assert codecs.opus_samples(b"\x78") == 960
    assert codecs.opus_samples(b"\xf8") == 960
    assert codecs.opus_samples(b"\xe1x") == 240
    with pytest.raises(ValueError, match="120 ms"):
        codecs.opus_samples(b"\x1b\x03")


@given(st.binary(max_size=200))
def test_any_octets_are_frames_or_damage(octets: bytes) -> None:
    for content in (octets, MAGIC + octets):
        with contextlib.suppress(ValueError):
            list(parse(content))


def test_a_file_of_frames_is_read_as_it_is_written() -> None:
    written = [
        frame("AMR-WB", 16_000, b"abc", 7, -5, side=1, packing=1),
        frame("L16", 44_100, b"", 65_535, 1 << 40, channels=2, stream=9),
    ]
    assert list(parse(MAGIC + b"".join(map(record, written)))) == written
    with pytest.raises(ValueError, match="cut"):
        list(parse(MAGIC + record(written[0])[:-1]))


def test_ogg_is_as_ffmpeg_reads_it() -> None:
    packets = packets_of_ogg(encode(["-ac", "1", "-c:a", "libopus", "-f", "ogg"]))
    made = ogg.file(ogg.opus_headers(), [(packet, codecs.opus_samples(packet)) for packet in packets])
    assert packets_of_ogg(made) == packets
    long = bytes(600)
    assert packets_of_ogg(ogg.file([b"a", b"b"], [(long, 1), (bytes(255), 1)])) == [long, bytes(255)]
