"""The engine for Apache Beam: each pass is a pipeline, `Create | Reshuffle | ParDo`, on any runner.

Results go to storage, never through Beam; a lost worker costs only the items it was processing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    StandardOptions,
    WorkerOptions,
)

from shoal.engines.base import Launch
from shoal.engines.workers import Failure, Outcome, Work, WorkerEngine, last_line
from shoal.errors import SettingError, ShoalError
from shoal.storage import delete_file, read_json, write_json

_POLL = 1.0  # seconds between looks at storage during a pass, more if a look takes long
_SHARE = 0.05  # of the time that looks may take


class BeamEngine(WorkerEngine):
    """Runs each pass as a pipeline on the runner that the options name."""

    def __init__(self, launch: Launch) -> None:
        super().__init__(launch)
        _ = self._pipeline()

    def _outcomes(
        self,
        work: Work,
        items: Mapping[int, Any],
        report_stored: Callable[[], Collection[int]],
    ) -> Iterator[tuple[int, Outcome]]:
        """Run one pipeline; its progress is visible only in storage."""
        _ = self._take_notes()  # of an interrupted run
        why = None
        pipeline = self._pipeline()
        begin = beam.Create(list(items.items()), reshuffle=False)
        _ = pipeline | begin | beam.Reshuffle() | beam.ParDo(_Noting(work, self.launch.notes))
        with _polling(report_stored):
            try:
                pipeline.run().wait_until_finish()
            except Exception as error:  # whatever the runner raises
                why = last_line(error)
        noted, done = self._take_notes(), report_stored() if why else items
        for number in items:
            yield number, noted.get(number) or (None if number in done else why)

    def close(self) -> None: ...  # Nothing is kept between passes

    def _pipeline(self) -> beam.Pipeline:
        options = _checked(self.launch.options)
        named = options.view_as(StandardOptions).runner
        # By the name DirectRunner, Beam would try Prism, a program that it downloads.
        runner = "FnApiRunner" if named in (None, "DirectRunner") else named
        try:
            return beam.Pipeline(runner, options)
        except (ImportError, AttributeError, ValueError) as error:
            raise SettingError(f"Beam has no --runner={named}: {error}") from error

    def _take_notes(self) -> dict[int, Failure]:
        """Read and delete the failures that workers noted."""
        failures = {}
        for path in self.launch.notes.glob("*.json"):
            failures[int(path.stem)] = read_json(path)
            delete_file(path)
        return failures


class _Noting(beam.DoFn):  # type: ignore[misc]
    """Runs work on items; failures are noted, as Beam itself would try them again."""

    def __init__(self, work: Work, notes: Path) -> None:
        self._work, self._notes = work, notes

    def process(self, element: tuple[int, Any]) -> None:
        number, item = element
        failure = self._work(item)
        if failure is not None:
            write_json(self._notes / f"{number}.json", failure)

    def teardown(self) -> None:  # some runners work in the launcher's own process
        self._work.close()


@contextmanager
def _polling(report_stored: Callable[[], Any]) -> Iterator[None]:
    """Call `report_stored` regularly during the block; a call that fails is skipped."""
    ended = threading.Event()

    def poll() -> None:
        pause = _POLL
        while not ended.wait(pause):
            began = time.monotonic()
            with suppress(OSError, ShoalError):
                report_stored()
            pause = max(_POLL, (time.monotonic() - began) / _SHARE)

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _checked(options: Sequence[str]) -> PipelineOptions:
    """Return the options as Beam's; made anew for each pipeline, as runners change them."""
    try:
        made = PipelineOptions(list(options))
        _ = made.get_all_options()
    except SystemExit:
        given = " ".join(options)
        raise SettingError(f"Beam does not take {given}: see the line above") from None
    if made.view_as(DirectOptions).direct_running_mode == "multi_processing":
        raise SettingError(
            "--direct_running_mode=multi_processing: Beam's direct runner waits for ever for a "
            "worker that was killed; use all cores of this machine with --engine local, or give "
            "multi_threading"
        )
    logs = made.view_as(WorkerOptions)
    if logs.default_sdk_harness_log_level is None:
        logs.default_sdk_harness_log_level = "ERROR"
        logging.getLogger("apache_beam").setLevel(logging.ERROR)
    return made
