"""The demo's site: its warrants, and three ways of asking the core for what nobody authorised."""

import json
import secrets
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mandat.errors import MandatError, Refusal, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mandat.site import Site

NOW_NS = int(datetime(2026, 6, 1, 11, tzinfo=UTC).timestamp()) * 1_000_000_000
"""When the demo plays: two hours after its capture, so that its warrants are in force in every year."""

LATER_NS = NOW_NS + 90 * 86_400 * 1_000_000_000
"""When the window of its warrants is over."""

DISCLOSURE = "LI-DEMO-DISCLOSE"
APPROVERS = ("approver-1.key", "approver-2.key")


def find_capture(given: Path | None) -> Path:
    """The bundled capture: beside the repository's python directory, or below the current one."""
    here = Path(__file__).resolve().parents[3]
    places = [given] if given else [here / "captures/demo.pcap", Path("captures/demo.pcap")]
    for place in places:
        if place.is_file() and place.with_suffix(".truth.json").is_file():
            return place
    raise UsageError(
        "no_demo_capture",
        "the demo's capture and its truth are not here",
        where=str(places[0]),
        advice="run it in the source tree, or name the capture with --capture",
    )


def warrant_documents(truth: dict[str, Any], recipient: str) -> dict[str, bytes]:
    """The four warrants that the capture's truth asks for, and one disclosure, completed for this site."""
    asked = dict(truth["warrants"])
    asked[DISCLOSURE] = {
        "kind": "disclosure",
        "targets": [{"type": "e164Number", "value": truth["target"]}],
        "criteria": [],
        "product": "IRI",
        "disclosure": {
            "retention_liid": retention_liid(truth),
            "period": truth["window"],
            "services": ["call"],
        },
    }
    common = {
        "version": 1,
        "legal_basis": "none: this is a demonstration",
        "issuing_authority": "the demo's own court",
        "requester": "the demo's own officer",
        "window": truth["window"],
    }
    documents = {}
    for liid, terms in asked.items():
        recipients = [] if terms["kind"] == "retention" else [recipient]
        document = {**common, **terms, "liid": liid, "reference": f"DEMO/{liid}", "recipients": recipients}
        documents[liid] = json.dumps(document).encode()
    return documents


def retention_liid(truth: dict[str, Any]) -> str:
    """The label of the retention warrant."""
    return next(str(liid) for liid, terms in truth["warrants"].items() if terms["kind"] == "retention")


def intercept_liid(truth: dict[str, Any]) -> str:
    """The label of the warrant that names a number."""
    return next(str(liid) for liid, terms in truth["warrants"].items() if terms["kind"] == "intercept")


def refusals(site: "Site", documents: dict[str, bytes], liid: str) -> "Iterator[tuple[str, MandatError]]":
    """What the core answers to a warrant without signatures, out of its time, and absent from the log.

    Each is handed to the core directly, as a desk that somebody has taken over would do it.
    """
    good = json.loads(site.admission(liid, NOW_NS).bundle)
    yield "a warrant that nobody signed", _answer(site, {**good, "approvals": []}, NOW_NS)
    yield "a warrant whose window is over", _answer(site, good, LATER_NS)
    yield (
        "a warrant signed by all, not in the log",
        _answer(site, _forged(site, documents[liid], good), NOW_NS),
    )


def _answer(site: "Site", bundle: dict[str, Any], now_ns: int) -> MandatError:
    from mandat.core import translated

    try:
        with translated() as core:
            core.check_admission(site.point_config(), json.dumps(bundle).encode(), now_ns)
    except Refusal as refusal:
        return refusal
    return MandatError("admitted", "ADMITTED: this must never happen")


def _forged(site: "Site", document: bytes, good: dict[str, Any]) -> dict[str, Any]:
    """A warrant with all signatures and an entry that fits it, and the log's proof of another entry."""
    from mandat.log.entry import seal
    from mandat.site.keys import read_signer
    from mandat.warrant import parse_warrant, sign

    warrant = parse_warrant(json.dumps({**json.loads(document), "liid": "LI-NOT-IN-LOG"}).encode())
    names = [approver.name for approver in site.keys.approvers()]
    signers = [read_signer(site.root / "lab" / name) for name in APPROVERS]
    approvals = [sign(warrant, signer, name) for signer, name in zip(signers, names, strict=True)]
    facts = {
        "kind": "activate",
        "liid": warrant.liid,
        "authority_id": warrant.terms.reference,
        "authority_hash": warrant.digest,
        "valid_from": warrant.terms.window.start,
        "valid_to": warrant.terms.window.end,
        "actor": site.actor,
    }
    entry, opening = seal(good["index"], 0, 0, secrets.token_bytes(32), facts)
    return {
        **good,
        "warrant": warrant.canonical.decode(),
        "approvals": [{"approver": a.approver, "signature": a.signature} for a in approvals],
        "entry": b64encode(entry.encode()).decode(),
        "opening": b64encode(opening.randomness).decode(),
        "disclosures": list(opening.disclosures),
    }
