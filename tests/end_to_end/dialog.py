"""What telephones (SIPp) say and wait for, message by message.

A scenario may hold two dialogs: SIPp takes what stands before `///` in a Call-ID for no part of its own call's name,
so that messages of both come to the same scenario. Tags, contacts and routes are fixed by the names below.
"""

PROXY = 28060
NUMBERS = {"target": "33155500011", "shop": "33155500012", "third": "33155500013"}
PORTS = {"target": 28070, "shop": 28080, "third": 28090}


def expect(*what: int | str, optional: bool = False) -> str:
    """Waits for each of these messages in turn."""
    more = ' optional="true"' if optional else ""
    kinds = (f'response="{one}"' if isinstance(one, int) else f'request="{one}"' for one in what)
    return "".join(f"<recv {kind}{more}></recv>" for kind in kinds)


def trying(*answers: int | str) -> str:
    """Waits for messages; the proxy may say 100 first."""
    return expect(100, optional=True) + expect(*answers)


def begin(sound: str) -> str:
    """Begins to say ten packets of a sound to where the last description said, and goes on meanwhile."""
    return f'<nop><action><exec rtp_stream="{sound}.al,1,8,PCMA/8000"/></action></nop>'


def say(sound: str) -> str:
    """Says them. No message may come meanwhile: SIPp takes what comes in a pause for unexpected."""
    return begin(sound) + '<pause milliseconds="400"/>'


def description(who: str, version: int = 1, direction: str = "sendrecv", session: int = 1) -> str:
    return (
        "Content-Type: application/sdp\nContent-Length: [len]\n\nv=0\n"
        f"o={who} {session} {version} IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
        f"m=audio [rtpstream_audio_port] RTP/AVP 8\na={direction}\n"
    )


def sent(text: str, *headers: str, body: str = "", again: bool = False) -> str:
    retransmitted = ' retrans="500"' if again else ""
    whole = text + "".join(f"{header}\n" for header in headers) + (body or "Content-Length: 0\n\n")
    return f"<send{retransmitted}><![CDATA[\n{whole}\n]]></send>"


def ask(
    method: str,
    cseq: int,
    me: str,
    other: str,
    *headers: str,
    dialog: str = "",
    new: bool = False,
    body: str = "",
) -> str:
    """A request of `me`: in the dialog, or a new INVITE. `dialog` tells the second call of a scenario."""
    uri = f"sip:+{NUMBERS[other]}@127.0.0.1:{PROXY}" if new else f"sip:{other}@127.0.0.1:{PORTS[other]}"
    to_tag, route = ("", "") if new else (f";tag={other}", f"Route: <sip:127.0.0.1:{PROXY};lr>\n")
    text = (
        f"{method} {uri} SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:[local_port];branch=[branch]\n{route}"
        f"From: <sip:+{NUMBERS[me]}@127.0.0.1>;tag={me}\nTo: <sip:+{NUMBERS[other]}@127.0.0.1>{to_tag}\n"
        f"Call-ID: {dialog + '///' if dialog else ''}[call_id]\nCSeq: {cseq} {method}\nMax-Forwards: 70\n"
        f"Contact: <sip:{me}@127.0.0.1:[local_port]>\n"
    )
    return sent(text, *headers, body=body, again=method != "ACK")


def refused(cseq: int, me: str, other: str, *, new: bool = False) -> str:
    """The ACK of a refusal goes the way of its INVITE, and has the tag of the answer (RFC 3261, 17.1.1.3)."""
    text = ask("ACK", cseq, me, other, new=new)
    text = text.replace("Via: SIP/2.0/UDP 127.0.0.1:[local_port];branch=[branch]", "[last_Via:]")
    lines = ("[last_To:]" if line.startswith("To: ") else line for line in text.split("\n"))
    return "\n".join(lines)


def answer(
    status: str, me: str, *headers: str, tagged: bool = False, body: str = "", again: bool = False
) -> str:
    """An answer to the last request; `tagged` says that its To has the tag already."""
    text = (
        f"SIP/2.0 {status}\n[last_Via:]\n[last_Record-Route:]\n[last_From:]\n"
        f"[last_To:]{'' if tagged else f';tag={me}'}\n[last_Call-ID:]\n[last_CSeq:]\n"
        f"Contact: <sip:{me}@127.0.0.1:[local_port]>\n"
    )
    return sent(text, *headers, body=body, again=again)


def ok(me: str, body: str = "", *headers: str) -> str:
    return answer("200 OK", me, *headers, tagged=True, body=body)


def notify(cseq: int, me: str, other: str, status: str, state: str) -> str:
    """How the other call goes (RFC 3515, 2.4.5), and the answer to it."""
    body = f"Content-Type: message/sipfrag\nContent-Length: [len]\n\nSIP/2.0 {status}\n"
    return ask("NOTIFY", cseq, me, other, "Event: refer", f"Subscription-State: {state}", body=body) + expect(
        200
    )


def begun(me: str, other: str, *headers: str, dialog: str = "") -> list[str]:
    """Calls, and is answered."""
    offer = description(me, session=2 if dialog else 1)
    return [
        ask("INVITE", 1, me, other, *headers, dialog=dialog, new=True, body=offer),
        expect(100, 180, optional=True) + expect(200),
        ask("ACK", 1, me, other, dialog=dialog),
    ]


def taken(me: str) -> list[str]:
    """Is called, rings and answers."""
    return [
        expect("INVITE"),
        answer("180 Ringing", me),
        answer("200 OK", me, body=description(me), again=True),
        expect("ACK"),
    ]
