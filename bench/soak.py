"""Runs the same traffic again and again in one process, and fails when memory keeps growing.

./dev soak                       ten minutes
SOAK_SECONDS=60 ./dev soak
"""

import argparse
import tempfile
import time
from pathlib import Path

import traffic

from mandat.mediation.run import Runner
from mandat.site import Site

GROWTH_MB = 30
"""What allocators and caches may add after the first quarter. A leak of one packet in a hundred would show more."""


def resident_mb() -> float:
    """Memory of this process now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    return 0.0


def main() -> None:
    """Runs until the time is up."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--generator")
    given = parser.parse_args()
    workload = traffic.WORKLOADS["A"]
    capture = traffic.generate(traffic.find_generator(given.generator), workload, given.calls)
    targets, _ = traffic.choose_targets(capture, 0.05)
    end, runs, settled = time.monotonic() + given.seconds, 0, 0.0
    with tempfile.TemporaryDirectory(prefix="mandat-soak-", dir=traffic.CACHE) as place:
        root = Path(place) / "site"
        traffic.make_site(root, workload, targets)
        while time.monotonic() < end:
            report = Runner(Site.open(root), [str(capture)], time.time_ns()).go(lambda _: None, lambda: False)
            if report.faults or report.counters.get("bug.contained"):
                raise SystemExit(f"soak: run {runs} had a fault: {report.faults}")
            runs += 1
            if not settled and time.monotonic() > end - given.seconds * 0.75:
                settled = resident_mb()
        grown = resident_mb() - (settled or resident_mb())
        verified = Site.open(root).verify_log()
    print(
        f"{runs} runs, memory {resident_mb():.0f} MB, grown by {grown:.0f} MB, log of {verified.size} entries holds"
    )
    if grown > GROWTH_MB:
        raise SystemExit("soak: memory keeps growing")


if __name__ == "__main__":
    main()
