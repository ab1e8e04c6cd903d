"""From a warrant to a task: the states that a warrant passes, and the bundle that the point checks itself.

A bundle holds the warrant's own octets. Nothing is derived from them here, so nothing can be widened here.
"""

from base64 import b64encode
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from mandat.errors import Refusal
from mandat.log import Opening, Tiles
from mandat.warrant.approvals import Approval
from mandat.warrant.model import Warrant


class State(StrEnum):
    """Where a warrant stands. Only `active` ones are offered to the point, and only within their window."""

    ADDED = "added"
    APPROVED = "approved"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    REVOKED = "revoked"


# Nothing leads out of `expired` and `revoked`, nor back to `active`: to go on, a new warrant is needed.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.ADDED:     frozenset({State.APPROVED, State.EXPIRED, State.REVOKED}),
    State.APPROVED:  frozenset({State.ACTIVE, State.EXPIRED, State.REVOKED}),
    State.ACTIVE:    frozenset({State.SUSPENDED, State.EXPIRED, State.REVOKED}),
    State.SUSPENDED: frozenset({State.EXPIRED, State.REVOKED}),
    State.EXPIRED:   frozenset(),
    State.REVOKED:   frozenset(),
}  # fmt: skip


def move(liid: str, state: State, to: State) -> State:
    """The next state, if the table has it."""
    if to not in TRANSITIONS[state]:
        raise Refusal(
            "state_forbids",
            f"the warrant is {state.value} and can't become {to.value}",
            where=liid,
            advice="A warrant that has ended stays ended: write a new one." if not TRANSITIONS[state] else "",
        )
    return to


class SignedBy(msgspec.Struct, frozen=True):
    """An approval as the point reads it: it looks the key up in its own configuration."""

    approver: str
    signature: str


class Bundle(msgspec.Struct, frozen=True):
    """All that the point needs to admit a task without believing whoever hands it over."""

    warrant: str
    approvals: list[SignedBy]
    entry: str
    opening: str
    disclosures: list[str]
    index: int
    proof: list[str]
    checkpoint: str
    consistency: list[str]


def bundle(
    warrant: Warrant,
    approvals: Sequence[Approval],
    opening: Opening,
    tiles: Tiles,
    checkpoint: bytes,
    consistency: Sequence[bytes],
) -> bytes:
    """The admission bundle of a warrant whose `activate` entry this opening opens.

    `consistency` proves that `checkpoint` extends the head that the point accepted last.
    """
    return msgspec.json.encode(
        Bundle(
            warrant=warrant.canonical.decode(),
            approvals=[SignedBy(item.approver, item.signature) for item in approvals],
            entry=_b64(tiles.entry(opening.index)),
            opening=_b64(opening.randomness),
            disclosures=list(opening.disclosures),
            index=opening.index,
            proof=[_b64(item) for item in tiles.inclusion(opening.index)],
            checkpoint=checkpoint.decode(),
            consistency=[_b64(item) for item in consistency],
        )
    )


def _b64(data: bytes) -> str:
    return b64encode(data).decode()
