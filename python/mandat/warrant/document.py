"""Strict JSON. A warrant that two readers could read differently isn't read at all.

Refused: a second key of one name, NaN and Infinity, numbers with a fraction or beyond 2^53, lone surrogates,
control characters, a byte-order mark, anything but UTF-8, deep nesting, large documents.
"""

import json
import unicodedata
from typing import Any, NoReturn

from mandat.errors import WarrantError

# A warrant names a handful of targets. The largest list allowed below stays under a quarter of this.
MAX_DOCUMENT = 256 * 1024
# The deepest place of a warrant is disclosure.period.start: 3.
MAX_DEPTH = 8
# Integers that every JSON reader holds exactly (RFC 8785 3.2.2.3, RFC 7493 2.2).
MAX_INTEGER = 2**53 - 1

_WRITE_AGAIN = "Write the warrant again, with `mandat warrant new` as a start."


def read_json(data: bytes) -> Any:
    """The value that a document states, if it states exactly one."""
    if len(data) > MAX_DOCUMENT:
        _refuse(
            "document_too_large", f"the document has more than {MAX_DOCUMENT} octets", "Split the warrant."
        )
    if data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        _refuse("document_bom", "the document starts with a byte-order mark", "Save it as UTF-8 without BOM.")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        _refuse("document_not_utf8", f"octet {error.start} isn't UTF-8", "Save the document as UTF-8.")
    _limit_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_fraction,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        # The decoder's own message quotes nothing of the document.
        _refuse("document_not_json", f"line {error.lineno}, column {error.colno}: {error.msg}", _WRITE_AGAIN)
    _check_strings(value, "$")
    return value


def _limit_depth(text: str) -> None:
    depth, inside, escaped = 0, False, False
    for character in text:
        if inside:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                inside = False
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                _refuse("document_too_deep", f"the document nests deeper than {MAX_DEPTH}", _WRITE_AGAIN)
        elif character in "]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) != len(pairs):
        _refuse(
            "document_duplicate_key", "an object states one key twice", "Remove one: which one was meant?"
        )
    return seen


def _constant(_: str) -> NoReturn:
    _refuse("document_number", "NaN and Infinity aren't JSON", _WRITE_AGAIN)


def _fraction(_: str) -> NoReturn:
    _refuse("document_number", "a number has a fraction or an exponent", "Write whole numbers.")


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > MAX_INTEGER or digits == "-0":
        _refuse("document_number", "a number is beyond 2^53 - 1", "Write a smaller number.")
    return int(digits)


def _check_strings(value: Any, path: str) -> None:
    if isinstance(value, str):
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
            _refuse(
                "document_character",
                "the text holds a control character or half of a surrogate pair",
                _WRITE_AGAIN,
                path,
            )
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check_strings(item, f"{path}[{number}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_strings(key, path)
            _check_strings(item, f"{path}.{key}" if key.isidentifier() and len(key) <= 32 else path)


def _refuse(code: str, message: str, advice: str, where: str = "$") -> NoReturn:
    raise WarrantError(code, message, where=where, advice=advice)
