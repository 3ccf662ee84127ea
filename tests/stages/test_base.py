import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoal.sources import open_source
from shoal.stages.base import Shards, row_bytes


@given(st.integers(1, 500), st.integers(1, 100))
def test_shards_cover_all_rows_once_and_in_order(n, size):
    shards = Shards(n, size)
    rows = [row for number in range(len(shards)) for row in range(*shards.bounds(number))]
    assert rows == list(range(n))
    assert sum(map(shards.rows, range(len(shards)))) == n


@given(st.integers(1, 500), st.integers(1, 10**9))
def test_groups_hold_every_shard_once_and_are_64_at_most(n, part_bytes):
    groups = Shards(n, 1).groups(part_bytes)
    assert [number for group in groups for number in group] == list(range(n))
    assert len(groups) <= 64


def test_large_parts_make_fewer_groups():
    shards = Shards(1000, 1)
    assert len(shards.groups(1)) == 63
    assert len(shards.groups(1 << 30)) == 4


def test_a_shard_is_16_mebibytes_of_decoded_rows():
    images = open_source(np.zeros((100, 1024, 1), np.float32))
    assert row_bytes(images) == 1024 * 4 or images.kind == "images"
    vectors = open_source(np.zeros((70_000, 1), np.float32))
    assert Shards.of(vectors).size == 65_536
    wide = open_source(np.broadcast_to(np.float32(0), (1000, 1 << 16)))
    assert Shards.of(wide).size == 64
