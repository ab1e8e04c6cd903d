"""A proxy (Kamailio) and telephones (SIPp) on loopback, and what lies on the wire between them."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from .lab import program, tap

PROXY, FIRST, SECOND, CALLER, MEDIA = 25060, 25070, 25080, 25090, 26000
"""Ports: the proxy, two called telephones, the calling one; media of each end a hundred apart from `MEDIA` on."""

TOOLS = ("kamailio", "sipp", "tcpdump")

ROUTING = """#!KAMAILIO
debug=1
log_stderror=yes
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:127.0.0.1:{port}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "corex.so"
loadmodule "textops.so"
loadmodule "siputils.so"
request_route {{
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK") && t_check_trans()) t_relay();
        exit;
    }}
    if (!is_method("INVITE")) {{ sl_send_reply("405", "Only calls"); exit; }}
    record_route();
{invite}
    t_relay();
}}
{more}
"""
"""A proxy of calls on `port`; `invite` says where a new one goes, `more` are further routes."""

INVITE = f"""
    if ($rU =~ "9$") append_branch("sip:second@127.0.0.1:{SECOND}");
    $du = "sip:127.0.0.1:{FIRST}";
"""

HEAD = """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:+{caller}@[local_ip]>;tag=[pid]a[call_number]
To: <sip:+{called}@[remote_ip]:[remote_port]>{tag}
Call-ID: [call_id]
CSeq: {cseq}
Max-Forwards: 70
Contact: <sip:phone@[local_ip]:[local_port]>
"""
SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=phone 1 {version} IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio {port} RTP/AVP 8
a={direction}
"""
ANSWER = """SIP/2.0 {status}
[last_Via:]
[last_Record-Route:]
[last_From:]
[last_To:];tag=[pid]b{mark}[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:phone@[local_ip]:[local_port]>
"""
EMPTY = "Content-Length: 0\n\n"


def send(message: str, retransmitted: bool = False) -> str:
    again = ' retrans="500"' if retransmitted else ""
    return f"<send{again}><![CDATA[\n{message}\n]]></send>"


def expect(what: int | str, *, optional: bool = False, routes: bool = False) -> str:
    kind = f'response="{what}"' if isinstance(what, int) else f'request="{what}"'
    more = [' optional="true"'] * optional + [' rrs="true"'] * routes
    return f"<recv {kind}{''.join(more)}></recv>"


def pause(milliseconds: int) -> str:
    return f'<pause milliseconds="{milliseconds}"/>'


def scenario(*steps: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="s">\n' + "\n".join(steps) + "\n</scenario>\n"
    )


def request(method: str, cseq: int, caller: str, called: str, body: str = EMPTY, within: bool = False) -> str:
    line = f"{method} {'[next_url]' if within else f'sip:+{called}@[remote_ip]:[remote_port]'} SIP/2.0\n"
    tag = "[peer_tag_param]" if within else ""
    head = HEAD.format(caller=caller, called=called, tag=tag, cseq=f"{cseq} {method}")
    return line + head + ("[routes]\n" if within else "") + body


def description(port: int, version: int = 1, direction: str = "sendrecv") -> str:
    return SDP.format(port=port, version=version, direction=direction)


def called(mark: str, *statuses: tuple[str, bool], then: tuple[str, ...], port: int = MEDIA + 100) -> str:
    """A telephone that answers an INVITE with these statuses, a description in those that say so."""
    steps = [expect("INVITE")]
    for status, described in statuses:
        if len(steps) > 1:
            steps.append(pause(150))
        body = description(port) if described else EMPTY
        steps.append(send(ANSWER.format(status=status, mark=mark) + body, status.startswith("2")))
    return scenario(*steps, *then)


def reply(status: str = "200 OK", body: str = EMPTY) -> str:
    """An answer within a dialog: its To has a tag already."""
    return send(ANSWER.format(status=status, mark="").replace(";tag=[pid]b[call_number]", "") + body)


def missing() -> list[str]:
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def kamailio(place: Path, configuration: str) -> list[str]:
    """What starts Kamailio in the foreground, under a configuration that is written into `place`."""
    path = place / "kamailio.cfg"
    path.write_text(configuration)
    return ["kamailio", "-DD", "-E", "-m", "32", "-M", "8", "-Y", str(place), "-f", str(path)]


@contextlib.contextmanager
def proxy(place: Path, capture: Path) -> Iterator[None]:
    """The proxy, and a tap on loopback that writes `capture`."""
    server = kamailio(place, ROUTING.format(port=PROXY, invite=INVITE, more=""))
    with (
        tap(capture, f"udp portrange {PROXY}-{MEDIA + 500}"),
        program(*server, log=place / "kamailio.log") as running,
    ):
        time.sleep(1.5)
        assert running.poll() is None, (place / "kamailio.log").read_text()
        yield


def call(place: Path, name: str, caller: str, *telephones: tuple[int, str]) -> None:
    """One call: `caller` is the scenario of who calls, `telephones` those of who is called, by port."""
    with contextlib.ExitStack() as running:
        for port, steps in telephones:
            script = place / f"{name}-{port}.xml"
            script.write_text(steps)
            command = [
                "sipp",
                "-sf",
                script,
                "-i",
                "127.0.0.1",
                "-p",
                str(port),
                "-m",
                "1",
                "-nostdin",
                "-timeout",
                "20s",
            ]
            running.enter_context(program(*command, log=place / f"{name}-{port}.log"))
        time.sleep(0.4)
        script = place / f"{name}.xml"
        script.write_text(caller)
        command = [
            "sipp",
            f"127.0.0.1:{PROXY}",
            "-sf",
            str(script),
            "-i",
            "127.0.0.1",
            "-p",
            str(CALLER),
            "-m",
            "1",
        ]
        command += ["-cid_str", f"{name}@lab", "-nostdin", "-timeout", "20s"]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=40)
        assert done.returncode == 0, f"{name}: {done.stdout[-1500:]}{done.stderr[-500:]}"
        time.sleep(0.3)
