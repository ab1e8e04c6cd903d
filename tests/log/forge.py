"""Random trees, proofs under cosigned checkpoints, and forgeries of each: what verifiers must agree about."""

import random
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field

from mandat.log import Checkpoint, Signer
from mandat.log.cosign import Algorithm, CosignatureSigner, HybridSigner
from mandat.log.merkle import consistency_proof, fold, inclusion_proof, leaf_hash, tree_root
from mandat.log.note import signature_line, split_note
from mandat.log.policy import Policy
from mandat.log.proof import Proof

ORIGIN = "example.org/log"
LEAVES = 1200
NOW = 1_760_000_000


def b64(items: list[bytes]) -> list[str]:
    return [b64encode(item).decode() for item in items]


@dataclass
class World:
    """A log of random entries, its witnesses, and a policy of two of three."""

    seed: int
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.entries = [self.rng.randbytes(self.rng.choice((0, 1, 73, 200))) for _ in range(LEAVES)]
        self.hashes = [leaf_hash(entry) for entry in self.entries]
        classic = Signer.generate(ORIGIN)
        quantum = CosignatureSigner.generate(ORIGIN, Algorithm.ML_DSA_44)
        self.signer, self.quantum = HybridSigner(classic, quantum), quantum
        self.stranger = HybridSigner(
            Signer.generate(ORIGIN), CosignatureSigner.generate(ORIGIN, Algorithm.ML_DSA_44)
        )
        self.witnesses = [
            CosignatureSigner.generate(f"w{n}.example", algorithm)
            for n, algorithm in enumerate(
                (Algorithm.ML_DSA_44, Algorithm.ED25519_COSIGNATURE, Algorithm.ED25519_COSIGNATURE)
            )
        ]
        lines = [f"log {classic.verifier.vkey}"]
        lines += [f"witness w{n} {w.verifier.vkey} http://w{n}.example" for n, w in enumerate(self.witnesses)]
        lines += ["group others any w1 w2", "group both all w0 others", "quorum both"]
        self.policy_text = "\n".join(lines) + "\n"
        self.policy = Policy.parse(self.policy_text.encode())

    def node(self, height: int, index: int) -> bytes:
        return fold(self.hashes[index << height : (index + 1) << height])

    def size(self) -> int:
        return self.rng.choice(
            (self.rng.randint(1, LEAVES), 1 << self.rng.randint(0, 10), 1, 2, 255, 256, 257)
        )

    def note(self, size: int, cosigners: tuple[int, ...] = ()) -> str:
        checkpoint = Checkpoint(ORIGIN, size, tree_root(size, self.node))
        signed = checkpoint.sign(self.signer).decode()
        return signed + "".join(
            self.witnesses[n].line(checkpoint.body(), NOW + self.rng.randint(0, 99)) for n in cosigners
        )

    def cases(self, count: int) -> Iterator[dict]:
        """Sound cases and forgeries, half and half; `policy` only where the second verifier judges it too."""
        made = 0
        while made < count:
            good = self._sound()
            yield good
            yield self._forged(good)
            made += 2

    def _sound(self) -> dict:
        size, kind = self.size(), self.rng.randrange(3)
        cosigners = self.rng.choice(((), (0,), (1, 2), (0, 1), (2, 0), (0, 1, 2)))
        case: dict = {"log": self.signer.verifier.vkey, "checkpoint": self.note(size, cosigners)}
        if kind == 0:
            old = self.rng.randint(1, size)
            proof = consistency_proof(old, size, self.node)
            return case | {"older": self.note(old), "consistency": b64(proof)}
        index = self.rng.randrange(size)
        proof = inclusion_proof(index, size, self.node)
        case |= {"index": index, "entry": b64encode(self.entries[index]).decode()}
        if kind == 1:
            return case | {"proof": b64(proof)}
        extra = self.rng.choice((b"", b"extra"))
        text = Proof(index, tuple(proof), case["checkpoint"].encode(), extra).encode().decode()
        return case | {"tlog_proof": text, "policy": self.policy_text, "checkpoint": ""}

    def _forged(self, case: dict) -> dict:
        forged = dict(case)
        proof = next((name for name in ("consistency", "proof") if name in case), "")
        where = self.rng.randrange(8)
        if where == 0 and "entry" in case:
            forged["entry"] = b64encode(self.rng.randbytes(73)).decode()
        elif where == 1 and "proof" in case:
            forged["index"] = case["index"] ^ (1 << self.rng.randrange(12))
        elif where == 2 and proof:
            forged[proof] = self._spoilt(case[proof])
        elif where == 3 and "older" in case:
            forged["older"], forged["checkpoint"] = case["checkpoint"], case["older"]
        else:
            name = (
                "tlog_proof"
                if "tlog_proof" in case
                else self.rng.choice(("checkpoint", "older") if "older" in case else ("checkpoint",))
            )
            forged[name] = self._forged_text(case[name], framed=name == "tlog_proof")
        return forged

    def _spoilt(self, proof: list[str]) -> list[str]:
        noise = b64encode(self.rng.randbytes(32)).decode()
        at = self.rng.randrange(len(proof) + 1)
        ways = [
            [*proof[:at], noise, *proof[at:]],
            [*proof[:at], noise, *proof[at + 1 :]],
            proof[:-1],
            proof[::-1],
        ]
        return self.rng.choice(ways)

    def _forged_text(self, text: str, *, framed: bool) -> str:
        """A checkpoint with something wrong, alone or within a .tlog-proof."""
        head, note = text.split("\n\n", 1) if framed else ("", text)
        body, lines = split_note(note.encode())
        way = self.rng.randrange(7)
        if way == 0:  # a line of a known key is altered
            name, key_id, signature = lines[0]
            flipped = bytearray(signature)
            flipped[self.rng.randrange(len(flipped))] ^= 1 << self.rng.randrange(8)
            lines[0] = name, key_id, bytes(flipped)
        elif way == 1:  # another log's keys under the same name
            lines = split_note(self.stranger.sign_note(body))[1]
        elif way == 2:  # a size or root that nobody signed
            origin, size, _ = body.splitlines()
            root = b64encode(self.rng.randbytes(32)).decode()
            body = f"{origin}\n{int(size) + self.rng.randint(0, 3)}\n{root}\n"
        elif way == 3:  # lines are lost
            lines = lines[self.rng.randrange(len(lines)) :]
        elif way == 4:  # another origin
            body = body.replace("example.org", "example.com")
        elif way == 5:  # spellings of the size
            body = body.replace("\n", self.rng.choice(("\n0", "\n-", "\n ", "\n+", "\n\n")), 1)
        else:  # cosignatures of another checkpoint
            other = split_note(self.note(self.size(), (0, 1, 2)).encode())[1][2:]
            lines = lines[:2] + other
        written = f"{body}\n" + "".join(signature_line(*line) for line in lines)
        return f"{head}\n\n{written}" if framed else written
