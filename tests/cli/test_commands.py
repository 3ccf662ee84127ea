import csv
import io
import json
import re
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import typer.main
from PIL import Image

from shoal import api
from shoal.api import Run
from shoal.cli.app import app
from shoal.core.layers import Layer
from shoal.export import export_forms
from shoal.export.datasets import DATASETS


def test_layers(shoal, told, run):
    facts = told("layers", run)["layers"]
    ks = [layer["k"] for layer in facts]
    assert ks == sorted(ks)
    for fact in facts:
        assert fact["smallest"] <= fact["median"] <= fact["largest"] <= 600
    lines = shoal("layers", run).stdout.splitlines()
    assert lines[1].split()[:4] == ["layer", "K", "excess", "stability"]
    assert sum("primary" in line for line in lines) == 1


def test_sizes_of_clusters(shoal, told, run):
    facts = told("labels", run, "--k", 5)
    assert facts["k"] == 5
    assert sum(cluster["rows"] for cluster in facts["clusters"]) == 600
    assert sum(cluster["share"] for cluster in facts["clusters"]) == pytest.approx(100)
    assert len(shoal("labels", run, "--layer", 0).stdout.splitlines()) > 3


@pytest.mark.parametrize("ending", ["parquet", "csv", "npy"])
def test_labels_in_every_format(shoal, photos_run, tmp_path, ending):
    path = tmp_path / f"labels.{ending}"
    assert shoal("labels", photos_run, "-o", path).exit_code == 0
    expected = api.open(photos_run).labels().tolist()
    if ending == "npy":
        found = np.load(path).tolist()
    elif ending == "csv":
        found = [int(line["cluster"]) for line in csv.DictReader(path.read_text().splitlines())]
    else:
        table = pq.read_table(path)
        assert table.column_names == ["row", "name", "cluster", "confidence", "outlier"]
        assert table["name"][0].as_py().startswith("digit-0/")
        found = table["cluster"].to_pylist()
    assert found == expected
    assert found.count(-1) == 1
    again = shoal("labels", photos_run, "-o", path)
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert shoal("labels", photos_run, "-o", path, "--force").exit_code == 0


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_what_a_file_says_of_the_rows_goes_beside_their_labels(shoal, photos_run, tmp_path, ending):
    assert shoal("labels", photos_run, "-o", tmp_path / "names.parquet").exit_code == 0
    names = pq.read_table(tmp_path / "names.parquet")["name"].to_pylist()
    lines = [f"{name.rpartition('.')[0]},{at}" for at, name in enumerate(names)]
    (tmp_path / "m.csv").write_text("\n".join(["file,measure", *lines[::-1]]))
    out, given = tmp_path / f"labels.{ending}", ("--metadata", tmp_path / "m.csv")
    assert shoal("labels", photos_run, "-o", out, *given).exit_code == 0
    if ending == "csv":
        found = [int(line["measure"]) for line in csv.DictReader(out.read_text().splitlines())]
    else:
        found = pq.read_table(out)["measure"].to_pylist()
    assert found == list(range(len(names)))
    for bare in ((), ("-o", tmp_path / "labels.npy")):
        assert shoal("labels", photos_run, *bare, *given).exit_code == 2


def test_cuts_that_are_not_there(shoal, run, tmp_path):
    for words, said in (
        (("--layer", 99), "layer must be a whole number from 0 to"),
        (("--layer", -1), "layer must be a whole number from 0 to"),
        (("--k", 0), "k must be a whole number of at least 1; got 0"),
        (("--k", 601), "k must be from 1 to"),
        (("--k", 3, "--layer", 0), "exclude each other"),
        (("-o", tmp_path / "x.xls"), "must end in one of"),
    ):
        result = shoal("labels", run, *words)
        assert (result.exit_code, said in result.stderr) == (2, True), result.stderr


def test_eval(shoal, told, run, digits, tmp_path):
    facts = told("eval", run, "--truth", digits, "--key", "labels", "--plot", tmp_path / "c.png")
    assert facts["classes"] == 10
    primary = next(score for score in facts["scores"] if score["primary"])
    assert primary["ami"] > 0.7
    with Image.open(tmp_path / "c.png") as image:
        assert image.format == "PNG"
    text = shoal("eval", run, "--truth", digits, "--k", 10).stdout
    assert "K = 10" in text
    assert "accuracy" in text
    again = shoal("eval", run, "--truth", digits, "--plot", tmp_path / "c.png")
    assert again.exit_code == 2


def test_eval_by_folders_and_by_a_part_of_the_names(shoal, told, photos_run, tmp_path):
    facts = told("eval", photos_run, "--truth", "folders")
    assert facts["classes"] == 3
    assert max(score["ari"] for score in facts["scores"]) > 0.7
    names = api.open(photos_run).table()["name"].to_pylist()
    lines = [f"{name},{name.split('/')[0]}" for name in names[:80:2]]
    (tmp_path / "some.csv").write_text("\n".join(["file,kind", *lines]))
    result = shoal("eval", photos_run, "--truth", tmp_path / "some.csv")
    assert result.exit_code == 0, result.stderr
    assert "for want of a known class: 81 rows" in result.stderr


def test_predict(shoal, told, photos, photos_run, run, digits, tmp_path):
    path = tmp_path / "new.csv"
    facts = told("predict", photos_run, photos / "digit-0", "-o", path)
    assert facts["rows"] == 40
    lines = list(csv.DictReader(path.read_text().splitlines()))
    labels = api.open(photos_run).labels()[:40]
    assert np.mean([int(line["cluster"]) for line in lines] == labels) > 0.95
    assert lines[0]["name"].endswith(".png")
    result = shoal("predict", run, digits, "--key", "images", "-o", tmp_path / "x.parquet")
    assert result.exit_code == 0
    assert "600 rows" in result.stdout
    assert shoal("predict", run, digits, "-o", tmp_path / "x.parquet").exit_code == 2


def test_predict_without_a_file_prints_what_it_finds(shoal, told, photos, photos_run, run, digits):
    one = next((photos / "digit-0").glob("*.png"))
    facts = told("predict", photos_run, one)
    label = api.open(photos_run).labels()[0]
    (row,) = facts["predictions"]
    assert (facts["rows"], facts["out"], row["name"]) == (1, None, one.name)
    assert (row["cluster"], row["unknown"]) == (label, False)
    text = shoal("predict", photos_run, photos / "digit-4").stdout
    assert "could not be read" in text
    assert f"{api.open(photos_run).labels()[-2]}" in text
    assert "41 rows" in text


def test_predict_prints_no_more_rows_than_can_be_read(shoal, run, tmp_path):
    np.save(tmp_path / "many.npy", np.zeros((1001, 8, 8), np.uint8))
    result = shoal("predict", run, tmp_path / "many.npy")
    assert (result.exit_code, "with -o" in result.stderr) == (2, True), result.stderr


def test_predict_at_a_chosen_rate_and_scale(shoal, told, run, digits, tmp_path):
    with np.load(digits) as arrays:
        np.save(tmp_path / "new.npy", arrays["images"] / 255)
    few = told("predict", run, tmp_path / "new.npy", "-o", tmp_path / "a.npy")
    many = told("predict", run, tmp_path / "new.npy", "-o", tmp_path / "b.npy", "--unknown", 0.4)
    assert few["unknown"] <= many["unknown"]
    assert "read as 0 to 1" in few["remarks"][0]
    wrong = shoal("predict", run, tmp_path / "new.npy", "-o", tmp_path / "c.npy", "--unknown", 2)
    assert (wrong.exit_code, "got 2.0" in wrong.stderr) == (2, True), wrong.stderr
    assert (
        "read as 0 to 1"
        in shoal("predict", run, tmp_path / "new.npy", "-o", tmp_path / "d.npy").stderr
    )
    assert "false alarms" in shoal("info", run).stdout


def test_unreadable_new_rows_are_counted(told, photos, photos_run, tmp_path):
    facts = told("predict", photos_run, photos / "digit-4", "-o", tmp_path / "new.npy")
    assert (facts["rows"], facts["unreadable"]) == (41, 1)
    assert np.load(tmp_path / "new.npy").tolist().count(-1) == 1


@pytest.mark.parametrize("mode", ["copy", "symlink", "hardlink"])
def test_export_to_folders_and_back(shoal, told, photos_run, tmp_path, mode):
    out = tmp_path / "out"
    words = ("export", photos_run, "--to", out, "--as", "folders")
    assert told(*words, "--mode", mode)["done"] == 120
    assert len(list(out.glob("cluster-*/*.png"))) == 120
    assert "120 were there" in shoal(*words, "--mode", mode, "-q").stdout
    assert told(*words, "--undo")["done"] == 120
    assert not out.exists()


def test_export_of_files(shoal, told, run, tmp_path):
    for form, name in (
        ("csv", "labels.csv"),
        ("parquet", "labels.parquet"),
        ("html", "report.html"),
    ):
        assert shoal("export", run, "--to", tmp_path / "out", "--as", form).exit_code == 0
        assert (tmp_path / "out" / name).stat().st_size > 100
        again = shoal("export", run, "--to", tmp_path / "out", "--as", form)
        assert again.exit_code == 2
    named = tmp_path / "mine.html"
    assert told("export", run, "--to", named, "--as", "html", "--k", 4)["file"] == str(named)
    assert "4 clusters in 600 images" in named.read_text()


def test_the_forms_of_an_export_are_those_that_there_are():
    metavar = typer.main.get_command(app).commands["export"].params
    assert next(p.metavar for p in metavar if p.name == "as_").split("|") == list(export_forms())


def test_a_data_set_from_outside_is_exported(told, photos_run, tmp_path, monkeypatch):
    def paths(given):
        return {"paths.json": json.dumps([image.target for image in given.images])}

    monkeypatch.setitem(DATASETS, "paths", paths)
    out = tmp_path / "out"
    assert told("export", photos_run, "--to", out, "--as", "paths")["done"] == 120
    assert all((out / path).is_file() for path in json.loads((out / "paths.json").read_text()))
    told("export", photos_run, "--to", out, "--undo")
    assert not out.exists()


def test_a_data_set_is_exported_and_taken_back(shoal, told, photos_run, tmp_path):
    words = ("export", photos_run, "--to", tmp_path / "out", "--as", "coco")
    assert told(*words)["done"] == 120
    assert "out --undo" in shoal(*words).stdout
    assert told(*words, "--undo")["left"] == []
    assert not (tmp_path / "out").exists()


def test_the_map_is_exported_with_pictures(photos_run, tmp_path):
    mine = api.open(shutil.copytree(photos_run, tmp_path / "photos.shoal"))
    mine.edits.rename(0, "zero")
    table = pq.read_table(mine.export(tmp_path, "atlas").path)
    assert table.num_rows == 120
    assert table.column_names == ["row", "name", "x", "y", "cluster", "cluster_name", "image"]
    assert {name for name in table["cluster_name"].to_pylist() if not name.isdigit()} == {"zero"}
    places = dict(zip(*mine.map_table().select(["row", "y"]).columns, strict=True))
    assert table["y"][3].as_py() == pytest.approx(1 - places[table["row"][3]].as_py())
    picture = Image.open(io.BytesIO(table["image"][3].as_py()["bytes"]))
    assert picture.size == (8, 8)


def test_exports_that_make_no_sense(shoal, run, tmp_path):
    for words, said in (
        (("--as", "pdf"), "choose folders, coco, huggingface"),
        (("--as", "csv", "--undo"), "--undo is for exports to folders"),
        (("--as", "folders", "--mode", "symlink"), "are not local files"),
        (("--as", "folders", "--undo"), "has no manifest.json"),
        (("--undo",), "has no manifest.json"),
        ((), "no export format: choose folders"),
    ):
        result = shoal("export", run, "--to", tmp_path, *words)
        assert (result.exit_code, said in result.stderr) == (2, True), result.stderr


def test_info(shoal, told, run, photos_run):
    assert told("info", run)["rows"] == 600
    assert told("info", photos_run)["quarantine"][0]["name"] == "digit-4/broken.png"
    text = shoal("info", photos_run).stdout
    assert "121 grey images" in text
    assert "digit-4/broken.png: " in text
    both = told("info", run, photos_run)
    assert [facts["rows"] for facts in both] == [600, 121]
    text = shoal("info", run, photos_run).stdout
    assert text.index("600 ") < text.index("121 grey images")


def noise(folder, n=300):
    """Rows without structure."""
    path = folder / "noise.npy"
    np.save(path, np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32))
    return path


def test_one_cluster_comes_with_what_to_try_next(shoal, tmp_path):
    out = tmp_path / "noise.shoal"
    fitted = shoal("fit", noise(tmp_path), "-o", out, "-q").stdout
    for text in (fitted, shoal("layers", out).stdout, shoal("info", out).stdout):
        text = " ".join(text.split())
        assert text.count("One cluster: no split is clearer") == 1
        cut = re.search(r"The least unlikely cuts are K = (\d+)", text)[1]
        assert f"shoal labels {out} --k {cut}" in text


def test_one_cluster_that_was_asked_for_is_not_said_to_be_all_there_is(shoal, digits, tmp_path):
    out = tmp_path / "one.shoal"
    fitted = shoal("fit", digits, "--key", "images", "-o", out, "-q", "--layers", 1)
    assert (fitted.exit_code, "no split is clearer" in fitted.stdout) == (0, False)


@pytest.mark.parametrize("excess", [0.9, 2.0])
def test_a_weak_layer_is_explained(shoal, told, run, monkeypatch, excess):
    layers = Layer(2, 3.0, 0.9, True), Layer(5, excess, 0.5)
    monkeypatch.setattr(Run, "layers", layers)
    weak = excess < 1
    assert [layer["weak"] for layer in told("layers", run)["layers"]] == [False, weak]
    for command in ("layers", "info"):
        text = " ".join(shoal(command, run).stdout.split())
        assert ("Weak layers: their last splits are barely clearer" in text) == weak


def test_version(shoal, told):
    import shoal as package

    assert package.__version__ in shoal("version").stdout
    assert shoal("--version").stdout == shoal("version").stdout
    assert told("version")["shoal"] == package.__version__


def test_a_path_that_is_no_run(shoal, run, tmp_path):
    for command in ("layers", "labels", "info"):
        result = shoal(command, tmp_path / "digits.shoal")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "does not exist" in result.stderr
    assert "did you mean" in shoal("layers", run.parent).stderr


def test_vectors_have_no_pictures_to_lay_out(shoal, tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.normal(size=(200, 4)) + np.repeat([[0], [30]], 100, 0))
    out = tmp_path / "x.shoal"
    text = shoal("fit", tmp_path / "x.npy", "-o", out, "-q").stdout
    assert "--as folders" not in text
    result = shoal("export", out, "--to", tmp_path / "f", "--as", "folders")
    assert (result.exit_code, "are not images" in result.stderr) == (2, True)
    assert shoal("export", out, "--to", tmp_path / "r", "--as", "html").exit_code == 0
    assert "there are no pictures" in (tmp_path / "r" / "report.html").read_text()
