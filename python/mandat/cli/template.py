"""Warrant documents to be completed, and reading completed ones."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mandat.errors import UsageError, WarrantError

MAX_DOCUMENT = 1 << 18
"""A warrant names at most 256 targets and 1,024 criteria; a quarter of a megabyte holds all of them."""

FILL_IN = "<fill in: "


def template(
    *,
    kind: str,
    liid: str,
    reference: str | None,
    targets: tuple[str, ...],
    keywords: tuple[str, ...],
    domains: tuple[str, ...],
    content: bool,
    start: str | None,
    days: int,
    recipients: tuple[str, ...],
    ceiling: int,
    keep_days: int,
    retention_liid: str,
    period_start: str | None,
    period_end: str | None,
) -> str:
    """The document as indented JSON."""
    now = datetime.now(UTC).replace(microsecond=0)
    begin = start or _text(now)
    document: dict[str, Any] = {
        "version": 1,
        "reference": reference or liid,
        "liid": liid,
        "kind": kind,
        "legal_basis": FILL_IN + "the law and its article>",
        "issuing_authority": FILL_IN + "who issued this>",
        "requester": FILL_IN + "the officer who asked for it>",
        "targets": [],
        "criteria": [
            *({"type": "keyword", "value": value, "whole_word": True} for value in keywords),
            *({"type": "domain", "value": value, "subdomains": True} for value in domains),
        ],
        "product": "IRIandCC" if content else "IRI",
        "window": {"start": begin, "end": _later(begin, days)},
        "recipients": list(recipients),
    }
    if kind in {"intercept", "disclosure"}:
        document["targets"] = [_target(value) for value in targets or (FILL_IN + "a number or URI>",)]
    if kind != "retention" and not recipients:
        document["recipients"] = [FILL_IN + "the agency's age1… key>"]
    if kind == "screening":
        document["criteria"] = document["criteria"] or [
            {"type": "keyword", "value": FILL_IN + "a keyword>", "whole_word": True}
        ]
        document["ceiling"] = {"sessions": ceiling}
    elif kind == "retention":
        document["retention"] = {"days": keep_days}
    elif kind == "disclosure":
        document["disclosure"] = {
            "retention_liid": retention_liid,
            "period": {
                "start": period_start or _text(now - timedelta(days=30)),
                "end": period_end or _text(now),
            },
            "services": ["call"],
        }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def from_files(values: tuple[str, ...], option: str) -> tuple[str, ...]:
    """The values of an option, with those of each `@FILE` in its place; a message never repeats one."""
    found: list[str] = []
    for value in values:
        if not value.startswith("@") or value.startswith("@@"):
            found.append(value.removeprefix("@") if value.startswith("@@") else value)
            continue
        try:
            with open(0 if value == "@-" else value[1:], "rb", closefd=value != "@-") as file:
                text = file.read(MAX_DOCUMENT + 1).decode()
        except (OSError, UnicodeDecodeError) as fault:
            why = fault.strerror if isinstance(fault, OSError) else "it isn't UTF-8"
            raise UsageError("values_unreadable", f"the file can't be read: {why}", where=option) from None
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines or len(text) > MAX_DOCUMENT:
            raise UsageError(
                "values_none", "the file has nothing in it, or far too much", where=option,
                advice="write one value a line",
            )  # fmt: skip
        found += lines
    return tuple(found)


def read_document(path: Path) -> bytes:
    """The octets of a warrant document; one with places left to fill in is refused."""
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_DOCUMENT + 1)
    except OSError as fault:
        raise WarrantError(
            "document_unreadable", fault.strerror or "can't be read", where=str(path)
        ) from None
    if len(octets) > MAX_DOCUMENT:
        raise WarrantError("document_size", f"a warrant has at most {MAX_DOCUMENT:,} octets", where=str(path))
    if FILL_IN.encode() in octets:
        raise WarrantError(
            "document_incomplete",
            f"there are places left that say {FILL_IN}…>",
            where=str(path),
            advice="complete them; docs/warrants.md explains each field",
        )
    return octets


def _target(value: str) -> dict[str, str]:
    scheme = value.partition(":")[0].lower()
    other = "emailAddress" if "@" in value else "e164Number"
    kind = {"sip": "sipUri", "sips": "sipUri", "tel": "telUri"}.get(scheme, other)
    return {"type": kind, "value": value}


def _later(start: str, days: int) -> str:
    try:
        return _text(
            datetime.strptime(start, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) + timedelta(days=days)
        )
    except ValueError:
        raise WarrantError(
            "time_form", "a time is written as 2026-06-01T09:00:00Z", where="--start"
        ) from None


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
