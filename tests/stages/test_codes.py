import errno

import numpy as np
import pytest

from shoal.errors import StorageFullError
from shoal.stages import codes
from shoal.stages.codes import representatives_for
from shoal.stages.result import Result
from shoal.storage import read_npy


def test_every_code_has_a_representative_and_used_ones_their_own(fitted):
    rows = np.random.default_rng(0).normal(size=(3000, 6)).astype(np.float32)
    rows[17] = np.nan
    run = fitted(rows, representatives=150)
    summary, m = run.stage("summarise"), Result(run).tree.n_leaves
    of_code, centres = (read_npy(summary.whole(name)) for name in ("of_code", "centres"))
    near = read_npy(summary.part("near", 0))
    assert ((of_code >= 0) & (of_code < m)).all()
    used = np.unique(near["codes"][near["codes"][:, 0] < len(centres), 0])
    assert len(np.unique(of_code[used])) == len(used)
    assert (near["codes"][17] == len(centres)).all()


def test_two_representatives_and_a_far_row(fitted):
    rows = np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)
    rows[200:] += 50
    result = Result(fitted(rows, representatives=2))
    assert result.tree.n_leaves == 2
    assert np.array_equal(result.labels(2)[:200], np.repeat(result.labels(2)[0], 200))
    assert len(np.unique(result.labels(2))) == 2


def test_how_many_representatives():
    assert representatives_for(100_000, None) == 100_000
    assert representatives_for(100_004, None) == 25_001
    assert representatives_for(48_000_000, None) == 32_768
    assert representatives_for(50, 100) == 50


def test_a_part_that_cannot_be_written_ends_the_fit(fitted, monkeypatch):
    write = codes.write_npy

    def full(path, array):
        if path.parent.name == "near":
            raise StorageFullError(f"{path} cannot be written ({errno.ENOSPC})")
        write(path, array)

    monkeypatch.setattr(codes, "write_npy", full)
    with pytest.raises(StorageFullError, match="near"):
        fitted(np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32), representatives=9)
