import importlib
import json
import os
import socket
import sys
import threading
from contextlib import closing

import pytest

from shoal.errors import MissingExtraError, SettingError, WorkError

pytest.importorskip("apache_beam", reason="Apache Beam is not installed: pip install 'shoal[beam]'")

from tests.engines.tasks import HERE, PROCESSES, Noting

from shoal.engines import seen
from shoal.engines.beam import TRIES, BeamEngine

ITEMS = list(range(12))


def shard(item):
    return f"shard {item}"


def run(tmp_path, options=HERE, items=ITEMS, told=None, **wrong):
    task = Noting(tmp_path / "out", **wrong)
    with closing(BeamEngine(options, tmp_path / "notes")) as engine:
        engine.run(task, items, told, there=task.there, name=shard)
    return task


def results(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.json")}


def test_every_item_is_done_once_and_told(tmp_path):
    told = []
    task = run(tmp_path, told=told.append)
    assert sorted(told) == ITEMS
    assert [json.loads((task.folder / f"{i}.json").read_text()) for i in ITEMS] == [
        [i, i * i] for i in ITEMS
    ]
    assert task.count("setups") == 1
    assert not (tmp_path / "notes").exists()


def test_what_fails_every_time_is_named_and_the_others_are_done(tmp_path):
    with pytest.raises(WorkError, match=r"^shard 5: OSError: is away$"):
        run(tmp_path, item=5, times=99)
    assert len(results(tmp_path / "out")) == len(ITEMS) - 1
    assert len(list((tmp_path / "out" / "failed").glob("*"))) == TRIES
    assert not list((tmp_path / "notes").glob("*"))


def test_options_that_beam_refuses(tmp_path, capsys):
    with pytest.raises(SettingError, match="Beam does not take --direct_num_workers=many"):
        BeamEngine(["--direct_num_workers=many"], tmp_path)


@pytest.mark.parametrize("name", ["NoSuch", "no.such.Runner", "apache_beam.runners.NoSuch"])
def test_a_runner_that_is_not_there(tmp_path, name):
    with pytest.raises(SettingError, match=rf"Beam has no --runner={name}: "):
        BeamEngine([f"--runner={name}"], tmp_path)


def test_a_look_that_fails_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(seen, "_LOOK", 0.01)
    task, told, looks = Noting(tmp_path / "out", pause=0.05), [], []

    def there():
        looks.append(len(told))
        if len(looks) == 1:
            raise OSError("the store is away")
        return task.there()

    with closing(BeamEngine(HERE, tmp_path / "notes")) as engine:
        engine.run(task, ITEMS, told.append, there=there)
    assert sorted(told) == ITEMS


def test_processes_are_of_one_that_has_loaded_all_and_gone_at_the_end(tmp_path):
    engine = BeamEngine(PROCESSES, tmp_path / "notes", None, (Noting.__module__,))
    for name in ("a", "b"):
        task = Noting(tmp_path / name)
        engine.run(task, ITEMS, there=task.there)
        assert task.there() == set(ITEMS)
    engine.close()
    assert engine._starter._process.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.kill(engine._starter._process.pid, 0)


def test_a_starter_that_was_killed_is_started_again(tmp_path):
    with closing(BeamEngine(PROCESSES, tmp_path / "notes")) as engine:
        engine._starter._process.kill()
        engine._starter._process.wait()
        task = Noting(tmp_path / "out")
        engine.run(task, ITEMS, there=task.there)
    assert task.there() == set(ITEMS)


def test_a_process_that_never_hears_that_all_is_done_is_ended():
    from shoal.engines.beam_processes import Starter

    starter, told, ended = Starter(("tests.engines.tasks",)), [], threading.Event()

    def note(status):
        told.append(status)
        ended.set()

    silent = socket.create_server(("localhost", 0))  # never answers
    starter.start("worker_0", f"localhost:{silent.getsockname()[1]}", note)
    assert not ended.wait(0.2)
    starter.kill("worker_0")
    assert ended.wait(60)
    starter.close()
    silent.close()
    assert told == [-9]


def test_a_beam_that_starts_workers_in_another_way_is_said(monkeypatch):
    from apache_beam.runners.portability.fn_api_runner.worker_handlers import WorkerHandler

    monkeypatch.delattr(WorkerHandler, "register_environment")
    monkeypatch.delitem(sys.modules, "shoal.engines.beam_processes")
    with pytest.raises(
        MissingExtraError, match=r"Apache Beam 2\.\S+ starts .* 'apache-beam==2\.77"
    ):
        importlib.import_module("shoal.engines.beam_processes")
