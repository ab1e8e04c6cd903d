"""Short messages over SMPP 3.4: one session of a sending application with the message centre."""

import struct
from dataclasses import dataclass, field

from demo.wire import Address, Connection, Trace

BIND, SUBMIT, DELIVER, UNBIND = 0x09, 0x04, 0x05, 0x06
RESPONSE = 0x80000000
UCS2 = 8
"""`data_coding` (SMPP 3.4, 5.2.19)."""
UDHI, RECEIPT = 0x40, 0x04
"""`esm_class` (SMPP 3.4, 5.2.12): a user data header; a delivery receipt."""
INTERNATIONAL = 1
PART = 134
"""Octets of UCS-2 in one part of a long message: 140 less the header (TS 23.040, 9.2.3.24.1)."""


@dataclass
class Session:
    """A bound transceiver. The application is the client."""

    trace: Trace
    begin: float
    client: Address
    server: Address
    _sequence: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._connection = Connection(self.trace, self.begin, self.client, self.server)
        self._exchange(self.begin + 0.1, 0, BIND, b"demo\0" + b"secret\0" + b"\0\x34\0\0\0", b"smsc\0")

    def _exchange(self, at: float, side: int, command: int, body: bytes, answer: bytes) -> None:
        self._sequence += 1
        head = struct.pack(">IIII", 16 + len(body), command, 0, self._sequence)
        self._connection.send(at, side, head + body)
        head = struct.pack(">IIII", 16 + len(answer), command | RESPONSE, 0, self._sequence)
        self._connection.send(at + 0.03, 1 - side, head + answer)

    def _message(
        self, at: float, parties: tuple[str, str], octets: bytes, coding: int, esm_class: int, deliver: bool
    ) -> None:
        sender, recipient = parties
        body = b"\0" + bytes([INTERNATIONAL, 1]) + sender.encode() + b"\0"
        body += bytes([INTERNATIONAL, 1]) + recipient.encode() + b"\0"
        body += bytes([esm_class, 0, 0]) + b"\0\0" + bytes([0, 0, coding, 0, len(octets)]) + octets
        answer = b"\0" if deliver else f"{self._sequence:08x}".encode() + b"\0"
        self._exchange(at, 1 if deliver else 0, DELIVER if deliver else SUBMIT, body, answer)

    def send(
        self, at: float, parties: tuple[str, str], text: str, deliver: bool = False, receipt: bool = False
    ) -> None:
        """Submit or deliver a text: ASCII as it is, anything else in UCS-2, in parts when it is long."""
        coding = 0 if text.isascii() else UCS2
        octets = text.encode("ascii" if coding == 0 else "utf-16-be")
        esm_class = RECEIPT if receipt else 0
        if len(octets) <= 140:
            self._message(at, parties, octets, coding, esm_class, deliver)
            return
        parts = [octets[n : n + PART] for n in range(0, len(octets), PART)]
        for n, part in enumerate(parts):
            header = bytes([5, 0, 3, 0x2A, len(parts), n + 1])
            self._message(at + n * 0.1, parties, header + part, coding, esm_class | UDHI, deliver)

    def close(self, at: float) -> None:
        """Unbind and close."""
        self._exchange(at, 0, UNBIND, b"", b"")
        self._connection.close(at + 0.1)
