"""`mandat calls`."""

from mandat.cli.sessions import session_group

calls = session_group(
    "call",
    "calls",
    """\b
Examples:
  mandat calls list
  mandat calls show LI-0001 3 --identity agency.key
  mandat calls export LI-0001 --identity agency.key -o calls.jsonl
""",
)
