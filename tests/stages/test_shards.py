import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoal.rows import open_source
from shoal.stages.shards import Shards
from shoal.stages.source_traits import row_bytes


@given(st.integers(1, 500), st.integers(1, 100))
def test_shards_cover_all_rows_once_and_in_order(n, size):
    shards = Shards(n, size)
    rows = [row for number in range(len(shards)) for row in range(*shards.bounds(number))]
    assert rows == list(range(n))
    assert sum(map(shards.rows, range(len(shards)))) == n


@given(st.integers(1, 500), st.integers(1, 10**9))
def test_groups_hold_every_shard_once_and_are_64_at_most_or_of_32_shards(n, part_bytes):
    groups = Shards(n, 1).groups(part_bytes)
    assert [number for group in groups for number in group] == list(range(n))
    assert len(groups) <= max(64, n // 32)


def test_hundred_workers_have_something_to_do_with_a_billion_tiles():
    shards = Shards(10**9, 65_536)
    assert [len(shards.groups(size)) for size in (1, 16 << 20)] == [463, 463]
    assert shards.depends_on == {"group_shards": 32}
    assert Shards(48_000_000, 65_536).groups(16 << 20) == Shards(733, 1).groups(16 << 20)
    assert Shards(128, 1).depends_on == {}


def test_large_parts_make_fewer_groups():
    shards = Shards(1000, 1)
    assert len(shards.groups(1)) == 63
    assert len(shards.groups(1 << 30)) == 4


def test_a_shard_is_48_mebibytes_or_65536_rows_at_most():
    narrow = open_source(np.broadcast_to(np.float32(0), (4_000_000, 1)))
    assert Shards.of(narrow).size == 65_536
    wide = open_source(np.broadcast_to(np.float32(0), (10_000, 1 << 16)))
    assert row_bytes(wide) == 4 << 16
    assert Shards.of(wide).size == 192


def test_rows_are_spread_over_16_shards_of_a_mebibyte_at_least():
    vectors = open_source(np.broadcast_to(np.float32(0), (1 << 20, 4)))
    assert Shards.of(vectors) == Shards(1 << 20, 65_536)
    few = open_source(np.broadcast_to(np.float32(0), (1 << 17, 4)))
    assert Shards.of(few) == Shards(1 << 17, 65_536)
    images = open_source(np.broadcast_to(np.uint8(0), (3000, 64, 64, 3)))
    assert len(Shards.of(images)) == 16


def test_shards_of_what_is_dear_to_decode_are_a_hundredth_of_the_rows_or_so():
    large = np.broadcast_to(np.uint8(0), (100_000, 1, 65))
    assert Shards.of(open_source(large)).size == 782
    assert Shards.of(open_source(large[:500])).size == 32
    assert Shards.of(open_source(large[:20])).size == 20
    small = np.broadcast_to(np.uint8(0), (100_000, 8, 8))
    assert Shards.of(open_source(small)).size == 16_384
