import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

import shoal
from shoal.errors import InputError, RunError, SettingError
from shoal.features import Photo, photo
from shoal.features.efficientnet import onnx_graph
from shoal.features.torch_file import read_torch_file
from shoal.model import Model, vote
from shoal.storage import RunFolder, read_json, write_json

DIGITS = load_digits()
IMAGES = np.rint(DIGITS.images * (255 / 16)).astype(np.uint8)
DRAW = np.random.default_rng(0)


@pytest.fixture(scope="module", params=[None, 400], ids=["every row", "400 representatives"])
def run(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("digits") / "run"
    return shoal.fit(IMAGES[:1400], path, workers=1, representatives=request.param)


def test_fitted_rows_get_their_own_cluster_and_are_known(run):
    found = run.predict(IMAGES[:1400])
    assert (found.cluster == run.labels()).mean() > 0.98
    assert found.unknown.mean() < 0.01
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()


def test_new_rows_get_the_cluster_of_their_kind(run):
    found = run.predict(IMAGES[1400:], k=20)
    labels, truth = run.labels(k=20), DIGITS.target
    names = [np.bincount(truth[:1400][labels == c]).argmax() for c in range(labels.max() + 1)]
    assert (np.array(names)[found.cluster] == truth[1400:]).mean() > 0.9
    assert found.unknown.mean() < 0.2  # by other writers, whose hands are in part no kind seen


def test_blocks_come_in_order_and_are_what_predict_gives(run, monkeypatch):
    expected = run.predict(IMAGES)
    monkeypatch.setattr("shoal.model._BLOCK_ROWS", 100)
    for workers in (1, 3):
        model = Model(RunFolder.open(run.path), workers)
        blocks = list(model.blocks(model.open(IMAGES)))
        assert [len(block) for block in blocks] == [100] * 17 + [97]
        cluster = np.concatenate([block.cluster for block in blocks])
        assert np.array_equal(cluster, expected.cluster)
        sure = np.concatenate([block.confidence for block in blocks])
        assert np.allclose(sure, expected.confidence, atol=1e-4)


def test_former_names_warn_and_work(run):
    model = Model(RunFolder.open(run.path))
    with pytest.warns(DeprecationWarning, match="is now Model.prepare"):
        assert model.chosen(k=20)[1].labels.max() == 19
    with pytest.raises(AttributeError, match="no attribute 'nearets'"):
        model.nearets  # noqa: B018


def test_rows_of_another_kind_are_unknown(run):
    noise = DRAW.integers(0, 256, (100, 8, 8), np.uint8)
    assert run.predict(noise).unknown.mean() > 0.9
    assert run.predict(255 - IMAGES[:100]).unknown.mean() > 0.9


def test_the_rate_of_false_alarms_can_be_chosen(run):
    found = {rate: run.predict(IMAGES[1400:], unknown=rate).unknown for rate in (0.3, 0.05, 0.005)}
    shares = [one.mean() for one in found.values()]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.3 > shares[1] > shares[2]
    assert np.array_equal(run.predict(IMAGES[1400:]).unknown, found[0.05])
    for rate in (0, 0.9, -1, "much"):
        with pytest.raises(SettingError, match="unknown"):
            run.predict(IMAGES[:2], unknown=rate)
    assert run.info()["unknown"]["false alarms, at most"] == 0.05
    assert run.info()["unknown"]["held-out rows"] > 100


def test_the_rate_of_the_fit_is_the_default(tmp_path):
    strict = shoal.fit(IMAGES[:300], tmp_path / "run", workers=1, unknown=0.01)
    assert strict.info()["unknown"]["false alarms, at most"] == 0.01
    given = strict.predict(IMAGES[300:600], unknown=0.01).unknown
    assert np.array_equal(strict.predict(IMAGES[300:600]).unknown, given)


@pytest.mark.parametrize("representatives", [None, 150])
def test_kinds_never_seen_are_mostly_unknown(representatives):
    draw, truth = np.random.default_rng(1), DIGITS.target
    known = draw.permutation(np.flatnonzero(~np.isin(truth, [0, 6])))
    run = shoal.fit(IMAGES[known[:1100]], workers=1, representatives=representatives)
    assert run.predict(IMAGES[known[1100:]]).unknown.mean() < 0.09
    assert run.predict(IMAGES[np.isin(truth, [0, 6])]).unknown.mean() > 0.8


def test_a_run_without_held_out_rows_says_so_and_goes_by_its_own_rows(tmp_path, monkeypatch):
    run = shoal.fit(IMAGES[:300], tmp_path / "run", workers=1)
    monkeypatch.setattr("shoal.stages.fitted.read_novelty", lambda folder: None)
    older = shoal.open(run.path)
    found = older.predict(IMAGES[:300], unknown=0.3)
    assert found.unknown.mean() < 0.02
    assert "an earlier version" in found.remarks[0]
    assert older.predict(255 - IMAGES[:50]).unknown.all()
    assert older.info()["unknown"] == {"false alarms, at most": None, "held-out rows": 0}


def test_copies_and_what_is_near_them_are_known(tmp_path):
    pile = np.repeat(255 - IMAGES[:1], 300, axis=0)
    run = shoal.fit(np.concatenate([IMAGES[:500], pile]), workers=1)
    near = pile[:20].astype(int) + DRAW.integers(-2, 3, (20, 8, 8))
    assert not run.predict(pile[:3]).unknown.any()
    assert not run.predict(near.clip(0, 255).astype(np.uint8)).unknown.any()


def test_new_images_on_another_scale_are_read_as_those_of_the_fit(run, tmp_path):
    expected = run.predict(IMAGES[:30])
    for new in (IMAGES[:30] / 255, IMAGES[:30] / 127.5 - 1, IMAGES[:30].astype(np.uint16) * 257):
        found = run.predict(new)
        assert np.array_equal(found.cluster, expected.cluster)
        assert "fitted to 0 to 255" in found.remarks[0]
    np.save(tmp_path / "new.npy", IMAGES[:30].astype(np.float32) / 255)
    assert np.array_equal(run.predict(tmp_path / "new.npy").cluster, expected.cluster)
    assert run.predict(IMAGES[:1] / 255).remarks
    assert not run.predict(IMAGES[:30].astype(float)).remarks
    with pytest.raises(InputError, match="values from -5"):
        run.predict(IMAGES[:30] / 10 - 5.0)


def test_images_files_and_floats_are_on_one_scale(tmp_path):
    run = shoal.fit(IMAGES[:300] / 255, workers=1)
    for number, pixels in enumerate(IMAGES[:12]):
        Image.fromarray(pixels).save(tmp_path / f"{number:02}.png")
    for new in (tmp_path, IMAGES[:12], IMAGES[:12] / 255):
        assert np.array_equal(run.predict(new).cluster, run.labels()[:12])
    dark = run.predict(IMAGES[:1] / 255 * 0.3)
    assert dark.remarks == ()
    files = shoal.fit(tmp_path, workers=1)
    assert files.predict(IMAGES[:12] / 255).unknown.mean() == files.predict(tmp_path).unknown.mean()


def test_vectors_on_another_scale_are_remarked(tmp_path):
    rows = DRAW.normal(size=(200, 5)) * 50 + 100
    run = shoal.fit(rows, workers=1)
    assert run.predict(rows[:20]).remarks == ()
    assert "used unchanged" in run.predict(rows[:20] / 255).remarks[0]


def test_any_cut_can_be_predicted(run):
    found = run.predict(IMAGES[:200], k=4)
    assert (found.cluster == run.labels(k=4)[:200]).mean() > 0.98
    assert found.cluster.max() <= 3


def test_images_come_as_one_as_floats_in_other_sizes_and_flat(run):
    expected = run.predict(IMAGES[:20])
    assert run.predict(IMAGES[0]).cluster.tolist() == expected.cluster[:1].tolist()
    flat = run.predict(IMAGES[:20].reshape(20, 64))
    assert np.array_equal(flat.cluster, expected.cluster)
    large = IMAGES[:20].repeat(4, axis=1).repeat(4, axis=2)
    assert (run.predict(large).cluster == expected.cluster).mean() > 0.7
    dim = run.predict(IMAGES[:20] // 8 * 8)
    assert (dim.cluster == expected.cluster).mean() > 0.8


def test_flat_rows_of_files_get_the_shape_of_the_fit(run, tmp_path):
    expected = run.predict(IMAGES[:60]).cluster
    flat = IMAGES[:60].reshape(60, 64)
    np.save(tmp_path / "flat.npy", flat)
    columns = {f"e{at}": flat[:, at] for at in range(64)}
    pq.write_table(pa.table(columns), tmp_path / "flat.parquet")
    pixels = [" ".join(map(str, row)) for row in flat]
    pq.write_table(pa.table({"pixels": pixels}), tmp_path / "text.parquet")
    for where in (tmp_path / "flat.npy", tmp_path / "flat.parquet", columns, {"pixels": pixels}):
        assert np.array_equal(run.predict(where).cluster, expected)
    with pytest.raises(InputError, match="but the run was fitted to images"):
        run.predict({f"e{at}": flat[:, at] for at in range(63)})


def test_a_folder_in_colour_with_a_broken_file(run, tmp_path):
    for number, pixels in enumerate(IMAGES[:12]):
        Image.fromarray(pixels).convert("RGB").save(tmp_path / f"{number:02}.png")
    (tmp_path / "05.png").write_text("text")
    found = run.predict(tmp_path)
    assert np.flatnonzero(found.cluster < 0).tolist() == [5]
    assert np.isnan(found.confidence[5])
    assert not found.unknown[5]
    keep = np.arange(12) != 5
    assert np.array_equal(found.cluster[keep], run.labels()[:12][keep])


def test_rows_of_another_kind_or_width_are_refused(run, tmp_path):
    with pytest.raises(InputError, match="but the run was fitted to images"):
        run.predict(np.zeros((5, 9), np.float32).tolist())
    vectors = shoal.fit(DRAW.normal(size=(60, 4)), workers=1)
    with pytest.raises(InputError, match="rows of shape 5, but the run was fitted to 4"):
        vectors.predict(np.zeros((3, 5)))
    with pytest.raises(InputError, match="but the run was fitted to vectors"):
        vectors.predict(IMAGES[:3])
    assert len(vectors.predict(np.zeros(4))) == 1


def test_values_are_read_as_those_of_the_fit(tmp_path):
    rows = IMAGES[:600].astype(np.float32) * 40 - 1000
    run = shoal.fit(rows, workers=1)
    half = run.predict(rows[DIGITS.target[:600] == 1])
    assert (half.cluster == run.labels()[DIGITS.target[:600] == 1]).mean() > 0.95


def test_the_model_needs_no_source(tmp_path):
    np.save(tmp_path / "rows.npy", IMAGES[:300])
    shoal.fit(tmp_path / "rows.npy", tmp_path / "run", workers=1)
    (tmp_path / "rows.npy").unlink()
    model = Model(RunFolder.open(tmp_path / "run"), workers=1)
    assert len(model.predict(IMAGES[300:310])) == 10


def test_an_encoder_of_another_version_is_told(tmp_path):
    run = shoal.fit(IMAGES[:300], tmp_path / "run", workers=1)
    stage = RunFolder.open(run.path).stage("features")
    path, receipt = stage.whole("encoder", "json"), stage.read_receipt()
    write_json(path, {**read_json(path), "version": 0})
    stage.finish(receipt.fingerprint, receipt.counts, receipt.seconds, receipt.peak_memory)
    with pytest.raises(RunError, match=r"other gradients features \(version 0\)"):
        shoal.open(run.path).predict(IMAGES[:2])


def test_the_votes_by_hand():
    labels = np.array([[0, 1, 1], [2, 1, 1], [0, 1, 2]], np.int32)
    distance = np.array([[1, 1.2, 1.2], [0, 1, 1], [1, 1, 1]], np.float32)
    cluster, confidence = vote(labels, np.ones((3, 3), np.float32), distance)
    assert cluster.tolist() == [1, 2, 0]
    assert confidence == pytest.approx([2 / 1.44 / (1 + 2 / 1.44), 1, 1 / 3])
    halved = vote(labels, np.full((3, 3), 0.5, np.float32), distance)[1]
    assert halved == pytest.approx(confidence / 2)


@pytest.fixture(scope="module")
def photos_run(tmp_path_factory, photos):
    return shoal.fit(photos, tmp_path_factory.mktemp("photos") / "run", workers=2, layers="2")


def test_photos_are_predicted_by_the_encoder_of_the_fit(photos_run, photos):
    assert photos_run.model.encoder == Photo()
    assert photos_run.info()["features"] == "photo"
    expected = photos_run.labels()
    found = photos_run.predict(photos)
    assert np.array_equal(found.cluster, expected)
    assert found.unknown.sum() == 0
    china, flower = load_sample_images().images
    one = photos_run.predict(china[30:270, 60:310])  # seen here before it was a JPEG
    assert one.cluster.tolist() == [expected[0]]
    several = photos_run.predict(np.stack([flower[20:270, 30:280], china[100:350, 200:450]]))
    assert several.cluster.tolist() == [expected[79], expected[0]]


def test_photos_of_other_things_are_unknown(photos_run):
    noise = DRAW.integers(0, 256, (5, 100, 120, 3), np.uint8)
    assert photos_run.predict(noise).unknown.all()


def test_a_run_whose_encoder_is_another_now_is_refused(photos_run, monkeypatch):
    monkeypatch.setattr(photo, "_VERSION", 0)
    model = Model(RunFolder.open(photos_run.path))
    with pytest.raises(RunError, match="was fitted with other photo features"):
        model.encoder  # noqa: B018


def test_a_network_of_one_s_own_is_found_again_by_predict(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    graph = onnx_graph(read_torch_file(photo.weights_file()))
    (tmp_path / "own.onnx").write_bytes(graph)
    run = shoal.fit(photos, tmp_path / "run", workers=2, layers="2", features="onnx:own.onnx")
    monkeypatch.chdir("/")
    assert run.info()["features"] == f"onnx:{tmp_path}/own.onnx"
    assert np.array_equal(Model(run._folder).predict(photos).cluster, run.labels())
    (tmp_path / "own.onnx").write_bytes(graph + b"\x08\x08")  # another version
    with pytest.raises(RunError, match="was fitted with other onnx features"):
        Model(run._folder).predict(photos)
    (tmp_path / "own.onnx").unlink()
    with pytest.raises(InputError, match=r"own\.onnx does not exist"):
        Model(run._folder).predict(photos)
