import numpy as np
from sklearn.datasets import load_digits

from shoal.synthetic.digits import SCALE, SIDE, digits, large_digits


def test_digits_are_scikit_learns():
    images, shown = digits()
    bunch = load_digits()
    assert images.dtype == np.uint8
    assert np.array_equal(np.rint(images / (255 / 16)), bunch.images)
    assert np.array_equal(shown, bunch.target)


def test_large_digits_are_the_curve_of_catmull_and_rom():
    images, shown = large_digits()
    small, _ = digits()
    padded = np.zeros((14, 14))
    padded[3:-3, 3:-3] = small[7]

    def along(values):
        """The curve through the values, at the middles of the large pixels."""
        places = (np.arange(SIDE) + 0.5) / SCALE - 0.5 + 1
        at, t = np.divmod(places, 1)
        at = at.astype(int)
        a, b, c, d = (np.concatenate([[0], values, [0]])[at + k] for k in range(4))
        slope, end = (c - a) / 2, (d - b) / 2
        bent = (2 * b - 2 * c + slope + end) * t**3
        return bent + (3 * c - 3 * b - 2 * slope - end) * t**2 + slope * t + b

    once = np.array([along(row) for row in padded])
    large = np.array([along(column) for column in once.T]).T
    assert images.shape == (1797, SIDE, SIDE)
    assert np.abs(np.clip(large, 0, 255) - images[7]).max() <= 0.5 + 1e-9
    assert np.array_equal(shown, load_digits().target)
