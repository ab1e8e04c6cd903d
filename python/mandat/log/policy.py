"""Trust policies (C2SP tlog-policy): which logs, which witnesses, and how many of them must have cosigned.

log <vkey> [<url>]
witness <name> <vkey> [<url>]
group <name> <k>|any|all <name>…
quorum <name>|none
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .checkpoint import Checkpoint
from .cosign import Algorithm, Cosigner, timestamp
from .fault import Fault, LogFault
from .note import ED25519, NoteKey, Verifier, decode64, open_signatures

# Twice what the specification asks an implementation for; an ML-DSA-44 key takes 1.8 kB of them.
MAX_LOGS = MAX_WITNESSES = MAX_GROUPS = 64
MAX_POLICY = 1 << 18

# "The only allowed control characters are tab and newline."
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_NONE = "none"
# "1 <= k <= n", and n is bounded by the limits above.
_THRESHOLD = re.compile(r"[1-9][0-9]{0,2}")
_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness of the policy: the name stands for it in this file only."""

    name: str
    key: Cosigner
    url: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """At least `threshold` of the members, each a witness or a group."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy says of a checkpoint that one of its logs signed."""

    checkpoint: Checkpoint
    cosigned: Mapping[str, int]
    """When each witness cosigned it, by the witness's own clock, in seconds since 1970."""
    reached: bool
    """Whether the quorum is."""


@dataclass(slots=True)
class Policy:
    """A policy file, read."""

    logs: list[NoteKey] = field(default_factory=list)
    witnesses: dict[str, Witness] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str = ""

    @classmethod
    def parse(cls, data: bytes, where: str = "policy") -> "Policy":
        """Read a policy; what is wrong is refused with its line."""
        if len(data) > MAX_POLICY:
            raise LogFault(Fault.MALFORMED, f"the policy has more than {MAX_POLICY} octets", where=where)
        if data and not data.endswith(b"\n"):
            raise LogFault(Fault.MALFORMED, "the policy's last line doesn't end with a newline", where=where)
        policy = cls()
        members: set[str] = set()
        for number, line in enumerate(data.split(b"\n"), 1):
            try:
                policy._read(line, members)
            except LogFault as fault:
                place = f"{where}, line {number}"
                raise LogFault(fault.code, fault.message, where=place, advice=fault.advice) from None
        if not policy.quorum:
            raise LogFault(Fault.MALFORMED, "the policy has no quorum line", where=where)
        return policy

    def check(self, note: bytes, log: NoteKey | None = None) -> Verdict:
        """Verify a checkpoint: it must be signed by a log of the policy (or by `log`)."""
        logs = [log] if log is not None else self.logs
        if not logs:
            raise LogFault(Fault.UNSIGNED, "the policy names no log", advice="Add a line: log <vkey>.")
        keys = {(key.name, key.key_id): key for key in logs}
        witnesses = {(w.key.name, w.key.key_id): w for w in self.witnesses.values()}
        text, found = open_signatures(note, [*keys.values(), *(w.key for w in witnesses.values())])
        checkpoint = Checkpoint.parse(text)
        by_log, cosigned = False, {}
        for key, signature in found:
            # "This name MUST correspond to the log's origin line."
            by_log |= (key.name, key.key_id) in keys and key.name == checkpoint.origin
            if witness := witnesses.get((key.name, key.key_id)):
                cosigned[witness.name] = timestamp(signature)
        if not by_log:
            raise LogFault(Fault.UNSIGNED, "no log of the policy has signed this checkpoint")
        return Verdict(checkpoint, cosigned, self.reached(cosigned))

    def satisfied(self, note: bytes) -> Verdict:
        """As `check`, but a checkpoint that misses the quorum is refused."""
        verdict = self.check(note)
        if not verdict.reached:
            raise LogFault(
                Fault.UNSIGNED,
                f"{len(verdict.cosigned)} of {len(self.witnesses)} witnesses have cosigned: that is no quorum",
                advice="Ask for a proof under a checkpoint that enough witnesses cosigned.",
            )
        return verdict

    def reached(self, cosigned: Mapping[str, int]) -> bool:
        """Whether these witnesses are a quorum. A group only names earlier ones, so one pass decides."""
        seen = {name: name in cosigned for name in self.witnesses}
        for name, group in self.groups.items():
            seen[name] = sum(seen[member] for member in group.members) >= group.threshold
        return self.quorum == _NONE or seen[self.quorum]

    def _read(self, line: bytes, members: set[str]) -> None:
        if _FORBIDDEN.search(line):
            raise _wrong("a control character")
        # Names are opaque octets: those that are no UTF-8 pass through unchanged.
        words = [word.decode("utf-8", "surrogateescape") for word in re.split(rb"[ \t]+", line.strip(b" \t"))]
        if not words[0] or words[0].startswith("#"):
            return
        match words:
            case ["log", vkey, *url] if len(url) < 2:
                self._add_log(vkey, url)
            case ["witness", name, vkey, *url] if len(url) < 2:
                self._add_witness(name, vkey, url)
            case ["group", name, threshold, *names] if names:
                self._add_group(name, threshold, names, members)
            case ["quorum", name]:
                if self.quorum:
                    raise _wrong("a second quorum")
                if name != _NONE:
                    self._known(name)
                self.quorum = name
            case _:
                raise _wrong("neither log, witness, group nor quorum, or has the wrong number of words")

    def _add_log(self, vkey: str, url: list[str]) -> None:
        key = log_key(vkey)
        _checked(url)
        if any(_public(key) == _public(other) for other in self.logs):
            raise _wrong("a log that is there already")
        if len(self.logs) == MAX_LOGS:
            raise _wrong(f"more than {MAX_LOGS} logs")
        self.logs.append(key)

    def _add_witness(self, name: str, vkey: str, url: list[str]) -> None:
        self._free(name)
        key = Cosigner.parse(vkey)
        if any(key.public == other.key.public for other in self.witnesses.values()):
            raise _wrong("a witness whose key is there already")
        if len(self.witnesses) == MAX_WITNESSES:
            raise _wrong(f"more than {MAX_WITNESSES} witnesses")
        self.witnesses[name] = Witness(name, key, _checked(url))

    def _add_group(self, name: str, threshold: str, names: list[str], members: set[str]) -> None:
        self._free(name)
        for member in names:
            self._known(member)
            # "Each defined name can be listed as a group member at most once."
            if member in members:
                raise _wrong("a member that is in a group already")
            members.add(member)
        count = {"any": 1, "all": len(names)}.get(threshold)
        if count is None:
            count = int(threshold) if _THRESHOLD.fullmatch(threshold) else 0
        if not 1 <= count <= len(names):
            raise _wrong("a threshold that isn't any, all or a number from 1 to that of the members")
        if len(self.groups) == MAX_GROUPS:
            raise _wrong(f"more than {MAX_GROUPS} groups")
        self.groups[name] = Group(count, tuple(names))

    def _free(self, name: str) -> None:
        if name == _NONE or name in self.witnesses or name in self.groups:
            raise _wrong("a name that is taken")

    def _known(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise _wrong("a name that no line before defines")


def log_key(vkey: str) -> NoteKey:
    """A log's key: Ed25519 (0x01) or ML-DSA-44 (0x06)."""
    material = decode64(vkey.split("+", 2)[-1]) or b""
    if material[:1] == ED25519:
        return Verifier.parse(vkey)
    key = Cosigner.parse(vkey)
    if key.algorithm is not Algorithm.ML_DSA_44:
        raise _wrong("a witness's key where a log's belongs")
    return key


def shown(name: str) -> str:
    """A name of a policy as text that can be printed, whatever octets it has."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _public(key: NoteKey) -> bytes:
    return bytes(getattr(key, "public", b""))


def _checked(url: list[str]) -> str:
    if url and not _URL.fullmatch(url[0]):
        raise _wrong("an address that isn't http:// or https:// with a host")
    return url[0].rstrip("/") if url else ""


def _wrong(what: str) -> LogFault:
    return LogFault(Fault.MALFORMED, f"the line has or is {what}", advice="See c2sp.org/tlog-policy.")
