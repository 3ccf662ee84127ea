"""A fit in a single pass, killed again and again on each engine, gives the bytes of a local one."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from tests.engines.conftest import needs_spark
from tests.engines.test_fits import workers_of
from tests.killing import completed
from tests.stages.test_single_pass import ROWS, project_of
from tests.test_pipeline import differing

import shoal

FIT = """
import sys
import shoal
from shoal.stages import drawn, shards
drawn.LOOKED_AT, shards._SHARD_ROWS = 100, 64  # read in the launcher only
source, out, workers, engine = sys.argv[1:]
shoal.fit(source, out, workers=int(workers), engine=engine, representatives=120)
"""
KILLS = 20


def files_in(folder):
    return sum(path.is_file() for path in folder.rglob("*"))


def wait_for(process, folder, files):
    while files_in(folder) < files:
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="worker processes are looked up in /proc")
@pytest.mark.parametrize(
    ("engine", "package"), [("beam", "apache_beam"), ("dask", "distributed"), ("spark", "pyspark")]
)
def test_workers_and_whole_runs_killed_twenty_times(tmp_path, engine, package):
    pytest.importorskip(package)
    if engine == "spark":
        needs_spark()
    rows, straight, killed = (tmp_path / name for name in ("rows.npy", "straight", "killed"))
    np.save(rows, ROWS)
    completed(FIT, rows, straight, 1, "local")
    assert project_of(shoal.open(straight)).parts("near")
    killed.mkdir()
    chance, most, workers_killed = random.Random(0), files_in(straight) // (KILLS + 2), 0
    for kill in range(KILLS):
        words = [sys.executable, "-c", FIT, str(rows), str(killed), str(1 + kill % 2), engine]
        with subprocess.Popen(words, start_new_session=True) as process:
            wait_for(process, killed, files_in(killed) + chance.randint(1, most))
            workers = workers_of(process, engine)
            if kill % 4 < 2 and workers:
                os.kill(chance.choice(workers), signal.SIGKILL)
                workers_killed += 1
                wait_for(process, killed, files_in(killed) + 1)
            os.killpg(process.pid, signal.SIGKILL)
    assert (workers_killed > 0) == (engine != "beam")  # whose direct runner has only threads
    completed(FIT, rows, killed, 2, engine)
    assert differing(killed, straight) == []
