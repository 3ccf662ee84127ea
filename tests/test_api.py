import gc

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import shoal
from shoal.errors import InputError, RunError, SettingError

DIGITS = load_digits()
IMAGES = np.rint(DIGITS.images * (255 / 16)).astype(np.uint8)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    np.save(folder / "digits.npy", IMAGES)
    return shoal.fit(folder / "digits.npy", folder / "run", workers=1)


@pytest.fixture(scope="module")
def blobs():
    draw = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [500, 300, 200])
    rows = draw.normal(size=(1000, 6)) + 25 * np.eye(6)[truth]
    return rows.astype(np.float32), truth


def test_digits_from_pixels_to_clusters(digits):
    best = next(s for s in digits.evaluate(DIGITS.target) if s["primary"])
    assert best["ami"] >= 0.92
    assert 0 < best["silhouette"] < 1
    assert digits.primary in digits.layers
    assert repr(digits).startswith("<Run ")
    assert "1,797 grey images" in repr(digits)


def test_clusters_are_numbered_from_the_largest_at_any_cut(digits):
    for k in (1, 2, 10, 57):
        labels = digits.labels(k=k)
        assert labels.dtype == np.int32
        sizes = np.bincount(labels)
        assert len(sizes) == k
        assert (np.diff(sizes) <= 0).all()


def test_cuts_are_nested(digits):
    fine, coarse = digits.labels(k=30), digits.labels(k=12)
    assert len(set(zip(fine.tolist(), coarse.tolist(), strict=True))) == 30


def test_layers_are_cuts_and_the_primary_one_is_the_default(digits):
    for number, layer in enumerate(digits.layers):
        assert np.array_equal(digits.labels(layer=number), digits.labels(k=layer.k))
    assert np.array_equal(digits.labels(), digits.labels(k=digits.primary.k))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"layer": 0, "k": 3}, "exclude each other"),
        ({"layer": 99}, "layer must be a whole number from 0 to"),
        ({"layer": -1}, "layer must be a whole number from 0 to"),
        ({"k": 0}, "k must be a whole number of at least 1; got 0"),
        ({"k": 5000}, "k must be from 1 to .*; got 5,000"),
    ],
)
def test_a_cut_that_is_not_there_is_refused(digits, asked, said):
    with pytest.raises(InputError, match=said):
        digits.labels(**asked)


def test_the_table_has_a_line_for_every_row(digits):
    table = digits.table(k=10)
    assert table.column_names == ["row", "name", "cluster", "confidence", "outlier"]
    assert table["row"].to_pylist() == list(range(1797))
    assert table["name"].null_count == 1797
    assert np.array_equal(table["cluster"], digits.labels(k=10))
    assert table.schema.field("outlier").type == pa.bool_()
    confidence = table["confidence"].to_numpy()
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert digits.outliers.mean() < 0.05


def test_sure_rows_are_more_often_right(digits):
    labels, confidence = digits.labels(k=10), digits.confidence(k=10)
    assert confidence.mean() > 0.8
    of_cluster = [np.bincount(DIGITS.target[labels == c]).argmax() for c in range(10)]
    right = np.array(of_cluster)[labels] == DIGITS.target
    assert right[confidence > 0.95].mean() > right[confidence < 0.8].mean() + 0.05


def test_one_cluster_is_held_with_full_confidence(digits):
    assert (digits.confidence(k=1) == 1).all()


def test_an_opened_run_is_the_same(digits):
    opened = shoal.open(digits.path)
    assert np.array_equal(opened.labels(), digits.labels())
    assert opened.layers == digits.layers or len(opened.layers) == len(digits.layers)
    assert opened.source.description == digits.source.description
    rows = opened.representatives.rows
    assert np.array_equal(np.sort(rows), np.unique(rows))


def test_info_tells_settings_counts_time_and_memory(digits):
    info = digits.info()
    assert info["rows"] == 1797
    assert info["quarantined"] == 0
    assert info["settings"]["seed"] == 0
    assert set(info["stages"]) == {"index", "features", "project", "summarise", "tree", "assign"}
    assert all(stage["peak_memory_mib"] > 0 for stage in info["stages"].values())


def test_evaluate_leaves_out_rows_of_no_known_class(digits):
    truth = DIGITS.target.copy()
    truth[::3] = -1
    found = digits.evaluate(truth, k=10)
    assert len(found) == 1
    assert found[0]["n_classes"] == 10
    assert found[0]["layer"] is None or digits.layers[found[0]["layer"]].k == 10
    with pytest.raises(InputError, match="one label per row"):
        digits.evaluate(truth[:-1])
    with pytest.raises(InputError, match="no row has a known class"):
        digits.evaluate(np.full(1797, -1))


def test_evaluate_takes_names_of_classes(digits):
    names = np.array([f"digit {d}" for d in DIGITS.target])
    assert digits.evaluate(names, k=10)[0] == digits.evaluate(DIGITS.target, k=10)[0]


@pytest.mark.parametrize("settings", [{}, {"representatives": 100}])
def test_three_groups_are_found_exactly(blobs, settings):
    rows, truth = blobs
    run = shoal.fit(rows, workers=1, **settings)
    assert run.primary.k == 3
    assert np.array_equal(run.labels(), truth)
    assert (run.confidence() > 0.99).mean() > 0.95


def test_structureless_rows_are_one_cluster():
    rows = np.random.default_rng(0).normal(size=(800, 5)).astype(np.float32)
    run = shoal.fit(rows, workers=1)
    assert run.primary.k == 1
    assert run.evaluate(np.zeros(800, int))[0]["ari"] == 1


def test_asked_for_layers_are_kept(blobs):
    run = shoal.fit(blobs[0], workers=1, layers=(2, 7))
    assert {layer.k for layer in run.layers} == {2, 7}


def test_the_number_asked_for_is_suggested_and_the_tree_stays(blobs):
    plain, asked = (shoal.fit(blobs[0], workers=1, **k) for k in ({}, {"k": 5}))
    assert asked.primary.k == 5
    assert len(np.unique(asked.labels())) == 5
    assert {layer.k for layer in asked.layers} == {layer.k for layer in plain.layers} | {5}
    assert np.array_equal(plain.tree.order, asked.tree.order)
    assert np.array_equal(asked.labels(k=plain.primary.k), plain.labels())


def test_the_first_layer_asked_for_is_suggested(blobs):
    assert shoal.fit(blobs[0], workers=1, layers="2,7").primary.k == 2
    both = shoal.fit(blobs[0], workers=1, layers="2,7", k=4)
    assert [(layer.k, layer.primary) for layer in both.layers] == [(2, 0), (4, 1), (7, 0)]


@pytest.mark.parametrize(
    ("given", "value"),
    [({"k": 101}, "k must be from 1 to 100"), ({"layers": (2, 101)}, "layers must be from 1 to"),
     ({"k": 9, "representatives": 5}, "k must be from 1 to 5, the number of representatives")],
)  # fmt: skip
def test_more_clusters_than_rows_are_refused_before_any_work(tmp_path, given, value):
    with pytest.raises(SettingError, match=value):
        shoal.fit(np.eye(100, 8, dtype=np.float32), tmp_path / "run", workers=1, **given)
    assert not (tmp_path / "run").exists()


def test_ids_are_kept_from_an_earlier_run(blobs, tmp_path):
    rows, truth = blobs
    shoal.fit(rows, tmp_path / "first", workers=1)
    moved = rows.copy()
    moved[:350] = rows[700:701] + np.random.default_rng(1).normal(size=(350, 6))
    again = shoal.fit(moved, tmp_path / "second", workers=1, previous=str(tmp_path / "first"))
    labels = again.labels()
    assert (labels[truth == 1] == 1).all()
    assert (labels[truth == 2] == 2).mean() > 0.99
    assert np.bincount(labels).argmax() == 1
    assert np.bincount(shoal.fit(moved, workers=1).labels()).argmax() == 0


def test_a_run_in_a_temporary_folder_goes_with_its_owner(blobs):
    run = shoal.fit(blobs[0], workers=1)
    path = run.path
    assert path.is_dir()
    assert run.source.n_rows == 1000
    del run
    gc.collect()
    assert not path.exists()


def test_a_failed_fit_leaves_no_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(InputError):
        shoal.fit(np.ones((20, 3), np.float32), workers=1)
    assert not list(tmp_path.iterdir())


def test_rows_in_memory_are_gone_when_opened_later(blobs, tmp_path):
    shoal.fit(blobs[0], tmp_path / "run", workers=1)
    with pytest.raises(RunError, match="were given in memory"):
        _ = shoal.open(tmp_path / "run").source


def test_a_source_that_is_gone_or_another_is_told(blobs, tmp_path):
    np.save(tmp_path / "rows.npy", blobs[0])
    shoal.fit(tmp_path / "rows.npy", tmp_path / "run", workers=1)
    np.save(tmp_path / "rows.npy", blobs[0][:900])
    with pytest.raises(RunError, match="has changed since the fit"):
        _ = shoal.open(tmp_path / "run").source
    (tmp_path / "rows.npy").unlink()
    with pytest.raises(RunError, match=r"are gone: .*does not exist"):
        _ = shoal.open(tmp_path / "run").source
    assert len(shoal.open(tmp_path / "run").labels()) == 1000


def test_an_unfinished_run_is_told(blobs, tmp_path):
    shoal.fit(blobs[0], tmp_path / "run", workers=1)
    (tmp_path / "run/assign/_done.json").unlink()
    with pytest.raises(RunError, match="not finished"):
        shoal.open(tmp_path / "run")


def test_a_folder_with_a_broken_file(tmp_path):
    (tmp_path / "images").mkdir()
    for number, pixels in enumerate(IMAGES[:60]):
        Image.fromarray(pixels).save(tmp_path / f"images/{number:03}.png")
    (tmp_path / "images/017.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    run = shoal.fit(tmp_path / "images", tmp_path / "run", workers=1)
    assert run.labels()[17] == -1
    assert (np.delete(run.labels(), 17) >= 0).all()
    table = run.table()
    assert table["name"][3].as_py() == "003.png"
    assert table["cluster"][17].as_py() == -1
    assert not run.outliers[17]
    assert [entry["name"] for entry in run.quarantine.to_pylist()] == ["017.png"]
    assert run.info()["quarantined"] == 1


def test_a_plan_says_what_would_be_done(tmp_path):
    np.save(tmp_path / "rows.npy", np.zeros((50, 4), np.float32))
    plan = shoal.plan(tmp_path / "rows.npy", tmp_path / "run", workers=1)
    assert plan["rows"] == 50
    assert plan["representatives"] == 50
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (np.zeros((1, 8, 8), np.uint8), "at least 2"),
        (np.full((30, 4), 7.0), "all rows are identical"),
        (np.zeros((30, 8, 8), np.uint8), "all rows are identical"),
        (np.full((30, 4), np.nan), "no row can be read of 30"),
    ],
)
def test_rows_that_cannot_be_clustered(rows, said):
    with pytest.raises(InputError, match=said):
        shoal.fit(rows, workers=1)


@pytest.mark.parametrize("n", [2, 3, 4, 7])
@pytest.mark.parametrize("representatives", [None, 2])
def test_very_few_rows_are_fine(n, representatives):
    rows = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
    run = shoal.fit(rows, workers=1, representatives=representatives)
    assert run.labels(k=2).max() == 1
    assert len(run.table()) == n
    assert len(run.predict(rows)) == n


def test_unknown_settings_are_named():
    with pytest.raises(InputError, match="did you mean seed"):
        shoal.fit(np.zeros((5, 2)), sed=1)


def test_the_public_names_are_there():
    assert set(shoal.__all__) <= set(dir(shoal))
    for name in shoal.__all__:
        assert getattr(shoal, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = shoal.nothing
