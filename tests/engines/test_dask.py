import subprocess
import sys
from concurrent.futures import CancelledError
from contextlib import closing
from functools import partial
from types import SimpleNamespace

import pytest
from tests.engines.conftest import dask_cluster
from tests.engines.tasks import Alone, Noting, launch, no_split, nothing
from tests.engines.test_engines import ITEMS

from shoal.errors import SettingError, WorkError

pytest.importorskip("distributed", reason="Dask is not installed: pip install 'shoal[dask]'")

import dask
from distributed import KilledWorker

from shoal.engines.dask import DaskEngine, _outcome, _own_cluster


def opened(*options, **more):
    return closing(DaskEngine(launch(*options, **more)))


def test_workers_of_a_scheduler_are_used_and_stay(tmp_path, scheduler_file):
    for name in ("a", "b"):
        with opened(f"--scheduler_file={scheduler_file}") as engine:
            task = Noting(tmp_path / name, pause=0.02, workers=2)
            engine.run(task, ITEMS, completed=task.completed)
        assert task.completed() == set(ITEMS)
    workers = [{p.read_text() for p in (tmp_path / n / "setups").glob("*")} for n in ("a", "b")]
    assert workers[0] == workers[1]


class Ending:
    """A future whose result is late, or an error."""

    def __init__(self, *results):
        self._results = list(results)

    def result(self, timeout):
        result = self._results.pop(0)
        if isinstance(result, BaseException):
            raise result
        return result


def outcome(future, workers=1):
    """Wait for a future, with a client that has so many workers."""
    engine = object.__new__(DaskEngine)
    engine._wait = 0.01
    engine._client = SimpleNamespace(nthreads=lambda: {"w": 1} if workers else {})
    return engine._waited(partial(_outcome, future))


def test_a_result_that_went_with_its_worker_is_waited_for_while_there_are_workers():
    assert outcome(Ending(TimeoutError(), TimeoutError(), None)) is None
    with pytest.raises(WorkError, match="has had no worker"):
        outcome(Ending(TimeoutError(), None), workers=0)
    with pytest.raises(WorkError, match="scheduler was lost"):
        outcome(Ending(CancelledError()))


def test_a_worker_that_is_lost_while_a_result_is_fetched_is_an_outcome():
    lost = KilledWorker("item", SimpleNamespace(address="tcp://there:1"), 1)
    assert outcome(Ending(lost)) == "the last at tcp://there:1"
    assert outcome(Ending(KeyError("shoal-1"))) == {
        "kind": "KeyError",
        "message": "KeyError: 'shoal-1'",
    }


def test_one_of_many_items_that_kills_workers_is_blamed(tmp_path):
    with opened(split=lambda: (2, 2)) as engine:
        task = Noting(tmp_path / "out", item=4, times=99, wrong="kill", pause=0.01)
        with pytest.raises(WorkError, match=r"4.* could not be done in 3 passes, workers"):
            engine.run(task, ITEMS, completed=task.completed)
    assert 4 not in task.completed()
    assert len(task.completed()) > len(ITEMS) // 2


def test_a_lost_worker_has_time_to_start_again_on_a_busy_machine(tmp_path):
    timeout = "distributed.deploy.lost-worker-timeout"
    before = dask.config.get(timeout)
    with opened(split=lambda: (1, 1)) as engine:
        engine.run(Noting(tmp_path / "out"), [1])
        assert dask.config.get(timeout) == 300
    assert dask.config.get(timeout) == before


def test_a_scheduler_may_have_its_worker_later(tmp_path):
    with dask_cluster(tmp_path, 0) as (file, _), opened("--scheduler_file", str(file)) as engine:
        engine._wait = 0.2
        with pytest.raises(WorkError, match=r"no worker for 0\.2 seconds: start some"):
            engine.run(Noting(tmp_path / "out"), ITEMS)


def test_a_scheduler_that_ends_is_told(tmp_path):
    with dask_cluster(tmp_path, 1) as (file, process):
        with opened("--scheduler_file", str(file)) as engine:
            task = Noting(tmp_path / "out", pause=0.05)
            with pytest.raises(WorkError, match="scheduler was lost: run the same command again"):
                engine.run(task, ITEMS, lambda _: process.kill())
            with pytest.raises(WorkError, match="scheduler was lost"):  # nor does it come back
                engine.run(task, ITEMS)
        assert 0 < len(task.completed()) <= len(ITEMS)


def test_an_address_where_nobody_answers(monkeypatch):
    monkeypatch.setattr("shoal.engines.dask._CONNECT", 0.2)
    with pytest.raises(SettingError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9: "):
        opened("--address=tcp://127.0.0.1:9")


@pytest.mark.parametrize("address", ["nowhere://x:1", "tcp://:", "no host:1"])
def test_what_is_no_address(address, monkeypatch):
    monkeypatch.setattr("shoal.engines.dask._CONNECT", 0.2)
    with pytest.raises(SettingError, match="no Dask scheduler answers at "):
        opened("--address", address)


def test_a_scheduler_file_that_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("shoal.engines.dask._CONNECT", 0.2)
    with pytest.raises(SettingError, match=r"no Dask scheduler answers at .*none\.json: "):
        opened(f"--scheduler_file={tmp_path / 'none.json'}")


@pytest.mark.parametrize("words", [["--adress=x"], ["tcp://host:1"], ["--wait=soon"], ["--wait=0"]])
def test_options_that_are_not_known(words):
    with pytest.raises(SettingError, match=r"--engine dask takes --address, --scheduler-file, --w"):
        opened(*words)


def test_memory_without_room_for_a_process_is_refused_at_once():
    with pytest.raises(SettingError, match="no room"):
        opened()


@pytest.mark.parametrize("threads", [1, 4])
def test_items_at_a_time_in_a_process_are_bounded(tmp_path, threads):
    with opened(split=lambda: (1, 4)) as engine:
        engine.threads = threads  # of a scheduler whose worker has four
        task = Alone(tmp_path / "out", pause=0.1)
        engine.run(task, ITEMS, completed=task.completed)
    assert (task.count("clashes") == 0) == (threads == 1)


def test_a_cluster_whose_thread_began_late_is_started_again(monkeypatch):
    tries = []

    def late(**_):
        tries.append(1)
        assert len(tries) > 1
        return "a cluster"

    monkeypatch.setattr("shoal.engines.dask.LocalCluster", late)
    assert _own_cluster(1, 1) == "a cluster"
    assert len(tries) == 2


SCRIPT = """
import numpy as np, shoal
rows = np.repeat([[0.0], [9.0]], 40, 0) + np.arange(80)[:, None] / 100
shoal.fit(rows, engine="dask", workers=1)
"""


def test_a_script_that_would_start_itself_is_told(tmp_path):
    (tmp_path / "own.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "own.py")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert 'behind if __name__ == "__main__":' in ended.stderr.splitlines()[-1]


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    from shoal.engines.opening import opened_engine
    from shoal.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "shoal.engines.dask")
    one = opened_engine("dask", 1, notes=tmp_path, prepare=nothing, split=no_split)
    with pytest.raises(MissingExtraError, match=r"pip install 'shoal\[dask\]'"), one:
        pass
