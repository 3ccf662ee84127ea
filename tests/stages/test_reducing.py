import numpy as np
import pytest

import shoal
from shoal.errors import SettingError
from shoal.features import Colours
from shoal.features.reduced import STEPS
from shoal.stages import features, reducing, shards


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    centres = np.repeat(np.eye(3, 12, dtype=np.float32) * 20, 100, axis=0)
    return (centres + random.normal(0, 1, (300, 12)) + 30).astype(np.float32)


def stored(run, *names):
    return [(run.path / "features" / name / "whole.npy").read_bytes() for name in names]


@pytest.mark.parametrize("kind", STEPS)
def test_each_step_finds_the_clusters_and_places_new_rows(tmp_path, rows, kind):
    word = kind if kind in ("standard", "l2") else f"{kind}:4"
    run = shoal.fit(rows, tmp_path / "a.shoal", features=f"vectors+{word}", k=3, method="kmeans")
    labels = run.labels()
    assert np.bincount(labels).tolist() == [100, 100, 100]
    assert np.array_equal(run.predict(rows[::7]).cluster, labels[::7])
    assert run.info()["features"] == f"vectors+{word}"
    folder = run.path / "features"
    assert not [*folder.glob("sums/part-*"), *folder.glob("totals/part-*")]


def test_any_number_of_workers_and_an_interruption_change_no_byte(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(shards, "_SHARD_LEAST", 1 << 10)  # many shards
    names = ("step0_scale", "step1_matrix", "matrix")
    given = {"features": "vectors+standard+svd:5", "method": "kmeans", "k": 3}
    runs = [shoal.fit(rows, tmp_path / f"{n}.shoal", workers=n, **given) for n in (1, 3)]
    assert stored(runs[0], *names) == stored(runs[1], *names)
    written, original = [], reducing.write_npy

    def write(path, array):
        written.append(path)
        if len(written) == 9:
            raise KeyboardInterrupt
        original(path, array)

    monkeypatch.setattr(reducing, "write_npy", write)
    with pytest.raises(KeyboardInterrupt):
        shoal.fit(rows, tmp_path / "cut.shoal", workers=1, **given)
    monkeypatch.setattr(reducing, "write_npy", original)
    again = shoal.fit(rows, tmp_path / "cut.shoal", workers=2, **given)
    assert stored(again, *names) == stored(runs[0], *names)


def test_rows_that_cannot_be_used_are_left_out_of_the_fit(tmp_path, rows):
    spoilt = rows.copy()
    spoilt[::50] = np.nan
    fits = [
        shoal.fit(one, tmp_path / f"{name}.shoal", features="vectors+standard+pca:3", k=3)
        for name, one in {
            "spoilt": spoilt,
            "fine": np.delete(rows, slice(None, None, 50), 0),
        }.items()
    ]
    means = [np.load(run.path / "features" / "step0_mean" / "whole.npy") for run in fits]
    np.testing.assert_allclose(means[0], means[1], rtol=1e-6)
    assert fits[0].quarantine.num_rows == 6


def test_images_are_encoded_once_however_many_steps_are_fitted(tmp_path, monkeypatch):
    from PIL import Image

    random = np.random.default_rng(0)
    for number in range(60):
        image = random.integers(0, 120, (16, 16, 3), np.uint8)
        image[4:12] += np.uint8(120 * (number % 2))
        Image.fromarray(image).save(tmp_path / f"{number:02}.png")
    (tmp_path / "60.png").write_bytes((tmp_path / "00.png").read_bytes()[:90])
    given = {"features": "colours+standard+pca:4", "k": 2, "method": "kmeans", "workers": 1}
    encoded, encode = [], Colours.encode

    def counted(self, data):
        encoded.append(len(data))
        return encode(self, data)

    monkeypatch.setattr(Colours, "encode", counted)
    run = shoal.fit(tmp_path, tmp_path / "once.shoal", **given)
    once = sum(encoded)
    assert once < 4 * 61  # all of them, and samples of two steps, which are all here
    assert run.quarantine["row"].to_pylist() == [60]
    assert not list((run.path / "features" / "base").glob("part-*"))
    monkeypatch.setattr(features, "is_kept", lambda source, encoder: False)
    again = shoal.fit(tmp_path, tmp_path / "anew.shoal", **given)
    assert sum(encoded) - once > 6 * 61
    assert stored(again, "step1_matrix", "matrix") == stored(run, "step1_matrix", "matrix")
    assert np.array_equal(again.labels(), run.labels())


def test_rows_are_added_with_the_steps_of_the_earlier_run(tmp_path, rows):
    before = shoal.fit(rows[::2], tmp_path / "a.shoal", features="vectors+whiten:6", k=3)
    mixed = np.concatenate([rows[::2], rows[1::2]])
    after = shoal.fit(mixed, tmp_path / "b.shoal", previous=before.path)
    assert stored(after, "step0_matrix") == stored(before, "step0_matrix")
    assert np.array_equal(after.labels()[:150], before.labels())


def test_images_of_a_folder_come_in_their_own_size(tmp_path):
    from PIL import Image

    random = np.random.default_rng(0)
    for number in range(12):
        dots = random.random((90, 70)) < (0.1 if number % 2 else 0.6)
        Image.fromarray(np.uint8(255 * dots)).save(tmp_path / f"{number:02}.png")
    run = shoal.fit(tmp_path, tmp_path / "a.shoal", features="pixels+svd:4", k=2, method="kmeans")
    assert np.load(run.path / "features" / "step0_mean" / "whole.npy").shape == (90 * 70,)
    assert (run.predict(tmp_path).cluster == run.labels()).all()


def test_a_step_wider_than_the_rows_is_refused(tmp_path, rows):
    with pytest.raises(SettingError, match="svd:13, but it gets 12 numbers a row: give at most 12"):
        shoal.fit(rows, tmp_path / "a.shoal", features="vectors+svd:13")
