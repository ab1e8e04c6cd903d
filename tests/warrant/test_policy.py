import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest

from mandat.config import (
    Approvals,
    Config,
    MaxWindow,
    Policy,
    PolicyKind,
    Product,
    encode_config,
    parse_config,
)
from mandat.errors import Refusal, SiteError
from mandat.warrant import State, parse_warrant, policy
from mandat.warrant.tasking import TRANSITIONS, move

ALL = Policy(kinds=tuple(PolicyKind))
DOMAIN = {"type": "domain", "value": "watched.example", "subdomains": True}
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)


def warrant(document, kind: str, **changes):
    return parse_warrant(json.dumps(document(kind, **changes)).encode())


def code(call, *arguments) -> str:
    with pytest.raises(Refusal) as refused:
        call(*arguments)
    assert refused.value.advice
    return refused.value.code


@pytest.mark.parametrize("kind", ["intercept", "retention", "disclosure", "screening"])
def test_a_kind_that_is_not_enabled_is_refused(document, kind: str) -> None:
    one = warrant(document, kind)
    policy.check(one, ALL)
    without = tuple(item for item in PolicyKind if item is not policy.policy_kind(one))
    assert code(policy.check, one, Policy(kinds=without)) == "kind_not_allowed"


def test_screening_is_off_by_default_and_each_criterion_has_its_own_switch(document) -> None:
    keyword, domain = warrant(document, "screening"), warrant(document, "screening", criteria=[DOMAIN])
    assert code(policy.check, keyword, Policy()) == code(policy.check, domain, Policy()) == "kind_not_allowed"
    only = Policy(kinds=(PolicyKind.SCREENING_DOMAIN,))
    policy.check(domain, only)
    assert code(policy.check, keyword, only) == "kind_not_allowed"


def test_screening_releases_no_content_by_default(document) -> None:
    content = warrant(document, "screening", product="IRIandCC")
    assert code(policy.check, content, ALL) == "product_not_allowed"
    policy.check(content, Policy(kinds=tuple(PolicyKind), screening_product=tuple(Product)))


def test_a_long_window_is_refused_not_shortened(document) -> None:
    one = warrant(document, "intercept")
    policy.check(one, Policy(max_window_days=MaxWindow(intercept=364)))
    assert code(policy.check, one, Policy(max_window_days=MaxWindow(intercept=363))) == "window_too_long"


def test_a_window_starts_with_its_start_and_ends_before_its_end(document) -> None:
    one = warrant(document, "intercept")
    policy.check_window(one, START)
    policy.check_window(one, END - timedelta(seconds=1))
    assert code(policy.check_window, one, START - timedelta(microseconds=1)) == "window_not_begun"
    assert code(policy.check_window, one, END) == "window_over"


def test_screening_never_needs_fewer_than_two() -> None:
    text = encode_config(Config()).replace(b'"screening": 2', b'"screening": 1')
    with pytest.raises(SiteError, match="screening"):
        parse_config(text, "config.json")


@pytest.mark.parametrize(
    "change",
    [(b'"intercept": 2', b'"intercept": 0'), (b'"33"', b'"+33"'), (b'"policy"', b'"polity"'), (b"{", b""),
     (b'"trunks": []', b'"trunks": [{"network": "10.9.0.1/16", "country_code": "44",'
      b' "international_prefixes": [], "national_prefix": "0"}]')],
)  # fmt: skip
def test_a_wrong_configuration_is_refused(change: tuple[bytes, bytes]) -> None:
    text = encode_config(Config())
    assert parse_config(text, "config.json") == Config()
    assert text.replace(*change, 1) != text
    with pytest.raises(SiteError):
        parse_config(text.replace(*change, 1), "config.json")


def test_approvals_default_to_two() -> None:
    assert Approvals() == Approvals(2, 2, 2, 2)


def test_the_transition_table() -> None:
    allowed = {(state, to) for state, followers in TRANSITIONS.items() for to in followers}
    for state, to in itertools.product(State, State):
        if (state, to) in allowed:
            assert move("LI-1", state, to) is to
        else:
            with pytest.raises(Refusal):
                move("LI-1", state, to)
    # Only through approval does anything become active, and nothing does twice.
    assert [state for state, to in allowed if to is State.ACTIVE] == [State.APPROVED]
    assert not TRANSITIONS[State.REVOKED] | TRANSITIONS[State.EXPIRED]
