import numpy as np
import pytest

from shoal.core.advice import advise
from shoal.core.layers import Layer
from shoal.core.tree import Tree

WEIGHTS = np.ones(8, np.int64)


def made(excess, splits=(4, 2, 6, 1, 3, 5, 7)):
    return Tree(np.arange(8, dtype=np.int32), np.array(splits, np.int32), np.array(excess, "f4"))


def layers(*ks, primary, stability=0.9, excess=2.0):
    return [Layer(k, excess, stability, k == primary) for k in ks]


def test_even_groups_are_said_not_to_be_mixed():
    tree = made([5, 4, 3.9, 0, 0, 0, 0])
    found = advise(tree, layers(2, 4, primary=4), WEIGHTS)
    assert found.sentences[0] == "4 clusters; none is both large and mixed."
    assert found.sentences[1] == "Other layers: K = 2 (coarser)."
    assert [(choice.k, choice.why) for choice in found.choices] == [(2, "the next coarser layer")]


def test_a_large_cluster_that_the_finest_layer_splits_is_named_with_its_k():
    # Leaf 7, 6 and 5 come off first: five of eight rows stay together, and fall apart last.
    tree = made([5, 5, 5, 1, 1, 0, 0], (7, 6, 5, 2, 1, 3, 4))
    found = advise(tree, layers(4, 6, primary=4), np.array([3, 3, 3, 3, 3, 1, 1, 1]))
    assert "cluster 0 is large and mixed: it has 83%" in found.sentences[0]
    assert "into 3 clusters at K = 5" in found.sentences[0]
    assert (found.choices[0].k, found.choices[0].why) == (5, "cluster 0 splits")


def test_a_small_mixed_cluster_is_left_to_its_badge():
    tree = made([5, 5, 5, 1, 0, 0, 0])
    found = advise(tree, layers(4, 5, primary=4), WEIGHTS)
    assert found.sentences[0] == "4 clusters; none is both large and mixed."


@pytest.mark.parametrize(("last", "near"), [(4.0, True), (1.6, False)])
def test_another_layer_is_nearly_as_clear_when_its_gap_is_as_wide(last, near):
    tree = made([5, 5, last, 1.5, 0, 0, 0])
    found = advise(tree, layers(4, 5, primary=5), WEIGHTS)
    assert ([choice.why for choice in found.choices] == ["nearly as clear"]) == near
    assert ("K = 4 is nearly as clear" in found.sentences[1]) == near


def test_an_unstable_and_a_weak_layer_are_not_as_clear():
    tree = made([5, 5, 4, 1.5, 0, 0, 0])
    unstable = [Layer(4, 2.0, 0.3), Layer(5, 2.0, 0.9, True)]
    assert advise(tree, unstable, WEIGHTS).choices[0].why == "the next coarser layer"
    weak = [Layer(4, 1.0, 0.9), Layer(5, 2.0, 0.9, True)]
    found = advise(tree, weak, WEIGHTS)
    assert found.choices == ()
    assert "No other K is nearly as clear" in found.sentences[1]


def test_one_group_says_that_nothing_is_certain_and_guesses():
    tree = made([0.3, 0.28, 0.1, 0.09, -np.inf, -np.inf, -np.inf])
    found = advise(tree, layers(1, primary=1), WEIGHTS)
    assert "no split is clearer" in found.sentences[0]
    assert 3 in [choice.k for choice in found.choices]
    assert all(choice.why == "a guess" for choice in found.choices)
    assert "The least unlikely cuts are K = 2, 3 and 4." in found.sentences


def test_a_layer_that_scores_higher_than_the_requested_one_is_clearer():
    tree = made([5, 5, 0.2, 0.1, -1, -1, -1])
    found = advise(tree, [Layer(3, 5, 0.9), Layer(6, -1, 0.9, True)], WEIGHTS)
    assert found.sentences[1] == "K = 3 is clearer."
    assert (found.choices[0].k, found.choices[0].why) == (3, "clearer")


@pytest.mark.parametrize("m", [1, 2])
def test_hardly_any_rows_leave_nothing_to_guess(m):
    tree = Tree(
        np.arange(m, dtype=np.int32), np.arange(1, m, dtype=np.int32), np.zeros(m - 1, "f4")
    )
    found = advise(tree, layers(1, primary=1), np.ones(m, np.int64))
    assert found.choices == ()
    assert len(found.sentences) == 1


def test_one_group_that_was_asked_for_is_not_said_to_be_all_there_is():
    found = advise(made([5, 4, 3.9, 0, 0, 0, 0]), layers(1, primary=1), WEIGHTS)
    assert found.sentences[0] == "One cluster, as requested; the data shows more."
    assert 4 in [choice.k for choice in found.choices]
    assert {choice.why for choice in found.choices} == {"a clear cut"}
