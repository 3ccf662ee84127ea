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

_LANES = 16  # pixels whose directions are worked out together; a constant, so that no vector
# instruction waits for a check whether the eight runs of `bins` overlap
_HALF = np.float32(0.5)
_ROOT2 = np.float32(2**0.5)
_ZERO = np.float32(0)


@njit(cache=True, nogil=True)
def encode_images(images, shrink, smooth, down, across, out):  # type: ignore[no-untyped-def]
    """Fill ``out`` (n, features) from uint8 ``images`` (n, H, W, C).

    `down`: how many cells there are down the image, the two cells of each row of pixels, and
    their shares; `across` likewise; `smooth`: what each neighbour counts in the smoothing.
    """
    n, tall, wide, channels = images.shape
    cells_down, rows, row_shares = down
    cells_across, columns, column_shares = across
    height, width = len(rows), len(columns)
    runs = -(-width // _LANES)
    light = np.zeros((height + 2, runs * _LANES + 2), np.float32)
    spare = np.zeros((height + 2, runs * _LANES + 2), np.float32)
    bins = np.empty(runs * BINS * _LANES, np.float32)
    strips = np.empty((cells_down, len(bins)), np.float32)
    turned = np.empty((width, cells_down * BINS), np.float32)
    cells = np.empty((cells_across, cells_down * BINS), np.float32)
    flat = LEVELS * np.float32(height * width)
    pixels = images.reshape((n, tall * wide, channels))
    grey = np.empty(tall * wide, np.float32)
    blocks_down, blocks_across = _blocks(tall), _blocks(wide)
    sums = np.empty(wide * channels, np.int32)  # of a quarter of the rows: 8 million at most
    for i in range(n):
        _grey(pixels[i], grey)
        _luminance(grey.reshape((tall, wide)), shrink, light, width)
        _smooth(light, spare, smooth, width)
        strips[:] = _ZERO
        for y in range(height):
            for run in range(runs):
                x = run * _LANES
                above, here, below = light[y, x:], light[y + 1, x:], light[y + 2, x:]
                _directions(above, here, below, bins[x * BINS :])
            _add(strips, rows[y, 0], bins, row_shares[y, 0])
            _add(strips, rows[y, 1], bins, row_shares[y, 1])
        _turn(strips, turned)
        cells[:] = _ZERO
        for x in range(width):
            _add(cells, columns[x, 0], turned[x], column_shares[x, 0])
            _add(cells, columns[x, 1], turned[x], column_shares[x, 1])
        _normalise(cells.reshape(cells.size), flat, out, i)
        if channels == 3:
            image = images[i].reshape((tall, wide * 3))
            _colours(image, blocks_down, blocks_across, sums, out[i, cells.size :])


@njit(cache=True, nogil=True)
def _grey(pixels, grey):  # type: ignore[no-untyped-def]
    """Luminance of pixels (n, C), 0 to 255; compiles to vector instructions."""
    if pixels.shape[1] != 3:
        for x in range(len(grey)):
            grey[x] = np.float32(pixels[x, 0])
        return
    for x in range(len(grey)):
        warm = np.float32(0.299) * np.float32(pixels[x, 0])
        warm += np.float32(0.587) * np.float32(pixels[x, 1])
        grey[x] = warm + np.float32(0.114) * np.float32(pixels[x, 2])


@njit(cache=True, nogil=True)
def _luminance(grey, shrink, light, width):  # type: ignore[no-untyped-def]
    """Means of blocks of `shrink` pixels; the border is filled by `_extend`."""
    height = light.shape[0] - 2
    share = np.float32(1) / np.float32(shrink * shrink)
    if shrink == 1:
        for y in range(height):
            row, place = grey[y], light[y + 1]
            for x in range(width):
                place[x + 1] = row[x]
        return
    light[:] = _ZERO
    for y in range(height * shrink):
        row, place = grey[y], light[y // shrink + 1]
        for x in range(width):
            for z in range(x * shrink, (x + 1) * shrink):
                place[x + 1] += share * row[z]


@njit(cache=True, nogil=True)
def _extend(light, width):  # type: ignore[no-untyped-def]
    """Repeat the outer pixels in the border.

    Loops, as assigning a row makes numba compile its broadcasting, which takes 2 seconds.
    """
    for y in range(1, len(light) - 1):
        light[y, 0], light[y, width + 1] = light[y, 1], light[y, width]
    last = len(light) - 1
    for x in range(light.shape[1]):
        light[0, x] = light[1, x]
        light[last, x] = light[last - 1, x]


@njit(cache=True, nogil=True)
def _smooth(light, spare, smooth, width):  # type: ignore[no-untyped-def]
    """Smooth along both sides with the weights (s, 1 − 2 s, s)."""
    height = light.shape[0] - 2
    middle = np.float32(1) - smooth - smooth
    _extend(light, width)
    for y in range(height + 2):
        for x in range(width):
            sides = light[y, x] + light[y, x + 2]
            spare[y, x + 1] = middle * light[y, x + 1] + smooth * sides
    for y in range(height):
        for x in range(1, width + 1):
            sides = spare[y, x] + spare[y + 2, x]
            light[y + 1, x] = middle * spare[y + 1, x] + smooth * sides
    _extend(light, width)


@njit(cache=True, nogil=True)
def _directions(above, here, below, bins):  # type: ignore[no-untyped-def]
    """Split the gradients of a run of 16 pixels into the nearest two of eight directions.

    A gradient is exactly one sum ``a·axis + b·diagonal`` of its nearest two directions with
    a, b ≥ 0, and a + b is its length within 8 %: no angle is computed. The rows of pixels have a
    pixel of border in front; `bins` gets direction after direction.
    """
    for j in range(_LANES):
        gx = (here[j + 2] - here[j]) * _HALF
        gy = (below[j + 1] - above[j + 1]) * _HALF
        right, left = max(gx, _ZERO), max(-gx, _ZERO)
        low, high = max(gy, _ZERO), max(-gy, _ZERO)
        wide, tall = right + left, low + high
        bins[j] = max(right - tall, _ZERO)
        bins[_LANES + j] = _ROOT2 * min(right, low)
        bins[2 * _LANES + j] = max(low - wide, _ZERO)
        bins[3 * _LANES + j] = _ROOT2 * min(left, low)
        bins[4 * _LANES + j] = max(left - tall, _ZERO)
        bins[5 * _LANES + j] = _ROOT2 * min(left, high)
        bins[6 * _LANES + j] = max(high - wide, _ZERO)
        bins[7 * _LANES + j] = _ROOT2 * min(right, high)


@njit(cache=True, nogil=True)
def _add(totals, place, part, share):  # type: ignore[no-untyped-def]
    if share > 0:
        for j in range(len(part)):
            totals[place, j] += share * part[j]


@njit(cache=True, nogil=True)
def _turn(strips, turned):  # type: ignore[no-untyped-def]
    """Put the pixels' column first: (cells, runs × 8 × 16) to (width, cells × 8)."""
    for x in range(turned.shape[0]):
        at = x // _LANES * BINS * _LANES + x % _LANES
        for c in range(strips.shape[0]):
            for b in range(BINS):
                turned[x, c * BINS + b] = strips[c, at + b * _LANES]


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
def _blocks(side):  # type: ignore[no-untyped-def]
    """First pixel of each block along a side, and the one after its last, (4, 2) int64."""
    found = np.empty((BLOCKS, 2), np.int64)
    for b in range(BLOCKS):
        found[b, 0] = min(b * side // BLOCKS, side - 1)
        found[b, 1] = max((b + 1) * side // BLOCKS, found[b, 0] + 1)
    return found


@njit(cache=True, nogil=True)
def _colours(image, blocks_down, blocks_across, sums, out):  # type: ignore[no-untyped-def]
    """Means of 4 × 4 blocks, 0 to 2, three channels each, of an image (H, W × 3)."""
    for r in range(BLOCKS):
        top, bottom = blocks_down[r]
        sums[:] = 0
        for y in range(top, bottom):
            row = image[y]
            for j in range(len(sums)):
                sums[j] += np.int32(row[j])
        for c in range(BLOCKS):
            first, last = blocks_across[c]
            scale = COLOUR / np.float32(255 * (bottom - top) * (last - first))
            for channel in range(3):
                total = np.int64(0)
                for x in range(first, last):
                    total += sums[3 * x + channel]
                out[(r * BLOCKS + c) * 3 + channel] = np.float32(total) * scale
