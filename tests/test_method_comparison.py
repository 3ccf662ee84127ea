import json
import re

import numpy as np
import pytest
import typer.main

import shoal
from shoal.cli.app import app
from shoal.errors import InputError, SettingError
from shoal.method_comparison import agreement
from shoal.methods import METHODS, NAMES

TRUTH = np.repeat(np.arange(3), 15)
IMAGES = np.zeros((45, 6, 6), np.uint8)
for _row, _class in enumerate(TRUTH):
    IMAGES[_row, 2 * _class : 2 * _class + 2] = 200 + _row


def run(words):
    return typer.main.get_command(app).main(words, standalone_mode=False)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    out = tmp_path_factory.mktemp("methods") / "out"
    methods = ["kmeans", "agnes", "dbscan", "k-medoids"]
    parameters = ["agglomerative.linkage=single", "dbscan.eps=0.05"]
    settings = {"workers": 1, "features": "pixels", "truth": TRUTH, "k": 3}
    return shoal.compare_methods(IMAGES, methods, out, parameters=parameters, **settings)


def test_one_run_and_one_record_a_method(found):
    assert list(found.runs) == ["kmeans", "agglomerative", "dbscan", "k-medoids"]
    assert [record["method"] for record in found.table] == list(found.runs)
    for record in found.table[:2]:
        assert (record["k"], record["ari"], record["noise"]) == (3, 1.0, None)
    assert found.table[2]["noise"] is not None
    assert found.runs["agglomerative"].info()["method"]["parameters"] == ["linkage=single"]
    assert shoal.open(found.page.parent / "kmeans").primary.k == 3


def test_features_are_made_once(found):
    for stage in ("index", "features", "project", "summarise"):
        receipts = [run.path / stage / "_done.json" for run in found.runs.values()]
        assert len({path.stat().st_ino for path in receipts}) == 1


def test_agreement_is_symmetric_with_ones(found):
    assert found.agreement.shape == (4, 4)
    assert (np.diag(found.agreement) == 1).all()
    np.testing.assert_array_equal(found.agreement, found.agreement.T)
    assert found.agreement[0, 1] == 1.0
    assert agreement([np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])])[0, 1] < 0


def test_page_shows_the_same_rows_of_every_method(found):
    page = found.page.read_text(encoding="utf-8")
    columns = page.split("<section>")[1:]
    assert len(columns) == 4
    rows = [sorted(set(re.findall(r'data-row="(\d+)"', column))) for column in columns]
    assert all(some == rows[0] for some in rows)
    assert len(rows[0]) == 45
    assert "http" not in page.replace("http-equiv", "")


def test_what_cannot_be_used_is_left_out_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.setattr("shoal.methods.base.Method.most_rows", lambda self, memory: 2)
    rows = np.random.default_rng(0).normal(size=(30, 2))
    names = ["diana", "kmeans", "shoal"]
    found = shoal.compare_methods(rows, names, tmp_path / "out", k=4, workers=1)
    assert list(found.runs) == ["shoal"]
    assert "declined" in repr(found)  # records have unlike keys
    assert "declined" in found.table[0]
    assert "was left out" in found.page.read_text(encoding="utf-8")
    with pytest.raises(InputError, match=r"k must be from 1 to 2, .* got 4"):
        shoal.compare_methods(rows, ["diana", "kmeans"], tmp_path / "none", k=4, workers=1)


@pytest.mark.parametrize(
    ("methods", "parameters", "message"),
    [
        ([], (), "methods is empty"),
        (["kmeens"], (), "did you mean kmeans"),
        (["kmeans"], ["eps=1"], "such as kmeans.eps"),
        (["kmeans"], ["dbscan.eps=1"], "dbscan is not one of the methods"),
        (["kmeans"], ["kmeans.eps=1"], "method kmeans has no parameter eps"),
    ],
)
def test_wrong_input(tmp_path, methods, parameters, message):
    with pytest.raises((InputError, SettingError), match=message):
        shoal.compare_methods(IMAGES, methods, tmp_path / "x", parameters=parameters)
    assert not (tmp_path / "x").exists()


def test_command_lists_every_method(capsys):
    assert not run(["methods", "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert [fact["name"] for fact in facts] == list(NAMES)
    run(["methods"])
    text = capsys.readouterr().out
    for name, method in METHODS.items():
        assert f"\n{name}: {method.summary}" in text


def test_command_compares(tmp_path, capsys):
    np.savez(tmp_path / "rows.npz", x=IMAGES, y=TRUTH)
    np.save(tmp_path / "truth.npy", TRUTH)
    words = ["methods", str(tmp_path / "rows.npz"), "--key", "x", "--methods", "kmeans,gmm"]
    words += ["--k", "3", "--features", "pixels", "--workers", "1", "-q"]
    words += ["--truth", str(tmp_path / "truth.npy"), "-o", str(tmp_path / "out")]
    assert not run([*words, "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert [one["ari"] for one in facts["methods"]] == [1.0, 1.0]
    assert facts["agreement"]["ari"] == [[1.0, 1.0], [1.0, 1.0]]
    assert not run(words)
    assert "Agreement (adjusted Rand index)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["methods", "--methods", "kmeans"], "give a SOURCE first"),
        (["methods", "x.npy", "-o", "out"], "give --methods NAME,NAME, too"),
        (["methods", "x.npy", "--methods", "kmeans"], "give -o DIR, too"),
    ],
)
def test_command_says_what_is_missing(words, message, capsys):
    assert run(words) == 2
    assert message in capsys.readouterr().err
