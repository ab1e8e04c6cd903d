"""The core with its refusals as this project's own errors. Everything above speaks to the core through here."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mandat import errors

if TYPE_CHECKING:
    from types import ModuleType

KINDS: dict[str, type[errors.MandatError]] = {
    "source": errors.SourceError,
    "refusal": errors.Refusal,
    "config": errors.SiteError,
    "store": errors.StoreError,
    "usage": errors.UsageError,
}
"""Which class each kind of `CoreError` becomes."""


def load() -> "ModuleType":
    """The compiled core; a clear error where it isn't built."""
    try:
        from mandat import _core
    except ImportError:
        raise errors.SiteError(
            "core_missing",
            "the compiled core is missing or was built for another Python",
            advice="run ./dev setup, or install a wheel that fits this machine",
        ) from None
    return _core


@contextmanager
def translated() -> Iterator["ModuleType"]:
    """Gives the core; a `CoreError` raised within becomes the `MandatError` of its kind."""
    core = load()
    try:
        yield core
    except core.CoreError as fault:
        raise translate(fault) from None


def translate(fault: Exception) -> errors.MandatError:
    """`CoreError.args` as one of this project's errors; an unknown kind stays a plain `MandatError`."""
    kind, code, message, where, advice = (*map(str, fault.args), *("",) * 5)[:5]
    return KINDS.get(kind, errors.MandatError)(code, message, where=where, advice=advice)
