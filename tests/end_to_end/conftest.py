"""Fixtures of the end-to-end tests."""

import os
from pathlib import Path

import pytest

from .lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A lab site without warrants."""
    return Lab.make(tmp_path)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Captures and generators kept beside the repository. On a build server they must be there."""
    place = Path(os.environ.get("MANDAT_SHARED", Path(__file__).parents[3] / "shared"))
    if not (place / "captures").is_dir():
        reason = f"no shared captures at {place}: set MANDAT_SHARED"
        if os.environ.get("CI") == "true" and "GITHUB_ACTIONS" not in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    return place
