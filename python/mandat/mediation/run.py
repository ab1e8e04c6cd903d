"""One run: the site's authorities and the named sources meet in the core; product and sealed records go to the stores.

The order is fixed. (1) Windows that are over are logged as ended. (2) Every warrant in force is offered to the core,
which checks it itself; a refusal is told and the others go on. (3) Traffic is stepped through, records are stored as
they come. (4) Sessions are closed. (5) What each warrant got is written to the log, and only then told.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mandat.core import translated
from mandat.errors import MandatError, Refusal, SourceError
from mandat.mediation.numbers import Numbers, close_numbers, next_numbers, open_numbers
from mandat.warrant import instant

if TYPE_CHECKING:
    from mandat.site import Site
    from mandat.store import EmbeddedStore

STEP_PACKETS = 65_536
"""Packets between two looks at the progress, at signals and for full batches of call records: about 20 ms at full
speed. The core holds 262,144 records at most, so that even a flood of INVITEs fits between two looks."""


FIRST_STEP = 1_024
"""Packets of the first step. A step that was quick is doubled, a slow one halved: on a trickle from a pipe a signal or
a revocation is heeded within a second or so, not after 65,536 packets."""

QUICK, SLOW = 0.02, 0.2
"""Seconds of a step, see `FIRST_STEP`."""

HEED_SECONDS = 1.0
"""A warrant that is revoked during a run releases nothing after this and one step."""

MAX_KEYLOG = 128 << 20
"""Octets of one TLS key log: some 700,000 lines, more than the core keeps."""

HARMLESS = ("a block of unknown type", "a packet without time")
"""What `mandat_source::Reason` says of things that lose nothing. Any other warning means a damaged source."""


@dataclass(slots=True)
class TaskResult:
    """What one warrant got in this run."""

    liid: str
    kind: str
    sessions: int = 0
    iri: int = 0
    cc: int = 0
    call_records: int = 0
    recordings: int = 0
    lost_records: int = 0
    """Call records that could not be stored; the log says so too."""
    suspended: bool = False
    withdrawn: bool = False
    """The warrant ended during the run: it was revoked, or another run suspended it."""
    begins_after: str = ""
    """When its window opens, if all traffic was earlier: then nothing could be selected, and that should be said."""
    first_sequence: int = 0
    next_sequence: int = 0


@dataclass(slots=True)
class Refused:
    """A warrant that the core did not admit, and why."""

    liid: str
    code: str
    message: str
    advice: str = ""


@dataclass(slots=True)
class RunReport:
    """What a run did. Nothing in it identifies anyone."""

    run: str
    tasks: list[TaskResult] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    """Warrants whose window was over when the run began."""
    counters: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    """The counters of what was dropped, and why."""
    names: dict[str, int] = field(default_factory=dict)
    """Flows by whether the name of their site could be seen: `visible`, `outer`, `not_visible.REASON`."""
    warnings: list[str] = field(default_factory=list)
    damaged_sources: int = 0
    faults: list[dict[str, Any]] = field(default_factory=list)
    """What went wrong without ending the run: a full disk, a source that broke off."""
    packets: int = 0
    octets: int = 0
    seconds: float = 0.0
    stopped: bool = False
    """A signal ended the run before the sources did."""


Progress = dict[str, int | None]


def read_keylog(path: str) -> str:
    """The text of a TLS key log; one that can't be read is refused: nobody should wait for what it would show."""
    try:
        size = Path(path).stat().st_size
        if size > MAX_KEYLOG:
            raise SourceError(
                "keylog_too_large",
                f"the key log has {size:,} octets; {MAX_KEYLOG:,} are read at most",
                where=path,
                advice="Keep the lines of the time that the capture covers.",
            )
        with Path(path).open(encoding="ascii", errors="replace") as file:
            return file.read(MAX_KEYLOG)
    except OSError as error:
        raise SourceError(
            "keylog_unreadable",
            f"the key log can't be read: {error.strerror}",
            where=path,
            advice="Give the file that the server writes, and let this user read it.",
        ) from None


class Runner:
    """Carries one run through its five steps."""

    def __init__(
        self,
        site: "Site",
        sources: list[str],
        now_ns: int,
        keylogs: Sequence[str] = (),
        controllers: Sequence[str] = (),
    ) -> None:
        self.site = site
        self._keylogs = [read_keylog(path) for path in keylogs]
        self._controllers = list(controllers)
        self.now_ns = now_ns
        self.report = RunReport(site.new_run_id())
        self._held = ExitStack()
        self._held.enter_context(site.at_point())
        try:
            self._begin(sources, now_ns)
        except BaseException:
            self._held.close()
            raise

    def _begin(self, sources: list[str], now_ns: int) -> None:
        site = self.site
        self._product = site.root / "product"
        self._packets = FIRST_STEP
        self._heeded = 0.0
        self._withdrawn: set[str] = set()
        self._numbers: dict[str, Numbers] = {}
        self._kinds: dict[str, str] = {}
        self._starts: dict[str, str] = {}
        self._stored: dict[str, int] = {}
        self._store: EmbeddedStore | None = None
        self.report.ended = site.expire(now_ns)  # (1)
        offer = site.offer(now_ns)
        admissions, withheld = offer.admissions, offer.withheld
        self.report.refused = [_refused(refusal.where, refusal) for refusal in withheld]
        if not admissions and withheld:
            raise withheld[0]
        if not admissions:
            raise Refusal(
                "nothing_in_force",
                "no warrant is in force at this site, so there is nothing to watch for",
                where=str(site.root),
                advice="mandat warrant list shows what each one lacks",
            )
        with translated() as core:
            self._run: Any = core.Run(
                offer.config, sources, str(self._product), self.report.run, self._controllers
            )
        for keylog in self._keylogs:
            self._run.learn_keys(keylog)
        self._keylogs.clear()  # the core has the secrets; nobody else needs them
        for admission in admissions:  # (2)
            self._admit(admission)
        if not self._numbers:
            first = self.report.refused[0]
            raise Refusal(first.code, first.message, where=first.liid, advice=first.advice)
        site.pin_head(offer.checkpoint)  # the point has accepted it, with the first task that it took

    def _admit(self, admission: Any) -> None:
        liid, kind = admission.liid, admission.kind
        numbers = next_numbers(self._product, liid)
        try:
            with translated():
                self._run.admit(
                    admission.bundle, self.now_ns, numbers.next_cin, numbers.next_sequence, numbers.sessions
                )
        except Refusal as refusal:
            self.report.refused.append(_refused(liid, refusal))
            return
        # Only now: under a warrant that the core refuses, not even a number is written.
        self._numbers[liid] = open_numbers(self._product, liid, self.report.run)
        self._kinds[liid] = kind
        self._starts[liid] = self.site.show(liid).start

    @property
    def _retention(self) -> list[str]:
        return [liid for liid, kind in self._kinds.items() if kind == "retention"]

    # ------------------------------------------------------------ (3)

    def go(self, watch: Callable[[Progress], None], stop: Callable[[], bool]) -> RunReport:
        """Steps through the traffic until its end or until `stop`; then closes, logs and reports.

        A fault of a source or of a store is kept in the report; what was written before it is closed and logged.
        """
        with self._held:
            try:
                while self._step():
                    watch(self._run.progress())
                    if stop():
                        self.report.stopped = True
                        break
            except MandatError as fault:
                self._fault(fault)
            self._close()
            watch(self._run.progress())
        return self.report

    def _step(self) -> bool:
        begun = time.monotonic()
        if begun - self._heeded > HEED_SECONDS:
            self._heed()
            self._heeded = time.monotonic()
        with translated():
            more = bool(self._run.step(self._packets))
        took = time.monotonic() - begun
        if took < QUICK:
            self._packets = min(self._packets * 2, STEP_PACKETS)
        elif took > SLOW:
            self._packets = max(self._packets // 2, 1)
        if self._retention:
            self._keep_records(everything=False)
        return more

    def _heed(self) -> None:
        """Takes from the point what the desk has ended meanwhile. What can't be read is not in force either."""
        for liid in self._numbers:
            if liid not in self._withdrawn and not self.site.is_active(liid):
                self._run.withdraw(liid)
                self._withdrawn.add(liid)

    def _keep_records(self, *, everything: bool) -> None:
        for liid, period in self._run.periods_wanted():
            self._run.put_period_key(liid, period, self.site.period_key(liid, period))
        with translated():
            batches = self._run.take_records(everything)
        fault = None
        for liid, period, stream in batches:
            # The core has let go of all of them: one that can't be written must not take the others with it.
            try:
                rows = self._records().put(liid, period, stream).rows
                self._stored[liid] = self._stored.get(liid, 0) + rows
            except MandatError as error:
                fault = error
        if fault is not None:
            raise fault

    def _records(self) -> "EmbeddedStore":
        """The store is opened with its first batch: a run without retention never loads pyarrow."""
        if self._store is None:
            from mandat.store import EmbeddedStore

            self._store = EmbeddedStore(self.site.root / "records")
            for liid in self._retention:
                self._store.recover(liid)
        return self._store

    # ------------------------------------------------------------ (4), (5)

    def _close(self) -> None:
        try:
            with translated():
                self._run.finish()
        except MandatError as fault:
            self._fault(fault)
        if self._retention:
            try:
                self._keep_records(everything=True)
            except MandatError as fault:
                self._fault(fault)
        counters: dict[str, int] = self._run.counters()
        self.report.counters = counters
        self.report.dropped = {name: count for name, count in counters.items() if name.startswith("drop.")}
        self.report.names = {
            name.removeprefix("names."): count
            for name, count in counters.items()
            if name.startswith(("names.visible", "names.outer", "names.not_visible."))
        }
        self.report.warnings = list(self._run.warnings())
        self.report.damaged_sources = sum(not _harmless(warning) for warning in self.report.warnings)
        progress = self._run.progress()
        self.report.packets, self.report.octets = progress["packets"] or 0, progress["octets_read"] or 0
        for task in self._run.tasks():
            try:
                self._conclude(task)
            except MandatError as fault:  # the others still get their entries
                self._fault(fault)

    def _conclude(self, task: dict[str, Any]) -> None:
        liid = str(task["liid"])
        begun = self._numbers[liid]
        result = TaskResult(
            liid=liid,
            kind=self._kinds[liid],
            sessions=int(task["sessions"]),
            iri=int(task["iri"]),
            cc=int(task["cc"]),
            call_records=int(task["call_records"]),
            recordings=int((self._run.written(liid) or (0,))[0]),
            lost_records=int(task["call_records"]) - self._stored.get(liid, 0),
            suspended=bool(task["suspended"]),
            withdrawn=liid in self._withdrawn,
            first_sequence=begun.next_sequence,
            next_sequence=int(task["next_sequence"]),
        )
        if 0 < (self._run.progress()["capture_ns"] or 0) < _nanoseconds(self._starts[liid]):
            result.begins_after = self._starts[liid]
        close_numbers(
            self._product,
            liid,
            Numbers(int(task["next_cin"]), result.next_sequence, begun.sessions + result.sessions),
        )
        self.report.tasks.append(result)
        sequence = {}
        if result.lost_records:
            sequence = {"dropped": result.lost_records}
        if result.iri:
            sequence |= {"first_seq": result.first_sequence, "last_seq": result.next_sequence - 1}
        self.site.record(
            "match-summary",
            liid=liid,
            run=self.report.run,
            count=result.call_records - result.lost_records or result.iri,
            **sequence,
        )
        if liid in self._run.suspended():
            self.site.record("suspend", liid=liid, purpose="ceiling")

    def _fault(self, fault: MandatError) -> None:
        self.report.faults.append(
            {"code": fault.code, "message": fault.message, "where": fault.where, "advice": fault.advice}
            | {"exit_code": fault.exit_code}
        )


def _refused(liid: str, refusal: Refusal) -> Refused:
    return Refused(liid, refusal.code, refusal.message, refusal.advice)


def _nanoseconds(moment: str) -> int:
    return int(instant(moment).timestamp()) * 1_000_000_000


def _harmless(warning: str) -> bool:
    """Whether a source's warning costs no packet that a decoder could have read."""
    return any(sign in warning for sign in HARMLESS)


__all__ = ["Progress", "Refused", "RunReport", "Runner", "TaskResult"]
