"""Which events go into which slots of a tick.

The slots are drawn at random, and the events keep their order among them: whoever sees the tiles learns nothing, as
events and dummies look alike, and a case's events stay in order.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from secrets import SystemRandom

from .dummy import DummyKeys
from .entry import EPOCH_SECONDS
from .fault import Fault, LogFault
from .queue import Draft
from .schedule import Mode, Position

# Leaves of one round of catching up: half a second of work, and a durable step.
ROUND = 1 << 16
# Who waits longer for a tick waits for a clock that was set back.
MAX_WAIT = 2 * EPOCH_SECONDS
# A clock that jumps further than this is wrong: dummies for the gap could never be taken back.
MAX_GAP = 400 * 24 * 3600

_RANDOM = SystemRandom()


def mix(events: Sequence[Draft], empty: int, keys: DummyKeys, epoch: int, first: int) -> list[Draft | bytes]:
    """Events in their order, in slots drawn at random from the index `first` on; the rest are dummies."""
    count = len(events) + empty
    batch: list[Draft | bytes] = list(keys.entries(epoch, first, count))
    if len(batch) != count:
        raise LogFault(Fault.MISSING, "the key of this epoch's dummies isn't there")
    for slot, event in zip(sorted(_RANDOM.sample(range(count), len(events))), events, strict=True):
        batch[slot] = event
    return batch


def batch(
    position: Position, now: float, waiting: Callable[[], Sequence[Draft]], keys: DummyKeys, size: int
) -> tuple[list[Draft | bytes], int]:
    """The next leaves of a log in fixed slots, and how many ticks are due: these leaves' and later ones'.

    A tick that was missed gets dummies only: an event in it would claim an earlier time than its own.
    """
    segment = position.segment
    current = segment.number(now)
    last = current if position.ticks_left is None else min(current, position.tick + position.ticks_left - 1)
    behind = last - position.tick + 1
    if behind <= 0:
        return [], 0
    if behind * segment.tick > MAX_GAP:
        raise LogFault(
            Fault.CLOCK,
            f"the clock is {behind * segment.tick // 86400} days ahead of the log",
            advice="Set the clock. A log that really slept so long is at its end: make a new site, keep this one.",
        )
    missed = min(behind - (1 if last == current else 0), ROUND // segment.leaves)
    if missed:
        return _missed(position, missed, keys, size), behind
    events = list(waiting()[: segment.leaves])
    epoch = position.due // EPOCH_SECONDS
    return mix(events, segment.leaves - len(events), keys, epoch, size), behind


def _missed(position: Position, ticks: int, keys: DummyKeys, size: int) -> list[Draft | bytes]:
    segment = position.segment
    a_minute = EPOCH_SECONDS // segment.tick
    leaves: list[Draft | bytes] = []
    tick, end = position.tick, position.tick + ticks
    while tick < end:
        epoch = tick // a_minute
        until = min(end, (epoch + 1) * a_minute)
        leaves += keys.entries(epoch, size + len(leaves), (until - tick) * segment.leaves)
        tick = until
    if len(leaves) != ticks * segment.leaves:
        raise LogFault(Fault.MISSING, "the key of these epochs' dummies isn't there")
    return leaves


def epochs(
    batch: Sequence[Draft | bytes], plain: Callable[[], int], position: Callable[[], Position], first: int
) -> Callable[[int], int]:
    """The epoch of an event by its index: that of its tick, or without a clock that of the act."""
    if not any(isinstance(item, Draft) for item in batch):
        return lambda index: 0
    at = position()
    if at.segment.mode is Mode.FIXED:
        return lambda index: at.due // EPOCH_SECONDS
    epoch = plain()
    # A dummy of the same batch has its epoch already; a minute may have passed since.
    for item in batch:
        if isinstance(item, bytes):
            epoch = int.from_bytes(item[1:9], "big")
    return lambda index: epoch


def clock_behind(seconds: float, directory: Path) -> LogFault:
    """The clock was set back, or a caller gave a time that doesn't pass."""
    return LogFault(
        Fault.CLOCK,
        f"the log's next tick is {seconds:.0f} s ahead of the clock",
        where=str(directory),
        advice="Set the clock, or wait for it: no tick is written twice. What has to stop stops without the log.",
    )
