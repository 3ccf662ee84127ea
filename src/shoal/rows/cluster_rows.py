"""The settings for fitting one cluster of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shoal.errors import InputError
from shoal.settings import FitSettings, fit_settings

READING = (
    "as_",
    "key",
    "shape",
    "dtype",
    "columns",
    "leave_out",
    "categories",
    "pages",
    "images",
)
"""Settings for reading rows."""

_OF_OTHERS = ("sample", "previous", "added", "constraints")


def cluster_settings(run: Any, stored: Mapping[str, Any], given: Mapping[str, Any]) -> FitSettings:
    for name in (*READING, *_OF_OTHERS):
        if given.get(name) is not None:
            flag = "--" + name.strip("_").replace("_", "-")
            why = (
                f"its rows are read as in {run}"
                if name in READING
                else "it is for fits of all rows"
            )
            raise InputError(f"{flag} cannot be given with a cluster: {why}")
    kept = {name: stored.get(name) for name in (*READING, "features")}
    return fit_settings(**{**kept, **{k: v for k, v in given.items() if v is not None}})
