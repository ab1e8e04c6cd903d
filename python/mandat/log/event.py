"""Events: which facts each kind states. The sets are closed, so no number, keyword or domain can slip in."""

import re
from collections.abc import Mapping
from enum import IntEnum, StrEnum

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
    LEASE = "lease"
    ROTATE = "rotate"
    ERASE = "erase"
    BREAK_GLASS = "break-glass"
    RECON = "recon"
    ERROR = "error"
    DELIVER_SUMMARY = "deliver-summary"
    SCHEDULE = "schedule"


class Urgency(IntEnum):
    """Which event gets a slot first where slots are few."""

    START = 0
    """Somebody waits for it, and nothing happens before it stands in the log."""
    STOP = 1
    """It has been done already; the log is told as soon as there is room."""
    LATER = 2
    """It is kept in a durable queue, and nobody waits."""


_STOPS = frozenset({Kind.SUSPEND, Kind.DEACTIVATE})
# Counts of what the log has permitted already. Reads of product aren't among them: to destroy the queue would hide one.
_LATER = frozenset({Kind.MATCH_SUMMARY, Kind.DELIVER_SUMMARY, Kind.RECON, Kind.ERROR})


def urgency(kind: str) -> Urgency:
    """How urgent events of a kind are: all that isn't named otherwise is waited for."""
    return Urgency.STOP if kind in _STOPS else Urgency.LATER if kind in _LATER else Urgency.START


_AUTHORITY = ("authority_id", "authority_hash")
_WINDOW = ("valid_from", "valid_to")
_FIELDS: Mapping[Kind, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # kind: (facts that it must state, facts that it may state), beside kind, liid and actor
    Kind.AUTHORISE: ((*_AUTHORITY, *_WINDOW), ("requester", "selector_prf", "warrant")),
    Kind.APPROVE: ((*_AUTHORITY, "approver"), ()),
    Kind.ACTIVATE: ((*_AUTHORITY, *_WINDOW), ("selector_prf",)),
    Kind.MATCH_SUMMARY: (("count",), ("first_seq", "last_seq", "records_root", "run", "dropped")),
    Kind.ACCESS: (("count",), ("what", "purpose", "records_root", "authority_id", "cin")),
    Kind.SEARCH: ((), ("count", "what", "purpose", "records_root", "authority_id")),
    Kind.EXPORT: (("count",), ("what", "purpose", "records_root", "authority_id", "cin")),
    Kind.SUSPEND: (("purpose",), ("count",)),
    Kind.DEACTIVATE: (("purpose",), ()),
    Kind.LEASE: ((*_AUTHORITY, *_WINDOW), ("count",)),
    Kind.ROTATE: (("what",), ("purpose", "count")),
    Kind.ERASE: (("what", "count"), ("purpose", "records_root", "first_seq", "last_seq")),
    Kind.BREAK_GLASS: ((*_AUTHORITY, *_WINDOW, "approver"), ("purpose", "requester")),
    Kind.RECON: (("outcome", "count"), ("run",)),
    Kind.ERROR: (("purpose",), ("what", "count")),
    Kind.DELIVER_SUMMARY: (("count",), ("first_seq", "last_seq", "records_root", "run", "dropped")),
    Kind.SCHEDULE: (("mode", "leaves", "tick", "valid_from"), ()),
}
# What the writer adds to any event, when it gets its place.
#   prev       SHA-256 of the commitment of the case's event before, hex; absent in the first
#   witnessed  SHA-256 of the latest cosigned checkpoint, hex: the event is not older than that; absent without witness
CHAIN = ("prev", "witnessed")
_NUMBERS = frozenset({"count", "first_seq", "last_seq", "cin", "dropped", "leaves", "tick"})
_SHAPES: Mapping[str, re.Pattern[str]] = {
    # `_site` is the case of what belongs to no warrant: no LIID begins with an underscore.
    "liid": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,24}|_site"),
    "selector_prf": re.compile(r"[0-9a-f]{64}"),
    "outcome": re.compile(r"match|mismatch"),
    "mode": re.compile(r"on_act|fixed"),
    "warrant": re.compile(r"intercept|retention|disclosure|screening"),
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
