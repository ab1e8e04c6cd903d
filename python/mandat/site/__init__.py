"""A site: one operator's authorities, keys, log and stores in one directory."""

from mandat.site.desk import REVOCATIONS, Summary
from mandat.site.site import Admission, Site

__all__ = ["REVOCATIONS", "Admission", "Site", "Summary"]
