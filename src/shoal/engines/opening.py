"""An engine by its name, kept as long as it is needed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from shoal.engines.base import Engine
from shoal.engines.local import LocalEngine
from shoal.errors import MissingExtraError, SettingError


@contextmanager
def opened_engine(
    name: str,
    workers: int,
    options: Sequence[str] = (),
    *,
    notes: Path,
    prepare: Callable[[], None],
    modules: Sequence[str],
) -> Iterator[Engine]:
    """Give the engine of a name; it is closed at the end of the block.

    Parameters
    ----------
    name
        local or beam.
    workers
        Threads of the local one.
    options
        For the other one, as it takes them.
    notes, prepare, modules
        See `BeamEngine`.

    Raises
    ------
    SettingError
        When it does not take the options.
    MissingExtraError
        When Beam is not installed.
    """
    if name == "local":
        if options:
            raise SettingError(
                f"{' '.join(options)} behind -- is for another engine: give --engine beam with it"
            )
        yield LocalEngine(workers)
        return
    logging.disable(logging.WARNING)  # Beam complains of parts of it that nobody asked for
    try:
        from shoal.engines.beam import BeamEngine
    except ImportError as error:
        raise MissingExtraError(
            f"--engine beam needs Apache Beam ({error}): pip install 'shoal[beam]'"
        ) from None
    finally:
        logging.disable(logging.NOTSET)
    with closing(BeamEngine(options, notes, prepare, modules)) as engine:
        yield engine
