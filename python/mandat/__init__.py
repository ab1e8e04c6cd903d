"""Mandat: interception, call records and recording, bound to a written authority, provable to an overseer."""


def __getattr__(name: str) -> str:
    """Looks the version up when it is asked for: the metadata reader takes longer to load than most commands run."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        return version("mandat")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0+source"
