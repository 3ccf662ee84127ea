import numpy as np
import pytest
from PIL import Image

import shoal
from shoal.explore.copies import LEAST, Copies, _search
from shoal.explore.explorer import Explorer
from shoal.explore.facets import beside_cut
from shoal.explore.prepare import prepare_leaves
from shoal.storage import RunFolder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Thirty coarse patterns; the first comes three times, as two JPEG files and a PNG."""
    folder, draw = tmp_path_factory.mktemp("copies"), np.random.default_rng(1)
    (folder / "x").mkdir()
    for at in range(30):
        coarse = Image.fromarray(draw.integers(0, 256, (6, 6, 3), np.uint8))
        coarse.resize((64, 64), Image.Resampling.BICUBIC).save(folder / f"x/{at:02d}.png")
    first = Image.open(folder / "x/00.png")
    for name, quality in (("90.jpg", 60), ("91.jpg", 90)):
        first.save(folder / "x" / name, quality=quality)
    shoal.fit(folder / "x", folder / "a.shoal", features="pixels", workers=1)
    run = RunFolder.open(folder / "a.shoal")
    prepare_leaves(run, run.path)
    return run.path


@pytest.fixture(scope="module")
def explorer(photos):
    _search(RunFolder.open(photos), photos)
    return Explorer(shoal.open(photos), photos)


def test_groups_have_the_kept_image_first_and_shrink_as_the_threshold_rises(explorer):
    found = explorer.copies.groups(LEAST, None)
    assert (found["share"], found["groups"], found["copies"]) == (1, 1, 2)
    (group,) = found["shown"]
    assert [row["name"] for row in group["rows"]] == ["00.png", "90.jpg", "91.jpg"]
    low, high = sorted(row["similarity"] for row in group["rows"][1:])
    assert LEAST < low <= high <= 1
    none = explorer.copies.groups(1.0, None)
    assert none["copies"] < 2


def test_rows_are_filtered_by_being_copies_or_not(explorer):
    known = beside_cut(explorer, explorer.cut(None))
    copies = {"column": "copy, %", "from": 100 * LEAST}
    assert np.flatnonzero(known.mask([copies])).tolist() == [30, 31]
    assert known.mask([{**copies, "not": True}]).sum() == 30
    grouped = known.mask([{"column": "near-duplicate group", "in": ["group 1"]}])
    assert np.flatnonzero(grouped).tolist() == [0, 30, 31]


def test_the_search_is_another_process_that_begins_once_and_tells_what_stops_it(explorer, tmp_path):
    fresh = Copies(Explorer(explorer.run, tmp_path))
    (tmp_path / "copies").write_text("in the way")
    prepare_leaves(RunFolder.open(explorer.run.path), tmp_path)
    assert fresh.groups(LEAST, None)["share"] < 1
    search = fresh._search
    fresh.start()
    assert fresh._search is search
    search.wait()
    assert fresh.progress["trouble"].startswith("the search for near duplicates failed")
