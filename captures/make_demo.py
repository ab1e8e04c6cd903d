#!/usr/bin/env python3
"""Make the demo capture and its truth: `make_demo.py` writes them, `make_demo.py --check` compares.

One busy minute of a small operator. Numbers are of the ranges that the French regulator keeps for fiction,
addresses of RFC 5737 and RFC 3849, names of RFC 2606. The story is told in `README.md`.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from demo import calls, web
from demo.sms import Session
from demo.story import CALLS, DOMAIN, KEYWORD, KEYWORDS, SPELLINGS, TARGET, Story
from demo.wire import Address

HERE = Path(__file__).parent
PROXY: Address = ("198.51.100.10", 5060)
PROXY6: Address = ("2001:db8::10", 5060)
CHALLENGE = ("Proxy-Authenticate", 'Digest realm="demo.example", nonce="5f1c", algorithm=SHA-256, qop="auth"')
CREDENTIALS = (
    "Proxy-Authorization",
    'Digest username="demo", realm="demo.example", nonce="5f1c", uri="sip:demo.example", algorithm=SHA-256, '
    'qop=auth, nc=00000001, cnonce="0a", response="' + "0" * 64 + '"',
)


def number(digits: str) -> str:
    """Return the SIP URI of a subscriber."""
    return f"sip:{digits}@ims.demo.example;user=phone"


def phone(n: int) -> Address:
    """Return the signalling address of telephone `n`."""
    return f"192.0.2.{n}", 5060 + 2 * n


def answered_calls(story: Story) -> None:
    """Tell the calls that were answered."""

    def call(
        name: str, at: float, ring: float, seconds: float, shows: str, target: str = "", **facts: Any
    ) -> None:
        made = calls.Call(story.trace, name, server=facts.pop("server", PROXY), **facts)
        made.ring(at)
        made.talk(at + ring, seconds)
        made.hang_up(at + ring + seconds + 0.2)
        story.call(made, shows, "bye", 200, seconds, target)

    call(
        "calls-out", 0, 2.0, 9, "the target calls, A-law", SPELLINGS["global"],
        caller=SPELLINGS["global"], callee=number("+33199000210"), client=phone(11),
    )  # fmt: skip
    call(
        "strangers", 4, 1.5, 5, "strangers, mu-law",
        caller=number("+33639980202"), callee=number("+33639980303"), client=phone(12), codec=calls.PCMU,
    )  # fmt: skip
    call(
        "tcp", 30, 1.0, 4, "the target is called over TCP, INVITE in several segments", SPELLINGS["escaped"],
        caller=number("+33199000211"), callee=SPELLINGS["escaped"], client=phone(13), tcp=True,
    )  # fmt: skip
    call(
        "ipv6", 33, 1.0, 4, "strangers over IPv6",
        caller=number("+33639980204"), callee=number("+33199000305"), client=("2001:db8::2:14", 5088),
        server=PROXY6,
    )  # fmt: skip
    call(
        "vlan-loss", 54, 1.2, 6, "the target is called inside a VLAN; three packets of the caller are lost",
        SPELLINGS["global"], caller=number("+33639980206"), callee=SPELLINGS["global"], client=phone(15),
        codec=calls.PCMU, vlan=100, lost=frozenset({20, 21, 90}),
    )  # fmt: skip
    call(
        "near-miss", 66, 1.0, 3, "strangers; the callee's number is the target's with two digits swapped",
        caller=number("+33639980207"), callee=number("+33639980110"), client=phone(16),
    )  # fmt: skip


def unanswered_calls(story: Story) -> None:
    """Tell the calls that nobody took."""
    trace = story.trace
    busy = calls.Call(trace, "busy", number("+33639980208"), SPELLINGS["national"], phone(21), PROXY)
    busy.request(14, "INVITE")
    busy.respond(14.02, 100)
    busy.respond(14.4, 486)
    busy.request(14.43, "ACK")
    story.call(busy, "the target is busy", "failure", 486, 0, SPELLINGS["national"])

    cancelled = calls.Call(
        trace,
        "cancelled",
        number("+33199000212"),
        "sip:reception@demo.example",
        phone(22),
        PROXY,
        SPELLINGS["separators"],
    )
    cancelled.ring(16)
    cancelled.request(20, "CANCEL")
    cancelled.respond(20.02, 200, "CANCEL")
    cancelled.respond(20.05, 487)
    cancelled.request(20.08, "ACK")
    story.call(
        cancelled,
        "cancelled; the target stands in the Request-URI alone",
        "cancel",
        487,
        0,
        SPELLINGS["separators"],
    )

    absent = calls.Call(trace, "absent", number("+33639980209"), number("+33199000999"), phone(23), PROXY)
    absent.request(24, "INVITE")
    absent.respond(24.05, 404)
    absent.request(24.08, "ACK")
    story.call(absent, "no such number", "failure", 404, 0)


def awkward_calls(story: Story) -> None:
    """Tell the calls that naive implementations get wrong."""
    trace = story.trace
    challenged = calls.Call(
        trace,
        "challenged",
        SPELLINGS["prefixed"],
        number("+33199000213"),
        phone(31),
        PROXY,
        key=5,
        codec=calls.PCMU,
    )
    challenged.request(18, "INVITE")
    challenged.respond(18.03, 407, headers=(CHALLENGE,))
    challenged.request(18.06, "ACK")
    challenged.cseq = 2
    challenged.request(18.1, "INVITE", (CREDENTIALS,))
    challenged.respond(18.4, 180)
    challenged.talk(19.5, 5)
    challenged.hang_up(24.8)
    shows = "challenged, then answered: one call; the target presses 5"
    story.call(challenged, shows, "bye", 200, 5, SPELLINGS["prefixed"])

    unended = calls.Call(
        trace, "unended", "sip:anonymous@anonymous.invalid", number("+33639980310"), phone(32), PROXY,
        asserted=SPELLINGS["global"],
    )  # fmt: skip
    unended.ring(25)
    unended.talk(26.2, 4)
    shows = "the BYE never reaches the tap; the target withholds its number, the network vouches for it"
    story.call(unended, shows, "source_ended", 200, 4, SPELLINGS["global"])

    repeated = calls.Call(trace, "repeated", number("+33639980211"), number("+33199000312"), phone(33), PROXY)
    repeated.request(46, "INVITE")
    repeated.request(46.5, "INVITE")
    repeated.respond(46.52, 100)
    repeated.respond(46.8, 180)
    repeated.respond(47.4, 200)
    repeated.talk(47.9, 3)
    repeated.hang_up(51.2)
    story.call(repeated, "strangers; INVITE and 200 are each sent twice", "bye", 200, 3)


def texts(story: Story) -> None:
    """Tell the texts."""
    trace, centre = story.trace, ("198.51.100.25", 2775)
    stranger, other = number("+33639980401"), number("+33639980402")
    zero_width = f"Le {KEYWORD[:4]}\u200b{KEYWORD[4:7]}\u200d{KEYWORD[7:]} est prêt."
    sip = [
        (8.0, stranger, other, f"Rendez-vous au marché, près du {KEYWORD}.", "the keyword", [KEYWORDS]),
        (
            13.0,
            SPELLINGS["national"],
            other,
            "Bien arrivé, à demain.",
            "from the target, no keyword",
            [CALLS],
        ),
        (28.0, other, stranger, zero_width, "zero-width characters inside the keyword", [KEYWORDS]),
        (
            36.0,
            stranger,
            other,
            f"Des {KEYWORD}s partout !",
            "a longer word: the warrant says whole words",
            [],
        ),
    ]
    for n, (at, sender, recipient, text, shows, warrants) in enumerate(sip):
        calls.text_message(trace, at, f"text-{n + 1}", (sender, recipient), (phone(41 + n), PROXY), text)
        story.text("sip", (sender, recipient), text, shows, warrants)

    session = Session(trace, 5.0, ("192.0.2.90", 40001), centre)
    strangers = ("33639980403", "33639980404")
    # 67 characters a part: the keyword begins in the first and ends in the second.
    long = f"Ce message est plus long qu'une partie, et le mot cherché est {KEYWORD} : il tient à cheval."
    smpp = [
        (6.0, strangers, "Rappel : rendez-vous demain a 10 h", False, "no keyword", [], 1),
        (
            10.0,
            strangers,
            f"Le {KEYWORD.upper()} fleurit \U0001f33b",
            False,
            "UCS-2, upper case, a surrogate pair",
            [KEYWORDS],
            1,
        ),
        (22.0, strangers, long, False, "two parts; the keyword lies across them", [KEYWORDS], 2),
        (
            38.0,
            ("33199000213", TARGET[1:]),
            "Votre colis est arrive",
            True,
            "to the target, no keyword",
            [CALLS],
            1,
        ),
    ]
    for at, parties, text, deliver, shows, warrants, parts in smpp:
        session.send(at, parties, text, deliver)
        story.text("smpp", parties, text, shows, warrants, parts)
    # A receipt quotes what it acknowledges (SMPP 3.4, appendix B): it is no text, and no second find.
    dates = "submit date:2606010900 done date:2606010900"
    receipt = f"id:00000002 sub:001 dlvrd:001 {dates} stat:DELIVRD err:000 text:{KEYWORD}"
    session.send(44.0, (strangers[1], strangers[0]), receipt, deliver=True, receipt=True)
    session.close(68.0)


def flows(story: Story) -> None:
    """Tell the flows."""
    trace, resolver = story.trace, ("198.51.100.53", 53)
    alike = f"not{DOMAIN}"
    for n, (at, name, watched, shows) in enumerate(
        [
            (3.0, f"www.{DOMAIN}", True, "a subdomain"),
            (9.0, alike, False, "a look-alike"),
            (21.0, "www.example.org", False, "another domain"),
        ]
    ):
        client = (f"192.0.2.{61 + n}", 50001 + n)
        web.dns(trace, at, client, resolver, name, "203.0.113.80")
        story.flow("dns", name, client, resolver, shows, watched)
    tls = [
        (3.2, f"mail.{DOMAIN}", True, True, "ClientHello of post-quantum size, in two segments"),
        (9.2, alike, False, False, "a look-alike"),
        (21.2, "www.example.org", True, False, "another domain"),
    ]
    for n, (at, name, post_quantum, watched, shows) in enumerate(tls):
        client, server = (f"192.0.2.{64 + n}", 51001 + n), ("203.0.113.80", 443)
        web.tls(trace, at, client, server, name, post_quantum)
        story.flow("tls", name, client, server, shows, watched)
    for n, (at, name, watched, shows) in enumerate(
        [
            (29.0, DOMAIN, True, "the domain itself, inside an encrypted Initial"),
            (35.0, alike, False, "a look-alike"),
        ]
    ):
        client, server = (f"192.0.2.{67 + n}", 52001 + n), ("203.0.113.80", 443)
        web.quic(trace, at, client, server, name)
        story.flow("quic", name, client, server, shows, watched)
    for n, (at, name, watched, shows) in enumerate(
        [
            (42.0, DOMAIN.upper(), True, "the domain itself, in capitals"),
            (49.0, f"{DOMAIN}.elsewhere.test", False, "the domain in front of another"),
        ]
    ):
        client, server = (f"192.0.2.{69 + n}", 53001 + n), ("203.0.113.81", 80)
        web.http(trace, at, client, server, name)
        story.flow("http", name, client, server, shows, watched)


def build() -> dict[str, bytes]:
    """Return the files by name."""
    story = Story()
    for part in (answered_calls, unanswered_calls, awkward_calls, texts, flows):
        part(story)
    return {"demo.pcap": story.trace.pcap(), "demo.truth.json": story.truth().encode()}


def main() -> int:
    """Write or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="compare with the files beside this script, write nothing"
    )
    check = parser.parse_args().check
    differs = 0
    for name, octets in build().items():
        path = HERE / name
        if not check:
            path.write_bytes(octets)
            print(f"{name}: {len(octets)} octets")
        elif not path.is_file() or path.read_bytes() != octets:
            print(f"{name}: differs from what make_demo.py makes")
            differs = 1
    return differs


if __name__ == "__main__":
    sys.exit(main())
