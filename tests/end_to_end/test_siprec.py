"""A recording server (RFC 7866) on the real command line: SIPp plays the controller, ffmpeg its media."""

import json
import signal
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from .lab import Lab
from .test_media import pitch, sides

SERVER = ("127.0.0.1", 25160)
TARGET, OTHER, THIRD, FOURTH = "+33612345678", "+33698765432", "+33611111111", "+33622222222"
LOW, HIGH = 697.0, 1209.0
MEDIA = 20_000
"""The first media port: a new server gives them in order."""

METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<recording xmlns="urn:ietf:params:xml:ns:recording:1">
<datamode>complete</datamode>
<session session_id="hVpd7YQgRW2nD22h7q60JQ=="><sipSessionID>ab30317f1a784dc48ff824d0d3715d86;remote=\
47755a9de7794ba387653f2099600ef2</sipSessionID></session>
<participant participant_id="p1"><nameID aor="sip:{caller}@op.example"><name>Caller</name></nameID></participant>
<participant participant_id="p2"><nameID aor="tel:{callee}"/></participant>
<stream stream_id="s1" session_id="hVpd7YQgRW2nD22h7q60JQ=="><label>97</label></stream>
<stream stream_id="s2" session_id="hVpd7YQgRW2nD22h7q60JQ=="><label>96</label></stream>
<participantsessionassoc participant_id="p1" session_id="hVpd7YQgRW2nD22h7q60JQ=="/>
<participantsessionassoc participant_id="p2" session_id="hVpd7YQgRW2nD22h7q60JQ=="/>
<participantstreamassoc participant_id="p1"><send>s1</send><recv>s2</recv></participantstreamassoc>
<participantstreamassoc participant_id="p2"><send>s2</send><recv>s1</recv></participantstreamassoc>
</recording>"""

HEAD = """{method} sip:recorder@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:controller@[local_ip]>;tag=[pid]c[call_number]
To: <sip:recorder@[remote_ip]:[remote_port]>{tag}
Call-ID: [call_id]
CSeq: {cseq} {method}
Max-Forwards: 70
"""

SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="controller">
<send retrans="500"><![CDATA[
{invite}Contact: <sip:controller@[local_ip]:[local_port]>;+sip.src
Require: siprec
Accept: application/sdp
Content-Type: multipart/mixed;boundary=foobar
Content-Length: [len]

--foobar
Content-Type: application/sdp

v=0
o=SRC 2890844526 2890844526 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio 12240 RTP/AVP 8
a=sendonly
a=label:96
m=audio 22456 RTP/AVP 8
a=sendonly
a=label:97

--foobar
Content-Type: application/rs-metadata+xml
Content-Disposition: recording-session

{metadata}
--foobar--
]]></send>
<recv response="200"/>
<send><![CDATA[
{ack}Content-Length: 0

]]></send>
<pause milliseconds="{milliseconds}"/>
<send retrans="500"><![CDATA[
{bye}Content-Length: 0

]]></send>
<recv response="200"/>
</scenario>
"""


def controller(
    base: Path, name: str, caller: str, callee: str, seconds: float, *how: str
) -> subprocess.Popen[bytes]:
    """SIPp as a controller that records one call. It fails when an answer isn't the expected one."""
    tag = "[peer_tag_param]"
    scenario = base / f"{name}.xml"
    scenario.write_text(
        SCENARIO.format(
            invite=HEAD.format(method="INVITE", tag="", cseq=1),
            ack=HEAD.format(method="ACK", tag=tag, cseq=1),
            bye=HEAD.format(method="BYE", tag=tag, cseq=2),
            metadata=METADATA.format(caller=caller, callee=callee),
            milliseconds=int(seconds * 1000),
        )
    )
    line = [
        "sipp",
        "-sf",
        str(scenario),
        "-m",
        "1",
        "-nostdin",
        "-i",
        "127.0.0.1",
        *how,
        f"{SERVER[0]}:{SERVER[1]}",
    ]
    return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=base)


def tone(port: int, hertz: float, seconds: float) -> subprocess.Popen[bytes]:
    """ffmpeg sends a tone in A-law, as fast as it is spoken."""
    source = f"sine=frequency={hertz}:duration={seconds}:sample_rate=8000"
    line = [
        "ffmpeg",
        "-hide_banner",
        "-loglevel",
        "error",
        "-re",
        "-f",
        "lavfi",
        "-i",
        source,
        "-c:a",
        "pcm_alaw",
    ]
    return subprocess.Popen(
        [*line, "-f", "rtp", f"rtp://127.0.0.1:{port}?pkt_size=172"], stdout=subprocess.DEVNULL
    )


@dataclass
class Server:
    """The running command, and what it reported once it was stopped."""

    running: subprocess.Popen[str]
    report: dict[str, Any] = field(default_factory=dict)


@contextmanager
def server(lab: Lab) -> Iterator[Server]:
    line = [
        sys.executable,
        "-m",
        "mandat",
        "run",
        f"siprec:{SERVER[0]}:{SERVER[1]}",
        "--from",
        "127.0.0.1",
        "--json",
    ]
    with subprocess.Popen(
        [*line, "--site", str(lab.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=lab.environment,
    ) as running:
        found = Server(running)
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(SERVER) == 0:
                        break
                assert running.poll() is None, running.communicate()
                time.sleep(0.1)
            yield found
        finally:
            running.send_signal(signal.SIGTERM)
            said, complaints = running.communicate(timeout=60)
        assert running.returncode == 128 + signal.SIGTERM, complaints
        found.report = json.loads(said)


def quiet_end(*programs: subprocess.Popen[bytes]) -> None:
    for running in programs:
        _, complaints = running.communicate(timeout=60)
        assert running.returncode == 0, complaints


def test_p22_a_recording_session_of_the_target_is_recorded_and_others_leave_nothing(lab: Lab) -> None:
    lab.intercept("REC", [TARGET])
    lab.retain("RETAIN")
    with server(lab) as found:
        # The target is the caller, whom the second media description carries.
        first = controller(lab.base, "first", TARGET, OTHER, 4, "-p", "25170")
        time.sleep(1)
        speech = [tone(MEDIA, HIGH, 2), tone(MEDIA + 2, LOW, 2)]
        second = controller(lab.base, "second", THIRD, FOURTH, 3, "-t", "t1", "-p", "25171")
        time.sleep(1)
        speech += [tone(MEDIA + 4, HIGH, 1), tone(MEDIA + 6, LOW, 1)]
        quiet_end(first, second, *speech)
    counters = found.report["counters"]
    assert counters["siprec.sessions"] == counters["recording.sessions"] == 2
    assert counters["drop.media_unselected"] > 80, "what the others said"
    assert "drop.siprec_queue" not in counters
    recordings = json.loads(lab.mandat("recordings", "list", "--json").stdout)["recordings"]
    assert len(recordings) == 1
    output = lab.base / "opened"
    opening = ["recording", "open", "REC", str(recordings[0]["cin"]), "--identity", str(lab.agency_key)]
    done = json.loads(lab.mandat(*opening, "-o", str(output), "--json").stdout)
    assert (done["damaged"], done["unheard"]) == ([], [])
    rate, heard = sides(Path(done["sound"]))
    for samples, wanted, other in zip(heard, (LOW, HIGH), (HIGH, LOW), strict=True):
        middle: array[int] = samples[rate // 2 : rate // 2 + rate]
        assert pitch(middle, rate, wanted) > 0.8
        assert pitch(middle, rate, other) < 0.05
    told = lab.export("calls", "REC")
    assert {record["liid"] for record in told} == {"REC"}
    text = json.dumps(told)
    assert TARGET in text and OTHER in text and "Caller" in text
    assert THIRD not in text and FOURTH not in text and "controller" not in text
    assert next(task for task in found.report["tasks"] if task["liid"] == "RETAIN")["call_records"] == 2


def ask(request: str, source: str = "127.0.0.1") -> str:
    """The first line of an answer over UDP, or nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.bind((source, 0))
        asking.settimeout(1)
        asking.sendto(request.encode(), SERVER)
        try:
            return asking.recv(65_535).decode()
        except TimeoutError:
            return ""


def request(method: str, more: str = "", body: str = "", tag: str = "") -> str:
    return (
        f"{method} sip:recorder@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{method};rport\r\n"
        f"From: <sip:controller@127.0.0.1>;tag=c\r\nTo: <sip:recorder@127.0.0.1>{tag}\r\nCall-ID: refused\r\n"
        f"CSeq: 1 {method}\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}"
    )


def test_p22_what_the_server_cannot_do_is_refused_with_its_status(lab: Lab) -> None:
    lab.intercept("REC", [TARGET])
    siprec, sdp = "Require: siprec\r\n", "Content-Type: application/sdp\r\n"
    offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    with server(lab) as found:
        bad = ask(request("INVITE", "Require: siprec, record-aware\r\n"))
        assert bad.startswith("SIP/2.0 420 ") and "Unsupported: record-aware\r\n" in bad
        ordinary = ask(request("INVITE", sdp, offer + "m=audio 7000 RTP/AVP 8\r\n"))
        assert ordinary.startswith("SIP/2.0 421 ") and "Require: siprec\r\n" in ordinary
        assert ask(request("INVITE", siprec)).startswith("SIP/2.0 488 ")
        assert ask(request("INVITE", siprec + sdp, offer + "m=audio 7000 RTP/SAVP 8\r\n")).startswith(
            "SIP/2.0 488 "
        )
        assert ask(request("BYE")).startswith("SIP/2.0 481 ")
        assert ask(request("CANCEL")).startswith("SIP/2.0 481 ")
        assert ask(request("UPDATE", tag=";tag=x")).startswith("SIP/2.0 481 ")
        assert ask(request("REGISTER")).startswith("SIP/2.0 405 ")
        options = ask(request("OPTIONS"))
        assert options.startswith("SIP/2.0 200 ") and "application/rs-metadata+xml" in options
        # More media descriptions than there are ports: nothing of them stays taken.
        ports = 1024 // 32
        media = offer + "m=audio 7000 RTP/AVP 8\r\n" * 32
        for n in range(ports):
            invite = request("INVITE", siprec + sdp, media).replace("Call-ID: refused", f"Call-ID: {n}")
            assert ask(invite).startswith("SIP/2.0 200 "), n
        assert ask(request("INVITE", siprec + sdp, media)).startswith("SIP/2.0 486 ")
        assert ask(invite).startswith("SIP/2.0 200 "), "a copy is answered as before"
        assert ask(request("OPTIONS"), "127.0.0.2") == "", "no controller of ours: not even an answer"
    counters = found.report["counters"]
    assert counters["siprec.sessions"] == ports
    assert counters["drop.siprec_source"] == 1


@pytest.mark.parametrize(
    ("source", "more", "code"),
    [
        ("siprec:0.0.0.0:5060", ("--from", "127.0.0.1"), "siprec_address"),
        ("siprec:127.0.0.1:25160", (), "siprec_controllers"),
    ],
)
def test_a_recording_server_needs_an_address_and_controllers(
    lab: Lab, source: str, more: tuple[str, ...], code: str
) -> None:
    lab.intercept("REC", [TARGET])
    told = lab.refused("run", source, *more, code=3)
    assert code in told["code"]
