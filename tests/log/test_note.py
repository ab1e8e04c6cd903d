from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from mandat.log import Checkpoint, LogFault, Signer, Verifier
from mandat.log.note import open_note, split_note

# The example of golang.org/x/mod/sumdb/note.
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = (
    f"{TEXT}\n\u2014 PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()
SIGNER = Signer("example.org/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def test_the_example_of_the_reference_implementation() -> None:
    assert open_note(NOTE, [Verifier.parse(VKEY)]) == TEXT
    signer = Signer.parse(SKEY)
    assert (signer.verifier.vkey, signer.skey) == (VKEY, SKEY)
    assert signer.sign_note(TEXT) == NOTE


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])).map(lambda text: text + "\n"))
def test_notes_round_trip(text: str) -> None:
    assert open_note(SIGNER.sign_note(text), [SIGNER.verifier]) == text


@given(st.binary() | st.text().map(str.encode) | st.binary(max_size=40).map(lambda junk: NOTE + junk))
def test_any_bytes_are_refused(note: bytes) -> None:
    if note != NOTE:
        with pytest.raises(LogFault):
            open_note(note, [SIGNER.verifier])


@given(st.integers(0, len(NOTE) - 1), st.integers(1, 255))
def test_an_altered_octet_is_refused(at: int, change: int) -> None:
    forged = NOTE[:at] + bytes([NOTE[at] ^ change]) + NOTE[at + 1 :]
    with pytest.raises(LogFault):
        open_note(forged, [Verifier.parse(VKEY)])


def test_unknown_signatures_are_ignored_and_wrong_ones_of_known_keys_are_not() -> None:
    known = [Verifier.parse(VKEY)]
    assert open_note(NOTE + "\u2014 other AAAAAAAA\n".encode(), known) == TEXT
    wrong = b64encode(known[0].key_id + bytes(64)).decode()
    with pytest.raises(LogFault, match="wrong"):
        open_note(NOTE.replace(b"\n\n", f"\n\n\u2014 PeterNeumann {wrong}\n".encode()), known)
    # Go's reader drops every later line of a key, right or wrong.
    assert open_note(NOTE + f"\u2014 PeterNeumann {wrong}\n".encode(), known) == TEXT
    with pytest.raises(LogFault, match="no known key"):
        open_note(NOTE, [SIGNER.verifier])


def test_limits() -> None:
    line = "\u2014 other AAAAAAAA\n".encode()
    assert len(split_note(NOTE + line * 99)[1]) == 100
    for note in (NOTE + line * 100, b"a" * 1_000_001, NOTE.replace(b"problem,", b"problem\r")):
        with pytest.raises(LogFault):
            split_note(note)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "a",
        "a+b",
        "a+00000000+AQ==",
        VKEY.replace("c74f", "c74e"),
        "x" + VKEY,
        VKEY + "=",
        " " + VKEY,
        VKEY[:-4],
    ],
)
def test_damaged_keys_are_refused(vkey: str) -> None:
    with pytest.raises(LogFault):
        Verifier.parse(vkey)


@given(st.text())
def test_any_text_is_no_key(text: str) -> None:
    for parse in (Verifier.parse, Signer.parse):
        with pytest.raises(LogFault):
            parse(text)


def test_a_checkpoint_is_three_lines() -> None:
    checkpoint = Checkpoint("example.org/log", 7, bytes(32))
    assert checkpoint.body() == "example.org/log\n7\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
    assert Checkpoint.open(checkpoint.sign(SIGNER), SIGNER.verifier) == checkpoint


@pytest.mark.parametrize(
    "change",
    [("\n7\n", "\n07\n"), ("\n7\n", "\n-7\n"), ("\n7\n", "\n9223372036854775808\n"),
     ("AAA=\n", "AAA=\nmore\n"),
     ("AAA=", "AAB="), ("AAA=", "="), ("example.org/log", "an origin"), ("\n7\n", "\n٧\n")],
)  # fmt: skip
def test_other_spellings_of_a_checkpoint_are_refused(change: tuple[str, str]) -> None:
    text = Checkpoint("example.org/log", 7, bytes(32)).body().replace(*change)
    with pytest.raises(LogFault):
        Checkpoint.parse(text)


def test_a_checkpoint_of_another_log_is_refused() -> None:
    note = Checkpoint("example.org/other", 7, bytes(32)).sign(SIGNER)
    with pytest.raises(LogFault, match="another log"):
        Checkpoint.open(note, SIGNER.verifier)
