import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from shoal.core.codebook import Codebook
from shoal.core.representatives import represent, seed_codebook
from shoal.core.summaries import (
    PartialSummary,
    Summary,
    merge_partials,
    merge_summaries,
    summarise,
)
from shoal.errors import InputError


def cloud(n, d=8, groups=12, seed=0):
    generator = np.random.default_rng(seed)
    centres = 4 * generator.normal(size=(groups, d))
    return (centres[generator.integers(0, groups, n)] + generator.normal(size=(n, d))).astype("f4")


def same_bytes(one, two):
    names = ("mean", "weight", "within", "medoid")
    return all(getattr(one, name).tobytes() == getattr(two, name).tobytes() for name in names)


def total_scatter(x):
    return ((x - x.mean(axis=0, dtype=np.float64)) ** 2).sum()


def between(summary, x):
    step = summary.mean - x.mean(axis=0, dtype=np.float64)
    return (summary.weight * (step**2).sum(axis=1)).sum()


def test_hand_computed_statistics():
    codes = np.array([[0, 0], [10, 0]], np.float32)
    book = seed_codebook(codes, 2)
    wide = Codebook(book.centres, np.full(2, 9.0), 3, book.shortlists)
    block = np.array([[1, 0], [-1, 2], [10, 0], [5, 50]], np.float32)
    part = summarise(block, wide, first_row=100)
    assert part.weight.tolist() == [2, 1]
    assert part.total.tolist() == [[0, 2], [0, 0]]
    assert part.square.tolist() == [6, 0]
    assert part.medoid.tolist() == [100, 102]
    assert part.far == 1
    assert part.openings.mean.tolist() == [[5, 50]]
    summary = merge_summaries([part], wide)
    assert summary.mean.tolist() == [[0, 1], [10, 0], [5, 50]]
    assert summary.weight.tolist() == [2, 1, 1]
    assert summary.within.tolist() == [4, 0, 0]
    assert summary.medoid.tolist() == [100, 102, 103]
    assert summary.radius[0] == np.sqrt(2)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 400), st.integers(1, 5), st.integers(1, 80), st.integers(0, 3))
def test_rows_and_their_sums_are_kept(n, d, m, digits):
    x = np.random.default_rng(n * d).normal(size=(n, d)).round(digits).astype(np.float32)
    summary = represent(x, m)
    assert 1 <= len(summary.weight) <= m
    assert summary.weight.min() >= 1
    assert summary.weight.sum() == n
    assert summary.within.min() >= 0
    assert np.allclose(summary.weight @ summary.mean, x.sum(axis=0, dtype=np.float64), atol=1e-3)
    assert summary.within.sum() + between(summary, x) == pytest.approx(total_scatter(x), rel=1e-4)
    assert len(np.unique(summary.medoid)) == len(summary.medoid)
    assert summary.medoid.min() >= 0
    assert summary.medoid.max() < n


def test_as_close_as_kmeans_nearly():
    x = load_digits().data.astype(np.float32)
    summary = represent(x, 200)
    slow = KMeans(len(summary.weight), n_init=1, random_state=0).fit(x)
    assert summary.within.sum() < 1.08 * slow.inertia_


def test_medoids_are_near_their_means():
    x = cloud(3000)
    summary = represent(x, 100)
    apart = ((x[summary.medoid] - summary.mean) ** 2).sum(axis=1)
    several = summary.weight > 5
    assert np.mean(apart[several] < summary.radius[several] ** 2) > 0.95


def test_same_bytes_for_any_number_of_workers():
    x = cloud(70_000, d=4)
    assert same_bytes(represent(x, 700, 1, workers=1), represent(x, 700, 1, workers=3))


def test_other_seeds_give_other_codes():
    x = cloud(3000)
    assert not same_bytes(represent(x, 100, 0), represent(x, 100, 1))


def test_stored_parts_and_codebooks_are_the_same():
    x = cloud(5000)
    x[::50] += 20
    book = seed_codebook(x[1::50], 60)
    parts = [summarise(x[a : a + 1000], book, a) for a in range(0, 5000, 1000)]
    assert any(len(part.openings) for part in parts)
    again = [PartialSummary.from_arrays(part.to_arrays()) for part in parts]
    other = Codebook.from_arrays(book.to_arrays())
    assert same_bytes(merge_summaries(parts, book), merge_summaries(again, other))
    stored = summarise(x[:1000], other)
    assert stored.total.tobytes() == parts[0].total.tobytes()


def test_merging_in_groups_keeps_the_statistics():
    x = cloud(4000)
    book = seed_codebook(x[::5], 60)
    parts = [summarise(x[a : a + 500], book, a) for a in range(0, 4000, 500)]
    whole = merge_summaries(parts, book)
    groups = [merge_partials(parts[:3], book), merge_partials(parts[3:], book)]
    grouped = merge_summaries(groups, book)
    assert grouped.weight.sum() == whole.weight.sum() == 4000
    codes = min(len(whole.mean), len(grouped.mean)) // 2
    assert np.allclose(whole.mean[:codes], grouped.mean[:codes])


def test_merging_leaves_the_parts_as_they_were():
    x = cloud(2000)
    x[7:9] += 90
    book = seed_codebook(x[::5], 60)
    parts = [summarise(x[:1000], book), summarise(x[1000:], book)]
    before = [{name: array.copy() for name, array in part.to_arrays().items()} for part in parts]
    merge_summaries(parts, book)
    for part, arrays in zip(parts, before, strict=True):
        for name, array in part.to_arrays().items():
            assert np.array_equal(array, arrays[name])


def test_an_empty_block_adds_nothing():
    x = cloud(1000)
    book = seed_codebook(x, 50)
    empty = summarise(x[:0], book)
    assert empty.weight.sum() == empty.far == len(empty.openings) == 0
    full = summarise(x, book)
    assert same_bytes(merge_summaries([empty, full], book), merge_summaries([full], book))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sampled", [True, False])
def test_a_rare_group_gets_its_own_representatives(seed, sampled):
    x = cloud(40_000, seed=seed)
    rare = np.random.default_rng(seed).choice(len(x), 6, replace=False)  # 0.015%
    x[rare] = 11 + 0.5 * np.random.default_rng(seed).normal(size=(6, 8))
    sample = x[::10] if sampled else np.delete(x, rare, axis=0)[::10]
    book = seed_codebook(sample, 400, seed)
    parts = [summarise(x[a : a + 8000], book, a) for a in range(0, len(x), 8000)]
    summary = merge_summaries(parts, book)
    there = np.abs(summary.mean - 11).max(axis=1) < 2.5
    assert there.any()
    assert summary.weight[there].sum() == 6
    assert len(summary.weight) <= 400


def test_rare_groups_go_before_lone_outliers():
    generator = np.random.default_rng(0)
    x = cloud(20_000)
    lone, rare = np.arange(300), np.arange(300, 320)
    x[lone] = 60 * generator.normal(size=(300, 8))
    x[rare] = 30 + 0.3 * generator.normal(size=(20, 8))
    book = seed_codebook(x[1000::10], 200)
    summary = merge_summaries([summarise(x, book)], book)
    assert len(summary.weight) <= 200
    there = np.abs(summary.mean - 30).max(axis=1) < 3
    assert summary.weight[there].sum() >= 20


def test_rows_unlike_the_sample_open_representatives():
    x = cloud(6000)
    book = seed_codebook(x[:2000], 300)
    drifted = x[2000:] + np.float32(40)
    summary = merge_summaries([summarise(x[:2000], book), summarise(drifted, book)], book)
    assert summary.far >= 4000
    assert summary.weight[summary.mean.mean(axis=1) > 20].sum() == 4000


def test_many_identical_rows_are_one_representative():
    x = np.repeat(cloud(30), 400, axis=0)
    for m in (30, 100):
        summary = represent(x, m)
        assert sorted(summary.weight) == [400] * 30
        assert not summary.within.any()


def test_one_value_only():
    summary = represent(np.full((5000, 3), 7, np.float32), 10)
    assert summary.weight.tolist() == [5000]
    assert summary.mean.tolist() == [[7, 7, 7]]


def test_half_of_the_rows_identical():
    x = cloud(8000)
    x[::2] = x[0]
    summary = represent(x, 100)
    assert summary.weight.sum() == 8000
    assert summary.weight.max() >= 4000
    assert len(summary.weight) > 80


def test_every_distinct_row_when_there_is_room():
    x = cloud(500)
    summary = represent(x, 500)
    assert np.array_equal(summary.mean, x)
    assert summary.medoid.tolist() == list(range(500))


def test_one_representative_is_the_mean():
    x = cloud(1000)
    summary = represent(x, 1)
    assert summary.weight.tolist() == [1000]
    assert np.allclose(summary.mean[0], x.mean(axis=0, dtype=np.float64), atol=1e-5)
    assert summary.within[0] == pytest.approx(total_scatter(x), rel=1e-6)


def test_counts_go_on_above_two_to_the_24():
    block = np.ones((1000, 1), np.float32)
    book = seed_codebook(np.zeros((1, 1), np.float32), 1)
    part = summarise(block, Codebook(book.centres, np.full(1, 4.0), 1, book.shortlists))
    many = part
    for _ in range(15):  # 1000 · 2^15 rows
        many = merge_partials([many, many], book)
    summary = merge_summaries([many, part], book)
    assert summary.weight.tolist() == [1000 * 2**15 + 1000]
    assert summary.mean.tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("sample", "m", "message"),
    [
        (np.ones((3, 2)), 0, "0 representatives of 3 rows"),
        (np.ones((0, 2)), 4, "4 representatives of 0 rows"),
        (np.array([[np.inf]]), 4, "sample holds NaN or infinity in 1 row"),
    ],
)
def test_unusable_samples_are_refused(sample, m, message):
    with pytest.raises(InputError, match=message):
        seed_codebook(sample, m)


def test_radius_is_the_root_of_the_mean_square():
    summary = Summary(
        np.zeros((1, 2)), np.array([4]), np.array([36.0]), np.array([0]), 0, np.array([0])
    )
    assert summary.radius.tolist() == [3.0]


def test_a_sparse_group_gets_more_codes_than_its_share_of_the_rows():
    draw = np.random.default_rng(0)
    dense = draw.normal(size=(20_000, 10))
    sparse = draw.normal(size=(60, 10)) + np.r_[12, np.zeros(9)]
    sample = np.concatenate([dense, sparse]).astype(np.float32)
    codes = seed_codebook(sample, 1000, 0).centres
    by_mass = 1000 * 60 / 20_060
    assert (codes[:, 0] > 8).sum() > 3 * by_mass
