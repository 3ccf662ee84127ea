"""Similarity of two images after registration: shift, scale, brightness and contrast."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Gauss–Newton rounds on the smoothed and on the plain picture. On photos cropped by 5 to 10% the
# similarity stops rising after 5 and 3; more rounds cost time only.
_COARSE, _FINE = 6, 4
# A copy is hardly scaled or moved by more than a sixth of the side; wider limits let different
# pictures of few strokes be fitted to each other.
_LARGEST_SCALE, _LARGEST_SHIFT = 1.2, 1 / 3
# Share of each side that is left out all around: what a shift of 5% brings in from outside.
_RIM = 0.08
# The overlap that must be left for a similarity to mean anything.
_LEAST_OVERLAP = 0.5
# After half and after all of the smoothed rounds a pair is given up when it is so many times
# farther from 1 than the least similarity that is of use: at .93 those below .51 and .75, where
# planted copies had .9 and more.
_HOPELESS = 7.0, 3.5
_DAMPING = 1e-3
# Levels of a byte within which a picture counts as clipped; JPEG spreads 0 and 255 by some.
_BLACK, _WHITE = 4.0, 251.0


def similarities(
    pictures: NDArray[np.uint8], pairs: NDArray[np.int64], least: float = 0.93
) -> NDArray[np.float32]:
    """Return the similarity of each pair, (p,), 0..1, after registration.

    The second picture of a pair is fitted to the first by an axis-parallel affine map, found by
    Gauss–Newton on the grey levels (Lucas and Kanade 1981; Baker and Matthews, "Lucas–Kanade 20
    years on", 2004), first smoothed, then plain. The similarity is a product of two correlations
    over the centre of both: of the levels of all channels, with one gain, so that different colours
    count; and of the gradients, so that images with only similar light and dark areas do not match.

    Pictures are (n, H, W, C) uint8, and pairs (p, 2). The similarity is 0 if one of the two has no
    contrast, and for pairs far below `least`, whose fit is not completed.

    Examples
    --------
    >>> a = np.random.default_rng(0).integers(0, 256, (12, 12)).repeat(4, 0).repeat(4, 1)
    >>> brighter = (a // 2 + 90).astype(np.uint8)
    >>> pictures = np.stack([a.astype(np.uint8), brighter, np.rot90(a)])[..., None]
    >>> np.round(similarities(pictures, np.array([[0, 1], [0, 2]])), 1).tolist()
    [1.0, 0.0]
    """
    out = np.empty(len(pairs), np.float32)
    half, whole = (1 - times * (1 - least) for times in _HOPELESS)
    _similarities(
        np.ascontiguousarray(pictures), np.ascontiguousarray(pairs, np.int64), half, whole, out
    )
    return out


@njit(cache=True, nogil=True)
def _similarities(pictures, pairs, half, whole, out):  # type: ignore[no-untyped-def]
    _, height, width, channels = pictures.shape
    grey = np.empty((2, height, width, 1), np.float32)
    smooth = np.empty((2, height, width, 1), np.float32)
    scratch = np.empty((height, width, 1), np.float32)
    fitted = np.empty((height, width, channels), np.float32)
    slopes = np.empty((7, height * width), np.float32)
    for at in range(len(pairs)):
        out[at] = 0.0
        first, second = pictures[pairs[at, 0]], pictures[pairs[at, 1]]
        _grey(first, grey[0])
        _grey(second, grey[1])
        for side in range(2):
            _smooth(grey[side], scratch, smooth[side])
            _smooth(smooth[side], scratch, smooth[side])
        warp = np.array([1.0, 1.0, 0.0, 0.0, 1.0, 0.0])
        _fit(smooth[0], smooth[1], warp, slopes, _COARSE // 2)
        _warp(smooth[1], warp, scratch)
        if _explained(smooth[0], scratch, warp) < half:
            continue
        _fit(smooth[0], smooth[1], warp, slopes, _COARSE - _COARSE // 2)
        _warp(smooth[1], warp, scratch)
        if _explained(smooth[0], scratch, warp) < whole:
            continue
        _warp(second, warp, fitted)
        before, coarse = _explained(first, fitted, warp), warp.copy()
        _fit(grey[0], grey[1], warp, slopes, _FINE)
        _warp(second, warp, fitted)
        levels = _explained(first, fitted, warp)
        if levels < before:  # the fine rounds went astray
            levels, warp = before, coarse
        _warp(smooth[1], warp, scratch)
        out[at] = max(levels * _slopes_in_common(smooth[0], scratch), 0.0)


@njit(cache=True, nogil=True)
def _rim(side):  # type: ignore[no-untyped-def]
    return int(_RIM * side + 0.5)


@njit(cache=True, nogil=True)
def _grey(picture, out):  # type: ignore[no-untyped-def]
    height, width, channels = picture.shape
    for i in range(height):
        for j in range(width):
            total = np.float32(0)
            for c in range(channels):
                total += picture[i, j, c]
            out[i, j, 0] = total / np.float32(channels)


@njit(cache=True, nogil=True)
def _smooth(image, scratch, out):  # type: ignore[no-untyped-def]
    """Weigh each pixel with its neighbours by 1, 2, 1 along both sides."""
    height, width, _ = image.shape
    for i in range(height):
        for j in range(width):
            left, right = image[i, max(j - 1, 0), 0], image[i, min(j + 1, width - 1), 0]
            scratch[i, j, 0] = (left + 2 * image[i, j, 0] + right) / 4
    for i in range(height):
        for j in range(width):
            above, below = scratch[max(i - 1, 0), j, 0], scratch[min(i + 1, height - 1), j, 0]
            out[i, j, 0] = (above + 2 * scratch[i, j, 0] + below) / 4


@njit(cache=True, nogil=True)
def _place(at, side, scale, shift):  # type: ignore[no-untyped-def]
    """Row or column of the moving picture, as a fraction; negative outside it."""
    place = ((scale * ((2 * at + 1) / side - 1) + shift + 1) * side - 1) / 2
    return place if place <= side - 1 else -1.0


@njit(cache=True, nogil=True)
def _is_clipped(level):  # type: ignore[no-untyped-def]
    return level < _BLACK or level > _WHITE


@njit(cache=True, nogil=True)
def _fit(target, moving, warp, slopes, rounds):  # type: ignore[no-untyped-def]
    """Improve ``[scale x, scale y, shift x, shift y, gain, offset]`` by Gauss–Newton.

    `slopes` is scratch: the derivative by each of the six at each pixel, and what is left over.
    """
    normal = np.empty((6, 7))
    for _ in range(rounds):
        count = _derivatives(target, moving, warp, slopes)
        for r in range(6):
            for s in range(r + 1):
                normal[r, s] = _dot(slopes[r, :count], slopes[s, :count])
            normal[r, 6] = _dot(slopes[r, :count], slopes[6, :count])
        if not _solve(normal):
            return
        for r in range(6):
            warp[r] += normal[r, 6]
        for r in range(2):
            warp[r] = min(max(warp[r], 1 / _LARGEST_SCALE), _LARGEST_SCALE)
            warp[r + 2] = min(max(warp[r + 2], -_LARGEST_SHIFT), _LARGEST_SHIFT)


@njit(cache=True, nogil=True)
def _derivatives(target, moving, warp, slopes):  # type: ignore[no-untyped-def]
    """Fill `slopes` for the pixels where both pictures are and clip alike; return how many."""
    height, width, _ = target.shape
    count = 0
    for i in range(_rim(height), height - _rim(height)):
        y = _place(i, height, warp[1], warp[3])
        if y < 0:
            continue
        v = (2 * i + 1) / height - 1
        top = min(int(y), height - 2)
        dy = y - top
        for j in range(_rim(width), width - _rim(width)):
            x = _place(j, width, warp[0], warp[2])
            if x < 0:
                continue
            u = (2 * j + 1) / width - 1
            left = min(int(x), width - 2)
            dx = x - left
            a, b = moving[top, left, 0], moving[top, left + 1, 0]
            c, d = moving[top + 1, left, 0], moving[top + 1, left + 1, 0]
            upper, lower = a + (b - a) * dx, c + (d - c) * dx
            value = upper + (lower - upper) * dy
            if _is_clipped(value) != _is_clipped(target[i, j, 0]):
                continue
            along = warp[4] * ((b - a) * (1 - dy) + (d - c) * dy) * width / 2
            across = warp[4] * (lower - upper) * height / 2
            slopes[0, count], slopes[1, count] = along * u, across * v
            slopes[2, count], slopes[3, count] = along, across
            slopes[4, count], slopes[5, count] = value, 1.0
            slopes[6, count] = target[i, j, 0] - warp[4] * value - warp[5]
            count += 1
    return count


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _dot(a, b):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@njit(cache=True, nogil=True)
def _solve(normal):  # type: ignore[no-untyped-def]
    """Solve a symmetric system given by its lower half; the last column becomes the answer."""
    n = len(normal)
    for r in range(n):
        for s in range(r):
            normal[s, r] = normal[r, s]
        normal[r, r] *= 1 + _DAMPING
    for r in range(n):
        if not normal[r, r] > 1e-9:
            return False
        for s in range(n):
            if s != r:
                factor = normal[s, r] / normal[r, r]
                for t in range(r, n + 1):
                    normal[s, t] -= factor * normal[r, t]
    for r in range(n):
        normal[r, n] /= normal[r, r]
    return True


@njit(cache=True, nogil=True)
def _warp(moving, warp, out):  # type: ignore[no-untyped-def]
    """Draw the moving picture as the map says; NaN outside it and in the rim."""
    height, width, channels = moving.shape
    out[:] = np.nan
    for i in range(_rim(height), height - _rim(height)):
        y = _place(i, height, warp[1], warp[3])
        if y < 0:
            continue
        top = min(int(y), height - 2)
        dy = y - top
        for j in range(_rim(width), width - _rim(width)):
            x = _place(j, width, warp[0], warp[2])
            if x < 0:
                continue
            left = min(int(x), width - 2)
            dx = x - left
            for c in range(channels):
                upper = moving[top, left, c] * (1 - dx) + moving[top, left + 1, c] * dx
                lower = moving[top + 1, left, c] * (1 - dx) + moving[top + 1, left + 1, c] * dx
                out[i, j, c] = upper + (lower - upper) * dy


@njit(cache=True, nogil=True)
def _explained(target, fitted, warp):  # type: ignore[no-untyped-def]
    """Root of the share of the target's variance that the fitted picture explains.

    It is the correlation, but that a level which one picture clips equals all beyond it. 0 where
    too little overlaps.
    """
    height, width, channels = target.shape
    count = 0
    total = squares = left_over = 0.0
    for i in range(height):
        for j in range(width):
            if np.isnan(fitted[i, j, 0]):
                continue
            for c in range(channels):
                p, q = float(target[i, j, c]), float(fitted[i, j, c])
                wrong = p - min(max(warp[4] * q + warp[5], 0.0), 255.0)
                if (q > _WHITE and wrong > 0) or (q < _BLACK and wrong < 0):
                    wrong = 0.0
                count += 1
                total += p
                squares += p * p
                left_over += wrong * wrong
    spread = squares - total * total / max(count, 1)
    if count < _LEAST_OVERLAP * height * width * channels or warp[4] <= 0 or spread < 1e-6:
        return 0.0
    return np.sqrt(max(1 - left_over / spread, 0.0))


@njit(cache=True, nogil=True)
def _slopes_in_common(target, fitted):  # type: ignore[no-untyped-def]
    """Correlation of the differences between neighbouring pixels."""
    height, width, _ = target.shape
    aa = bb = ab = 0.0
    for i in range(height - 1):
        for j in range(width - 1):
            here = fitted[i, j, 0]
            b, d = fitted[i + 1, j, 0] - here, fitted[i, j + 1, 0] - here
            if np.isnan(b + d):
                continue
            a, c = target[i + 1, j, 0] - target[i, j, 0], target[i, j + 1, 0] - target[i, j, 0]
            aa += a * a + c * c
            bb += b * b + d * d
            ab += a * b + c * d
    return ab / np.sqrt(aa * bb) if aa * bb > 0 else 0.0
