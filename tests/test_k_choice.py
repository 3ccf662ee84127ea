import json
import sys

import numpy as np
import pytest
import typer.main
from PIL import Image

import shoal
from shoal.cli.app import app
from shoal.cli.choose_k import parse_range
from shoal.errors import InputError, SettingError

TRUTH = np.repeat(np.arange(3), 30)
ROWS = (np.eye(3)[TRUTH] * 9 + np.random.default_rng(0).normal(0, 0.5, (90, 3))).astype("f4")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return shoal.fit(ROWS, tmp_path_factory.mktemp("k") / "run", workers=1)


def command(*words):
    return typer.main.get_command(app).main([str(word) for word in words], standalone_mode=False)


def test_of_a_run_and_of_rows(run):
    found, layers = shoal.choose_k(run, ks=range(2, 6), references=2)
    assert found.agreed == 3
    assert layers[0] == run.primary.k
    assert shoal.choose_k(str(run.path), ks=range(2, 6), references=2)[0].table == found.table
    again, _ = shoal.choose_k(ROWS, ks=range(2, 6), references=2, workers=1)
    assert again.table == found.table


def test_layers_are_shoals_own_only():
    other = shoal.fit(ROWS, method="kmeans", k=3, workers=1)
    assert shoal.choose_k(other, ks=[2, 3], references=0)[1] == []


def test_command(run, tmp_path, capsys):
    out = tmp_path / "k.png"
    words = ("choose-k", run.path, "--range", "2:5", "-o", out, "-q")
    assert not command(*words)
    said = capsys.readouterr().out
    assert "criteria agree on K = 3" in said
    assert "Shoal's primary layer: K = 3" in said
    with Image.open(out) as picture:
        assert picture.width > 500
    first = out.read_bytes()
    assert command(*words) == 2  # it is there
    capsys.readouterr()
    assert not command(*words, "--force", "--json")
    assert json.loads(capsys.readouterr().out)["picks"]["silhouette"] == 3
    assert out.read_bytes() == first


def test_pictures_of_lines(run, tmp_path):
    out = tmp_path / "k.svg"
    assert not command("choose-k", run.path, "--range", "2:4", "--references", 0, "-o", out, "-q")
    assert out.stat().st_size > 1000


def test_pictures_need_matplotlib(run, tmp_path, monkeypatch, capsys):
    words = ("choose-k", run.path, "--range", "2:4", "-q", "-o")
    assert command(*words, tmp_path / "k.jpg") == 2
    assert "must end in .png, .svg, .pdf" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert command(*words, tmp_path / "k.png") == 2
    assert "shoal[plot]" in capsys.readouterr().err


@pytest.mark.parametrize(
    "bad", ["", "x", "1:5", "5:2", "2:9:0", "2:3:1:1", "2,3:5", "2:100000", "-2:3", "0"]
)
def test_wrong_ranges(bad):
    with pytest.raises(InputError, match="--range must be LOW:HIGH"):
        parse_range(bad)


def test_wrong_input(run):
    with pytest.raises(SettingError, match="method shoal chooses its own layers"):
        shoal.choose_k(run, method="shoal")
    with pytest.raises(SettingError, match="features has no effect on a finished run"):
        shoal.choose_k(run.path, features="pixels")
    with pytest.raises(SettingError, match="louvain finds the number of clusters itself"):
        shoal.choose_k(run, method="louvain")
