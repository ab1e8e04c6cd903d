"""What the demo is about: its number, keyword, domain and warrants, and the list of what should be found."""

import json
from datetime import UTC, datetime
from typing import Any

from demo.calls import Call
from demo.wire import Address, Trace

START = datetime(2026, 6, 1, 9, 0, 0, tzinfo=UTC)

TARGET = "+33639980101"
KEYWORD = "tournesol"
DOMAIN = "watched.example"
WINDOW = {"start": "2026-06-01T00:00:00Z", "end": "2026-07-01T00:00:00Z"}

CALLS, KEYWORDS, DOMAINS, RETENTION = (
    "LI-DEMO-CALLS",
    "LI-DEMO-KEYWORD",
    "LI-DEMO-DOMAIN",
    "LI-DEMO-RETENTION",
)

WARRANTS: dict[str, dict[str, Any]] = {
    CALLS: {
        "kind": "intercept",
        "targets": [{"type": "e164Number", "value": TARGET}],
        "criteria": [],
        "product": "IRIandCC",
    },
    KEYWORDS: {
        "kind": "screening",
        "targets": [],
        "criteria": [{"type": "keyword", "value": KEYWORD, "whole_word": True}],
        "product": "IRI",
        "ceiling": {"sessions": 100},
    },
    DOMAINS: {
        "kind": "screening",
        "targets": [],
        "criteria": [{"type": "domain", "value": DOMAIN, "subdomains": True}],
        "product": "IRI",
        "ceiling": {"sessions": 100},
    },
    RETENTION: {
        "kind": "retention",
        "targets": [],
        "criteria": [],
        "product": "IRI",
        "retention": {"days": 365},
    },
}
"""What each demo warrant asks for; references, approvals and recipients are the demo site's own."""

NUMBERING = {"country_code": "33", "international_prefixes": ["00"], "national_prefix": "0"}
"""The dialling rules under which the spellings below are one number."""

SPELLINGS = {
    "global": "sip:+33639980101@ims.demo.example;user=phone",
    "national": "sip:0639980101@pbx.demo.example",
    "separators": "tel:+33-6-39-98-01-01",
    "prefixed": "sip:0033639980101@gw.demo.example",
    "escaped": "sip:%2B33639980101@ims.demo.example",
}


class Story:
    """The capture and, beside it, what should be found in it."""

    def __init__(self) -> None:
        self.trace = Trace(int(START.timestamp()))
        self.calls: list[dict[str, Any]] = []
        self.texts: list[dict[str, Any]] = []
        self.flows: list[dict[str, Any]] = []

    def call(
        self, call: Call, shows: str, end_reason: str, status: int, seconds: float, target: str = ""
    ) -> None:
        """Note a call; `target` is the spelling of the target's number in it, if it is there."""
        self.calls.append(
            {
                "call_id": call.call_id,
                "shows": shows,
                "from": call.caller,
                "to": call.callee,
                "target_spelling": target or None,
                "final_status": status,
                "end_reason": end_reason,
                "seconds_of_media": seconds,
                "warrants": [CALLS, RETENTION] if target else [RETENTION],
            }
        )

    def text(
        self, via: str, parties: tuple[str, str], text: str, shows: str, warrants: list[str], parts: int = 1
    ) -> None:
        """Note a text."""
        sender, recipient = parties
        self.texts.append(
            {
                "via": via,
                "from": sender,
                "to": recipient,
                "text": text,
                "parts": parts,
                "shows": shows,
                "warrants": warrants,
            }
        )

    def flow(self, via: str, name: str, client: Address, server: Address, shows: str, watched: bool) -> None:
        """Note a flow."""
        ends = {"client": list(client), "server": list(server)}
        self.flows.append(
            {"via": via, "name": name, **ends, "shows": shows, "warrants": [DOMAINS] if watched else []}
        )

    def truth(self) -> str:
        """Return the truth as JSON."""
        everything = {
            "capture": "demo.pcap",
            "start": START.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "packets": len(self.trace.frames),
            "target": TARGET,
            "keyword": KEYWORD,
            "domain": DOMAIN,
            "window": WINDOW,
            "numbering": NUMBERING,
            "spellings": SPELLINGS,
            "warrants": WARRANTS,
            "calls": self.calls,
            "texts": self.texts,
            "flows": self.flows,
        }
        return json.dumps(everything, indent=1, ensure_ascii=False) + "\n"
