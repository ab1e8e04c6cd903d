"""The one exception of this package. It names no subscriber: a log holds none to name."""

from enum import StrEnum


class Fault(StrEnum):
    """Stable identifiers of what can be wrong with a log."""

    MISSING = "log_missing"
    MALFORMED = "log_malformed"
    UNSIGNED = "log_unsigned"
    DAMAGED = "log_damaged"
    FORKED = "log_forked"
    LOCKED = "log_locked"
    UNWRITABLE = "log_unwritable"
    BAD_EVENT = "log_bad_event"
    CLOCK = "log_clock"


class LogFault(Exception):  # noqa: N818 - `mandat.errors.LogError` is the one that a person sees
    """A log, a proof or a signed note doesn't hold."""

    def __init__(self, code: Fault, message: str, *, where: str = "", advice: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.where = where
        self.advice = advice
