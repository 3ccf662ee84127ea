"""The images that a palette is computed from."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError, SourceError
from shoal.palettes.indexed import FORMATS
from shoal.palettes.pictures import WORKING_BYTES, normalise_opacity, read_rgba, to_rgba
from shoal.palettes.similarity import Measured
from shoal.progress import Progress
from shoal.rows import Source, open_source
from shoal.rows.images.encoded import EncodedSource
from shoal.rows.images.formats import decoding
from shoal.rows.memory_budget import PIXELS
from shoal.rows.pictures import pictures_of
from shoal.settings import available_cores


class Images:
    """The images of a palette: files in any source, or one image in memory."""

    def __init__(self, source: Any, opacity: str, settings: dict[str, Any]) -> None:
        self.keep_opacity = opacity == "kept"
        self.skipped: list[tuple[str, str]] = []
        self.single: tuple[NDArray[np.uint8], int] | None = None
        self.source: EncodedSource | None = None
        # Of one image: its palette colours, computed with the palette and used again to write it
        self.measured: Measured | None = None
        if _is_image(source):
            pixels = normalise_opacity(_in_memory(source), self.keep_opacity)
            self.single = pixels, pixels.nbytes
            self.rows, self.is_one = [0], True
            return
        opened = source if isinstance(source, Source) else open_source(source, **settings)
        pictures = pictures_of(opened)
        files = pictures.as_files()
        if files is None:
            raise InputError(
                f"{pictures.description}: a palette needs image files, or one image in memory"
            )
        self.source, self.rows = files, list(range(files.n_rows))
        self.is_one = files.n_rows == 1 and not (
            isinstance(source, str | Path) and Path(source).is_dir()
        )

    def name(self, row: int) -> str:
        names = self.source.names(row, row + 1) if self.source else None
        return names[0] if names else f"image-{row}"

    def _file_name(self, row: int) -> PurePosixPath:
        """Return a relative file name for an image, also for pages and rows."""
        assert self.source is not None
        name = self.name(row)
        return PurePosixPath(name).parent / self.source.file_name(row, name)

    def read(self, row: int) -> tuple[NDArray[np.uint8], int]:
        """Return an image (H, W, 4) and the size of its file; a single image is cached."""
        if self.single is not None:
            return self.single
        assert self.source is not None
        data = self.source.encoded(row)
        found = read_rgba(data, self.keep_opacity), len(data)
        if self.is_one:
            self.single = found
        return found

    def skip(self, row: int, error: SourceError) -> None:
        self.skipped.append((self.name(row), str(error)))

    def files(self, out: Path, extension: str) -> list[Path]:
        if self.is_one:
            if out.suffix.lower() not in FORMATS:
                raise InputError(f"-o {out}: give a name that ends in .png or .gif")
            return [out]
        if out.suffix.lower() in FORMATS or out.is_file():
            raise InputError(f"-o {out}: there are several images, so give a folder")
        names = [self._file_name(row) for row in self.rows]
        stems = [name.with_suffix("") for name in names]
        taken: set[PurePosixPath] = set()
        for at, (name, stem) in enumerate(zip(names, stems, strict=True)):
            if stem in taken:  # a.jpg and a.png: the second keeps its extension in its name
                stems[at] = stem = name
            if stem in taken or ".." in stem.parts:
                raise InputError(f"{name}: this cannot be a file name in {out}; rename it")
            taken.add(stem)
        return [out / stem.parent / f"{stem.name}{extension}" for stem in stems]


def in_threads(tasks: Iterator[Any], workers: int | None, progress: Progress) -> Iterator[Any]:
    """Run tasks in threads, and yield results in order, with a bounded queue."""
    threads = workers or available_cores()
    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(task) for task in islice(tasks, 2 * threads)]
        while waiting:
            yield waiting.pop(0).result()
            progress.advance(1)
            waiting += [pool.submit(task) for task in islice(tasks, 1)]


def working_memory(pixels: NDArray[np.uint8]) -> Any:
    """Reserve the memory for counting, indexing and comparing an image."""
    height, width = pixels.shape[:2]
    return PIXELS.take(WORKING_BYTES * height * width, decoding(height, width))


def _is_image(source: Any) -> bool:
    """Return whether a value is a single image: an array of 2 or 3 dimensions, or a PIL image."""
    from PIL import Image

    return isinstance(source, Image.Image) or (
        isinstance(source, np.ndarray) and source.ndim in (2, 3)
    )


def _in_memory(source: Any) -> NDArray[np.uint8]:
    if not isinstance(source, np.ndarray):
        return np.array(source.convert("RGBA"))
    wide = source.ndim == 3 and source.shape[2] not in (1, 2, 3, 4)
    if source.dtype != np.uint8 or wide or not source.size:
        raise InputError(
            f"an image of shape {source.shape} and {source.dtype}: give uint8 (H, W) or (H, W, C), "
            "C from 1 to 4"
        )
    return to_rgba(source)
