import numpy as np
import pytest

from shoal.pipeline import run_pipeline
from shoal.rows import open_source
from shoal.settings import fit_settings


@pytest.fixture
def fitted(tmp_path):
    """Fit an array with settings, and give the run folder."""

    def fit(array, name="run", **settings):
        source = open_source(np.asarray(array))
        return run_pipeline(tmp_path / name, source, fit_settings(workers=1, **settings))

    return fit


@pytest.fixture
def blobs():
    """Three groups of 100, 60 and 40 rows, far apart."""
    centres = np.repeat(np.eye(5)[:3] * 30, [100, 60, 40], axis=0)
    return (centres + np.random.default_rng(0).normal(size=centres.shape)).astype(np.float32)
