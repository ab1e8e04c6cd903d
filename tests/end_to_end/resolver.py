"""A resolver (Unbound) that knows the names under `example.` and no others."""

from pathlib import Path

CONFIGURATION = """
server:
  interface: {interface}
{more}  access-control: 127.0.0.0/8 allow
  chroot: ""
  username: ""
  directory: "{place}"
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  local-zone: "example." redirect
  local-data: "example. 60 IN A 127.0.0.1"
remote-control:
  control-enable: no
"""


def configure(place: Path, interface: str, *more: str) -> Path:
    """Its configuration in a file of `place`; `more` are further lines of its `server:` clause."""
    path = place / "unbound.conf"
    lines = "".join(f"  {line}\n" for line in more)
    path.write_text(CONFIGURATION.format(place=place, interface=interface, more=lines))
    return path
