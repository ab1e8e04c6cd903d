"""Processor time of `mandat run` beside that of `tcpdump -r FILE -w /dev/null` on the same file, in turns.

    ./dev bench                      both workloads, three rounds
    ./dev bench --workload B --rounds 5 --calls 500

CPU is user and system seconds of the whole process, start-up and log included. Rounds alternate between the two
programs, so that what else the machine does falls on both; the medians are compared.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import traffic


@dataclass
class Cost:
    """What one process took."""

    cpu: float
    wall: float
    memory_mb: float
    output: bytes


def measure(command: list[str]) -> Cost:
    """Runs a command and asks the kernel what it cost."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - begun
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise SystemExit(f"bench: {command[0]} failed with {process.returncode}\n{err.read().decode()}")
        return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1000, out.read())


def bench(workload: traffic.Workload, capture: Path, rounds: int) -> dict[str, Any]:
    """Measures one workload and checks what was found against its truth."""
    targets, hits = traffic.choose_targets(capture, workload.recorded)
    calls = sum(1 for _ in traffic.read_truth(capture))
    floor, ours = [], []
    for _ in range(rounds):
        floor.append(measure(["tcpdump", "-r", str(capture), "-w", "/dev/null"]))
        with tempfile.TemporaryDirectory(prefix="mandat-bench-", dir=traffic.CACHE) as place:
            site = Path(place) / "site"
            traffic.make_site(site, workload, targets)
            command = [sys.executable, "-m", "mandat", "run", str(capture), "--site", str(site), "--json"]
            ours.append(measure(command))
    report = json.loads(ours[-1].output)
    found = {task["liid"]: task for task in report["tasks"]}
    intercept, retention = found["BENCH-INTERCEPT"], found.get("BENCH-RETENTION")
    cpu, base = (statistics.median(cost.cpu for cost in costs) for costs in (ours, floor))
    wall = statistics.median(cost.wall for cost in ours)
    return {
        "workload": workload.name,
        "what": workload.what,
        "packets": report["packets"],
        "octets": report["octets"],
        "cpu_s": round(cpu, 3),
        "tcpdump_cpu_s": round(base, 3),
        "ratio": round(cpu / base, 2),
        "calls_per_s": round(calls / wall),
        "packets_per_s": round(report["packets"] / wall),
        "peak_mb": round(max(cost.memory_mb for cost in ours)),
        "calls": calls,
        "call_records": retention and retention["call_records"],
        "target_calls": hits,
        "target_calls_found": intercept["sessions"],
        "recordings": intercept["recordings"],
        "rounds": rounds,
    }


def show(result: dict[str, Any]) -> None:
    """One workload for a person."""
    print(f"\n{result['workload']}: {result['calls']:,} calls, {result['what']}, {result['packets']:,} packets, "
          f"{result['octets'] / 1e6:,.0f} MB, median of {result['rounds']}")  # fmt: skip
    print(
        f"  CPU         {result['cpu_s']:.2f} s = {result['ratio']:.2f} x tcpdump's {result['tcpdump_cpu_s']:.2f} s"
    )
    print(f"  speed       {result['calls_per_s']:,} calls/s, {result['packets_per_s']:,} packets/s")
    print(f"  memory      {result['peak_mb']} MB at most")
    print(f"  found       {result['target_calls_found']} of {result['target_calls']} target calls", end="")
    print(f", {result['recordings']} recorded" if result["recordings"] else "", end="")
    print(f", {result['call_records']:,} call records" if result["call_records"] else "")


def main() -> None:
    """Reads the arguments and measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workload", choices=[*traffic.WORKLOADS], action="append")
    parser.add_argument("--calls", type=int, help="instead of 200,000 (A) and 2,000 (B)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--generator", help="the traffic generator; default: ../shared/bench/gen_calls.py")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if shutil.which("tcpdump") is None:
        raise SystemExit("bench: tcpdump is needed to compare with; ./dev setup installs it")
    generator = traffic.find_generator(given.generator)
    results = []
    for name in given.workload or traffic.WORKLOADS:
        workload = traffic.WORKLOADS[name]
        capture = traffic.generate(generator, workload, given.calls or traffic.CALLS[name])
        results.append(bench(workload, capture, given.rounds))
        if not given.json:
            show(results[-1])
    if given.json:
        print(json.dumps({"workloads": results}))


if __name__ == "__main__":
    main()
