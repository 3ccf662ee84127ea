"""Runs with and without representatives of their own, on which edits are made."""

import numpy as np
import pytest

import shoal
from shoal.edits import Curation
from shoal.edits.log import NAME
from shoal.stages.result import Result
from shoal.storage import RunFolder


def rows_of_six_groups():
    """700 rows in six groups of unlike sizes; two of them cannot be read."""
    draw = np.random.default_rng(5)
    truth = np.repeat(np.arange(6), [200, 160, 140, 100, 60, 40])
    rows = draw.normal(size=(700, 5)) + 9 * draw.normal(size=(6, 5))[truth]
    rows[[17, 444]] = np.nan
    return rows[draw.permutation(700)].astype(np.float32)


@pytest.fixture(scope="session", params=[None, 90], ids=["every row", "90 representatives"])
def fitted(request, tmp_path_factory):
    """A fitted run's path; its log belongs to the test that uses it."""
    path = tmp_path_factory.mktemp("edits") / "run"
    shoal.fit(rows_of_six_groups(), path, workers=1, representatives=request.param)
    return path


def fresh(path):
    """The edits of a run, from the log as it is on the disk."""
    return Curation(Result(RunFolder.open(path)))


@pytest.fixture
def edits(fitted):
    """The edits of the run, none yet."""
    (fitted / NAME).unlink(missing_ok=True)
    found = fresh(fitted)
    yield found
    found.close()
    (fitted / NAME).unlink(missing_ok=True)
