"""SIP calls (RFC 3261) over UDP, TCP, IPv6 and VLAN, with their media."""

from dataclasses import dataclass, field

from demo.audio import rtp
from demo.wire import Address, Connection, Trace

REASONS = {
    100: "Trying",
    180: "Ringing",
    200: "OK",
    404: "Not Found",
    407: "Proxy Authentication Required",
    486: "Busy Here",
    487: "Request Terminated",
}
PCMU, PCMA = 0, 8
_CODECS = {PCMU: "PCMU", PCMA: "PCMA"}


def message(
    start: str, headers: list[tuple[str, str]], body: str = "", kind: str = "application/sdp"
) -> bytes:
    """Write a SIP message."""
    octets = body.encode()
    lines = [start, *(f"{name}: {value}" for name, value in headers)]
    if body:
        lines.append(f"Content-Type: {kind}")
    return "\r\n".join([*lines, f"Content-Length: {len(octets)}", "", ""]).encode() + octets


@dataclass
class Call:
    """One INVITE dialog between a caller (side 0) and the network (side 1)."""

    trace: Trace
    name: str
    caller: str
    callee: str
    client: Address
    server: Address
    request_uri: str = ""
    asserted: str = ""
    codec: int = PCMA
    tcp: bool = False
    vlan: int | None = None
    lost: frozenset[int] = frozenset()
    """RTP packets of the caller that the tap never saw."""
    key: int | None = None
    """The digit that the caller presses one second into the call."""
    cseq: int = 1
    _connection: Connection | None = field(default=None, init=False)

    @property
    def call_id(self) -> str:
        """Call-ID."""
        return f"{self.name}@demo.example"

    def _send(self, at: float, side: int, octets: bytes) -> None:
        ends = (self.client, self.server)
        if not self.tcp:
            self.trace.udp(at, ends[side], ends[1 - side], octets, self.vlan)
            return
        if self._connection is None:
            self._connection = Connection(self.trace, at - 0.05, self.client, self.server)
        # Segments smaller than an INVITE: framing goes by Content-Length (RFC 3261, 18.3).
        self._connection.send(at, side, octets, size=500)

    def _headers(self, method: str, tagged: bool) -> list[tuple[str, str]]:
        host = f"[{self.client[0]}]" if ":" in self.client[0] else self.client[0]
        via = f"SIP/2.0/{'TCP' if self.tcp else 'UDP'} {host}:{self.client[1]}"
        tag = f";tag={self.name}-b" if tagged else ""
        return [
            ("Via", f"{via};branch=z9hG4bK-{self.name}-{self.cseq}-{'x' if method == 'BYE' else 'i'}"),
            ("From", f"<{self.caller}>;tag={self.name}-a"),
            ("To", f"<{self.callee}>{tag}"),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self.cseq} {method}"),
        ]

    def _sdp(self, side: int) -> str:
        address, port = self._media(side)
        family = "IP6" if ":" in address else "IP4"
        events = "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
        return (
            f"v=0\r\no=- {1000 + side} 1 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP {self.codec} 101\r\n"
            f"a=rtpmap:{self.codec} {_CODECS[self.codec]}/8000\r\n{events}a=ptime:20\r\na=sendrecv\r\n"
        )

    def _media(self, side: int) -> Address:
        """Media ports follow from the signalling port, so that no two calls share one."""
        return (
            (self.client[0], self.client[1] + 10000)
            if side == 0
            else (self.server[0], self.client[1] + 20000)
        )

    def request(self, at: float, method: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Send a request of the caller."""
        host = f"[{self.client[0]}]" if ":" in self.client[0] else self.client[0]
        contact = (("Contact", f"<sip:{host}:{self.client[1]}>"),) if method == "INVITE" else ()
        asserted = (
            (("P-Asserted-Identity", f"<{self.asserted}>"),) if self.asserted and method == "INVITE" else ()
        )
        body = self._sdp(0) if method == "INVITE" else ""
        every = [
            *self._headers(method, method in ("ACK", "BYE")),
            ("Max-Forwards", "70"),
            *contact,
            *asserted,
            *headers,
        ]
        self._send(at, 0, message(f"{method} {self.request_uri or self.callee} SIP/2.0", every, body))

    def respond(
        self, at: float, code: int, method: str = "INVITE", headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """Send a response of the network."""
        answer = code == 200 and method == "INVITE"
        every = [*self._headers(method, code != 100), *headers]
        self._send(at, 1, message(f"SIP/2.0 {code} {REASONS[code]}", every, self._sdp(1) if answer else ""))

    def ring(self, at: float) -> None:
        """INVITE, 100 and 180."""
        self.request(at, "INVITE")
        self.respond(at + 0.02, 100)
        self.respond(at + 0.3, 180)

    def talk(self, at: float, seconds: float) -> None:
        """200, ACK, then both melodies."""
        self.respond(at, 200)
        self.request(at + 0.03, "ACK")
        for side in (0, 1):
            key = self.key if side == 0 else None
            for n, (offset, octets) in enumerate(rtp(side, seconds, self.codec, self._ssrc(side), key)):
                if side == 1 or n not in self.lost:
                    when = at + 0.05 + side * 0.007 + offset
                    self.trace.udp(when, self._media(side), self._media(1 - side), octets, self.vlan)

    def _ssrc(self, side: int) -> int:
        return 0x5EED0000 | self.client[1] << 1 & 0xFFFE | side

    def hang_up(self, at: float) -> None:
        """BYE and its 200."""
        self.cseq += 1
        self.request(at, "BYE")
        self.respond(at + 0.02, 200, "BYE")
        if self._connection is not None:
            self._connection.close(at + 0.1)


def text_message(
    trace: Trace, at: float, name: str, parties: tuple[str, str], ends: tuple[Address, Address], text: str
) -> None:
    """Send a page-mode MESSAGE (RFC 3428) and its 200."""
    (sender, recipient), (client, server) = parties, ends
    headers = [
        ("Via", f"SIP/2.0/UDP {client[0]}:{client[1]};branch=z9hG4bK-{name}"),
        ("From", f"<{sender}>;tag={name}"),
        ("To", f"<{recipient}>"),
        ("Call-ID", f"{name}@demo.example"),
        ("CSeq", "1 MESSAGE"),
    ]
    request = message(
        f"MESSAGE {recipient} SIP/2.0", [*headers, ("Max-Forwards", "70")], text, "text/plain;charset=UTF-8"
    )
    trace.udp(at, client, server, request)
    headers[2] = ("To", f"<{recipient}>;tag={name}-b")
    trace.udp(at + 0.04, server, client, message("SIP/2.0 200 OK", headers))
