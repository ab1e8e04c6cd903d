"""Events: which facts each kind states. The sets are closed, so no number, keyword or domain can slip in."""

import re
from collections.abc import Mapping
from enum import StrEnum

from .entry import Value
from .fault import Fault, LogFault

# Reason codes, references and names are short; a longer value is somebody's text.
MAX_VALUE = 128


class Kind(StrEnum):
    """What an entry is about."""

    AUTHORISE = "authorise"
    APPROVE = "approve"
    ACTIVATE = "activate"
    MATCH_SUMMARY = "match-summary"
    ACCESS = "access"
    SEARCH = "search"
    EXPORT = "export"
    SUSPEND = "suspend"
    DEACTIVATE = "deactivate"


_AUTHORITY = ("authority_id", "authority_hash")
_WINDOW = ("valid_from", "valid_to")
_FIELDS: Mapping[Kind, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # kind: (facts that it must state, facts that it may state), beside kind, liid and actor
    Kind.AUTHORISE: ((*_AUTHORITY, *_WINDOW), ()),
    Kind.APPROVE: ((*_AUTHORITY, "approver"), ()),
    Kind.ACTIVATE: ((*_AUTHORITY, *_WINDOW), ()),
    Kind.MATCH_SUMMARY: (("count",), ("first_seq", "last_seq", "records_root", "run", "dropped")),
    Kind.ACCESS: (("count",), ("what", "purpose", "records_root", "authority_id", "cin")),
    Kind.SEARCH: ((), ("count", "what", "purpose", "records_root", "authority_id")),
    Kind.EXPORT: (("count",), ("what", "purpose", "records_root", "authority_id", "cin")),
    Kind.SUSPEND: (("purpose",), ("count",)),
    Kind.DEACTIVATE: (("purpose",), ()),
}
_NUMBERS = frozenset({"count", "first_seq", "last_seq", "cin", "dropped"})
_SHAPES: Mapping[str, re.Pattern[str]] = {
    "liid": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,24}"),
    "authority_hash": re.compile(r"[0-9a-f]{64}"),
    "records_root": re.compile(r"[0-9a-f]{64}"),
    "purpose": re.compile(r"[a-z][a-z0-9_]{0,31}"),
    "what": re.compile(r"[a-z][a-z_.]{0,31}"),
    "run": re.compile(r"[A-Za-z0-9_-]{1,64}"),
    "valid_from": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    "valid_to": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
}


def facts(kind: Kind, liid: str, actor: str, fields: Mapping[str, Value]) -> dict[str, Value]:
    """The facts of an event in the order they are disclosed, or a fault that names the field at fault."""
    required, optional = _FIELDS[kind]
    stated: dict[str, Value] = {"kind": kind.value, "liid": liid, **fields, "actor": actor}
    for name in required:
        if name not in fields:
            raise _bad(kind, name, "is missing")
    for name, value in stated.items():
        if name not in {"kind", "liid", "actor", *required, *optional}:
            raise _bad(kind, name, "isn't a fact of this kind of event")
        if name in _NUMBERS:
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
                raise _bad(kind, name, "is a count: a natural number")
        elif not isinstance(value, str) or not 0 < len(value) <= MAX_VALUE or not value.isprintable():
            raise _bad(kind, name, f"is a printable text of at most {MAX_VALUE} characters")
        elif name in _SHAPES and not _SHAPES[name].fullmatch(value):
            raise _bad(kind, name, "doesn't have its form")
    return stated


def _bad(kind: Kind, name: str, why: str) -> LogFault:
    return LogFault(Fault.BAD_EVENT, f"{name} {why}", where=f"{kind.value} event")
