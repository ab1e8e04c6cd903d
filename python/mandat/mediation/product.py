"""Reading product. Each read is an entry in the log before anything of it is decrypted."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mandat.errors import StoreError, UsageError
from mandat.mediation.index import Service, Session, liids, read_index, sessions
from mandat.mediation.keys import decrypt
from mandat.mediation.mail import Mail, find_mail, open_mail
from mandat.mediation.recording import (
    Opened,
    Recording,
    copy_recording,
    open_recording,
    read_recording,
    recordings,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from pyrage.x25519 import Identity

    from mandat.site import Site


class Reader:
    """The product of one site, as the person reads it whom the site knows as its actor."""

    def __init__(self, site: "Site") -> None:
        self._site = site
        self._product = site.root / "product"

    # ------------------------------------------------------------ without a key

    def sessions(self, service: Service, liid: str | None = None) -> list[Session]:
        """Calls, messages, flows or mails, without identities."""
        found = []
        for label in self._labels(liid):
            of_label = sessions(self._product, label, service)
            if of_label:
                self._record("search", label, len(of_label), f"list.{service.value}")
            found += of_label
        return found

    def recordings(self, liid: str | None = None) -> list[Recording]:
        """Recordings and how complete they are, without identities."""
        found = []
        for label in self._labels(liid):
            of_label = recordings(self._product, label)
            if of_label:
                self._record("search", label, len(of_label), "list.recording")
            found += of_label
        return found

    def recording(self, liid: str, cin: int) -> Recording:
        """What one recording says of itself."""
        self._labels(liid)
        found = read_recording(self._product, liid, cin)
        self._record("search", liid, 1, "show.recording")
        return found

    def copy(self, liid: str, cin: int, output: Path) -> int:
        """Copies a recording, still encrypted, with its description; returns how many files."""
        self._labels(liid)
        found = read_recording(self._product, liid, cin)
        self._record("export", liid, len(found.segments), "export.recording")
        return copy_recording(self._product, found, output)

    # ------------------------------------------------------------ with a key

    def rows(
        self,
        service: Service,
        liid: str,
        identities: "Sequence[Identity]",
        *,
        cin: int | None = None,
        purpose: str = "access",
    ) -> list[dict[str, Any]]:
        """The IRI records of one label, or of one session, opened; texts are joined to their messages."""
        self._labels(liid)
        count = self._count(service, liid, cin)
        if cin is not None and not count:
            raise UsageError("no_session", f"there is no {service.value} {cin} under {liid}")
        self._record(purpose, liid, count, f"{purpose}.{service.value}")
        texts = self._texts(liid, identities) if service is Service.MESSAGE else {}
        found = []
        for table in self._tables(self._files(service, liid, cin), identities):
            for row in table.to_pylist():
                if row["service"] == service.value and cin in {None, row["cin"]}:
                    # A receipt has the CIN of its message and tells nothing of what stood in it.
                    if row["event"] == "message" and row["cin"] in texts:
                        row["text"] = texts[row["cin"]]
                    found.append(row)
        return found

    def table(self, service: Service, liid: str, identities: "Sequence[Identity]") -> "pa.Table":
        """The IRI records of one label as Arrow, for export."""
        import pyarrow as pa
        import pyarrow.compute as pc

        self._labels(liid)
        self._record("export", liid, self._count(service, liid, None), f"export.{service.value}")
        tables = [
            table.filter(pc.equal(table["service"], service.value))
            for table in self._tables(self._files(service, liid, None), identities)
        ]
        return pa.concat_tables(tables) if tables else pa.table({})

    def open(self, liid: str, cin: int, identities: "Sequence[Identity]", output: Path) -> Opened:
        """Opens a recording into `output`."""
        self._labels(liid)
        recording = read_recording(self._product, liid, cin)
        self._record("access", liid, len(recording.segments), "open.recording")
        return open_recording(self._product, recording, identities, output)

    def open_mail(self, liid: str, cin: int, identities: "Sequence[Identity]") -> tuple[Mail, bytes]:
        """One message, opened, and what is known of it without a key."""
        self._labels(liid)
        mail, path = find_mail(self._product, liid, cin)
        self._record("access", liid, 1, "open.mail")
        return mail, open_mail(mail, path, identities)

    # ------------------------------------------------------------ inside

    def _labels(self, liid: str | None) -> list[str]:
        known = liids(self._product)
        if liid is None:
            return known
        if liid not in known:
            raise UsageError(
                "no_product",
                f"there is no product under {liid}",
                advice="mandat warrant list shows the labels",
            )
        return [liid]

    def _count(self, service: Service, liid: str, cin: int | None) -> int:
        """How many records are asked for, by the index: the entry must be made before any of them is decrypted."""
        entries = read_index(self._product / liid / "iri")
        return sum(e.row.service is service and cin in {None, e.row.cin} for e in entries)

    def _files(self, service: Service, liid: str, cin: int | None) -> list[Path]:
        """The encrypted files that hold what is wanted, and no other: what isn't wanted is not decrypted."""
        entries = read_index(self._product / liid / "iri")
        return sorted({e.path for e in entries if e.row.service is service and cin in {None, e.row.cin}})

    def _texts(self, liid: str, identities: "Sequence[Identity]") -> dict[int, str]:
        files = sorted((self._product / liid / "texts").glob("*.arrow.age"))
        return {
            row["cin"]: row["text"] for table in self._tables(files, identities) for row in table.to_pylist()
        }

    def _tables(self, files: list[Path], identities: "Sequence[Identity]") -> "Iterator[pa.Table]":
        for path in files:
            yield _table(path, decrypt(path, identities))

    def _record(self, kind: str, liid: str, count: int, what: str) -> None:
        self._site.record(kind, liid=liid, count=count, what=what)


def _table(path: Path, octets: bytes) -> "pa.Table":
    import pyarrow as pa

    try:
        table = pa.ipc.open_stream(pa.py_buffer(octets)).read_all()
    except (OSError, pa.ArrowException):
        raise StoreError(
            "product_damaged", "this product file opens, but isn't what was written", where=str(path)
        ) from None
    # Python's own moments have microseconds; nanoseconds would need another library.
    fields = [
        field.with_type(pa.timestamp("us", "UTC")) if pa.types.is_timestamp(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields), safe=False)
