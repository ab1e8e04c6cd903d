"""A witness over HTTP, attacked: whatever the log's operator tries, it never cosigns two histories."""

import contextlib
import http.client
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mandat.log import Checkpoint, LogFault, LogWriter, Signer, Tiles, witness_server
from mandat.log.cosign import Algorithm, CosignatureSigner, timestamp
from mandat.log.durable import write_atomic
from mandat.log.note import open_signatures
from mandat.log.witness import MAX_REQUEST, Witness, log_id, read_request, write_request
from mandat.log.witness_server import WitnessServer


@dataclass
class Served:
    """A witness that listens on loopback."""

    witness: Witness
    server: WitnessServer

    @property
    def port(self) -> int:
        return int(self.server.socket.getsockname()[1])

    def call(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers["Content-Type"]
        finally:
            connection.close()

    def add(self, old: int, proof: list[bytes], note: bytes) -> tuple[int, bytes]:
        return self.call("POST", "/add-checkpoint", write_request(old, proof, note))[:2]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    server = WitnessServer(Witness.create(tmp_path / "w", "witness.example"), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield Served(server.witness, server)
    server.shutdown()
    thread.join()
    server.server_close()


def seen(served: Served) -> int:
    return served.witness.logs()[0].size


def test_a_log_grows_and_each_step_is_cosigned_with_both_keys(log, events, served: Served) -> None:
    served.witness.add_log(log.signer.verifier.vkey)
    old = 0
    for size in (1, 255, 256, 700):
        log.writer().append(events(size - log.writer().size))
        note = log.checkpoint()
        status, lines = served.add(old, Tiles(log.tiles, size).consistency(old), note)
        assert status == 200
        text, found = open_signatures(note + lines, served.witness.cosigners)
        assert len(found) == 2
        assert all(abs(timestamp(signature) - time.time()) < 60 for _, signature in found)
        assert text == Checkpoint.open(note, log.signer.verifier).body()
        old = size
    monitor = served.call("GET", f"/{log_id('example.org/log')}/checkpoint")[1]
    assert Checkpoint.open(monitor, log.signer.verifier).size == 700
    assert len(open_signatures(monitor, served.witness.cosigners)[1]) == 2
    # The same again is cosigned again: who lost the answer may ask once more.
    assert served.add(700, [], note)[0] == 200


def attacks(log, events, place: Path) -> Iterator[tuple[str, int, bytes, int]]:  # noqa: PLR0912 - a list
    """(name, the one right status, request, …) against a witness that saw 500 of 600 entries."""
    log.writer().append(events(500))
    at500 = log.checkpoint()
    log.writer().append(events(100))
    tiles, note = Tiles(log.tiles, 600), log.checkpoint()
    forks = {}
    for number, size in enumerate((500, 501, 600, 777)):
        fork = LogWriter.create(place / f"f{number}", place / f"o{number}", log.signer)
        fork.append(events(size))
        forks[size] = (place / f"f{number}/checkpoint").read_bytes(), Tiles(place / f"f{number}", size)
    good = tiles.consistency(500)
    yield "first", 200, write_request(0, [], at500), 0
    # history rewritten: every consistency proof that the operator could make
    for size, (forged, tampered) in forks.items():
        if size > 500:
            for proof in (tampered.consistency(500), good, [], good[:-1], [*good, bytes(32)], good[::-1]):
                yield f"tampered {size}", 422, write_request(500, proof, forged), 500
    # one size, two roots
    for proof in ([], good, tiles.consistency(499)):
        yield "fork", 422, write_request(500, proof, forks[500][0]), 500
    # shorter than what was seen, claimed from any size
    for size in (0, 1, 3, 100, 255, 256, 499):
        root = Tiles(log.tiles, size).edge().root() if size else tiles.edge().root()
        short = Checkpoint("example.org/log", size, root).sign(log.signer)
        for old in (0, size):
            yield "rollback", 409, write_request(old, [], short), 500
        yield "rollback", 400, write_request(500, [], short), 500
    # an old size that isn't the one seen
    for old in (0, 1, 256, 499, 501, 599, 600):
        yield "other old size", 409, write_request(old, tiles.consistency(old), note), 500
    for old in (601, 1 << 62):
        yield "future old size", 400, write_request(old, [], note), 500
    # sizes that don't exist yet, with the log's own signature
    for size in (601, 1 << 20, (1 << 63) - 1):
        future = Checkpoint("example.org/log", size, bytes(32)).sign(log.signer)
        for proof in ([], good):
            yield "future size", 422, write_request(500, proof, future), 500
    # other keys
    stranger = Signer.generate("example.org/log")
    quantum = CosignatureSigner.generate("example.org/log", Algorithm.ML_DSA_44)
    body = Checkpoint.open(note, log.signer.verifier).body()
    yield "wrong key", 403, write_request(500, good, stranger.sign_note(body)), 500
    alone = f"{body}\n{quantum.line(body, 1)}".encode()
    yield "wrong key", 403, write_request(500, good, alone), 500
    raw = note.rpartition(b" ")[2].strip()
    for flip in range(0, 88, 4):
        wrong = bytearray(raw)
        wrong[flip] = 65 if wrong[flip] != 65 else 66
        yield "wrong signature", 403, write_request(500, good, note.replace(raw, bytes(wrong))), 500
    other = Checkpoint("example.org/other", 600, tiles.edge().root())
    yield "unknown log", 404, write_request(0, [], other.sign(Signer.generate("example.org/other"))), 500
    # malformed
    right = write_request(500, good, note)
    for wrong in (
        b"", b"\n", b"\n\n", b"old", b"old \n\n", b"old -1\n\n" + note, b"old 0500\n\n" + note, b"old 5e2\n\n" + note,
        b"old 500\n" + note, right.replace(b"old", b"OLD"), right.replace(b"old 500", b"old  500"),
        right.replace(b"old 500\n", b"old 500\r\n"), b"old 99999999999999999999\n\n" + note, right[:100], right[:-1],
        write_request(500, [bytes(32)] * 64, note), write_request(500, [b"short"], note),
        b"old 500\n====\n\n" + note, b"old 500\n\xff\xfe\n\n" + note, right + b"\n", right + b"\xff",
        right.replace(b"\n600\n", b"\n0600\n"), right.replace(b"\n600\n", b"\n-1\n"),
        right.replace(b"\n600\n", b"\n6 0\n"),
        right.replace(b"\n600\n", b"\n9223372036854775808\n"), note, b"\x00" * 1000, right * 3,
        right + "\u2014 other AAAAAAAA\n".encode() * 100, b"old 500\n\n\n\n",
    ):  # fmt: skip
        yield "malformed", 400, wrong, 500
    yield "oversized", 413, right + b"\n" * MAX_REQUEST, 500
    yield "right", 200, right, 500


def test_attacks(log, events, served: Served, tmp_path: Path) -> None:
    served.witness.add_log(log.signer.verifier.vkey)
    refused = 0
    for name, status, request, held in attacks(log, events, tmp_path):
        assert (seen(served) if held else 0) == held, name
        got, body, kind = served.call("POST", "/add-checkpoint", request)
        if name == "wrong signature" and got == 400:  # the altered character made the line no base64
            got = status
        assert got == status, (name, request[:80], body[:200])
        if status == 409:
            assert (body, kind) == (b"500\n", "text/x.tlog.size"), name
        if status != 200:
            assert "\u2014".encode() not in body, name
            refused += 1
    assert refused >= 100
    assert seen(served) == 600
    # What proves that the log signed two histories is kept.
    assert served.witness.logs()[0].forked
    fork = (served.witness.directory / "logs" / log_id("example.org/log") / "fork").read_bytes()
    assert Checkpoint.open(fork, log.signer.verifier).size == 500


def test_what_was_seen_survives_its_process_and_is_stored_before_it_is_signed(
    log, events, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.witness.add_log(log.signer.verifier.vkey)
    log.writer().append(events(10))
    note = log.checkpoint()

    def full(path: Path, data: bytes, mode: int = 0o644) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("mandat.log.witness.write_atomic", full)
        assert served.add(0, [], note)[0] == 503
    assert Witness(served.witness.directory).logs()[0].size == 0

    def dies_after_seen(path: Path, data: bytes, mode: int = 0o644) -> None:
        if path.name == "checkpoint":
            raise OSError(5, "I/O error", str(path))
        write_atomic(path, data, mode)

    with monkeypatch.context() as patch:
        patch.setattr("mandat.log.witness.write_atomic", dies_after_seen)
        assert served.add(0, [], note)[0] == 503
    assert Witness(served.witness.directory).logs()[0].size == 10
    assert served.add(0, [], note) == (409, b"10\n")
    assert served.add(10, [], note)[0] == 200


def test_two_at_once_never_roll_it_back(log, events, served: Served) -> None:
    """The race of tlog-witness: the smaller checkpoint must not be stored after the larger one."""
    served.witness.add_log(log.signer.verifier.vkey)
    notes = []
    for _ in range(12):
        log.writer().append(events(7))
        notes.append(log.checkpoint())
    answers: list[int] = []

    def ask(note: bytes) -> None:
        answers.append(served.add(0, [], note)[0])

    threads = [threading.Thread(target=ask, args=(note,)) for note in notes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [409] * 11


def test_a_clock_set_back_contradicts_nothing(log, events, served: Served) -> None:
    served.witness.add_log(log.signer.verifier.vkey)
    log.writer().append(events(1))
    first = served.witness.add_checkpoint(write_request(0, [], log.checkpoint()), 2_000_000_000)
    again = served.witness.add_checkpoint(write_request(1, [], log.checkpoint()), 1_000_000_000)
    assert (first.status, again.status) == (200, 200)
    assert served.witness.logs()[0].time == 2_000_000_000


def test_a_log_keeps_its_key(log, served: Served) -> None:
    vkey = log.signer.verifier.vkey
    assert served.witness.add_log(vkey) == served.witness.add_log(vkey) == "example.org/log"
    quantum = CosignatureSigner.generate("example.org/log", Algorithm.ML_DSA_44).verifier.vkey
    assert served.witness.add_log(quantum) == "example.org/log"
    for other in (
        Signer.generate("example.org/log").verifier.vkey,
        CosignatureSigner.generate("example.org/log", Algorithm.ML_DSA_44).verifier.vkey,
    ):
        with pytest.raises(LogFault) as refused:
            served.witness.add_log(other)
        assert refused.value.code == "log_forked"
    with pytest.raises(LogFault):
        served.witness.add_log(CosignatureSigner.generate("w", Algorithm.ED25519_COSIGNATURE).verifier.vkey)


@pytest.mark.parametrize("name", ["log.vkey", "seen", "checkpoint", "../../witness.keys"])
@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", None])
def test_damaged_files_of_its_own_stop_it(
    log, events, served: Served, name: str, damage: bytes | None
) -> None:
    served.witness.add_log(log.signer.verifier.vkey)
    log.writer().append(events(3))
    served.add(0, [], log.checkpoint())
    path = served.witness.directory / "logs" / log_id("example.org/log") / name
    path.write_bytes(path.read_bytes()[:30] if damage is None else damage)
    with pytest.raises(LogFault):
        Witness(served.witness.directory).logs()
    if "keys" not in name:
        assert served.add(3, [], log.checkpoint())[0] in {403, 503}


@given(st.binary(max_size=300) | st.binary(max_size=50).map(lambda b: b"old 0\n" + b + b"\n\n" + b))
def test_any_request_is_read_or_refused(body: bytes) -> None:
    try:
        old, proof, note = read_request(body)
    except LogFault:
        return
    assert read_request(write_request(old, proof, note)) == (old, proof, note)


@pytest.mark.parametrize(
    "head",
    [
        b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /add-checkpoint HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 1e3\r\n\r\n",
        b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        b"PUT / HTTP/1.1\r\n\r\n",
        b"GET /../../witness.keys HTTP/1.1\r\n\r\n",
        b"GET " + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    ],
)  # fmt: skip
def test_strange_http_gets_an_error_and_the_server_stays(served: Served, head: bytes) -> None:
    connection = socket.create_connection(("127.0.0.1", served.port), timeout=10)
    with connection, contextlib.suppress(OSError):
        connection.sendall(head)
        assert b" 200 " not in connection.recv(4096).partition(b"\r\n")[0]
    assert served.call("GET", "/")[0] == 404


def test_slow_clients_are_cut_and_never_take_all_threads(
    log, events, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness_server, "MAX_CONNECTIONS", 4)
    monkeypatch.setattr(witness_server, "CONNECTION_SECONDS", 0.3)
    slow = [socket.create_connection(("127.0.0.1", served.port), timeout=10) for _ in range(8)]
    try:
        for connection in slow:
            with contextlib.suppress(OSError):
                connection.sendall(b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
        assert threading.active_count() < 12
        for connection in slow:  # each is closed from the other side
            with contextlib.suppress(ConnectionError):
                while connection.recv(4096):
                    pass
    finally:
        for connection in slow:
            connection.close()
    assert served.call("GET", "/")[0] == 404


def test_a_copied_witness_signs_no_second_history(log, events, served: Served, tmp_path: Path) -> None:
    """A restored backup of the witness: it may lag, and then asks for a proof from where it was."""
    served.witness.add_log(log.signer.verifier.vkey)
    log.writer().append(events(3))
    served.add(0, [], log.checkpoint())
    shutil.copytree(served.witness.directory, tmp_path / "copy")
    log.writer().append(events(3))
    tiles = Tiles(log.tiles, 6)
    copy = Witness(tmp_path / "copy")
    assert copy.add_checkpoint(write_request(3, tiles.consistency(3), log.checkpoint())).status == 200
    fork = Checkpoint("example.org/log", 6, bytes(32)).sign(log.signer)
    assert copy.add_checkpoint(write_request(3, tiles.consistency(3), fork)).status == 409
    assert copy.add_checkpoint(write_request(6, [], fork)).status == 422


def test_names(tmp_path: Path) -> None:
    for name in ("", "a b", "a+b", "x" * 256, "a\n"):
        with pytest.raises(LogFault):
            Witness.create(tmp_path / "w", name)
    Witness.create(tmp_path / "w", "w")
    with pytest.raises(LogFault):
        Witness.create(tmp_path / "w", "w")
    with pytest.raises(LogFault):
        Witness(tmp_path)
