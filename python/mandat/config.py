"""Settings of a site: what its policy allows and how its numbers are read."""

from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated

import msgspec
from msgspec import Meta

from mandat.errors import SiteError


class PolicyKind(StrEnum):
    """What a policy can enable. Screening is enabled per criterion: the two intrude differently."""

    INTERCEPT = "intercept"
    RETENTION = "retention"
    DISCLOSURE = "disclosure"
    SCREENING_KEYWORD = "screening.keyword"
    SCREENING_DOMAIN = "screening.domain"


class Product(StrEnum):
    """What a task may release."""

    IRI = "IRI"
    IRI_AND_CC = "IRIandCC"


# One person alone never suffices for screening: it names nobody, so nobody can complain.
MIN_SCREENING_APPROVALS = 2
# More approvers than this is a mistyped number.
MAX_APPROVALS = 16
# A year and a day: no warrant of ours outlives a yearly review.
DEFAULT_WINDOW_DAYS = 366

Count = Annotated[int, Meta(ge=1, le=MAX_APPROVALS)]
Days = Annotated[int, Meta(ge=1, le=3660)]
CountryCode = Annotated[str, Meta(pattern="^[1-9][0-9]{0,2}$")]
Prefix = Annotated[str, Meta(pattern="^[0-9]{1,5}$")]
NationalPrefix = Annotated[str, Meta(pattern="^[0-9]{0,3}$")]


class Approvals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many distinct approvers each kind needs."""

    intercept: Count = 2
    retention: Count = 2
    disclosure: Count = 2
    screening: Annotated[int, Meta(ge=MIN_SCREENING_APPROVALS, le=MAX_APPROVALS)] = 2


class MaxWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many days a warrant of each kind may run."""

    intercept: Days = DEFAULT_WINDOW_DAYS
    retention: Days = DEFAULT_WINDOW_DAYS
    disclosure: Days = DEFAULT_WINDOW_DAYS
    screening: Days = DEFAULT_WINDOW_DAYS


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the site admits. Screening is off and content never its product unless somebody writes it here."""

    kinds: tuple[PolicyKind, ...] = (PolicyKind.INTERCEPT, PolicyKind.RETENTION, PolicyKind.DISCLOSURE)
    approvals: Approvals = Approvals()
    screening_product: tuple[Product, ...] = (Product.IRI,)
    max_window_days: MaxWindow = MaxWindow()


class Trunk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a neighbour that signals from this network writes its numbers."""

    network: str
    country_code: CountryCode
    international_prefixes: tuple[Prefix, ...]
    national_prefix: NationalPrefix


class Numbering(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How numbers of the network are read as E.164."""

    country_code: CountryCode = "33"
    international_prefixes: tuple[Prefix, ...] = ("00",)
    national_prefix: NationalPrefix = "0"
    trunks: tuple[Trunk, ...] = ()


class Hep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose HEP packets are read. HEP's sources are easily forged: the list and the key only keep mistakes out."""

    accept: bool = True
    sources: tuple[str, ...] = ()
    """Addresses or networks of agents; none: anybody."""
    key: str | None = None
    """Authentication key of chunk 0x000e; none: any."""

    def __repr__(self) -> str:
        return "Hep(...)"  # the key is a secret


class Alphabet(StrEnum):
    """What a message centre means by SMPP's data coding 0, its default alphabet (SMPP 3.4, 5.2.19)."""

    GSM7 = "gsm7"
    LATIN1 = "latin1"
    CP1252 = "cp1252"
    UTF8 = "utf8"


class Centre(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message centre, by its address or network; the narrowest network counts."""

    network: str
    alphabet: Alphabet


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """SITE/config.json."""

    policy: Policy = Policy()
    numbering: Numbering = Numbering()
    hep: Hep = Hep()
    smpp: tuple[Centre, ...] = ()
    """Centres that aren't listed have GSM-7 where the octets allow it, else Latin-1."""
    leg_header: str | None = None
    """SIP header that the site's switches keep the same on all legs of a conversation, such as X-CID; none: no such."""


def parse_config(data: bytes, where: str) -> Config:
    """Read a configuration; a refusal names the field."""
    try:
        config = msgspec.json.decode(data, type=Config)
        for trunk in config.numbering.trunks:
            ip_network(trunk.network)
        for source in config.hep.sources:
            ip_network(source)
        for centre in config.smpp:
            ip_network(centre.network)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise SiteError(
            "config_invalid",
            f"the configuration is wrong: {error}",
            where=where,
            advice="Correct the field named.",
        ) from None
    return config


def encode_config(config: Config) -> bytes:
    """The configuration as people edit it."""
    return msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n"
