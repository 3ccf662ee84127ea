import numpy as np
import pytest

from shoal.core import layout
from shoal.core.layout import lay_out, neighbour_recall, place_rows, reaches
from shoal.core.morton import SIDE, to_places
from shoal.core.nearest import nearest_neighbours


def groups(n, seed=0):
    draw = np.random.default_rng(seed)
    truth = np.repeat(np.arange(3), n)
    return (draw.normal(size=(3 * n, 5)) + 30 * np.eye(3, 5)[truth]).astype(np.float32), truth


def laid(rows, **more):
    order = np.arange(len(rows), dtype=np.int32)
    near = nearest_neighbours(rows, min(15, len(rows) - 1))
    return lay_out(rows, order, *near, **more)


def apart(xy, truth):
    """The mean silhouette's signs: whether places are nearer to their own group's mean."""
    means = np.stack([xy[truth == g].mean(0) for g in range(3)])
    return (((xy[:, None] - means) ** 2).sum(2).argmin(1) == truth).mean()


def test_groups_lie_apart_in_the_square_and_the_same_again():
    rows, truth = groups(60)
    xy = laid(rows)
    assert xy.dtype == np.float32
    assert ((xy >= 0) & (xy <= 1)).all()
    assert apart(xy, truth) > 0.99
    assert np.array_equal(xy, laid(rows))
    assert not np.array_equal(xy, laid(rows[::-1].copy())[::-1])


def test_more_than_the_landmarks_are_put_among_them(monkeypatch):
    monkeypatch.setattr(layout, "LANDMARKS", 60)
    rows, truth = groups(100)
    told = []
    xy = laid(rows, advance=told.append)
    assert apart(xy, truth) > 0.99
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
    assert neighbour_recall(rows, xy) > 0.3
    monkeypatch.setattr(layout, "REFINED", 100)
    assert apart(laid(rows), truth) > 0.99


@pytest.mark.parametrize("n", [1, 2, 3, 7, 9])
def test_few_rows_have_places_too(n):
    rows = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
    order = np.arange(n, dtype=np.int32)
    near = nearest_neighbours(rows, n - 1) if n > 1 else (np.zeros((1, 0), np.int32),) * 2
    xy = lay_out(rows, order, *near)
    assert np.isfinite(xy).all()
    assert len(np.unique(xy, axis=0)) == n


def test_recall_is_one_where_nothing_is_lost_and_low_by_chance():
    flat = np.random.default_rng(0).random((400, 2)).astype(np.float32)
    assert neighbour_recall(flat, flat) == 1
    assert neighbour_recall(flat, flat[::-1].copy()) < 0.1
    assert neighbour_recall(flat[:1], flat[:1]) == 1


def test_rows_lie_around_their_representative_the_nearest_in_its_middle():
    xy = np.array([[0.25, 0.5], [0.75, 0.5]])
    reach, start = np.array([0.1, 0.1]), np.array([0, 50, 80])
    alone, sure = np.full(80, -1, np.int32), np.full(80, 255, np.uint8)
    place = np.stack(to_places(place_rows(xy, reach, start, alone, sure, 0)), 1) / SIDE
    away = np.hypot(*(place - np.repeat(xy, [50, 30], axis=0)).T)
    assert (away <= 0.1 + 1 / SIDE).all()
    assert (np.diff(away[:50]) > 0).all()
    assert away[0] < 2 / SIDE
    torn = place_rows(xy, reach, start, np.repeat([1, 0], [50, 30]).astype(np.int32), 0 * sure, 0)
    pulled = np.stack(to_places(torn), 1) / SIDE - place
    assert (pulled[:50, 0] > 0.04).all()
    assert (pulled[50:, 0] < -0.04).all()


def test_a_piece_of_the_leaves_is_placed_as_in_the_whole():
    draw = np.random.default_rng(0)
    xy, reach = draw.random((5, 2)), np.full(5, 0.01)
    start = np.array([0, 3, 3, 10, 14, 20])
    second, margin = draw.integers(0, 5, 20).astype(np.int32), draw.integers(0, 255, 20)
    whole = place_rows(xy, reach, start, second, margin.astype(np.uint8), 0)
    part = place_rows(xy, reach, start[2:5], second[3:14], margin[3:14].astype(np.uint8), 2)
    assert np.array_equal(part, whole[3:14])


def test_lonely_places_do_not_spread_over_the_map():
    xy = np.concatenate([np.random.default_rng(0).random((99, 2)) * 0.1, [[0.9, 0.9]]])
    found = reaches(xy)
    assert found[-1] < 0.05
    assert (found > 0).all()
    assert reaches(xy[:1]).tolist() == [0.25]
