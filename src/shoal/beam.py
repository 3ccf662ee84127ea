"""Beam transforms `Encode`, `Assign` and `Summarize`, and their combiners.

Elements are images or vectors as NumPy arrays, or pairs ``(key, array)``, which give ``(key,
result)``. For whole fits see ``shoal fit --engine beam``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.codebook import Codebook
from shoal.core.summaries import (
    PartialSummary,
    Summary,
    merge_partials,
    merge_summaries,
    summarise,
)
from shoal.errors import MissingExtraError
from shoal.features import Moments
from shoal.model import Model
from shoal.storage import RunFolder

try:
    import apache_beam as beam
except ImportError as error:
    raise MissingExtraError(
        f"shoal.beam needs Apache Beam: pip install 'shoal[beam]' ({error})"
    ) from None

__all__ = ["Assign", "Encode", "MomentsFn", "RepresentativesFn", "Summarize"]

_BATCH = 1024


class Encode(beam.PTransform):  # type: ignore[misc]
    """Maps each image or vector to the clustered space of a run, (d,) float32.

    Parameters
    ----------
    run
        Folder or address of a finished run, readable by every worker.
    """

    def __init__(self, run: str | os.PathLike[str]) -> None:
        super().__init__()
        self._run = run

    def expand(self, rows: Any) -> Any:
        return rows | beam.BatchElements(1, _BATCH) | beam.ParDo(_Batch(self._run, _encoded))


class Assign(beam.PTransform):  # type: ignore[misc]
    """Maps each image or vector to ``{"cluster", "confidence", "unknown"}``, like `Run.predict`.

    Parameters
    ----------
    run
        The folder of a finished run, or its address: every worker reads it.
    layer, k, raw, unknown
        As in `Run.predict`.
    """

    def __init__(
        self,
        run: str | os.PathLike[str],
        *,
        layer: int | None = None,
        k: int | None = None,
        raw: bool = False,
        unknown: float | None = None,
    ) -> None:
        super().__init__()
        self._run = run
        self._assign = partial(_assigned, layer=layer, k=k, raw=raw, unknown=unknown)

    def expand(self, rows: Any) -> Any:
        return rows | beam.BatchElements(1, _BATCH) | beam.ParDo(_Batch(self._run, self._assign))


class Summarize(beam.PTransform):  # type: ignore[misc]
    """Summarises a collection of vectors by weighted representatives: one `Summary`.

    Parameters
    ----------
    codebook
        The codes: `core.representatives.seed_codebook` of a sample of the vectors, for example from
        ``beam.combiners.Sample.FixedSizeGlobally``.
    """

    def __init__(self, codebook: Codebook) -> None:
        super().__init__()
        self._codebook = codebook

    def expand(self, rows: Any) -> Any:
        batches = rows | beam.BatchElements(_BATCH, _BATCH) | beam.Map(np.stack)
        return batches | beam.CombineGlobally(RepresentativesFn(self._codebook))


class MomentsFn(beam.CombineFn):  # type: ignore[misc]
    """Combines batches of features, (n, d), into their `Moments`.

    Associative and commutative except for rounding, a relative 1e-12 of the scatter.
    """

    def create_accumulator(self) -> Moments | None:
        """Return empty moments of unknown width."""
        return None

    def add_input(self, made: Moments | None, batch: NDArray) -> Moments:
        more = Moments.of(np.atleast_2d(batch))
        return more if made is None else made.merge(more)

    def merge_accumulators(self, parts: Iterable[Moments | None]) -> Moments | None:
        merged = None
        for part in parts:
            merged = part if merged is None else merged if part is None else merged.merge(part)
        return merged

    def extract_output(self, made: Moments | None) -> Moments | None:
        return made


class RepresentativesFn(beam.CombineFn):  # type: ignore[misc]
    """Combines batches of vectors, (n, d) float32, into a `Summary` of weighted representatives.

    Weights are exact in any order; sums of the rows near a code agree to a relative 1e-9. Only the
    choice of far rows that open representatives depends on the order.

    Parameters
    ----------
    codebook
        From `core.representatives.seed_codebook`.
    """

    def __init__(self, codebook: Codebook) -> None:
        self._codebook = codebook

    def create_accumulator(self) -> PartialSummary:
        return summarise(self._codebook.centres[:0].astype(np.float32), self._codebook)

    def add_input(self, made: PartialSummary, batch: NDArray) -> PartialSummary:
        rows = np.atleast_2d(np.asarray(batch, np.float32))
        return merge_partials([made, summarise(rows, self._codebook)], self._codebook)

    def merge_accumulators(self, parts: Iterable[PartialSummary]) -> PartialSummary:
        return merge_partials(parts, self._codebook)

    def extract_output(self, made: PartialSummary) -> Summary:
        """Return the representatives; their medoids are batch-relative and meaningless."""
        return merge_summaries([made], self._codebook)


class _Batch(beam.DoFn):  # type: ignore[misc]
    """Processes batches of elements with a run's model, opened once per worker."""

    def __init__(
        self, run: str | os.PathLike[str], results: Callable[[Model, NDArray], Iterable[Any]]
    ) -> None:
        self._run, self._results = run, results

    def setup(self) -> None:
        self._model = Model(RunFolder.open(self._run), workers=1)
        self._model.encoder.setup()

    def process(self, batch: list[Any]) -> Iterator[Any]:
        keyed = isinstance(batch[0], tuple)
        rows = np.stack([element[1] if keyed else element for element in batch])
        for element, result in zip(batch, self._results(self._model, rows), strict=True):
            yield (element[0], result) if keyed else result


def _encoded(model: Model, rows: NDArray) -> NDArray[np.float32]:
    features = model.encoder.encode(model.open(rows).read(0, len(rows)).data)
    return model.fitted.projection.apply(features)


def _assigned(model: Model, rows: NDArray, **cut: Any) -> Iterator[dict[str, Any]]:
    found = model.predict(rows, **cut)
    names = ("cluster", "confidence", "unknown")
    columns = (getattr(found, name).tolist() for name in names)
    return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))
