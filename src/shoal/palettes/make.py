"""Choose a palette for an image or a folder, apply it, write it and measure its error."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from shoal.core.record_lists import RecordList, Tabular
from shoal.errors import InputError, SourceError
from shoal.keywords import SourceKeywords, explicit
from shoal.palettes.bands import undithered
from shoal.palettes.choose import METHODS, MOST_COLOURS, choose_colours
from shoal.palettes.histogram import Histogram, count_colours, total
from shoal.palettes.images import Images
from shoal.palettes.indexed import bits_for, indexed_bytes
from shoal.palettes.means import nearest
from shoal.palettes.pictures import WORKING_BYTES, rgba, tidy
from shoal.palettes.similarity import OKLAB, RGB, luma, psnr, squared_distance, ssim
from shoal.palettes.spaces import SPACES, Space
from shoal.palettes.swatches import check_swatches, swatches_bytes
from shoal.progress import Progress, default_progress
from shoal.rows.images.formats import decoding
from shoal.rows.memory_budget import PIXELS, promised
from shoal.setting_kinds import parse_memory
from shoal.settings import available_cores
from shoal.storage import write_bytes

DITHERS = ("none", "ordered", "floyd-steinberg")
OPACITIES = ("kept", "clear-or-opaque")


@dataclass(frozen=True)
class Palette(Tabular):
    """Colours chosen for the pixels of one image, or of many.

    Attributes
    ----------
    colours : uint8 array, shape (K, 4)
        Red, green, blue, opacity; the colour of most pixels first.
    pixels : int64 array, shape (K,)
        Number of pixels nearest to each.
    space, method, opacity : str
        Arguments of `make_palette`.
    psnr, psnr_oklab : float
        In decibels, without dithering, over all images: of the sRGB channels, and of the distance
        in Oklab (peak 1). Infinite if every colour was kept.
    psnr_of_rgb : float
        PSNR of a palette chosen in RGB by the same method.
    skipped : tuple of (str, str)
        Images that could not be read, with the reason.
    """

    colours: NDArray[np.uint8]
    pixels: NDArray[np.int64]
    space: str
    method: str
    opacity: str
    psnr: float
    psnr_oklab: float
    psnr_of_rgb: float
    images: Images = field(repr=False)

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """Images that could not be read, with the reason."""
        return tuple(self.images.skipped)

    @property
    def hex(self) -> list[str]:
        """The colours as ``#rrggbb``, or ``#rrggbbaa`` if they are transparent."""
        return [
            f"#{bytes(colour[: 3 if colour[3] == 255 else 4]).hex()}" for colour in self.colours
        ]

    def records(self) -> list[dict[str, Any]]:
        """Return each colour: hex, channels, pixels, share of all pixels."""
        whole = int(self.pixels.sum())
        names = ("red", "green", "blue", "opacity")
        return [
            {
                "hex": written,
                **dict(zip(names, map(int, colour), strict=True)),
                "pixels": int(count),
                "share": int(count) / whole,
            }
            for written, colour, count in zip(self.hex, self.colours, self.pixels, strict=True)
        ]

    def write_swatches(self, path: Path | str) -> None:
        """Write the colours as an image (.png), .csv, .json or GIMP palette (.gpl)."""
        path = Path(path)
        check_swatches(path)
        write_bytes(path, swatches_bytes(self.records(), path))

    def apply(self, pixels: NDArray[np.uint8], dither: str = "none") -> NDArray[np.uint8]:
        """Return the palette index of each pixel of an image.

        Parameters
        ----------
        pixels : uint8 array, shape (H, W) or (H, W, C)
            Grey, grey and opacity, RGB, or RGBA.
        dither : {"none", "ordered", "floyd-steinberg"}

        Returns
        -------
        uint8 array, shape (H, W)
        """
        _check("--dither", dither, DITHERS)
        return _indexed(self, tidy(rgba(pixels), self.opacity == "kept"), dither)[0]

    def write(
        self,
        out: Path | str,
        *,
        dither: str = "none",
        extension: str = ".png",
        force: bool = False,
        workers: int | None = None,
        memory: str | int = "4GiB",
        progress: Progress | None = None,
    ) -> RecordList:
        """Write the images of the palette, reduced to its colours.

        Parameters
        ----------
        out : path
            For one image, a .png or .gif file. For several, a folder, with the names and subfolders
            of the images.
        dither : {"none", "ordered", "floyd-steinberg"}
        extension : {".png", ".gif"}
            Format of the files in a folder.
        force : bool, default False
            Overwrite existing files.
        workers, memory, progress
            As for `make_palette`.

        Returns
        -------
        list of dict, shown as a table
            For each image: name, file, width, height, bits, bytes_before, bytes_after, psnr,
            psnr_oklab, ssim (of luma).

        Raises
        ------
        InputError
            For an unknown ending or dither, an existing file, or a GIF of semi-transparent colours.
        """
        _check("--dither", dither, DITHERS)
        files = self.images.files(Path(out), extension)
        existing = next((file for file in files if file.exists()), None)
        if existing is not None and not force:
            raise InputError(f"{existing} exists already: give another name, or --force")
        progress = progress or default_progress()
        progress.stage("writing", len(files))
        with promised(parse_memory(memory)), threadpool_limits(1, "blas"):
            tasks = (
                lambda at=at, file=file: _written(self, at, file, dither)
                for at, file in zip(self.images.rows, files, strict=True)
            )
            found = RecordList(_in_threads(tasks, workers, progress))
        progress.finish()
        return found


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
    seed : int, default 0
    memory : str or int, default "4GiB"
        Memory limit.
    workers : int, optional
        Threads; by default all cores. The result does not depend on it.
    progress : Progress, optional
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
    _check("--space", space, tuple(SPACES))
    _check("--method", method, METHODS)
    _check("--opacity", opacity, OPACITIES)
    k = _number_of_colours(colors)
    progress = progress or default_progress()
    with promised(parse_memory(memory)):
        images = Images(source, opacity, dict(source_settings))
        histogram = _counted(images, workers, progress)
    with threadpool_limits(1, "blas"):  # several take longer for products of four columns
        chosen = choose_colours(histogram, k, SPACES[space], method, seed)
        found = _measured(chosen, histogram, SPACES[space])
        plain = found
        if space != "rgb" and math.isfinite(found[2]):
            by_rgb = choose_colours(histogram, len(chosen), RGB, method, seed)
            plain = _measured(by_rgb, histogram, RGB)
    if images.is_one:
        images.known = histogram, found[4], found[2:4]
    return Palette(*found[:2], space, method, opacity, *found[2:4], plain[2], images)


def _measured(
    palette: NDArray[np.uint8], histogram: Histogram, space: Space
) -> tuple[NDArray[np.uint8], NDArray[np.int64], float, float, NDArray[np.int64]]:
    """Return a palette with the most frequent colour first, pixel counts, PSNRs and indexes."""
    colours = histogram.colours
    own = nearest(space.points(colours), space.points(palette))
    pixels = np.bincount(own, histogram.counts, len(palette)).astype(np.int64)
    order = np.argsort(-pixels, kind="stable")
    psnrs = _psnrs(histogram, palette, own)
    return palette[order], pixels[order], *psnrs, np.argsort(order)[own]


def _psnrs(
    histogram: Histogram, palette: NDArray[np.uint8], own: NDArray[np.int64]
) -> tuple[float, float]:
    """Return the PSNR in sRGB and in Oklab of colours replaced by their palette colours."""
    found, counts = [], histogram.counts
    for space in (RGB, OKLAB):
        apart = space.points(histogram.colours) - space.points(palette)[own]
        squared = float(counts @ (apart.astype(np.float64) ** 2).sum(axis=1))
        found.append(psnr(space, squared, int(counts.sum())))
    return found[0], found[1]


def _counted(images: Images, workers: int | None, progress: Progress) -> Histogram:
    progress.stage("counting colours", len(images.rows))
    tasks = (lambda row=row: _count(images, row) for row in images.rows)
    kept, last = [], None

    def counted() -> Iterator[Histogram]:
        nonlocal last
        for row, found in zip(images.rows, _in_threads(tasks, workers, progress), strict=True):
            if isinstance(found, SourceError):
                images.skip(row, found)
                last = found
            else:
                kept.append(row)
                yield found

    histogram = total(counted())
    progress.finish()
    if last is not None and not kept:
        raise InputError(f"{images.skipped[-1][0]}: {last}") from None
    images.rows = kept
    return histogram


def _count(images: Images, row: int) -> Histogram | SourceError:
    try:
        pixels = images.read(row)[0]
        with _working(pixels):
            return count_colours(pixels)
    except SourceError as error:
        return error


def _working(pixels: NDArray[np.uint8]) -> Any:
    height, width = pixels.shape[:2]
    return PIXELS.take(WORKING_BYTES * height * width, decoding(height, width))


def _in_threads(tasks: Iterator[Any], workers: int | None, progress: Progress) -> Iterator[Any]:
    """Run tasks in threads, and yield results in order, with a bounded queue."""
    threads = workers or available_cores()
    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(task) for task in islice(tasks, 2 * threads)]
        while waiting:
            yield waiting.pop(0).result()
            progress.advance(1)
            waiting += [pool.submit(task) for task in islice(tasks, 1)]


def _written(palette: Palette, row: int, file: Path, dither: str) -> dict[str, Any]:
    pixels, before = palette.images.read(row)
    with _working(pixels):
        index, psnrs = _indexed(palette, pixels, dither, palette.images.known)
        data = indexed_bytes(index, palette.colours, file.suffix.lower())
        write_bytes(file, data)
        same = psnrs is not None and math.isinf(psnrs[0])
        if psnrs is None:
            squared = (squared_distance(pixels, index, palette.colours, s) for s in (RGB, OKLAB))
            parts = zip((RGB, OKLAB), squared, strict=True)
            psnrs = tuple(psnr(space, error, index.size) for space, error in parts)
        structure = 1.0 if same else ssim(luma(pixels), luma(palette.colours[None])[0][index])
    return {
        "name": palette.images.name(row),
        "file": str(file),
        "width": index.shape[1],
        "height": index.shape[0],
        "bits": bits_for(len(palette.colours)),
        "bytes_before": before,
        "bytes_after": len(data),
        "psnr": psnrs[0],
        "psnr_oklab": psnrs[1],
        "ssim": structure,
    }


def _indexed(
    palette: Palette,
    pixels: NDArray[np.uint8],
    dither: str,
    known: tuple[Histogram, NDArray[np.int64], tuple[float, float]] | None = None,
) -> tuple[NDArray[np.uint8], tuple[float, ...] | None]:
    """Return the palette index of each pixel and, without dithering, both PSNRs."""
    space = SPACES[palette.space]
    if dither != "none":
        from shoal.palettes.dither import dithered  # compiled, and slow to load

        return dithered(pixels, palette.colours, space, dither), None
    if known is not None:
        return undithered(pixels, known[0].keys, known[1]), known[2]
    histogram = count_colours(pixels)
    own = nearest(space.points(histogram.colours), space.points(palette.colours))
    found = _psnrs(histogram, palette.colours, own)
    return undithered(pixels, histogram.keys, own), found


def _number_of_colours(colors: int | str) -> int | None:
    """Return the requested number of colours, None for ``auto``."""
    if str(colors) == "auto":
        return None
    try:
        k = int(str(colors))
    except ValueError:
        k = 0
    if not 1 <= k <= MOST_COLOURS:
        raise InputError(f"--colors must be 1 to {MOST_COLOURS}, or auto; got {colors}")
    return k


def _check(option: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InputError(f"{option} must be one of {', '.join(choices)}; got {value}")
