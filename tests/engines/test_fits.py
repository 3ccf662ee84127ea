"""Whole fits on engines: the same bytes as on threads, whatever happens to workers and parts."""

import importlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from tests.engines.conftest import needs_spark
from tests.engines.tasks import HERE, launch
from tests.test_pipeline import contents

import shoal
from shoal import tiles
from shoal.errors import RunError, SettingError

M = 300  # representatives: fewer than rows, so that every pass there is is done
ROWS = 60  # of a shard: 15 shards of 900 rows
FIT = f"""
import sys
import shoal.stages.shards
shoal.stages.shards._SHARD_ROWS = {ROWS}
from shoal.cli import main
main()
"""


@pytest.fixture(scope="module", autouse=True)
def small_shards():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shoal.stages.shards._SHARD_ROWS", ROWS)
        yield


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    path = tmp_path_factory.mktemp("digits") / "digits.npy"
    np.save(path, (load_digits().images[:900] * 15).astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def local(digits, small_shards):
    run = shoal.fit(digits, digits.parent / "local.shoal", representatives=M)
    return contents(run.path)


@pytest.fixture(scope="module")
def every_row(digits, small_shards):
    run = shoal.fit(digits, digits.parent / "every.shoal", workers=1)
    return contents(run.path)


@pytest.fixture(scope="module")
def of_photos(photos, small_shards, tmp_path_factory):
    return contents(shoal.fit(photos, tmp_path_factory.mktemp("photos") / "run").path)


@pytest.fixture(scope="module", params=[None, M], ids=["every row", "some representatives"])
def grown(request, digits, small_shards):
    """Settings with which the digits are added to a run of some of them, and what that makes."""
    folder = digits.parent / f"grown-{request.param}"
    folder.mkdir()
    settings = {"previous": str(folder / "few"), "representatives": request.param}
    np.save(folder / "few.npy", np.load(digits)[:700])
    shoal.fit(folder / "few.npy", folder / "few", representatives=request.param)
    run = shoal.fit(digits, folder / "all", **settings)
    assert run.drift is not None
    return settings, contents(run.path)


@pytest.fixture(scope="module")
def spark():
    """The Spark of this program, as a notebook of Databricks has one."""
    needs_spark()
    from shoal.engines.spark import SparkEngine

    with closing(SparkEngine(launch(split=lambda: (2, 1)))) as engine:
        yield engine


@pytest.fixture(params=["beam", "dask", "spark"])
def engine(request):
    """The name of an engine, and its options."""
    if request.param == "spark":
        request.getfixturevalue("spark")
        return "spark", ()
    if request.param == "beam":
        pytest.importorskip("apache_beam", reason="pip install 'shoal[beam]'")
        return "beam", HERE
    return "dask", (f"--scheduler_file={request.getfixturevalue('scheduler_file')}",)


@pytest.fixture
def fit(engine):
    def fit_on(source, out, **settings):
        name, options = engine
        given = {"representatives": M, **settings}
        return shoal.fit(source, out, engine=name, engine_options=options, **given)

    return fit_on


def command(source, out, engine):
    shoal_fit = [sys.executable, "-c", FIT, "fit", str(source), "-o", str(out)]
    more = ["--representatives", str(M), "--workers", "2", "--engine", engine]
    return subprocess.Popen([*shoal_fit, *more], stderr=subprocess.PIPE, text=True)


def children_of(pid):
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in tasks for child in path.read_text().split()]


def workers_of(process, engine):
    """The worker processes that a launcher has: some are forked from one that it started."""
    try:
        children = children_of(process.pid)
        if engine == "spark":  # Java, which starts a Python, which the workers are forked from
            starters = [starter for java in children for starter in children_of(java)]
            return [worker for starter in starters for worker in children_of(starter)]
        return [c for c in children if "spawn_main" in Path(f"/proc/{c}/cmdline").read_text()]
    except OSError:  # one has just ended
        return []


@pytest.mark.skipif(sys.platform != "linux", reason="worker processes are looked up in /proc")
@pytest.mark.parametrize("name", ["dask", "spark"])
def test_processes_give_the_same_bytes_though_one_is_killed(tmp_path, digits, local, name):
    if name == "spark":
        needs_spark()
    else:
        pytest.importorskip("distributed")
    with command(digits, tmp_path / "run.shoal", name) as process:
        killed = None
        while process.poll() is None and killed is None:
            workers = workers_of(process, name)
            if workers and (tmp_path / "run.shoal" / "project").exists():
                killed = workers[0]
                os.kill(killed, signal.SIGKILL)
            time.sleep(0.02)
        said = process.stderr.read()
    assert process.returncode == 0, said
    assert killed is not None
    assert "Traceback" not in said
    assert [line for line in said.splitlines() if "WARNING" in line or "INFO" in line] == []
    assert contents(tmp_path / "run.shoal") == local


def test_a_poisoned_shard_is_named_and_what_the_sentence_says_mends_it(
    tmp_path, digits, local, fit, monkeypatch
):
    monkeypatch.setattr("shoal.stages.context._FEW_SHARDS", 0)  # all passes are the engine's
    fit(digits, tmp_path / "run")
    part = tmp_path / "run" / "project" / "vectors" / "part-00005.npy"
    part.write_bytes(part.read_bytes()[:1] + b"x" + part.read_bytes()[2:])
    for path in (tmp_path / "run" / "summarise").rglob("*.*"):
        path.unlink()
    with pytest.raises(RunError, match=r"shard.* 5.*part-00005\.npy is damaged: delete the fol"):
        fit(digits, tmp_path / "run")
    assert not (tmp_path / "run" / "summarise" / "_done.json").exists()
    for path in (tmp_path / "run" / "project").rglob("*.*"):
        path.unlink()
    fit(digits, tmp_path / "run")
    assert contents(tmp_path / "run") == local


def test_a_fit_goes_on_elsewhere_where_it_stopped(tmp_path, digits, local, fit):
    fit(digits, tmp_path / "run")
    for stage in ("assign", "tree"):
        (tmp_path / "run" / stage / "_done.json").unlink()
    (tmp_path / "run" / "assign" / "rows" / "part-00002.parquet").unlink()
    shoal.fit(digits, tmp_path / "run", representatives=M)
    assert contents(tmp_path / "run") == local


def test_rows_that_are_each_a_representative(tmp_path, digits, fit, every_row):
    run = fit(digits, tmp_path / "run", representatives=None)
    assert contents(run.path) == every_row


def test_rows_added_to_an_earlier_run(tmp_path, digits, fit, grown):
    settings, expected = grown
    assert contents(fit(digits, tmp_path / "run", **settings).path) == expected


def test_photos_through_a_network(tmp_path, photos, fit, of_photos):
    run = fit(photos, tmp_path / "run", representatives=None)
    assert contents(run.path) == of_photos


def test_the_task_that_travels_is_small(tmp_path, digits, engine, fit, monkeypatch):
    """Large arrays are loaded by the workers: a pipeline's graph has place for some megabytes."""
    made = f"{engine[0].capitalize()}Engine"
    kind = getattr(importlib.import_module(f"shoal.engines.{engine[0]}"), made)
    sizes, run = {}, kind.run

    def noting(self, task, items, on_done=None, **more):
        sizes[type(task).__name__] = len(pickle.dumps(task))
        run(self, task, items, on_done, **more)

    monkeypatch.setattr(kind, "run", noting)
    monkeypatch.setattr("shoal.stages.context._FEW_SHARDS", 0)
    fit(digits, tmp_path / "run")
    assert {"_SummariseGroup", "_SampleGroup", "_WritePlaces"} <= set(sizes)
    assert max(sizes.values()) < 256 << 10


def test_options_without_an_engine(tmp_path, digits):
    with pytest.raises(SettingError, match=r"--runner=FnApiRunner behind -- .* --engine beam"):
        shoal.fit(digits, tmp_path / "run", engine_options=HERE)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["mnist", "tiles"])
def test_large_sets_give_the_same_bytes(tmp_path, what, mnist_or_tiles, fit):
    source, settings = mnist_or_tiles(what)
    one = shoal.fit(source, tmp_path / "one", **settings)
    other = fit(source, tmp_path / "other", representatives=None, **settings)
    assert contents(one.path) == contents(other.path)
    told = json.loads((other.path / "summarise" / "_done.json").read_text())
    assert told["counts"]["every_row"] == (what == "mnist")


@pytest.fixture
def mnist_or_tiles(tmp_path):
    def given(what):
        if what == "mnist":
            shared = Path(__file__).parents[3] / "shared" / "data" / "mnist.npz"
            path = Path(os.environ.get("SHOAL_MNIST", shared))
            if not path.exists():
                pytest.skip(f"{path} is not there: name mnist.npz in SHOAL_MNIST")
            return path, {}
        tiles.make_tiles(tmp_path / "tiles", 200_000)
        return tmp_path / "tiles", {"shape": "16,16,3"}

    return given
