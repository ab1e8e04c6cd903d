"""Authority: what a warrant says, who approved it, what the policy allows, and the task that follows."""

from mandat.warrant.approvals import Approval, Approver, parse_approval, sign
from mandat.warrant.model import AnyWarrant, Warrant, WarrantKind, instant, parse_warrant
from mandat.warrant.tasking import State

__all__ = [
    "AnyWarrant",
    "Approval",
    "Approver",
    "State",
    "Warrant",
    "WarrantKind",
    "instant",
    "parse_approval",
    "parse_warrant",
    "sign",
]
