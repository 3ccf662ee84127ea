import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.stages.fitted import Fitted, cluster_limits
from shoal.stages.result import Result


@pytest.mark.parametrize("most", [10**6, 60, 1])
def test_own_distances_are_those_of_every_so_many_known_rows(fitted, blobs, monkeypatch, most):
    monkeypatch.setattr("shoal.stages.fitted._CALIBRATED", most)
    blobs[17] = np.nan
    result = Result(fitted(blobs, representatives=40))
    distance, place = result.column("distance"), result.place
    known = np.flatnonzero(place >= 0)[:: -(-len(place) // most)]
    found = Fitted(result).own
    assert np.array_equal(found[0], place[known])
    assert np.array_equal(found[1], distance[known])


def test_own_distances_are_to_the_nearest_other_row_where_every_row_is_a_representative(
    fitted, blobs
):
    result = Result(fitted(blobs))
    nearest = np.load(result.run.path / "tree" / "distances" / "whole.npy")[:, 0]
    place, distance = Fitted(result).own
    assert np.array_equal(place, np.arange(200))
    assert np.array_equal(distance, nearest)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 10, width=32)), min_size=1, max_size=50))
def test_no_cluster_excludes_its_own_rows(pairs):
    labels, distance = np.array(pairs, np.float32).T
    limits = cluster_limits(labels.astype(int), distance, 4)
    assert (distance <= limits[labels.astype(int)] + 1e-6).all()


def test_a_limit_is_a_quarter_beyond_nearly_all():
    labels = np.repeat([0, 1], [1000, 10])
    distance = np.concatenate([np.linspace(0, 1, 1000), np.full(10, 0.01)]).astype(np.float32)
    limits = cluster_limits(labels, distance, 2)
    assert limits[0] == pytest.approx(1.25, rel=0.01)
    assert limits[1] == pytest.approx(1.25 * np.median(distance), rel=0.01)
