"""The overseer's side: everything is checked, and nothing of a subscriber is seen.

Needs `mandat.log` beside it, `cryptography` and `pyrage`, and nothing else of the project: copy the two directories.

    pack      what the operator hands over: openings of accountability fields, the dummies' key; encrypted with age
    scan      every leaf: hashed, and explained or not; in as many processes as there are processors
    history   each case: approved, in its window, ended, without gaps
    finding   what can be wrong, and exit codes
"""

from .audit import Audit, audit
from .finding import Class, Finding
from .pack import Pack, PartialOpening

__all__ = ["Audit", "Class", "Finding", "Pack", "PartialOpening", "audit"]
