import numpy as np

from shoal.features import Moments, fit_projection
from shoal.model import Model
from shoal.stages import codes, project
from shoal.stages.project import residual
from shoal.stages.result import Result
from shoal.storage import read_npy

DRAW = np.random.default_rng(0)


def test_equal_rows_are_told_wherever_they_lie(fitted):
    images = DRAW.integers(0, 256, (700, 9, 9), np.uint8)
    images[[100, 305, 699]] = images[7]
    hashes = read_npy(fitted(images).stage("project").part("hashes", 0))
    assert np.flatnonzero(hashes == hashes[7]).tolist() == [7, 100, 305, 699]
    assert len(set(hashes.tolist())) == 697


def test_the_residual_is_what_the_projection_leaves_out():
    features = DRAW.normal(size=(500, 6)).astype(np.float32)
    projection = fit_projection(Moments.of(features), 3)
    vectors = projection.apply(features)
    directions = np.linalg.qr(projection.matrix)[0]
    centred = features - projection.mean
    expected = np.linalg.norm(centred - centred @ directions @ directions.T, axis=1)
    assert np.allclose(residual(projection, features, vectors), expected, atol=1e-4)
    full = fit_projection(Moments.of(features))
    assert residual(full, features, full.apply(features)).max() < 1e-4


def test_small_residuals_are_those_of_the_difference():
    features = DRAW.normal(size=(500, 6)) * [1, 1, 1, 0.05, 0.002, 1e-5]
    features = (features * np.geomspace(1e-3, 1, 500)[:, None] ** [0, 0, 0, 1, 1, 1] + 5).astype(
        "f4"
    )
    projection = fit_projection(Moments.of(features), 3)
    vectors = projection.apply(features)
    missed = projection.centred(features) - vectors @ projection.directions
    expected = np.linalg.norm(missed, axis=1)
    assert expected.min() < 1e-3 < 0.03 < expected.max()
    assert np.allclose(residual(projection, features, vectors), expected, rtol=2e-3, atol=1e-6)


def test_quarantined_rows_are_zero_and_not_good(fitted, blobs):
    blobs[4] = np.nan
    project = fitted(blobs).stage("project")
    assert np.flatnonzero(~read_npy(project.part("ok", 0))).tolist() == [4]
    assert not read_npy(project.part("vectors", 0))[4].any()
    assert project.read_receipt().counts["rows"] == 199


def test_many_rows_are_packed_and_predict_sees_them_as_packed(fitted, monkeypatch):
    for module in (project, codes):
        monkeypatch.setattr(module, "EVERY_ROW", 1000)
    rows = np.random.default_rng(0).normal(size=(3000, 6)).astype(np.float32)
    rows[::3] += 20
    run = fitted(rows)
    stored = read_npy(run.stage("project").part("vectors", 0))
    assert stored.dtype == np.int8
    result = Result(run)
    assert result.packed
    predicted = Model(run).predict(rows).cluster
    assert (predicted == result.labels(result.primary.k)).mean() > 0.999
