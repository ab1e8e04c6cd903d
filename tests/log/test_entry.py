import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mandat.log import Entry, Kind, LogFault, Opening
from mandat.log.entry import commit, read_disclosure, seal, tag
from mandat.log.event import facts

FIELDS = {"kind": "access", "liid": "LI-1", "count": 3, "actor": "desk"}


def test_bytes_are_those_of_the_format() -> None:
    disclosures = [
        urlsafe_b64encode(body).rstrip(b"=").decode()
        for body in (b'["c2FsdA","kind","activate"]', b'["x","count",1]')
    ]
    digests = sorted(sha256(item.encode()).digest() for item in disclosures)
    assert (
        commit(bytes(32), disclosures) == sha256(b"li/commit/v1\n" + bytes(32) + b"".join(digests)).digest()
    )
    assert commit(bytes(32), disclosures[::-1]) == commit(bytes(32), disclosures)
    assert tag(b"k" * 32, 5) == hmac.digest(b"k" * 32, b"li/tag/v1\n\0\0\0\0\0\0\0\x05", "sha256")
    entry = Entry(7, b"t" * 32, b"c" * 32)
    assert entry.encode() == b"\x01" + bytes(7) + b"\x07" + b"t" * 32 + b"c" * 32
    assert len(entry.encode()) == 73


def test_a_disclosure_is_a_salted_fact() -> None:
    _, opening = seal(0, 0, 1, bytes(32), FIELDS)
    assert opening.fields() == FIELDS
    assert all("=" not in item for item in opening.disclosures)
    salt = urlsafe_b64decode(opening.disclosures[0] + "==")[2:24]
    _, again = seal(0, 0, 1, bytes(32), FIELDS)
    assert salt not in urlsafe_b64decode(again.disclosures[0] + "==")
    assert opening.randomness != again.randomness


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_openings_round_trip_and_lead_to_their_entry(sequence: int, epoch: int) -> None:
    entry, opening = seal(3, sequence, epoch, b"k" * 32, FIELDS)
    again = Opening.from_line(opening.to_line())
    assert again == opening
    assert Entry.decode(again.entry(b"k" * 32).encode()) == entry
    assert again.entry(b"K" * 32) != entry


@given(
    st.binary()
    | st.from_regex(
        rb'\{"index":-?[0-9]{1,30},"seq":1,"epoch":1,"opening":"[A-Za-z=]*","disclosures":\[.*\]\}'
    )
)
def test_any_line_is_an_opening_or_refused(line: bytes) -> None:
    try:
        Opening.from_line(line)
    except LogFault as fault:
        assert fault.code == "log_damaged"


@given(st.text() | st.binary().map(lambda data: urlsafe_b64encode(data).decode()))
def test_any_text_is_a_disclosure_or_refused(text: str) -> None:
    try:
        read_disclosure(text)
    except LogFault as fault:
        assert fault.code == "log_damaged"


@given(st.binary(max_size=100))
def test_any_bytes_are_an_entry_or_refused(data: bytes) -> None:
    try:
        assert Entry.decode(data).encode() == data
    except LogFault:
        assert len(data) != 73 or data[0] != 1


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Kind.ACCESS, {}),
        (Kind.ACCESS, {"count": -1}),
        (Kind.ACCESS, {"count": True}),
        (Kind.ACCESS, {"count": "3"}),
        (Kind.ACCESS, {"count": 1, "number": "+33612345678"}),
        (Kind.ACCESS, {"count": 1, "purpose": "+33612345678"}),
        (Kind.SEARCH, {"what": "example.com/../x y"}),
        (Kind.SUSPEND, {"purpose": "he said so"}),
        (Kind.DEACTIVATE, {"purpose": "x" * 200}),
        (Kind.APPROVE, {"authority_id": "A", "authority_hash": "0" * 63, "approver": "p"}),
    ],
)
def test_what_is_no_fact_of_its_kind_is_refused(kind: Kind, fields: dict[str, str | int]) -> None:
    with pytest.raises(LogFault) as refused:
        facts(kind, "LI-1", "desk", fields)
    assert "33612345678" not in str(refused.value)
