import numpy as np

from shoal.features.altered import altered


def images(channels):
    found = np.zeros((20, 24, 20, channels), np.uint8)
    found[:, 6:18, 5:15] = np.arange(100, 100 + channels)
    return found


def test_copies_show_the_same_thing_elsewhere():
    before = images(3)
    after = altered(before, [0, 1])
    assert after.shape == before.shape
    assert after.dtype == np.uint8
    assert (after[:, 12, 10] == [100, 101, 102]).all()  # the middle is still inside
    assert (after != before).any(axis=(1, 2, 3)).all()
    area = (after[..., 0] > 50).sum(axis=(1, 2)) / 120
    assert 0.6 < area.min() < 0.9
    assert 1.1 < area.max() < 1.6


def test_the_seed_decides():
    before = images(1)
    assert (altered(before, [0, 1]) == altered(before, [0, 1])).all()
    assert (altered(before, [0, 1]) != altered(before, [0, 2])).any()


def test_an_even_image_stays_even():
    assert (altered(np.full((5, 8, 8, 1), 200, np.uint8), [0]) == 200).all()
