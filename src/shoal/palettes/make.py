"""Choose a palette for an image or a folder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Unpack

from threadpoolctl import threadpool_limits

from shoal.errors import InputError, SourceError
from shoal.keywords import SourceKeywords, explicit
from shoal.palettes.choose import METHODS, MOST_COLOURS, choose_colours
from shoal.palettes.histogram import Histogram, count_colours, total
from shoal.palettes.images import Images, in_threads, working_memory
from shoal.palettes.palette import Palette, check_choice
from shoal.palettes.similarity import measure, most_frequent_first
from shoal.palettes.spaces import RGB, SPACES
from shoal.progress import Progress, default_progress
from shoal.rows.memory_budget import memory_limit
from shoal.setting_kinds import parse_memory

OPACITIES = ("kept", "clear-or-opaque")


@explicit(SourceKeywords)
def make_palette(
    source: Any,
    colors: int | str = 25,
    *,
    space: str = "oklab",
    method: str = "shoal",
    opacity: str = "kept",
    seed: int = 0,
    memory: str | int = "4GiB",
    workers: int | None = None,
    progress: Progress | None = None,
    **source_settings: Unpack[SourceKeywords],
) -> Palette:
    """Choose the palette that best represents an image, or all images of a folder.

    Distinct colours are weighted by their pixels. If there are at most as many as requested, they
    are kept exactly.

    Parameters
    ----------
    source : path, list of paths, array, PIL image or Source
        Image files as for `shoal.fit`, or one image in memory: (H, W) or (H, W, C) uint8.
    colors : int or "auto", default 25
        1 to 256. ``"auto"``: the fewest whose error is just noticeable (0.02 in Oklab, root mean
        square).
    space : {"oklab", "rgb"}
        Colour space for distances: perceptual, or that of PSNR.
    method : {"shoal", "kmeans", "median-cut", "octree"}
        ``shoal``: k-means from Wu's cuts or k-means++, whichever is better; ``kmeans``: k-means
        from k-means++ alone, the best of five.
    opacity : {"kept", "clear-or-opaque"}
        The second is for GIF files.
    workers : int, optional
        Threads; by default all cores. The result does not depend on it.
    seed, memory, progress
        As for `shoal.fit`.
    **source_settings
        How the source is read, as for `shoal.fit`.

    Returns
    -------
    Palette
        Its `write` writes the reduced images.

    Raises
    ------
    InputError
        When a value is out of range, or no image can be read.
    """
    check_choice("--space", space, tuple(SPACES))
    check_choice("--method", method, METHODS)
    check_choice("--opacity", opacity, OPACITIES)
    k = _number_of_colours(colors)
    with memory_limit(parse_memory(memory)):
        images = Images(source, opacity, dict(source_settings))
        histogram = _count_all(images, workers, progress or default_progress())
    with threadpool_limits(1, "blas"):  # several take longer for products of four columns
        chosen = choose_colours(histogram, k, SPACES[space], method, seed)
        colours, found = most_frequent_first(chosen, measure(chosen, histogram, SPACES[space]))
        psnr_of_rgb = found.psnr
        if space != "rgb" and math.isfinite(found.psnr):
            by_rgb = choose_colours(histogram, len(chosen), RGB, method, seed)
            psnr_of_rgb = measure(by_rgb, histogram, RGB).psnr
    if images.is_one:
        images.measured = found
    pixels, psnrs = found.pixels(len(colours)), (found.psnr, found.psnr_oklab, psnr_of_rgb)
    return Palette(colours, pixels, space, method, opacity, *psnrs, images)


def _count_all(images: Images, workers: int | None, progress: Progress) -> Histogram:
    """Count the colours of all images, and leave out those that cannot be read."""
    progress.stage("counting colours", len(images.rows))
    tasks = (lambda row=row: _count(images, row) for row in images.rows)
    readable, last = [], None

    def histograms() -> Iterator[Histogram]:
        nonlocal last
        for row, found in zip(images.rows, in_threads(tasks, workers, progress), strict=True):
            if isinstance(found, SourceError):
                images.skip(row, found)
                last = found
            else:
                readable.append(row)
                yield found

    histogram = total(histograms())
    progress.finish()
    if last is not None and not readable:
        raise InputError(f"{images.skipped[-1][0]}: {last}") from None
    images.rows = readable
    return histogram


def _count(images: Images, row: int) -> Histogram | SourceError:
    try:
        pixels = images.read(row)[0]
        with working_memory(pixels):
            return count_colours(pixels)
    except SourceError as error:
        return error


def _number_of_colours(colors: int | str) -> int | None:
    if str(colors) == "auto":
        return None
    try:
        k = int(str(colors))
    except ValueError:
        k = 0
    if not 1 <= k <= MOST_COLOURS:
        raise InputError(f"--colors must be 1 to {MOST_COLOURS}, or auto; got {colors}")
    return k
