import numpy as np
import pytest

from shoal.core.krylov import WHOLE, leading_eigenpairs

D = WHOLE + 400


def test_a_diagonal_matrix_by_hand():
    def multiply(basis):
        assert basis is None
        return np.diag([1.0, 9.0, 4.0])

    values, vectors = leading_eigenpairs(multiply, 3, 2)
    np.testing.assert_allclose(values, [9, 4])
    np.testing.assert_allclose(np.abs(vectors), [[0, 0], [1, 0], [0, 1]], atol=1e-12)


def test_wide_matrices_are_known_by_their_products():
    spectrum = 1.0 / np.arange(1, D + 1) ** 1.5
    asked = []

    def multiply(basis):
        asked.append(basis.shape)
        return spectrum[:, None] * basis

    values, vectors = leading_eigenpairs(multiply, D, 30)
    np.testing.assert_allclose(np.sqrt(values), np.sqrt(spectrum[:30]), rtol=1e-5)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(30), atol=1e-10)
    assert set(asked) == {(D, 20)}
    assert len(asked) <= 12


@pytest.mark.parametrize("rank", [0, 3])
def test_matrices_of_low_rank(rank):
    factor = np.random.default_rng(0).normal(size=(D, rank))
    values, vectors = leading_eigenpairs(lambda basis: factor @ (factor.T @ basis), D, 20)
    expected = np.linalg.svd(factor, compute_uv=False) ** 2 if rank else []
    np.testing.assert_allclose(values[:rank], expected, rtol=1e-8)
    np.testing.assert_allclose(values[rank:], 0, atol=1e-8)
    assert np.isfinite(vectors).all()
