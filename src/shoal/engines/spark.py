"""The engine for Apache Spark: each item is a job of one task, in a Python worker of an executor.

What a task makes goes to storage, never through Spark; a worker that is lost costs what it was at.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from functools import partial
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from threadpoolctl import threadpool_limits

from shoal.engines.base import Item, Task
from shoal.engines.options import OptionParser
from shoal.engines.retries import TRIES, attempt, describe, incomplete, last_line, raise_first
from shoal.errors import SettingError, WorkError

_AT_ONCE = 64  # jobs that wait in Spark, at least: it adds executors for those that wait
_OWN = {
    "spark.driver.memory": "512m",  # about the least that Spark starts with; no data goes there
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
}


class SparkEngine:
    """Runs each pass as jobs of the Spark of this program, of a named master, or of its own.

    Parameters
    ----------
    options
        ``--master`` and ``--conf``; see docs/scale.md.
    split
        Returns how many worker processes to start where no Spark is named or runs already, and
        threads, of which Spark's workers have one; raises where memory has no room for any.
    prepare
        Called once a worker process and pass, before the task's `setup`; picklable.

    Raises
    ------
    SettingError
        When an option is not known, there is no Java, or Spark does not start.
    """

    def __init__(
        self,
        options: Sequence[str],
        split: Callable[[], tuple[int, int]],
        prepare: Callable[[], None],
    ) -> None:
        parser = OptionParser("spark")
        parser.add_argument("--master", default="")
        parser.add_argument("--conf", action="append", default=[], type=_key_and_value)
        given = parser.parse_args(options)
        self._prepare = prepare
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
            # A task whose worker is lost is told at once, as the engine counts.
            conf.setMaster(f"local[{split()[0]},1]").setAll(list(_OWN.items()))
        self._spark = _started(conf.setAll(given.conf))

    def run(
        self,
        task: Task[Item],
        items: Sequence[Item],
        on_done: Callable[[Item], None] | None = None,
        *,
        there: Callable[[], Collection[Item]] | None = None,
        name: Callable[[Item], str] = str,
    ) -> None:
        """Run `task` on all `items`, again on those whose worker was lost."""
        failed: dict[int, dict[str, str]] = {}
        lost: dict[int, str] = {}
        for number, error in self._ended(task, items):
            if isinstance(error, str):
                lost[number] = error
            elif error is not None:
                failed[number] = error
            elif on_done is not None:
                on_done(items[number])
        raise_first(failed, lambda number: name(items[number]))
        present = items if there is None else there()
        missing = sorted(lost) or [n for n, item in enumerate(items) if item not in present]
        if missing:
            raise incomplete([name(items[number]) for number in missing], lost.get(missing[0], ""))

    def close(self) -> None:
        """End the workers that were started here; a Spark that was there stays."""
        if self._is_own:
            with suppress(Exception):  # of a Spark that is gone nothing is left to end
                self._spark.stop()

    def _ended(self, task: Task[Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Run all items; yield the number of each, and what went wrong, if anything."""
        if not items:
            return
        group = f"shoal-{uuid.uuid4().hex}"
        work = partial(_do, group, task, self._prepare)
        try:
            at_once = min(len(items), max(_AT_ONCE, 2 * self._spark.defaultParallelism))
        except (Py4JError, OSError, AttributeError):
            raise _spark_lost() from None
        # A job group belongs to a thread.
        group_of = partial(self._spark.setJobGroup, group, "Shoal", True)
        with ThreadPoolExecutor(at_once, initializer=group_of) as pool:
            numbers = {pool.submit(self._job, work, item): n for n, item in enumerate(items)}
            try:
                for future in as_completed(numbers):
                    yield numbers[future], future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                with suppress(Exception):
                    self._spark.cancelJobGroup(group)
                raise

    def _job(self, work: Callable[[Any], Any], item: Any) -> dict[str, str] | str | None:
        """Run one item; return what went wrong there, or in a text how its worker was lost."""
        why = ""
        for _ in range(TRIES):
            try:
                # Not first(): a worker that is not asked for all is not used again.
                found: dict[str, str] | None
                (found,) = self._spark.parallelize([item], 1).map(work).collect()
                return found
            except Py4JJavaError as error:
                message = str(error.java_exception.getMessage())
                if "PythonException" in message:  # which is none of the task: `work` catches those
                    raise _cannot_take(message) from None
                first = message.partition("\n")[0]
                if "SparkContext" in first:
                    raise _spark_lost() from None
                why = first.rpartition("most recent failure: ")[2].rpartition("Exception: ")[2]
                why = why.partition(". ")[0][:300]
            except (Py4JError, OSError, AttributeError):  # which a context that ended raises
                raise _spark_lost() from None
        return why


_set_up: dict[str, tuple[Task[Any], Exception | None]] = {}
"""Of the pass that a worker process is at: the task, and why it could not be set up."""


def _do(
    name: str, task: Task[Any], prepare: Callable[[], None], item: Any
) -> dict[str, str] | None:
    """Do one item on a worker; the task is set up once a worker and pass."""
    if name not in _set_up:
        _set_up.clear()
        # One BLAS thread a worker: sums then have the same order for any number of workers.
        threadpool_limits(limits=1)
        prepare()
        _set_up[name] = task, attempt(task.setup)
    task, failed = _set_up[name]
    error = failed or attempt(lambda: task(item))
    return describe(error) if error else None


def _key_and_value(text: str) -> tuple[str, str]:
    """Split ``key=value``.

    Raises
    ------
    ValueError
        Where there is no key, or no sign.
    """
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValueError
    return key, value


def _started(conf: SparkConf) -> SparkContext:
    """Start Spark; workers of this machine are this Python, and find what it finds.

    Raises
    ------
    SettingError
        When there is no Java, or Spark does not start.
    """
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
        said = re.search(r"Exception: (.*)", str(error))
        why = said[1] if said else last_line(error)
        raise SettingError(f"Spark cannot be started: {why}") from None


def _cannot_take(message: str) -> WorkError:
    why = message.split("\n\n")[0].splitlines()[-1].strip()
    return WorkError(
        f"Spark's workers cannot take the work ({why}): give them the same Python, Shoal and "
        "libraries as here, and run the same command again"
    )


def _spark_lost() -> WorkError:
    return WorkError("Spark was lost: run the same command again and it continues")
