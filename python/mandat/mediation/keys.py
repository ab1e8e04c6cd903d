"""The agency's age identity: what opens product. It is read for one command and kept nowhere."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mandat.errors import StoreError, UsageError

if TYPE_CHECKING:
    from pyrage.x25519 import Identity

IDENTITY_OCTETS = 1 << 16
"""An identity file is a few lines; anything much larger was given by mistake."""


def read_identities(path: Path) -> "Sequence[Identity]":
    """The identities of a file as `age-keygen` writes it."""
    from pyrage import IdentityError, x25519

    try:
        with path.open("rb") as file:
            text = file.read(IDENTITY_OCTETS).decode()
    except (OSError, UnicodeDecodeError):
        raise UsageError("identity_unreadable", "the identity file can't be read", where=str(path)) from None
    lines = [line.strip() for line in text.splitlines()]
    try:
        found = [x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except IdentityError:
        found = []
    if not found:
        raise UsageError(
            "identity_form",
            "this is no age identity file",
            where=str(path),
            advice="it has a line AGE-SECRET-KEY-1…, as age-keygen writes it",
        )
    return found


def decrypt_to(path: Path, output: IO[bytes], identities: "Sequence[Identity]") -> None:
    """Decrypts one product file into `output`, a piece at a time."""
    import pyrage

    try:
        with path.open("rb") as file:
            pyrage.decrypt_io(file, output, list(identities))
    except FileNotFoundError:
        raise StoreError("product_missing", "this product file is missing", where=str(path)) from None
    except (pyrage.DecryptError, OSError) as fault:
        raise _closed(path, fault) from None


def decrypt(path: Path, identities: "Sequence[Identity]") -> bytes:
    """Decrypts one small product file (a few seconds of product) into memory."""
    output = BytesIO()
    decrypt_to(path, output, identities)
    return output.getvalue()


def _closed(path: Path, fault: Exception) -> StoreError:
    if isinstance(fault, OSError) and fault.errno is not None:
        return StoreError(
            "disk",
            fault.strerror or "can't read or write",
            where=str(path),
            advice="is the disk full or the file not ours?",
        )
    if "match" in str(fault).lower():
        return StoreError(
            "wrong_identity",
            "this identity doesn't open this product: it was encrypted to others",
            where=str(path),
            advice="use the key of a recipient that the warrant names",
        )
    return StoreError(
        "product_damaged",
        "this product file is damaged or cut short",
        where=str(path),
        advice="the other files can still be opened; put back this one from a backup",
    )
