"""The core, as Python sees it. This list is the whole boundary: no packet that no task selected comes through it."""

from typing import Literal

Kind = Literal["source", "refusal", "config", "store", "usage"]

class CoreError(Exception):
    """What the core refuses or can't do. `mandat.core.translated` turns it into one of `mandat.errors`."""

    args: tuple[Kind, str, str, str, str]
    """(kind, code, message, where, advice)"""

class Run:
    """One run of the point over sources, in capture time, from first packet to last."""

    def __init__(
        self,
        config: bytes,
        sources: list[str],
        product_dir: str,
        run_id: str,
        controllers: list[str] = ...,
    ) -> None:
        """Opens the sources. `config` is the point configuration (JSON); `controllers` are the addresses that may
        send to a recording server (`siprec:ADDRESS:PORT`)."""

    def admit(self, bundle: bytes, now_ns: int, first_cin: int, first_sequence: int, already: int) -> str:
        """Checks an admission bundle and begins its task; returns the LIID.

        `first_cin` and `first_sequence` go on from the last run. `already` counts towards a ceiling: sessions that
        earlier runs released.
        """

    def learn_keys(self, log: str) -> int:
        """Takes TLS secrets that the operator's own servers logged (SSLKEYLOGFILE); returns how many lines gave one."""

    def withdraw(self, liid: str) -> bool:
        """Ends a task whose warrant was revoked during the run; False when there is no such task."""

    def step(self, packets: int) -> bool:
        """Handles at most `packets` packets without the interpreter's lock; False when all sources are at their end."""

    def progress(self) -> dict[str, int | None]:
        """`octets_read`, `octets_total` (None for a stream), `packets`, `capture_ns`."""

    def counters(self) -> dict[str, int]:
        """Every counter that isn't zero, in the order of the pipeline."""

    def tasks(self) -> list[dict[str, int | str | bool]]:
        """A task each: `liid sessions iri cc call_records suspended next_cin next_sequence`."""

    def periods_wanted(self) -> list[tuple[str, str]]:
        """Retention orders (LIID) and months (`2026-06`) of which call records wait for a key."""

    def put_period_key(self, liid: str, period: str, key: bytes) -> None:
        """Gives the 32-octet key of a month under a retention order."""

    def take_records(self, everything: bool) -> list[tuple[str, str, bytes]]:
        """Sealed records, as (LIID, period, Arrow IPC stream); full batches only unless `everything`."""

    def finish(self) -> None:
        """Closes sessions and product files."""

    def warnings(self) -> list[str]:
        """What a person should know of the sources and sinks: a truncated tail, blocks that were skipped, …"""

    def suspended(self) -> list[str]:
        """LIIDs of tasks that passed their ceiling in this run."""

    def written(self, liid: str) -> tuple[int, int, int] | None:
        """What the recorder wrote for a task: recordings, segments, octets."""

def check_admission(config: bytes, bundle: bytes, now_ns: int) -> None:
    """Runs every check of `Run.admit` and begins nothing; raises `CoreError`."""

def normalise(config: bytes, uri: str) -> str | None:
    """E.164 without `+`, or the normalised URI; None when it is neither."""

def identity_token(period_key: bytes, identity: str) -> bytes:
    """The 16 octets that stand for a normalised identity under a period's key."""

def unseal(
    period_key: bytes, segment: bytes, index: int, caller_token: bytes, callee_token: bytes, sealed: bytes
) -> bytes | None:
    """The body of one call record, as MessagePack; None when a part is not what was sealed."""

def roles() -> list[str]:
    """Names of the roles, by their numbers in the body of a call record."""
