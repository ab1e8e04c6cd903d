"""Two real telephones (baresip) with sound, through a real proxy (Kamailio) and media relay (rtpengine)."""

import json
import shutil
import subprocess
import time
from array import array
from pathlib import Path
from typing import Any

import pytest

from . import relay
from .lab import Lab, tap
from .registrar import SIP, registrar
from .softphone import RATE, softphone
from .test_media import ffmpeg, pitch, sides

TARGET, RELAYED, OTHER = "+33155520001", "+33155520009", "+33155520002"
PITCHES = (440, 1000)
"""What each side says, Hz: who calls first."""

KINDS = {
    "plain": (TARGET, ""),
    "relayed": (RELAYED, ""),
    "sdes": (TARGET, "srtp-mand"),
    "dtls": (TARGET, "dtls_srtp"),
}
"""Who calls, and how it encrypts. The relay stands only between those who say so."""

HEADER = 12
"""Octets of a plain RTP header (RFC 3550, 5.1)."""

SECONDS = 2.0
"""How long they talk."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of a call of each kind."""
    for tool in ("kamailio", "baresip", "rtpengine", "tcpdump", "tshark"):
        assert shutil.which(tool), f"{tool} is not installed: ./dev setup"
    place = tmp_path_factory.mktemp("softphones")
    with relay.running(place) as engine:
        socket = f'modparam("rtpengine", "rtpengine_sock", "udp:127.0.0.1:{engine.port}")'
        server = registrar(
            place,
            modules=f'loadmodule "rtpengine.so"\n{socket}',
            media=f'if ($fU == "{RELAYED}") rtpengine_manage("replace-origin");',
        )
        with server:
            for turn, kind in enumerate(KINDS):
                talk(place, kind, 27100 + 400 * turn)
    return place


def talk(place: Path, kind: str, port: int) -> None:
    caller, encryption = KINDS[kind]
    with (
        tap(place / f"{kind}.pcap", f"udp port {SIP} or udp portrange {port}-{port + 399}"),
        softphone(place, OTHER, port + 200, PITCHES[1], encryption=encryption) as other,
        softphone(place, caller, port, PITCHES[0], encryption=encryption) as target,
    ):
        for phone in (target, other):
            phone.registered()
        target.tell("dial", f"sip:{OTHER}@127.0.0.1:{SIP}")
        for phone in (target, other):
            phone.wait("CALL_ESTABLISHED")
        time.sleep(SECONDS)
        target.tell("hangup")
        other.wait("CALL_CLOSED")


def payloads(capture: Path, port: int) -> tuple[float, bytes]:
    """What a telephone sent as RTP, by tshark: when it began, and its payloads in their order."""
    fields = ["-T", "fields", "-e", "frame.time_epoch", "-e", "udp.payload"]
    only = ["-o", "rtp.heuristic_rtp:TRUE", "--enable-heuristic", "rtp_udp", "-Y"]
    line = [
        "tshark",
        "-r",
        str(capture),
        *only,
        f"rtp && udp.srcport >= {port} && udp.srcport < {port + 100}",
        *fields,
    ]
    said = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout
    rows = [row.split("\t") for row in said.splitlines()]
    # RTP without padding, extension or sources; the handshake of DTLS goes the same way.
    rows = [row for row in rows if row[1].startswith("80")]
    assert len(rows) > SECONDS * 25, "the telephone spoke"
    return float(rows[0][0]), b"".join(bytes.fromhex(row[1])[HEADER:] for row in rows)


def recorded(lab: Lab, capture: Path) -> tuple[dict[str, Any], Path | None]:
    """The one recording of the target, and its sound if it can be heard."""
    lab.intercept("PHONES", [TARGET, RELAYED])
    lab.run(capture)
    found = json.loads(lab.mandat("recordings", "list", "--json").stdout)["recordings"]
    assert len(found) == 1
    line = ["recording", "open", "PHONES", str(found[0]["cin"]), "--identity", str(lab.agency_key)]
    done = json.loads(lab.mandat(*line, "-o", str(lab.base / "opened"), "--json").stdout)
    assert done["damaged"] == []
    return found[0], Path(done["sound"]) if done["sound"] else None


def said_and_heard(place: Path, kind: str, sound: Path) -> None:
    """What each telephone sent is in the sound, at its pitch and in its place; a plain call's bit for bit."""
    port = 27100 + 400 * tuple(KINDS).index(kind)
    capture = place / f"{kind}.pcap"
    spoken = [payloads(capture, port), payloads(capture, port + 200)]
    rate, heard = sides(sound)
    assert rate == RATE
    first = min(begun for begun, _ in spoken)
    for side, (begun, octets) in enumerate(spoken):
        loud = next(n for n, sample in enumerate(heard[side]) if abs(sample) > 500) / rate
        assert begun - first - 0.001 <= loud < begun - first + 0.02, (side, loud)
        assert pitch(heard[side][rate // 2 : rate * 3 // 2], rate, PITCHES[side]) > 0.8
        if kind == "plain":
            law = ["-f", "alaw", "-ar", str(RATE), "-i", "pipe:0", "-f", "s16le", "pipe:1"]
            plain = array("h", ffmpeg(*law, octets=octets))
            start = next(n for n, sample in enumerate(heard[side]) if sample)
            silent = next(n for n, sample in enumerate(plain) if sample)
            assert heard[side][start : start + len(plain) - silent] == plain[silent:], "bit for bit"


def test_p36_what_two_telephones_say_is_heard_in_its_place(lab: Lab, place: Path) -> None:
    recording, sound = recorded(lab, place / "plain.pcap")
    assert sound is not None
    assert {stream["protection"] for stream in recording["streams"]} == {"none"}
    assert {stream["lost_on_wire"] for stream in recording["streams"]} == {0}
    said_and_heard(place, "plain", sound)


def test_p36_what_a_relay_passes_on_is_kept_on_both_sides_of_it(lab: Lab, place: Path) -> None:
    recording, sound = recorded(lab, place / "relayed.pcap")
    assert sorted(stream["side"] for stream in recording["streams"]) == ["callee"] * 2 + ["caller"] * 2
    assert {stream["lost_on_wire"] for stream in recording["streams"]} == {0}
    assert sound is not None
    said_and_heard(place, "relayed", sound)


def test_p37_what_a_telephone_encrypts_with_sdes_is_heard(lab: Lab, place: Path) -> None:
    recording, sound = recorded(lab, place / "sdes.pcap")
    assert [stream["protection"] for stream in recording["streams"]] == ["sdes_decrypted"] * 2
    assert sound is not None
    said_and_heard(place, "sdes", sound)


def test_p37_what_a_telephone_encrypts_with_dtls_is_kept_as_it_came_and_said_so(
    lab: Lab, place: Path
) -> None:
    recording, sound = recorded(lab, place / "dtls.pcap")
    assert [stream["protection"] for stream in recording["streams"]] == ["dtls_srtp"] * 2
    assert sound is None, "nobody can hear it"
    evidence = next((lab.base / "opened").glob("*.pcapng")).read_bytes()
    port = 27100 + 400 * tuple(KINDS).index("dtls")
    for source in (port, port + 200):
        _, octets = payloads(place / "dtls.pcap", source)
        assert octets[:160] in evidence, "each packet as it lay on the wire"
