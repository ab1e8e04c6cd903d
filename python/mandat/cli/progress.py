"""A progress line for a terminal. Written here in a few lines: a library would cost more than a short run does."""

import sys
import time
from types import TracebackType
from typing import Self

REFRESH = 0.25
"""Seconds between two looks: a person sees it move, and it costs nothing."""

WIDTH = 24
ERASE = "\r\033[K"


class ProgressLine:
    """Shows how far a run is, on stderr, when that is a terminal."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled and sys.stderr.isatty()
        self._begun = self._shown = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def show(self, progress: dict[str, int | None]) -> None:
        """Draws the line anew, if it is time."""
        if not self._enabled or (now := time.monotonic()) - self._shown < REFRESH:
            return
        self._shown = now
        sys.stderr.write(ERASE + describe(progress, now - self._begun))
        sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._enabled:
            sys.stderr.write(ERASE)
            sys.stderr.flush()


def describe(progress: dict[str, int | None], seconds: float) -> str:
    """The line: a bar where the end is known, octets and packets, the rate, and the time left."""
    read, total = progress["octets_read"] or 0, progress["octets_total"]
    packets = progress["packets"] or 0
    rate = packets / seconds if seconds else 0.0
    counts = f"{packets:>12,} packets  {rate:>10,.0f}/s"
    if not total:
        return f"{counts}  {read / 1e6:,.0f} MB"
    part = min(1.0, read / total)
    filled = int(part * WIDTH)
    left = f"  {seconds / part * (1 - part):.0f} s left" if part > 0.01 else ""
    return f"{'█' * filled}{'·' * (WIDTH - filled)} {part:>4.0%}  {counts}{left}"
