import numpy as np
import pytest

from shoal import passes
from shoal.core.morton import SIDE, to_places
from shoal.engines.local import LocalEngine
from shoal.progress import Silent
from shoal.stages import map as module
from shoal.stages.leaves import make_leaves
from shoal.stages.map import COARSE, make_map
from shoal.storage import read_json, read_npy


@pytest.fixture
def run(fitted):
    draw = np.random.default_rng(4)
    rows = draw.normal(size=(800, 4)) + 15 * np.eye(3, 4)[draw.integers(0, 3, 800)]
    run = fitted(rows.astype(np.float32), representatives=80)
    folder = run.stage("leaves")
    folder.begin("0" * 32)
    make_leaves(run, folder, Silent())
    return run


def made(run, engine=None):
    folder = run.stage("map")
    folder.begin("0" * 32)
    counts = make_map(run, run.stage("leaves"), folder, Silent(), engine=engine)
    names = [path.parent.name for path in folder.path.glob("*/whole.npy")]
    return counts, folder, {name: read_npy(folder.whole(name)) for name in names}


def test_codes_are_those_of_the_places_in_ascending_order(run):
    counts, folder, found = made(run)
    assert np.array_equal(found["spots"][found["seats"]], found["codes"])
    assert (np.diff(found["codes"].astype(np.int64)) >= 0).all()
    assert np.array_equal(np.sort(found["seats"]), np.arange(800))
    assert counts["rows"] == 800
    assert 0 < read_json(folder.whole("about", "json"))["recall"] <= 1
    start = read_npy(run.stage("leaves").whole("start"))
    leaf = np.repeat(np.arange(len(start) - 1), np.diff(start))
    assert np.array_equal(found["leaf"], leaf[found["seats"]])
    away = np.stack(to_places(found["spots"]), 1) / SIDE - found["layout"][leaf]
    assert np.hypot(*away.T).max() < 0.2


def test_cells_tell_where_their_codes_begin(run):
    _, _, found = made(run)
    x, y = to_places(found["codes"])
    for cx, cy in ((0, 0), (500, 480), (512, 400)):
        inside = ((x >> (16 - COARSE)) == cx) & ((y >> (16 - COARSE)) == cy)
        code = int(found["codes"][inside][0]) >> 2 * (16 - COARSE) if inside.any() else None
        if code is not None:
            assert found["cells"][code + 1] - found["cells"][code] == inside.sum()
    assert found["cells"][0] == 0
    assert found["cells"][-1] == 800
    assert len(found["cells"]) == 4**COARSE + 1


def test_many_rows_are_counted_beforehand(run, monkeypatch):
    monkeypatch.setattr(module, "MANY_ROWS", 100)
    monkeypatch.setattr(module, "_AT_ONCE", 90)
    _, _, found = made(run)
    cell = found["codes"] >> np.uint32(2 * (16 - COARSE))
    slow = {}
    for pair in zip(cell.tolist(), found["leaf"].tolist(), strict=True):
        slow[pair] = slow.get(pair, 0) + 1
    pairs = zip(found["coarse_cell"].tolist(), found["coarse_leaf"].tolist(), strict=True)
    assert dict(zip(pairs, found["coarse_count"].tolist(), strict=True)) == slow
    assert (np.diff(found["coarse_cell"]) >= 0).all()


def test_rows_are_placed_by_an_engine_as_here(run, monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 90)
    _, folder, here = made(run)
    folder.delete()

    class Stopping(LocalEngine):
        def run(self, task, items, *given, **more):
            done.append(list(items))
            super().run(task, items[: 3 if len(done) == 1 else None], *given, **more)
            if len(done) == 1:
                raise KeyboardInterrupt

    done = []
    with pytest.raises(KeyboardInterrupt):
        made(run, Stopping(2))
    _, folder, there = made(run, Stopping(2))
    assert done[1] == done[0][3:]
    assert here.keys() == there.keys()
    assert all(np.array_equal(here[name], there[name]) for name in here)
    assert not folder.parts("placed")


def test_rows_are_placed_by_beam_as_here(run):
    pytest.importorskip("apache_beam", reason="Apache Beam is not installed")
    from tests.engines.tasks import THREADS

    _, folder, here = made(run)
    folder.delete()
    with passes.engine_for(run, "beam", THREADS) as engine:
        _, _, there = made(run, engine)
    assert all(np.array_equal(here[name], there[name]) for name in here)
