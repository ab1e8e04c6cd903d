"""Exactly what the warrants name is selected, in every spelling of a number; not one session more."""

import json
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

from .lab import Lab

WORDS = ["tournesol", "rendez-vous secret", "ΣΙΓΜΑ", "zéphyr"]


def generate(shared: Path, place: Path) -> list[dict[str, Any]]:
    """5,000 calls, 20,000 texts and 200,000 flows, and what is true of them."""
    (place / "keywords").write_text("\n".join(WORDS) + "\n")
    arguments = ["--calls", "5000", "--cps", "50", "--sms", "20000", "--flows", "200000", "--seed", "13"]
    arguments += ["--rtp-seconds", "2", "--rtp-fraction", ".05"]
    lists = [f"--{name}={place / name}" for name in ("targets", "keywords", "domains")]
    script = shared / "bench/gen_calls.py"
    uv = ["uv", "run", "--frozen", "--isolated", "--only-group", "bench", "python", str(script)]
    subprocess.run(
        [*uv, str(place / "c.pcap"), *arguments, *lists], check=True, capture_output=True, timeout=250
    )
    return [json.loads(line) for line in (place / "c.truth.jsonl").read_text().splitlines()]


def seconds(moment: str) -> float:
    """Milliseconds: the generator rounds in another place than the capture does."""
    return round(datetime.fromisoformat(moment).timestamp(), 3)


def test_the_truth_and_nothing_but_the_truth(shared: Path, lab: Lab, tmp_path: Path) -> None:
    truth = generate(shared, tmp_path)
    lab.intercept("CALLS", (tmp_path / "targets").read_text().split())
    lab.screen("WORDS", [{"type": "keyword", "value": word, "whole_word": True} for word in WORDS])
    domains = (tmp_path / "domains").read_text().split()
    lab.screen("DOMAINS", [{"type": "domain", "value": name, "subdomains": False} for name in domains])
    lab.retain("ALL")
    report = lab.run(tmp_path / "c.pcap")
    tasks = {task["liid"]: task for task in report["tasks"]}

    calls = [row for row in truth if row["type"] == "call"]
    hit = {row["call_id"]: row for row in calls if row["hit_from"] or row["hit_to"]}
    begun = {r["cin"]: r["call_id"] for r in lab.export("calls", "CALLS") if r["iri_type"] == "BEGIN"}
    assert sorted(begun.values()) == sorted(hit)
    assert hit, "the watch list must be met"
    assert tasks["ALL"]["call_records"] == len(calls) == 5000

    # Every packet of the recorded calls' media is there.
    listed = json.loads(lab.mandat("recordings", "list", "--json").stdout)["recordings"]
    written = {begun[r["cin"]]: sum(s["written"] for s in r["streams"]) for r in listed}
    assert written == {call: row["rtp_sent"] + row["rtp_received"] for call, row in hit.items()}
    assert all(s["dropped_by_us"] in (0, {}) for r in listed for s in r["streams"])

    texts = [row for row in truth if row["type"] == "sms"]
    to_targets = sorted(round(row["start"], 3) for row in texts if row["hit_from"] or row["hit_to"])
    assert sorted(seconds(r["ts"]) for r in lab.export("messages", "CALLS")) == to_targets
    with_words = sorted(round(row["start"], 3) for row in texts if row["keywords"])
    assert sorted(seconds(r["ts"]) for r in lab.export("messages", "WORDS")) == with_words

    flows = sorted((row["domain"], row["client"]) for row in truth if row["type"] == "flow" and row["hit"])
    found = [r for r in lab.export("flows", "DOMAINS") if r["iri_type"] in ("BEGIN", "REPORT")]
    assert sorted((r["name"], r["src"].rsplit(":", 1)[0]) for r in found) == flows
