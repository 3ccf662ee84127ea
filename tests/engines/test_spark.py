import os
import signal
import sys
from contextlib import closing
from types import ModuleType

import pytest
from tests.engines.conftest import needs_spark
from tests.engines.tasks import Noting, launch, no_split, nothing
from tests.engines.test_engines import ITEMS

from shoal.engines.opening import opened_engine
from shoal.errors import MissingExtraError, SettingError, WorkError

pytest.importorskip("pyspark", reason="PySpark is not installed: make test-spark")

from pyspark import SparkContext

from shoal.engines import spark
from shoal.engines.spark import SparkEngine

needs_spark()


def opened(*options, split=lambda: (1, 1)):
    return closing(SparkEngine(launch(*options, split=split)))


def test_a_spark_that_runs_is_used_and_stays(tmp_path):
    with opened() as first:
        with opened(split=no_split) as engine:
            assert engine._spark is first._spark
        task = Noting(tmp_path / "out")
        first.run(task, ITEMS, completed=task.completed)
        assert task.completed() == set(ITEMS)
        with pytest.raises(SettingError, match="leave --master and --conf out"):
            opened("--master=yarn")
    assert SparkContext._active_spark_context is None


def test_options_reach_spark():
    with opened("--master=local[3,4]", "--conf=spark.app.name=mine", split=no_split) as engine:
        assert engine._spark.master == "local[3,4]"
        assert engine._spark.appName == "mine"


@pytest.mark.parametrize("words", [["--mastr=x"], ["yarn"], ["--conf=spark"], ["--conf==1"]])
def test_options_that_are_not_known(words):
    with pytest.raises(SettingError, match=r"--engine spark takes --master, --conf behind --: "):
        opened(*words)


def test_memory_without_room_for_a_process_is_refused_at_once():
    with pytest.raises(SettingError, match="no room"):
        opened(split=no_split)


def test_a_master_that_is_none():
    with pytest.raises(SettingError, match=r"Spark cannot be started at nowhere: "):
        opened("--master=nowhere")


def test_java_that_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(SettingError, match=r"Spark needs Java 17 or newer: install it, or name"):
        opened()
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingError, match=r"Spark needs Java 17 or newer"):
        opened()


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "shoal.engines.spark", None)
    one = opened_engine("spark", 1, notes=tmp_path, prepare=nothing, split=no_split)
    with pytest.raises(MissingExtraError, match=r"pip install 'shoal\[spark\]'"), one:
        pass


class NotThere(Noting):
    """A task whose class no worker has."""


def test_workers_that_lack_what_the_task_needs_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(NotThere, "__module__", "not_there")
    monkeypatch.setitem(sys.modules, "not_there", module := ModuleType("not_there"))
    module.NotThere = NotThere
    said = r"cannot take the work \(.*No module named 'not_there'\): give them the same Python"
    with opened() as engine, pytest.raises(WorkError, match=said):
        engine.run(NotThere(tmp_path), ITEMS)


def test_a_spark_that_ends_is_told(tmp_path):
    with opened() as engine:
        task = Noting(tmp_path / "out", pause=0.05)
        with pytest.raises(WorkError, match="Spark was lost: run the same command again"):
            engine.run(task, ITEMS, lambda _: engine._spark.stop())
        with pytest.raises(WorkError, match="Spark was lost"):  # nor does it come back
            engine.run(task, ITEMS)
    assert 0 < len(task.completed()) <= len(ITEMS)


def test_executors_in_processes_of_their_own(tmp_path):
    """Two executors, of which one is killed, as on a cluster."""
    conf = {**spark._OWN, "spark.executor.memory": "512m"}
    more = [f"--conf={key}={value}" for key, value in conf.items()]
    with opened("--master=local-cluster[2,1,512]", *more, split=no_split) as engine:
        task, killed = Noting(tmp_path / "out", pause=0.05), []

        def kill(_):
            if not killed:
                killed.append(_executors()[0])
                os.kill(killed[0], signal.SIGKILL)

        engine.run(task, ITEMS, kill, completed=task.completed)
    assert killed
    assert task.completed() == set(ITEMS)


def _executors():
    """Find the executors of this machine."""
    found = []
    for process in os.listdir("/proc"):
        try:
            with open(f"/proc/{process}/cmdline") as file:
                if "CoarseGrainedExecutorBackend" in file.read():
                    found.append(int(process))
        except OSError:
            continue
    return found
