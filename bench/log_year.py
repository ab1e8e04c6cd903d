"""A year of a log in fixed slots, 8.4 million leaves: written as a catch-up, then audited. Prints rates and memory.

python bench/log_year.py [DAYS] [DIRECTORY]
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

from mandat.log import DummyKeys, Event, Kind, LogWriter, Openings, Segment, Signer, schedule_event
from mandat.overseer import Pack, audit

DAY = 86_400


def main() -> int:
    """Write, audit, print."""
    days = int(sys.argv[1]) if len(sys.argv) > 1 else 365
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as name:
        root, key = Path(name), bytes(32)
        signer = Signer.generate("bench.invalid/log")
        segment = Segment.fixed(time.time() - days * DAY)
        writer = LogWriter.create(root / "log", root / "openings", signer, segment, DummyKeys(key))
        writer.clock = lambda: segment.start
        writer.append([schedule_event(segment, "bench")])
        del writer.clock
        begun = time.monotonic()
        writer.advance()
        writer.defer([Event(Kind.ACCESS, "LI-1", "bench", {"count": 1})])
        took = time.monotonic() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"written {writer.size:,} leaves in {took:.0f} s: {writer.size / took:,.0f}/s, {peak:.0f} MB")
        held = Openings(root / "openings")
        events = [event for case in held.cases() for event in held.events(case, writer.size)]
        pack = Pack.build("bench.invalid/log", key, events)
        begun = time.monotonic()
        verdict = audit(root / "log", signer.verifier, pack)
        took = time.monotonic() - begun
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"audited {verdict.size:,} leaves in {took:.0f} s: {verdict.size / took:,.0f}/s")
        print(f"largest process {max(peak, children):.0f} MB; findings {len(verdict.findings)}")
        return verdict.code


if __name__ == "__main__":
    sys.exit(main())
