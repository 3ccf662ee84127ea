import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from shoal.stages.encoding import residual
from shoal.stages.fitted import Fitted, cluster_limits, quantile, unfitted_distance
from shoal.stages.result import Result


@pytest.mark.parametrize("most", [10**6, 60, 1])
def test_own_distances_are_those_of_every_so_many_known_rows(fitted, blobs, monkeypatch, most):
    monkeypatch.setattr("shoal.stages.fitted.CALIBRATED", most)
    blobs[17] = np.nan
    result = Result(fitted(blobs, representatives=40))
    distance, place = result.read_column("distance"), result.representative_of_row
    known = np.flatnonzero(place >= 0)[:: -(-len(place) // most)]
    found = Fitted(result).own
    assert np.array_equal(found[0], place[known])
    weights, margin = (
        result.representatives.weights[place[known]],
        result.read_column("margin")[known],
    )
    apart = np.load(result.folder.path / "tree/distances/whole.npy")[place[known], 0]
    assert np.array_equal(found[1], unfitted_distance(distance[known], margin, weights, apart))


def test_own_distances_are_nearly_those_of_rows_left_out(fitted):
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(4000, 4)).astype(np.float32)
    known, left_out = rows[:2000], rows[2000:]
    run = Result(fitted(known, representatives=500))
    away = cdist(left_out, run.representatives.vectors).min(axis=1)
    own = Fitted(run).own[1]
    assert run.read_column("distance").mean() < 0.9 * away.mean()  # fitted rows lie too near
    assert own.mean() == pytest.approx(away.mean(), rel=0.08)
    assert np.quantile(own, 0.95) == pytest.approx(np.quantile(away, 0.95), rel=0.1)


def test_residuals_of_rows_left_out_are_within_the_limit(fitted):
    draw = np.random.default_rng(1)
    images = draw.integers(0, 255, (400, 12, 12), np.uint8)
    run = Result(fitted(images[:200], features="pixels"))  # 64 components for 200 rows
    fit = Fitted(run)
    features = fit.encoder.encode(images[..., None])
    left = residual(fit.projection, features, fit.projection.apply(features))
    assert np.median(left[200:]) > 1.2 * np.median(left[:200])
    assert (left[200:] > fit.residual_limit).mean() < 0.01


def test_own_distances_are_to_the_nearest_other_row_where_every_row_is_a_representative(
    fitted, blobs
):
    result = Result(fitted(blobs))
    nearest = np.load(result.folder.path / "tree" / "distances" / "whole.npy")[:, 0]
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


@given(st.lists(st.floats(0, 10), min_size=1, max_size=40), st.floats(0.01, 0.99))
def test_a_quantile_is_one_of_the_values_that_so_many_are_within(values, share):
    values = np.array(values)
    found = quantile(values, share)
    assert found in values
    within = (values <= found).sum()
    assert within >= min(len(values), share * (len(values) + 1))


def test_one_more_value_is_beyond_the_quantile_as_seldom_as_said():
    draw = np.random.default_rng(0).normal(size=(4000, 20))
    beyond = [row[-1] > quantile(row[:-1], 0.9) for row in draw]
    assert np.mean(beyond) == pytest.approx(0.1, abs=0.015)
