"""`mandat access`."""

from mandat.cli.sessions import session_group

access = session_group(
    "access",
    "access sessions",
    """\b
Examples:
  mandat access list
  mandat access show LI-0005 0 --identity agency.key
  mandat access export LI-0005 --identity agency.key | jq .address
""",
)
