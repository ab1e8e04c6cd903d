"""A lab site with warrants, and the real command line run on it."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from mandat.config import MaxWindow, encode_config
from mandat.site import Site

APPROVERS = ("approver-1.key", "approver-2.key")
CAPTURE_BEGINS = "2025-06-01T00:00:00Z"
"""Before the first packet of every capture that the tests make."""


def number(value: str) -> dict[str, str]:
    """A number as a warrant names it."""
    return {"type": "e164Number", "value": value}


@contextlib.contextmanager
def program(*command: str | Path, log: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A server or tap of the test's own, ended with it. What it says goes to the end of `log`, or nowhere."""
    with log.open("ab") if log else contextlib.nullcontext(subprocess.DEVNULL) as said:
        running = subprocess.Popen([str(word) for word in command], stdout=said, stderr=said)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(timeout=20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@contextlib.contextmanager
def tap(path: Path, filter_: str) -> Iterator[None]:
    """Captures what `filter_` says on loopback, whole packets, until everything said is on disk."""
    # In immediate mode each packet takes a slot of the snap length: with the default buffer that is eight slots, and
    # a burst on a busy machine loses packets. These are 512, each larger than the largest packet on loopback.
    room = ("-B", "65536", "-s", "131072")
    command = ["tcpdump", "-i", "lo", "-U", "--immediate-mode", *room, "-Z", "root", "-w", str(path), filter_]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tcpdump:
        assert tcpdump.stderr is not None
        first = tcpdump.stderr.readline()
        assert "listening on" in first, first
        try:
            yield
            # tcpdump has no word for "all written": a second is long on loopback.
            time.sleep(1)
        finally:
            tcpdump.terminate()
        said = tcpdump.stderr.read()
        assert "0 packets dropped by kernel" in said, said


@dataclass
class Lab:
    """A lab site in a directory of its own, with a home and a place for temporary files beside it."""

    base: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, base: Path) -> "Lab":
        for name in ("home", "tmp"):
            (base / name).mkdir(parents=True)
        site = Site.init(base / "site", lab=True, actor="the tests")
        years = MaxWindow(intercept=3660, retention=3660, disclosure=3660, screening=3660)
        policy = msgspec.structs.replace(site.config.policy, max_window_days=years)
        site_config = base / "site/config.json"
        site_config.write_bytes(encode_config(msgspec.structs.replace(site.config, policy=policy)))
        places = {"HOME": str(base / "home"), "TMPDIR": str(base / "tmp"), "NO_COLOR": "1"}
        return cls(base, {**os.environ, **places})

    @property
    def root(self) -> Path:
        return self.base / "site"

    @property
    def site(self) -> Site:
        return Site.open(self.root, actor="the tests")

    @property
    def agency_key(self) -> Path:
        return self.root / "lab/agency.key"

    def document(self, liid: str, kind: str, **terms: Any) -> dict[str, Any]:
        """A warrant in force now and when the captures were made."""
        recipients = [] if kind == "retention" else [(self.root / "lab/agency.pub").read_text().strip()]
        end = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "version": 1,
            "liid": liid,
            "reference": f"TEST/{liid}",
            "kind": kind,
            "legal_basis": "none: a test",
            "issuing_authority": "the tests",
            "requester": "a test",
            "targets": [],
            "criteria": [],
            "product": "IRI",
            "window": {"start": CAPTURE_BEGINS, "end": end},
            "recipients": recipients,
            **terms,
        }

    def intercept(self, liid: str, numbers: list[str], product: str = "IRIandCC") -> None:
        targets = [number(value) for value in numbers]
        self.activate(self.document(liid, "intercept", targets=targets, product=product))

    def retain(self, liid: str) -> None:
        self.activate(self.document(liid, "retention", retention={"days": 30}))

    def screen(self, liid: str, criteria: list[dict[str, Any]]) -> None:
        self.activate(self.document(liid, "screening", criteria=criteria, ceiling={"sessions": 1_000_000}))

    def activate(self, document: dict[str, Any]) -> None:
        site = self.site
        site.add_warrant(json.dumps(document).encode())
        for key in APPROVERS:
            site.approve(document["liid"], self.root / "lab" / key)

    def mandat(self, *command: str, code: int = 0, **how: Any) -> subprocess.CompletedProcess[str]:
        """Runs a command on the site; its exit code must be the one that is expected, and no traceback is ever seen."""
        line = [sys.executable, "-m", "mandat", *command, "--site", str(self.root)]
        done = subprocess.run(
            line, capture_output=True, text=True, env=self.environment, check=False, timeout=280, **how
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return done

    def refused(self, *command: str, code: int) -> dict[str, Any]:
        """The diagnosis of a command that must fail with this exit code: place, fault and what to do."""
        done = self.mandat(*command, "--json", code=code)
        told: dict[str, Any] = json.loads(done.stderr.splitlines()[-1])["error"]
        assert told["exit_code"] == code
        assert told["message"]
        return told

    def run(self, *sources: Path | str, code: int = 0, **how: Any) -> dict[str, Any]:
        done = self.mandat("run", *map(str, sources), "--json", code=code, **how)
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def export(self, what: str, liid: str) -> list[dict[str, Any]]:
        """Product of one kind, opened with the agency's key."""
        done = self.mandat(what, "export", liid, "--identity", str(self.agency_key))
        return [json.loads(line) for line in done.stdout.splitlines()]
