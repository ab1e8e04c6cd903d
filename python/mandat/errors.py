"""Errors that a person reads: what was wrong, where, and what to do. Each class has one exit code."""


class MandatError(Exception):
    """Base of all refusals and failures that Mandat raises on purpose.

    `code` is a stable snake_case identifier for programs; `advice` says what to do about it. No message ever
    holds an identity, a text or an address of a subscriber.
    """

    exit_code = 1

    def __init__(self, code: str, message: str, *, where: str = "", advice: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.where = where
        self.advice = advice

    def diagnostics(self) -> str:
        """The text for a person: place, fault, advice."""
        place = f"{self.where}: " if self.where else ""
        advice = f"\n  what to do: {self.advice}" if self.advice else ""
        return f"{place}{self.message}{advice}"


class UsageError(MandatError):
    """A command was called wrongly."""

    exit_code = 2


class SourceError(MandatError):
    """A capture or interface can't be read, in whole or in part."""

    exit_code = 3


class Refusal(MandatError):  # noqa: N818 - the trade's word; a refusal is no error
    """There is no authority for what was asked: unsigned, expired, altered, absent from the log, …"""

    exit_code = 4


class WarrantError(MandatError):
    """A warrant document is wrong, or can't be honoured exactly as written."""

    exit_code = 5


class LogError(MandatError):
    """The log is damaged, forked, or doesn't verify."""

    exit_code = 6


class SiteError(MandatError):
    """The site directory is missing, unwritable, damaged or of another version."""

    exit_code = 7


class StoreError(MandatError):
    """Product or records can't be written or read: full disk, damaged segment, missing key."""

    exit_code = 8
