"""A palette: its colours, and images written in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from shoal.core.record_lists import RecordList, Tabular
from shoal.errors import InputError
from shoal.palettes.histogram import count_colours
from shoal.palettes.images import Images, in_threads, working_memory
from shoal.palettes.indexed import bits_for, index_pixels, indexed_bytes
from shoal.palettes.pictures import normalise_opacity, to_rgba
from shoal.palettes.similarity import Measured, luma, measure, psnr, squared_distance, ssim
from shoal.palettes.spaces import OKLAB, RGB, SPACES
from shoal.palettes.swatches import check_swatches, swatches_bytes
from shoal.progress import Progress, default_progress
from shoal.rows.memory_budget import memory_limit
from shoal.setting_kinds import parse_memory
from shoal.storage import write_bytes

DITHERS = ("none", "ordered", "floyd-steinberg")


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
        total = int(self.pixels.sum())
        names = ("red", "green", "blue", "opacity")
        return [
            {
                "hex": written,
                **dict(zip(names, map(int, colour), strict=True)),
                "pixels": int(count),
                "share": int(count) / total,
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
        check_choice("--dither", dither, DITHERS)
        rgba = normalise_opacity(to_rgba(pixels), self.opacity == "kept")
        return _dithered(self, rgba, dither) if dither != "none" else _nearest(self, rgba)[0]

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
        check_choice("--dither", dither, DITHERS)
        files = self.images.files(Path(out), extension)
        existing = next((file for file in files if file.exists()), None)
        if existing is not None and not force:
            raise InputError(f"{existing} exists already: give another name, or --force")
        progress = progress or default_progress()
        progress.stage("writing", len(files))
        with memory_limit(parse_memory(memory)), threadpool_limits(1, "blas"):
            tasks = (
                lambda row=row, file=file: _write_image(self, row, file, dither)
                for row, file in zip(self.images.rows, files, strict=True)
            )
            found = RecordList(in_threads(tasks, workers, progress))
        progress.finish()
        return found


def check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InputError(f"{option} must be one of {', '.join(choices)}; got {value}")


def _write_image(palette: Palette, row: int, file: Path, dither: str) -> dict[str, Any]:
    """Write one image in the colours of a palette, and return its sizes and errors."""
    pixels, size = palette.images.read(row)
    with working_memory(pixels):
        if dither == "none":
            index, measured = _nearest(palette, pixels, palette.images.measured)
            psnrs = [measured.psnr, measured.psnr_oklab]
        else:
            index = _dithered(palette, pixels, dither)
            psnrs = [
                psnr(space, squared_distance(pixels, index, palette.colours, space), index.size)
                for space in (RGB, OKLAB)
            ]
        data = indexed_bytes(index, palette.colours, file.suffix.lower())
        write_bytes(file, data)
        lossless = dither == "none" and math.isinf(psnrs[0])
        similarity = 1.0 if lossless else ssim(luma(pixels), luma(palette.colours[None])[0][index])
    return {
        "name": palette.images.name(row),
        "file": str(file),
        "width": index.shape[1],
        "height": index.shape[0],
        "bits": bits_for(len(palette.colours)),
        "bytes_before": size,
        "bytes_after": len(data),
        "psnr": psnrs[0],
        "psnr_oklab": psnrs[1],
        "ssim": similarity,
    }


def _dithered(palette: Palette, pixels: NDArray[np.uint8], dither: str) -> NDArray[np.uint8]:
    from shoal.palettes.dither import dithered  # compiled, and slow to load

    return dithered(pixels, palette.colours, SPACES[palette.space], dither)


def _nearest(
    palette: Palette, pixels: NDArray[np.uint8], measured: Measured | None = None
) -> tuple[NDArray[np.uint8], Measured]:
    """Return the nearest colour of each pixel, and its errors unless they are known."""
    if measured is None:
        measured = measure(palette.colours, count_colours(pixels), SPACES[palette.space])
    return index_pixels(pixels, measured.histogram.keys, measured.index), measured
