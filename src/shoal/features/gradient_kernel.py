"""The compiled part of `gradients`: one pass over the images, float32, one thread.

Sixteen images are encoded side by side, each in a lane of its own: arrays have the lanes last, so
that every inner loop compiles to vector instructions. No sum is reordered by the compiler, so
that equal images give equal bytes in every batch and lane.

The first fit waits for the compiler, so each kernel is one function: helpers are written into it
(`inline`), or they would be compiled twice, and arrays are made by the caller. Inner loops index
slices by their variable plus a constant: of other sums, numba checks whether they are negative,
lane by lane.
"""

import numpy as np
from numba import njit

BINS = 8
BLOCKS = 4
LANES = 16
QUAD = 4  # pixels of a row that are read together: a 32-bit word for each channel
COLOUR = np.float32(2)  # what a full block mean counts
LEVELS = np.float32(2)  # grey levels of gradient a pixel below which an image counts as flat

_FLAT = 2 * LEVELS  # as gradients are differences over two pixels, not halved
_CELL = BINS * LANES
_RGB = 3 * LANES
_ROOT2 = np.float32(2**0.5)
_ZERO = np.float32(0)
_LOW = np.uint32(255)
_RED, _GREEN, _BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)


@njit(cache=True, nogil=True)
def fill_light(  # type: ignore[no-untyped-def]
    words,
    shrink,
    width,
    down,
    across,
    row,
    quads,
    grey,
    line,
    sums,
    lights,
    flat_lights,
    total,
    out,
):
    """Fill `lights` by luminance, and the end of `out` by the colours of RGB images.

    `words` (n, H, quads × channels) are rows of pixels, four at a time, `width` blocks of `shrink`
    pixels across; `down` and `across` (4, 2) bound the blocks of colour. `lights` (groups,
    rows + 2, columns, 16) begin with a border of a pixel; `flat_lights` are the same, flat. The
    others are scratch, `row` and `line` as flat views of `quads` and `grey`.
    """
    for first in range(0, len(words), LANES):
        count = min(LANES, len(words) - first)
        light, flat_light = lights[first // LANES], flat_lights[first // LANES]
        for y in range(words.shape[1]):
            for w in range(words.shape[2]):
                for lane in range(count):
                    row[w * LANES + lane] = words[first + lane, y, w]
            if words.shape[2] == len(quads):
                _grey(quads, grey)
            else:
                _luminance(quads, grey, sums)
                _colours(y, sums, total, down, across, out, first, count)
            _shrink(y, shrink, grey, line, light, flat_light, width)


@njit(inline="always")
def _grey(quads, grey):  # type: ignore[no-untyped-def]
    for q in range(len(quads)):
        for j in range(LANES):
            for i in range(QUAD):
                value = np.int32(quads[q, j] >> np.uint32(8 * i) & _LOW)
                grey[q, i * LANES + j] = np.float32(value)


@njit(inline="always")
def _luminance(quads, grey, sums):  # type: ignore[no-untyped-def]
    """Luminance of a row of RGB pixels, which are also added to the `sums` of their columns."""
    for q in range(len(quads)):
        for j in range(LANES):
            for i in range(QUAD):
                light = _ZERO
                for c in range(3):
                    k = 3 * i + c
                    word = quads[q, (k >> 2) * LANES + j]
                    value = np.int32(word >> np.uint32(8 * (k & 3)) & _LOW)
                    sums[q, k * LANES + j] += value
                    share = _RED if c == 0 else _GREEN if c == 1 else _BLUE
                    light += share * np.float32(value)
                grey[q, i * LANES + j] = light


@njit(inline="always")
def _colours(y, sums, total, down, across, out, first, count):  # type: ignore[no-untyped-def]
    """Means of the blocks that end with row `y`, 0 to 2, three channels each."""
    at = out.shape[1] - BLOCKS * BLOCKS * 3
    ends = False
    for r in range(BLOCKS):
        if down[r, 1] != y + 1:
            continue
        ends = True
        for c in range(BLOCKS):
            for j in range(_RGB):
                total[j] = _ZERO
            for x in range(across[c, 0], across[c, 1]):
                for j in range(_RGB):
                    total[j] += np.float32(sums[x >> 2, (x & 3) * _RGB + j])
            pixels = (down[r, 1] - down[r, 0]) * (across[c, 1] - across[c, 0])
            scale = COLOUR / np.float32(255 * pixels)
            for lane in range(count):
                for k in range(3):
                    to = at + (r * BLOCKS + c) * 3 + k
                    out[first + lane, to] = total[k * LANES + lane] * scale
    if ends:  # blocks of less than a row are equal or apart
        for q in range(len(sums)):
            for j in range(sums.shape[1]):
                sums[q, j] = 0


@njit(inline="always")
def _shrink(y, shrink, grey, line, light, flat_light, width):  # type: ignore[no-untyped-def]
    """Add a row's part of the means of blocks of pixels, within a border of one pixel."""
    at = y // shrink + 1
    if shrink == 1:
        for j in range(len(line)):
            flat_light[at, LANES + j] = line[j]
    elif at < len(light) - 1:
        share = np.float32(1) / np.float32(shrink * shrink)
        for x in range(width):
            if y % shrink == 0:
                for j in range(light.shape[2]):
                    light[at, x + 1, j] = _ZERO
            for z in range(x * shrink, (x + 1) * shrink):
                for j in range(light.shape[2]):
                    light[at, x + 1, j] += share * grey[z >> 2, (z & 3) * LANES + j]


@njit(cache=True, nogil=True)
def encode_edges(  # type: ignore[no-untyped-def]
    lights, smooth, rows, row_shares, columns, column_shares, spare, strip, cells, parts, out
):
    """Fill ``out[:, :cells]`` from images (groups, rows + 2, columns × 16), which are changed.

    `smooth` is the weight of each neighbour in the smoothing; rows and columns of pixels have two
    cells and their shares, see `tents`; `spare`, `strip`, `cells`, `parts` are scratch.
    """
    height, width = lights.shape[1] - 2, len(columns)
    for group in range(len(lights)):
        light, first = lights[group], group * LANES
        _smooth(light, spare, smooth, height, width)
        for a in range(len(cells)):
            for j in range(cells.shape[1]):
                cells[a, j] = _ZERO
        for x in range(width):
            for j in range(len(strip)):
                strip[j] = _ZERO
            for y in range(height):
                _directions(light, y, x, rows[y, 0], row_shares[y, 0], row_shares[y, 1], strip)
            for side in range(2):
                cell, share = columns[x, side], column_shares[x, side]
                if share > 0:
                    for j in range(cells.shape[1]):
                        cells[cell, j] += share * strip[j]
        flat, count = _FLAT * np.float32(height * width), min(LANES, len(out) - first)
        _normalise(cells, flat, parts, out, first, count)


@njit(inline="always")
def _smooth(light, spare, smooth, height, width):  # type: ignore[no-untyped-def]
    """Smooth along both sides with the weights (s, 1 − 2 s, s); the outer pixels repeat."""
    middle = np.float32(1) - smooth - smooth
    end = (width + 1) * LANES
    for again in range(2):
        for y in range(1, height + 1):
            for j in range(LANES):
                light[y, j] = light[y, LANES + j]
                light[y, end + j] = light[y, end - LANES + j]
        for j in range(end + LANES):
            light[0, j] = light[1, j]
            light[height + 1, j] = light[height, j]
        if again:
            break
        for y in range(height + 2):
            for j in range(width * LANES):
                sides = light[y, j] + light[y, 2 * LANES + j]
                spare[y, j] = middle * light[y, LANES + j] + smooth * sides
        for y in range(height):
            for j in range(width * LANES):
                sides = spare[y, j] + spare[y + 2, j]
                light[y + 1, LANES + j] = middle * spare[y + 1, j] + smooth * sides


@njit(inline="always")
def _directions(light, y, x, cell, upper, lower, strip):  # type: ignore[no-untyped-def]
    """Split the gradient of a pixel into the nearest two of eight directions, and add them.

    A gradient is exactly one sum ``a·axis + b·diagonal`` of its nearest two directions with
    a, b ≥ 0, and a + b is its length within 8%: no angle is computed. `upper` is the pixel's
    share in `cell`, and `lower` that in the one below it.
    """
    above, here, below = light[y, x * LANES :], light[y + 1, x * LANES :], light[y + 2, x * LANES :]
    sums = strip[cell * _CELL :]
    for j in range(LANES):
        gx = here[2 * LANES + j] - here[j]
        gy = below[LANES + j] - above[LANES + j]
        right, left = max(gx, _ZERO), max(-gx, _ZERO)
        low, high = max(gy, _ZERO), max(-gy, _ZERO)
        wide, tall = right + left, low + high
        _add(sums, j, upper, lower, max(right - tall, _ZERO))
        _add(sums, LANES + j, upper, lower, _ROOT2 * min(right, low))
        _add(sums, 2 * LANES + j, upper, lower, max(low - wide, _ZERO))
        _add(sums, 3 * LANES + j, upper, lower, _ROOT2 * min(left, low))
        _add(sums, 4 * LANES + j, upper, lower, max(left - tall, _ZERO))
        _add(sums, 5 * LANES + j, upper, lower, _ROOT2 * min(left, high))
        _add(sums, 6 * LANES + j, upper, lower, max(high - wide, _ZERO))
        _add(sums, 7 * LANES + j, upper, lower, _ROOT2 * min(right, high))


@njit(inline="always")
def _add(sums, at, upper, lower, part):  # type: ignore[no-untyped-def]
    sums[at] += upper * part
    sums[_CELL + at] += lower * part


@njit(inline="always")
def _normalise(cells, flat, parts, out, first, count):  # type: ignore[no-untyped-def]
    """Square roots of the shares of the total; all smaller where the total is below `flat`."""
    for j in range(_CELL):
        parts[j] = _ZERO
    n = cells.shape[1] // _CELL
    for a in range(len(cells)):
        for c in range(n):
            for j in range(_CELL):
                parts[j] += cells[a, c * _CELL + j]
    for j in range(LANES):
        total = _ZERO
        for b in range(BINS):
            total += parts[b * LANES + j]
        factor = total / (total * total + flat * flat)
        for b in range(BINS):
            parts[b * LANES + j] = factor
    for a in range(len(cells)):
        for c in range(n):
            for j in range(_CELL):
                cells[a, c * _CELL + j] = np.sqrt(cells[a, c * _CELL + j] * parts[j])
        for lane in range(count):
            for c in range(n):
                for b in range(BINS):
                    to = (a * n + c) * BINS + b
                    out[first + lane, to] = cells[a, c * _CELL + b * LANES + lane]
