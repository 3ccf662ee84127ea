"""Map tiles: the number of rows in each spot, and their main cluster."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter

from shoal.core.morton import BITS, cell_bounds, raster
from shoal.explore.atlas import Atlas
from shoal.explore.colours import palette
from shoal.explore.cuts import Cut
from shoal.stages.map import COARSE

DEEPEST = 13  # the last zoom level, at which a tile is 8 places wide
FINE = 8  # a density tile has 2^8 by 2^8 spots
TILE = 512  # side of a tile in pixels
_ACROSS = 32
_GLOW = 1.5  # spots that the soft edge of a dense place reaches, one deviation
_HALO = 0.22  # strength of the halo under dots: a cluster is seen, and its dots more
_GREY = np.array([128, 130, 134], np.uint8)
_FAINT = 0.16
_VEIL = 0.7


@dataclass(frozen=True)
class Spots:
    """The spots of one tile, in Morton order."""

    bits: int  # the tile has 2^bits by 2^bits spots
    counts: NDArray[np.int64]  # rows, (4^bits,)
    cluster: NDArray[np.int32]  # of most rows, −1 without rows, (4^bits,)


def spot_bits(zoom: int, wanted: int = FINE) -> int:
    """Return the bits of a tile's spots, at most those of the map (16)."""
    return max(0, min(wanted, BITS - zoom))


def code_range(atlas: Atlas, x: int, y: int, level: int) -> tuple[int, int]:
    """Return the range of a cell in `Atlas.codes`."""
    low, high = cell_bounds(x, y, level)
    shift = 2 * (BITS - COARSE)
    a, b = int(atlas.cells[low >> shift]), int(atlas.cells[-(-high >> shift)])
    if level > COARSE:
        codes = atlas.codes[a:b].astype(np.int64)
        a, b = a + int(np.searchsorted(codes, low)), a + int(np.searchsorted(codes, high))
    return a, b


def holds_any(atlas: Atlas, low: tuple[float, float], high: tuple[float, float]) -> bool:
    """Return whether any row lies in the cells (up to 32 a side) that cover a rectangle."""
    wide = max(high[0] - low[0], high[1] - low[1], 2.0**-BITS)
    level = max(0, min(BITS, int(np.floor(np.log2(_ACROSS / wide)))))
    side = 1 << level
    (x0, y0), (x1, y1) = ([min(int(v * side), side - 1) for v in at] for at in (low, high))
    cells = ((x, y) for y in range(y0, y1 + 1) for x in range(x0, x1 + 1))
    return any(b > a for a, b in (code_range(atlas, x, y, level) for x, y in cells))


def spots(cut: Cut, zoom: int, x: int, y: int, bits: int) -> Spots:
    """Count the rows in the spots of a tile, and find the cluster of most of them."""
    atlas, total = cut.atlas, 1 << 2 * bits
    first, _ = cell_bounds(x, y, zoom)
    shift = 2 * (BITS - zoom - bits)
    if atlas.coarse is not None and zoom + bits <= COARSE:
        cell, leaf, weight = atlas.coarse
        down = 2 * (COARSE - zoom)
        start = first >> 2 * (BITS - COARSE)
        a, b = np.searchsorted(cell, [start, start + (1 << down)])
        spot = (cell[a:b].astype(np.int64) - start) >> (down - 2 * bits)
        labels, weights = cut.of_leaf[leaf[a:b]], weight[a:b].astype(np.int64)
    else:
        a, b = code_range(atlas, x, y, zoom)
        spot = (atlas.codes[a:b].astype(np.int64) - first) >> shift
        labels, weights = cut.of_leaf[atlas.coded_leaves[a:b]], np.ones(1, np.int64)
    counts, cluster = _counted(
        spot, labels, weights, *_moved(cut, first, shift, total), total, len(cut.ids)
    )
    return Spots(bits, counts, cluster)


def _moved(
    cut: Cut, first: int, shift: int, total: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """Return spot, cluster of the leaf and own cluster of the moved rows of a tile, by spot."""
    moved, to = cut.moved
    spot = (cut.atlas.spots[moved].astype(np.int64) - first) >> shift
    here = np.flatnonzero((spot >= 0) & (spot < total))
    here = here[np.argsort(spot[here], kind="stable")]
    return spot[here], cut.of_leaf[cut.atlas.leaves_at(moved[here])], to[here]


@njit(cache=True, nogil=True)
def _counted(spot, labels, weights, moved, out_of, into, total, clusters):  # type: ignore[no-untyped-def]
    """Count rows by spot, and find the cluster of most; `spot` and `moved` are ascending."""
    counts, best = np.zeros(total, np.int64), np.full(total, np.int32(-1), np.int32)
    tally = np.zeros(clusters, np.int64)
    each = len(weights) == len(spot)
    i = j = 0
    while i < len(spot):
        here, begin, first_moved = spot[i], i, j
        while i < len(spot) and spot[i] == here:
            weight = weights[i] if each else weights[0]
            counts[here] += weight
            tally[labels[i]] += weight
            i += 1
        while j < len(moved) and moved[j] <= here:
            if moved[j] == here:
                tally[out_of[j]] -= 1
                tally[into[j]] += 1
            j += 1
        most = np.int64(0)
        for at in range(begin, i):
            if tally[labels[at]] > most:
                most, best[here] = tally[labels[at]], labels[at]
        for at in range(first_moved, j):
            if tally[into[at]] > most:
                most, best[here] = tally[into[at]], into[at]
        for at in range(begin, i):
            tally[labels[at]] = 0
        for at in range(first_moved, j):
            tally[into[at]] = 0
            tally[out_of[at]] = 0
    return counts, best


def lit_spots(codes: NDArray[np.uint32], zoom: int, x: int, y: int, bits: int) -> NDArray[np.int64]:
    """Count the rows of a set in the spots of a tile, given their codes, ascending."""
    low, high = cell_bounds(x, y, zoom)
    a, b = np.searchsorted(codes, np.array([low, high], np.uint64))
    spot = (codes[a:b].astype(np.int64) - low) >> 2 * (BITS - zoom - bits)
    return np.bincount(spot, minlength=1 << 2 * bits)


def density_png(
    found: Spots,
    colours: NDArray[np.int64],
    usual: float,
    lit: NDArray[np.int64] | None = None,
    whole: bool = False,
    dot: int = 0,
) -> bytes:
    """Draw spots in the colours of their clusters, stronger with more rows.

    A spot of `usual` rows has full strength. If a set is selected, `lit` are its rows in each spot,
    (4^bits,), and the others are drawn faintly. In the `whole` map dense places have a soft edge.
    `dot` is the diameter of a spot's dot in pixels, if larger than the spot.
    """
    filled = np.flatnonzero(found.counts)  # most spots are empty, and every click draws them
    strength = _strength(found.counts[filled], usual)
    shade = palette()[colours[found.cluster[filled]] % len(palette())]
    if lit is not None:
        chosen = lit[filled] > 0
        strength = np.where(chosen, _strength(lit[filled], usual), _FAINT * strength)
        shade = np.where(chosen[:, None], shade, _GREY)
    pixels = _pixels(found.bits, shade, strength, filled)
    side = TILE >> found.bits
    if max(side, dot) > 2:
        drawn = _dots(pixels, side, max(side, dot))
        return png_bytes(_over_halo(drawn, pixels, dot) if whole and dot else drawn)
    return png_bytes(_softened(pixels) if whole else pixels)


def _dots(pixels: NDArray[np.uint8], side: int, wide: int) -> NDArray[np.uint8]:
    edge = (wide - side) // 2
    middle = np.arange(wide) + 0.5 - wide / 2
    mask = np.clip(wide / 2 + 0.5 - np.hypot(middle[:, None], middle), 0, 1)
    y, x = np.nonzero(pixels[..., 3])
    down = (side * y)[:, None, None] + np.arange(wide)[:, None]
    across = (side * x)[:, None, None] + np.arange(wide)
    drawn = np.rint(pixels[y, x, 3][:, None, None] * mask).astype(np.uint8)
    large = np.zeros((*(side * n + 2 * edge for n in pixels.shape[:2]), 4), np.uint8)
    np.maximum.at(large[..., 3], (down, across), drawn)
    at, *inner = np.nonzero(drawn == large[..., 3][down, across])  # where a dot is on top
    rows, columns = down[at, inner[0], 0], across[at, 0, inner[1]]
    large[rows, columns, :3] = pixels[y, x, :3][at]
    return large[edge : edge + TILE, edge : edge + TILE]


def _over_halo(dots: NDArray[np.uint8], pixels: NDArray[np.uint8], dot: int) -> NDArray[np.uint8]:
    """Draw a soft halo in the colour of nearby dots, which makes clusters visible as areas."""
    shade, glow = _glow(pixels, dot)
    if not glow.any():
        return dots
    scale = len(dots) // len(pixels)
    shade = shade.repeat(scale, 0).repeat(scale, 1)
    inward = np.minimum(np.arange(len(glow)), np.arange(len(glow))[::-1]) / (2 * dot)
    fade = np.minimum(inward, 1)  # the map ends there, but no halo ends in a line
    halo = _HALO * np.minimum(glow / np.quantile(glow[glow > 1e-4], 0.9), 1) * fade * fade[:, None]
    halo = halo.repeat(scale, 0)
    above = dots[..., 3] / 255.0
    under = halo.repeat(scale, 1) * (1 - above)
    total = np.maximum(above + under, 1e-9)
    mixed = (dots[..., :3] * above[..., None] + shade * under[..., None]) / total[..., None]
    return np.rint(np.dstack([mixed, 255 * np.minimum(total, 1)])).astype(np.uint8)


def _glow(pixels: NDArray[np.uint8], reach: float) -> tuple[NDArray, NDArray]:
    """Return colour (n, n, 3) and strength (n, n) of the blurred spots."""
    strength = pixels[..., 3] / 255.0
    glow = gaussian_filter(strength, reach)
    light = [gaussian_filter(strength * pixels[..., c], reach) for c in range(3)]
    return np.stack(light, -1) / np.maximum(glow, 1e-9)[..., None], glow


def _softened(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    # Premultiplied: the colour of an empty spot does not count.
    light = Image.fromarray(pixels).convert("RGBa").filter(ImageFilter.GaussianBlur(_GLOW))
    return np.where(pixels[..., 3:] == 0, np.asarray(light.convert("RGBA")), pixels)


def spots_of(cells: NDArray[np.int64]) -> Spots:
    """Return `Spots` of the clusters in the cells of a tile, −1 for none, (n, n)."""
    bits = len(cells).bit_length() - 1
    cluster = np.empty(cells.size, np.int32)
    cluster[raster(bits)] = cells.ravel()
    return Spots(bits, (cluster >= 0).astype(np.int64), cluster)


def frames_png(
    found: Spots, colours: NDArray[np.int64], lit: NDArray[np.int64] | None = None
) -> bytes:
    """Draw frames around pictures, in the colours of their clusters."""
    strength = np.where(found.counts > 0, 1.0, 0.0)
    shade = palette()[colours[found.cluster] % len(palette())]
    if lit is not None:
        strength = np.where(lit > 0, strength, 0.25 * strength)
        shade = np.where((lit > 0)[:, None], shade, _GREY)
    return png_bytes(_pixels(found.bits, shade, strength))


def veil_png(found: Spots, lit: NDArray[np.int64]) -> bytes:
    strength = np.where((found.counts > 0) & (lit == 0), _VEIL, 0.0)
    return png_bytes(_pixels(found.bits, np.broadcast_to(_GREY, (len(strength), 3)), strength))


def _strength(counts: NDArray[np.int64], usual: float) -> NDArray[np.float64]:
    """Return 0 without rows, else 0.3 to 1."""
    shown = np.log1p(counts) / np.log1p(max(usual, 1.0))
    return np.where(counts > 0, np.clip(0.3 + 0.7 * shown, 0, 1), 0.0)


def _pixels(
    bits: int,
    shade: NDArray[np.uint8],
    strength: NDArray[np.float64],
    at: NDArray[np.int64] | slice = slice(None),
) -> NDArray[np.uint8]:
    """Return an image of spots (all, or those `at`) from Morton order, (side, side, 4)."""
    pixels = np.zeros((1 << 2 * bits, 4), np.uint8)
    pixels[at, :3] = shade
    pixels[at, 3] = np.rint(255 * strength)
    side = 1 << bits
    found: NDArray[np.uint8] = pixels[raster(bits)].reshape(side, side, 4)
    return found


def png_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """Write pixels (h, w, 4), red, green, blue, alpha, as PNG, faster than Pillow does.

    https://www.w3.org/TR/png-3
    """
    height, width, _ = pixels.shape
    lines = np.zeros((height, 1 + 4 * width), np.uint8)  # each line begins with its filter, none
    lines[:, 1:] = pixels.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    body = zlib.compress(lines.tobytes(), 1)
    chunks = _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
