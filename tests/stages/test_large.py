"""What grows with the rows holds a few bytes of each: on made places of five million rows."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

from shoal.edits import Clustering
from shoal.stages.assign import _kept_ids
from shoal.stages.result import Result
from shoal.storage import read_json, write_json, write_table

ROWS, SHARD = 5_000_000, 65_536
pytestmark = pytest.mark.slow


def enlarged(run, seed):
    """A run with as many rows as are needed, at random places."""
    index, assign = run.stage("index"), run.stage("assign")
    draw = np.random.default_rng(seed)
    m = Result(run).tree.n_leaves
    for number, start in enumerate(range(0, ROWS, SHARD)):
        n = min(SHARD, ROWS - start)
        first, second = draw.integers(0, m, (2, n)).astype(np.int32)
        columns = {
            "representative": first,
            "second": second,
            "margin": np.full(n, 9, np.uint8),
            "distance": np.ones(n, np.float32),
            "outlier": np.zeros(n, np.bool_),
        }
        write_table(assign.part("rows", number, "parquet"), pa.table(columns))
    path = index.whole("summary", "json")
    write_json(path, {**read_json(path), "rows": ROWS, "shard_rows": SHARD})
    return Result(run)


@pytest.fixture
def pair(fitted):
    rows = np.random.default_rng(0).normal(size=(600, 4)).astype(np.float32)
    rows[::2] += 20
    runs = [fitted(rows, name, representatives=200, layers="2,20") for name in ("one", "other")]
    return [enlarged(run, seed) for seed, run in enumerate(runs)]


def peak_of(work):
    """Bytes a row that some work takes at its peak, its result included."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / ROWS
    finally:
        tracemalloc.stop()


def test_ids_are_matched_in_the_places_of_the_earlier_run_and_little_more(pair):
    before, after = pair
    assert peak_of(lambda: _kept_ids(after, before, 0)) < 8


def test_labels_and_confidence_hold_themselves_and_little_more(pair):
    clusters = Clustering.chosen(pair[0], None, None, 20)
    assert peak_of(lambda: clusters.labels()) < 12
    assert peak_of(lambda: clusters.confidence()) < 8
