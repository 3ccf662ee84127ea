"""Columns that look like answers, from a file to a comparison with the clusters, as people go."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import shoal
from shoal.cli.app import app

N = 300


def made(n=N, seed=0):
    """Two groups of vectors, and a label of three classes that is another matter."""
    draw = np.random.default_rng(seed)
    group = np.arange(n) % 2
    columns = {f"e{at}": draw.normal(size=n) + 9 * group * (at == 0) for at in range(8)}
    return pa.table({"label": (np.arange(n) + group) % 3, **columns}), group


def write(path, table):
    pa.csv.write_csv(table, path) if path.suffix == ".csv" else pq.write_table(table, path)
    return path


def told(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.stderr
    return result


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_a_label_is_no_feature_but_a_truth(tmp_path, name):
    table, group = made()
    source, out = write(tmp_path / name, table), tmp_path / "x.shoal"
    fitted = told("fit", source, "-o", out)
    assert "Left out: label (looks like the answer: --truth label" in fitted.stderr
    assert "measure against the labels (column label)" in fitted.stdout
    assert "left out label" in told("info", out).stdout
    for words in ((), ("--truth", "label"), ("--truth", "labels")):
        found = json.loads(told("eval", out, *words, "--json").stdout)
        assert found["classes"] == 3
        assert abs(found["scores"][0]["ari"]) < 0.1
    refused = CliRunner().invoke(app, ["eval", str(out), "--truth", "lable"])
    assert refused.exit_code == 2
    assert "a column of the source (label, e0" in refused.stderr
    run = shoal.open(out)
    assert (run.primary.k, run.labels(k=2)[group == 0].std()) == (2, 0)


def test_new_rows_are_read_by_the_columns_of_the_fit(tmp_path):
    table, _ = made()
    run = shoal.fit(write(tmp_path / "x.csv", table), tmp_path / "x.shoal", workers=1)
    new, kind = made(40, seed=1)
    odd = new.select(new.column_names[::-1]).append_column("age", pa.array(np.arange(40) % 7 * 9.0))
    plain = new.drop_columns(["label"])
    expected = run.predict(np.column_stack([plain[name] for name in plain.column_names])).cluster
    assert len(set(expected[kind == 0]) | set(expected[kind == 1])) == 2
    for where in (
        new,
        plain,
        odd,
        plain.slice(0, 40).to_pylist(),
        write(tmp_path / "odd.csv", odd),
        write(tmp_path / "odd.parquet", odd),
    ):
        assert run.predict(where).cluster.tolist() == expected.tolist()
    assert run.predict(plain.slice(3, 1).to_pylist()[0]).cluster.tolist() == [expected[3]]


def test_a_run_is_opened_again_and_sampled(tmp_path):
    table, _ = made()
    source = write(tmp_path / "x.csv", table)
    run = shoal.fit(source, tmp_path / "x.shoal", workers=1, sample=100)
    found = json.loads(told("eval", run.path, "--json").stdout)
    assert found["classes"] == 3
    again = shoal.open(run.path).source
    assert again.shape == (8,)
    assert again.label_origin == "column label"


def test_a_table_leaves_its_answer_out(tmp_path):
    table, group = made()
    pay = np.where(group, 5e4, 1e4) + np.random.default_rng(1).normal(0, 4e3, N)
    people = pa.table({"pay": pay, "age": table["e1"], "species": table["label"]})
    out = tmp_path / "x.shoal"
    fitted = told("fit", write(tmp_path / "x.csv", people), "-o", out)
    assert "Read as a table, because pay spans" in fitted.stderr
    assert "left out species (looks like the answer" in fitted.stderr
    assert json.loads(told("eval", out, "--json").stdout)["classes"] == 3
    assert shoal.open(out).primary.k == 2
