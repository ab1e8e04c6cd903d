import pytest
from hypothesis import given
from hypothesis import strategies as st

from mandat.log.edge import Edge
from mandat.log.fault import LogFault
from mandat.log.merkle import leaf_hash, tree_root
from mandat.log.tile import bundle_path, decode_bundle, encode_bundle, parse_path, split_hashes, tile_path


def test_paths_are_those_of_the_specification() -> None:
    assert tile_path(3, 1234067) == "tile/3/x001/x234/067"
    assert tile_path(0, 0, 1) == "tile/0/000.p/1"
    assert tile_path(1, 999) == "tile/1/999"
    assert tile_path(1, 1000) == "tile/1/x001/000"
    assert bundle_path(273, 112) == "tile/entries/273.p/112"


@given(st.none() | st.integers(0, 7), st.integers(0, 2**56), st.integers(1, 256))
def test_paths_round_trip(level: int | None, number: int, width: int) -> None:
    path = bundle_path(number, width) if level is None else tile_path(level, number, width)
    assert parse_path(path) == (level, number, width)


@given(st.text() | st.from_regex(r"tile/[0-9e]/(x[0-9]{3}/){0,3}[0-9]{3}(\.p/[0-9]{1,3})?", fullmatch=True))
def test_a_path_has_one_spelling(path: str) -> None:
    found = parse_path(path)
    if found is not None:
        level, number, width = found
        assert path == (bundle_path(number, width) if level is None else tile_path(level, number, width))


@pytest.mark.parametrize(
    "path", ["tile/0/x000/001", "tile/8/000", "tile/0/000.p/256", "tile/0/000.p/0", "../0/000"]
)
def test_other_spellings_are_no_paths(path: str) -> None:
    assert parse_path(path) is None


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_bundles_round_trip(entries: list[bytes]) -> None:
    data = encode_bundle(entries)
    assert decode_bundle(data, len(entries)) == entries
    with pytest.raises(LogFault):
        decode_bundle(data, len(entries) + 1)


@given(st.binary(max_size=9000), st.integers(0, 256))
def test_any_bytes_decode_or_are_refused(data: bytes, count: int) -> None:
    for read in (decode_bundle, split_hashes):
        try:
            assert len(read(data, count)) == count
        except LogFault as fault:
            assert fault.code == "log_damaged"


@given(st.integers(0, 1500))
def test_an_edge_has_the_root_of_its_leaves(size: int) -> None:
    edge = Edge()
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    tiles = {(level, number): data for leaf in leaves for level, number, data in edge.add(leaf)}
    tiles |= {(level, number): data for level, number, data in edge.partial()}

    def node(height: int, index: int) -> bytes:
        from mandat.log.merkle import fold

        level, rest = divmod(height, 8)
        number, at = divmod(index << rest, 256)
        row = split_hashes(tiles[level, number], len(tiles[level, number]) // 32)
        return fold(row[at : at + (1 << rest)])

    assert edge.root() == tree_root(size, node)
    assert len(tiles) == sum(-(-(size >> (8 * level)) // 256) for level in range(3))
