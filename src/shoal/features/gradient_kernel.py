"""The compiled part of `gradients`: one pass over the images, float32, one thread.

No sum is reordered by the compiler, so that equal images give equal bytes in every batch. Inner
loops run along contiguous memory and compile to vector instructions.
"""

import numpy as np
from numba import njit

BINS = 8
BLOCKS = 4
COLOUR = np.float32(2)  # what a full block mean counts
LEVELS = np.float32(2)  # grey levels of gradient a pixel below which an image counts as flat

_HALF = np.float32(0.5)
_ROOT2 = np.float32(2**0.5)
_ZERO = np.float32(0)


@njit(cache=True, nogil=True)
def encode_images(images, shrink, smooth, down, across, out):  # type: ignore[no-untyped-def]
    """Fill ``out`` (n, features) from uint8 ``images`` (n, H, W, C).

    `down`: how many cells there are down the image, the two cells of each row of pixels, and
    their shares; `across` likewise; `smooth`: what each neighbour counts in the smoothing.
    """
    n, _, _, channels = images.shape
    cells_down, rows, row_shares = down
    cells_across, columns, column_shares = across
    height, width = len(rows), len(columns)
    light = np.empty((height + 2, width + 2), np.float32)
    spare = np.empty((height + 2, width + 2), np.float32)
    bins = np.empty(BINS * width, np.float32)
    strips = np.empty((cells_down, BINS * width), np.float32)
    turned = np.empty((width, cells_down * BINS), np.float32)
    cells = np.empty((cells_across, cells_down * BINS), np.float32)
    flat = LEVELS * np.float32(height * width)
    for i in range(n):
        _luminance(images, i, shrink, light)
        _smooth(light, spare, smooth)
        strips[:] = _ZERO
        for y in range(height):
            _directions(light, y, bins)
            _add(strips, rows[y, 0], bins, row_shares[y, 0])
            _add(strips, rows[y, 1], bins, row_shares[y, 1])
        _turn(strips, turned)
        cells[:] = _ZERO
        for x in range(width):
            _add(cells, columns[x, 0], turned[x], column_shares[x, 0])
            _add(cells, columns[x, 1], turned[x], column_shares[x, 1])
        _normalise(cells.reshape(cells.size), flat, out, i)
        if channels == 3:
            _colours(images, i, out, cells.size)


@njit(cache=True, nogil=True)
def _luminance(images, i, shrink, light):  # type: ignore[no-untyped-def]
    """Luminance, 0 to 255, of blocks of `shrink` pixels; the border is filled by `_extend`."""
    height, width = light.shape[0] - 2, light.shape[1] - 2
    colour = images.shape[3] == 3
    share = np.float32(1) / np.float32(shrink * shrink)
    if shrink > 1:
        light[:] = _ZERO
    for y in range(height * shrink):
        for x in range(width):
            if shrink == 1:
                light[y + 1, x + 1] = _grey(images, i, y, x, colour)
            else:
                for z in range(x * shrink, (x + 1) * shrink):
                    light[y // shrink + 1, x + 1] += share * _grey(images, i, y, z, colour)


@njit(cache=True, nogil=True)
def _grey(images, i, y, x, colour):  # type: ignore[no-untyped-def]
    """Luminance of one pixel."""
    if not colour:
        return np.float32(images[i, y, x, 0])
    red = np.float32(0.299) * np.float32(images[i, y, x, 0])
    green = np.float32(0.587) * np.float32(images[i, y, x, 1])
    return red + green + np.float32(0.114) * np.float32(images[i, y, x, 2])


@njit(cache=True, nogil=True)
def _extend(light):  # type: ignore[no-untyped-def]
    """Repeat the outer pixels in the border."""
    light[1:-1, 0] = light[1:-1, 1]
    light[1:-1, -1] = light[1:-1, -2]
    light[0] = light[1]
    light[-1] = light[-2]


@njit(cache=True, nogil=True)
def _smooth(light, spare, smooth):  # type: ignore[no-untyped-def]
    """Smooth along both sides with the weights (s, 1 − 2 s, s)."""
    height, width = light.shape[0] - 2, light.shape[1] - 2
    middle = np.float32(1) - smooth - smooth
    _extend(light)
    for y in range(height + 2):
        for x in range(width):
            sides = light[y, x] + light[y, x + 2]
            spare[y, x + 1] = middle * light[y, x + 1] + smooth * sides
    for y in range(height):
        for x in range(1, width + 1):
            sides = spare[y, x] + spare[y + 2, x]
            light[y + 1, x] = middle * spare[y + 1, x] + smooth * sides
    _extend(light)


@njit(cache=True, nogil=True)
def _directions(light, y, bins):  # type: ignore[no-untyped-def]
    """Split each gradient of row y into the nearest two of eight directions: (8 × width,).

    A gradient is exactly one sum ``a·axis + b·diagonal`` of its nearest two directions with
    a, b ≥ 0, and a + b is its length within 8 %: no angle is computed.
    """
    width = light.shape[1] - 2
    for x in range(width):
        gx = (light[y + 1, x + 2] - light[y + 1, x]) * _HALF
        gy = (light[y + 2, x + 1] - light[y, x + 1]) * _HALF
        right, left = max(gx, _ZERO), max(-gx, _ZERO)
        low, high = max(gy, _ZERO), max(-gy, _ZERO)
        wide, tall = right + left, low + high
        bins[x] = max(right - tall, _ZERO)
        bins[width + x] = _ROOT2 * min(right, low)
        bins[2 * width + x] = max(low - wide, _ZERO)
        bins[3 * width + x] = _ROOT2 * min(left, low)
        bins[4 * width + x] = max(left - tall, _ZERO)
        bins[5 * width + x] = _ROOT2 * min(left, high)
        bins[6 * width + x] = max(high - wide, _ZERO)
        bins[7 * width + x] = _ROOT2 * min(right, high)


@njit(cache=True, nogil=True)
def _add(totals, place, part, share):  # type: ignore[no-untyped-def]
    """Add ``share * part`` to ``totals[place]``."""
    for j in range(len(part)):
        totals[place, j] += share * part[j]


@njit(cache=True, nogil=True)
def _turn(strips, turned):  # type: ignore[no-untyped-def]
    """Put the pixels' column first: (cells, 8 × width) to (width, cells × 8)."""
    width = turned.shape[0]
    for c in range(strips.shape[0]):
        for b in range(BINS):
            for x in range(width):
                turned[x, c * BINS + b] = strips[c, b * width + x]


@njit(cache=True, nogil=True)
def _normalise(cells, flat, out, i):  # type: ignore[no-untyped-def]
    """Square roots of the shares of the total; all smaller where the total is below `flat`."""
    sums = np.zeros(BINS, np.float32)
    for a in range(0, len(cells), BINS):
        for b in range(BINS):
            sums[b] += cells[a + b]
    total = np.float32(0)
    for b in range(BINS):
        total += sums[b]
    factor = total / (total * total + flat * flat)
    for j in range(len(cells)):
        out[i, j] = np.sqrt(cells[j] * factor)


@njit(cache=True, nogil=True)
def _colours(images, i, out, start):  # type: ignore[no-untyped-def]
    """Means of 4 × 4 blocks, 0 to 2, three channels each."""
    _, height, width, _ = images.shape
    for r in range(BLOCKS):
        top = min(r * height // BLOCKS, height - 1)
        bottom = max((r + 1) * height // BLOCKS, top + 1)
        for c in range(BLOCKS):
            first = min(c * width // BLOCKS, width - 1)
            last = max((c + 1) * width // BLOCKS, first + 1)
            red = green = blue = np.int64(0)
            for y in range(top, bottom):
                for x in range(first, last):
                    red += images[i, y, x, 0]
                    green += images[i, y, x, 1]
                    blue += images[i, y, x, 2]
            scale = COLOUR / np.float32(255 * (bottom - top) * (last - first))
            place = start + (r * BLOCKS + c) * 3
            out[i, place] = np.float32(red) * scale
            out[i, place + 1] = np.float32(green) * scale
            out[i, place + 2] = np.float32(blue) * scale
