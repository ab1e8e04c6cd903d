"""Mandat: interception, call records and recording, bound to a written authority, provable to an overseer."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("mandat")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+source"
