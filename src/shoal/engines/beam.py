"""The engine for a cluster: each pass is a pipeline of Apache Beam, `Create | Reshuffle | ParDo`.

It knows tasks and items, and nothing of clustering. What a task makes goes to storage, never
through Beam, so any runner will do, and a worker that is lost costs what it was at.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    StandardOptions,
    WorkerOptions,
)
from threadpoolctl import threadpool_limits

from shoal import errors
from shoal.engines.base import Item, Task
from shoal.engines.completed import Seen
from shoal.engines.retries import (
    TRIES,
    attempt,
    describe,
    incomplete,
    last_line,
    raise_first,
)
from shoal.storage import delete, read_json, write_json


class BeamEngine:
    """Runs each pass as a pipeline on the runner that the options name.

    Parameters
    ----------
    options
        Given to Beam as they are: ``--runner=FlinkRunner`` and so on.
    notes
        A folder that workers and launcher reach: what goes wrong is said there.
    prepare
        Called once a worker, before the task's `setup`; picklable.
    """

    def __init__(
        self,
        options: Sequence[str],
        notes: Path,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self._options, self._notes, self._prepare = tuple(options), notes, prepare
        _ = self._pipeline()

    def run(
        self,
        task: Task[Item],
        items: Sequence[Item],
        on_done: Callable[[Item], None] | None = None,
        *,
        there: Callable[[], Collection[Item]] | None = None,
        name: Callable[[Item], str] = str,
    ) -> None:
        """Run `task` on all `items`, again on those that lost workers left undone."""
        seen, why = Seen(list(items), on_done, there), ""
        for _ in range(TRIES):
            if not seen.left:
                return
            with seen.meanwhile():
                why = self._pass(task, seen.left.copy(), name)
            seen.look(all_ended=not why)
        if seen.left:
            raise incomplete(list(map(name, seen.left)), why)

    def close(self) -> None:
        """Nothing is kept between passes."""

    def _pass(self, task: Task[Item], items: list[Item], name: Callable[[Item], str]) -> str:
        """Run one pipeline; give why it stopped before its end, empty where it did not."""
        why = ""
        begin = beam.Create(list(enumerate(items)), reshuffle=False)
        work = beam.ParDo(_Work(task, self._notes, self._prepare))
        pipeline = self._pipeline()
        _ = pipeline | begin | beam.Reshuffle() | work
        try:
            pipeline.run().wait_until_finish()
        except Exception as error:  # whatever the runner raises: it is told from what is stored
            why = last_line(error)
        self._raise_noted(items, name)
        return why

    def _pipeline(self) -> beam.Pipeline:
        """Return a new pipeline.

        Raises
        ------
        SettingError
            When Beam has no such runner.
        """
        options = _checked(self._options)
        named = options.view_as(StandardOptions).runner
        # By the name DirectRunner, Beam would try Prism, a program that it downloads.
        runner = "FnApiRunner" if named in (None, "DirectRunner") else named
        try:
            return beam.Pipeline(runner, options)
        except (ImportError, AttributeError, ValueError) as error:
            raise errors.SettingError(f"Beam has no --runner={named}: {error}") from error

    def _raise_noted(self, items: list[Item], name: Callable[[Item], str]) -> None:
        """Raise what a worker noted, of several the first."""
        found = {}
        for path in self._notes.glob("*.json"):
            found[int(path.stem)] = read_json(path)
            delete(path)
        raise_first(found, lambda number: name(items[number]))


class _Work(beam.DoFn):  # type: ignore[misc]
    """Does items with a task; what cannot be done is noted, and no reason for a new try."""

    def __init__(
        self, task: Task[Any], notes: Path, prepare: Callable[[], None] | None = None
    ) -> None:
        self._task, self._notes, self._prepare = task, notes, prepare

    def setup(self) -> None:
        """Load what is heavy."""
        # One BLAS thread a worker: sums then have the same order for any number of workers.
        self._limits = threadpool_limits(limits=1)
        if self._prepare is not None:
            self._prepare()
        self._ready = attempt(self._task.setup)

    def process(self, element: tuple[int, Any]) -> None:
        """Do one item."""
        number, item = element
        error = self._ready or attempt(lambda: self._task(item))
        if error is not None:
            write_json(self._notes / f"{number}.json", describe(error))

    def teardown(self) -> None:
        """Return the threads back: some runners work in the launcher's own process."""
        self._limits.restore_original_limits()


def _checked(options: Sequence[str]) -> PipelineOptions:
    """Return the options as Beam's; they are made anew for each pipeline, as runners change them.

    Raises
    ------
    SettingError
        When Beam refuses them, having said why, or would wait for ever for a lost worker.
    """
    try:
        made = PipelineOptions(list(options))
        _ = made.get_all_options()
    except SystemExit:
        given = " ".join(options)
        raise errors.SettingError(f"Beam does not take {given}: see the line above") from None
    if made.view_as(DirectOptions).direct_running_mode == "multi_processing":
        raise errors.SettingError(
            "--direct_running_mode=multi_processing: Beam's direct runner waits for ever for a "
            "worker that was killed; use all cores of this machine with --engine local, or give "
            "multi_threading"
        )
    logs = made.view_as(WorkerOptions)
    if logs.default_sdk_harness_log_level is None:
        logs.default_sdk_harness_log_level = "ERROR"
        logging.getLogger("apache_beam").setLevel(logging.ERROR)
    return made
