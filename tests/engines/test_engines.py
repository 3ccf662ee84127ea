"""What every engine with workers does; those of Dask and Spark are processes here."""

import json
import os
from contextlib import closing

import pytest
from tests.engines.conftest import needs_spark
from tests.engines.tasks import THREADS, Noting, launch

from shoal.engines.local import LocalEngine
from shoal.engines.workers import TRIES
from shoal.errors import SourceError, StorageFullError, WorkError

ITEMS = list(range(12))


def beam_engine(notes):
    pytest.importorskip("apache_beam", reason="pip install 'shoal[beam]'")
    from shoal.engines.beam import BeamEngine

    return BeamEngine(launch(*THREADS, notes=notes))


def dask_engine(notes):
    pytest.importorskip("distributed", reason="pip install 'shoal[dask]'")
    from shoal.engines.dask import DaskEngine

    return DaskEngine(launch(split=lambda: (2, 1)))


def spark_engine(notes):
    needs_spark()
    from shoal.engines.spark import SparkEngine

    return SparkEngine(launch(split=lambda: (2, 1)))


ENGINES = {"beam": beam_engine, "dask": dask_engine, "spark": spark_engine}


@pytest.fixture(scope="module", params=ENGINES.values(), ids=ENGINES)
def engine(request, tmp_path_factory):
    with closing(request.param(tmp_path_factory.mktemp("engine") / "notes")) as made:
        yield made


@pytest.fixture
def processes(engine):
    """Skip where workers are threads of this process, which a lost one would take along."""
    if type(engine).__name__ == "BeamEngine":
        pytest.skip("Beam's direct runner has no processes whose death it detects")


@pytest.fixture
def run(engine, tmp_path):
    def run_with(items=ITEMS, told=None, **wrong):
        task = Noting(tmp_path / "out", **wrong)
        engine.run(
            task, items, told, completed=task.completed, describe=lambda item: f"shard {item}"
        )
        return task

    return run_with


def results(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.json")}


def test_every_item_is_done_once_and_told(run):
    told = []
    task = run(told=told.append)
    assert sorted(told) == ITEMS
    assert [json.loads((task.folder / f"{i}.json").read_text()) for i in ITEMS] == [
        [i, i * i] for i in ITEMS
    ]


def test_nothing_to_do_starts_nothing(run):
    assert not run(items=[]).folder.exists()


def test_processes_make_what_threads_make(processes, run, tmp_path):
    task = Noting(tmp_path / "local")
    LocalEngine(2).run(task, ITEMS)
    made = run(pause=0.02, workers=2)
    assert results(made.folder) == results(task.folder)
    pids = {path.read_text() for path in (made.folder / "setups").glob("*")}
    assert made.count("setups") == len(pids) == 2
    assert str(os.getpid()) not in pids


def test_a_killed_process_costs_only_what_it_was_at(processes, run):
    told = []
    task = run(told=told.append, item=5, times=1, wrong="kill")
    assert sorted(told) == ITEMS
    assert len(results(task.folder)) == len(ITEMS)
    assert task.count("failed") == 1


def test_an_item_that_kills_every_worker_is_named(processes, run, tmp_path):
    with pytest.raises(WorkError) as caught:
        run(items=[3, 4], item=4, times=99, wrong="kill")
    said = str(caught.value)
    assert said.startswith(f"shard 4 could not be done in {TRIES} passes, workers were lost (")
    assert "the same command again" in said
    assert "\n" not in said
    assert len(results(tmp_path / "out")) == 1
    assert len(list((tmp_path / "out" / "failed").glob("*"))) == TRIES


def test_what_fails_twice_and_then_succeeds_is_done(run):
    task = run(item=5, times=2)
    assert len(results(task.folder)) == len(ITEMS)
    assert task.count("failed") == 2


def test_what_fails_every_time_is_named_and_the_others_are_done(run, tmp_path):
    with pytest.raises(WorkError, match=r"^shard 5: OSError: is away$"):
        run(item=5, times=99)
    assert len(results(tmp_path / "out")) == len(ITEMS) - 1
    assert len(list((tmp_path / "out" / "failed").glob("*"))) == TRIES


def test_an_error_of_the_source_stays_one_and_is_not_tried_again(run, tmp_path):
    with pytest.raises(SourceError, match=r"^shard 5: row 7 could be read a moment ago"):
        run(item=5, times=99, wrong="source")
    assert len(list((tmp_path / "out" / "failed").glob("*"))) == 1


def test_a_task_that_cannot_be_set_up_is_told(engine, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageFullError, match=r"^0: .* cannot be written"):
        engine.run(Noting(tmp_path / "file"), [0, 1])


def test_results_that_do_not_arrive_are_said(engine, tmp_path):
    with pytest.raises(WorkError, match=r"0 and 11 more .* what they wrote is not here"):
        engine.run(Noting(tmp_path / "there"), ITEMS, completed=set)


def test_results_are_told_while_a_pass_runs(engine, tmp_path, monkeypatch):
    if type(engine).__name__ == "BeamEngine":
        monkeypatch.setattr("shoal.engines.beam._POLL", 0.01)
    task, at = Noting(tmp_path / "out", item=ITEMS[-1], times=1, wrong="wait"), []

    def told(_):
        at.append(len(task.completed()))
        (task.folder / "told").mkdir(exist_ok=True)

    engine.run(task, ITEMS, told, completed=task.completed)
    assert len(at) == len(ITEMS)
    assert at[0] < len(ITEMS)
