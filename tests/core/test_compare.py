import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.core.compare import compare
from shoal.errors import InputError


def told(found):
    return {
        "matched": [(m.before, m.after) for m in found.matched],
        "split": [(c.cluster, c.parts) for c in found.split],
        "merged": [(c.cluster, c.parts) for c in found.merged],
        "died": [c.cluster for c in found.died],
        "born": [c.cluster for c in found.born],
    }


def test_the_same_clusters_under_other_numbers_are_all_matched():
    found = compare([3, 3, 1, 1, 1], [0, 0, 9, 9, 9])
    assert told(found)["matched"] == [(1, 9), (3, 0)]
    assert [m.overlap for m in found.matched] == [1, 1]
    assert found.moved == 0


def test_a_split_by_hand():
    found = compare([0] * 10 + [1] * 6, [0] * 4 + [2] * 5 + [1] * 7)
    assert told(found) == {
        "matched": [(1, 1)],
        "split": [(0, (2, 0))],
        "merged": [],
        "died": [],
        "born": [],
    }
    assert found.split[0].shared == (5, 4)
    assert found.moved == 1


def test_a_merger_by_hand():
    found = compare([0] * 4 + [1] * 4 + [2] * 9, [5] * 8 + [6] * 9)
    assert told(found)["merged"] == [(5, (0, 1))]
    assert told(found)["matched"] == [(2, 6)]


def test_a_cluster_that_only_lost_a_little_is_matched_and_split():
    found = compare([0] * 10 + [2] * 5, [0] * 8 + [1] * 2 + [2] * 4 + [0])
    assert told(found) == {
        "matched": [(0, 0), (2, 2)],
        "split": [(0, (0, 1))],
        "merged": [],
        "died": [],
        "born": [],
    }
    assert found.moved == 1


def test_clusters_that_are_scattered_die_and_are_born():
    before = np.repeat([0, 1, 2], 9)
    after = np.tile([3, 4, 5], 9)
    assert told(compare(before, after)) == {
        "matched": [],
        "split": [],
        "merged": [],
        "died": [0, 1, 2],
        "born": [3, 4, 5],
    }


def test_rows_without_a_cluster_are_left_out():
    found = compare([-1, 0, 0, 1], [0, 0, 0, -1])
    assert found.rows == 2
    assert told(found)["matched"] == [(0, 0)]


def test_other_rows_cannot_be_compared():
    with pytest.raises(InputError, match="3 rows before, but 2 after"):
        compare([0, 1, 2], [0, 1])
    with pytest.raises(InputError, match="nothing to compare"):
        compare([-1, 0], [0, -1])


LABELS = st.integers(1, 60).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(-1, 6), min_size=n, max_size=n)] * 2)
)


@given(LABELS)
def test_every_cluster_is_said_and_time_runs_both_ways(pair):
    before, after = map(np.array, pair)
    known = (before >= 0) & (after >= 0)
    if not known.any():
        return
    found, back = compare(before, after), compare(after, before)
    said = {m.before for m in found.matched} | {c.cluster for c in found.split}
    said |= {part for c in found.merged for part in c.parts}
    assert len({m.before for m in found.matched}) == len(found.matched)
    assert {c.cluster for c in found.died} == set(before[known].tolist()) - said
    assert (found.merged, found.split) == (back.split, back.merged)
    assert (found.born, found.died) == (back.died, back.born)
    assert found.moved == back.moved
    for m in found.matched:
        mine, theirs = known & (before == m.before), known & (after == m.after)
        assert m.overlap == (mine & theirs).sum() / (mine | theirs).sum() > 0.5
    for c in found.split:
        assert 2 * sum(c.shared) > c.rows == (known & (before == c.cluster)).sum()
        for part, shared in zip(c.parts, c.shared, strict=True):
            assert shared == (known & (before == c.cluster) & (after == part)).sum()
            assert 2 * shared > (known & (after == part)).sum()
