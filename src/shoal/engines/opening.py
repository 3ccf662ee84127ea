"""An engine by its name, kept as long as it is needed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shoal.engines.base import Engine
from shoal.engines.local import LocalEngine
from shoal.engines.options import EngineOptions, as_words
from shoal.errors import MissingExtraError, SettingError

if TYPE_CHECKING:
    from shoal.engines.beam import BeamEngine
    from shoal.engines.dask import DaskEngine
    from shoal.engines.spark import SparkEngine


@contextmanager
def opened_engine(
    name: str,
    workers: int,
    options: EngineOptions = (),
    *,
    notes: Path,
    prepare: Callable[[], None],
    split: Callable[[], tuple[int, int]],
) -> Iterator[Engine]:
    """Return the engine of a name; it is closed at the end of the block.

    Parameters
    ----------
    name
        local, beam, dask or spark.
    workers
        Threads, of one process.
    options
        For the others, as they take them.
    notes, prepare
        See `BeamEngine`.
    split
        See `DaskEngine`.

    Raises
    ------
    SettingError
        When it does not take the options.
    MissingExtraError
        When what it runs on is not installed.
    """
    words = as_words(options)
    if name == "local":
        if words:
            raise SettingError(
                f"{' '.join(words)} behind -- is for another engine: give --engine beam with it, "
                "--engine dask or --engine spark"
            )
        yield LocalEngine(workers)
        return
    opened: Engine
    if name == "dask":
        opened = _dask(words, split, workers, prepare)
    elif name == "spark":
        opened = _spark(words, split, prepare)
    else:
        opened = _beam(words, notes, prepare)
    with closing(opened) as engine:
        yield engine


def _dask(
    words: list[str],
    split: Callable[[], tuple[int, int]],
    threads: int,
    prepare: Callable[[], None],
) -> DaskEngine:
    try:
        from shoal.engines.dask import DaskEngine
    except ImportError as error:
        raise MissingExtraError(
            f"--engine dask needs Dask ({error}): pip install 'shoal[dask]'"
        ) from None
    return DaskEngine(words, split, threads, prepare)


def _spark(
    words: list[str], split: Callable[[], tuple[int, int]], prepare: Callable[[], None]
) -> SparkEngine:
    try:
        from shoal.engines.spark import SparkEngine
    except ImportError as error:
        raise MissingExtraError(
            f"--engine spark needs PySpark ({error}): pip install 'shoal[spark]'"
        ) from None
    return SparkEngine(words, split, prepare)


def _beam(words: list[str], notes: Path, prepare: Callable[[], None]) -> BeamEngine:
    logging.disable(logging.WARNING)  # Beam complains of parts of it that nobody asked for
    try:
        from shoal.engines.beam import BeamEngine
    except ImportError as error:
        raise MissingExtraError(
            f"--engine beam needs Apache Beam ({error}): pip install 'shoal[beam]'"
        ) from None
    finally:
        logging.disable(logging.NOTSET)
    return BeamEngine(words, notes, prepare)
