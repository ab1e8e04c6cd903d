"""Our client against witnesses that lie, hang, send garbage or cosign something else."""

import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mandat.log import Checkpoint, Tiles
from mandat.log.client import Result, submit, with_cosignatures
from mandat.log.cosign import Algorithm, CosignatureSigner
from mandat.log.policy import Policy
from mandat.log.witness import Witness, read_request
from mandat.log.witness_server import WitnessServer

Answer = Callable[[bytes], tuple[int, bytes]]
KEY = CosignatureSigner.generate("w.example", Algorithm.ML_DSA_44)
OTHER = CosignatureSigner.generate("w.example", Algorithm.ED25519_COSIGNATURE)


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """A server on loopback that answers as a function says."""
    running: list[tuple[http.server.ThreadingHTTPServer, threading.Thread]] = []

    def start(answer: Answer) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, data = answer(body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(log, url: str, seconds: float = 5.0, size: int = 0):
    policy = Policy.parse(f"witness w {KEY.verifier.vkey} {url}\nquorum w\n".encode())
    note = log.checkpoint()
    tiles = Tiles(log.tiles, Checkpoint.open(note, log.signer.verifier).size)
    return submit(note, log.signer.verifier, tiles, policy, {"w": size}, seconds)[0]


def signed(body: bytes, signer: CosignatureSigner = KEY, moment: int | None = None, **change: int) -> bytes:
    text = read_request(body)[2].decode().partition("\n\n")[0] + "\n"
    checkpoint = Checkpoint.parse(text)
    if change:
        checkpoint = Checkpoint(checkpoint.origin, checkpoint.size + change["size"], checkpoint.root)
    return signer.line(checkpoint.body(), int(time.time()) if moment is None else moment).encode()


LIES: dict[str, tuple[Answer, Result]] = {
    "right": (lambda body: (200, signed(body)), Result.COSIGNED),
    "right among others": (lambda body: (200, signed(body, OTHER) + signed(body)), Result.COSIGNED),
    "another size": (lambda body: (200, signed(body, size=1)), Result.INVALID),
    "another key": (lambda body: (200, signed(body, OTHER)), Result.INVALID),
    "the future": (lambda body: (200, signed(body, moment=int(time.time()) + 7200)), Result.INVALID),
    "no time": (lambda body: (200, signed(body, moment=0)), Result.INVALID),
    "wrong bit": (lambda body: (200, signed(body).replace(b"A", b"B")), Result.INVALID),
    "nothing": (lambda _: (200, b""), Result.INVALID),
    "garbage": (lambda _: (200, b"\xff\x00" * 999), Result.INVALID),
    "a megabyte": (lambda _: (200, "\u2014 x AAAAAAAA\n".encode() * 70_000), Result.INVALID),
    "the whole note": (lambda body: (200, read_request(body)[2] + signed(body)), Result.INVALID),
    "unknown": (lambda _: (404, b""), Result.UNKNOWN_LOG),
    "forbidden": (lambda _: (403, b""), Result.KEY_REFUSED),
    "fork": (lambda _: (422, b""), Result.FORK),
    "broken": (lambda _: (500, b"x"), Result.REFUSED),
    "elsewhere": (lambda _: (302, b""), Result.REFUSED),
    "no size": (lambda _: (409, b"many\n"), Result.INVALID),
    "negative size": (lambda _: (409, b"-1\n"), Result.INVALID),
    "endless size": (lambda _: (409, b"9" * 5000 + b"\n"), Result.INVALID),
    "ahead": (lambda _: (409, b"1000\n"), Result.AHEAD),
    "the size that was asked from": (lambda _: (409, b"0\n"), Result.INVALID),
    "always another size": (lambda body: (409, b"%d\n" % (read_request(body)[0] + 1)), Result.INVALID),
}


@pytest.mark.parametrize(("answer", "result"), LIES.values(), ids=LIES.keys())
def test_lies(log, events, serve, answer: Answer, result: Result) -> None:
    log.writer().append(events(9))
    outcome = ask(log, serve(answer))
    assert (outcome.result, bool(outcome.line)) == (result, result is Result.COSIGNED)


def _raw(octets: bytes, *, hang: bool, trickle: float = 0.0) -> tuple[str, threading.Thread, threading.Event]:
    """One connection that gets these octets, then silence or an end."""
    listener, done = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def run() -> None:
        with listener, listener.accept()[0] as connection:
            try:
                for octet in octets if trickle else ():
                    connection.sendall(bytes([octet]))
                    if done.wait(trickle):
                        return
                if not trickle:
                    connection.sendall(octets)
                if hang:
                    done.wait(30)
            except OSError:
                return

    thread = threading.Thread(target=run)
    thread.start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", thread, done


@pytest.mark.parametrize(
    ("octets", "hang", "trickle"),
    [
        (b"", True, 0.0),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", True, 0.0),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 900, True, 0.05),
        (b"", False, 0.0),
        (b"SSH-2.0-x\r\n", False, 0.0),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500 + b"\r\n", False, 0.0),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", False, 0.0),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", False, 0.0),
    ],
)
def test_silence_and_broken_http_end_in_time(log, events, octets: bytes, hang: bool, trickle: float) -> None:
    log.writer().append(events(1))
    url, thread, done = _raw(octets, hang=hang, trickle=trickle)
    begun = time.monotonic()
    outcome = ask(log, url, seconds=0.5)
    assert time.monotonic() - begun < 2
    assert outcome.result in {Result.LATE, Result.INVALID, Result.UNREACHABLE}
    done.set()
    thread.join()


def test_nobody_there(log, events) -> None:
    log.writer().append(events(1))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert ask(log, f"http://127.0.0.1:{port}").result is Result.UNREACHABLE
    assert ask(log, "").result is Result.NO_ADDRESS
    assert ask(log, "http://x:99999").result is Result.INVALID
    assert ask(log, "http://" + "a" * 70 + ".invalid").result in {Result.INVALID, Result.UNREACHABLE}


def test_one_that_hangs_does_not_hold_the_others(log, events, tmp_path: Path) -> None:
    log.writer().append(events(300))
    witness = Witness.create(tmp_path / "w", "good.example")
    witness.add_log(log.signer.verifier.vkey)
    server = WitnessServer(witness, "127.0.0.1", 0)
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    url, thread, done = _raw(b"", hang=True)
    lines = f"witness slow {KEY.verifier.vkey} {url}\n" + "".join(
        f"witness good{n} {key.vkey} http://127.0.0.1:{server.socket.getsockname()[1]}\n"
        for n, key in enumerate(witness.cosigners)
    )
    policy = Policy.parse(f"{lines}group g any slow good0 good1\nquorum g\n".encode())
    try:
        for size in (300, 555):
            log.writer().append(events(size - log.writer().size))
            note, begun = log.checkpoint(), time.monotonic()
            outcomes = submit(note, log.signer.verifier, Tiles(log.tiles, size), policy, {}, 20)
            assert time.monotonic() - begun < 5
            results = {outcome.witness: outcome.result for outcome in outcomes}
            # Both names are one witness with two keys: it was asked by two at once, and one of them had to ask again.
            assert results == {"slow": Result.LATE, "good0": Result.COSIGNED, "good1": Result.COSIGNED}
            cosigned = with_cosignatures(note, outcomes, note)
            assert cosigned.startswith(note)
            verdict = policy.check(cosigned, log.signer.verifier)
            assert (sorted(verdict.cosigned), verdict.reached) == (["good0", "good1"], True)
            log.writer().keep_cosigned(cosigned, quorum=True)
            assert log.checkpoint() == cosigned
    finally:
        done.set()
        thread.join()
        server.shutdown()
        serving.join()
        server.server_close()
    # Who keeps a cosigned checkpoint doesn't have to be asked again, and the log goes on from there.
    log.writer().append(events(1))
    assert log.audit(older=cosigned).size == 556
    assert (log.tiles / "cosigned").read_bytes() == cosigned
    assert not log.writer().keep_cosigned(cosigned, quorum=True)


def test_what_follows_the_signed_lines_of_a_checkpoint_is_looked_at(log, events) -> None:
    held = log.writer()
    held.append(events(2))
    path = log.tiles / "checkpoint"
    path.write_bytes(path.read_bytes() + b"junk\n")
    with pytest.raises(Exception, match="malformed"):
        held.append(events(1))
