import numpy as np
import pytest
from PIL import Image

from shoal.features import Gradients
from shoal.features.structure_score import COMPARED
from shoal.rows import open_source
from shoal.rows.images.encoded import spread
from shoal.stages import sample_features
from shoal.stages.sample_features import encodes_some

DRAW = np.random.default_rng(0)


@pytest.mark.parametrize("workers", [1, 3])
def test_rows_from_all_over_are_encoded_in_order(workers):
    images = DRAW.integers(0, 256, (COMPARED + 700, 16, 16, 3), np.uint8)
    encoder = Gradients((16, 16, 3))
    found = encodes_some(open_source(images), workers)(encoder)
    assert np.array_equal(found, encoder.encode(images[spread(len(images), COMPARED)]))


def test_rows_that_cannot_be_read_are_left_out(tmp_path):
    for at in range(5):
        image = Image.fromarray(DRAW.integers(0, 256, (20, 20, 3), np.uint8))
        image.save(tmp_path / f"{at}.png")
    (tmp_path / "2.png").write_bytes((tmp_path / "2.png").read_bytes()[:60])
    assert len(encodes_some(open_source(tmp_path), 2)(Gradients((20, 20, 3)))) == 4


def test_of_many_rows_none_are_encoded(monkeypatch):
    monkeypatch.setattr(sample_features, "MOST_ROWS", 9)
    images = np.zeros((10, 16, 16, 3), np.uint8)
    assert encodes_some(open_source(images), 1) is None
    assert encodes_some(open_source(images[:9]), 1) is not None
