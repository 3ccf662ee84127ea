import json
import re
import shlex
from collections import namedtuple
from pathlib import Path

import pytest

from shoal.cli.fit import default_run
from shoal.errors import InputError


def test_a_fit_says_what_it_found_and_what_to_do_next(shoal, photos, photos_run):
    result = shoal("fit", photos, "-o", photos_run)
    assert result.exit_code == 0
    assert "121 grey images of 8×8 (photos)" in result.stderr
    assert "gradients, because these are small images" in result.stderr
    assert "Nothing to do" in result.stderr
    assert "layer" in result.stdout
    assert " clusters; " in result.stdout
    assert "Other layers" in result.stdout or "as clear" in result.stdout
    assert "primary" in result.stdout
    assert "1 of 121 rows could not be read" in result.stdout
    assert "--as folders" in result.stdout


def test_the_next_commands_can_be_copied(shoal, digits, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = shoal("fit", digits, "--key", "images", "-o", run, "-q").stdout.splitlines()
    first, *others = lines[lines.index("Next:") + 1 :]
    assert shlex.split(first, comments=True) == ["shoal", "explore", str(run)]
    for line in others:
        words = shlex.split(line, comments=True)
        assert words[0] == "shoal"
        assert shoal(*words[1:]).exit_code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "digits-clusters",
        "digits-labels.csv",
        "digits-report",
    ]


def test_the_explorer_opens_after_the_fit(shoal, digits, run, monkeypatch):
    opened = []
    monkeypatch.setattr("shoal.cli.explore.explore_run", lambda found: opened.append(found.path))
    words = ("fit", digits, "--key", "images", "-o", run, "-q")
    assert shoal(*words).exit_code == 0
    assert opened == []
    assert shoal(*words, "--explore").exit_code == 0
    assert opened == [run]


def test_json_and_nothing_else(told, digits, run):
    facts = told("fit", digits, "--key", "images", "-o", run)
    assert facts["rows"] == 600
    assert facts["quarantined"] == 0
    assert (facts["left_out"], facts["remarks"]) == ({}, [])
    assert [layer["primary"] for layer in facts["layers"]].count(True) == 1
    assert facts["layers"] == told("layers", run)["layers"]


def test_k_is_suggested(shoal, told, digits, tmp_path):
    options = ("--key", "images", "--representatives", 100, "-o", tmp_path / "run")
    layers = told("fit", digits, *options, "--k", 5)["layers"]
    assert [layer["k"] for layer in layers if layer["primary"]] == [5]
    result = shoal("fit", digits, *options, "--k", "5,10")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "for several layers give layers 5,10" in result.stderr


def test_a_fit_says_whether_networks_helped(shoal, digits, tmp_path):
    options = ("--key", "images", "--representatives", 100, "-o", tmp_path / "run", "--layers", 40)
    result = shoal("fit", digits, *options, "--refine")
    assert result.exit_code == 0, result.stderr
    assert "rows are too few for 40 clusters." in result.stderr
    result = shoal("fit", digits, *options, "--refine", "--method", "kmeans")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "refine True is for the method shoal" in result.stderr


def test_the_run_lands_in_the_current_folder(shoal, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ("--key", "images", "--representatives", 100, "--layers", "3,7", "-q")
    result = shoal("fit", digits, *options)
    assert result.exit_code == 0, result.stderr
    layers = json.loads(shoal("layers", "digits.shoal", "--json").stdout)["layers"]
    assert [layer["k"] for layer in layers] == [3, 7]


def test_a_dry_run_writes_nothing(shoal, told, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = shoal("fit", digits, "--key", "images", "--dry-run")
    assert result.exit_code == 0
    assert "600 grey images" in result.stdout
    assert re.search(r"summarise +[\d.]+ s +[\d,]+ MiB +\d+ MiB\n", result.stdout)
    facts = told("fit", digits, "--key", "images", "--dry-run")
    assert facts["rows"] == 600
    assert facts["seconds"] == pytest.approx(sum(one["seconds"] for one in facts["stages"]))
    assert facts["memory_bytes"] == max(one["memory_bytes"] for one in facts["stages"])
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_refuses_what_cannot_fit(shoal, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: namedtuple("Usage", "free")(1000))
    result = shoal("fit", digits, "--key", "images", "--dry-run")
    assert result.exit_code == 2
    assert "make room, or give another folder with -o" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothere",), "nothere does not exist"),
        (("SOURCE", "--memory", "3"), "at least 512MiB"),
        (("SOURCE", "--seed", "x"), "--seed"),
        (("SOURCE", "--key", "nope"), "no key nope"),
        (("SOURCE", "--features", "gradient"), "did you mean gradients?"),
        (("SOURCE", "--sed", "3"), "No such option: --sed"),
        (("SOURCE", "-o", "/dev/null/x"), "/dev/null"),
        ((), "SOURCE"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(shoal, digits, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    result = shoal("fit", *(digits if word == "SOURCE" else word for word in words))
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.startswith("shoal: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_the_default_run_is_named_after_the_source(tmp_path, monkeypatch):
    (tmp_path / "my.photos").mkdir()
    monkeypatch.chdir(tmp_path / "my.photos")
    assert default_run(".") == Path("my.photos.shoal")
    assert default_run(str(tmp_path / "my.photos")) == Path("my.photos.shoal")
    assert default_run("x/mnist.npz") == Path("mnist.shoal")
    assert default_run("train.idx3-ubyte.gz") == Path("train.shoal")
    assert default_run(".hidden") == Path(".hidden.shoal")
    with pytest.raises(InputError, match="give one with -o"):
        default_run("/")


def test_a_sample_says_what_was_not_looked_at_and_how_to_go_on(shoal, told, digits, tmp_path):
    run = tmp_path / "a look.shoal"
    options = ("--key", "images", "--layers", "4", "-o", run)
    result = shoal("fit", digits, *options, "--sample", 200, "-q")
    assert result.exit_code == 0, result.stderr
    assert "200 rows drawn at random: 400 of 600 rows were not used" in result.stdout
    assert "a sample of 600 rows" in shoal("layers", run).stdout
    assert told("info", run)["sample of"] == 600
    scores = told("eval", run, "--truth", digits, "--key", "labels")["scores"]
    assert scores[0]["accuracy"] > 0.3
    lines = result.stdout.splitlines()
    assert lines[lines.index("Next:") + 1].split()[:2] == ["shoal", "explore"]
    line = next(line for line in lines if line.endswith("# all rows"))
    words = shlex.split(line, comments=True)
    assert shoal(*words[1:], "-q").exit_code == 0
    facts = told("info", run)
    assert (facts["rows"], facts["sample of"]) == (600, None)
    refused = shoal("fit", digits, *options, "--sample", 200)
    assert refused.exit_code == 2
    assert "holds a fit of all rows" in refused.stderr


def test_one_cluster_of_a_run_is_fitted_by_itself(shoal, told, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cluster = 1
    plan = told("fit", run, "--cluster", cluster, "--dry-run")
    facts = told("fit", run, "--cluster", cluster, "-q")
    assert 10 < facts["rows"] < 600
    assert plan["source"] == facts["source"]
    assert Path(facts["run"]).name == "digits-1.shoal"
    assert told("info", facts["run"])["rows"] == facts["rows"]
    for words, says in (((run, "--cluster", 99), "no cluster 99"), (("x", "--cluster", 0), "x")):
        result = shoal("fit", *words)
        assert (result.exit_code, says in result.stderr) == (2, True), result.stderr
