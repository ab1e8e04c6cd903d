"""`mandat flows`."""

from mandat.cli.sessions import session_group

flows = session_group(
    "flow",
    "flows",
    """\b
Examples:
  mandat flows list
  mandat flows show LI-0004 2 --identity agency.key
  mandat flows export LI-0004 --identity agency.key | jq .name
""",
)
