"""What an audit can find, each class with its exit code: the lowest code names the gravest."""

from dataclasses import dataclass
from enum import Enum


class Class(Enum):
    """Value: (stable name, exit code)."""

    BROKEN = ("log_broken", 20)
    """Signature, tree, tiles or consistency don't hold: nothing else can be said."""
    UNEXPLAINED = ("leaf_unexplained", 21)
    """A leaf that is neither an opened event nor a dummy: an act that nobody tells of."""
    FALSE_OPENING = ("opening_false", 22)
    """An opening that doesn't lead to its leaf."""
    UNAUTHORISED = ("act_unauthorised", 23)
    """A case's acts don't follow: no approvals, outside the window, after the end."""
    GAP = ("sequence_gap", 24)
    """Events of a case are missing in between."""
    OFF_SCHEDULE = ("off_schedule", 25)
    """Leaves that are not where the schedule has them."""

    @property
    def code(self) -> int:
        """Exit code."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    kind: Class
    message: str
    index: int | None = None
    case: str = ""

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {"class": self.kind.value[0], "message": self.message, "index": self.index, "case": self.case}
