from collections.abc import Callable
from typing import Any

import pytest

AGENCY = "age1zfweg3hsp35nfudwcrnyftpncxqrv6nlcgmvxq9xew7l6zf8ldwsv692m4"
COMMON = {
    "version": 1,
    "reference": "FR-2026-0001",
    "liid": "LI-0001",
    "legal_basis": "Code of examples, section 1",
    "issuing_authority": "Court of examples",
    "requester": "Officer 1",
    "targets": [],
    "criteria": [],
    "product": "IRI",
    "window": {"start": "2026-01-01T00:00:00Z", "end": "2026-12-31T00:00:00Z"},
    "recipients": [AGENCY],
}
NUMBER = {"type": "e164Number", "value": "+33639980001"}
KEYWORD = {"type": "keyword", "value": "saffron", "whole_word": True}
DOMAIN = {"type": "domain", "value": "watched.example", "subdomains": True}
KINDS: dict[str, dict[str, Any]] = {
    "intercept": {"targets": [NUMBER], "product": "IRIandCC"},
    "retention": {"recipients": [], "retention": {"days": 365}},
    "disclosure": {
        "targets": [NUMBER],
        "disclosure": {
            "retention_liid": "LI-0002",
            "period": {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"},
            "services": ["call"],
        },
    },
    "screening": {"criteria": [KEYWORD], "ceiling": {"sessions": 1000}},
}


def document(kind: str = "intercept", /, **changes: Any) -> dict[str, Any]:
    """A valid warrant of a kind, with changes; a change to `...` removes the field."""
    merged = COMMON | {"kind": kind} | KINDS.get(kind, {}) | changes
    return {name: value for name, value in merged.items() if value is not ...}


@pytest.fixture(name="document", scope="session")
def document_fixture() -> Callable[..., dict[str, Any]]:
    return document
