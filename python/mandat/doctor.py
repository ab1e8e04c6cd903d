"""What can be wrong with a site or a machine before a warrant suffers from it."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mandat.errors import MandatError

if TYPE_CHECKING:
    from mandat.site import Site

LOW_OCTETS = 5_000_000_000
"""Below this a busy day may fill the disk: 5 GB is about 80 hours of recorded speech in evidence and listening copy."""

FULL_OCTETS = 200_000_000
"""Below this a run should not be begun."""

EPOCH_2026 = 1_767_225_600
"""No copy of this program is older than 2026: a clock before that was never set."""

MAX_LOOKED_AT = 100_000
"""Files whose permissions are looked at: enough for a year of product, and an end for a strange tree."""


@dataclass(slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: Literal["ok", "warning", "fault"]
    detail: str
    advice: str = ""


def examine(path: Path | None) -> list[Check]:
    """Looks at everything. Nothing in the answer identifies anyone."""
    found = [*_machine()]
    if path is None:
        found.append(Check("site", "warning", "no site was named", "give --site DIR or set MANDAT_SITE"))
        return found
    try:
        from mandat.site import Site

        site = Site.open(path)
        found.append(Check("site", "ok", f"{path}, made {site.created}{', a LAB' if site.lab else ''}"))
        found += _site(site)
    except MandatError as fault:
        found.append(_of("site", fault))
    return found


def _machine() -> Iterator[Check]:
    from mandat import __version__
    from mandat.core import load

    yield Check("version", "ok", f"mandat {__version__}, Python {sys.version.split()[0]}")
    try:
        core = load()
        yield Check("core", "ok", f"built: {Path(core.__file__ or '').name}")
    except MandatError as fault:
        yield _of("core", fault)
    if time.time() < EPOCH_2026:
        yield Check("clock", "fault", "the clock was never set", "set it, and let NTP keep it")
    elif not _synchronised():
        yield Check(
            "clock", "warning", "nothing says that NTP keeps this clock", "windows open and close by it"
        )
    else:
        yield Check("clock", "ok", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))


def _site(site: "Site") -> Iterator[Check]:
    yield _disk(site.root)
    yield _permissions(site.root)
    yield _guarded(
        "keys", lambda: f"{len(site.keys.approvers())} approvers pinned, log key {_has_log_key(site)}"
    )
    yield _guarded("log", lambda: f"{site.verify_log().size} entries, verified")
    if not site.keys.hybrid:
        yield Check(
            "log keys", "warning", "the log signs with Ed25519 alone", "a new site also has an ML-DSA-44 key"
        )
    yield _witnesses(site)
    yield _guarded("warrants", lambda: _warrants(site))
    yield _records(site)


def _disk(root: Path) -> Check:
    free = shutil.disk_usage(root).free
    detail = f"{free / 1e9:.1f} GB free"
    if free < FULL_OCTETS:
        return Check("disk", "fault", detail, "free some space before the next run")
    if free < LOW_OCTETS:
        return Check("disk", "warning", detail, "free some space soon")
    return Check("disk", "ok", detail)


def _permissions(root: Path) -> Check:
    """Everything in a site is its owner's alone."""
    open_to_others, looked_at = 0, 0
    for directory, _, names in os.walk(root):
        for name in (".", *names):
            looked_at += 1
            if (Path(directory) / name).lstat().st_mode & 0o077:
                open_to_others += 1
        if looked_at > MAX_LOOKED_AT:
            break
    if open_to_others:
        detail = f"{open_to_others} files or directories can be read or written by others"
        return Check("permissions", "fault", detail, f"chmod -R go= {root}")
    return Check("permissions", "ok", f"{looked_at} files and directories are private")


def _has_log_key(site: "Site") -> str:
    return site.keys.log_signer().verifier.name


def _witnesses(site: "Site") -> Check:
    if not site.witnessing.required:
        detail = "none: only this site vouches for its log"
        return Check("witnesses", "warning", detail, "name them in SITE/witness-policy: docs/witness.md")
    try:
        standing = site.witnessing.standing()
    except MandatError as fault:
        return _of("witnesses", fault)
    for witness in standing.witnesses:
        if witness.result in ("fork", "ahead"):
            return Check("witnesses", "fault", f"{witness.name}: {witness.result}", witness.advice)
    if standing.gap:
        late = [w for w in standing.witnesses if w.result != "cosigned"]
        detail = f"no quorum has cosigned the last {standing.gap} of {standing.size} entries"
        advice = "; ".join(f"{w.name} {w.result}: {w.advice}" for w in late) or "mandat log cosign"
        return Check("witnesses", "fault", detail, advice)
    return Check("witnesses", "ok", f"{len(standing.witnesses)}, a quorum has cosigned all entries")


def _warrants(site: "Site") -> str:
    states: dict[str, int] = {}
    for summary in site.warrants():
        states[summary.state] = states.get(summary.state, 0) + 1
    return ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none"


def _records(site: "Site") -> Check:
    from mandat.store import EmbeddedStore

    store = EmbeddedStore(site.root / "records")
    segments, faults = 0, []
    for liid in store.liids():
        segments += len(store.segments(liid))
        faults += store.verify(liid)
    if faults:
        return Check("records", "fault", f"{len(faults)} of {segments} segments: {faults[0].diagnostics()}")
    return Check("records", "ok", f"{segments} segments, none damaged")


def _guarded(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, "ok", look())
    except MandatError as fault:
        return _of(name, fault)


def _of(name: str, fault: MandatError) -> Check:
    place = f"{fault.where}: " if fault.where else ""
    return Check(name, "fault", place + fault.message, fault.advice)


def _synchronised() -> bool:
    """Whether systemd-timesyncd or chrony has ever said so. Elsewhere nobody knows."""
    return any(
        Path(name).exists() for name in ("/run/systemd/timesync/synchronized", "/run/chrony/chronyd.sock")
    )
