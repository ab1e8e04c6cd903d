"""What docs/protocols.md claims is so: every fact has its row, and every test that a row names exists."""

import re
from pathlib import Path

import pytest

from mandat.site import Site

ROOT = Path(__file__).parents[1]
FACTS = 69


def rows() -> dict[int, str]:
    table = (ROOT / "docs/protocols.md").read_text()
    return {int(n): held for n, held in re.findall(r"^\| (\d+)\. [^|]+\| (.+) \|$", table, re.MULTILINE)}


def test_every_fact_has_a_row_with_a_test_or_a_decision() -> None:
    assert sorted(rows()) == list(range(1, FACTS + 1))
    assert all(held.strip() for held in rows().values())


@pytest.mark.parametrize("fact", range(1, FACTS + 1))
def test_the_tests_that_a_row_names_exist_under_its_number(fact: int) -> None:
    held = rows()[fact]
    named = re.findall(r"`((?:test_)?p[0-9][a-z0-9_]*)`[^;]*?\]\(\.\./([^)]+)\)", held)
    assert named or "adr/" in held, held
    for name, path in named:
        assert re.search(rf"(fn|def) {name}\b", (ROOT / path).read_text()), f"{name} is not in {path}"
        assert fact in [int(n) for n in re.findall(r"p(\d+)_", name)], name


def test_p68_a_new_site_has_no_password_and_no_key_of_anybody_else(tmp_path: Path) -> None:
    Site.init(tmp_path / "site")
    names = [path.name for path in (tmp_path / "site").rglob("*") if path.is_file()]
    assert not [name for name in names if "pass" in name or name.startswith("approver-")]
    assert not re.search(r"passw|secret", (tmp_path / "site/config.json").read_text(), re.IGNORECASE)
