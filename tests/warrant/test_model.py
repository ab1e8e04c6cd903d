import json
from importlib.resources import files

import jsonschema
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from mandat.errors import WarrantError
from mandat.warrant.document import MAX_DOCUMENT
from mandat.warrant.model import parse_warrant, schema

SECRET = "33639980001"
DOMAIN = {"type": "domain", "value": "watched.example", "subdomains": True}
KEYWORD = {"type": "keyword", "value": "saffron", "whole_word": True}
LATER = "2026-02-01T00:00:00Z"
URI = {"type": "sipUri", "value": "sip:alice@example.com"}
MAILBOX = {"type": "emailAddress", "value": "alice+x@example.com"}

ACCEPTED = [
    ("intercept", {}),
    ("intercept", {"targets": [URI, {"type": "telUri", "value": "tel:+33-6-39-98-00-01"}]}),
    ("intercept", {"criteria": [KEYWORD], "product": "IRI"}),
    ("intercept", {"targets": [MAILBOX, {"type": "emailAddress", "value": '"a b"@παράδειγμα.ελ'}]}),
    ("intercept", {"liid": "a" * 25}),
    ("retention", {}),
    ("disclosure", {}),
    ("screening", {}),
    ("screening", {"criteria": [DOMAIN]}),
    ("screening", {"criteria": [KEYWORD, {**KEYWORD, "value": "Straße"}]}),
]

# Refused by the schema too: (kind, changes, place, what the message must say).
REFUSED = [
    ("intercept", {"version": 2}, "$.version", ""),
    ("intercept", {"version": ...}, "$", "version"),
    ("intercept", {"version": True}, "$.version", "int"),
    ("other", {}, "$.kind", "allowed"),
    ("intercept", {"kind": None}, "$.kind", ""),
    ("intercept", {"targets": []}, "$.targets", ">= 1"),
    ("intercept", {"targets": None}, "$.targets", "null"),
    ("intercept", {"targets": ...}, "$", "targets"),
    ("intercept", {"criteria": ...}, "$", "criteria"),
    ("intercept", {"recipients": []}, "$.recipients", ">= 1"),
    ("intercept", {"recipients": ["age1short"]}, "$.recipients[0]", ""),
    ("intercept", {"ceiling": {"sessions": 1}}, "$", "ceiling"),
    ("intercept", {"note": "x"}, "$", "note"),
    ("intercept", {"product": "CC"}, "$.product", "allowed"),
    ("intercept", {"liid": ".."}, "$.liid", ""),
    ("intercept", {"liid": "a" * 26}, "$.liid", ""),
    ("intercept", {"liid": "a/b"}, "$.liid", ""),
    ("intercept", {"reference": "a+33639980001"}, "$.reference", ""),
    ("intercept", {"window": {"start": "2026-01-01", "end": LATER}}, "$.window.start", ""),
    ("intercept", {"window": {"start": "2026-01-01T00:00:00+01:00", "end": LATER}}, "$.window.start", ""),
    ("intercept", {"targets": [{"type": "imei", "value": "208150000000001"}]}, "$.targets[0].type", "imei"),
    ("intercept", {"targets": [{"type": "ipAddressPort", "value": "x"}]}, "$.targets[0].type", "ipAddressPort"),
    ("intercept", {"targets": [{"type": "+" + SECRET, "value": "x"}]}, "$.targets[0].type", "allowed"),
    ("intercept", {"targets": [{**URI, SECRET: 1}]}, "$.targets[0]", "known"),
    ("retention", {"recipients": [], "targets": [URI]}, "$.targets", "<= 0"),
    ("retention", {"product": "IRIandCC"}, "$.product", "allowed"),
    ("retention", {"retention": ...}, "$", "retention"),
    ("retention", {"retention": {"days": 0}}, "$.retention.days", ""),
    ("disclosure", {"targets": [URI, {**URI, "value": "sip:bob@example.com"}]}, "$.targets", "<= 1"),
    ("disclosure", {"criteria": [KEYWORD]}, "$.criteria", "<= 0"),
    ("screening", {"targets": [URI]}, "$.targets", "<= 0"),
    ("screening", {"ceiling": ...}, "$", "ceiling"),
    ("screening", {"criteria": []}, "$.criteria", ">= 1"),
    ("screening", {"criteria": [{**KEYWORD, "value": "x" * 201}]}, "$.criteria[0].value", "200"),
    ("screening", {"criteria": [{"type": "keyword", "value": "saffron"}]}, "$.criteria[0]", "whole_word"),
    ("screening", {"criteria": [{"type": "regex", "value": ".*"}]}, "$.criteria[0].type", "allowed"),
]  # fmt: skip

# Right by the schema, and yet not to be honoured as written.
REFUSED_BEYOND_SCHEMA = [
    (
        "intercept",
        {"window": {"start": "2026-02-30T00:00:00Z", "end": "2026-03-01T00:00:00Z"}},
        "time_invalid",
    ),
    (
        "intercept",
        {"window": {"start": "2026-03-01T00:00:00Z", "end": "2026-03-01T00:00:00Z"}},
        "window_empty",
    ),
    ("intercept", {"criteria": [DOMAIN]}, "criterion_not_honoured"),
    ("intercept", {"targets": [{"type": "e164Number", "value": "0" + SECRET[2:]}]}, "target_wrong"),
    ("intercept", {"targets": [{"type": "e164Number", "value": "+" + SECRET + "00000000"}]}, "target_wrong"),
    ("intercept", {"targets": [{"type": "sipUri", "value": SECRET}]}, "target_wrong"),
    ("intercept", {"targets": [{"type": "telUri", "value": "tel:0" + SECRET[2:]}]}, "target_wrong"),
    ("intercept", {"targets": [URI, URI]}, "target_twice"),
    (
        "intercept",
        {"targets": [{"type": "emailAddress", "value": f"A <{SECRET}@x.example>"}]},
        "target_wrong",
    ),
    ("intercept", {"targets": [{"type": "emailAddress", "value": "@x.example"}]}, "target_wrong"),
    ("intercept", {"targets": [MAILBOX], "criteria": [KEYWORD]}, "criterion_not_honoured"),
    ("disclosure", {"targets": [MAILBOX]}, "target_not_honoured"),
    ("screening", {"criteria": [KEYWORD, KEYWORD]}, "criterion_twice"),
    ("screening", {"criteria": [KEYWORD, DOMAIN]}, "criteria_mixed"),
    ("screening", {"criteria": [DOMAIN], "product": "IRIandCC"}, "product_not_honoured"),
    ("screening", {"criteria": [{**KEYWORD, "value": " \u200b"}]}, "keyword_empty"),
    ("screening", {"criteria": [{**DOMAIN, "value": "com"}]}, "domain_too_wide"),
    ("screening", {"criteria": [{**DOMAIN, "value": "192.0.2.1"}]}, "domain_too_wide"),
    ("screening", {"criteria": [{**DOMAIN, "value": "http://a.example/"}]}, "domain_wrong"),
    ("screening", {"criteria": [{**DOMAIN, "value": "*.example"}]}, "domain_wrong"),
    ("screening", {"criteria": [{**DOMAIN, "value": "a..example"}]}, "domain_wrong"),
]

DAMAGED = {
    "document_bom": [b"\xef\xbb\xbf{}", "{}".encode("utf-16")],
    "document_not_utf8": [b'{"a": "\xff"}', b'"\xed\xa0\x80"'],
    "document_duplicate_key": [b'{"a": 1, "a": 1}', b'{"b": {"a": 1, "\\u0061": 2}}'],
    "document_number": [b"NaN", b"[Infinity]", b"[-Infinity]", b"1.0", b"1e3", b"9007199254740992", b"-0",
                        b"9" * 5000],
    "document_too_deep": [b"[" * 9 + b"]" * 9, b"[" * 100_000, b'{"a":' * 50_000],
    "document_too_large": [b" " * (MAX_DOCUMENT + 1)],
    "document_not_json": [b"", b"{", b"{'a': 1}", b"[1,]", b"{} {}", b'"\x01"'],
    "document_character": [b'"\\u0000"', b'"\\ud800"', b'"\\u001b[2J"', b'{"\\u0007": 1}'],
    "not_an_object": [b"[]", b"null", b"7", b'"warrant"'],
}  # fmt: skip


def refusal(document: bytes) -> WarrantError:
    with pytest.raises(WarrantError) as refused:
        parse_warrant(document)
    # Nobody's number comes back in a refusal.
    assert SECRET not in refused.value.diagnostics()
    assert refused.value.exit_code == 5
    return refused.value


@pytest.mark.parametrize(("kind", "changes"), ACCEPTED)
def test_accepted(document, kind: str, changes: dict) -> None:
    written = document(kind, **changes)
    jsonschema.validate(written, schema())
    warrant = parse_warrant(json.dumps(written, indent=3).encode())
    assert warrant.canonical == rfc8785.dumps(written)
    assert (warrant.kind, warrant.liid) == (kind, written["liid"])
    assert parse_warrant(warrant.canonical) == warrant


@pytest.mark.parametrize(("kind", "changes", "where", "says"), REFUSED)
def test_refused_here_and_by_the_schema(document, kind: str, changes: dict, where: str, says: str) -> None:
    written = document(kind, **changes)
    found = refusal(json.dumps(written).encode())
    assert found.where == where
    assert says in found.message
    assert found.advice
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written, schema())


@pytest.mark.parametrize(("kind", "changes", "code"), REFUSED_BEYOND_SCHEMA)
def test_refused_beyond_the_schema(document, kind: str, changes: dict, code: str) -> None:
    written = document(kind, **changes)
    jsonschema.validate(written, schema())
    found = refusal(json.dumps(written).encode())
    assert found.code == code
    assert found.advice


@pytest.mark.parametrize(("code", "data"), [(code, data) for code, all_ in DAMAGED.items() for data in all_])
def test_damaged_documents_are_refused(code: str, data: bytes) -> None:
    assert refusal(data).code == code


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.binary() | VALUE.map(lambda value: json.dumps(value).encode()))
def test_any_document_is_refused(data: bytes) -> None:
    with pytest.raises(WarrantError):
        parse_warrant(data)


JUNK = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text() | st.none()) | st.just({})
FIELDS = [
    "version",
    "reference",
    "liid",
    "kind",
    "targets",
    "criteria",
    "product",
    "window",
    "recipients",
    "ceiling",
]


@given(st.dictionaries(st.sampled_from(FIELDS), JUNK, min_size=1))
def test_any_field_of_any_type_is_accepted_as_written_or_refused(document, changes: dict) -> None:
    written = document(**changes)
    try:
        warrant = parse_warrant(json.dumps(written).encode())
    except WarrantError as refused:
        assert refused.advice
    else:
        assert json.loads(warrant.canonical) == written


def test_the_published_schema_is_the_model() -> None:
    published = json.loads((files("mandat.warrant") / "warrant.schema.json").read_bytes())
    assert published == schema()
    jsonschema.Draft202012Validator.check_schema(published)


def test_nothing_printed_of_a_warrant_names_a_target(document) -> None:
    warrant = parse_warrant(json.dumps(document()).encode())
    assert SECRET not in repr(warrant) + str(warrant) + repr(warrant.terms) + repr(warrant.terms.targets)


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("imsi", "208011234567890", ""),
        ("imsi", "20801", "target_wrong"),
        ("nai", "user@isp.example", ""),
        ("nai", "u" * 254, "target_wrong"),
        ("macAddress", "00:11:22:33:44:55", ""),
        ("macAddress", "00:11:22", "target_wrong"),
        ("ipv4Address", "192.0.2.1", ""),
        ("ipv4Address", "192.0.2.0/28", "target_wrong"),
        ("ipv4Cidr", "192.0.2.1/28", "target_wrong"),
        ("ipv4Cidr", "192.0.0.0/16", "target_wide"),
        ("ipv6Cidr", "2001:db8:1::/56", ""),
        ("ipv6Cidr", "2001:db8::/32", "target_wide"),
        ("ipv6Address", "192.0.2.1", "target_wrong"),
    ],
)
def test_subscribers_and_addresses(document, kind: str, value: str, code: str) -> None:
    written = json.dumps(document("intercept", targets=[{"type": kind, "value": value}])).encode()
    if code:
        found = refusal(written)
        assert found.code == code
        assert value not in str(found)
    else:
        parse_warrant(written)
