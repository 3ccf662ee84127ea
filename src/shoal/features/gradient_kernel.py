"""The compiled part of `gradients`: one pass over the images, float32, one thread.

No sum is reordered by the compiler, so that equal images give equal bytes in every batch. Inner
loops run along contiguous memory and compile to vector instructions. The first fit waits for the
compiler, so each kernel is one function: helpers are written into it (`inline`), or they would be
compiled twice, and arrays are made by the caller.
"""

import numpy as np
from numba import njit

BINS = 8
BLOCKS = 4
LANES = 16  # pixels whose directions are worked out together; a constant, so that no vector
# instruction waits for a check whether the eight runs of `bins` overlap
COLOUR = np.float32(2)  # what a full block mean counts
LEVELS = np.float32(2)  # grey levels of gradient a pixel below which an image counts as flat

_HALF = np.float32(0.5)
_ROOT2 = np.float32(2**0.5)
_ZERO = np.float32(0)


@njit(cache=True, nogil=True)
def fill_luminance(images, shrink, grey, light, width):  # type: ignore[no-untyped-def]
    """Means of blocks of `shrink` pixels of uint8 grey or RGB images, within a border of one.

    Parameters
    ----------
    images : (n, H, W, C)
    grey : (H, W) scratch
    light : (n, rows + 2, columns + 2)
        0 on entry; only `width` columns are filled.
    """
    share = np.float32(1) / np.float32(shrink * shrink)
    for i in range(len(images)):
        for y in range(grey.shape[0]):
            if images.shape[3] != 3:
                for x in range(grey.shape[1]):
                    grey[y, x] = np.float32(images[i, y, x, 0])
            else:
                for x in range(grey.shape[1]):
                    warm = np.float32(0.299) * np.float32(images[i, y, x, 0])
                    warm += np.float32(0.587) * np.float32(images[i, y, x, 1])
                    grey[y, x] = warm + np.float32(0.114) * np.float32(images[i, y, x, 2])
        for y in range((light.shape[1] - 2) * shrink):
            at = y // shrink + 1
            if shrink == 1:
                for x in range(width):
                    light[i, at, x + 1] = grey[y, x]
            else:
                for x in range(width):
                    total = light[i, at, x + 1]
                    for z in range(x * shrink, (x + 1) * shrink):
                        total += share * grey[y, z]
                    light[i, at, x + 1] = total


@njit(cache=True, nogil=True)
def encode_edges(  # type: ignore[no-untyped-def]
    lights,
    smooth,
    rows,
    row_shares,
    columns,
    column_shares,
    spare,
    bins,
    strips,
    turned,
    cells,
    out,
):
    """Fill ``out[:, :cells]`` from images (n, rows + 2, columns + 2), which are changed.

    `rows`: the two cells of each row of pixels, `row_shares` their shares; `columns` likewise;
    `smooth`: what each neighbour counts in the smoothing. The others are scratch.
    """
    height, width = len(rows), len(columns)
    flat = LEVELS * np.float32(height * width)
    for i in range(len(lights)):
        light = lights[i]
        _smooth(light, spare, smooth, width)
        for c in range(strips.shape[0]):
            for j in range(strips.shape[1]):
                strips[c, j] = _ZERO
        for y in range(height):
            for run in range(-(-width // LANES)):
                _directions(light, y, run * LANES, bins, run * LANES * BINS)
            for side in range(2):
                cell, share = rows[y, side], row_shares[y, side]
                if share > 0:
                    for j in range(len(bins)):
                        strips[cell, j] += share * bins[j]
        for x in range(width):  # the pixels' column first
            at = x // LANES * BINS * LANES + x % LANES
            for c in range(strips.shape[0]):
                for b in range(BINS):
                    turned[x, c * BINS + b] = strips[c, at + b * LANES]
        for c in range(cells.shape[0]):
            for j in range(cells.shape[1]):
                cells[c, j] = _ZERO
        for x in range(width):
            for side in range(2):
                cell, share = columns[x, side], column_shares[x, side]
                if share > 0:
                    for j in range(cells.shape[1]):
                        cells[cell, j] += share * turned[x, j]
        _normalise(cells, flat, out, i)


@njit(inline="always")
def _smooth(light, spare, smooth, width):  # type: ignore[no-untyped-def]
    """Smooth along both sides with the weights (s, 1 − 2 s, s); the outer pixels repeat."""
    height = light.shape[0] - 2
    middle = np.float32(1) - smooth - smooth
    for again in range(2):
        for y in range(1, height + 1):
            light[y, 0] = light[y, 1]
            light[y, width + 1] = light[y, width]
        for x in range(light.shape[1]):
            light[0, x] = light[1, x]
            light[height + 1, x] = light[height, x]
        if again:
            break
        for y in range(height + 2):
            for x in range(width):
                sides = light[y, x] + light[y, x + 2]
                spare[y, x + 1] = middle * light[y, x + 1] + smooth * sides
        for y in range(height):
            for x in range(1, width + 1):
                sides = spare[y, x] + spare[y + 2, x]
                light[y + 1, x] = middle * spare[y + 1, x] + smooth * sides


@njit(inline="always")
def _directions(light, y, x, bins, at):  # type: ignore[no-untyped-def]
    """Split the gradients of a run of 16 pixels into the nearest two of eight directions.

    A gradient is exactly one sum ``a·axis + b·diagonal`` of its nearest two directions with
    a, b ≥ 0, and a + b is its length within 8 %: no angle is computed. `bins` gets direction
    after direction.
    """
    for j in range(LANES):
        gx = (light[y + 1, x + j + 2] - light[y + 1, x + j]) * _HALF
        gy = (light[y + 2, x + j + 1] - light[y, x + j + 1]) * _HALF
        right, left = max(gx, _ZERO), max(-gx, _ZERO)
        low, high = max(gy, _ZERO), max(-gy, _ZERO)
        wide, tall = right + left, low + high
        bins[at + j] = max(right - tall, _ZERO)
        bins[at + LANES + j] = _ROOT2 * min(right, low)
        bins[at + 2 * LANES + j] = max(low - wide, _ZERO)
        bins[at + 3 * LANES + j] = _ROOT2 * min(left, low)
        bins[at + 4 * LANES + j] = max(left - tall, _ZERO)
        bins[at + 5 * LANES + j] = _ROOT2 * min(left, high)
        bins[at + 6 * LANES + j] = max(high - wide, _ZERO)
        bins[at + 7 * LANES + j] = _ROOT2 * min(right, high)


@njit(inline="always")
def _normalise(cells, flat, out, i):  # type: ignore[no-untyped-def]
    """Square roots of the shares of the total; all smaller where the total is below `flat`."""
    total = _ZERO
    for b in range(BINS):
        part = _ZERO
        for a in range(cells.shape[0]):
            for j in range(b, cells.shape[1], BINS):
                part += cells[a, j]
        total += part
    factor = total / (total * total + flat * flat)
    for a in range(cells.shape[0]):
        for j in range(cells.shape[1]):
            out[i, a * cells.shape[1] + j] = np.sqrt(cells[a, j] * factor)


@njit(cache=True, nogil=True)
def fill_colours(images, down, across, sums, out, at):  # type: ignore[no-untyped-def]
    """Means of 4 × 4 blocks, 0 to 2, three channels each, of images (n, H, W × 3).

    Parameters
    ----------
    down, across : (4, 2) int64
        First pixel of each block, and the one after its last.
    sums : (W × 3,) float32 scratch
        Whole numbers, which are exact up to a quarter of 260,000 rows, and quicker than int32.
    at : int
        Where the means begin in the rows of `out`.
    """
    for i in range(len(images)):
        for r in range(BLOCKS):
            for j in range(len(sums)):
                sums[j] = _ZERO
            for y in range(down[r, 0], down[r, 1]):
                for j in range(len(sums)):
                    sums[j] += np.float32(images[i, y, j])
            for c in range(BLOCKS):
                pixels = (down[r, 1] - down[r, 0]) * (across[c, 1] - across[c, 0])
                scale = COLOUR / np.float32(255 * pixels)
                for channel in range(3):
                    total = 0.0
                    for x in range(across[c, 0], across[c, 1]):
                        total += sums[3 * x + channel]
                    out[i, at + (r * BLOCKS + c) * 3 + channel] = np.float32(total) * scale
