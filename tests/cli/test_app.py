"""The command line as a whole: quick, lazy, and never a traceback."""

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from mandat import errors
from mandat.cli import failures
from mandat.cli.app import ENTRIES
from mandat.cli.warrant import REASONS
from mandat.overseer.finding import Class
from mandat.site import REVOCATIONS
from tests.cli.conftest import Mandat

FINDINGS = {
    Class.BROKEN: "signature, tree, tiles or growth of the log don't hold.",
    Class.UNEXPLAINED: "a leaf that is neither an opened event nor a dummy.",
    Class.FALSE_OPENING: "an opening that doesn't lead to its leaf.",
    Class.UNAUTHORISED: "a case's acts don't follow from its authority.",
    Class.GAP: "events of a case are missing in between.",
    Class.OFF_SCHEDULE: "leaves that aren't where the schedule has them.",
}
HEAVY = ("pyarrow", "pyrage", "rich", "numpy", "mandat.site", "mandat.log", "cryptography", "msgspec")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ENTRIES)
def test_each_command_exists_and_helps(mandat: Mandat, name: str) -> None:
    module, attribute = ENTRIES[name].path.split(":")
    assert isinstance(getattr(import_module(module), attribute), click.Command)
    code, out, _ = mandat(name, "--help")
    assert code == 0
    assert "Usage: mandat " + name in out


def test_help_imports_nothing_heavy() -> None:
    probe = "import sys; from mandat.cli import main; main(['--help']); print([m for m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    assert not [name for name in HEAVY if f"'{name}'" in loaded]


def test_a_near_miss_is_answered(mandat: Mandat) -> None:
    code, out, err = mandat("recordngs")
    assert (code, out) == (2, "")
    assert "Did you mean recordings" in err


def test_errors_are_json_when_asked(mandat: Mandat, tmp_path: Path) -> None:
    code, out, err = mandat("warrant", "list", "--site", tmp_path / "nowhere", "--json")
    error = json.loads(err)["error"]
    assert (code, out) == (7, "")
    assert (error["code"], error["exit_code"]) == ("site_missing", 7)
    assert error["advice"]


def test_a_usage_error_is_json_too(mandat: Mandat) -> None:
    code, _, err = mandat("run", "--json")
    assert code == 2
    assert json.loads(err)["error"]["code"] == "usage"


def test_a_fault_of_ours_leaves_a_report_without_any_value(
    mandat: Mandat, lab: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("+33639980101")

    monkeypatch.setattr("mandat.site.Site.warrants", broken)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    code, out, err = mandat("warrant", "list", "--site", lab)
    assert (code, out) == (failures.UNEXPECTED, "")
    assert "Traceback" not in err
    assert "33639980101" not in err
    report = Path(re.search(r"\S*mandat-report-\S+\.txt", err)[0]).read_text()  # type: ignore[index]
    assert "ValueError" in report
    assert "33639980101" not in report


def test_a_closed_pipe_is_quiet() -> None:
    script = f"{sys.executable} -m mandat --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode in {0, failures.PIPE_CLOSED}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(mandat: Mandat, shell: str) -> None:
    code, out, _ = mandat("completion", shell)
    assert code == 0
    assert "_MANDAT_COMPLETE" in out


def test_completion_answers() -> None:
    asked = {"_MANDAT_COMPLETE": "bash_complete", "COMP_WORDS": "mandat rec", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from mandat.cli import main; sys.exit(main([]))"],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "recordings" in done.stdout


def test_the_reasons_are_the_sites_own() -> None:
    assert REASONS == REVOCATIONS


def test_exit_codes_are_documented() -> None:
    """docs/exit-codes.md is made from the classes; MANDAT_WRITE_DOCS=1 writes it anew."""
    path = ROOT / "docs/exit-codes.md"
    if os.environ.get("MANDAT_WRITE_DOCS") == "1":
        path.write_text(exit_codes())
    assert path.read_text() == exit_codes()


def exit_codes() -> str:
    """The document."""
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert set(FINDINGS) == set(Class)
    rows = {kind.exit_code: f"`{kind.__name__}`: {(kind.__doc__ or '').splitlines()[0]}" for kind in classes}
    rows[1] = "`MandatError`: any other failure; the demo: something differs from its truth."
    rows |= {found.code: f"`mandat audit`: {text}" for found, text in FINDINGS.items()}
    rows |= {
        0: "Done.",
        failures.UNEXPECTED: "A fault of Mandat itself; a report without identities was written.",
        failures.INTERRUPTED: "Ctrl-C. A run that it ended has kept and logged what it wrote.",
        failures.PIPE_CLOSED: "The reader of the output went away.",
        143: "SIGTERM. As for 130.",
    }
    lines = [f"| {code} | {text} |" for code, text in sorted(rows.items())]
    return (
        "# Exit codes\n\n"
        "Each class of error has one code. With `--json` the error is one JSON object on standard error, whose `code`\n"
        "is a stable name for programs.\n\n"
        "| code | meaning |\n|---|---|\n" + "\n".join(lines) + "\n\n"
        "A run that ends with 3, 4 or 8 has still kept, logged and told what it could: a source was damaged,\n"
        "a warrant was refused, or a store could not be written. The highest code wins.\n"
    )
