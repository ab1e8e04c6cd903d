"""A short message centre for tests: answers what an SMPP client submits, and reports its delivery (SMPP 3.4)."""

import socket
import struct
import threading

BIND_TRANSCEIVER, SUBMIT_SM, DELIVER_SM, ENQUIRE_LINK, UNBIND = 9, 4, 5, 0x15, 6
RESPONSE = 0x80000000
FIRST_ID = 0xA40F
"""Names are given in hexadecimal and reported in decimal with leading zeros, as some makers' centres do."""


class Centre:
    """Listens on a port of this machine until it is closed."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.submitted = 0
        self.acknowledged = 0
        """Receipts that the client has confirmed."""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        try:
            while True:
                client, _ = self._listener.accept()
                with client:
                    self._talk(client)
        except OSError:
            return

    def _talk(self, client: socket.socket) -> None:
        stream = client.makefile("rb")
        while len(head := stream.read(16)) == 16:
            length, command, _, sequence = struct.unpack("!4I", head)
            body = stream.read(length - 16)
            if command == SUBMIT_SM:
                name = FIRST_ID + self.submitted
                self.submitted += 1
                client.sendall(pdu(SUBMIT_SM | RESPONSE, sequence, f"{name:x}".encode() + b"\0"))
                client.sendall(pdu(DELIVER_SM, 1000 + self.submitted, receipt(name, body)))
            elif command == DELIVER_SM | RESPONSE:
                self.acknowledged += 1
            elif command == BIND_TRANSCEIVER:
                client.sendall(pdu(command | RESPONSE, sequence, b"centre\0"))
            elif command in (ENQUIRE_LINK, UNBIND):
                client.sendall(pdu(command | RESPONSE, sequence, b""))


def pdu(command: int, sequence: int, body: bytes) -> bytes:
    """One protocol data unit (SMPP 3.4, 3.2)."""
    return struct.pack("!4I", 16 + len(body), command, 0, sequence) + body


def receipt(name: int, submitted: bytes) -> bytes:
    """A `deliver_sm` that reports `submitted` as delivered; it repeats the beginning of the text."""
    _service, rest = submitted.split(b"\0", 1)
    source_end = rest.index(b"\0", 2) + 1
    source, rest = rest[:source_end], rest[source_end:]
    destination_end = rest.index(b"\0", 2) + 1
    destination, rest = rest[:destination_end], rest[destination_end:]
    # esm_class, then protocol_id and all else zero or empty, up to sm_length.
    times = "submit date:2506010000 done date:2506010001"
    text = f"id:{name:010d} sub:001 dlvrd:001 {times} stat:DELIVRD err:000 text:"
    content = text.encode() + b"tournesol"
    return b"\0" + destination + source + bytes([4, 0, 0, 0, 0, 0, 0, 0, 0, len(content)]) + content
