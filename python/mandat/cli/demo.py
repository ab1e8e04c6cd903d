"""`mandat demo`: everything once, on a bundled capture, against its truth."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mandat.cli import demo_lab as lab
from mandat.cli.screen import Screen

if TYPE_CHECKING:
    from mandat.mediation.product import Reader
    from mandat.mediation.recording import Recording
    from mandat.mediation.run import RunReport
    from mandat.site import Site


@click.command()
@click.option(
    "--capture", type=click.Path(path_type=Path), help="The capture.  [default: captures/demo.pcap]"
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    help="Where to make the site.  [default: a temporary one]",
)
def demo(capture: Path | None, directory: Path | None) -> int:
    """Make a lab site, run the bundled capture under four warrants, and show what comes of it.

    Exits 1 when anything differs from what the capture's truth says.
    """
    return Demo(Screen(), lab.find_capture(capture), directory).play()


class Demo:
    """The demo, scene by scene."""

    def __init__(self, screen: Screen, capture: Path, directory: Path | None) -> None:
        self.screen, self.capture = screen, capture
        self.root = (directory or Path(tempfile.mkdtemp(prefix="mandat-demo-"))) / "site"
        self.truth: dict[str, Any] = json.loads(capture.with_suffix(".truth.json").read_bytes())
        self.failed: list[str] = []

    def play(self) -> int:
        """All scenes; the exit code."""
        from mandat.mediation.product import Reader
        from mandat.site import Site

        site = Site.init(self.root, lab=True, actor="demo desk")
        self.screen.banner(site)
        self._authority(site)
        self._run(site)
        reader = Reader(site)
        self._recordings(site, reader)
        self._texts_and_flows(site, reader)
        self._disclosure(site)
        self._log(site)
        self.screen.say()
        if self.failed:
            self.screen.say("NOT as the capture's truth says: " + "; ".join(self.failed))
            return 1
        self.screen.say(
            f"all as {self.capture.with_suffix('.truth.json').name} says; the site stays in {self.root}"
        )
        return 0

    # ------------------------------------------------------------ scenes

    def _authority(self, site: "Site") -> None:
        from mandat.site import Summary

        self._scene("1  Authority: five warrants, each signed by two approvers and written to the log")
        recipient = (site.root / "lab" / "agency.pub").read_text().strip()
        documents = lab.warrant_documents(self.truth, recipient)
        summaries: list[Summary] = []
        for liid, document in documents.items():
            site.add_warrant(document, now_ns=lab.NOW_NS)
            for key in lab.APPROVERS:
                summary = site.approve(liid, site.root / "lab" / key, now_ns=lab.NOW_NS)
            summaries.append(summary)
        self.screen.table(
            ["LIID", "KIND", "PRODUCT", "STATE", "APPROVED BY", ">LOG ENTRY"],
            [(s.liid, s.kind, s.product, s.state, ", ".join(s.approvers), s.activated) for s in summaries],
        )
        self.screen.say("without authority nothing starts; what the core itself answers to")
        for what, answer in lab.refusals(site, documents, lab.intercept_liid(self.truth)):
            self.screen.say(f"  {what:41} {answer.code}: {answer.message}")
            self._expect(answer.code != "admitted", what)

    def _run(self, site: "Site") -> None:
        import time

        from mandat.cli.run import show
        from mandat.mediation.run import Runner

        self._scene(f"2  Run: {self.truth['packets']:,} packets of a small network, {self.capture.name}")
        begun = time.monotonic()
        report = Runner(site, [str(self.capture)], lab.NOW_NS).go(lambda _: None, lambda: False)
        report.seconds = time.monotonic() - begun
        show(self.screen, report)
        self._compare(report)

    def _compare(self, report: "RunReport") -> None:
        sessions = [*self.truth["calls"], *self.truth["texts"], *self.truth["flows"]]
        for task in report.tasks:
            expected = sum(task.liid in session["warrants"] for session in sessions)
            found = task.call_records if task.kind == "retention" else task.sessions
            self._expect(found == expected, f"{task.liid}: {found} sessions, expected {expected}")
        self._expect(report.packets == self.truth["packets"], "packets")
        self._expect(not report.faults and not report.refused, "a clean run")

    def _recordings(self, site: "Site", reader: "Reader") -> None:
        from mandat.cli.recordings import table
        from mandat.mediation.keys import read_identities

        self._scene("3  Recordings, encrypted to the agency as they were written, and how complete each is")
        found = reader.recordings()
        table(self.screen, found)
        best = max(found, key=lambda recording: recording.written(), default=None)
        if best is None:
            self._expect(False, "recordings")
            return
        keys = read_identities(site.root / "lab" / "agency.key")
        opened = reader.open(best.liid, best.cin, keys, self.root.parent / "opened")
        self.screen.say(f"one of them, opened with the agency's key ({_gaps(best)}):")
        self.screen.say(f"  {opened.evidence}  for Wireshark")
        self.screen.say(f"  {opened.sound}  {opened.seconds:.1f} s, caller left, callee right")
        self._expect(opened.sound is not None and not opened.damaged, "a recording that plays")

    def _texts_and_flows(self, site: "Site", reader: "Reader") -> None:
        from mandat.mediation.index import Service
        from mandat.mediation.keys import read_identities

        keys = read_identities(site.root / "lab" / "agency.key")
        asked = self.truth["warrants"].items()
        keyword = next(
            liid for liid, terms in asked if any(c["type"] == "keyword" for c in terms["criteria"])
        )
        domain = next(liid for liid, terms in asked if any(c["type"] == "domain" for c in terms["criteria"]))
        self._scene("4  Texts by keyword and flows by domain: facts only, no content")
        rows = reader.rows(Service.MESSAGE, keyword, keys)
        self.screen.table(
            ["TEXT AT", "VIA", "FROM", "TO", ">PARTS", "MET BY THE TEXT"],
            [
                (
                    f"{row['ts']:%H:%M:%S}",
                    row["via"],
                    _party(row, "from", "originator"),
                    _party(row, "to", "recipient"),
                    row["parts"],
                    row["form"],
                )
                for row in rows
            ],
        )
        flows = [row for row in reader.rows(Service.FLOW, domain, keys) if row["name"]]
        seen = {row["cin"]: row for row in flows}.values()
        self.screen.say()
        self.screen.table(
            ["FLOW AT", "VIA", "NAME", "FROM", "TO"],
            [(f"{row['ts']:%H:%M:%S}", row["via"], row["name"], row["src"], row["dst"]) for row in seen],
        )

    def _disclosure(self, site: "Site") -> None:
        from mandat.cli.disclose import show
        from mandat.records.disclose import disclose

        self._scene("5  Disclosure: the sealed call records of one number, opened under a warrant of its own")
        found = disclose(site, lab.DISCLOSURE, lab.NOW_NS)
        show(self.screen, found)
        expected = sum(lab.intercept_liid(self.truth) in call["warrants"] for call in self.truth["calls"])
        self._expect(0 < len(found.records) <= expected, f"{len(found.records)} records disclosed")

    def _log(self, site: "Site") -> None:
        from mandat.cli.log import show

        self._scene("6  The log: every act above, for an overseer to check")
        show(self.screen, site.verify_log())

    # ------------------------------------------------------------ small things

    def _scene(self, title: str) -> None:
        self.screen.say()
        self.screen.say(self.screen.strong(title))

    def _expect(self, held: bool, what: str) -> None:
        if not held:
            self.failed.append(what)


def _gaps(recording: "Recording") -> str:
    lost = recording.lost()
    return f"{lost} packets lost on the wire, marked in it" if lost else "no packet missing"


def _party(row: dict[str, Any], *roles: str) -> str | None:
    """The first identity that stands in one of `roles`; of a URI, the user part: a demo's line is short."""
    uris = [party["uri"] for role in roles for party in row["parties"] if party["role"] == role]
    return (uris[0].partition(":")[2].partition("@")[0] or uris[0]) if uris else None
