"""Descriptors, candidates and groups of near duplicates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.core import near
from shoal.core.near import Index, clear_threshold, descriptors, star_groups


def test_brightness_and_contrast_do_not_count():
    picture = np.random.default_rng(0).integers(40, 200, (1, 16, 16, 3)).astype(np.uint8)
    changed = (picture // 2 + 50).astype(np.uint8)
    assert (descriptors(picture) * descriptors(changed)).sum() == pytest.approx(1, abs=1e-3)


def test_a_mirrored_picture_has_the_mirrored_descriptor():
    pictures = np.random.default_rng(0).integers(0, 256, (5, 16, 12, 1)).astype(np.uint8)
    expected = near.mirrored(descriptors(pictures))
    np.testing.assert_allclose(descriptors(pictures[:, :, ::-1]), expected, atol=1e-5)


def test_blank_pictures_are_in_no_pair():
    pictures = np.full((3, 8, 8, 1), 7, np.uint8)
    pictures[2, :4] = 200
    vectors = descriptors(pictures)
    pairs = Index(vectors).pairs(vectors, neighbours=3, least=0.5)
    assert pairs.tolist() == [[2, 2]]


@pytest.mark.parametrize("exact", [50_000, 100])
def test_candidates_are_the_nearest(monkeypatch, exact):
    monkeypatch.setattr(near, "_EXACT", exact)
    monkeypatch.setattr(near, "_ROWS_A_CELL", 100)
    rng = np.random.default_rng(0)
    base = rng.normal(size=(1000, 20)).astype(np.float32)
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    copies = base + 0.02 * rng.normal(size=base.shape).astype(np.float32)
    copies /= np.linalg.norm(copies, axis=1, keepdims=True)
    pairs = Index(base).pairs(copies, neighbours=1, least=0.9)
    assert np.mean(pairs[:, 0] == pairs[:, 1]) > 0.99
    assert len(pairs) > 990


def test_the_threshold_stays_where_others_are_unlike():
    unlike = np.random.default_rng(0).uniform(0.1, 0.5, 1000).astype(np.float32)
    assert clear_threshold(unlike, 0.93) == 0.93


def test_the_threshold_rises_where_others_are_alike():
    alike = np.random.default_rng(0).normal(0.9, 0.02, 1000).astype(np.float32)
    threshold = clear_threshold(alike, 0.93)
    assert 0.93 < threshold < 1
    assert (alike > threshold).mean() < 0.01


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30), st.randoms())
def test_every_member_makes_a_pair_with_the_one_kept(pairs, random):
    pairs = np.array([pair for pair in pairs if pair[0] != pair[1]], np.int64).reshape(-1, 2)
    rank = np.array(random.sample(range(10), 10))
    kept, pair = star_groups(10, pairs, rank)
    known = {frozenset(ends) for ends in pairs.tolist()}
    for row, centre in enumerate(kept.tolist()):
        assert kept[centre] == centre
        if row == centre:
            assert pair[row] == -1
        else:
            assert frozenset((row, centre)) in known
            assert set(pairs[pair[row]].tolist()) == {row, centre}
            assert rank[centre] < rank[row]
    for a, b in pairs.tolist():
        assert not (kept[a] == a and kept[b] == b), "two kept ones that are copies of each other"
