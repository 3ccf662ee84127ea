import numpy as np
import pytest
from PIL import Image

from shoal.errors import InputError
from shoal.pipeline import run_pipeline
from shoal.rows import open_source
from shoal.settings import fit_settings
from shoal.stages.fit_stages import quarantined
from shoal.storage import read_json, read_npy


def folder_of_images(path, n=40):
    path.mkdir()
    draw = np.random.default_rng(0)
    for number in range(n):
        pixels = np.full((12, 12), 40 + 170 * (number % 2)) + draw.integers(0, 20, (12, 12))
        pixels[:, : 3 + 3 * (number % 2)] = 0
        Image.fromarray(pixels.astype(np.uint8)).save(path / f"{number:02}.png")
    (path / "07.png").write_text("no picture")
    return path


def test_a_folder_has_names_and_is_decoded_only_for_the_features(tmp_path):
    source = open_source(folder_of_images(tmp_path / "images"))
    run = run_pipeline(tmp_path / "run", source, fit_settings(workers=1))
    bad = quarantined(run).to_pylist()
    assert [(entry["row"], entry["name"]) for entry in bad] == [(7, "07.png")]
    index, features = run.stage("index"), run.stage("features")
    assert read_json(index.whole("summary", "json"))["named"]
    assert index.read_receipt().counts == {"rows": 40, "quarantined": 0, "shards": 2}
    assert features.read_receipt().counts["quarantined"] == 1


def test_vectors_out_of_text_are_read_once_and_kept(tmp_path):
    rows = np.random.default_rng(0).normal(size=(50, 3)).round(3)
    rows[20] = np.inf
    np.savetxt(tmp_path / "rows.csv", rows, delimiter=",", header="a,b,c", comments="")
    run = run_pipeline(
        tmp_path / "run", open_source(tmp_path / "rows.csv"), fit_settings(workers=1)
    )
    kept = read_npy(run.stage("index").part("numbers", 0))
    np.testing.assert_array_equal(kept[:20], rows[:20].astype(np.float32))
    assert quarantined(run)["row"].to_pylist() == [20]


def test_an_array_of_whole_numbers_is_neither_named_nor_kept(fitted):
    index = fitted(np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8)).stage("index")
    assert not index.parts("names")
    assert not index.parts("numbers")


def test_vectors_with_holes_are_quarantined(fitted, blobs):
    blobs[5, 1], blobs[9, 0] = np.nan, np.inf
    assert quarantined(fitted(blobs))["row"].to_pylist() == [5, 9]


def test_image_files_of_which_none_can_be_read_are_refused_with_the_reasons(tmp_path):
    folder = folder_of_images(tmp_path / "images", 9)
    source = open_source(folder)
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(InputError, match=r"no row .* \(00.png and 8 more: the file is missing\)"):
        run_pipeline(tmp_path / "run", source, fit_settings(workers=1))


def test_too_few_good_rows_are_refused_with_the_reasons(fitted):
    rows = np.full((3, 4), np.nan, np.float32)
    with pytest.raises(
        InputError, match=r"no row can be read of 3, but .* \(0 and 2 more: "
    ) as one:
        fitted(rows)
    assert str(one.value).count("nan") == 1
    rows[1, 0] = 0
    with pytest.raises(InputError, match=r"\(0 and 1 more: .* position 0 .*; 1: .* position 1 "):
        fitted(rows, "two")
    rows[1] = 0
    with pytest.raises(InputError, match="only one row can be read of 3"):
        fitted(rows, "other")
