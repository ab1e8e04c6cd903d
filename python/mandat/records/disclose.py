"""Disclosure: the call records of one identity in one period, opened under their own warrant (TS 102 657).

The sealed records are searched by a keyed token of the identity, so a search touches no other person's record; what
is found is opened, checked against the warrant once more, and logged before anybody sees it.
"""

import hashlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from mandat.core import translated
from mandat.errors import Refusal, StoreError, WarrantError
from mandat.store import EmbeddedStore, SealedRow
from mandat.warrant import instant
from mandat.warrant.model import DisclosureWarrant

if TYPE_CHECKING:
    from mandat.site import Site

MAX_RECORDS = 1_000_000
"""Records of one person that one disclosure opens: 30 years of 90 calls a day. More means that something is wrong."""


class Body(msgspec.Struct, array_like=True, frozen=True):
    """What a seal holds: who called whom, as the network wrote it. Its form is at the head of body.rs."""

    caller: str
    callee: str
    call_id: str
    src: bytes
    dst: bytes
    parties: list[int | str]
    """Role, text, role, text, …; a number for a text names an earlier party that has the same one."""


@dataclass(slots=True)
class Disclosed:
    """One opened call record."""

    start: datetime
    ringing: datetime | None
    answer: datetime | None
    end: datetime | None
    end_reason: str
    status: int | None
    caller: str
    callee: str
    parties: list[tuple[str, str]]
    call_id: str
    src: str
    dst: str


@dataclass(slots=True)
class Disclosure:
    """The answer to one disclosure warrant."""

    liid: str
    retention_liid: str
    records: list[Disclosed]
    digest: str
    """SHA-256 of the records as JSON lines, as it stands in the log."""
    damaged: list[str] = field(default_factory=list)
    """Segments that could not be read: records in them are missing from the answer."""
    missing_keys: list[str] = field(default_factory=list)
    """Periods whose key is gone: their records are erased for good."""

    def lines(self) -> bytes:
        """The records as JSON lines, oldest first."""
        return _lines(self.records)


def disclose(site: "Site", liid: str, now_ns: int) -> Disclosure:
    """Opens exactly the records that the warrant `liid` names. Everything else is refused."""
    # (1) The warrant is a disclosure, approved, in force and in the log: the core checks that, not this file.
    terms = site.authority(liid, now_ns).terms
    if not isinstance(terms, DisclosureWarrant):
        raise Refusal("not_a_disclosure", "this warrant permits no disclosure", where=liid)
    with translated() as core:
        admission = site.admission(liid, now_ns)
        config = site.point_config(admission.head)
        core.check_admission(config, admission.bundle, now_ns)
        site.pin_head(admission.checkpoint)
        # (2) The identity, in the one form in which records are sealed.
        identity = core.normalise(config, terms.targets[0].value)
    if identity is None:
        raise WarrantError(
            "target_form", "the target of this warrant is neither a number nor a URI", where=liid
        )
    scope = terms.disclosure
    # (3) Logged before anything is opened: a search that is cut short, or killed, has left its entry.
    site.record("search", liid=liid, what="disclose.call")
    start, end = instant(scope.period.start), instant(scope.period.end)
    store = EmbeddedStore(site.root / "records")
    found = Disclosure(liid, scope.retention_liid, [], "")
    # (4) Month by month: each has its key, and where the key is gone the records are gone.
    for period in _months(start, end):
        if period not in site.keys.periods(scope.retention_liid):
            if store.segments(scope.retention_liid, period):
                found.missing_keys.append(period)
            continue
        key = site.keys.period_key(scope.retention_liid, period, make=False)
        with translated() as core:
            token = core.identity_token(key, identity)
        for row in store.find(scope.retention_liid, period, token, start, end):
            if len(found.records) == MAX_RECORDS:
                raise StoreError("too_many_records", f"more than {MAX_RECORDS:,} records of one identity")
            try:
                found.records.append(_open(key, row, identity))
            except StoreError as fault:
                found.damaged.append(fault.diagnostics())
        found.damaged += store.damaged()
    found.records.sort(key=lambda record: record.start)
    # (5) Logged before it is shown: how many, and the digest of what.
    found.digest = hashlib.sha256(found.lines()).hexdigest()
    site.record(
        "access", liid=liid, count=len(found.records), what="disclose.call", records_root=found.digest
    )
    return found


def _open(key: bytes, row: SealedRow, identity: str) -> Disclosed:
    with translated() as core:
        sealed = core.unseal(
            key, bytes.fromhex(row.segment), row.index, row.caller_token, row.callee_token, row.sealed
        )
    if sealed is None:
        raise StoreError(
            "seal_broken",
            f"record {row.index} of segment {row.segment} isn't what was sealed",
            advice="it was altered or moved; put the segment back from a backup",
        )
    try:
        who = msgspec.msgpack.decode(sealed, type=Body)
        parties = _parties(who.parties, core.roles())
        src, dst = _address(who.src), _address(who.dst)
    except (msgspec.MsgspecError, ValueError, IndexError):
        raise StoreError("seal_form", f"record {row.index} of segment {row.segment} can't be read") from None
    if identity not in {who.caller, who.callee}:
        # Cannot happen while tokens are bound to the seal; a store that answers too much must still disclose nothing.
        raise StoreError(
            "not_of_identity", f"record {row.index} of segment {row.segment} is another person's"
        )
    return Disclosed(
        row.start, row.ringing, row.answer, row.end, row.end_reason, row.status,
        who.caller, who.callee, parties, who.call_id, src, dst,
    )  # fmt: skip


def _parties(told: list[int | str], roles: list[str]) -> list[tuple[str, str]]:
    """The parties of a body, each with its role by name and its text in full."""
    parties: list[tuple[str, str]] = []
    for role, text in zip(told[::2], told[1::2], strict=True):
        parties.append((roles[int(role)], parties[text][1] if isinstance(text, int) else text))
    return parties


def _address(octets: bytes) -> str:
    """An IP address as people write it."""
    return socket.inet_ntop(socket.AF_INET if len(octets) == 4 else socket.AF_INET6, octets)


def _lines(records: list[Disclosed]) -> bytes:
    encoder: Any = msgspec.json.Encoder()
    return b"".join(encoder.encode(record) + b"\n" for record in records)


def _months(start: datetime, end: datetime) -> Iterator[str]:
    """The UTC months that [start, end) touches."""
    year, month = start.year, start.month
    while datetime(year, month, 1, tzinfo=UTC) < end:
        yield f"{year:04d}-{month:02d}"
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
