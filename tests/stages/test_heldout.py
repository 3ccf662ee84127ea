import numpy as np
import pytest
from scipy.spatial.distance import cdist

import shoal
from shoal.stages import heldout
from shoal.stages.fitted import Fitted
from shoal.stages.heldout import held_out_rows, not_held_out
from shoal.stages.result import Result
from shoal.stages.shards import Shards

DRAW = np.random.default_rng(0)


def test_rows_are_held_out_by_chance_and_the_fewer_are_among_the_more():
    shards = Shards(1_000_000, 10_000)
    drawn = [held_out_rows(shards, number) for number in range(100)]
    assert sum(map(len, drawn)) == pytest.approx(10_000, rel=0.03)
    assert len({tuple(at[:5]) for at in drawn}) == 100
    assert set(held_out_rows(shards, 3, 0.001)) < set(drawn[3])
    assert len(held_out_rows(Shards(900, 300), 1)) == 300
    kept = not_held_out(Shards(900, 300), 1, np.arange(300))
    assert 240 < len(kept) < 300
    assert not np.isin(kept, held_out_rows(Shards(900, 300), 1, 0.1)).any()


def test_scores_are_those_of_rows_left_out_of_all_others(fitted, blobs):
    run = Result(fitted(blobs))
    novelty = Fitted(run).novelty
    assert np.array_equal(novelty.place, np.arange(200))
    vectors = run.representatives.vectors
    away = cdist(vectors, vectors) + np.diag(np.full(200, np.inf))
    near = np.argsort(away, axis=1)[:, :3].astype(np.int32)
    distance = np.take_along_axis(away, near, axis=1).astype(np.float32)
    slow = Fitted(run).scores(near, distance, np.zeros(200, np.float32))
    np.testing.assert_allclose(novelty.scores, slow, rtol=1e-4)


def test_a_pile_of_copies_counts_once(fitted, blobs):
    rows = np.concatenate([blobs, np.repeat(blobs[:1] + 900, 400, axis=0)])
    novelty = Fitted(Result(fitted(rows))).novelty
    assert len(novelty.place) == 201


@pytest.mark.parametrize("representatives", [None, 300])
def test_new_rows_score_as_those_held_out(fitted, representatives):
    rows = DRAW.normal(size=(5000, 6)).astype(np.float32)
    rows[2500:] *= 3
    DRAW.shuffle(rows)
    run = Result(fitted(rows[:3000], representatives=representatives))
    model = shoal.open(run.folder.path).model
    model.load()
    source = model.open(rows[3000:])
    new = model.nearest(source.read(0, 2000)).scores
    known = Fitted(run).novelty.scores
    for at in range(2):
        shares = [0.5, 0.9, 0.95]
        assert np.quantile(known[:, at], shares) == pytest.approx(
            np.quantile(new[:, at], shares), rel=0.15
        )


def test_few_rows_of_many_features_are_held_out_of_the_projection_too(fitted):
    images = DRAW.integers(0, 255, (560, 12, 12), np.uint8)
    images = np.clip(images // 3 + images[:, :1, :1] // 2, 0, 255).astype(np.uint8)
    run = shoal.open(fitted(images[:160], features="pixels").path)  # 64 components
    assert run.predict(images[160:]).unknown.mean() < 0.12
    assert run.predict(images[160:], unknown=0.3).unknown.mean() > 0.05
    assert (
        run.predict(DRAW.integers(0, 2, (50, 12, 12), np.uint8) * np.uint8(255)).unknown.mean()
        > 0.5
    )


def test_the_same_rows_are_held_out_whatever_the_shards_and_workers(fitted, blobs, monkeypatch):
    first = Fitted(Result(fitted(blobs, "a", representatives=60))).novelty
    again = Fitted(Result(fitted(blobs, "b", representatives=60))).novelty
    assert np.array_equal(first.scores, again.scores)
    assert len(first.place) < 60  # a tenth of 200 rows, as those are kept from the codes
    monkeypatch.setattr(heldout, "_ROWS", 50)
    assert 20 < len(Fitted(Result(fitted(blobs, "c"))).novelty.place) < 90


def test_a_row_taken_out_of_a_mean_is_farther_from_it():
    near = np.array([[0, 1], [1, 0], [2, 0]], np.int32)
    away = np.array([[3, 4], [3, 4], [3, 4]], np.float32)
    found = heldout._out_of_means(near, away, np.array([4, 2, 1]))
    assert found[0].tolist() == [[0, 1], [0, 1], [0, 2]]
    assert found[1].tolist() == [[4, 4], [4, 6], [4, 0]]
    assert found[2].tolist() == [[3, 2], [4, 1], [4, 0]]


def test_a_row_is_no_neighbour_of_its_own_wherever_it_is_found():
    near = np.array([[5, 1, 2, 3], [1, 5, 2, 3], [1, 2, 3, 4]], np.int32)
    away = np.array([[0, 1, 2, 3]] * 3, np.float32)
    found = heldout._beside_itself(near, away, np.full(9, 7), np.full(3, 5, np.int32))
    assert found[0].tolist() == [[1, 2, 3], [1, 2, 3], [1, 2, 3]]
    assert found[1].tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 2]]
    assert found[2].min() == 7
    alone = heldout._beside_itself(near[:1, :1], away[:1, :1], np.full(9, 7), near[0, :1])
    assert [part.tolist() for part in alone[1:]] == [[[0]], [[0]]]
