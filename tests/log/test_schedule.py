"""Fixed slots: one batch a tick, whatever acts and clocks do; every leaf an event or a recomputed dummy."""

import hmac
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mandat.log import DummyKeys, Event, Kind, LogFault, LogWriter, Segment, Signer, Tiles, audit
from mandat.log.schedule import Schedule

BEGIN = 1_780_000_020.0
KEYS = DummyKeys(bytes(range(32)))
SIGNER = Signer.generate("example.org/log")


@dataclass
class Clock:
    now: float = BEGIN

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def fixed(root: Path, clock: Clock) -> LogWriter:
    segment = Segment.fixed(BEGIN)
    writer = LogWriter.create(root / "log", root / "openings", SIGNER, segment, KEYS)
    writer.clock, writer.sleep = (lambda: clock.now), clock.sleep
    return writer


def act(kind: Kind = Kind.SEARCH, liid: str = "LI-1") -> Event:
    return Event(kind, liid, "desk", {"count": 1})


def report(root: Path):
    return audit(root / "log", SIGNER.verifier, root / "openings", dummies=KEYS)


def test_a_dummy_is_the_hmac_that_the_specification_says() -> None:
    epoch_key = hmac.digest(bytes(range(32)), b"li/dummy-epoch/v1\n" + (7).to_bytes(8, "big"), "sha256")
    for slot, entry in enumerate(KEYS.entries(7, 1000, 3), 1000):
        octets = slot.to_bytes(8, "big")
        assert entry[:9] == b"\x01" + (7).to_bytes(8, "big")
        assert entry[9:41] == hmac.digest(epoch_key, b"li/dummy-tag/v1\n" + octets, "sha256")
        assert entry[41:] == hmac.digest(epoch_key, b"li/dummy-commit/v1\n" + octets, "sha256")


def test_a_tick_that_is_not_written_is_written_at_once_and_the_next_act_waits(tmp_path: Path) -> None:
    clock, told = Clock(BEGIN + 3), []
    writer = fixed(tmp_path, clock)
    assert writer.append([act()])[0] < 4
    assert clock.now == BEGIN + 3
    assert 4 <= writer.append([act()], told=told.append)[0] < 8
    assert told == [12.0]
    assert clock.now == BEGIN + 15
    assert (report(tmp_path).opened, report(tmp_path).unexplained) == (2, 0)


def test_missed_ticks_are_filled(tmp_path: Path) -> None:
    clock = Clock()
    writer = fixed(tmp_path, clock)
    clock.now += 86_400
    assert writer.append([act()])[0] // 4 == 86_400 // 15
    assert report(tmp_path).dummies == 4 * (86_400 // 15) + 3
    epochs = [int.from_bytes(entry[1:9], "big") for entry in Tiles(tmp_path / "log", writer.size).entries()]
    assert epochs == [int(BEGIN + 15 * (index // 4)) // 60 for index in range(writer.size)]


def test_starts_go_first_and_what_nobody_waits_for_comes_later(tmp_path: Path) -> None:
    clock = Clock()
    writer = fixed(tmp_path, clock)
    writer.advance()
    summaries = [act(Kind.MATCH_SUMMARY, f"LI-{n}") for n in range(6)]
    assert writer.defer(summaries) == [None] * 6
    assert writer.append([act(liid="LI-9")])[0] // 4 == 1  # the next tick, before all that waited longer
    assert [draft.case for draft in writer.waiting()] == ["LI-3", "LI-4", "LI-5"]
    clock.now += 15
    writer.advance()
    assert writer.waiting() == []
    assert (report(tmp_path).opened, report(tmp_path).unexplained) == (7, 0)


def test_a_clock_that_was_set_back_makes_no_second_batch(tmp_path: Path) -> None:
    clock = Clock(BEGIN + 3600)
    writer = fixed(tmp_path, clock)
    writer.append([act()])
    size = writer.size
    clock.now = BEGIN
    with pytest.raises(LogFault) as refused:
        writer.append([act()])
    assert refused.value.code == "log_clock"
    assert writer.size == size
    assert writer.waiting() == []  # whoever was refused doesn't act, so the log mustn't say so later
    assert writer.defer([act(Kind.MATCH_SUMMARY)]) == [None]
    clock.now = BEGIN + 3615
    writer.advance()
    assert report(tmp_path).kinds == {"match-summary": 1, "search": 1}


def test_a_change_of_schedule_begins_where_it_says(tmp_path: Path) -> None:
    clock = Clock()
    writer = fixed(tmp_path, clock)
    later = Segment.fixed(BEGIN // 60 * 60 + 600, 30, 8)
    writer.change(later, "desk")
    clock.now = later.start + 31
    writer.advance()
    before = int(later.start - BEGIN) // 15 * 4
    assert writer.size == before + 16
    assert Schedule.read(tmp_path / "log").segments[1] == later
    assert report(tmp_path).unexplained == 0


def test_a_plain_log_gets_a_schedule(tmp_path: Path) -> None:
    clock = Clock()
    writer = LogWriter.create(tmp_path / "log", tmp_path / "openings", SIGNER)
    writer = LogWriter(tmp_path / "log", tmp_path / "openings", SIGNER, KEYS)
    writer.clock, writer.sleep = (lambda: clock.now), clock.sleep
    assert writer.append([act(), act(), act()]) == [0, 1, 2]
    writer.change(Segment.fixed(BEGIN // 60 * 60 + 120), "desk")
    clock.now = BEGIN // 60 * 60 + 121
    assert 4 <= writer.append([act()])[0] < 8
    assert (report(tmp_path).size, report(tmp_path).unexplained) == (8, 0)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(-300, 900), st.integers(0, 5), st.booleans()), max_size=8))
def test_no_clock_makes_a_second_batch_or_loses_an_event(tmp_path_factory, steps) -> None:
    root, clock = tmp_path_factory.mktemp("clocks"), Clock()
    writer, logged, latest = fixed(root, clock), 0, 0.0
    for step, count, awaited in steps:
        clock.now = max(BEGIN, clock.now + step)
        events = [act(Kind.SEARCH if awaited else Kind.MATCH_SUMMARY) for _ in range(count)]
        try:
            _ = writer.append(events) if awaited else writer.defer(events)
            logged += count
        except LogFault as fault:
            assert fault.code == "log_clock"
        latest = max(latest, clock.now)
        assert writer.size <= (int(latest - BEGIN) // 15 + 1) * 4
    clock.now = latest + 15 * (logged + 1)
    while writer.waiting():
        writer.advance()
        clock.now += 15
    assert (report(root).opened, report(root).unexplained) == (logged, 0)
