import sys
from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure

import shoal
from shoal.plots.report import report_pictures


def shown(run, **cut):
    return [what for what, _ in report_pictures(run, **cut)[0]]


def test_the_report_holds_the_pictures_that_suit_rows_and_method(digits, table, tmp_path):
    images = shown(digits)
    assert [what.split()[0] for what in images] == ["the", "the", "all", "how"]
    assert shown(digits, k=1) == images[:3]  # one cluster has no silhouette
    assert not {"means of a table's columns in each cluster", images[0]} <= set(shown(table))
    page = digits.export(tmp_path / "page.html", "html").path.read_text()
    assert page.count('src="data:image/webp') == len(images)
    assert all(f'alt="{what}"' in page for what in images)


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("optics", "valleys of OPTICS, coloured by cluster"),
        ("dbscan", "distances to the k-th neighbour, for DBSCAN's eps"),
        ("kmeans", "inertia against the number of clusters"),
    ],
)
def test_methods_add_their_own_pictures(table, method, more, tmp_path):
    rows = table.representatives.vectors[:120, :2]
    k = {"k": 3} if method == "kmeans" else {}
    run = shoal.fit(rows, tmp_path / "run", method=method, workers=1, **k)
    assert shown(run)[-1] == more


def test_without_matplotlib_one_sentence_takes_their_place(digits, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    page = digits.export(tmp_path / "page.html", "html").path.read_text()
    assert "shoal[plot]" in page
    assert "<img" not in page


def test_a_notebook_does_not_show_what_is_put_into_the_report(digits, monkeypatch):
    opened, closed = [], []
    known = SimpleNamespace(
        figure=lambda **how: opened.append(Figure(**how)) or opened[-1], close=closed.append
    )
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", known)
    monkeypatch.setattr("matplotlib.pyplot", known, raising=False)
    assert shown(digits, k=1)
    assert opened == closed != []
