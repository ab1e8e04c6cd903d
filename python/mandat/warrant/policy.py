"""What the site's policy allows. A warrant that asks for more is refused whole, never cut down to fit."""

from datetime import datetime

from mandat.config import Policy, PolicyKind, Product
from mandat.errors import Refusal
from mandat.warrant.model import DomainCriterion, ScreeningWarrant, Warrant, WarrantKind, instant

_DAY = 24 * 3600


def approvals_needed(policy: Policy, kind: WarrantKind) -> int:
    """How many distinct people must approve."""
    return int(getattr(policy.approvals, kind.value))


def policy_kind(warrant: Warrant) -> PolicyKind:
    """The switch of the policy that this warrant falls under."""
    if isinstance(warrant.terms, ScreeningWarrant):
        domain = isinstance(warrant.terms.criteria[0], DomainCriterion)
        return PolicyKind.SCREENING_DOMAIN if domain else PolicyKind.SCREENING_KEYWORD
    return PolicyKind(warrant.kind.value)


def check(warrant: Warrant, policy: Policy) -> None:
    """Refuse what the policy doesn't allow."""
    kind = policy_kind(warrant)
    # (1) the kind is enabled
    if kind not in policy.kinds:
        raise Refusal(
            "kind_not_allowed",
            f"this site's policy doesn't allow {kind.value} warrants",
            where=warrant.liid,
            advice="Enable the kind in SITE/config.json if the law allows it.",
        )
    # (2) screening releases no more than the policy says
    terms = warrant.terms
    if isinstance(terms, ScreeningWarrant) and Product(terms.product) not in policy.screening_product:
        raise Refusal(
            "product_not_allowed",
            f"this site's policy doesn't allow {terms.product} from a screening",
            where=warrant.liid,
            advice="Ask for IRI.",
        )
    # (3) the window isn't longer than the policy allows
    days = int(getattr(policy.max_window_days, warrant.kind.value))
    seconds = (instant(terms.window.end) - instant(terms.window.start)).total_seconds()
    if seconds > days * _DAY:
        raise Refusal(
            "window_too_long",
            f"the window is longer than the {days} days that this site's policy allows",
            where=warrant.liid,
            advice="Shorten the window and have it approved again, or renew it later.",
        )


def check_window(warrant: Warrant, now: datetime) -> None:
    """Refuse a warrant whose window isn't open."""
    window = warrant.terms.window
    if now < instant(window.start):
        raise Refusal(
            "window_not_begun",
            "the warrant isn't in force yet",
            where=warrant.liid,
            advice="Wait for its start.",
        )
    check_not_over(warrant, now)


def check_not_over(warrant: Warrant, now: datetime) -> None:
    """Refuse a warrant that can never be in force again."""
    if now >= instant(warrant.terms.window.end):
        raise Refusal(
            "window_over", "the warrant has expired", where=warrant.liid, advice="A new warrant is needed."
        )
