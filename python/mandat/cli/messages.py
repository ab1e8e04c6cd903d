"""`mandat messages`."""

from mandat.cli.sessions import session_group

messages = session_group(
    "message",
    "messages",
    """\b
Examples:
  mandat messages list LI-0003
  mandat messages show LI-0003 1 --identity agency.key
  mandat messages export LI-0003 --identity agency.key --format arrow -o messages.arrow
""",
)
