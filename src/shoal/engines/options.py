"""Options of an engine: words such as ``--address=tcp://host:8786``, or a mapping in Python."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from shoal.errors import SettingError

EngineOptions = Sequence[str] | Mapping[str, Any]


def as_words(options: EngineOptions) -> list[str]:
    """Write options as the words of a command line.

    >>> as_words({"address": "tcp://host:8786", "wait": 60})
    ['--address=tcp://host:8786', '--wait=60']
    >>> as_words({"conf": ["spark.executor.cores=1", "spark.executor.memory=2g"]})
    ['--conf=spark.executor.cores=1', '--conf=spark.executor.memory=2g']
    """
    if isinstance(options, Mapping):
        return [
            f"--{name}={value}"
            for name, given in options.items()
            for value in (given if isinstance(given, list | tuple) else [given])
        ]
    if isinstance(options, str):
        raise SettingError(f"engine_options must be a list or a dict; got the text {options!r}")
    return [str(word) for word in options]


class OptionParser(argparse.ArgumentParser):
    """Reads the options of an engine; what it cannot read is a `SettingError`."""

    def __init__(self, engine: str) -> None:
        super().__init__(add_help=False, allow_abbrev=False)
        self._engine = engine

    def error(self, message: str) -> NoReturn:
        known = ", ".join(action.option_strings[0] for action in self._actions)
        raise SettingError(f"--engine {self._engine} takes {known} behind --: {message}")


def positive_seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"must be seconds above 0; got {text}")
    return seconds
