"""baresip as a telephone: registered, told what to do by its control socket, waited for by its events."""

import json
import math
import socket
import wave
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .lab import program
from .registrar import SIP, listening, until

MODULES = "/usr/lib/baresip/modules"
RATE = 8000

CONFIG = """
sip_listen 127.0.0.1:{sip}
rtp_ports {rtp}-{rtp_end}
net_interface 127.0.0.1
audio_source aufile,{home}/tone.wav
audio_player aubridge,{sip}
audio_channels 1
module_path {modules}
module g711.so
module aubridge.so
module aufile.so
module srtp.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
{more}
"""


class Softphone:
    """A running baresip."""

    def __init__(self, number: str, control: int) -> None:
        self.number = number
        self._socket = socket.create_connection(("127.0.0.1", control), timeout=15)
        self._kept = b""
        self._events: list[str] = []

    def tell(self, command: str, parameters: str = "") -> None:
        """A command, in a netstring (https://cr.yp.to/proto/netstrings.txt)."""
        said = json.dumps({"command": command, "params": parameters}).encode()
        self._socket.sendall(b"%d:%s," % (len(said), said))

    def _next(self) -> dict[str, Any]:
        while True:
            length, colon, rest = self._kept.partition(b":")
            if colon and len(rest) > int(length):
                self._kept = rest[int(length) + 1 :]
                message: dict[str, Any] = json.loads(rest[: int(length)])
                return message
            octets = self._socket.recv(65_535)
            assert octets, "baresip has ended"
            self._kept += octets

    def wait(self, event: str) -> None:
        """Reads events until this one has come, now or before."""
        while event not in self._events:
            message = self._next()
            if message.get("event"):
                self._events.append(message["type"])
        self._events.remove(event)

    def ask(self, command: str) -> str:
        """What is said to a command."""
        self.tell(command)
        while True:
            message = self._next()
            if message.get("response"):
                return str(message.get("data"))
            self._events.append(message["type"])

    def registered(self) -> None:
        """Waits until the registrar has taken it."""
        until(lambda: "OK" in self.ask("reginfo"), "registration")

    def close(self) -> None:
        self._socket.close()


def tone(path: Path, pitch: int) -> None:
    """Half a minute of a sine at the rate of G.711, so that nobody has to change its rate."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        samples = (round(9000 * math.sin(2 * math.pi * pitch * n / RATE)) for n in range(30 * RATE))
        file.writeframes(array("h", samples).tobytes())


@contextmanager
def softphone(
    place: Path, number: str, port: int, pitch: int, *, encryption: str = "", transport: str = "udp"
) -> Iterator[Softphone]:
    """A telephone that says a tone of so many Hz, and takes every call. `port` and the hundred after it are its own."""
    home = place / f"baresip-{number}-{port}"
    home.mkdir()
    more = "module dtls_srtp.so" if "dtls" in encryption else ""
    # The port after the first is that of SIP over TLS.
    values = {"sip": port, "control": port + 2, "rtp": port + 10, "rtp_end": port + 90}
    tone(home / "tone.wav", pitch)
    (home / "config").write_text(CONFIG.format(home=home, modules=MODULES, more=more, **values))
    secured = f";mediaenc={encryption}" if encryption else ""
    account = f"<sip:{number}@127.0.0.1:{SIP};transport={transport}>;answermode=auto;audio_codecs=pcma/8000/1{secured}"
    (home / "accounts").write_text(account + "\n")
    (home / "contacts").write_text("")
    with program("baresip", "-4", "-f", home, log=home / "log") as running:
        until(lambda: running.poll() is not None or listening(port + 2), "baresip")
        assert running.poll() is None, (home / "log").read_text()[-1000:]
        phone = Softphone(number, port + 2)
        try:
            yield phone
        finally:
            phone.close()
