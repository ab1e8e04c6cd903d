"""The transparency log: an append-only proof that each act happened, in files that any C2SP tool can verify.

This package needs nothing else of the project: an overseer can take the directory alone.

    merkle  tile  edge        RFC 6962 trees, C2SP tiles
    note  checkpoint          what is signed
    event  entry  openings    what an entry commits to, and what opens it
    schedule  slots  dummy    how many leaves there are, whatever happens
    queue  writer             the operator's side
    reader  audit             the overseer's side
"""

from .audit import Report, audit, check_extends, read_checkpoint
from .checkpoint import Checkpoint
from .dummy import DummyKeys
from .entry import Entry, Opening
from .event import Kind
from .fault import Fault, LogFault
from .note import Signer, Verifier
from .openings import Openings
from .reader import Tiles
from .schedule import SITE_CASE, Mode, Schedule, Segment
from .writer import Event, LogWriter, schedule_event

__all__ = [
    "SITE_CASE",
    "Checkpoint",
    "DummyKeys",
    "Entry",
    "Event",
    "Fault",
    "Kind",
    "LogFault",
    "LogWriter",
    "Mode",
    "Opening",
    "Openings",
    "Report",
    "Schedule",
    "Segment",
    "Signer",
    "Tiles",
    "Verifier",
    "audit",
    "check_extends",
    "read_checkpoint",
    "schedule_event",
]
