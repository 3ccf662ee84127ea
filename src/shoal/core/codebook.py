"""The codes of a codebook, and the nearest codes of rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shoal.core.nearest import nearest_of
from shoal.core.shortlists import Shortlists, build_shortlists

_WITHIN_REACH = 0.999  # share of the sample


@dataclass(frozen=True)
class Codebook:
    """The codes by which rows are summarised.

    Attributes
    ----------
    centres
        (c, d) float32 codes, all distinct.
    reach
        (c,) float64: a row is far if its squared distance to its nearest code exceeds this.
    size
        m, the maximum number of representatives of a summary; c ≤ m.
    shortlists
        The codes by coarse cell, for the search.
    """

    centres: NDArray[np.float32]
    reach: NDArray[np.float64]
    size: int
    shortlists: Shortlists

    def to_arrays(self) -> dict[str, NDArray]:
        return {"centres": self.centres, "reach": self.reach, "size": np.array(self.size)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray]) -> "Codebook":
        return codebook_of(arrays["centres"], int(arrays["size"]), arrays["reach"])


def codebook_of(
    centres: NDArray, size: int, reach: NDArray | None = None, workers: int = 1
) -> Codebook:
    """Group codes for the search; their reach is 0 by default."""
    reach = np.zeros(len(centres)) if reach is None else reach
    return Codebook(centres, reach, size, build_shortlists(centres, 0, workers))


def with_reach(
    centres: NDArray, sample: NDArray, size: int, workers: int
) -> tuple[Codebook, NDArray[np.int32], NDArray[np.bool_]]:
    """Return a codebook with the distance within which nearly all of a sample are to their code.

    Also returns the code of each row of the sample, and whether it is far, like `find_codes`. A
    code is the mean of its w sample rows and therefore near them: the squared distance of a new
    row is (w + 1)/(w − 1) of theirs. The scale is that of the coarse cell, so it follows local
    density.
    """
    book = codebook_of(centres, size, workers=workers)
    code, distance = nearest_of(sample, centres, 1, workers, shortlists=book.shortlists)
    code, apart = code[:, 0], distance[:, 0].astype(np.float64) ** 2
    weight = np.bincount(code, minlength=len(centres))
    several = weight[code] > 1
    if not several.any():
        return book, code, apart > 0
    square = np.where(several, apart * (weight[code] + 1) / np.maximum(weight[code] - 1, 1), 0)
    cell = book.shortlists.cells.cell_of_rows()
    rows = np.bincount(cell[code], several, minlength=len(book.shortlists.cells.centres))
    scale = np.bincount(cell[code], square, minlength=len(rows)) / np.maximum(rows, 1)
    scale = np.maximum(scale, 0.01 * square.sum() / several.sum())[cell]
    ratio = np.quantile((square / np.where(scale > 0, scale, 1)[code])[several], _WITHIN_REACH)
    reach = ratio * scale
    return replace(book, reach=reach), code, apart > reach[code]


def find_codes(
    block: NDArray[np.float32], codebook: Codebook, workers: int = 1
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return the nearest code of each row, and whether the row is far from all codes."""
    near, _, far = find_near(block, codebook, 1, workers)
    return near[:, 0], far


def find_near(
    block: NDArray[np.float32], codebook: Codebook, most: int, workers: int = 1
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.bool_]]:
    """Return the nearest codes of each row, at most `most`, their distances, and which are far.

    Codes and distances (b, k) are sorted by distance; a row is far, (b,), as in `find_codes`.
    """
    most = min(most, len(codebook.centres))
    near, away = nearest_of(block, codebook.centres, most, workers, shortlists=codebook.shortlists)
    return near, away, away[:, 0].astype(np.float64) ** 2 > codebook.reach[near[:, 0]]
