"""Makes the test vectors in this directory, byte for byte the same each time but for post-quantum signatures.

    python docs/vectors/make.py            check that the files are right
    python docs/vectors/make.py --write    make them anew

Keys are of public seeds and worth nothing. ML-DSA-44 signs with fresh randomness, so files that hold such a signature
differ between two runs; checking verifies them instead of comparing.
"""

import json
import sys
from base64 import b64encode
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mandat.log import Checkpoint, Signer
from mandat.log.cosign import Algorithm, CosignatureSigner
from mandat.log.merkle import consistency_proof, fold, inclusion_proof, leaf_hash, tree_root
from mandat.log.policy import Policy
from mandat.log.proof import Proof
from mandat.log.witness import write_request

HERE = Path(__file__).parent
ORIGIN = "vectors.mandat.example/log"
TIME = 1_767_225_600
SIZES = (0, 1, 2, 3, 7, 8, 255, 256, 257, 1000)
ENTRIES = [b"entry %d" % number for number in range(1000)]
HASHES = [leaf_hash(entry) for entry in ENTRIES]

LOG = Signer(ORIGIN, Ed25519PrivateKey.from_private_bytes(b"\1" * 32))
QUANTUM = CosignatureSigner(ORIGIN, Algorithm.ML_DSA_44, b"\2" * 32)
WITNESSES = {
    "ed25519": CosignatureSigner("w1.example", Algorithm.ED25519_COSIGNATURE, b"\3" * 32),
    "ml-dsa-44": CosignatureSigner("w2.example", Algorithm.ML_DSA_44, b"\4" * 32),
}


def node(height: int, index: int) -> bytes:
    """Hash over a perfect subtree."""
    return fold(HASHES[index << height : (index + 1) << height])


def b64(items: list[bytes]) -> list[str]:
    """As JSON holds octets."""
    return [b64encode(item).decode() for item in items]


def head(size: int) -> Checkpoint:
    """The log at a size."""
    return Checkpoint(ORIGIN, size, tree_root(size, node))


def trees() -> dict[str, object]:
    """Roots, inclusion and consistency proofs over the entries `entry 0`, `entry 1`, …"""
    pairs = [(old, new) for new in SIZES for old in SIZES if old <= new]
    leaves = [
        (index, size) for size in SIZES for index in sorted({0, size // 2, size - 1}) if 0 <= index < size
    ]
    return {
        "entries": "ASCII: entry 0, entry 1, ... without newline",
        "roots": [{"size": size, "root": b64([head(size).root])[0]} for size in SIZES],
        "inclusion": [{"index": i, "size": n, "proof": b64(inclusion_proof(i, n, node))} for i, n in leaves],
        "consistency": [
            {"old": old, "new": new, "proof": b64(consistency_proof(old, new, node))} for old, new in pairs
        ],
    }


def keys() -> dict[str, object]:
    """Private and public keys in their text forms."""
    signers = {"log": LOG, "log, ML-DSA-44": QUANTUM, **WITNESSES}
    return {name: {"skey": key.skey, "vkey": key.verifier.vkey} for name, key in signers.items()}


def policy() -> str:
    """Both witnesses."""
    lines = [
        f"witness {name} {key.verifier.vkey} https://{key.verifier.name}\n" for name, key in WITNESSES.items()
    ]
    return f"log {LOG.verifier.vkey}\n{''.join(lines)}group both all {' '.join(WITNESSES)}\nquorum both\n"


def exact() -> dict[str, bytes]:
    """Files that are the same each time."""
    body, classic = head(1000).body(), head(1000).sign(LOG)
    cosigned = classic + WITNESSES["ed25519"].line(body, TIME).encode()
    proof = Proof(300, tuple(inclusion_proof(300, 1000, node)), cosigned, b"entry 300")
    return {
        "trees.json": json.dumps(trees(), indent=1).encode() + b"\n",
        "keys.json": json.dumps(keys(), indent=1).encode() + b"\n",
        "policy": policy().encode(),
        "checkpoint": classic,
        "checkpoint.ed25519": cosigned,
        "add-checkpoint": write_request(256, consistency_proof(256, 1000, node), classic),
        "entry-300.ed25519.tlog-proof": proof.encode(),
    }


def hybrid() -> dict[str, bytes]:
    """Files that hold ML-DSA-44 signatures."""
    body = head(1000).body()
    lines = [key.line(body, TIME) for key in (QUANTUM, *WITNESSES.values())]
    cosigned = head(1000).sign(LOG) + "".join(lines).encode()
    proof = Proof(300, tuple(inclusion_proof(300, 1000, node)), cosigned, b"entry 300")
    return {"checkpoint.hybrid": cosigned, "entry-300.tlog-proof": proof.encode()}


def check() -> list[str]:
    """Names of files that are wrong."""
    wrong = [name for name, data in exact().items() if (HERE / name).read_bytes() != data]
    trusted = Policy.parse(policy().encode())
    note = (HERE / "checkpoint.hybrid").read_bytes()
    verdict = trusted.satisfied(note)
    if verdict.checkpoint != head(1000) or set(verdict.cosigned.values()) != {TIME}:
        wrong.append("checkpoint.hybrid")
    if Checkpoint.open(note, QUANTUM.verifier) != head(1000):
        wrong.append("checkpoint.hybrid")
    Proof.parse((HERE / "entry-300.tlog-proof").read_bytes()).verify(trusted, ENTRIES[300])
    return wrong


def main() -> None:
    """Check, or write."""
    if "--write" in sys.argv:
        for name, data in (exact() | hybrid()).items():
            (HERE / name).write_bytes(data)
    if wrong := check():
        raise SystemExit(f"wrong: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
