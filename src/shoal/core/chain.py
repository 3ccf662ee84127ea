"""Parse features with steps, as users write them: ``pixels+standard+svd:100``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shoal.errors import SettingError

STEPS = {
    "standard": "each number to mean 0 and variance 1",
    "l2": "each row to length 1",
    "svd": "truncated SVD, of all rows",
    "pca": "principal components, of all rows",
    "whiten": "principal components to variance 1, of all rows",
    "random": "sparse random projection",
    "nmf": "non-negative factors, of a sample",
    "kernel-pca": "principal components of a Gaussian kernel, of a sample (Nyström)",
    "isomap": "distances along a graph of neighbours, of a sample",
}
"""Every step, and what it does."""

SAME_WIDTH = ("standard", "l2")
"""Steps without a number, which keep the dimension."""

USUAL_WIDTH = 100
"""Default output dimension of a step, at most the input dimension."""


@dataclass(frozen=True)
class StepName:
    """One step as written: its kind and output dimension."""

    kind: str
    width: int | None = None

    def __str__(self) -> str:
        return self.kind if self.width is None else f"{self.kind}:{self.width}"


def split_chain(text: str) -> tuple[str, tuple[StepName, ...]]:
    """Split features from the steps after them.

    Raises
    ------
    SettingError
        For a step with an invalid number.

    Examples
    --------
    >>> base, steps = split_chain("pixels+standard+svd:100")
    >>> base, [str(step) for step in steps]
    ('pixels', ['standard', 'svd:100'])
    >>> split_chain("onnx:a+b.onnx+pca")
    ('onnx:a+b.onnx', (StepName(kind='pca', width=None),))
    >>> split_chain("l2")
    ('auto', (StepName(kind='l2', width=None),))
    """
    words = text.split("+")
    first = len(words)
    while first and words[first - 1].partition(":")[0].strip() in STEPS:
        first -= 1
    return "+".join(words[:first]).strip() or "auto", tuple(map(_step, words[first:]))


def join_chain(base: str, steps: Sequence[StepName]) -> str:
    """Inverse of `split_chain`."""
    return "+".join([base, *map(str, steps)])


def _step(word: str) -> StepName:
    kind, colon, number = (part.strip() for part in word.partition(":"))
    if kind in SAME_WIDTH:
        if colon:
            raise SettingError(f"features step {word!r}: {kind} takes no number")
        return StepName(kind)
    if not colon:
        return StepName(kind)
    if not (number.isascii() and number.isdigit()) or not 1 <= int(number) <= 10_000:
        raise SettingError(
            f"features step {word!r}: give a whole number from 1 to 10,000, such as {kind}:50"
        )
    return StepName(kind, int(number))
