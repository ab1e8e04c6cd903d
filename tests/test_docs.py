"""The documents hold together: links lead somewhere, files that are named exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md"), *ROOT.glob("captures/*.md")]
)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_every_file_that_standards_names_exists() -> None:
    named = re.findall(r"`((?:crates|python)/[^`]+)`", (ROOT / "docs/standards.md").read_text())
    assert len(named) > 20
    for name in named:
        assert (ROOT / name).is_file(), name
