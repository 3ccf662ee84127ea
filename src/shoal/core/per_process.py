"""A value created once per process, and not pickled with its owner."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class PerProcess(Generic[Value]):
    """A value created once per process, on first use; pickles and compares as empty."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._value: Value | None = None

    def __reduce__(self) -> tuple[type[PerProcess[Any]], tuple[()]]:
        return PerProcess, ()

    def get(self, make: Callable[[], Value]) -> Value:
        with self._lock:
            if self._value is None:
                self._value = make()
            return self._value
