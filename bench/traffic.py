"""Workloads: traffic with its truth, and a lab site whose warrants fit it."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from mandat.config import MaxWindow, encode_config
from mandat.site import Site

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache/bench"
GENERATORS = (ROOT / "../shared/bench/gen_calls.py", ROOT / "../../shared/bench/gen_calls.py")
CAPTURE_BEGINS = datetime(2025, 6, 1, tzinfo=UTC)
"""Before the first packet that the generator writes."""


@dataclass(frozen=True)
class Workload:
    """What is generated, and which part of its calls is recorded."""

    name: str
    what: str
    arguments: tuple[str, ...]
    recorded: float
    retention: bool


WORKLOADS = {
    "A": Workload("A", "signalling only", ("--cps", "500", "--seed", "11"), 0.0, True),
    "B": Workload(
        "B",
        "30 s of G.711 both ways",
        ("--cps", "20", "--rtp-seconds", "30", "--all-answered", "--seed", "12"),
        0.05,
        False,
    ),
}
CALLS = {"A": 200_000, "B": 2_000}


def find_generator(given: str | None) -> Path:
    """The generator: named, or beside the repository."""
    places = [Path(given)] if given else [place.resolve() for place in GENERATORS]
    for place in places:
        if place.is_file():
            return place
    raise SystemExit(
        f"bench: there is no traffic generator at {places[0]}\n"
        "  what to do: name one with --generator; it takes PCAP --calls N --cps N --rtp-seconds S --targets FILE "
        "and writes PCAP and a .truth.jsonl beside it"
    )


def generate(generator: Path, workload: Workload, calls: int) -> Path:
    """The workload's capture; made once and kept in .cache/bench."""
    capture = CACHE / f"{workload.name}-{calls}.pcap"
    if capture.with_suffix(".truth.jsonl").exists():
        return capture
    CACHE.mkdir(parents=True, exist_ok=True)
    print(f"making {capture.relative_to(ROOT)} ({calls:,} calls, {workload.what}) …", flush=True)
    arguments = [str(capture), "--calls", str(calls), *workload.arguments]
    targets = ["--targets", str(capture.with_suffix(".targets"))]
    # numpy is the generator's need, not ours: it gets an environment of its own.
    command = [
        "uv",
        "run",
        "--frozen",
        "--isolated",
        "--no-project",
        "--with",
        "numpy>=2",
        "python",
        str(generator),
    ]
    subprocess.run([*command, *arguments, *targets], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return capture


def read_truth(capture: Path) -> Iterator[dict[str, Any]]:
    """The calls that were generated."""
    with capture.with_suffix(".truth.jsonl").open() as file:
        for line in file:
            row = json.loads(line)
            if row["type"] == "call":
                yield row


def choose_targets(capture: Path, part: float) -> tuple[list[str], int]:
    """Numbers that together take part in `part` of all calls, and in how many calls they do."""
    calls = [(row["from"], row["to"]) for row in read_truth(capture)]
    if not part:
        chosen = capture.with_suffix(".targets").read_text().split()[:50]
    else:
        chosen, hit = [], 0
        seen: Counter[str] = Counter(number for pair in calls for number in pair)
        for number, count in sorted(seen.items()):
            if hit >= part * len(calls) or len(chosen) == 256:
                break
            chosen.append(number)
            hit += count
    watched = set(chosen)
    return chosen, sum(1 for pair in calls if watched & set(pair))


def make_site(root: Path, workload: Workload, targets: list[str]) -> None:
    """A lab site: one intercept warrant for all targets, and for signalling a retention order for all calls."""
    site = Site.init(root, lab=True, actor="bench")
    longest = MaxWindow(intercept=3660, retention=3660, disclosure=3660, screening=3660)
    policy = msgspec.structs.replace(site.config.policy, max_window_days=longest)
    (root / "config.json").write_bytes(encode_config(msgspec.structs.replace(site.config, policy=policy)))
    site = Site.open(root, actor="bench")
    window = {"start": _text(CAPTURE_BEGINS), "end": _text(datetime.now(UTC) + timedelta(days=2))}
    common = {
        "version": 1,
        "legal_basis": "none: a measurement",
        "issuing_authority": "the bench",
        "requester": "the bench",
        "window": window,
        "criteria": [],
    }
    documents: list[dict[str, Any]] = [
        {
            **common,
            "liid": "BENCH-INTERCEPT",
            "reference": "BENCH/1",
            "kind": "intercept",
            "targets": [{"type": "e164Number", "value": number} for number in targets],
            "product": "IRIandCC" if workload.recorded else "IRI",
            "recipients": [(root / "lab/agency.pub").read_text().strip()],
        }
    ]
    if workload.retention:
        documents.append(
            {
                **common,
                "liid": "BENCH-RETENTION",
                "reference": "BENCH/2",
                "kind": "retention",
                "targets": [],
                "product": "IRI",
                "recipients": [],
                "retention": {"days": 1},
            }
        )
    for document in documents:
        site.add_warrant(json.dumps(document).encode())
        for key in ("approver-1.key", "approver-2.key"):
            site.approve(document["liid"], root / "lab" / key)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
