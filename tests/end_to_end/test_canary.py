"""Random marks in everything that no warrant selects are found nowhere after a run; those of selected traffic are."""

import base64
import random
import string
from pathlib import Path

import pyrage

from . import wire
from .lab import Lab

TARGET = "+33639980101"


def marks(rng: random.Random) -> str:
    return "".join(rng.choices(string.ascii_lowercase, k=16))


def traffic(rng: random.Random) -> tuple[list[wire.Datagram], list[str], list[str]]:
    """Datagrams; the marks of traffic that no warrant selects; those of traffic that one does."""
    out: list[wire.Datagram] = []
    unselected, selected = [], []
    for n in range(20):
        chosen = n % 5 == 0
        mark = marks(rng)
        (selected if chosen else unselected).append(mark)
        caller = TARGET if chosen else f"+336399802{n:02}"
        display = f'"{mark}" ' if not chosen else ""
        out += wire.call(
            n * 0.3, f"call{n}", caller, f"+336399803{n:02}", 20000 + 2 * n, 60, mark.encode(), display
        )
        word, body = marks(rng), marks(rng)
        hit = n % 4 == 0
        unselected.append(word)
        sender = marks(rng)
        unselected.append(body)
        if hit:  # a screening warrant tells who wrote to whom, and not a word of what
            out.append(
                wire.text(
                    n * 0.3, f"text{n}", f"+336399804{n:02}", f"+336399805{n:02}", f"{body} tournesol {word}"
                )
            )
        else:
            unselected.append(sender)
            out.append(wire.text(n * 0.3, f"text{n}", sender, f"+336399805{n:02}", f"{body} {word}"))
        host = marks(rng)
        (selected if n % 4 == 1 else unselected).append(host)
        domain = "watched.example" if n % 4 == 1 else "notwatched.example"
        out.append(wire.lookup(n * 0.3, 40000 + n, f"{host}.{domain}"))
    return out, unselected, selected


def spellings(mark: str) -> list[bytes]:
    """The mark itself, and what common encodings make of it at any offset."""
    plain = mark.encode()
    based = [base64.b64encode(b"x" * shift + plain)[4 if shift else 0 : -4] for shift in range(3)]
    return [plain, mark.encode("utf-16-le"), plain.hex().encode(), *based]


def test_p65_nothing_of_unselected_traffic_is_found_anywhere(lab: Lab, tmp_path: Path) -> None:
    datagrams, unselected, selected = traffic(random.Random(7))
    capture = wire.capture(tmp_path / "in.pcap", datagrams)
    lab.intercept("CALLS", [TARGET])
    lab.screen("WORDS", [{"type": "keyword", "value": "tournesol", "whole_word": True}])
    lab.screen("DOMAINS", [{"type": "domain", "value": "watched.example", "subdomains": True}])
    lab.retain("ALL")
    done = lab.mandat("run", str(capture), "--json")
    capture.unlink()

    # Everything on the disk as it stands, what the process said, and all product as its reader sees it.
    files = [path for path in lab.base.rglob("*") if path.is_file()]
    found = [path.read_bytes() for path in files] + [done.stdout.encode(), done.stderr.encode()]
    identity = pyrage.x25519.Identity.from_str(lab.agency_key.read_text().splitlines()[-1])
    sealed = [path for path in files if path.suffix == ".age"]
    assert sealed
    opened = [pyrage.decrypt(path.read_bytes(), [identity]) for path in sealed]
    for mark in unselected:
        for spelling in spellings(mark):
            assert not any(spelling in octets for octets in found + opened), (
                "a mark of unselected traffic got out"
            )

    # The control: the same search does find what was selected, in the opened product and only there.
    for mark in selected:
        assert any(mark.encode() in octets for octets in opened)
        assert not any(mark.encode() in octets for octets in found)
