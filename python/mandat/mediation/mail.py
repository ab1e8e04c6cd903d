"""Mails: each an encrypted file of its own, with a description beside it that names nobody.

SITE/product/<LIID>/mails/<run>-<nnnnnn>.eml.age     the message as its receiver gets it (RFC 5322)
SITE/product/<LIID>/mails/<run>-<nnnnnn>.json        which session it is of, its size, whether it is whole
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mandat.errors import StoreError, UsageError
from mandat.mediation.keys import decrypt

if TYPE_CHECKING:
    from pyrage.x25519 import Identity


class Mail(msgspec.Struct, frozen=True):
    """What stands beside one message."""

    liid: str
    cin: int
    ts: str
    file: str
    sha256: str
    message_octets: int
    partial: bool
    """Octets are missing: the tap didn't see them, or the message is longer than what is kept of one."""


class OpenedMail(msgspec.Struct, frozen=True):
    """A message that was opened."""

    message: str
    """Where it was written."""
    octets: int
    partial: bool


def find_mail(product: Path, liid: str, cin: int) -> tuple[Mail, Path]:
    """The message of one session, and its encrypted file."""
    directory = product / Path(liid).name / "mails"
    for path in sorted(directory.glob("*.json")) if directory.is_dir() else ():
        try:
            mail = msgspec.json.decode(path.read_bytes(), type=Mail)
        except (OSError, msgspec.MsgspecError):
            raise StoreError(
                "index_damaged",
                "the description of a mail can't be read",
                where=str(path),
                advice="put it back from a backup; the encrypted file beside it is not touched by this",
            ) from None
        if mail.cin == cin:
            return mail, directory / Path(mail.file).name
    raise UsageError(
        "no_mail",
        f"there is no message of mail {cin} under {liid}",
        advice="mandat mails list shows the sessions; a login has no message, nor has a warrant for facts only",
    )


def open_mail(mail: Mail, path: Path, identities: "Sequence[Identity]") -> bytes:
    """The message itself, once its file is what its description says."""
    try:
        sealed = path.read_bytes()
    except OSError as fault:
        raise StoreError("mail_missing", fault.strerror or "unreadable", where=str(path)) from None
    if hashlib.sha256(sealed).hexdigest() != mail.sha256:
        raise StoreError("mail_altered", "this mail isn't the one that was written", where=str(path))
    return decrypt(path, identities)
