"""A site: one operator's authorities, keys, log and stores in one directory."""

from mandat.site.desk import REVOCATIONS, Summary
from mandat.site.site import Admission, Offer, Site

__all__ = ["REVOCATIONS", "Admission", "Offer", "Site", "Summary"]
