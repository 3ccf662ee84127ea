import sys

import numpy as np
import pytest

from shoal.errors import InputError, MissingExtraError
from shoal.plots.canvas import colours, mosaic, new_axes, save


@pytest.mark.parametrize(
    ("ending", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_files_are_of_their_form_and_the_same_each_time(tmp_path, ending, magic):
    made = []
    for at in range(2):
        ax = new_axes(None, 2, 2)
        ax.plot([1, 2], [3, 5])
        save(ax, tmp_path / f"{at}.{ending}")
        made.append((tmp_path / f"{at}.{ending}").read_bytes())
    assert made[0].startswith(magic)
    assert made[0] == made[1]


def test_other_forms_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"\.svg"):
        save(new_axes(None, 2, 2), tmp_path / "a.jpg")


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"shoal\[plot\]"):
        new_axes(None, 2, 2)


def test_axes_that_are_given_are_drawn_on():
    ax = new_axes(None, 2, 2)
    assert new_axes(ax, 5, 5) is ax


def test_colours_are_distinct():
    found = np.round(colours(60), 3)
    assert found.shape == (60, 3)
    assert len(np.unique(found, axis=0)) == 60
    assert np.array_equal(colours(3), colours(60)[:3])


def test_tiles_are_put_into_rows_on_white():
    tiles = np.arange(3, dtype=np.uint8).repeat(4 * 3).reshape(3, 2, 2, 3)
    page = mosaic(tiles, 2, (0.5, 0))
    assert page.shape == (6, 4, 3)
    assert page[:2, :, 0].tolist() == [[0, 0, 1, 1]] * 2
    assert page[2, :, 0].tolist() == [255] * 4
    assert page[3, :, 0].tolist() == [2, 2, 255, 255]
