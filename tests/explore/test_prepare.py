import shutil

import numpy as np

import shoal
from shoal.core.layout import SMALL
from shoal.explore.drawing import ChildProcess, DrawingThread
from shoal.explore.explorer import Explorer
from shoal.explore.page import make_explorer
from shoal.storage import RunFolder


def test_a_small_map_drawn_in_a_thread_is_that_of_a_process(digits_path, tmp_path):
    copy = tmp_path / "digits.shoal"
    shutil.copytree(digits_path, copy, ignore=shutil.ignore_patterns("map"))
    explorer, drawing = make_explorer(shoal.open(copy))
    assert len(explorer.atlas.order) <= SMALL
    assert isinstance(drawing, DrawingThread)
    drawing.wait()
    assert explorer.progress == {"share": 1.0, "trouble": None}
    assert explorer.atlas.has_map
    for name in ("layout", "spots"):
        one, other = (
            np.load(RunFolder.open(p).stage("map").whole(name)) for p in (copy, digits_path)
        )
        assert np.array_equal(one, other)


def test_a_map_that_cannot_be_drawn_says_why(digits_path, tmp_path):
    told = []
    copy = tmp_path / "digits.shoal"
    shutil.copytree(digits_path, copy, ignore=shutil.ignore_patterns("map"))
    (copy / "map").write_text("in the way")
    DrawingThread(copy, copy, told.append).wait()
    assert "could not be drawn" in told[-1]["trouble"]


def test_other_engines_draw_in_a_process(digits_path, tmp_path):
    copy = tmp_path / "digits.shoal"
    shutil.copytree(digits_path, copy, ignore=shutil.ignore_patterns("map"))
    _, drawing = make_explorer(shoal.open(copy), engine=("beam", "--runner=DirectRunner"))
    assert isinstance(drawing, ChildProcess)
    drawing.stop()


def test_a_sketch_is_there_before_the_map(digits_path, tmp_path):
    from shoal.explore.map_views import sketch
    from shoal.explore.params import Params

    explorer = Explorer(shoal.open(digits_path), digits_path)
    points = np.array(sketch(explorer, Params({"k": "4"}))["points"])
    assert points.shape == (600, 3)
    assert (points[:, :2] >= 0).all()
    assert (points[:, :2] <= 1).all()
    colours = explorer.colours(explorer.cut(4))
    assert set(points[:, 2]) == set(colours.tolist())
