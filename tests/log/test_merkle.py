from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from mandat.log import merkle

# Leaves and roots of the reference implementation of RFC 6962 (certificate-transparency, merkletree tests).
LEAVES = [
    b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43",
    bytes.fromhex("5051525354555657"), bytes.fromhex("606162636465666768696a6b6c6d6e6f"),
]  # fmt: skip
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def node_of(leaves: list[bytes]) -> merkle.Node:
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    return lambda height, index: merkle.fold(hashes[index << height : (index + 1) << height])


def root_by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + root_by_definition(leaves[:k]) + root_by_definition(leaves[k:])).digest()


def numbered(size: int) -> list[bytes]:
    return [str(number).encode() for number in range(size)]


def test_roots_are_those_of_the_reference_implementation() -> None:
    for size, root in ROOTS.items():
        assert merkle.tree_root(size, node_of(LEAVES[:size])).hex() == root


def test_a_known_inclusion_proof() -> None:
    proof = merkle.inclusion_proof(0, 8, node_of(LEAVES))
    assert [item.hex() for item in proof] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]


@given(st.integers(1, 600), st.data())
def test_inclusion(size: int, data: st.DataObject) -> None:
    leaves = numbered(size)
    index = data.draw(st.integers(0, size - 1))
    root = root_by_definition(leaves)
    proof = merkle.inclusion_proof(index, size, node_of(leaves))
    leaf = merkle.leaf_hash(leaves[index])
    assert merkle.verify_inclusion(leaf, index, size, proof, root)
    other = data.draw(st.integers(0, size + 1).filter(lambda number: number != index))
    assert not merkle.verify_inclusion(leaf, other, size, proof, root)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b"forged"), index, size, proof, root)
    assert not merkle.verify_inclusion(leaf, index, size, [*proof, root], root)
    if proof:
        assert not merkle.verify_inclusion(leaf, index, size, proof[:-1], root)
        at = data.draw(st.integers(0, len(proof) - 1))
        assert not merkle.verify_inclusion(leaf, index, size, altered(proof, at), root)


@given(st.integers(0, 600), st.integers(0, 600), st.data())
def test_consistency(one: int, other: int, data: st.DataObject) -> None:
    old, new = sorted((one, other))
    leaves = numbered(new)
    old_root, new_root = root_by_definition(leaves[:old]), root_by_definition(leaves)
    proof = merkle.consistency_proof(old, new, node_of(leaves))
    assert merkle.verify_consistency(old, new, old_root, new_root, proof)
    if old:
        fork = root_by_definition([b"forged", *leaves[1:old]])
        assert not merkle.verify_consistency(old, new, fork, new_root, proof)
    if old != new:
        assert not merkle.verify_consistency(new, old, new_root, old_root, proof)
    if proof:
        assert not merkle.verify_consistency(old, new, old_root, new_root, proof[:-1])
        at = data.draw(st.integers(0, len(proof) - 1))
        assert not merkle.verify_consistency(old, new, old_root, new_root, altered(proof, at))


@given(st.binary(), st.integers(), st.integers(), st.lists(st.binary(max_size=40), max_size=70), st.binary())
def test_verification_of_anything_is_a_verdict(
    leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes
) -> None:
    assert not merkle.verify_inclusion(leaf, index, size, proof, root) or (size == 1 and leaf == root)
    if index != size:
        assert not merkle.verify_consistency(index, size, leaf, root, proof) or index == 0


def altered(proof: list[bytes], at: int) -> list[bytes]:
    changed = list(proof)
    changed[at] = bytes([changed[at][0] ^ 1]) + changed[at][1:]
    return changed
