"""A site: one operator's authorities, keys, log and stores in one directory."""

from mandat.site.site import REVOCATIONS, Admission, Site, Summary

__all__ = ["REVOCATIONS", "Admission", "Site", "Summary"]
