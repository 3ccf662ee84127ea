"""One cluster fitted by itself."""

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import adjusted_rand_score

import shoal
from shoal.errors import InputError, RunError

SECRET = np.repeat([0, 1], 100)


def nested(seed=0):
    """Three groups far apart; the last has two parts."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(400, 6)).astype(np.float32)
    x[:100, 0] += 60
    x[100:200, 1] += 60
    x[200:, 2] += 60
    x[200:, 3] += 6 * SECRET
    return x


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    np.save(folder / "x.npy", nested())
    return shoal.fit(folder / "x.npy", folder / "x.shoal", workers=1, layers="3")


def last(run):
    """The cluster of the last rows."""
    return int(run.labels()[-1])


def test_a_cluster_by_itself_has_its_own_parts(whole, tmp_path):
    run = whole.fit_cluster(last(whole), tmp_path / "part", workers=1)
    assert (run.n_rows, run.primary.k, run.sample_of) == (200, 2, None)
    assert adjusted_rand_score(SECRET, run.labels()) == 1
    again = shoal.open(tmp_path / "part")
    assert np.array_equal(again.source.read(0, 200).data, nested()[200:])
    assert again.table()["name"].to_pylist()[:2] == ["200", "201"]
    assert run.predict(nested()[200:]).cluster.tolist() == run.labels().tolist()


def test_what_is_fitted_again_is_not_redone_and_a_cluster_in_a_cluster_has_its_rows(
    whole, tmp_path
):
    run = whole.fit_cluster(last(whole), tmp_path / "part", workers=1)
    stamp = (tmp_path / "part" / "tree" / "_done.json").stat().st_mtime_ns
    whole.fit_cluster(last(whole), tmp_path / "part", workers=1)
    assert (tmp_path / "part" / "tree" / "_done.json").stat().st_mtime_ns == stamp
    inner = run.fit_cluster(last(run), tmp_path / "inner", workers=1)
    reopened = shoal.open(tmp_path / "inner")
    assert inner.n_rows == 100
    assert np.array_equal(reopened.source.read(0, 100).data, nested()[300:])


def test_rows_are_those_of_the_edited_cluster(tmp_path):
    np.save(tmp_path / "x.npy", nested())
    run = shoal.fit(tmp_path / "x.npy", tmp_path / "x.shoal", workers=1, layers="3")
    labels = run.labels()
    run.edits.merge([int(labels[0]), int(labels[100])])
    both = int(run.labels()[0])
    assert run.fit_cluster(both, tmp_path / "part", workers=1).n_rows == 200


def test_a_cluster_of_a_sample_and_of_rows_in_memory(tmp_path):
    draw = np.random.default_rng(1)
    x = np.concatenate([nested(), nested(2)])[draw.permutation(800)]
    np.save(tmp_path / "x.npy", x)
    run = shoal.fit(tmp_path / "x.npy", tmp_path / "x.shoal", workers=1, layers="3", sample=400)
    rows = np.flatnonzero(run.labels() == 0)
    run.fit_cluster(0, tmp_path / "part", workers=1)
    found = shoal.open(tmp_path / "part").source.read(0, len(rows)).data
    assert np.array_equal(found, run.source.read(0, 400).data[rows])
    held = shoal.fit(x, workers=1, layers="3")
    assert held.fit_cluster(0, workers=1).n_rows == int((held.labels() == 0).sum())


def test_images_keep_their_names(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for i in range(60):
        image = draw.integers(0, 60, (8, 8), np.uint8)
        image[2:5] += 190 * (i % 2)
        Image.fromarray(image).save(folder / f"{i:03d}.png")
    run = shoal.fit(folder, tmp_path / "run", workers=1, layers="2")
    cluster = int(run.labels()[1])
    names = [
        n
        for n, c in zip(run.table()["name"].to_pylist(), run.labels(), strict=True)
        if c == cluster
    ]
    part = run.fit_cluster(cluster, tmp_path / "part", workers=1)
    assert part.table()["name"].to_pylist() == names
    assert shoal.open(tmp_path / "part").source.path(0) == folder / names[0]


@pytest.mark.parametrize(
    ("cluster", "settings", "says"),
    [
        (99, {}, "no cluster 99"),
        (0, {"key": "x"}, "--key cannot be given with a cluster"),
        (0, {"sample": 10}, "--sample cannot be given with a cluster"),
        (0, {"leave_out": "a"}, "--leave-out cannot be given with a cluster"),
        (0, {"previous": "a.shoal"}, "--previous cannot be given with a cluster"),
        (0, {"seed": -1}, "seed"),
    ],
)
def test_what_cannot_be_fitted(whole, tmp_path, cluster, settings, says):
    with pytest.raises(InputError, match=says):
        whole.fit_cluster(cluster, tmp_path / "part", **settings)
    assert not (tmp_path / "part").exists()


def test_rows_that_are_gone_are_said_to_be(tmp_path):
    np.save(tmp_path / "x.npy", nested())
    shoal.fit(tmp_path / "x.npy", tmp_path / "x.shoal", workers=1, layers="3")
    (tmp_path / "x.npy").unlink()
    with pytest.raises(RunError, match="are gone"):
        shoal.open(tmp_path / "x.shoal").fit_cluster(0, tmp_path / "part")
