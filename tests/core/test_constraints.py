import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.core.constraints import Constraints, all_apart, groups_of, split_by_group
from shoal.core.dendrogram import grouped_merges, paris_merges
from shoal.core.structure import fit_structure

NONE = np.empty((0, 2), np.int32)


def said(group, together=(), apart=()):
    group = np.asarray(group, np.int32)
    flags = np.isin(np.arange(int(group.max(initial=-1)) + 1), together)
    return Constraints(group, flags, np.asarray(apart, np.int32).reshape(-1, 2))


def three_groups(seed=0, each=120):
    draw = np.random.default_rng(seed)
    truth = np.repeat([0, 1, 2], each)
    return (draw.normal(size=(3 * each, 5)) + 14 * np.eye(5)[truth]).astype(np.float32), truth


def primary(x, constraints, **options):
    found = fit_structure(x, resamples=4, constraints=constraints, **options)
    return found.tree.labels(found.primary.k)


def test_what_is_said_to_be_one_thing_is_one_cluster():
    x, truth = three_groups()
    labels = primary(x, said(np.where(truth < 2, 0, -1), together=[0]))
    assert len(set(labels)) == 2
    assert len(set(labels[truth < 2])) == 1


def test_what_is_said_to_come_apart_is_apart_and_the_rest_as_it_was():
    x, truth = three_groups()
    half = (truth == 2) & (x[:, 0] > np.median(x[truth == 2, 0]))
    labels = primary(x, said(np.where(half, 0, np.where(truth == 2, 1, -1)), apart=[(0, 1)]))
    for mine in (truth == 0, truth == 1, half, (truth == 2) & ~half):
        assert len(set(labels[mine])) == 1
    assert len(set(labels)) == 4


def test_three_rows_taken_out_are_a_cluster_of_three():
    x, truth = three_groups()
    group = np.where(truth == 1, 0, -1)
    odd = np.flatnonzero(truth == 1)[[3, 50, 80]]
    group[odd] = 1
    labels = primary(x, said(group, apart=[(0, 1)]))
    assert np.flatnonzero(labels == labels[odd[0]]).tolist() == odd.tolist()
    assert len(set(labels)) == 4


def test_a_group_that_is_apart_still_has_parts_of_its_own():
    x, truth = three_groups()
    labels = primary(x, said(np.where(truth < 2, 0, 1), apart=[(0, 1)]))
    assert len(set(labels)) == 3


def test_what_is_said_holds_in_noise_too_and_without_it_there_is_one_cluster():
    x = np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32)
    assert len(set(primary(x, None))) == 1
    half = x[:, 0] > 0
    labels = primary(x, said(half, apart=[(0, 1)]))
    assert (len(set(labels)), len(set(labels[half])), len(set(labels[~half]))) == (2, 1, 1)


def test_a_detail_above_all_keeps_what_was_said():
    x, truth = three_groups()
    half = (truth == 2) & (x[:, 0] > np.median(x[truth == 2, 0]))
    constraints = said(np.where(half, 0, np.where(truth == 2, 1, -1)), apart=[(0, 1)])
    labels = primary(x, constraints, detail=9.0)
    assert not set(labels[half]) & set(labels[(truth == 2) & ~half])


def test_constraints_that_say_nothing_change_nothing():
    x, _ = three_groups()
    plain = fit_structure(x, resamples=4)
    free = fit_structure(x, resamples=4, constraints=said(np.full(len(x), -1)))
    assert np.array_equal(plain.tree.order, free.tree.order)
    assert np.array_equal(plain.tree.splits, free.tree.splits)
    assert plain.layers == free.layers


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_any_word_of_a_person_holds_at_the_primary_layer(seed, n_groups):
    draw = np.random.default_rng(seed)
    x, _ = three_groups(seed, each=40)
    group = draw.integers(-1, n_groups, len(x))
    pairs = [(a, b) for a in range(n_groups) for b in range(a) if draw.random() < 0.5]
    together = np.flatnonzero(draw.random(n_groups) < 0.5)
    labels = primary(x, said(group, together, pairs))
    for one in together:
        assert len(set(labels[group == one])) <= 1
    for one, other in pairs:
        assert not set(labels[group == one]) & set(labels[group == other])


def test_communities_are_cut_at_groups_only():
    constraints = said([0, 0, 1, -1, -1, 1])
    cut = split_by_group(np.array([0, 0, 0, 0, 1, 1], np.int32), constraints)
    assert len(set(cut)) == 5
    assert cut[0] == cut[1]
    assert groups_of(cut, constraints)[cut].tolist() == [0, 0, 1, -1, -1, 1]


@given(st.integers(1, 9), st.integers(0, 3), st.integers(0, 2**31))
def test_groups_are_joined_first_and_in_the_order_of_paris(c, n_groups, seed):
    draw = np.random.default_rng(seed)
    between = draw.random((c, c))
    between += between.T
    groups = draw.integers(-1, n_groups, c).astype(np.int32) if n_groups else np.full(c, -1)
    merges = grouped_merges(between, groups)
    assert merges.shape == (c - 1, 2)
    if not n_groups:
        assert np.array_equal(merges, paris_merges(between))
    members = [{i} for i in range(c)]
    for a, b in merges.tolist():
        members.append(members[a] | members[b])
    for group in range(n_groups):
        mine = set(np.flatnonzero(groups == group).tolist())
        assert not mine or mine in members
        assert mine or group not in groups
    if c > 1:
        assert members[-1] == set(range(c))


def test_the_joins_within_a_group_by_hand():
    between = np.array([[0, 1, 9, 0], [1, 0, 8, 0], [9, 8, 0, 1], [0, 0, 1, 5]], float)
    # Without groups 2 joins 0 first; with 0 and 1 in a group, these come first.
    assert paris_merges(between)[0].tolist() in ([0, 2], [2, 0])
    assert sorted(grouped_merges(between, np.array([0, 0, -1, -1], np.int32))[0]) == [0, 1]


def test_a_group_of_nobody_is_passed_over():
    x, truth = three_groups()
    constraints = Constraints(
        np.where(truth == 0, 2, -1).astype(np.int32),
        np.array([True, True, False]),
        np.array([[0, 2], [1, 2]], np.int32),
    )
    assert len(set(primary(x, constraints))) == 3


@pytest.mark.parametrize("m", [3, 4, 6])
def test_very_few_rows_are_fine(m):
    x = np.random.default_rng(0).normal(size=(m, 3)).astype(np.float32)
    labels = primary(x, said(np.arange(m) % 2, apart=[(0, 1)]))
    assert not set(labels[::2]) & set(labels[1::2])


def test_all_groups_apart():
    found = all_apart(np.array([0, 2, 1, 0], np.int32))
    assert found.apart.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert found.together.tolist() == [False] * 3
