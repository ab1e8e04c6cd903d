"""`mandat mails`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mandat.cli.screen import Screen, site_option
from mandat.cli.sessions import identity_option, session_group

if TYPE_CHECKING:
    from mandat.site import Site

mails = session_group(
    "mail",
    "mails",
    """\b
Examples:
  mandat mails list LI-0005
  mandat mails show LI-0005 2 --identity agency.key
  mandat mails open LI-0005 2 --identity agency.key -o opened
""",
)


@mails.command(name="open")
@click.argument("liid")
@click.argument("cin", type=click.IntRange(min=0))
@identity_option
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="A directory.")
@site_option
def open_(screen: Screen, site: "Site", liid: str, cin: int, identity: Path, output: Path) -> None:
    """Decrypt one message to an .eml file, octet for octet as its receiver got it."""
    from mandat.cli.exporting import private_file
    from mandat.errors import UsageError
    from mandat.mediation.keys import read_identities
    from mandat.mediation.mail import OpenedMail
    from mandat.mediation.product import Reader

    mail, octets = Reader(site).open_mail(liid, cin, read_identities(identity))
    try:
        output.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise UsageError("output", fault.strerror or "can't make this directory", where=str(output)) from None
    path = output / f"{liid}-{cin}.eml"
    with private_file(path) as file:
        file.write(octets)
    opened = OpenedMail(str(path), len(octets), mail.partial)
    note = "  (incomplete: octets are missing)" if mail.partial else ""
    screen.result(opened, text=lambda: screen.say(f"message  {path}{note}"))
