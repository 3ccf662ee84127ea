"""Choose K: the pick of each criterion, and Shoal's own layers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from shoal import api
from shoal.errors import SettingError
from shoal.methods import DEFAULT, METHODS, method_name, parse_assignments
from shoal.methods.k_choice import KChoice, evaluate_ks
from shoal.progress import Progress, Silent
from shoal.stages.encoding import read_projection
from shoal.stages.method_result import Found, frame_for
from shoal.stages.result import Result
from shoal.storage import RunFolder, as_place


def choose_k(
    source: Any,
    *,
    method: str = "kmeans",
    ks: Sequence[int] = tuple(range(2, 31)),
    parameters: Mapping[str, Any] | Sequence[str] = (),
    references: int | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> tuple[KChoice, list[int]]:
    """Compute which K each criterion would pick.

    Parameters
    ----------
    source
        Any source that `fit` takes, or a run or its folder.
    method
        A method that takes K.
    ks
        Values of K to try, from 2 on.
    parameters
        Parameters of the method.
    references
        Number of reference data sets for the gap statistic; by default 10 for k-means and
        dendrograms, 0 for methods that are refitted for each K.
    progress
        As in `fit`.
    **settings
        Other settings of `fit`, unless `source` is a run.

    Returns
    -------
    (KChoice, list of int)
        The measures and picks, and the K of Shoal's own layers, the primary one first; empty if the
        run used another method.

    Raises
    ------
    InputError
        When the method does not take K, or the rows or the settings cannot be used.
    """
    name = method_name(method)
    if name == DEFAULT:
        raise SettingError(
            f"method {DEFAULT} chooses its own layers: see shoal layers, or give another method"
        )
    bars = progress or Silent()
    run = _run_of(source, bars, settings)
    result = Result(RunFolder.open(run.path))
    vectors, weights = result.representatives.vectors, result.counts.clip(min=1)
    frame = frame_for(METHODS[name], read_projection(result.folder))
    most = METHODS[name].most_rows(int(result.folder.settings.get("memory") or 4 * 2**30))
    if most is not None and len(vectors) > most:
        raise SettingError(
            f"{name} takes at most {most:,} rows, but there are {len(vectors):,} representatives: "
            f"run shoal fit with --representatives {most} first, and give that run"
        )
    found = evaluate_ks(
        vectors if frame is None else frame.apply(vectors),
        weights,
        method=name,
        ks=ks,
        seed=int(result.folder.settings.get("seed") or 0),
        parameters=parse_assignments(parameters),
        references=references,
    )
    own = Found(result).about is None
    layers = sorted(result.layers, key=lambda layer: not layer.primary) if own else []
    return found, [layer.k for layer in layers]


def _run_of(source: Any, progress: Progress, settings: Mapping[str, Any]) -> api.Run:
    if isinstance(source, api.Run):
        return source
    if isinstance(source, str | os.PathLike) and (as_place(source) / "run.toml").is_file():
        if settings:
            raise SettingError(
                f"{next(iter(settings))} has no effect on a finished run: leave it out"
            )
        return api.open(source)
    return api.fit(source, progress=progress, **settings)
