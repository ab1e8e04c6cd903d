"""Checks of a warrant that a schema can't state, and refusals that say what to do.

No refusal repeats a value of the document: it may be somebody's number.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from mandat.errors import WarrantError

if TYPE_CHECKING:
    from mandat.warrant.model import Criterion, Target

# Identifiers of TS 103 280 that the point can't select by. Named, so that nobody believes they were.
NOT_HONOURED = frozenset(
    {
        "imei", "supiImsi", "supiNai", "suci", "pei", "gpsi", "impu", "impi",
        "ipAddressPort", "tcpPort", "udpPort", "portRange", "internationalizedEmailAddress",
        "username", "asNumber", "cellId", "location", "msisdn",
    }
)  # fmt: skip

# TS 103 280 6.1: international, without the trunk prefix; E.164 allows at most 15 digits.
_E164 = re.compile(r"\+?[1-9][0-9]{6,14}")
_SIP = re.compile(r"sips?:[^\s<>\"@]+@[^\s<>\"@]+", re.IGNORECASE)
_TEL = re.compile(r"tel:\+[0-9().-]{7,32}", re.IGNORECASE)
# TS 23.003 2.2; RFC 7542 without control characters; TS 103 280 MACAddress and its usual spellings.
_IMSI = re.compile(r"[0-9]{6,15}")
_NAI = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,253}")
_MAC = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5}", re.IGNORECASE)
# As the core has it: nobody is given more (RIPE-690), and a wider one is a town.
_SHORTEST = {4: 24, 6: 40}
_FORM = {
    "e164Number": "Write +33612345678.",
    "sipUri": "Write sip:user@domain.",
    "telUri": "Write tel:+33612345678.",
    "emailAddress": "Write user@domain.",
    "imsi": "Write 6 to 15 digits.",
    "nai": "Write the user name as RADIUS has it: user or user@realm.",
    "macAddress": "Write 00:11:22:33:44:55.",
    "ipv4Address": "Write 192.0.2.1.",
    "ipv6Address": "Write 2001:db8::1.",
    "ipv4Cidr": "Write 192.0.2.0/28, with no bit set behind the prefix.",
    "ipv6Cidr": "Write 2001:db8:1::/56, with no bit set behind the prefix.",
}
# RFC 5321 4.1.2 and RFC 6531 3.3, as far as a typing error shows; the core reads it exactly.
_MAIL = re.compile(
    r'(?:"(?:[^"\\]|\\.)+"|[^\s<>()\[\],;:\\"@*]+)@(?:\[[0-9A-Za-z:.]+\]|[^\s<>()\[\],;:\\"@*]+)'
)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE)
_FIELD = re.compile(r"[a-z_]{1,32}")
_UNKNOWN = re.compile(r"unknown field `(.*)`", re.DOTALL)

_ADVICE = {
    "targets": "intercept: at least one; disclosure: exactly one; retention and screening: none.",
    "criteria": "screening: at least one; intercept: optional; retention and disclosure: none.",
    "recipients": "Name the agency's age recipient (age1…); only a retention warrant goes without.",
    "liid": "1 to 25 of A-Z a-z 0-9 . _ - and a letter or digit first.",
    "reference": "1 to 64 letters, digits, spaces and . _ / -: it stands in the log.",
    "start": "Write UTC with whole seconds: 2026-01-31T00:00:00Z.",
    "end": "Write UTC with whole seconds: 2026-01-31T00:00:00Z.",
    "product": "IRI or IRIandCC; retention and disclosure: IRI.",
    "kind": "intercept, retention, disclosure or screening.",
    "version": "This release reads version 1.",
    "services": 'Only "call" records are kept.',
    "ceiling": 'A screening needs one, as {"sessions": 1000}; no other kind has one.',
    "retention": 'A retention needs it, as {"days": 365}; no other kind has it.',
    "disclosure": "A disclosure needs it; no other kind has it.",
}


def before_decoding(value: Any) -> None:
    """Refuse by name what the standards know and the point can't honour."""
    if not isinstance(value, dict):
        raise WarrantError(
            "not_an_object", "a warrant is a JSON object", where="$", advice="See `mandat warrant new`."
        )
    found = value.get("targets")
    for number, target in enumerate(found if isinstance(found, list) else []):
        kind = target.get("type") if isinstance(target, dict) else None
        if isinstance(kind, str) and kind in NOT_HONOURED:
            raise WarrantError(
                "target_not_honoured",
                f"targets of type {kind} can't be honoured by this point",
                where=f"$.targets[{number}].type",
                advice="Name a number, sipUri, telUri, emailAddress, imsi, nai, macAddress or IP address.",
            )


def explain(error: msgspec.ValidationError, value: Any) -> WarrantError:
    """The decoder's message as a refusal: place, fault and advice, and no value of the document."""
    message, _, path = str(error).partition(" - at `")
    where = path.removesuffix("`") or "$"
    unknown = _UNKNOWN.search(message)
    if unknown:
        name = unknown[1] if _FIELD.fullmatch(unknown[1]) else ""
        return WarrantError(
            "field_unknown",
            f"there is no field {name}" if name else "a field isn't known",
            where=where,
            advice=_ADVICE.get(name, "Remove it, or correct its name: what isn't known can't be honoured."),
        )
    if message.startswith("Invalid"):  # "Invalid enum value '…'" and "Invalid value '…'" quote the document
        message = "the value isn't one of those allowed"
    name = re.sub(r"\[.*", "", where.rpartition(".")[2]) if where != "$" else _missing(message)
    return WarrantError("field_wrong", message, where=where, advice=_ADVICE.get(name, "Correct this field."))


def targets(found: Sequence["Target"]) -> None:
    """Each target must have its type's form, and none may stand there twice."""
    forms = {
        "e164Number": _E164,
        "sipUri": _SIP,
        "telUri": _TEL,
        "emailAddress": _MAIL,
        "imsi": _IMSI,
        "nai": _NAI,
        "macAddress": _MAC,
    }
    seen = set()
    for number, target in enumerate(found):
        where = f"$.targets[{number}].value"
        form = forms.get(target.type)
        if form is None:
            _address(target, where)
        elif not form.fullmatch(target.value):
            raise WarrantError(
                "target_wrong",
                f"this is no {target.type}",
                where=where,
                advice=_FORM[target.type],
            )
        if target in seen:
            raise WarrantError("target_twice", "the target is named twice", where=where, advice="Remove one.")
        seen.add(target)


def _address(target: "Target", where: str) -> None:
    """An address or prefix, exactly as one writes it, and not so wide that it holds a population."""
    version, kind = (4 if target.type.startswith("ipv4") else 6), target.type[4:]
    try:
        network = ipaddress.ip_network(target.value)
    except ValueError:
        network = None
    slash = "/" in target.value
    if network is None or network.version != version or slash != (kind == "Cidr") or "%" in target.value:
        raise WarrantError(
            "target_wrong", f"this is no {target.type}", where=where, advice=_FORM[target.type]
        )
    if network.prefixlen < _SHORTEST[version]:
        raise WarrantError(
            "target_wide",
            "a prefix so short holds a population",
            where=where,
            advice="Name at least a /24 of IPv4 or a /40 of IPv6.",
        )


def criteria(found: Sequence["Criterion"]) -> None:
    """A keyword must leave something after folding; a domain must be one, and not a top-level one."""
    seen = set()
    for number, criterion in enumerate(found):
        where = f"$.criteria[{number}].value"
        if criterion in seen:
            raise WarrantError(
                "criterion_twice", "the criterion stands there twice", where=where, advice="Remove one."
            )
        seen.add(criterion)
        if hasattr(criterion, "whole_word"):
            _keyword(criterion.value, where)
        else:
            _domain(criterion.value, where)


def _keyword(keyword: str, where: str) -> None:
    if not any(unicodedata.category(c)[0] in "LNPS" for c in unicodedata.normalize("NFKC", keyword)):
        raise WarrantError(
            "keyword_empty", "the keyword has no letter, digit or sign", where=where, advice="Write a word."
        )


def _domain(domain: str, where: str) -> None:
    name = domain.removesuffix(".")
    try:
        name = name.encode("idna").decode() if not name.isascii() else name
    except UnicodeError:
        name = ""
    labels = name.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise WarrantError(
            "domain_wrong",
            "this is no domain name",
            where=where,
            advice="Write example.com, without scheme or path.",
        )
    if len(labels) < 2 or labels[-1].isdigit():
        raise WarrantError(
            "domain_too_wide",
            "a top-level domain or an address isn't a domain to follow",
            where=where,
            advice="Name the domain itself: example.com.",
        )


def _missing(message: str) -> str:
    found = re.search(r"missing required field `([a-z_]+)`", message)
    return found[1] if found else ""
