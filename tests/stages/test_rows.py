import pickle

import numpy as np
import pytest

from shoal.errors import SourceError
from shoal.rows import ImageRequest, as_requested, open_source
from shoal.rows import store as stores
from shoal.stages.rows import Rows
from shoal.stages.shards import Shards
from shoal.storage import StageFolder


def test_a_shard_is_read_in_blocks_of_16_mebibytes(tmp_path):
    source = open_source(np.arange(300, dtype=np.uint8).repeat(65).reshape(300, 1, 65))
    wide = as_requested(source, ImageRequest((512, 1024), channels=3))
    shards = Shards(300, 40)
    rows = Rows(wide, shards, StageFolder(tmp_path))
    batches = list(rows.read(2))
    assert [len(batch.data) for batch in batches] == [10] * 4
    assert [batch.data[0, 0, 0, 0] for batch in batches] == [80, 90, 100, 110]


@pytest.fixture
def large(tmp_path, monkeypatch):
    """Rows of a file that counts as larger than the system's cache; every read is noted."""
    monkeypatch.setattr(stores, "outgrows_cache", lambda size: True)
    path = tmp_path / "tiles.bin"
    numbers = np.random.default_rng(0).integers(0, 256, (1000, 8, 8), np.uint8)
    numbers.tofile(path)
    source = open_source(path, shape=(8, 8))
    asked = []
    read = type(source).read

    def noted(self, start, stop):
        asked.append((start, stop))
        return read(self, start, stop)

    monkeypatch.setattr(type(source), "read", noted)
    return Rows(source, Shards(1000, 300), StageFolder(tmp_path / "index")), numbers, asked


def test_a_shard_that_was_fetched_is_read_once_and_is_the_same(large):
    rows, numbers, asked = large
    rows.fetch(1)
    rows.fetch(1)
    (batch,) = rows.read(1)
    assert np.array_equal(batch.data[..., 0], numbers[300:600])
    assert asked == [(300, 600)]
    assert np.array_equal(next(rows.read(3)).data[..., 0], numbers[900:])
    assert asked == [(300, 600), (900, 1000)]


def test_what_was_fetched_does_not_go_with_a_task_to_another_process(large):
    rows, _, asked = large
    rows.fetch(0)
    other = pickle.loads(pickle.dumps(rows))
    assert other.fetched._batches == {}
    assert np.array_equal(next(other.read(0)).data, next(rows.read(0)).data)
    assert asked == [(0, 300)] * 2


def test_what_goes_wrong_in_fetching_is_raised_where_the_rows_are_read(large, monkeypatch):
    rows, _, _ = large

    def fails(self, start, stop):
        raise SourceError(f"rows {start} to {stop} are gone")

    monkeypatch.setattr(type(rows.source), "read", fails)
    rows.fetch(2)
    with pytest.raises(SourceError, match="rows 600 to 900 are gone"):
        next(rows.read(2))


def test_only_what_is_waited_for_is_fetched(tmp_path):
    source = open_source(np.zeros((1000, 8, 8), np.uint8))
    rows = Rows(source, Shards(1000, 300), StageFolder(tmp_path))
    assert not source.waits
    rows.fetch(0)
    assert rows.fetched._batches == {}
