"""A value made once a process, which does not travel with what holds it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class PerProcess(Generic[Value]):
    """A value made once a process, on first use; pickles and compares as empty."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._value: Value | None = None

    def __reduce__(self) -> tuple[type[PerProcess[Any]], tuple[()]]:
        return PerProcess, ()

    def get(self, make: Callable[[], Value]) -> Value:
        """Return the value, made by `make` the first time."""
        with self._lock:
            if self._value is None:
                self._value = make()
            return self._value
