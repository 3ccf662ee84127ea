import base64
import io
import re
import textwrap

import nbclient
import nbformat
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import shoal
from shoal import notebook
from shoal.errors import InputError


@pytest.fixture(scope="module")
def digits():
    images = (load_digits().images[:400] * 15).astype(np.uint8)
    return shoal.fit(images, workers=1)


def pictures(html):
    for data in re.findall(r'src="data:image/\w+;base64,([^"]+)"', html):
        yield Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_run_shows_its_clusters_with_pictures(digits):
    html = digits._repr_html_()
    strips = list(pictures(html))
    assert len(strips) == digits.primary.k
    assert all(strip.width == 10 * strip.height for strip in strips)
    for layer in digits.layers:
        assert f"<td>{layer.k}</td>" in html
    assert "suggested" in html
    assert "run.explore()" in html
    assert "give <code>fit</code> a folder" in html


def test_the_pictures_stay_in_their_budget(digits, monkeypatch):
    monkeypatch.setattr(notebook, "_BYTES", 20_000)
    monkeypatch.setattr(notebook, "_CLUSTERS", 3)
    html = digits._repr_html_()
    assert len(list(pictures(html))) == 3
    assert len(html) < 20_000 * 4 / 3 + 5_000
    assert f"and {digits.primary.k - 3} smaller clusters" in html


def test_names_are_escaped_and_edits_are_in_it(tmp_path):
    rows = np.repeat(np.eye(4, 6, dtype=np.float32) * 9, 40, axis=0)
    rows += np.random.default_rng(0).normal(size=rows.shape).astype(np.float32)
    run = shoal.fit(rows, tmp_path / "run", workers=1, k=4)
    run.edits.rename(0, "<script>")
    run.edits.move([0, 1], name="two")
    html = run._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert ">two</td><td>2</td>" in html
    assert "to keep it, give" not in html
    assert set(run.show(run.labels()[0]).rows) == {0, 1}
    assert "row " in html
    assert "two" in run.edits._repr_html_()


def test_show_gives_the_most_typical_rows(digits):
    shown = digits.show(0, 5)
    assert len(shown.rows) == 5
    assert set(digits.labels()[list(shown.rows)]) == {0}
    assert repr(shown).splitlines()[0] == f"Cluster 0: {shown.size} rows"
    (strip,) = pictures(shown._repr_html_())
    assert strip.width == 5 * strip.height
    assert shown.to_arrow().column("row").to_pylist() == list(shown.rows)
    assert set(digits.labels(k=2)[list(digits.show(1, k=2).rows)]) == {1}
    for bad in ({"cluster": 999}, {"cluster": 0, "count": 0}):
        with pytest.raises(InputError):
            digits.show(**bad)


def test_rows_that_are_gone_are_named_by_number(tmp_path):
    images = (load_digits().images[:200] * 15).astype(np.uint8)
    shoal.fit(images, tmp_path / "run", workers=1)
    run = shoal.open(tmp_path / "run")
    assert "<img" not in run._repr_html_()
    assert "row " in run._repr_html_()


def test_what_a_run_gives_reads_well(digits):
    truth = load_digits().target[:400]
    scores = digits.evaluate(truth)
    assert len(repr(scores).splitlines()) == 1 + len(digits.layers)
    assert scores.to_pandas()["k"].tolist() == [layer.k for layer in digits.layers]
    found = digits.predict((load_digits().images[:20] * 15).astype(np.uint8))
    assert repr(found).startswith("<Prediction of 20 rows: ")
    assert sum(record["rows"] for record in found.records()) == 20
    assert found.to_pandas()["cluster"].tolist() == found.cluster.tolist()
    assert "<table>" in found._repr_html_()
    assert repr(digits.tree).startswith(f"<Tree of {digits.tree.n_leaves:,} leaves")
    assert len(digits.tree._repr_html_()) < 10_000
    assert repr(digits.edits).startswith(f"<Curation of {digits.primary.k:,} clusters, 0 edits")


def test_a_kernel_shows_every_form_in_its_cell(tmp_path, monkeypatch):
    fit = """
    import numpy as np, shoal
    rows = np.repeat(np.eye(3, 4) * 9, 50, axis=0) + np.random.default_rng(0).normal(size=(150, 4))
    run = shoal.fit(rows, workers=1)
    run
    """
    shown = {
        textwrap.dedent(fit): "suggested",
        "run.layers[0]": "<th>stability</th>",
        "run.tree": "<th>excess</th>",
        "run.predict(rows[:9])": "<td>9</td>",
        "run.show(0, 3)": "Cluster 0: 50 rows",
        "run.edits": "<th>locked</th>",
        "run.evaluate(np.repeat([0, 1, 2], 50))": "<th>accuracy</th>",
        "run.explore()": "<iframe",
    }
    pictures = "run.plot.sizes()"
    cells = [nbformat.v4.new_code_cell(code) for code in (*shown, pictures)]
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    book = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    given = [[out.get("data", {}) for out in cell.outputs] for cell in book.cells]
    assert "Done in" in given[0][0]["text/html"]
    for (code, what), outputs in zip(shown.items(), given, strict=False):
        assert re.search(what, outputs[-1]["text/html"]), code
        assert "object at 0x" not in outputs[-1]["text/plain"]
    assert base64.b64decode(given[-1][-1]["image/png"]).startswith(b"\x89PNG")
