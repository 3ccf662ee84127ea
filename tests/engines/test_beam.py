import json
from contextlib import closing

import pytest

from shoal.engines import beam
from shoal.errors import SettingError, WorkError

pytest.importorskip("apache_beam", reason="Apache Beam is not installed: pip install 'shoal[beam]'")

from tests.engines.tasks import HERE, THREADS, Noting, launch

from shoal.engines.beam import BeamEngine
from shoal.engines.workers import TRIES
from shoal.storage import write_json

ITEMS = list(range(12))


def shard(item):
    return f"shard {item}"


def run(tmp_path, options=HERE, items=ITEMS, told=None, **wrong):
    task = Noting(tmp_path / "out", **wrong)
    with closing(BeamEngine(launch(*options, notes=tmp_path / "notes"))) as engine:
        engine.run(task, items, told, completed=task.completed, describe=shard)
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


def test_what_an_interrupted_run_noted_fails_no_later_one(tmp_path):
    write_json(tmp_path / "notes" / "5.json", {"kind": "WorkError", "message": "is away"})
    assert run(tmp_path).completed() == set(ITEMS)
    assert not list((tmp_path / "notes").glob("*"))


def test_options_that_beam_refuses(tmp_path, capsys):
    with pytest.raises(SettingError, match="Beam does not take --direct_num_workers=many"):
        BeamEngine(launch("--direct_num_workers=many"))


@pytest.mark.parametrize("name", ["NoSuch", "no.such.Runner", "apache_beam.runners.NoSuch"])
def test_a_runner_that_is_not_there(tmp_path, name):
    with pytest.raises(SettingError, match=rf"Beam has no --runner={name}: "):
        BeamEngine(launch(f"--runner={name}"))


def test_a_look_that_fails_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(beam, "_POLL", 0.01)
    task, told, looks = Noting(tmp_path / "out", pause=0.05), [], []

    def completed():
        looks.append(len(told))
        if len(looks) == 1:
            raise OSError("the store is away")
        return task.completed()

    with closing(BeamEngine(launch(*HERE, notes=tmp_path / "notes"))) as engine:
        engine.run(task, ITEMS, told.append, completed=completed)
    assert sorted(told) == ITEMS


def test_threads_of_beam_make_what_one_makes(tmp_path):
    one = run(tmp_path / "one")
    assert results(run(tmp_path / "two", THREADS).folder) == results(one.folder)


@pytest.mark.parametrize("runner", ["DirectRunner", "FnApiRunner"])
def test_processes_whose_death_beam_does_not_detect_are_refused(tmp_path, runner):
    options = [f"--runner={runner}", "--direct_running_mode=multi_processing"]
    with pytest.raises(SettingError, match="--engine local"):
        BeamEngine(launch(*options))
