"""A telephone on a connection of its own that speaks just enough SIP: over TLS, or a WebSocket (RFC 7118)."""

import contextlib
import re
import secrets
import socket
import ssl
from typing import Protocol

from websockets import Subprotocol
from websockets.sync.client import ClientConnection, connect


class Line(Protocol):
    """A connection that carries whole messages."""

    transport: str
    """As Via and Contact name it."""

    def send(self, message: str) -> None: ...

    def receive(self) -> str: ...

    def close(self) -> None: ...


class Stream:
    """Messages in a TLS connection, each framed by its Content-Length (RFC 3261, 18.3)."""

    transport = "TLS"

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket = context.wrap_socket(plain, server_hostname="127.0.0.1")
        self._kept = b""

    def send(self, message: str) -> None:
        self._socket.sendall(message.encode())

    def receive(self) -> str:
        while True:
            head, found, rest = self._kept.partition(b"\r\n\r\n")
            length = re.search(rb"(?im)^content-length: *(\d+)", head)
            if found and length and len(rest) >= int(length[1]):
                self._kept = rest[int(length[1]) :]
                return (head + found + rest[: int(length[1])]).decode()
            octets = self._socket.recv(65_535)
            assert octets, "the server closed the connection"
            self._kept += octets

    def close(self) -> None:
        self._socket.close()


class WebSocket:
    """A message in each frame of a WebSocket, in the clear or over TLS."""

    def __init__(self, port: int, context: ssl.SSLContext | None) -> None:
        self.transport = "WSS" if context else "WS"
        scheme = "wss" if context else "ws"
        uri = f"{scheme}://127.0.0.1:{port}/"
        self._stack = contextlib.ExitStack()
        opening = connect(uri, subprotocols=[Subprotocol("sip")], ssl=context, proxy=None)
        self._to: ClientConnection = self._stack.enter_context(opening)

    def send(self, message: str) -> None:
        self._to.send(message)

    def receive(self) -> str:
        message = self._to.recv(timeout=10)
        return message if isinstance(message, str) else bytes(message).decode()

    def close(self) -> None:
        self._stack.close()


class Phone:
    """One subscriber. All of its requests go to the server; what it is asked it answers."""

    def __init__(self, number: str, line: Line, media: int) -> None:
        self.number, self._line, self._media = number, line, media
        self.uri = f"sip:{number}@127.0.0.1"
        # As a browser does: a name that means nothing (RFC 7118, 5.2); the server knows the connection.
        self._host = f"p{number.lstrip('+')}.invalid"

    def _head(self, branch: str) -> str:
        over = self._line.transport
        return (
            f"Via: SIP/2.0/{over} {self._host};branch=z9hG4bK{self._host}{branch};rport\r\n"
            f"Contact: <sip:{self.number}@{self._host};transport={over.lower()}>\r\nMax-Forwards: 70\r\n"
        )

    def _sdp(self) -> str:
        return (
            f"v=0\r\no=- {self.number} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self._media} RTP/AVP 8\r\n"
        )

    def ask(self, method: str, uri: str, cseq: int, *lines: str, body: str = "") -> None:
        """Sends a request."""
        head = [
            f"{method} {uri} SIP/2.0",
            self._head(f"{method}{cseq}").rstrip(),
            f"CSeq: {cseq} {method}",
            *lines,
        ]
        self._line.send("\r\n".join(head) + "\r\n" + content(body))

    def answered(self) -> str:
        """The next final answer."""
        while (message := self._line.receive()).startswith("SIP/2.0 1"):
            pass
        assert message.startswith("SIP/2.0 2"), message.splitlines()[0]
        return message

    def register(self) -> None:
        to = f"<{self.uri}>"
        # A Call-ID of its own: the same one with the same CSeq would be a retransmission (RFC 3261, 10.3).
        lines = [f"From: {to};tag=r", f"To: {to}", f"Call-ID: {secrets.token_hex(8)}", "Expires: 300"]
        self.ask("REGISTER", "sip:127.0.0.1", 1, *lines)
        self.answered()

    def expect(self, method: str, status: str = "200 OK", body: str = "") -> str:
        """Takes a request and answers it, unless it is an ACK."""
        message = self._line.receive()
        assert message.startswith(method), message.splitlines()[0]
        if method != "ACK":
            kept = fields(message, "Via", "Record-Route", "From", "To", "Call-ID", "CSeq")
            kept = [f"{k};tag=b" if k.lower().startswith("to:") and ";tag=" not in k else k for k in kept]
            mine = [f"SIP/2.0 {status}", *kept, self._head("").splitlines()[1]]
            self._line.send("\r\n".join(mine) + "\r\n" + content(body))
        return message

    def call(self, other: "Phone", call_id: str) -> None:
        """A whole call: it is answered, and ended by who called."""
        ends = [f"From: <{self.uri}>;tag=a", f"Call-ID: {call_id}"]
        self.ask("INVITE", other.uri, 1, *ends, f"To: <{other.uri}>", body=self._sdp())
        other.expect("INVITE", body=other._sdp())
        taken = self.answered()
        target = re.search(r"(?im)^contact: *<([^>]+)>", taken)
        assert target
        routes = [line.replace("Record-Route", "Route") for line in fields(taken, "Record-Route")]
        dialog = [*ends, *fields(taken, "To"), *routes]
        self.ask("ACK", target[1], 1, *dialog)
        other.expect("ACK")
        self.ask("BYE", target[1], 2, *dialog)
        other.expect("BYE")
        self.answered()


def content(body: str) -> str:
    """The end of a message: what its body is, and the body."""
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return f"{kind}Content-Length: {len(body)}\r\n\r\n{body}"


def fields(message: str, *names: str) -> list[str]:
    """The header lines of these names, in their order."""
    wanted = tuple(f"{name.lower()}:" for name in names)
    head = message.partition("\r\n\r\n")[0].split("\r\n")
    return [line for line in head if line.lower().startswith(wanted)]
