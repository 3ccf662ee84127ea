"""An encoder with steps behind it, such as scaling and truncated SVD, fitted to the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from shoal.core.chain import SAME_WIDTH, USUAL_WIDTH, StepName, join_chain
from shoal.core.per_process import PerProcess
from shoal.errors import SettingError
from shoal.features import landmarks, steps
from shoal.features.base import Encoder, Needs
from shoal.features.pixels import Pixels
from shoal.features.vectors import Vectors
from shoal.storage import read_npy

STEPS = {**steps.STEPS, **landmarks.STEPS}

_LONGEST = 256  # pixels of a side that a reduction is given; 32 without one
_KEPT = 512  # numbers a row that the projection behind the steps keeps all of
_WIDER = ("kernel-pca", "isomap")  # steps that may give more numbers than they get
_ROW_BYTES = 48 * landmarks.LANDMARKS  # of a row compared with landmarks


@dataclass(frozen=True)
class Reduced:
    """Rows of another encoder, taken through steps in turn.

    What the steps learn of the rows lies in the run, in the folder of the features. The projection
    behind them only turns the axes, so distances are those of the last step.
    """

    whiten: ClassVar[float] = 0.0  # None: the steps gave the numbers their scale

    base: Encoder  # Gives the rows
    chain: tuple[StepName, ...]  # The steps in order
    folder: Path | None = None  # Where their arrays are; None before there is a run
    _loaded: PerProcess[list[steps.Arrays]] = field(
        default_factory=PerProcess, compare=False, repr=False
    )

    @property
    def name(self) -> str:
        return join_chain(self.base.name, self.chain)

    @property
    def widths(self) -> tuple[int, ...]:
        """Length of a row before the first step, and after each."""
        found = [self.base.n_features]
        for step in self.chain:
            found.append(step.width or found[-1])
        return tuple(found)

    @property
    def n_features(self) -> int:
        return self.widths[-1]

    @property
    def needs(self) -> Needs:
        """What the base needs, and memory for the fit of the largest step."""
        base, widths = self.base.needs, self.widths
        sizes = [
            (STEPS[step.kind], d, step.width or d)
            for step, d in zip(self.chain, widths, strict=False)
        ]
        return replace(
            base,
            components=widths[-1] if widths[-1] <= _KEPT else base.components,
            scratch=base.scratch + 6 * steps.BLOCK_BYTES,
            shared=base.shared + max(step.memory(d, k) for step, d, k in sizes),
            passes=sum(step.passes(d, k) for step, d, k in sizes),
        )

    def settings(self) -> dict[str, Any]:
        versions = [STEPS[step.kind].version for step in self.chain]
        return {
            "name": self.name,
            "version": 1,
            "base": self.base.settings(),
            "steps": [[str(step), one] for step, one in zip(self.chain, versions, strict=True)],
        }

    def at(self, folder: Path) -> Reduced:
        return replace(self, folder=folder, _loaded=PerProcess())

    def up_to(self, count: int) -> Reduced:
        return replace(self, chain=self.chain[:count], _loaded=PerProcess())

    def behind_base(self) -> Reduced:
        d = self.base.n_features
        return replace(self, base=Vectors(d, widest=d))

    def setup(self) -> None:
        self.base.setup()
        _ = self._arrays

    @property
    def _arrays(self) -> list[steps.Arrays]:
        return self._loaded.get(self._read)

    def _read(self) -> list[steps.Arrays]:
        assert self.folder is not None, "not fitted"
        return [
            {name: read_npy(array_path(self.folder, at, name)) for name in STEPS[step.kind].arrays}
            for at, step in enumerate(self.chain)
        ]

    def encode(self, data: NDArray) -> NDArray:
        out = np.empty((len(data), self.n_features), np.float32)
        for block in self.blocks(len(data)):
            rows = self.base.encode(data[block])
            for step, arrays in zip(self.chain, self._arrays, strict=True):
                rows = STEPS[step.kind].apply(rows, arrays)
            out[block] = rows
        return out

    @property
    def block_rows(self) -> int:
        compared = any(step.kind in landmarks.STEPS for step in self.chain)
        return max(1, steps.BLOCK_BYTES // max(4 * max(self.widths), _ROW_BYTES * compared))

    def blocks(self, n: int) -> Iterator[slice]:
        length = self.block_rows
        return (slice(start, start + length) for start in range(0, n, length))


def array_path(folder: Path, step: int, name: str) -> Path:
    return folder / f"step{step}_{name}" / "whole.npy"


def reduced(base: Encoder, chain: tuple[StepName, ...], size: tuple[int, ...]) -> Reduced:
    """Put steps behind an encoder; pixels and vectors come whole where a step makes them fewer."""
    if any(step.kind not in SAME_WIDTH for step in chain):
        if isinstance(base, Pixels):
            scale = min(1.0, _LONGEST / max(size))
            height, width = (max(1, round(side * scale)) for side in size)
            base = replace(base, shape=(height, width, base.shape[2]), longest=_LONGEST)
        elif isinstance(base, Vectors):
            base = replace(base, widest=base.n)
    d, resolved = base.n_features, []
    for step in chain:
        if step.width is None and step.kind not in SAME_WIDTH:
            step = replace(step, width=USUAL_WIDTH if step.kind in _WIDER else min(USUAL_WIDTH, d))
        if step.width and step.width > d and step.kind not in _WIDER:
            raise SettingError(
                f"features step {step}, but it gets {d:,} numbers a row: give at most {d:,}"
            )
        resolved.append(step)
        d = step.width or d
    return Reduced(base, tuple(resolved))


def unreduced(encoder: Encoder) -> Encoder:
    return encoder.base if isinstance(encoder, Reduced) else encoder
