from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from mandat.log import Event, Kind, LogWriter, Report, Signer, audit


@dataclass
class Log:
    """A log in a directory, as a test handles it."""

    root: Path
    signer: Signer

    @property
    def tiles(self) -> Path:
        return self.root / "log"

    @property
    def openings(self) -> Path:
        return self.root / "openings"

    def writer(self) -> LogWriter:
        return LogWriter(self.tiles, self.openings, self.signer)

    def audit(self, older: bytes | None = None) -> Report:
        return audit(self.tiles, self.signer.verifier, self.openings, older=older)

    def checkpoint(self) -> bytes:
        return (self.tiles / "checkpoint").read_bytes()


def events(count: int, liid: str = "LI-1") -> list[Event]:
    return [Event(Kind.ACCESS, liid, "desk", {"count": number}) for number in range(count)]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    signer = Signer.generate("example.org/log")
    LogWriter.create(tmp_path / "log", tmp_path / "openings", signer)
    return Log(tmp_path, signer)


@pytest.fixture(name="events")
def events_fixture() -> Callable[..., list[Event]]:
    return events
