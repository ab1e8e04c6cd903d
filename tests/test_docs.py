"""The documents hold together: links lead somewhere, files that are named exist, exit codes are all there."""

import re
from pathlib import Path

import pytest

from mandat import errors

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


def test_every_class_of_error_has_its_exit_code_documented() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)`", (ROOT / "docs/exit-codes.md").read_text(), re.MULTILINE)
    documented = {name: int(code) for code, name in rows}
    classes: list[type[errors.MandatError]] = [errors.MandatError, *errors.MandatError.__subclasses__()]
    assert documented == {cls.__name__: cls.exit_code for cls in classes}


def test_every_decision_is_listed_and_says_what_it_costs() -> None:
    index = (ROOT / "docs/adr/README.md").read_text()
    for path in (ROOT / "docs/adr").glob("[0-9]*.md"):
        assert f"({path.name})" in index, path.name
        for part in ("**Context.**", "**Options.**", "**Outcome.**", "**What it costs.**"):
            assert part in path.read_text(), f"{path.name} lacks {part}"


def test_the_documented_fields_of_a_recording_are_those_written() -> None:
    source = (ROOT / "crates/sink/src/manifest.rs").read_text()
    fields = source.split("struct Manifest", 1)[1].split("\n}", 1)[0]
    written = set(re.findall(r"pub\(crate\) (\w+):", fields)) - {"version", "octets"}
    table = (
        (ROOT / "docs/interfaces.md").read_text().split("**recording.json.**", 1)[1].split("\n\n`seen`", 1)[0]
    )
    assert written <= set(re.findall(r"`(\w+)(?:\[\])?`", table))
