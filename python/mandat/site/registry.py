"""The warrants of a site: SITE/warrants/<liid>/ holds canonical.json, approvals/<n>.json and standing.json.

Trust: whoever can change these files can stop a warrant, but can't start or widen one. Its octets are bound
by the approvals and by the log; that it ended is known from the log too.

Not done: a stolen disk shows the targets, for canonical.json is in clear (mode 0600).
"""

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mandat.errors import Refusal, SiteError
from mandat.site import files
from mandat.warrant import Approval, State, Warrant, parse_approval, parse_warrant

# TS 102 232-1, 5.2.2: at most 25 octets. As the name of a directory it must lead nowhere else.
LIID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,24}")


class Standing(msgspec.Struct, forbid_unknown_fields=True):
    """Where a warrant stands, and at which entries of the log that is written."""

    state: State
    authorised: int | None = None
    approved: list[int] = []
    activated: int | None = None
    ended: int | None = None
    purpose: str = ""


@dataclass(slots=True)
class Record:
    """A warrant with all that goes with it."""

    warrant: Warrant
    approvals: list[Approval]
    standing: Standing


class Registry:
    """The directory of warrants."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def liids(self) -> list[str]:
        """All warrants that were ever added."""
        try:
            return sorted(path.parent.name for path in self._directory.glob("*/standing.json"))
        except OSError as error:
            raise SiteError("site_damaged", str(error.strerror), where=str(self._directory)) from None

    def has(self, liid: str) -> bool:
        """Whether this LIID is taken. One is never used twice, whatever became of its warrant."""
        return bool(LIID.fullmatch(liid)) and (self._directory / liid / "standing.json").is_file()

    def load(self, liid: str) -> Record:
        """A warrant, read anew: its octets must still be the canonical ones."""
        if not self.has(liid):
            raise Refusal(
                "warrant_unknown",
                "there is no such warrant",
                where=liid,
                advice="`mandat warrant list` shows all.",
            )
        directory = self._directory / liid
        data = files.read(directory / "canonical.json")
        warrant = parse_warrant(data)
        if warrant.canonical != data or warrant.liid != liid:
            raise Refusal(
                "warrant_altered",
                "the stored warrant was altered",
                where=liid,
                advice="Restore it from a copy: its approvals are over the original.",
            )
        approvals = [
            parse_approval(files.read(path)) for path in sorted((directory / "approvals").glob("*.json"))
        ]
        return Record(warrant, approvals, self.standing(liid))

    def standing(self, liid: str) -> Standing:
        """Where a warrant stands."""
        path = self._directory / liid / "standing.json"
        try:
            return msgspec.json.decode(files.read(path), type=Standing)
        except msgspec.DecodeError:
            raise SiteError("site_damaged", "a warrant's standing can't be read", where=str(path)) from None

    def save(self, record: Record) -> None:
        """Write a warrant down. The standing comes last: without it there is no warrant."""
        directory = self._directory / record.warrant.liid
        if not (directory / "standing.json").exists():  # a crash may have left the octets of another try
            files.write(directory / "canonical.json", record.warrant.canonical)
        for number, approval in enumerate(record.approvals, 1):
            path = directory / "approvals" / f"{number:02d}.json"
            if not path.exists():
                files.write(path, msgspec.json.encode(approval))
        files.write(directory / "standing.json", msgspec.json.encode(record.standing))
