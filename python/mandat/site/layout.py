"""Where things lie in a site, which version it has, and how a new one is made."""

import re
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import msgspec

from mandat.config import Config, MaxWindow, Policy, PolicyKind, encode_config
from mandat.errors import SiteError, UsageError
from mandat.log import LogWriter, Segment, Signer, schedule_event
from mandat.log.durable import make_directory
from mandat.log.note import valid_name
from mandat.site import files
from mandat.site.keys import Keys
from mandat.warrant import Approver

VERSION = 1
LAB_APPROVERS = 2
_DIRECTORIES = ("keys", "warrants", "point", "product", "records")
_NOT_NAME = re.compile(r"[^A-Za-z0-9.-]")


class Identity(msgspec.Struct, frozen=True):
    """SITE/site.json."""

    format: str
    version: int
    origin: str
    lab: bool
    created: str


def make_site(root: Path, origin: str, lab: bool) -> None:
    """Make a new site. `site.json` comes last: a directory without it is no site."""
    if not valid_name(origin):
        raise UsageError(
            "origin_wrong", "a log's origin has no space and no plus sign", advice="Use a host's name."
        )
    try:
        if (root / "site.json").exists() or (root.exists() and any(root.iterdir())):
            raise SiteError(
                "site_exists", "the directory isn't empty", where=str(root), advice="Name a new one."
            )
        make_directory(root)
        root.chmod(0o700)
        for name in _DIRECTORIES:
            make_directory(root / name)
    except OSError as error:
        raise files.unwritable(root, error) from None
    keys = Keys(root / "keys")
    keys.make(origin, _make_lab(root / "lab", origin) if lab else [])
    policy = Policy(kinds=tuple(PolicyKind), max_window_days=MaxWindow()) if lab else Policy()
    files.write(root / "config.json", encode_config(Config(policy=policy)))
    with files.log_faults():
        # A lab doesn't wait for a clock: it shows things, it hides nothing.
        segment = Segment.on_act(time.time()) if lab else Segment.fixed(time.time())
        dummies = keys.dummies(make=True)
        writer = LogWriter.create(root / "log", root / "openings", keys.log_signer(), segment, dummies)
        writer.append([schedule_event(segment, "mandat")])
    files.write(root / "point" / "head", files.read(root / "log" / "checkpoint"))
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    identity = Identity("mandat-site", VERSION, origin, lab, created)
    files.write(root / "site.json", msgspec.json.encode(identity) + b"\n")


def read_identity(root: Path) -> Identity:
    """What a directory says of itself, if it is a site of this version."""
    path = root / "site.json"
    if not path.is_file():
        raise SiteError(
            "site_missing",
            "there is no site here",
            where=str(root),
            advice="Make one with `mandat site init DIR`.",
        )
    try:
        identity = msgspec.json.decode(files.read(path), type=Identity)
    except msgspec.DecodeError:
        raise SiteError(
            "site_damaged", "site.json can't be read", where=str(path), advice="Restore it."
        ) from None
    if identity.format != "mandat-site" or identity.version != VERSION:
        raise SiteError(
            "site_version",
            f"the site has version {identity.version}, this release reads version {VERSION}",
            where=str(path),
            advice="Use the release that made the site, or make a new site: a log isn't converted.",
        )
    return identity


def default_origin(root: Path) -> str:
    """A log's name, when none is given."""
    return f"mandat.invalid/{_NOT_NAME.sub('-', root.resolve().name) or 'site'}"


def _make_lab(directory: Path, origin: str) -> list[Approver]:
    """Throw-away approvers and an agency, whose private keys lie in the site itself: for trials only."""
    # Only a lab needs it, and it has no type stubs.
    pyrage = import_module("pyrage")

    approvers = []
    for number in range(1, LAB_APPROVERS + 1):
        name = f"lab approver {number}"
        signer = Signer.generate(f"{origin}/lab-approver-{number}")
        files.write(directory / f"approver-{number}.key", signer.skey.encode() + b"\n")
        approvers.append(Approver(name, signer.verifier.vkey))
    agency = pyrage.x25519.Identity.generate()
    files.write(directory / "agency.key", f"{agency}\n".encode())
    files.write(directory / "agency.pub", f"{agency.to_public()}\n".encode())
    return approvers
