"""The engine for Apache Spark: each item is a job of one task, in a Python worker of an executor.

Results go to storage, never through Spark; a lost worker costs only the items it was processing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from functools import partial
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway

from shoal.engines.base import Launch
from shoal.engines.options import OptionParser
from shoal.engines.workers import (
    Outcome,
    Work,
    WorkerEngine,
    engine_lost,
    last_line,
    unsuitable,
)
from shoal.errors import SettingError

_AT_ONCE = 64  # jobs that wait in Spark, at least: it adds executors for those that wait
_OWN = {
    "spark.driver.memory": "512m",  # about the least that Spark starts with; no data goes there
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
}


class SparkEngine(WorkerEngine):
    """Runs each pass as jobs of the Spark of this program, of a named master, or of its own."""

    def __init__(self, launch: Launch) -> None:
        super().__init__(launch)
        parser = OptionParser("spark")
        parser.add_argument("--master", default="")
        parser.add_argument("--conf", action="append", default=[], type=_key_and_value)
        given = parser.parse_args(launch.options)
        running = SparkContext._active_spark_context
        self._is_own = running is None
        if running is not None:
            if given.master or given.conf:
                raise SettingError(
                    "this program has a Spark context already: leave --master and --conf out"
                )
            self._spark: SparkContext = running
            return
        conf = SparkConf().setAppName("shoal")
        if given.master or "PYSPARK_GATEWAY_PORT" in os.environ:  # the latter by spark-submit
            conf.setAll([("spark.master", given.master)] if given.master else [])
        else:
            # A task whose worker is lost is reported at once, as the engine counts.
            conf.setMaster(f"local[{launch.split()[0]},1]").setAll(list(_OWN.items()))
        self._spark = _started(conf.setAll(given.conf))

    def _outcomes(
        self,
        work: Work,
        items: Mapping[int, Any],
        report_stored: Callable[[], Collection[int]],
    ) -> Iterator[tuple[int, Outcome]]:
        """Run one job per item, many at once."""
        group = f"shoal-{uuid.uuid4().hex}"
        try:
            at_once = min(len(items), max(_AT_ONCE, 2 * self._spark.defaultParallelism))
            # Sent once to each worker, which keeps it with what it has set up.
            sent = self._spark.broadcast(work)
        except (Py4JError, OSError, AttributeError):  # which a context that ended raises
            raise engine_lost("Spark") from None
        # A job group belongs to a thread.
        group_of = partial(self._spark.setJobGroup, group, "Shoal", True)
        with ThreadPoolExecutor(at_once, initializer=group_of) as pool:
            run = partial(self._outcome, lambda item: sent.value(item))
            numbers = {pool.submit(run, item): number for number, item in items.items()}
            try:
                for future in as_completed(numbers):
                    yield numbers[future], future.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                with suppress(Exception):
                    self._spark.cancelJobGroup(group)
                    sent.destroy()

    def _outcome(self, work: Callable[[Any], Outcome], item: Any) -> Outcome:
        try:
            # Not first(): a worker that is not asked for all is not used again.
            (found,) = self._spark.parallelize([item], 1).map(work).collect()
            return found
        except Py4JJavaError as error:
            message = str(error.java_exception.getMessage())
        except (Py4JError, OSError, AttributeError):  # which a context that ended raises
            raise engine_lost("Spark") from None
        first = message.partition("\n")[0]
        # Of Python, which is none of the task: `Work` catches those. Spark 4.3 has the second word.
        if "PythonException" in message or "PYTHON_EXCEPTION" in first:
            raise unsuitable("Spark", [first, *re.findall(r"^[\w.]+: .*", message, re.M)][-1])
        if "SparkContext" in first:
            raise engine_lost("Spark")
        why = first.rpartition("most recent failure: ")[2].rpartition("Exception: ")[2]
        return why.partition(". ")[0][:300]

    def close(self) -> None:
        """End the workers that were started here; a Spark that was running stays."""
        if self._is_own:
            with suppress(Exception):  # of a Spark that is gone nothing is left to end
                self._spark.stop()


def _key_and_value(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValueError
    return key, value


def _started(conf: SparkConf) -> SparkContext:
    """Start Spark; workers on this machine use this Python and its path."""
    home = os.environ.get("JAVA_HOME")
    if shutil.which(os.path.join(home, "bin", "java") if home else "java") is None:
        raise SettingError("Spark needs Java 17 or newer: install it, or name it in JAVA_HOME")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    is_here = conf.get("spark.master", "").startswith("local")
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} if is_here else {}
    try:
        gateway = SparkContext._gateway or launch_gateway(conf, {"stderr": subprocess.DEVNULL})
        return SparkContext(conf=conf, environment=paths, gateway=gateway)
    except Exception as error:  # whatever it is, of Java or of Python
        found = re.search(r"Exception: (.*)", str(error))
        why = found[1] if found else last_line(error)
        master = conf.get("spark.master", "the master of spark-submit")
        raise SettingError(f"Spark cannot be started at {master}: {why}") from None
