"""Tables of mixed columns from a file to clusters of new rows, as people have them."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import adjusted_rand_score
from typer.testing import CliRunner

import shoal
from shoal.cli.app import app
from shoal.errors import InputError, RunError


def made(n=900, seed=0):
    """Three kinds of customers in numbers of very different units, categories, dates, gaps."""
    draw = np.random.default_rng(seed)
    kind = draw.integers(0, 3, n)
    pay = np.exp(draw.normal([2.0, 5, 8], 0.4, (n, 3))[np.arange(n), kind])
    age = np.clip(draw.normal(np.array([25, 45, 65])[kind], 4), 18, 99).round()
    plan = np.array(["free", "pro", "team"])[np.where(draw.random(n) < 0.9, kind, (kind + 1) % 3)]
    score = draw.normal(np.array([0, 1e-5, 0])[kind], 2e-6)
    columns = {
        "customer": [f"c{at:05}" for at in range(n)],
        "pay": np.where(draw.random(n) < 0.06, np.nan, pay),
        "age": age,
        "plan": pa.array(plan, mask=draw.random(n) < 0.05),
        "score": score,
        "region": draw.choice(["n", "s", "e", "w"], n),
        "since": (np.datetime64("2020-01-01") + draw.integers(0, 1000, n)).astype("datetime64[D]"),
        "note": [f"said {at}" for at in range(n)],
    }
    return pa.table({k: pa.array(v, from_pandas=True) for k, v in columns.items()}), kind


@pytest.fixture(scope="module")
def csv_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "customers.csv"
    pa.csv.write_csv(made()[0], path)
    return path


@pytest.fixture(scope="module")
def run(csv_file):
    return shoal.fit(csv_file, csv_file.with_suffix(".shoal"), workers=1)


def test_the_kinds_are_found(run):
    _, kind = made()
    assert run.primary.k == 3
    assert adjusted_rand_score(kind, run.labels()) > 0.9
    info = run.info()
    assert info["columns"].endswith("left out note (every value differs).")
    assert set(info["gaps"]) == {"pay"}  # of plan, missing is a category
    assert run.quarantine.num_rows == 0
    assert run.table()["name"][7].as_py() == "c00007"


def test_workers_and_interruption_do_not_change_a_byte(csv_file, run, tmp_path):
    again = shoal.fit(csv_file, tmp_path / "two.shoal", workers=2)
    for path in sorted(run.path.rglob("whole.*")) + sorted(run.path.rglob("part-*")):
        other = again.path / path.relative_to(run.path)
        assert path.read_bytes() == other.read_bytes(), path


def test_a_fit_again_does_nothing_and_other_columns_do(csv_file, tmp_path):
    out = tmp_path / "x.shoal"
    shoal.fit(csv_file, out, workers=1)
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("_done.json")}
    shoal.fit(csv_file, out, workers=1)
    assert stamps == {path: path.stat().st_mtime_ns for path in out.rglob("_done.json")}
    other = shoal.fit(csv_file, out, workers=1, columns=["age", "score"])
    assert other.source.shape == (2,)
    assert all(path.stat().st_mtime_ns > stamp for path, stamp in stamps.items())


def test_fitted_rows_get_their_own_cluster_without_the_source(run, csv_file, tmp_path):
    table, _ = made()
    moved = csv_file.rename(csv_file.with_name("away.csv"))
    try:
        model = shoal.open(run.path)
        found = model.predict(table)
        with pytest.raises(RunError, match="are gone"):
            _ = model.source
    finally:
        moved.rename(csv_file)
    assert (found.cluster == run.labels()).mean() > 0.99
    assert found.unknown.mean() < 0.01


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow", "records", "pandas"])
def test_new_rows_in_any_form_and_order(run, tmp_path, form):
    table, kind = made(200, seed=5)
    mixed = table.select(table.column_names[::-1])
    where = mixed
    if form == "csv":
        where = tmp_path / "new.csv"
        pa.csv.write_csv(mixed, where)
    elif form == "parquet":
        where = tmp_path / "new.parquet"
        pq.write_table(mixed, where)
    elif form == "records":
        where = mixed.to_pylist()
    elif form == "pandas":
        pandas = pytest.importorskip("pandas")
        where = pandas.DataFrame(mixed.to_pydict())
    found = run.predict(where)
    assert found.cluster.tolist() == run.predict(table).cluster.tolist()
    assert adjusted_rand_score(kind, found.cluster) > 0.85
    assert any("of pay" in remark for remark in found.remarks)


def test_rows_unlike_any_are_unknown(run):
    odd = [{"pay": 1e9, "age": 99, "plan": "free", "score": -1, "since": "1950-01-01"}]
    assert run.predict(odd).unknown.tolist() == [True]


def test_new_rows_that_do_not_fit_are_refused(run):
    with pytest.raises(InputError, match=r"none of the columns that the run was fitted to \(pay"):
        run.predict([{"x": 1}])
    with pytest.raises(InputError, match="has no column names"):
        run.predict(np.zeros((3, 6)))
    vectors = shoal.fit(np.random.default_rng(0).normal(size=(60, 4)), workers=1)
    with pytest.raises(InputError, match="but the run was fitted to vectors"):
        vectors.predict([{"plan": "a", "x": 1}, {"plan": "b", "x": 2}, {"plan": "a", "x": 3}])


def test_a_table_in_memory(run):
    table, _ = made()
    again = shoal.fit(table, workers=1)
    assert np.array_equal(again.labels(), run.labels())
    assert len(again.predict(table.slice(0, 3))) == 3
    numbers = shoal.fit(table.select(["pay", "age", "score"]), workers=1, as_="table")
    assert numbers.source.kind == "table"


def test_columns_that_tell_nothing_make_no_clusters():
    draw = np.random.default_rng(3)
    n = 4000
    rows = {
        "size": draw.normal(size=n),
        "pay": np.exp(draw.normal(size=n)),
        "children": draw.poisson(1.2, n),
        "sex": draw.choice(["f", "m"], n),
        "town": draw.choice(list("abcdef"), n),
        "gap": np.where(draw.random(n) < 0.3, np.nan, draw.normal(size=n)),
    }
    run = shoal.fit({k: pa.array(v, from_pandas=True) for k, v in rows.items()}, workers=1)
    assert run.primary.k == 1


def rare(share, n=2000):
    return np.arange(n) < share * n


@pytest.mark.parametrize(
    "odd",
    [
        rare(0.005).astype(int),
        np.where(rare(0.005), 2.5, -1.0),
        np.where(rare(0.005), 900.0, 0.0) * np.arange(2000),
        np.where(rare(0.03), -999, np.arange(2000) % 37),
        np.where(rare(0.1), 1, 0) + rare(0.004),
    ],
)
def test_a_rare_flag_an_amount_or_a_sign_for_missing_makes_no_cluster(odd, tmp_path):
    draw = np.random.default_rng(0)
    rows = {"age": draw.normal(50, 9, 2000), "pay": draw.normal(5e4, 1e4, 2000), "odd": odd}
    run = shoal.fit(pa.table(rows), workers=1)
    assert run.is_table
    assert run.primary.k == 1


def test_signs_for_missing_are_gaps_of_new_rows_too():
    draw = np.random.default_rng(0)
    kind = np.arange(600) % 2
    warm = np.where(draw.random(600) < 0.1, -999.0, draw.normal(10 + 20 * kind, 2))
    rows = {"warm": warm, "wet": draw.normal(200 + 900 * kind, 90), "code": 1 + kind}
    run = shoal.fit(pa.table(rows), workers=1)
    assert "taken for missing: -999 in warm" in run.info()["columns"]
    assert run.info()["gaps"] == {"warm": int((warm == -999).sum())}
    found = run.predict([{"warm": -999, "wet": 1100, "code": 2}])
    assert found.cluster[0] == np.bincount(run.labels()[kind == 1]).argmax()
    assert any("1 of warm" in remark for remark in found.remarks)


def told(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.stderr
    return result


def test_the_command_line(csv_file, tmp_path):
    out = tmp_path / "x.shoal"
    fitted = told("fit", csv_file, "-o", out, "--leave-out", "region", "--as", "table")
    assert "900 rows of 5 columns (customers.csv, named by customer)" in fitted.stderr
    assert "as categories: plan (4 values)" in fitted.stderr
    assert "left out region (as requested), note (every value differs)" in fitted.stderr
    assert "imputed from the most similar rows" in fitted.stdout
    told("export", out, "--to", tmp_path, "--as", "csv")
    lines = (tmp_path / "labels.csv").read_text().splitlines()
    head = '"row","name","cluster","confidence","outlier","customer","pay","age","plan"'
    assert lines[0].startswith(head)
    assert len(lines) == 901
    told("export", out, "--to", tmp_path, "--as", "parquet")
    assert (
        pq.read_table(tmp_path / "labels.parquet")["age"].to_pylist()
        == made()[0]["age"].to_pylist()
    )
    told("export", out, "--to", tmp_path, "--as", "html")
    assert "Columns: 5 used" in (tmp_path / "report.html").read_text()
    new = tmp_path / "new.csv"
    new.write_text("plan,age\npro,44\ngold,45\n")
    found = told("predict", out, new, "-o", tmp_path / "new-labels.csv", "--json")
    facts = json.loads(found.stdout)
    assert facts["rows"] == 2
    assert "lacks 3 of 5 columns (pay, score, since)" in facts["remarks"][0]
    assert "1 of plan" in facts["remarks"][1]


def test_labels_are_exported_without_the_source(csv_file, tmp_path):
    copy = tmp_path / "copy.csv"
    copy.write_bytes(csv_file.read_bytes())
    told("fit", copy, "-o", tmp_path / "x.shoal")
    copy.unlink()
    found = told("export", tmp_path / "x.shoal", "--to", tmp_path, "--as", "csv")
    assert "only labels are written" in found.stderr
    first = (tmp_path / "labels.csv").read_text().splitlines()[0]
    assert first == '"row","name","cluster","confidence","outlier"'
