import pickle

import numpy as np
import pytest

from shoal.features import Moments, choose_encoder, fit_projection
from shoal.rows import draw_sample, open_source
from shoal.stages import drawn, features
from shoal.stages.features import encode_good
from shoal.stages.fit_stages import quarantined
from shoal.storage import read_npy

IMAGES = np.random.default_rng(0).integers(0, 256, (90, 10, 10), np.uint8)


def test_the_projection_is_that_of_all_rows_at_once(fitted):
    run = fitted(IMAGES)
    source = open_source(IMAGES)
    encoder, _ = choose_encoder("auto", source)
    features = encoder.encode(source.read(0, 90).data)
    folder = run.stage("features")
    expected = fit_projection(Moments.of(features), whiten=encoder.whiten)
    assert np.allclose(read_npy(folder.whole("matrix")), expected.matrix)


def test_moments_are_gone_once_merged(fitted):
    assert not fitted(IMAGES).stage("features").parts("moments")


def test_features_are_kept_where_pixels_are_not_at_hand(fitted):
    assert not fitted(IMAGES).stage("features").parts("features")
    run = fitted(IMAGES.astype(np.float32))
    kept = read_npy(run.stage("features").part("features", 0))
    encoder, _ = choose_encoder("auto", open_source(IMAGES))
    assert np.array_equal(kept, encoder.encode(open_source(IMAGES).read(0, 90).data))


def test_vectors_are_not_stored_twice(fitted, blobs):
    assert not fitted(blobs).stage("features").parts("features")


class Overflowing:
    name = "overflowing"
    n_features = 2

    def encode(self, data):
        return (data * np.float32(1e38)).astype(np.float32)


def test_features_that_overflow_are_not_good():
    rows = np.array([[1, 1], [9, 1], [2, 2]], np.float32)
    features, good = encode_good(Overflowing(), rows, {2: "unreadable"})
    assert good.tolist() == [True, False, False]
    assert (features[~good] == 0).all()


def test_quarantined_rows_do_not_touch_the_projection(fitted, blobs):
    with_hole = np.concatenate([blobs, np.full((1, 5), np.nan, np.float32)])
    names = ("mean", "matrix")
    clean, holed = fitted(blobs), fitted(with_hole, "holed")
    for name in names:
        one, other = (read_npy(run.stage("features").whole(name)) for run in (clean, holed))
        assert np.array_equal(one, other)
    assert quarantined(holed).num_rows == 1


@pytest.fixture
def few(monkeypatch):
    """Let 40 rows stand for very many; give those that the projection of a source is fitted to."""
    monkeypatch.setattr(drawn, "LOOKED_AT", 40)
    return lambda rows: draw_sample(open_source(rows), 40, features._SEED).read(0, 40).data


def projection_of(run):
    return [read_npy(run.stage("features").whole(name)) for name in ("mean", "matrix")]


def test_the_projection_of_very_many_rows_is_that_of_a_sample(fitted, few):
    encoder, _ = choose_encoder("auto", open_source(IMAGES))
    expected = fit_projection(Moments.of(encoder.encode(few(IMAGES))), whiten=encoder.whiten)
    run = fitted(IMAGES)
    mean, matrix = projection_of(run)
    assert np.allclose(mean, expected.mean)
    assert np.allclose(matrix, expected.matrix)
    assert read_npy(run.stage("project").part("ok", 0)).all()
    again = fitted(IMAGES, "again", seed=7)  # the sample is not drawn by the seed of the fit
    assert np.array_equal(projection_of(again)[1], matrix)


def test_the_sample_does_not_travel_with_the_task(few):
    rows = open_source(IMAGES)
    task = features._MomentsOfSome(drawn.Drawn(rows, 40, 1), None, [(0,)], None, None)
    assert task.drawn.rows.n_rows == 40
    assert len(pickle.dumps(task)) < len(pickle.dumps(rows)) + 500


def test_a_bad_row_outside_of_the_sample_is_quarantined(fitted, few, blobs):
    rows = blobs.copy()
    drawn = {row.tobytes() for row in few(blobs)}
    missed = next(at for at, row in enumerate(blobs) if row.tobytes() not in drawn)
    rows[missed] = np.nan
    clean, holed = fitted(blobs), fitted(rows, "holed")
    assert np.array_equal(projection_of(clean)[1], projection_of(holed)[1])
    assert quarantined(holed)["row"].to_pylist() == [missed]
    assert not read_npy(holed.stage("project").part("ok", missed // 200))[missed % 200]


def test_a_sample_of_equal_rows_gives_way_to_all_rows(fitted, few, monkeypatch):
    numbers = np.arange(200, dtype=np.float32)[:, None]
    drawn = np.isin(numbers, few(numbers)).ravel()
    rows = np.where(drawn[:, None], 0, np.random.default_rng(0).normal(size=(200, 3)))
    sampled = projection_of(fitted(rows.astype(np.float32)))
    monkeypatch.undo()
    exact = projection_of(fitted(rows.astype(np.float32), "exact"))
    assert all(map(np.array_equal, sampled, exact))


def test_features_that_are_kept_all_have_a_part_in_the_projection(fitted, few):
    rows = IMAGES.astype(np.float32)
    encoder, _ = choose_encoder("auto", open_source(rows))
    expected = fit_projection(Moments.of(encoder.encode(IMAGES[..., None])), whiten=encoder.whiten)
    assert np.allclose(projection_of(fitted(rows))[1], expected.matrix)
