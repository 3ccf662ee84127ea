"""A Dask scheduler and its workers, in processes of their own, and whether there is Spark."""

import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest


@contextmanager
def started(module, *words):
    """Run a module of Dask in a process that is ended with the block."""
    root = Path(__file__).parents[2]
    paths = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(root)]))
    process = subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.{module}", *words],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def dask_cluster(folder, workers):
    """Start a scheduler, and worker processes that a nanny starts again; yield both."""
    pytest.importorskip("distributed", reason="Dask is not installed: pip install 'shoal[dask]'")
    file = folder / "scheduler.json"
    named = ("--scheduler-file", str(file), "--dashboard-address", "127.0.0.1:0")
    with ExitStack() as stack:
        scheduler = started("dask_scheduler", *named, "--host", "127.0.0.1", "--port", "0")
        process = stack.enter_context(scheduler)
        if workers:
            more = ("--nworkers", str(workers), "--nthreads", "1", "--memory-limit", "0")
            scratch = ("--local-directory", str(folder))
            stack.enter_context(started("dask_worker", *named, *more, *scratch))
        while not file.exists() or not file.read_text().strip().endswith("}"):
            assert process.poll() is None
            time.sleep(0.05)
        yield file, process


def pytest_collection_modifyitems(items):
    """Let PySpark leave its connections to Java to the garbage collector, as it does."""
    for item in items:
        if "spark" in item.nodeid.rpartition("/")[2]:
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))
            unraisable = "ignore::pytest.PytestUnraisableExceptionWarning"
            item.add_marker(pytest.mark.filterwarnings(unraisable))


def needs_spark():
    """Skip a test where Spark cannot be started."""
    pytest.importorskip("pyspark", reason="PySpark is not installed: make test-spark")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java 17 or newer")


@pytest.fixture(scope="session")
def scheduler_file(tmp_path_factory):
    """The file of a scheduler with two workers."""
    with dask_cluster(tmp_path_factory.mktemp("dask"), 2) as (file, _):
        yield file
