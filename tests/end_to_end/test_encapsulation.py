"""A real call wrapped by Scapy as taps and tunnels wrap it: the same product, and each packet once."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from .lab import Lab
from .registrar import registrar
from .test_softphones import TARGET, talk

with warnings.catch_warnings():
    # What its own dependencies think of old ciphers is no concern of these tests.
    warnings.simplefilter("ignore")
    from scapy.all import GRE, IP, UDP, Dot1AD, Dot1Q, Ether, Packet, PPPoE, Raw, conf, rdpcap, wrpcap
    from scapy.contrib.erspan import ERSPAN_II
    from scapy.contrib.geneve import GENEVE
    from scapy.contrib.mpls import MPLS
    from scapy.layers.ppp import PPP
    from scapy.layers.vxlan import VXLAN

Wrap = Callable[[bytes], Packet]

ETHERNET, IPV4, BRIDGED = 14, 0x0800, 0x6558


def outer() -> Packet:
    """The head of a packet between the two ends of a tunnel."""
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="172.16.0.1", dst="172.16.0.2")


def tagged(frame: bytes) -> tuple[int, bytes]:
    """What follows the addresses of a frame: its type, and what that is."""
    return int.from_bytes(frame[12:14], "big"), frame[ETHERNET:]


def vlan(frame: bytes) -> Packet:
    kind, rest = tagged(frame)
    return Ether(type=0x8100) / Dot1Q(vlan=5, type=kind) / Raw(rest)


def qinq(frame: bytes) -> Packet:
    kind, rest = tagged(frame)
    return Ether(type=0x88A8) / Dot1AD(vlan=9, type=0x8100) / Dot1Q(vlan=5, type=kind) / Raw(rest)


# Each of these carries a frame as it is, whatever that holds.
BRIDGES: dict[str, Wrap] = {
    "vxlan": lambda frame: outer() / UDP(sport=50000, dport=4789, chksum=0) / VXLAN(vni=7) / Raw(frame),
    "geneve": lambda frame: (
        outer() / UDP(sport=50000, dport=6081, chksum=0) / GENEVE(vni=7, proto=BRIDGED) / Raw(frame)
    ),
    "erspan": lambda frame: (
        outer() / GRE(proto=0x88BE, seqnum_present=1) / ERSPAN_II(session_id=3) / Raw(frame)
    ),
    "gretap": lambda frame: outer() / GRE(proto=BRIDGED) / Raw(frame),
}
# These carry an IP packet.
ROUTED: dict[str, Wrap] = {
    "pppoe": lambda frame: Ether() / PPPoE(sessionid=1) / PPP(proto=0x0021) / Raw(frame[ETHERNET:]),
    "mpls": lambda frame: Ether(type=0x8847) / MPLS(label=100, s=1) / Raw(frame[ETHERNET:]),
    "gre": lambda frame: outer() / GRE(proto=IPV4) / Raw(frame[ETHERNET:]),
}
ALL: dict[str, Wrap] = {"vlan": vlan, "qinq": qinq, **BRIDGES, **ROUTED}
NESTED = [(a, b) for a in ("vlan", "vxlan", "erspan") for b in ALL if {a, b} != {"vlan", "qinq"} and a != b]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("encapsulation")
    with registrar(place):
        talk(place, "plain", 28700)
    return place / "plain.pcap"


def wrapped(capture: Path, path: Path, *wraps: Wrap, beside: bool = False) -> Path:
    """The capture with each packet wrapped, the last of `wraps` outermost; `beside`: after the packet as it was."""
    out = []
    for packet in rdpcap(str(capture)):
        frame = bytes(packet)
        for wrap in wraps:
            frame = bytes(wrap(frame))
        whole = conf.l2types[1](frame)
        whole.time = packet.time + (20 if beside else 0) * type(packet.time)("0.000001")
        out += [packet, whole] if beside else [whole]
    wrpcap(str(path), out)
    return path


def found(lab: Lab, capture: Path) -> list[tuple[str, int, int, int, int]]:
    """What each warrant was given, in counts."""
    report = lab.run(capture)
    assert "drop.malformed" not in report["counters"]
    keys = ("sessions", "iri", "cc", "call_records")
    return [(task["liid"], *(task[key] for key in keys)) for task in report["tasks"]]


@pytest.fixture
def desk(lab: Lab) -> Lab:
    lab.intercept("WRAPPED", [TARGET])
    lab.retain("ALL")
    return lab


def test_p08_every_encapsulation_gives_the_same_calls_and_streams(desk: Lab, plain: Path) -> None:
    wanted = found(desk, plain)
    tasks = {liid: counts for liid, *counts in wanted}
    assert tasks["ALL"][3] == 1
    assert tasks["WRAPPED"][:2] == [1, 4], "begin, ringing, answer, end"
    assert tasks["WRAPPED"][2] > 100, "the sound of both"
    for name, wrap in ALL.items():
        assert found(desk, wrapped(plain, desk.base / "w.pcap", wrap)) == wanted, name


def test_p08_two_deep(desk: Lab, plain: Path) -> None:
    wanted = found(desk, plain)
    for name, inner in NESTED:
        path = wrapped(plain, desk.base / "w.pcap", ALL[inner], ALL[name])
        assert found(desk, path) == wanted, f"{inner} in {name}"


def test_p05_p08_what_is_seen_inside_and_outside_counts_once(desk: Lab, plain: Path) -> None:
    wanted = found(desk, plain)
    for name, wrap in ALL.items():
        path = wrapped(plain, desk.base / "w.pcap", wrap, beside=True)
        assert found(desk, path) == wanted, name
