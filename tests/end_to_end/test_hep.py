"""Kamailio reports each message in HEP3 while the tap sees the message itself: the same call, and not twice."""

import warnings
from pathlib import Path

import pytest

from .lab import Lab
from .registrar import registrar
from .test_softphones import TARGET, talk

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from scapy.all import UDP, rdpcap, wrpcap

PORT = 29100
"""The telephones have ports from here on; the collector's is the last of their range, and nobody listens there."""

COLLECTOR = PORT + 399

TRACE = f"""
loadmodule "siptrace.so"
modparam("siptrace", "duplicate_uri", "sip:127.0.0.1:{COLLECTOR}")
modparam("siptrace", "hep_mode_on", 1)
modparam("siptrace", "hep_version", 3)
modparam("siptrace", "hep_capture_id", 2001)
modparam("siptrace", "auth_key", "of the tests")
modparam("siptrace", "trace_to_database", 0)
modparam("siptrace", "trace_on", 1)
modparam("siptrace", "trace_mode", 1)
"""


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All that was seen; without the reports; and the reports alone."""
    place = tmp_path_factory.mktemp("hep")
    with registrar(place, modules=TRACE):
        talk(place, "plain", PORT)
    seen = rdpcap(str(place / "plain.pcap"))
    reports = [packet for packet in seen if UDP in packet and packet[UDP].dport == COLLECTOR]
    rest = [packet for packet in seen if UDP in packet and packet[UDP].dport != COLLECTOR]
    found = {"both": place / "plain.pcap", "tap": place / "tap.pcap", "hep": place / "hep.pcap"}
    wrpcap(str(found["tap"]), rest)
    wrpcap(str(found["hep"]), reports)
    return found


def test_p05_a_call_that_is_seen_and_reported_is_told_once(lab: Lab, captures: dict[str, Path]) -> None:
    lab.intercept("HEP", [TARGET])
    lab.retain("ALL")
    told = {}
    for name, capture in captures.items():
        report = lab.run(capture)
        tasks = {task["liid"]: task for task in report["tasks"]}
        counts = (tasks["HEP"]["sessions"], tasks["HEP"]["iri"], tasks["ALL"]["call_records"])
        told[name] = (*counts, tasks["HEP"]["recordings"])
        if name != "tap":
            assert report["counters"]["hep.packets"] > 10
    rows = lab.export("calls", "HEP")
    assert told == {"both": (1, 4, 1, 1), "tap": (1, 4, 1, 1), "hep": (1, 4, 1, 1)}
    assert len({row["call_id"] for row in rows if row["call_id"]}) == 1
