"""Compiled rendering of tiles; a tile depends only on its row number and the seed.

Random bits come from whole numbers. All else is float32, one operation after the other, without
sums that a compiler may reorder and without functions of the mathematics library: every machine
gives the same bytes.
"""

import numpy as np
from numba import njit

from shoal.synthetic.digits import SCALE, SIDE
from shoal.synthetic.styles import Style

TILE = 16
PIXELS = TILE * TILE
CONTROLS = 6
"""Control points of the bending field along a side."""

_F = np.float32
_ZERO, _ONE, _TWO, _HALF = _F(0), _F(1), _F(2), _F(0.5)
_MIDDLE = _F((TILE - 1) / 2)
_CENTRE = _F((SIDE - 1) / 2)
_LAST = _F(SIDE - 1.01)
_PER_PIXEL = _F(13.5 / (8 * SCALE))  # of a tile, for each of a large digit: 13.5 for all 8
_FIXED = _F(256)
_WORD = np.uint64(0x9E3779B97F4A7C15)
_APART = np.uint64(0x5555555555555555)  # sets the bits that place a tile apart from its own
_SIGMA = _F(1 / 148)  # one over the deviation of four bytes' sum
_LUMINANCE_GRAIN, _COLOUR_GRAIN = _F(0.8), _F(0.6)

(
    _PAPER,
    _INK,
    _THRESHOLD,
    _GAIN,
    _SLANT,
    _SIZE,
    _BEND,
    _SHADING,
    _GRAIN,
    _PERIOD,
    _UPRIGHT,
    _RULE,
) = (
    Style._fields.index(name)
    for name in (
        "paper_red",
        "ink_red",
        "threshold",
        "gain",
        "slant",
        "size",
        "bend",
        "shading",
        "grain",
        "period",
        "upright",
        "rule",
    )
)
# A tile's own random numbers, by place: the bending field takes the first ones.
_BENDING = 2 * CONTROLS * CONTROLS
_TURN, _ZOOM, _ASPECT, _LEAN, _RIGHT, _DOWN = range(_BENDING, _BENDING + 6)
_PRESSURE, _LIGHT_X, _LIGHT_Y, _LIGHT, _PHASE, _NOISE, _TONE = range(_BENDING + 6, _BENDING + 13)
_PAPER_TINT, _INK_TINT = _BENDING + 13, _BENDING + 16
DRAWS = _BENDING + 19


@njit(cache=True, nogil=True)
def _mixed(word):  # type: ignore[no-untyped-def]
    """Mix the bits of a word, as `styles.mixed`."""
    word = np.uint64(word)
    word = np.uint64((word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9))
    word = np.uint64((word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB))
    return np.uint64(word ^ (word >> np.uint64(31)))


@njit(cache=True, nogil=True)
def draw_truth(base, start, bounds, digits, sources, chosen):  # type: ignore[no-untyped-def]
    """Fill source and number of the digit of rows from `start` on.

    `bounds`: where each source's share of 2³² ends; `digits`: how many there are.
    """
    high = np.uint64(32)
    for i in range(len(sources)):
        key = _mixed(base + np.uint64(start + i) * _WORD)
        at = _mixed(key + _WORD) >> high
        low, top = 0, len(bounds) - 1
        while low < top:
            middle = (low + top) // 2
            if at < bounds[middle]:
                top = middle
            else:
                low = middle + 1
        sources[i] = low
        chosen[i] = (_mixed(key + _WORD + _WORD) >> high) * np.uint64(digits) >> high


@njit(cache=True, nogil=True)
def draw_tiles(base, start, sources, chosen, styles, digits, spline, tiles):  # type: ignore[no-untyped-def]
    """Fill ``tiles`` (n, 256, 3) uint8 with the rows from `start` on."""
    draws = np.empty(DRAWS, np.float32)
    grain = np.empty((4, PIXELS), np.float32)
    bent = np.empty((2, TILE, TILE), np.float32)
    half = np.empty((CONTROLS, TILE), np.float32)
    places = np.empty((2, PIXELS), np.int32)
    ink = np.empty(PIXELS, np.float32)
    light = np.empty(PIXELS, np.float32)
    rules = np.empty(PIXELS, np.float32)
    plane = np.empty(PIXELS, np.uint8)
    for i in range(len(sources)):
        key = _mixed(base + np.uint64(start + i) * _WORD)
        style = styles[sources[i]]
        _draw(key ^ _APART, draws)
        _draw_grain(np.uint32(key), grain.reshape(grain.size))
        for axis in range(2):
            _bend(draws, axis, style[_BEND], spline, half, bent)
        _place(draws, style, bent, places)
        _lay_ink(digits[chosen[i]], places, draws, style, ink)
        _lay_light(draws, style, light)
        _lay_rules(draws, style, rules)
        _paint(draws, style, ink, light, rules, grain, plane, tiles[i])


@njit(cache=True, nogil=True)
def _draw(key, draws):  # type: ignore[no-untyped-def]
    """Numbers from −1 to 1, the middle ones likelier: sums of two even ones."""
    sixteen = np.uint64(0xFFFF)
    for j in range(len(draws)):
        word = _mixed(key + np.uint64(j + 1) * _WORD)
        one = np.float32(np.int32(word & sixteen))
        other = np.float32(np.int32((word >> np.uint64(16)) & sixteen))
        draws[j] = (one + other) * _F(1 / 65536) - _ONE


@njit(cache=True, nogil=True)
def _draw_grain(key, grain):  # type: ignore[no-untyped-def]
    """Numbers with mean 0 and deviation 1, nearly normal: sums of four bytes.

    The mixing is by Wellons, https://nullprogram.com/blog/2018/07/31/ (lowbias32).
    """
    byte = np.uint32(255)
    for j in range(len(grain)):
        word = np.uint32(key + np.uint32(j) * np.uint32(0x9E3779B9))
        word = np.uint32(word ^ np.uint32(word >> np.uint32(16)))
        word = np.uint32(word * np.uint32(0x7FEB352D))
        word = np.uint32(word ^ np.uint32(word >> np.uint32(15)))
        word = np.uint32(word * np.uint32(0x846CA68B))
        word = np.uint32(word ^ np.uint32(word >> np.uint32(16)))
        low = np.int32(word & byte) + np.int32((word >> np.uint32(8)) & byte)
        high = np.int32((word >> np.uint32(16)) & byte) + np.int32(word >> np.uint32(24))
        grain[j] = np.float32(np.int32(low + high - 510)) * _SIGMA


@njit(cache=True, nogil=True)
def _bend(draws, axis, strength, spline, half, bent):  # type: ignore[no-untyped-def]
    """Shift of each pixel along one axis: a smooth surface over random control points."""
    first = axis * CONTROLS * CONTROLS
    for k in range(CONTROLS):  # half: (controls across, pixels down)
        for y in range(TILE):
            half[k, y] = _ZERO
        for j in range(CONTROLS):
            draw = strength * draws[first + k * CONTROLS + j]
            for y in range(TILE):
                half[k, y] += draw * spline[j, y]
    for y in range(TILE):
        for x in range(TILE):
            bent[axis, y, x] = half[0, y] * spline[0, x]
        for k in range(1, CONTROLS):
            factor = half[k, y]
            for x in range(TILE):
                bent[axis, y, x] += factor * spline[k, x]


@njit(cache=True, nogil=True)
def _place(draws, style, bent, places):  # type: ignore[no-untyped-def]
    """Where in the large digit each pixel looks, in 1/256: turned, scaled, slanted, bent."""
    t = _F(0.1) * draws[_TURN]  # of half the angle, the tangent
    cosine, sine = (_ONE - t * t) / (_ONE + t * t), _TWO * t / (_ONE + t * t)
    size = style[_SIZE] * (_ONE + _F(0.12) * draws[_ZOOM]) * _PER_PIXEL
    aspect = _ONE + _F(0.1) * draws[_ASPECT]
    wide, tall = _ONE / (size * aspect), aspect / size
    slant = style[_SLANT] + _F(0.15) * draws[_LEAN]
    right, down = _F(1.3) * draws[_RIGHT] + _MIDDLE, _F(1.3) * draws[_DOWN] + _MIDDLE
    x_of_x, x_of_y = wide * (cosine + slant * sine), wide * (slant * cosine - sine)
    y_of_x, y_of_y = tall * sine, tall * cosine
    for y in range(TILE):
        for x in range(TILE):
            j = y * TILE + x
            u, v = np.float32(x) - right + bent[0, y, x], np.float32(y) - down + bent[1, y, x]
            across = x_of_x * u + x_of_y * v + _CENTRE
            along = y_of_x * u + y_of_y * v + _CENTRE
            places[0, j] = np.int32(min(max(across, _ZERO), _LAST) * _FIXED)
            places[1, j] = np.int32(min(max(along, _ZERO), _LAST) * _FIXED)


@njit(cache=True, nogil=True)
def _lay_ink(digit, places, draws, style, ink):  # type: ignore[no-untyped-def]
    """How much ink each pixel has, 0 to 1: the digit between its pixels, then the stroke."""
    for j in range(PIXELS):
        x, y = places[0, j] >> 8, places[1, j] >> 8
        right, down = places[0, j] & 255, places[1, j] & 255
        top = np.int32(digit[y, x]) * (256 - right) + np.int32(digit[y, x + 1]) * right
        low = np.int32(digit[y + 1, x]) * (256 - right) + np.int32(digit[y + 1, x + 1]) * right
        ink[j] = np.float32(np.int32((top * (256 - down) + low * down) >> 8))
    threshold, gain = style[_THRESHOLD] + _F(12) * draws[_PRESSURE], style[_GAIN]
    for j in range(PIXELS):
        ink[j] = min(max((ink[j] * _F(1 / 256) - threshold) * gain + _HALF, _ZERO), _ONE)


@njit(cache=True, nogil=True)
def _lay_light(draws, style, light):  # type: ignore[no-untyped-def]
    """Light on each pixel, 1 in the mean: brighter towards a side."""
    steep = style[_SHADING] * _TWO / _MIDDLE
    right, down = steep * draws[_LIGHT_X], steep * draws[_LIGHT_Y]
    mean = _ONE + _F(0.16) * draws[_LIGHT]
    for y in range(TILE):
        row = mean + down * (np.float32(y) - _MIDDLE)
        for x in range(TILE):
            light[y * TILE + x] = row + right * (np.float32(x) - _MIDDLE)


@njit(cache=True, nogil=True)
def _lay_rules(draws, style, rules):  # type: ignore[no-untyped-def]
    """How much of the ink's colour the paper's rules have at each pixel."""
    rules[:] = _ZERO
    period = np.int64(style[_PERIOD])
    if period == 0:
        return
    phase = np.int64((draws[_PHASE] + _ONE) * _HALF * style[_PERIOD])
    for line in range(phase, TILE, period):
        for j in range(TILE):
            rules[j * TILE + line if style[_UPRIGHT] > _ZERO else line * TILE + j] = style[_RULE]


@njit(cache=True, nogil=True)
def _paint(draws, style, ink, light, rules, grain, plane, tile):  # type: ignore[no-untyped-def]
    """Put paper, rules, ink, light and grain together: (256, 3) uint8."""
    noise = style[_GRAIN] * (_ONE + _F(0.3) * draws[_NOISE])
    tone = _F(10) * draws[_TONE]
    for c in range(3):
        paper = style[_PAPER + c] + _F(9) * draws[_PAPER_TINT + c] + tone
        deep = style[_INK + c] + _F(9) * draws[_INK_TINT + c] + tone - paper
        for j in range(PIXELS):
            cover = rules[j] + (_ONE - rules[j]) * ink[j]
            speck = _LUMINANCE_GRAIN * grain[0, j] + _COLOUR_GRAIN * grain[c + 1, j]
            value = (paper + deep * cover) * light[j] + noise * speck
            plane[j] = np.uint8(np.int32(min(max(value, _ZERO), _F(255)) + _HALF))
        for j in range(PIXELS):
            tile[j, c] = plane[j]
