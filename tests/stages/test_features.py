import numpy as np

from shoal.features import Moments, choose_encoder, fit_projection
from shoal.sources import open_source
from shoal.stages.base import quarantined
from shoal.stages.features import encode_good
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
