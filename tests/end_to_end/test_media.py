"""Sound that goes in comes out of the recording: at its pitch, in its place, and G.711 bit for bit.

Who makes the packets isn't this program: ffmpeg packs each codec, and rtpengine protects with each suite of SRTP.
"""

import base64
import json
import math
import re
import socket
import struct
import subprocess
import time
import wave
from array import array
from pathlib import Path
from typing import Any

import pytest

from . import relay
from .lab import Lab
from .wire import Datagram, capture, sip

CALLER, CALLEE = "+33612345678", "+33698765432"
A, B = "10.0.0.1", "10.0.0.2"
PORT = 4000
PITCH = {0: 697.0, 1: 1209.0}
"""What each side says, Hz."""


def ffmpeg(*arguments: str, octets: bytes = b"") -> bytes:
    line = ["ffmpeg", "-hide_banner", "-loglevel", "error", *arguments]
    return subprocess.run(line, input=octets, capture_output=True, check=True, timeout=60).stdout


def packets(side: int, arguments: list[str], payload_type: int, seconds: int = 2) -> list[bytes]:
    """RTP packets of a tone as ffmpeg sends them. It paces nothing, so the socket holds them all."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(0.2)
        tone = f"sine=frequency={PITCH[side]}:duration={seconds}:sample_rate=48000"
        to = ["-payload_type", str(payload_type), "-f", "rtp", f"rtp://127.0.0.1:{receiver.getsockname()[1]}"]
        ffmpeg("-f", "lavfi", "-i", tone, "-ac", "1", *arguments, *to)
        found = []
        try:
            while True:
                found.append(receiver.recv(65_535))
        except TimeoutError:
            return [packet for packet in found if not 192 <= packet[1] <= 223]


def dialogue(sdp: tuple[str, str], media: list[Datagram], end: float) -> list[Datagram]:
    """An answered call around its media, which begin at one second."""
    uri = f"sip:{CALLEE}@{B};user=phone"

    def say(at: float, back: bool, first: str, cseq: str, **more: str) -> Datagram:
        message = sip(first, "media-1", cseq, CALLER, CALLEE, **more)
        return (at, B, 5060, A, 5060, message) if back else (at, A, 5060, B, 5060, message)

    return [
        say(0, False, f"INVITE {uri} SIP/2.0", "1 INVITE", body=sdp[0]),
        say(0.4, True, "SIP/2.0 200 OK", "1 INVITE", tag="b", body=sdp[1]),
        say(0.5, False, f"ACK {uri} SIP/2.0", "1 ACK", tag="b"),
        *media,
        say(end, False, f"BYE {uri} SIP/2.0", "2 BYE", tag="b"),
        say(end + 0.1, True, "SIP/2.0 200 OK", "2 BYE", tag="b"),
    ]


def record(lab: Lab, datagrams: list[Datagram]) -> tuple[dict[str, Any], Path]:
    """The recording of a call, opened: what it says of itself, and the sound."""
    lab.intercept("MEDIA", [CALLER])
    lab.run(capture(lab.base / "call.pcap", datagrams))
    found = json.loads(lab.mandat("recordings", "list", "--json").stdout)["recordings"]
    assert len(found) == 1
    output = lab.base / "opened"
    line = ["recording", "open", "MEDIA", str(found[0]["cin"]), "--identity", str(lab.agency_key)]
    done = json.loads(lab.mandat(*line, "-o", str(output), "--json").stdout)
    assert (done["damaged"], done["unheard"]) == ([], [])
    return found[0], Path(done["sound"])


def sides(path: Path) -> tuple[int, list["array[int]"]]:
    """The rate and both sides of a sound."""
    with wave.open(str(path)) as file:
        both = array("h", file.readframes(file.getnframes()))
        return file.getframerate(), [both[0::2], both[1::2]]


def pitch(samples: "array[int]", rate: int, wanted: float) -> float:
    """The share of the sound's power at a pitch, by Goertzel's filter."""
    w = 2 * math.pi * wanted / rate
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + 2 * math.cos(w) * last - before
    power = last * last + before * before - 2 * math.cos(w) * last * before
    return 2 * power / ((sum(s * s for s in samples) or 1) * len(samples))


CODECS = {
    "PCMA": (8, "PCMA/8000", ["-ar", "8000", "-c:a", "pcm_alaw"]),
    "PCMU": (0, "PCMU/8000", ["-ar", "8000", "-c:a", "pcm_mulaw"]),
    "G722": (9, "G722/8000", ["-ar", "16000", "-c:a", "g722"]),
    "G726-32": (96, "G726-32/8000", ["-ar", "8000", "-c:a", "g726le", "-b:a", "32k"]),
    "OPUS": (97, "opus/48000/2", ["-ar", "48000", "-c:a", "libopus"]),
    "SPEEX": (98, "speex/16000", ["-ar", "16000", "-c:a", "libspeex"]),
    "L16": (99, "L16/16000", ["-ar", "16000", "-c:a", "pcm_s16be"]),
}


@pytest.mark.parametrize("encoding", CODECS)
def test_p31_every_codec_is_heard_in_its_place(lab: Lab, encoding: str) -> None:
    payload_type, name, arguments = CODECS[encoding]
    clock = int(name.split("/")[1])
    media: list[Datagram] = []
    sent: dict[int, bytes] = {}
    for side, begin in ((0, 1.0), (1, 2.5)):
        said = packets(side, arguments, payload_type)
        assert len(said) > 5
        sent[side] = b"".join(packet[12:] for packet in said)
        first = struct.unpack_from("!I", said[0], 4)[0]
        for packet in said:
            at = begin + ((struct.unpack_from("!I", packet, 4)[0] - first) & 0xFFFF_FFFF) / clock
            way = (A, PORT, B, PORT) if side == 0 else (B, PORT, A, PORT)
            media.append((at, *way, packet))
    sdp = [
        f"v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n"
        f"m=audio {PORT} RTP/AVP {payload_type}\r\na=rtpmap:{payload_type} {name}\r\n"
        for ip in (A, B)
    ]
    recording, sound = record(lab, dialogue((sdp[0], sdp[1]), media, 5.0))
    rate, heard = sides(sound)
    for side, begin in ((0, 0.0), (1, 1.5)):
        loud = next(n for n, sample in enumerate(heard[side]) if abs(sample) > 500) / rate
        # 20 ms, and what the codec itself delays: Opus 6.5 ms, Speex 10 to 20.
        assert begin - 0.001 <= loud < begin + 0.02 + (0.02 if encoding in {"OPUS", "SPEEX"} else 0), loud
        at = int((begin + 0.5) * rate)
        assert pitch(heard[side][at : at + rate], rate, PITCH[side]) > 0.8
        if encoding in {"PCMA", "PCMU"}:
            law = "alaw" if encoding == "PCMA" else "mulaw"
            plain = ffmpeg(
                "-f", law, "-ar", "8000", "-i", "pipe:0", "-f", "s16le", "pipe:1", octets=sent[side]
            )
            start = int(begin * 8000)
            assert heard[side][start : start + len(plain) // 2].tobytes() == plain, "bit for bit"
            assert not any(heard[side][:start])
    for stream in recording["streams"]:
        assert stream["lost_on_wire"] == 0
        assert stream["attribution"] == "announced"
        assert stream["protection"] == "none"
        assert stream["quality"]["measured_at"] == "tap"
        if encoding in {"PCMA", "PCMU"}:
            assert stream["quality"]["mos"] == 4.41


def key_length(suite: str) -> int:
    if "GCM" in suite:
        return (32 if "256" in suite else 16) + 12
    return (32 if "256" in suite else 24 if "192" in suite else 16) + 14


SUITES = [
    "AES_CM_128_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32",
    "AES_192_CM_HMAC_SHA1_80",
    "AES_192_CM_HMAC_SHA1_32",
    "AES_256_CM_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_32",
    "F8_128_HMAC_SHA1_80",
    "AEAD_AES_128_GCM",
    "AEAD_AES_256_GCM",
]


@pytest.mark.parametrize("suite", SUITES)
def test_p37_what_rtpengine_protects_is_opened_bit_for_bit(lab: Lab, suite: str) -> None:
    if relay.PROGRAM is None:
        pytest.fail("rtpengine is not installed: ./dev setup")
    said = packets(0, ["-ar", "8000", "-c:a", "pcm_alaw"], 8, seconds=1)
    with (
        relay.running(lab.base) as engine,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as alice,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bob,
    ):
        for one in (alice, bob):
            one.bind(("127.0.0.1", 0))
            one.settimeout(1)

        def describe(one: socket.socket, proto: str, crypto: str = "") -> str:
            port = one.getsockname()[1]
            return (
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                f"m=audio {port} {proto} 8\r\n{crypto}"
            )

        terms: dict[str, object] = {"call_id": "c", "from_tag": "a", "ICE": "remove", "DTLS": "off"}
        offer = engine.ask(
            "offer",
            sdp=describe(alice, "RTP/AVP"),
            transport_protocol="RTP/SAVP",
            SDES=["unencrypted_srtcp"],
            **terms,
        )
        offered = re.findall(r"a=crypto:(\d+) (\S+) (\S+)", offer["sdp"])
        tag = next((tag for tag, name, _ in offered if name == suite), None)
        if tag is None:
            pytest.skip(f"this rtpengine doesn't offer {suite}")
        mine = base64.b64encode(bytes(range(key_length(suite)))).decode()
        answer_to_relay = describe(bob, "RTP/SAVP", f"a=crypto:{tag} {suite} inline:{mine}\r\n")
        answer = engine.ask("answer", sdp=answer_to_relay, to_tag="b", transport_protocol="RTP/AVP", **terms)
        port = int(re.search(r"m=audio (\d+)", answer["sdp"])[1])  # type: ignore[index]
        media: list[Datagram] = []
        begun = time.monotonic()
        for packet in said:
            alice.sendto(packet, ("127.0.0.1", port))
            seen, (_, source) = bob.recvfrom(65_535)
            at = 1.0 + time.monotonic() - begun
            media.append((at, "127.0.0.1", source, "127.0.0.1", bob.getsockname()[1], seen))
            time.sleep(0.02)
        assert all(s[-1][12:172] != p[12:172] for s, p in zip(media, said, strict=True)), "it is protected"
    recording, sound = record(lab, dialogue((offer["sdp"], answer_to_relay), media, 5.0))
    assert [s["protection"] for s in recording["streams"]] == ["sdes_decrypted"]
    # The relay may have taken the first packets late; each is in its place, or in none.
    _, heard = sides(sound)
    payload = b"".join(packet[12:] for packet in said)
    plain = ffmpeg("-f", "alaw", "-ar", "8000", "-i", "pipe:0", "-f", "s16le", "pipe:1", octets=payload)
    assert heard[0].tobytes() == plain
    assert not any(heard[1])
    # The evidence is what was sent, not what was said.
    evidence = next((lab.base / "opened").glob("*.pcapng")).read_bytes()
    assert all(packet[-1] in evidence for packet in media)
    assert said[5][12:172] not in evidence
