import hashlib

import numpy as np
import pytest

from shoal.errors import InputError
from shoal.rows import open_source
from shoal.synthetic import DrawingSet, TileSet, folder, make_tiles
from shoal.synthetic.drawings import SIDE


def test_a_row_does_not_depend_on_its_neighbours():
    drawings = DrawingSet(3)
    assert np.array_equal(drawings.images(7, 12)[2], drawings.images(9, 10)[0])
    assert drawings.truth(7, 12)[0][2] == drawings.truth(9, 10)[0][0]


def test_drawings_are_black_dots_on_white_and_the_bytes_stay():
    images = DrawingSet().images(0, 40)
    assert np.unique(images).tolist() == [0, 255]
    assert 0.02 < (images == 0).mean() < 0.08
    # When this changes on purpose, raise DrawingSet.recipe.
    assert hashlib.sha256(images.tobytes()).hexdigest()[:16] == "f46e4e890c2dc81b"
    assert (images != DrawingSet(1).images(0, 40)).any(axis=(1, 2, 3)).all()


def test_shapes_are_known_by_their_mean_image():
    drawings = DrawingSet()
    images, (shape,) = drawings.images(0, 600), drawings.truth(0, 600)
    assert np.bincount(shape).shape == (12,)
    rows = (images == 0).reshape(600, SIDE // 8, 8, SIDE // 8, 8).sum(axis=(2, 4)).reshape(600, -1)
    means = np.stack([rows[:300][shape[:300] == s].mean(axis=0) for s in range(12)])
    nearest = ((rows[300:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == shape[300:]).mean() > 0.9


def test_files_hold_as_many_bytes_as_those_of_tiles(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "SHARD_ROWS", 2_000)
    drawings = DrawingSet()
    made = make_tiles(tmp_path / "d", 70, drawings, workers=2)
    assert [path.name for path in made.files] == ["drawings-00000.bin", "drawings-00001.bin"]
    source = open_source(tmp_path / "d")
    assert source.n_rows == 70
    stored = np.concatenate([np.fromfile(path, np.uint8) for path in made.files])
    assert np.array_equal(stored.reshape(70, SIDE, SIDE, 1), drawings.images(0, 70))
    assert make_tiles(tmp_path / "d", 70, drawings).kept == 2
    with pytest.raises(InputError, match=r"drawings \(seed 0, recipe 1\), not drawings \(seed 1"):
        make_tiles(tmp_path / "d", 70, DrawingSet(1))
    with pytest.raises(InputError, match="holds other files"):
        make_tiles(tmp_path / "d", 70, TileSet())


def test_a_seed_outside_its_range_is_refused():
    with pytest.raises(InputError, match=r"seed must be .*; got -1"):
        DrawingSet(-1)
