"""Keys of a site: the log's, the approvers', and one for each month of retained call records."""

import re
import secrets
from pathlib import Path

import msgspec

from mandat.errors import SiteError, UsageError
from mandat.log import DummyKeys, LogFault, Signer, Verifier
from mandat.log.cosign import Algorithm, CosignatureSigner, HybridSigner
from mandat.site import files
from mandat.warrant import Approver
from mandat.warrant.approvals import trust

PERIOD_KEY_SIZE = 32
_PERIOD = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_LIID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,24}")


class Keys:
    """SITE/keys, mode 0700: whoever reads it can sign for the log and open retained records."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def make(self, origin: str, approvers: list[Approver]) -> None:
        """A new log key and the approvers' pins."""
        signer = Signer.generate(origin)
        files.write(self._directory / "log.key", signer.skey.encode() + b"\n")
        files.write(self._directory / "log.vkey", signer.verifier.vkey.encode() + b"\n")
        quantum = CosignatureSigner.generate(origin, Algorithm.ML_DSA_44)
        files.write(self._directory / "log.mldsa.key", quantum.skey.encode() + b"\n")
        files.write(self._directory / "log.mldsa.vkey", quantum.verifier.vkey.encode() + b"\n")
        self.pin(approvers)

    def log_signer(self) -> Signer:
        """The keys that sign the log: Ed25519, and ML-DSA-44 beside it.

        A site from before the second key goes on with the first alone. It isn't made in passing: a key that nobody
        announced to the overseer can't be told from an intruder's.
        """
        classic = read_signer(self._directory / "log.key")
        path = self._directory / "log.mldsa.key"
        if not self.hybrid:
            return classic
        try:
            text = files.read(path, "key_missing").decode().strip()
            return HybridSigner(classic, CosignatureSigner.parse(text))
        except (LogFault, UnicodeDecodeError):
            raise SiteError(
                "key_damaged", "the log's ML-DSA-44 key can't be read", where=str(path), advice="Restore it."
            ) from None

    @property
    def hybrid(self) -> bool:
        """Whether the log has an ML-DSA-44 key beside its Ed25519 key."""
        return any((self._directory / f"log.mldsa.{kind}").exists() for kind in ("key", "vkey"))

    def log_verifier(self) -> Verifier:
        """The public half, which everybody gets."""
        path = self._directory / "log.vkey"
        try:
            return Verifier.parse(files.read(path).decode().strip())
        except (LogFault, UnicodeDecodeError):
            raise SiteError("key_damaged", "the log's key can't be read", where=str(path)) from None

    def dummy_root(self, *, make: bool = False) -> bytes | None:
        """K_dummy_root: it tells the log's dummies from its events, so it lies apart and goes to the overseer."""
        path = self._directory / "dummy.key"
        if not path.exists():
            if not make:
                return None
            files.write(path, secrets.token_bytes(PERIOD_KEY_SIZE))
        root = files.read(path)
        if len(root) != PERIOD_KEY_SIZE:
            raise SiteError("key_damaged", "the key of dummies has the wrong length", where=str(path))
        return root

    def dummies(self, *, make: bool = False) -> DummyKeys | None:
        """The keys of dummies, if this site has a schedule or `make` says so."""
        root = self.dummy_root(make=make)
        return None if root is None else DummyKeys(root)

    def pin(self, approvers: list[Approver]) -> None:
        """Pin these approvers' keys and no others."""
        trust(approvers)
        data = msgspec.json.format(msgspec.json.encode(approvers), indent=2)
        files.write(self._directory / "approvers.json", data + b"\n")

    def approvers(self) -> list[Approver]:
        """The pinned approvers."""
        path = self._directory / "approvers.json"
        try:
            return msgspec.json.decode(files.read(path), type=list[Approver])
        except msgspec.DecodeError:
            raise SiteError("key_damaged", "the approvers' keys can't be read", where=str(path)) from None

    def period_key(self, liid: str, period: str, *, make: bool = True) -> bytes:
        """The key that seals a month of call records, made at first use. Destroying it erases the month."""
        if not _LIID.fullmatch(liid) or not _PERIOD.fullmatch(period):
            raise UsageError("period_wrong", "a retention period is a LIID and a month such as 2026-06")
        path = self._directory / "retention" / liid / f"{period}.key"
        if make and not path.exists():
            files.write(path, secrets.token_bytes(PERIOD_KEY_SIZE))
        key = files.read(path, "period_key_missing")
        if len(key) != PERIOD_KEY_SIZE:
            raise SiteError("key_damaged", "a retention key has the wrong length", where=str(path))
        return key

    def periods(self, liid: str) -> list[str]:
        """The months for which a key exists."""
        found = (self._directory / "retention" / liid).glob("*.key") if _LIID.fullmatch(liid) else ()
        return sorted(path.stem for path in found if _PERIOD.fullmatch(path.stem))


def read_signer(path: Path) -> Signer:
    """A signing key from its file."""
    try:
        return Signer.parse(files.read(path, "key_missing").decode().strip())
    except (LogFault, UnicodeDecodeError):
        raise SiteError(
            "key_damaged", "this is no signing key", where=str(path), advice="Name the approver's key file."
        ) from None
