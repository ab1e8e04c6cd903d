"""rtpengine as a media relay on this machine, told what to do over its NG protocol (bencode over UDP)."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("rtpengine")


def bencode(value: object) -> bytes:
    """https://www.bittorrent.org/beps/bep_0003.html, as rtpengine reads it."""
    if isinstance(value, dict):
        return b"d" + b"".join(bencode(k) + bencode(value[k]) for k in sorted(value)) + b"e"
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    if isinstance(value, int):
        return b"i%de" % value
    octets = str(value).encode()
    return b"%d:%s" % (len(octets), octets)


def bdecode(octets: bytes) -> Any:
    """The other way round."""

    def read(at: int) -> tuple[Any, int]:
        kind = octets[at : at + 1]
        if kind == b"i":
            end = octets.index(b"e", at)
            return int(octets[at + 1 : end]), end + 1
        if kind in b"ld":
            items, at = [], at + 1
            while octets[at : at + 1] != b"e":
                item, at = read(at)
                items.append(item)
            found = dict(zip(items[::2], items[1::2], strict=True)) if kind == b"d" else items
            return found, at + 1
        colon = octets.index(b":", at)
        end = colon + 1 + int(octets[at:colon])
        return octets[colon + 1 : end].decode(), end

    return read(0)[0]


class Relay:
    """A running rtpengine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._to = ("127.0.0.1", port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(2)
        self._number = 0

    def ask(self, command: str, **terms: object) -> dict[str, Any]:
        self._number += 1
        cookie = f"{os.getpid()}_{self._number}"
        terms = {name.replace("_", "-"): value for name, value in terms.items()}
        self._socket.sendto(cookie.encode() + b" " + bencode({"command": command, **terms}), self._to)
        answer: dict[str, Any] = bdecode(self._socket.recv(65_535).split(b" ", 1)[1])
        return answer

    def close(self) -> None:
        self._socket.close()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def running(place: Path) -> Iterator[Relay]:
    """An rtpengine of our own, without the kernel's help, until the block ends."""
    assert PROGRAM is not None
    port, first = free_port(), 40_000 + os.getpid() % 100 * 200
    config = place / "rtpengine.conf"
    config.write_text("[rtpengine]\n")
    line = [PROGRAM, "--foreground", "--log-stderr", "--table=-1", f"--config-file={config}"]
    line += ["--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{port}", "--num-threads=1", "--log-level=4"]
    line += [f"--port-min={first}", f"--port-max={first + 199}", f"--pidfile={place / 'rtpengine.pid'}"]
    with (place / "rtpengine.log").open("wb") as log:
        process = subprocess.Popen(line, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    relay = Relay(port)
    try:
        for _ in range(50):
            try:
                if relay.ask("ping").get("result") == "pong":
                    break
            except (TimeoutError, ConnectionError):
                time.sleep(0.1)
        yield relay
    finally:
        relay.close()
        process.terminate()
        process.wait(timeout=10)
