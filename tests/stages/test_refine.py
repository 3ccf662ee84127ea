import numpy as np
import pytest
from sklearn.cluster import KMeans

import shoal
from shoal.errors import SettingError
from shoal.stages.method_result import Found

RANDOM = np.random.default_rng(0)
ROWS = (RANDOM.normal(size=(600, 3)) + 3 * np.eye(3)[RANDOM.integers(0, 3, 600)]).astype("f4")


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr("shoal.stages.shards._SHARD_ROWS", 50)


def fit(tmp_path, name, passes, workers=1, method="kmeans"):
    return shoal.fit(
        ROWS,
        tmp_path / name,
        method=method,
        k=4,
        representatives=60,
        workers=workers,
        passes=passes,
    )


def vectors_of(run):
    parts = sorted((run.path / "project" / "vectors").glob("*.npy"))
    return np.concatenate([np.load(path) for path in parts])


@pytest.mark.usefixtures("small_shards")
def test_passes_are_those_of_lloyd_over_all_rows(tmp_path):
    before, after = fit(tmp_path, "before", 0), fit(tmp_path, "after", 50)
    rows = vectors_of(after).astype(np.float64)
    start = Found(before._result).rule.centres
    theirs = KMeans(4, init=start, n_init=1, max_iter=50, tol=0).fit(rows)
    found = Found(after._result)
    mine = found.rule.centres
    away = np.linalg.norm(mine[:, None] - theirs.cluster_centers_, axis=2)
    assert away.min(axis=1).max() < 1e-4
    assert "passes over all rows" in after.info()["method"]["notes"][0]
    tree = after.path / "tree"
    assert not [*tree.glob("sums/part-*"), *tree.glob("totals/part-*")]


@pytest.mark.usefixtures("small_shards")
def test_rows_follow_the_centres_where_representatives_allow(tmp_path):
    run = fit(tmp_path, "run", 3)
    found = Found(run._result)
    of_cluster = run.clustering().of_representative
    ids = found.ids(of_cluster, run.primary.k)
    nearest = ids[found.assign(vectors_of(run))]
    assert (run.labels() == nearest).mean() > 0.97


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("method", ["kmeans", "spherical-kmeans", "gmm"])
def test_same_bytes_for_any_number_of_workers(tmp_path, method):
    one, two = (fit(tmp_path, str(n), 3, n, method) for n in (1, 2))
    for path in sorted((one.path / "tree").rglob("*.npy")):
        other = two.path / path.relative_to(one.path)
        assert path.read_bytes() == other.read_bytes()
    note = next(n for n in one.info()["method"]["notes"] if "passes over all rows" in n)
    numbers = [
        float(word.strip(".,")) for word in note.split() if word[0].isdigit() or word[0] == "-"
    ]
    first, last = numbers[-2:]
    assert last >= first if method == "gmm" else last <= first
    shares = Found(one._result).memberships
    assert (shares is not None) == (method == "gmm")
    if shares is not None:
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.usefixtures("small_shards")
def test_passes_whose_sums_do_not_fit_the_memory_are_declined(tmp_path, monkeypatch):
    monkeypatch.setattr("shoal.stages.refine.sums_shape", lambda rule: (4, 1 << 28))
    with pytest.raises(SettingError, match="sums of 8,192 MiB in each worker for 4 clusters"):
        fit(tmp_path, "run", 2)


def test_no_passes_where_all_rows_are_there():
    run = shoal.fit(ROWS, method="kmeans", k=4, passes=9, workers=1)
    assert run.info()["method"]["notes"] == []
