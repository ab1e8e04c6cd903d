"""Openings of entries, by case. Private: whoever reads them sees every act, though no number and no content.

Trust: with a case's openings one can show what its entries say; one can't make an entry say something else.
"""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from .durable import PRIVATE, append, make_directory, write_atomic
from .entry import CASE_KEY_SIZE, MAX_DISCLOSURE, MAX_DISCLOSURES, Opening
from .fault import Fault, LogFault

# 32 disclosures of 1,024 characters are the most that an opening may have; the rest of a line is short.
MAX_LINE = MAX_DISCLOSURES * (MAX_DISCLOSURE + 3) + 512

# A batch has 256 events at most, and an event of ours is shorter than 2 KiB.
_RECENT = 1 << 20

_KEY = "case.key"
_EVENTS = "events.jsonl"


class Openings:
    """The directory of openings."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def cases(self) -> list[str]:
        """All cases, by name."""
        try:
            return sorted(path.name for path in self.directory.iterdir() if path.is_dir())
        except OSError as error:
            raise _unreadable(self.directory, error) from None

    def case_key(self, case: str) -> bytes:
        """K_case: with it a case's tags can be found, and no other's."""
        path = self._case(case) / _KEY
        try:
            key = path.read_bytes()
        except OSError as error:
            raise _unreadable(path, error) from None
        if len(key) != CASE_KEY_SIZE:
            raise LogFault(Fault.DAMAGED, "the key of a case has the wrong length", where=str(path))
        return key

    def make_case(self, case: str) -> bytes:
        """K_case, made at the first event of a case. Raises OSError."""
        path = self._case(case) / _KEY
        if not path.exists():
            make_directory(path.parent)
            write_atomic(path, secrets.token_bytes(CASE_KEY_SIZE), PRIVATE)
        return self.case_key(case)

    def events(self, case: str, size: int) -> list[Opening]:
        """The openings of a case in a log of this size, in order and without gaps."""
        path = self._case(case) / _EVENTS
        try:
            lines = path.read_bytes().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unreadable(path, error) from None
        events: list[Opening] = []
        for number, line in enumerate(lines):
            if not line.endswith(b"\n"):  # torn by a crash, so it was never acknowledged
                break
            try:
                opening = Opening.from_line(line)
            except LogFault as fault:
                raise LogFault(fault.code, fault.message, where=f"{path}:{number + 1}") from None
            if opening.index >= size:
                break
            if opening.sequence != len(events) or (events and opening.index <= events[-1].index):
                raise LogFault(
                    Fault.DAMAGED, "the openings of a case have a gap", where=f"{path}:{number + 1}"
                )
            events.append(opening)
        return events

    def add(self, case: str, openings: Sequence[Opening]) -> None:
        """Keep openings; durable on return. Raises OSError."""
        append(self._case(case) / _EVENTS, b"".join(opening.to_line() for opening in openings))

    def forget_unsigned(self, size: int) -> None:
        """Drop openings of entries that no checkpoint ever covered: a crash came before the signature.

        Call it only when no larger size was signed. Raises OSError.
        """
        for case in self.cases():
            path = self._case(case) / _EVENTS
            last = self._last(path)
            if last is None or last.index >= size:
                self._truncate(case, path, size)

    def last(self, case: str) -> Opening | None:
        """The last event of a case, once unsigned openings are gone."""
        return self._last(self._case(case) / _EVENTS)

    def recent(self, case: str, size: int) -> dict[bytes, int]:
        """Indices of a case's last events, by their randomness: at most what a queue holds lies between."""
        path = self._case(case) / _EVENTS
        try:
            with path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _RECENT))
                lines = file.read().split(b"\n")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _unreadable(path, error) from None
        found: dict[bytes, int] = {}
        for line in lines[:-1]:
            try:
                opening = Opening.from_line(line)
            except LogFault:
                continue  # the first line may be cut; what is damaged, verification finds
            if opening.index < size:
                found[opening.randomness] = opening.index
        return found

    def _last(self, path: Path) -> Opening | None:
        """The last opening of a file, or None where it ends in the middle of one, or with none."""
        try:
            with path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - MAX_LINE))
                tail = file.read().split(b"\n")
            return Opening.from_line(tail[-2]) if len(tail) > 1 and not tail[-1] else None
        except (FileNotFoundError, LogFault):
            return None

    def _truncate(self, case: str, path: Path, size: int) -> None:
        if path.exists():
            kept = sum(len(opening.to_line()) for opening in self.events(case, size))
            with path.open("r+b") as file:
                file.truncate(kept)
                os.fsync(file.fileno())

    def _case(self, case: str) -> Path:
        if not case or case.startswith(".") or "/" in case or "\0" in case:
            raise LogFault(Fault.BAD_EVENT, "a case's name can't be the name of a directory")
        return self.directory / case


def _unreadable(path: Path, error: OSError) -> LogFault:
    return LogFault(
        Fault.DAMAGED,
        f"the openings can't be read: {error.strerror}",
        where=str(path),
        advice="Restore the openings from a copy. Without them entries stay provable but can't be read.",
    )
