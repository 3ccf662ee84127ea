"""Nearest rows: exact by matrix products, or approximate by coarse cells or their shortlists."""

import numpy as np
from numpy.typing import NDArray

from shoal.core.cells import Cells, build_cells, checked
from shoal.core.local_frames import search_locally
from shoal.core.products import BLOCK, in_threads, probe, recheck, search
from shoal.core.shortlists import LENGTH, Shortlists, build_shortlists, search_shortlists
from shoal.errors import InputError

EXACT_ROWS = 1 << 15  # up to here all pairs are compared: a second for 64 numbers a row
_COMPARED = 100_000  # up to here also where cells would not find the neighbours
EXACT_CENTRES = 4_096
_CHUNK = 4096
_RECALL = 0.999  # of the neighbours of the rows tried; with 0.98 the K of MNIST moved
_TRIED = 256
_EXTRA = 8  # proposals beyond k, to be measured exactly

Neighbours = tuple[NDArray[np.int32], NDArray[np.float32]]


def nearest_neighbours(
    x: NDArray, k: int, workers: int = 1, *, exact: bool | None = None
) -> Neighbours:
    """Return the k nearest other rows of each row, by Euclidean distance.

    Exact up to `EXACT_ROWS` rows. Above, only the nearest coarse cells of each row are searched (an
    inverted file, Jégou et al. 2011): as many as find 99.9% of the neighbours of some test rows.
    Where that takes more than a quarter of all cells, as in unstructured clouds of high dimension,
    the search is exact up to 100,000 rows, and limited to that quarter above. `exact` overrides the
    choice by the number of rows. The result has the same bytes for any number of threads,
    `workers`.

    Parameters
    ----------
    x
        (n, d) float32, finite.
    k
        1 to n − 1. A row is not its own neighbour; its duplicates are.

    Returns
    -------
    tuple
        indices (n, k) int32 and distances (n, k) float32, sorted by distance, then index.

    Raises
    ------
    InputError
        If x is not finite or not two-dimensional, or has too few rows.
    """
    x = checked(x, "x")
    n = len(x)
    if not 1 <= k < n:
        raise InputError(f"{n} rows have at most {n - 1} neighbours each, but {k} were asked for")
    if not (n <= EXACT_ROWS if exact is None else exact):
        cells = build_cells(x, max(2, round(1.2 * n**0.5)), workers=workers)
        probes, most = _probes_for(x, cells, k, workers), max(1, len(cells.centres) // 4)
        if probes <= most or n > _COMPARED or exact is False:
            return _nearest(x, x, cells, k, min(probes, most), workers, itself=True)
    return _nearest(x, x, build_cells(x), k, 1, workers, itself=True)


def nearest_of(
    x: NDArray,
    centres: NDArray,
    k: int = 1,
    workers: int = 1,
    *,
    shortlists: Shortlists | None = None,
) -> Neighbours:
    """Return the k nearest centres, (m, d), of each row, (n, d).

    Exact up to `EXACT_CENTRES` centres unless shortlists are given. Above, a two-level codebook is
    searched: first for the coarse cell of a row, then among the centres on the list of that cell.
    To reuse it for many blocks of rows, pass `shortlists_for(centres)`.

    Returns and raises like `nearest_neighbours`.
    """
    x, centres = checked(x, "x"), checked(centres, "centres")
    if x.shape[1] != centres.shape[1]:
        raise InputError(f"rows have {x.shape[1]} columns, but centres have {centres.shape[1]}")
    if not 1 <= k <= len(centres):
        raise InputError(f"there are {len(centres)} centres, but the nearest {k} were asked for")
    if shortlists is None and k <= LENGTH:
        shortlists = shortlists_for(centres, workers)
    if shortlists is None:
        return _nearest(x, centres, build_cells(centres), k, 1, workers, itself=False)
    return search_shortlists(x, centres, shortlists, k, workers)


def shortlists_for(centres: NDArray, workers: int = 1) -> Shortlists | None:
    """Return shortlists if there are too many centres to compare all; otherwise None."""
    return build_shortlists(centres, 0, workers) if len(centres) > EXACT_CENTRES else None


def _probes_for(x: NDArray, cells: Cells, k: int, workers: int) -> int:
    """Smallest number of coarse cells with `_RECALL` of the exact neighbours of some rows."""
    tried = np.unique(np.linspace(0, len(x) - 1, _TRIED).astype(np.int64))
    nearest = _nearest(x[tried], x, build_cells(x), k + 1, 1, workers, itself=False)[0]
    cell = cells.cell_of_rows()
    framed, count = cells.framed(x[tried]), len(cells.centres)
    by_rank = probe(framed, cells.centres, cells.centre_halves, count)
    rank = np.argsort(by_rank, axis=1)[np.arange(len(tried))[:, None], cell[nearest]]
    others = np.sort(rank[nearest != tried[:, None]])
    return int(others[int(_RECALL * (len(others) - 1))]) + 1


def _nearest(
    x: NDArray, y: NDArray, cells: Cells, k: int, probes: int, workers: int, *, itself: bool
) -> Neighbours:
    """Propose by products, recheck exactly, and search locally again in doubtful cases."""
    indices = np.empty((len(x), k), np.int32)
    distances = np.full((len(x), k), np.inf, np.float32)
    exact = len(cells.centres) == 1
    rows = cells.order if itself else np.arange(len(x), dtype=np.int32)
    own = np.full(len(x), -1, np.int32)
    if itself:
        own[rows] = np.arange(len(x), dtype=np.int32)

    extra = _EXTRA if k > 4 else _EXTRA // 2

    def work(chunk: NDArray) -> NDArray:
        part = cells.framed(x[chunk])
        probed = np.zeros((len(part), 1), np.int32)
        if not exact:
            probed = probe(part, cells.centres, cells.centre_halves, probes)
        wanted = min(k + extra, len(y) - itself)
        found, top = search(
            part, own[chunk], probed, cells.members, cells.halves, cells.start, wanted
        )
        norms = np.einsum("ij,ij->i", part, part, dtype=np.float64)
        unsure = recheck(
            x, chunk, y, cells.order, found, top, norms, cells.scale, k, indices, distances
        )
        return chunk[unsure if exact else found[:, k - 1] < 0]

    # Pieces of one product, or of many rows, so that several share a cell.
    step = BLOCK if exact else _CHUNK
    chunks = [(rows[a : a + step],) for a in range(0, len(rows), step)]
    rows = np.concatenate([*in_threads(work, chunks, workers), rows[:0]])
    search_locally(x, rows, y, itself, indices, distances, workers)
    return indices, distances
