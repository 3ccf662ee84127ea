import numpy as np
import pytest

from shoal.core.shortlists import (
    LENGTH,
    build_shortlists,
    coarse_cells,
    search_others,
    search_shortlists,
)


def cloud(n, d=8, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def slow(x, centres, k):
    square = ((x[:, None].astype(np.float64) - centres) ** 2).sum(axis=2)
    order = np.argsort(square, axis=1, kind="stable")[:, :k]
    return order, np.sqrt(np.take_along_axis(square, order, 1))


def listed_by(shortlists, cell):
    listed = shortlists.lists[shortlists.begin[cell] : shortlists.begin[cell + 1]]
    return listed[listed >= 0]


def test_few_centres_make_one_list_and_are_searched_exactly():
    x, centres = cloud(300), cloud(40, seed=1)
    shortlists = build_shortlists(centres)
    assert len(shortlists.begin) == 2
    indices, distances = search_shortlists(x, centres, shortlists, 3)
    true, lengths = slow(x, centres, 3)
    assert np.array_equal(indices, true)
    assert np.allclose(distances, lengths, rtol=1e-6)


def test_a_list_holds_its_whole_cell_and_what_is_near():
    centres = np.arange(100, dtype=np.float32)[:, None]
    shortlists = build_shortlists(centres, length=20)
    cells = shortlists.cells
    for c in range(len(cells.centres)):
        listed = np.sort(listed_by(shortlists, c))
        own = cells.order[cells.start[c] : cells.start[c + 1]]
        assert set(own.tolist()) <= set(listed.tolist())
        assert (np.diff(listed) == 1).all()  # on a line, the near ones adjoin


def test_a_crowded_cell_has_a_longer_list():
    centres = np.concatenate([1e-3 * cloud(900), cloud(100) + 50]).astype(np.float32)
    shortlists = build_shortlists(centres, length=64)
    owned = np.diff(shortlists.cells.start)
    lengths = [len(listed_by(shortlists, c)) for c in range(len(owned))]
    assert (lengths >= np.minimum(np.maximum(64, 2 * owned), 1000)).all()


def test_centres_far_from_all_others_are_found():
    centres = np.concatenate([cloud(3000), 3 * cloud(6, seed=5)])
    lists = build_shortlists(centres, length=32)
    found, distances = search_shortlists(centres[3000:], centres, lists, 1)
    assert found[:, 0].tolist() == [3000, 3001, 3002, 3003, 3004, 3005]
    assert (distances == 0).all()


def test_nearly_all_rows_of_grouped_data_find_their_nearest_centre():
    groups = 4 * cloud(40, d=16)
    centres = groups[np.arange(3000) % 40] + cloud(3000, d=16, seed=1)
    x = groups[np.arange(1500) % 40] + cloud(1500, d=16, seed=2)
    indices, distances = search_shortlists(x, centres, build_shortlists(centres, length=512), 2)
    true, _ = slow(x, centres, 2)
    assert (indices == true).mean() > 0.98
    assert (np.diff(distances, axis=1) >= 0).all()


def test_rows_of_a_shapeless_cloud_find_one_that_is_hardly_farther():
    x, centres = cloud(1500, d=16), cloud(3000, d=16, seed=1)
    _, distances = search_shortlists(x, centres, build_shortlists(centres, length=512), 1)
    _, lengths = slow(x, centres, 1)
    assert distances.sum() < 1.02 * lengths.sum()


def test_a_row_beyond_all_cells_still_finds_one():
    centres = cloud(2000)
    far = np.full((1, 8), 1e6, np.float32)
    indices, distances = search_shortlists(far, centres, build_shortlists(centres, length=64), 1)
    assert 0 <= indices[0, 0] < 2000
    assert np.isfinite(distances).all()


@pytest.mark.parametrize("length", [64, 512])
def test_same_bytes_for_any_number_of_workers(length):
    x, centres = cloud(70_000, d=4), cloud(1500, d=4, seed=1)
    one = search_shortlists(x, centres, build_shortlists(centres, length=length), 2)
    two = search_shortlists(x, centres, build_shortlists(centres, 0, 2, length), 2, workers=2)
    assert one[0].tobytes() == two[0].tobytes()
    assert one[1].tobytes() == two[1].tobytes()


def test_others_are_found_as_new_rows_there_find_them():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(9000, 24)).astype(np.float32)
    places = rng.permutation(len(centres))[:400]
    lists = build_shortlists(centres)
    near, away = search_others(centres[places], places, centres, lists.cells, 3)
    assert not (near == places[:, None]).any()
    without = np.delete(centres, places, axis=0)
    new = search_shortlists(centres[places], without, build_shortlists(without), 3)[1]
    exact = np.sort(np.linalg.norm(centres[places][:, None] - without, axis=2), axis=1)[:, :3]
    every = np.linalg.norm(centres[places][:, None] - centres, axis=2)
    every[np.arange(400), places] = np.inf
    every = np.sort(every, axis=1)[:, :3]
    listed = search_shortlists(centres[places], centres, lists, 4)[1][:, 1:]
    beyond = [np.mean(a / b) for a, b in ((listed, every), (away, every), (new, exact))]
    assert beyond[0] < beyond[2]
    assert abs(beyond[1] - beyond[2]) < 0.6 * (beyond[2] - beyond[0])
    threads = search_others(centres[places], places, centres, lists.cells, 3, 2)
    assert np.array_equal(threads[0], near)
    assert np.array_equal(threads[1], away)


def test_others_are_searched_on_the_list_of_their_cell_without_them():
    centres = np.concatenate([cloud(1500), cloud(20, seed=1) * 30]).astype(np.float32)
    cells, _ = coarse_cells(centres)
    every = np.arange(len(centres))
    near, away = search_others(centres, every, centres, cells, 2)
    sizes, order = np.diff(cells.start), cells.order
    assert (sizes == 1).any()  # far ones are alone in their cells
    for cell in range(len(sizes)):
        own = order[cells.start[cell] : cells.start[cell + 1]]
        to_cell = ((cells.centres - cells.centres[cell]) ** 2).sum(axis=1)
        to_cell[cell] = -1
        nearest = np.argsort(to_cell)
        length = max(LENGTH, 2 * len(own))
        count = np.searchsorted(np.cumsum(sizes[nearest]), 4 * length) + 1
        tried = np.flatnonzero(np.isin(np.repeat(np.arange(len(sizes)), sizes), nearest[:count]))
        tried = order[tried]
        for me in own[::4]:
            others = cells.members[np.isin(order, own[own != me])]
            others = others if len(others) else cells.centres[cell][None]
            apart = slow(cells.members[np.argsort(order)[tried]], others, 1)[1][:, 0]
            apart[np.isin(tried, own)] = -1
            listed = np.setdiff1d(tried[np.argsort(apart, kind="stable")[: length + 1]], me)
            at, far = slow(centres[me][None], centres[listed], 2)
            assert near[me].tolist() == listed[at[0]].tolist()
            assert np.allclose(away[me], far[0], rtol=1e-5)


@pytest.mark.parametrize(("weak", "columns", "least"), [(0.02, 16, 0.9), (1, 40, 0.6)])
def test_the_leading_columns_propose_and_all_of_them_measure(weak, columns, least):
    scale = np.concatenate([np.ones(16), np.full(24, weak)]).astype(np.float32)
    x, centres = cloud(500, 40) * scale, cloud(3000, 40, seed=1) * scale
    lists = build_shortlists(centres, length=1024)
    assert len(lists.cells.shift) == columns
    indices, distances = search_shortlists(x, centres, lists, 2)
    true, lengths = slow(x, centres, 2)
    right = indices == true
    assert right.mean() > least
    assert np.allclose(distances[right], lengths[right], rtol=1e-5)
