"""The commands: what there is and where it lives."""

import click

from mandat.cli.lazy import Entry, LazyGroup

ENTRIES = {
    "site": Entry("mandat.cli.site:site", "Make a site: keys, policy, log and stores of one operator."),
    "warrant": Entry(
        "mandat.cli.warrant:warrant", "Write, check, approve, add, list, show and revoke warrants."
    ),
    "run": Entry("mandat.cli.run:run", "Watch captures and keep what the warrants in force select."),
    "calls": Entry("mandat.cli.calls:calls", "List, show and export selected calls."),
    "messages": Entry("mandat.cli.messages:messages", "List, show and export selected text messages."),
    "flows": Entry("mandat.cli.flows:flows", "List, show and export selected internet flows."),
    "access": Entry(
        "mandat.cli.access:access", "List, show and export times at which targets held addresses."
    ),
    "mails": Entry("mandat.cli.mails:mails", "List, show, open and export selected mails."),
    "recordings": Entry("mandat.cli.recordings:recordings", "List, show and export recordings of calls."),
    "recording": Entry("mandat.cli.recordings:recording", "Open one recording with the agency's key."),
    "disclose": Entry(
        "mandat.cli.disclose:disclose", "Open the call records that a disclosure warrant names."
    ),
    "retention": Entry(
        "mandat.cli.retention:retention", "How far back call records are held, and under which keys."
    ),
    "log": Entry("mandat.cli.log:log", "Verify, show, cosign and prove the append-only log of every act."),
    "audit": Entry("mandat.cli.overseer:audit", "Check a copy of a log, as an overseer does."),
    "overseer": Entry("mandat.cli.overseer:overseer", "Keys and packs for an overseer."),
    "witness": Entry("mandat.cli.witness:witness", "Run a witness that cosigns other people's logs."),
    "doctor": Entry("mandat.cli.doctor:doctor", "Check the site and this machine."),
    "demo": Entry("mandat.cli.demo:demo", "Show all of the above on a bundled capture."),
    "completion": Entry(
        "mandat.cli.completion:completion", "Print the completion script for bash, zsh or fish."
    ),
}

EXAMPLES = """\b
A first round, on a site for trying things out:
  mandat site init --lab lab
  mandat warrant new intercept --liid LI-1 --target @- --recipient $(cat lab/lab/agency.pub) \\
      --start 2026-06-01T00:00:00Z --days 300 -o w.json
  (complete w.json: who issued it, who asked for it, under which law)
  mandat warrant add w.json --site lab
  mandat warrant approve LI-1 --key lab/lab/approver-1.key --site lab
  mandat warrant approve LI-1 --key lab/lab/approver-2.key --site lab
  mandat run captures/demo.pcap --site lab
  mandat calls list --site lab

\b
Exit codes: 0 done, 2 called wrongly, 3 a source is damaged, 4 no authority,
5 the warrant is wrong, 6 the log is wrong, 7 the site is wrong, 8 a store is wrong.
"""


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from mandat import __version__

        click.echo(f"mandat {__version__}")
        context.exit()


@click.group(
    cls=LazyGroup, entries=ENTRIES, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version.",
)
def app() -> None:
    """Interception, call records and recording under written authority, provable to an overseer.

    Nothing is selected without a warrant that is approved, in force and in the log. Everything else that passes is
    dropped in the core, and only counters of it remain.
    """
