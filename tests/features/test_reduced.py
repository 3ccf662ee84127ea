import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, KernelPCA, TruncatedSVD
from sklearn.manifold import Isomap
from sklearn.preprocessing import StandardScaler, normalize

from shoal.core.chain import STEPS as NAMES
from shoal.core.chain import split_chain
from shoal.errors import InputError, SettingError
from shoal.features import Encoder, Vectors
from shoal.features.pixels import Pixels
from shoal.features.reduced import STEPS, reduced, unreduced

DIGITS = load_digits().data.astype(np.float32)[:500]


class Feed:
    """Rows in memory."""

    def __init__(self, rows):
        self.rows, self.d = rows, rows.shape[1]

    def total(self, sums, shape, **arrays):
        found = np.zeros(shape)
        for rows in np.array_split(self.rows, 3):
            found += sums(rows, **arrays)
        return found

    def sample(self, count):
        return self.rows[np.linspace(0, len(self.rows) - 1, min(count, len(self.rows))).astype(int)]


def through(kind, rows, k=8):
    arrays = STEPS[kind].fit(Feed(rows), k)
    assert set(arrays) == set(STEPS[kind].arrays)
    found = STEPS[kind].apply(rows, arrays)
    assert found.dtype == np.float32
    return found


def same_up_to_signs(found, expected, atol):
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, atol=atol)


def test_every_step_has_a_name():
    assert set(STEPS) == set(NAMES)


def test_scaling_as_scikit_learn_does():
    expected = StandardScaler().fit_transform(DIGITS.astype(float))
    np.testing.assert_allclose(through("standard", DIGITS), expected, atol=1e-5)
    np.testing.assert_allclose(through("l2", DIGITS), normalize(DIGITS), atol=1e-6)
    far = DIGITS[:, :3] * np.float32(1e-2) + np.float32(1e3)
    assert np.abs(through("standard", far).std(axis=0)[1:] - 1).max() < 1e-3
    assert not through("l2", np.zeros((4, 3), np.float32)).any()


def test_directions_as_scikit_learn_finds_them():
    svd = TruncatedSVD(8, algorithm="arpack", random_state=0).fit_transform(DIGITS.astype(float))
    same_up_to_signs(through("svd", DIGITS), svd, 1e-3)
    pca = PCA(8, svd_solver="full").fit_transform(DIGITS.astype(float))
    same_up_to_signs(through("pca", DIGITS), pca, 1e-3)
    np.testing.assert_allclose(through("whiten", DIGITS).std(axis=0), 1, atol=1e-4)


def test_svd_of_wide_rows_is_exact():
    random = np.random.default_rng(1)
    rows = random.normal(size=(90, 3000)) * np.linspace(3, 0.2, 3000) + 50  # far from zero
    arrays = STEPS["svd"].fit(Feed(rows.astype(np.float32)), 40)
    expected = np.linalg.svd(rows.astype(np.float32).astype(float), compute_uv=False)[:40]
    np.testing.assert_allclose(arrays["singular"], expected, rtol=1e-4)


def test_more_components_than_rows_have_are_zero():
    found = through("pca", DIGITS[:4], 8)
    assert np.ptp(found[:, :3], axis=0).min() > 1
    assert not found[:, 3:].any()


def test_embeddings_as_scikit_learn_does():
    arrays = STEPS["kernel-pca"].fit(Feed(DIGITS), 5)
    twin = KernelPCA(5, kernel="rbf", gamma=float(arrays["gamma"])).fit_transform(DIGITS)
    same_up_to_signs(STEPS["kernel-pca"].apply(DIGITS, arrays), twin, 1e-4)
    warnings.simplefilter("ignore")  # of pieces of the graph
    # no two neighbours at the same distance, of which scikit-learn takes either
    rows = DIGITS + np.random.default_rng(0).normal(0, 0.01, DIGITS.shape).astype(np.float32)
    model = Isomap(n_neighbors=10, n_components=5).fit(rows[:300])
    arrays = STEPS["isomap"].fit(Feed(rows[:300]), 5)
    same_up_to_signs(STEPS["isomap"].apply(rows[300:], arrays), model.transform(rows[300:]), 0.1)


def test_factors_are_not_negative_and_draw_the_rows_again():
    arrays = STEPS["nmf"].fit(Feed(DIGITS), 20)
    shares = STEPS["nmf"].apply(DIGITS, arrays)
    assert shares.min() >= 0
    assert arrays["factors"].min() >= 0
    again = shares @ arrays["factors"]
    assert ((again - DIGITS) ** 2).sum() < 0.2 * ((DIGITS - DIGITS.mean(0)) ** 2).sum()
    one = STEPS["nmf"].apply(DIGITS[7:8], arrays)  # by itself as among others
    np.testing.assert_allclose(one[0], shares[7], rtol=1e-5)


def test_a_random_projection_keeps_distances():
    rows = np.random.default_rng(0).normal(size=(60, 2500)).astype(np.float32)
    found = through("random", rows, 600)
    ratio = np.linalg.norm(found[1:] - found[0], axis=1) / np.linalg.norm(
        rows[1:] - rows[0], axis=1
    )
    assert np.abs(ratio - 1).max() < 0.2


@pytest.mark.parametrize("kind", STEPS)
def test_equal_rows_and_a_step_give_finite_numbers(kind):
    rows = np.repeat(DIGITS[:1], 12, axis=0)
    assert np.isfinite(through(kind, rows, 2)).all()


@pytest.mark.parametrize("kind", ["nmf", "kernel-pca", "isomap"])
def test_samples_that_are_too_small_are_declined(kind):
    with pytest.raises(InputError, match=f"{kind}:9 is fitted to 9 rows"):
        STEPS[kind].fit(Feed(DIGITS[:9]), 9)


def test_negative_numbers_have_no_factors():
    with pytest.raises(InputError, match=r"numbers of at least 0.*smallest here is -16"):
        STEPS["nmf"].fit(Feed(-DIGITS), 4)


def test_a_step_gives_no_more_than_it_gets():
    encoder = reduced(Vectors(20), split_chain("vectors+pca:10+svd:10")[1], (20,))
    assert isinstance(encoder, Encoder)
    assert encoder.widths == (20, 10, 10)
    assert encoder.name == "vectors+pca:10+svd:10"
    with pytest.raises(SettingError, match="svd:11, but it gets 10 numbers a row"):
        reduced(Vectors(20), split_chain("vectors+pca:10+svd:11")[1], (20,))


def test_a_step_without_a_number_gives_100_or_what_it_gets():
    def widths(n, text):
        return reduced(Vectors(n), split_chain(text)[1], (n,)).widths

    assert widths(20, "vectors+pca+whiten") == (20, 20, 20)
    assert widths(20, "vectors+pca:5+nmf") == (20, 5, 5)
    assert widths(300, "vectors+l2+random") == (300, 300, 100)
    assert widths(20, "vectors+isomap") == (20, 100)


def test_rows_come_whole_where_a_step_makes_them_fewer():
    svd, l2 = split_chain("svd:9")[1], split_chain("l2")[1]
    assert reduced(Vectors(9000), svd, (9000,)).widths == (9000, 9)
    assert reduced(Vectors(9000), l2, (9000,)).widths == (4096, 4096)
    pixels = Pixels((64, 64, 1))
    assert unreduced(reduced(pixels, svd, (200, 150))).n_features == 200 * 150
    assert unreduced(reduced(pixels, svd, (2000, 1000))).n_features == 256 * 128
    assert unreduced(reduced(pixels, l2, (200, 150))) == pixels
