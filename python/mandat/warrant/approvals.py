"""Approvals: detached Ed25519 signatures over a warrant's canonical octets.

They are by distinct people whose keys the site pins, and none of them is the requester.
"""

import binascii
import unicodedata
from base64 import b64decode, b64encode
from collections.abc import Sequence

import msgspec

from mandat.errors import Refusal, SiteError, WarrantError
from mandat.log import LogFault, Signer, Verifier
from mandat.warrant.model import Warrant

# Keeps an approval from being taken for a signature over anything else.
CONTEXT = b"mandat/approval/v1\n"
_SIGNATURE_SIZE = 64


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One person's signature."""

    approver: str
    key: str
    signature: str


class Approver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person whose key is pinned in the site."""

    name: str
    vkey: str


def sign(warrant: Warrant, signer: Signer, approver: str) -> Approval:
    """An approval of exactly this warrant."""
    signature = signer.sign(CONTEXT + warrant.canonical)
    return Approval(approver, signer.verifier.vkey, b64encode(signature).decode())


def parse_approval(data: bytes) -> Approval:
    """Read an approval as it is stored or sent."""
    try:
        return msgspec.json.decode(data, type=Approval)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise WarrantError(
            "approval_malformed", "this is no approval", advice="Make it with `mandat warrant approve`."
        ) from None


def trust(approvers: Sequence[Approver]) -> dict[str, Verifier]:
    """The pinned keys by name. One key under two names would let one person be two, so it is refused."""
    found: dict[str, Verifier] = {}
    for approver in approvers:
        try:
            verifier = Verifier.parse(approver.vkey)
        except LogFault as fault:
            raise SiteError("approver_key", f"an approver's key is wrong: {fault.message}") from None
        if any(
            folded(approver.name) == folded(name) or verifier.public == other.public
            for name, other in found.items()
        ):
            raise SiteError(
                "approver_twice",
                "two pinned approvers share a name or a key",
                advice="Pin one key for each person.",
            )
        found[approver.name] = verifier
    return found


def verify(warrant: Warrant, approval: Approval, pinned: dict[str, Verifier]) -> None:
    """Refuse what isn't an approval of exactly this warrant by a pinned approver other than the requester."""
    # (1) not by the requester
    if folded(approval.approver) == folded(warrant.terms.requester):
        raise Refusal(
            "requester_approves",
            "whoever requests a warrant can't approve it",
            where=warrant.liid,
            advice="Have somebody else approve it.",
        )
    # (2) by a person whose key the site pins, with that very key
    verifier = pinned.get(approval.approver)
    if verifier is None or verifier.vkey != approval.key:
        raise Refusal(
            "approver_unknown",
            "the approval isn't by a key that this site pins for that person",
            where=warrant.liid,
            advice="Approve with a pinned key, or pin the approver's key first.",
        )
    # (3) over exactly these octets
    try:
        signature = b64decode(approval.signature, validate=True)
    except (binascii.Error, ValueError):
        signature = b""
    if len(signature) != _SIGNATURE_SIZE or not verifier.verify(CONTEXT + warrant.canonical, signature):
        raise Refusal(
            "approval_wrong",
            "the approval isn't a signature over this warrant as it stands",
            where=warrant.liid,
            advice="The warrant was changed after approval, or the signature was: approve it again.",
        )


def check(warrant: Warrant, approvals: Sequence[Approval], pinned: dict[str, Verifier], needed: int) -> None:
    """Refuse unless enough distinct people approved, and every approval holds."""
    people = set()
    for approval in approvals:
        verify(warrant, approval, pinned)
        if folded(approval.approver) in people:
            raise Refusal(
                "approver_twice",
                "one person approved twice",
                where=warrant.liid,
                advice="Have a second person approve it.",
            )
        people.add(folded(approval.approver))
    if len(people) < needed:
        raise Refusal(
            "approvals_missing",
            f"{len(people)} of {needed} approvals are there",
            where=warrant.liid,
            advice="Approve it with `mandat warrant approve`, each time by another person.",
        )


def folded(name: str) -> str:
    """A name as people compare it: case, width and spacing don't make another person."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
