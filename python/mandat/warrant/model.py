"""The warrant: who permits what, against whom, from when to when. What can't be honoured exactly is refused.

One class for each kind, so that a warrant that mixes kinds can't even be written down. `warrant.schema.json`
beside this file is made from these classes.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec
import rfc8785
from msgspec import Meta

from mandat.config import Product
from mandat.errors import WarrantError
from mandat.warrant import check
from mandat.warrant.document import MAX_INTEGER, read_json


class WarrantKind(StrEnum):
    """What a warrant is for."""

    INTERCEPT = "intercept"
    RETENTION = "retention"
    DISCLOSURE = "disclosure"
    SCREENING = "screening"


# TS 102 232-1: a LIID has at most 25 octets. It also names a directory, so it can't start with a dot.
Liid = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,24}$")]
# Goes into the log, so it has no room for a sentence.
Reference = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,63}$")]
Text = Annotated[str, Meta(min_length=1, max_length=512)]
Person = Annotated[str, Meta(min_length=1, max_length=128)]
Instant = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]
# The point's own limit: a keyword that it would refuse isn't taken in.
Keyword = Annotated[str, Meta(min_length=1, max_length=200)]
# RFC 1035 2.3.4: 255 octets on the wire are 253 characters.
Domain = Annotated[str, Meta(min_length=1, max_length=253)]
# An age X25519 recipient: Bech32 of 32 octets.
Recipient = Annotated[str, Meta(pattern="^age1[02-9ac-hj-np-z]{58}$")]

# Lists of a person's identities, not of a population.
MAX_TARGETS = 256
MAX_CRITERIA = 1024
MAX_RECIPIENTS = 16


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A target identifier (TS 103 280). Never printed."""

    type: Literal[
        "e164Number",
        "sipUri",
        "telUri",
        "emailAddress",
        "imsi",
        "nai",
        "macAddress",
        "ipv4Address",
        "ipv4Cidr",
        "ipv6Address",
        "ipv6Cidr",
    ]
    value: Annotated[str, Meta(min_length=1, max_length=512)]

    def __repr__(self) -> str:
        return f"Target({self.type}, redacted)"


class KeywordCriterion(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="keyword"
):
    """A keyword in texts. Never printed."""

    value: Keyword
    whole_word: bool

    def __repr__(self) -> str:
        return "KeywordCriterion(redacted)"


class DomainCriterion(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="domain"
):
    """A domain of sessions and mail. Never printed."""

    value: Domain
    subdomains: bool

    def __repr__(self) -> str:
        return "DomainCriterion(redacted)"


Criterion = KeywordCriterion | DomainCriterion


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From when (included) to when (excluded)."""

    start: Instant
    end: Instant

    def holds(self, moment: datetime) -> bool:
        """Whether the moment lies within."""
        return instant(self.start) <= moment < instant(self.end)


class Ceiling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many sessions a screening may select before it is suspended."""

    sessions: Annotated[int, Meta(ge=1, le=MAX_INTEGER)]


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long call records are kept."""

    days: Annotated[int, Meta(ge=1, le=3660)]


class DisclosureScope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which sealed records may be opened."""

    retention_liid: Liid
    period: Window
    services: Annotated[tuple[Literal["call"], ...], Meta(min_length=1, max_length=1)]


Recipients = Annotated[tuple[Recipient, ...], Meta(min_length=1, max_length=MAX_RECIPIENTS)]
NoTargets = Annotated[tuple[Target, ...], Meta(max_length=0)]
NoCriteria = Annotated[tuple[Criterion, ...], Meta(max_length=0)]


class Common(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", kw_only=True):
    """What each kind states."""

    version: Literal[1]
    reference: Reference
    liid: Liid
    legal_basis: Text
    issuing_authority: Text
    requester: Person
    window: Window


class InterceptWarrant(Common, frozen=True, tag="intercept", kw_only=True):
    """Named targets. A keyword narrows what is taken of them to texts that hold it."""

    targets: Annotated[tuple[Target, ...], Meta(min_length=1, max_length=MAX_TARGETS)]
    criteria: Annotated[tuple[Criterion, ...], Meta(max_length=MAX_CRITERIA)]
    product: Product
    recipients: Recipients
    # Digits after the answer may be a PIN or a card: they need words of their own in a warrant.
    post_dial_digits: bool = False


class RetentionWarrant(Common, frozen=True, tag="retention", kw_only=True):
    """Call records of a whole network, sealed."""

    targets: NoTargets
    criteria: NoCriteria
    product: Literal["IRI"]
    recipients: Annotated[tuple[Recipient, ...], Meta(max_length=MAX_RECIPIENTS)]
    retention: Retention


class DisclosureWarrant(Common, frozen=True, tag="disclosure", kw_only=True):
    """Opens the sealed records of one identity and period."""

    targets: Annotated[tuple[Target, ...], Meta(min_length=1, max_length=1)]
    criteria: NoCriteria
    product: Literal["IRI"]
    recipients: Recipients
    disclosure: DisclosureScope


class ScreeningWarrant(Common, frozen=True, tag="screening", kw_only=True):
    """Keywords or domains with no named target, under a ceiling."""

    targets: NoTargets
    criteria: Annotated[tuple[Criterion, ...], Meta(min_length=1, max_length=MAX_CRITERIA)]
    product: Product
    recipients: Recipients
    ceiling: Ceiling


AnyWarrant = InterceptWarrant | RetentionWarrant | DisclosureWarrant | ScreeningWarrant


@dataclass(frozen=True, slots=True)
class Warrant:
    """A warrant and its canonical octets, over which approvals are signed."""

    terms: AnyWarrant
    canonical: bytes

    @property
    def liid(self) -> str:
        """The label on everything done under it."""
        return self.terms.liid

    @property
    def kind(self) -> WarrantKind:
        """What it is for."""
        return WarrantKind(str(self.terms.__struct_config__.tag))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical octets, in hexadecimal: `authority_hash` in the log."""
        return sha256(self.canonical).hexdigest()

    def __repr__(self) -> str:
        return f"Warrant({self.liid}, {self.kind})"


def parse_warrant(document: bytes) -> Warrant:
    """Read a warrant. Refused unless it can be honoured exactly as written."""
    value = read_json(document)
    check.before_decoding(value)
    try:
        terms = msgspec.convert(value, type=AnyWarrant, strict=True)
    except msgspec.ValidationError as error:
        raise check.explain(error, value) from None
    check.targets(terms.targets)
    check.criteria(terms.criteria)
    _check_terms(terms)
    return Warrant(terms, canonicalise(value))


def canonicalise(value: Any) -> bytes:
    """The one way to write a JSON value down (RFC 8785)."""
    return rfc8785.dumps(value)


def instant(text: str) -> datetime:
    """A moment of a warrant. Its form has been checked, its calendar hasn't."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def schema() -> dict[str, Any]:
    """The JSON Schema of a warrant (2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mandat warrant, version 1",
        **msgspec.json.schema(AnyWarrant),
    }


def _check_terms(terms: AnyWarrant) -> None:
    _check_window(terms.window, "$.window")
    match terms:
        case InterceptWarrant():
            for number, criterion in enumerate(terms.criteria):
                if isinstance(criterion, DomainCriterion):
                    raise WarrantError(
                        "criterion_not_honoured",
                        "a domain can't narrow a number or URI: internet sessions don't carry one yet",
                        where=f"$.criteria[{number}]",
                        advice="Leave the domain out, or ask for a screening warrant.",
                    )
            if terms.post_dial_digits and terms.product is not Product.IRI_AND_CC:
                raise WarrantError(
                    "digits_not_honoured",
                    "digits dialled within a call are content, and the warrant is for facts alone",
                    where="$.post_dial_digits",
                    advice="Leave it out, or have the warrant issued for IRIandCC.",
                )
            if terms.criteria and any(target.type == "emailAddress" for target in terms.targets):
                raise WarrantError(
                    "criterion_not_honoured",
                    "a keyword can't narrow a mail address: keywords are looked for in texts, not in mail",
                    where="$.criteria",
                    advice="Leave the keywords out, or write a warrant of its own for the address.",
                )
        case ScreeningWarrant():
            if len({type(criterion) for criterion in terms.criteria}) > 1:
                raise WarrantError(
                    "criteria_mixed",
                    "a screening names keywords or domains, not both",
                    where="$.criteria",
                    advice="Write two warrants: each kind of screening is approved by itself.",
                )
            if isinstance(terms.criteria[0], DomainCriterion) and terms.product is Product.IRI_AND_CC:
                raise WarrantError(
                    "product_not_honoured",
                    "content of internet sessions can't be released yet",
                    where="$.product",
                    advice="Ask for IRI.",
                )
        case DisclosureWarrant():
            _check_window(terms.disclosure.period, "$.disclosure.period")
            if terms.targets[0].type == "emailAddress":
                raise WarrantError(
                    "target_not_honoured",
                    "only records of calls are kept, and a call has no mail address",
                    where="$.targets[0].type",
                    advice="Name the person by e164Number, sipUri or telUri.",
                )
        case RetentionWarrant():
            pass


def _check_window(window: Window, where: str) -> None:
    for name, text in (("start", window.start), ("end", window.end)):
        try:
            instant(text)
        except ValueError:
            raise WarrantError(
                "time_invalid",
                "there is no such date or time",
                where=f"{where}.{name}",
                advice="Check the calendar.",
            ) from None
    if instant(window.start) >= instant(window.end):
        raise WarrantError(
            "window_empty", "the window ends before it begins", where=where, advice="Check start and end."
        )
