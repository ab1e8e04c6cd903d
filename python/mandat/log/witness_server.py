"""HTTP around a witness: bounded requests, bounded threads, and a deadline that no trickle of octets outlives."""

import re
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .witness import MAX_REQUEST, Answer, Status, Witness

# A witness serves a few logs, each of which asks once a minute.
MAX_CONNECTIONS = 32
# Between two octets, and for a whole connection: who needs longer isn't a log's client.
IDLE_SECONDS = 5.0
CONNECTION_SECONDS = 30.0

_MONITOR = re.compile(r"/([0-9a-f]{64})/checkpoint")
_LENGTH = re.compile(r"0|[1-9][0-9]{0,8}")


class WitnessServer(ThreadingHTTPServer):
    """Serves one witness. `serve_forever` until `shutdown`."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = MAX_CONNECTIONS

    def __init__(self, witness: Witness, host: str, port: int) -> None:
        self.witness = witness
        self._open: dict[socket.socket, float] = {}
        self._guard = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for each connection, up to the limit; beyond it the connection is closed."""
        with self._guard:
            full = len(self._open) >= MAX_CONNECTIONS
            if not full:
                self._open[request] = time.monotonic() + CONNECTION_SECONDS
        if full:
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that has ended."""
        with self._guard:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called twice a second: cut what is past its deadline."""
        now = time.monotonic()
        with self._guard:
            late = [connection for connection, deadline in self._open.items() if now > deadline]
        for connection in late:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "mandat-witness"
    sys_version = ""
    timeout = IDLE_SECONDS
    server: WitnessServer
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(message)s\n"

    def do_POST(self) -> None:
        """add-checkpoint."""
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not _LENGTH.fullmatch(length):
            self._refuse(Status.BAD_REQUEST, "a request states its length")
        elif int(length) > MAX_REQUEST:
            self._refuse(Status.TOO_LARGE, f"more than {MAX_REQUEST} octets")
        else:
            body = self.rfile.read(int(length))
            if len(body) < int(length):
                self._refuse(Status.BAD_REQUEST, "the request ends too early")
            elif self.path != "/add-checkpoint":
                self._answer(Answer(Status.NOT_FOUND, b"there is only /add-checkpoint\n"))
            else:
                self._answer(self.server.witness.add_checkpoint(body))

    def do_GET(self) -> None:
        """A monitor asks for the newest checkpoint of one log."""
        found = _MONITOR.fullmatch(self.path)
        if found is None:
            self._answer(Answer(Status.NOT_FOUND, b"ask for /<sha256 of origin>/checkpoint\n"))
        else:
            self._answer(self.server.witness.checkpoint(found[1]))

    def _refuse(self, status: Status, why: str) -> None:
        # What the client goes on to send isn't read, so the connection can't be used again.
        self.close_connection = True
        self._answer(Answer(status, f"{why}\n".encode()))

    def _answer(self, answer: Answer) -> None:
        self.send_response(int(answer.status))
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: addresses of clients are nobody's business."""
