import hashlib
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import InputError
from shoal.synthetic import TileSet
from shoal.synthetic.tileset import _control_weights

# The tiles are benchmark data: when these change on purpose, raise TileSet.recipe.
DIGEST = "e4f3cae0837dd82e"
ROWS = 40_000_000, 40_000_300


def digest(tiles):
    return hashlib.sha256(tiles.images(*ROWS).tobytes()).hexdigest()[:16]


def test_the_bytes_are_those_that_were_measured():
    assert digest(TileSet()) == DIGEST


@given(st.integers(0, 10**10), st.integers(1, 40), st.integers(0, 39))
@settings(max_examples=30, deadline=None)
def test_a_row_does_not_depend_on_its_neighbours(start, count, at):
    tiles, at = TileSet(7, 5), min(at, count - 1)
    images, (source, digit) = tiles.images(start, start + count), tiles.truth(start, start + count)
    row = start + at
    assert np.array_equal(images[at], tiles.images(row, row + 1)[0])
    assert (source[at], digit[at]) == tuple(int(v[0]) for v in tiles.truth(row, row + 1))


def test_seeds_and_sources_change_the_tiles():
    first = TileSet().images(0, 50)
    assert (first != TileSet(seed=1).images(0, 50)).any(axis=(1, 2, 3)).all()
    assert (first != TileSet(sources=59).images(0, 50)).any()


def test_sources_come_in_their_shares_and_mixed():
    tiles, n = TileSet(), 400_000
    source, digit = tiles.truth(0, n)
    expected = n * tiles.shares
    assert (np.abs(np.bincount(source, minlength=60) - expected) < 5 * np.sqrt(expected)).all()
    assert np.abs(np.bincount(digit, minlength=10) - n / 10).max() < n / 100
    # Source and digit have nothing to do with each other, nor a row with the one before.
    for one, other in ((source, digit), (source[1:], source[:-1])):
        common = (one < 6) & (other < 6)
        table = np.histogram2d(one[common], other[common], bins=(6, 6))[0]
        alone = table.sum(1)[:, None] * table.sum(0) / table.sum()
        assert (np.abs(table - alone) < 5 * np.sqrt(alone)).all()


def test_tiles_show_their_digit():
    tiles = TileSet()
    images, (source, digit) = tiles.images(0, 30_000), tiles.truth(0, 30_000)
    grey = images[source == 0].reshape(-1, 256, 3).mean(axis=2)
    rows = (grey - grey.mean(1, keepdims=True)) / grey.std(1, keepdims=True)
    kinds, known = digit[source == 0], 5_000
    nearest = np.argmax(rows[known:] @ rows[:known].T, axis=1)
    assert (kinds[nearest] == kinds[known:]).mean() > 0.9


def test_the_mean_colour_alone_does_not_tell_the_sources():
    tiles = TileSet()
    images, (source, _) = tiles.images(0, 20_000), tiles.truth(0, 20_000)
    colour = images.reshape(len(images), -1, 3).mean(axis=1)
    centres = np.array([colour[source == s].mean(0) for s in range(55)])  # the rare ones aside
    nearest = ((colour[:, None] - centres) ** 2).sum(-1).argmin(1)
    right = (nearest == source).mean()
    assert 0.5 < right < 0.9


def test_the_control_weights_are_a_b_spline():
    weights = _control_weights()
    assert weights.sum(axis=0) == pytest.approx(1)
    # At the middle of the middle stretch the curve is symmetric: pixels 7 and 8 mirror each other.
    assert weights[:, 7] == pytest.approx(weights[::-1, 8])
    # The first pixel lies 3/32 into the first stretch.
    t = 3 / 32
    assert weights[0, 0] == pytest.approx((1 - t) ** 3 / 6)
    assert weights[3, 0] == pytest.approx(t**3 / 6)


@pytest.mark.parametrize(("sources", "seed"), [(1, 0), (1001, 0), (60, -1), (60, 2**32)])
def test_what_cannot_be_is_refused(sources, seed):
    with pytest.raises(InputError, match="must be"):
        TileSet(sources, seed)


def elsewhere(**environment):
    """Make the tiles in another process, compiled in another way."""
    code = f"""
        import hashlib, warnings
        warnings.simplefilter("ignore", RuntimeWarning)  # whole numbers overflow on purpose
        from shoal.synthetic import TileSet
        images = TileSet(60, 3).images({ROWS[0]}, {ROWS[0] + 30})
        print(hashlib.sha256(images.tobytes()).hexdigest())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_without_a_compiler_the_bytes_are_the_same():
    images = TileSet(60, 3).images(ROWS[0], ROWS[0] + 30)
    assert elsewhere(NUMBA_DISABLE_JIT="1") == hashlib.sha256(images.tobytes()).hexdigest()


@pytest.mark.slow
def test_on_the_plainest_processor_the_bytes_are_the_same(tmp_path):
    plain = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    images = TileSet(60, 3).images(ROWS[0], ROWS[0] + 30)
    assert elsewhere(**plain) == hashlib.sha256(images.tobytes()).hexdigest()


def test_the_former_name_of_the_package_still_works_with_a_warning():
    from shoal import tiles

    with pytest.warns(DeprecationWarning, match=r"shoal\.synthetic"):
        assert tiles.TileSet is TileSet
