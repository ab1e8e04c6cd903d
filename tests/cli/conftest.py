"""A command as a person or a script calls it: its exit code and what it printed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mandat.cli import main

Mandat = Callable[..., tuple[int, str, str]]


@pytest.fixture
def mandat(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Mandat:
    """Calls `main` and gives (exit code, stdout, stderr)."""
    monkeypatch.delenv("MANDAT_SITE", raising=False)
    monkeypatch.delenv("MANDAT_DEBUG", raising=False)

    def call(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def lab(tmp_path: Path, mandat: Mandat) -> Path:
    """A lab site."""
    code, _, err = mandat("site", "init", "--lab", tmp_path / "site")
    assert code == 0, err
    return tmp_path / "site"
