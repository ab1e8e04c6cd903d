"""Mandat: interception, call records and recording, bound to a written authority and provable to an overseer."""

from importlib.metadata import version

__version__ = version("mandat")
