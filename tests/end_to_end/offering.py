"""A bundle offered to the core itself, with nothing of the desk in between."""

import json
import time
from pathlib import Path
from typing import Any

from mandat import _core

from . import wire

TARGET = "+33639980101"
ADMITTED = "admitted"


def offered(place: Path, config: dict[str, Any], bundle: dict[str, Any], now: float | None = None) -> str:
    """The code of the core's refusal, or `admitted`.

    A check alone and a run must say the same. The run then sees a call of the target: product must come of it just when
    the bundle was admitted, and a refusal must leave not even an empty file.
    """
    settings, octets = json.dumps(config).encode(), json.dumps(bundle).encode()
    now_ns = time.time_ns() if now is None else int(now) * 1_000_000_000
    capture = wire.capture(place / "offered.pcap", wire.call(0, "c1", TARGET, "+33639980300", 20000, 20))
    product = place / "offered"
    run = _core.Run(settings, [str(capture)], str(product), "run-1")
    code = _code(lambda: run.admit(octets, now_ns, 1, 0, 0))
    # A disclosure passes the check, for records; a run never takes it.
    assert _code(lambda: _core.check_admission(settings, octets, now_ns)) in (code, ADMITTED)
    while run.step(1000):
        pass
    run.finish()
    counters = run.counters()
    released = counters.get("product.iri", 0) + counters.get("product.cc", 0)
    written = [path for path in product.rglob("*") if path.is_file()]
    if code == ADMITTED:
        assert released
        assert written
    else:
        assert not released
        assert not written, "product without authority"
        assert counters["packets.in"] == 46, "the traffic was there to be taken"
    return code


def _code(attempt: Any) -> str:
    try:
        attempt()
    except _core.CoreError as refused:
        kind, code, message, _, advice = refused.args
        assert kind == "refusal"
        assert message
        assert advice, "a refusal says what to do"
        assert TARGET[1:] not in message + advice
        return str(code)
    return ADMITTED
