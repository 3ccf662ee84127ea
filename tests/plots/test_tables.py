import numpy as np
import pytest

import shoal
from shoal.errors import InputError


def test_a_profile_has_means_and_shares(table, texts):
    labels = table.labels()
    ax = table.plot.profile()
    written = [text.get_text() for text in ax.texts]
    largest = np.bincount(labels).argmax()
    incomes = table.source.read(0, 240).data[labels == largest, 1]
    assert f"{incomes.mean():.3g}" in written
    assert {"100%", "0%"} & set(written)
    assert {r"income (k\$)", "age"} <= {t.get_text() for t in ax.get_yticklabels()}


def test_distributions_count_all_rows_and_say_what_is_missing(table, texts):
    ax = table.plot.distributions()
    panels = ax.child_axes
    assert len(panels) == 3
    missing = int(np.isnan(table.source.read(0, 240).data[:, 0]).sum())
    assert panels[0].get_title(loc="left") == f"age  ({missing:,} missing)"
    for panel, rows in zip(panels, (240 - missing, 240, 240), strict=True):
        assert sum(bar.get_height() for bar in panel.patches) == pytest.approx(rows)


def test_a_scatter_picture_shows_every_row_by_its_columns(table):
    ax = table.plot.scatter()
    dots = np.concatenate([found.get_offsets() for found in ax.collections])
    cells = table.source.read(0, 240).data[:, :2]
    there = np.isfinite(cells).all(axis=1)
    drawn = np.ma.filled(np.ma.asarray(dots), np.nan)
    drawn = drawn[np.isfinite(drawn).all(axis=1)]
    assert sorted(map(tuple, drawn)) == sorted(map(tuple, cells[there]))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("age", r"income (k\$)")


def test_three_columns_are_drawn_in_space(table):
    ax = table.plot.scatter(["age", "income (k$)", "kind"])
    assert ax.name == "3d"
    assert [t.get_text() for t in ax.get_zticklabels()] == ["blue", "red"]
    for wanted, given in ((["age"], None), (["age", "size"], None), (["age", "kind"], ax)):
        with pytest.raises(InputError):
            table.plot.scatter(wanted, given)


def test_vectors_are_columns_too(tmp_path, texts):
    rows = np.random.default_rng(0).normal(size=(60, 3))
    run = shoal.fit(rows, tmp_path / "v.shoal", workers=1)
    assert [t.get_text() for t in run.plot.profile(k=2).get_yticklabels()] == ["0", "1", "2"]
    assert len(run.plot.distributions(k=2).child_axes) == 3
