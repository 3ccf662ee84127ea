"""Opening an engine by its name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path

from shoal.engines.base import Engine, Launch
from shoal.engines.local import LocalEngine
from shoal.engines.options import EngineOptions, as_words
from shoal.errors import MissingExtraError, SettingError

# Modules and extras have the names of the engines.
_ENGINES = {
    "beam": ("BeamEngine", "Apache Beam"),
    "dask": ("DaskEngine", "Dask"),
    "spark": ("SparkEngine", "PySpark"),
}


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
    """Return the engine of a name (local, beam, dask or spark), closed at the end of the block.

    `workers` are threads of one process; the other parameters are those of `Launch`.

    Raises
    ------
    SettingError
        When the engine does not take the options.
    MissingExtraError
        When its package is not installed.
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
    kind, package = _ENGINES[name]
    logging.disable(logging.WARNING)  # Beam warns of missing parts that are not needed
    try:
        module = import_module(f"shoal.engines.{name}")
    except ImportError as error:
        raise MissingExtraError(
            f"--engine {name} needs {package} ({error}): pip install 'shoal[{name}]'"
        ) from None
    finally:
        logging.disable(logging.NOTSET)
    launch = Launch(words, workers, split, prepare, notes)
    with closing(getattr(module, kind)(launch)) as engine:
        yield engine
