"""What a command prints: tables for a person, tab-separated lines for a pipe, JSON for a program."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from mandat.site import Site

Command = TypeVar("Command", bound=Callable[..., Any])

LAB = "LAB SITE: throw-away keys, no real authority"


@dataclass(frozen=True)
class Screen:
    """Where results go. Results go to stdout; everything else (banners, progress, warnings) to stderr."""

    json: bool = False

    @property
    def rich(self) -> bool:
        """Whether a person looks at stdout."""
        return not self.json and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    @property
    def colour(self) -> bool:
        """Whether stdout takes colours; NO_COLOR wins (no-color.org)."""
        return self.rich and not os.environ.get("NO_COLOR")

    def result(self, value: object, *, text: Callable[[], None]) -> None:
        """`value` as JSON, or `text()` for a person."""
        if self.json:
            self.emit(value)
        else:
            text()

    def emit(self, value: object) -> None:
        """One line of JSON."""
        import msgspec

        line = msgspec.json.encode(value, enc_hook=str)
        sys.stdout.write(line.decode() + "\n")

    def say(self, text: str = "") -> None:
        """A line for a person."""
        sys.stdout.write(text + "\n")

    def strong(self, text: str) -> str:
        """Bold where that is possible."""
        return f"\033[1m{text}\033[0m" if self.colour else text

    def note(self, text: str) -> None:
        """A remark that is no result."""
        sys.stderr.write(text + "\n")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "none") -> None:
        """A table on a terminal, tab-separated lines elsewhere. A column named `>x` is set to the right."""
        cells = [["–" if cell is None else self.plain(cell) for cell in row] for row in rows]
        heads = [column.removeprefix(">") for column in columns]
        if not self.rich:
            for line in [heads, *cells]:
                self.say("\t".join(line))
            return
        if not cells:
            self.say(empty)
            return
        widths = [max(len(line[n]) for line in [heads, *cells]) for n in range(len(heads))]
        right = [column.startswith(">") for column in columns]
        self.say(self.strong(_line(heads, widths, right)))
        for line in cells:
            self.say(_line(line, widths, right))

    def plain(self, cell: object) -> str:
        """As text without control characters: what a terminal would obey must not come from a captured name."""
        grouped = self.rich and isinstance(cell, int) and not isinstance(cell, bool)
        text = f"{cell:,}" if grouped else str(cell)
        return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)

    def banner(self, site: "Site") -> None:
        """Says on every screen that a lab site is one."""
        if site.lab:
            colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
            self.note(f"\033[30;43m {LAB} \033[0m" if colour else LAB)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True)]
    return "  ".join(padded).rstrip()


def screen_option(command: Command) -> Command:
    """Gives a command `--json`, and a `Screen` as its first argument."""

    @wraps(command)
    def wrapped(*args: Any, as_json: bool, **kwargs: Any) -> Any:
        return command(Screen(as_json), *args, **kwargs)

    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(wrapped)  # type: ignore[return-value]


def site_option(command: Command) -> Command:
    """Gives a command `--site` and `--json`; it gets a `Screen` and the opened `Site` first."""

    @wraps(command)
    def wrapped(screen: Screen, *args: Any, site_path: str, **kwargs: Any) -> Any:
        from pathlib import Path

        from mandat.site import Site

        # Who acts, as the log names them: MANDAT_ACTOR, or else the login name.
        site = Site.open(Path(site_path), os.environ.get("MANDAT_ACTOR"))
        screen.banner(site)
        site.told = lambda seconds: screen.note(f"waiting {seconds:.0f} s for the log's next tick")
        return command(screen, site, *args, **kwargs)

    option = click.option(
        "--site",
        "site_path",
        envvar="MANDAT_SITE",
        default=".",
        show_default="the current directory",
        metavar="DIR",
        help="The site [or: MANDAT_SITE].",
    )
    return screen_option(option(wrapped))  # type: ignore[return-value]
