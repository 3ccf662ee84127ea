"""A survey of some images of a collection, to choose how all of them are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shoal.core.image_request import ImageRequest
from shoal.errors import SourceError
from shoal.rows.arrays.pixels import (
    BLACK,
    LARGEST_NATIVE,
    WHITE,
    choose_background,
    is_opacity,
    show,
    to_bytes,
    value_range,
)
from shoal.rows.images.camera import is_raw
from shoal.rows.images.decode import (
    decode,
    measure,
    needed_bytes,
    reasons_for_errors,
    tiff_picture,
)
from shoal.rows.images.encoded import EncodedSource, EncodedStore, checked
from shoal.rows.images.formats import (
    JPEG,
    check_pixels,
    extension_of,
    open_picture,
    room_for_pixels,
)
from shoal.rows.images.raster import USUAL, Reading, extremes, picture_extremes
from shoal.rows.images.tiff import is_tiff
from shoal.rows.images.tiff_pages import check_samples, read_samples, samples_size

# Images sampled first, images sampled in all, and about how many bytes of them.
_FIRST, _MOST, _MOST_BYTES = 32, 500, 1 << 28
_NEARLY_ALL = 0.95
_GREY_TOLERANCE = 3
_AT_A_TIME = 16
_SIDE = 64  # pixels that suffice to judge opacity
# Images of other kinds than 8-bit grey or colour whose stored numbers are examined.
_MOST_EXAMINED = 64
_FULL_16_BITS = (0.0, 65535.0)


@dataclass
class _Survey:
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    extensions: Counter[str] = field(default_factory=Counter)
    colour: bool = False
    sampled: int = 0
    n_bytes: int = 0
    first_reason: str = ""
    traits: list[ImageTraits] = field(default_factory=list)

    def add_rows(self, store: EncodedStore, rows: list[int]) -> None:
        """Survey rows: sizes from their headers, and pixels until one image has colours."""
        for row, blob in _read_rows(store, rows):
            self.sampled += 1
            try:
                self._add(checked(blob))
            except SourceError as error:
                if not self.first_reason:
                    names = store.names(row, row + 1)
                    name = names[0] if names and names[0] else f"row {row}"
                    self.first_reason = f"{name}: {error}"
            del blob  # before the next one is read

    def _add(self, data: bytes) -> None:
        self.n_bytes += len(data)
        size = measure(data)
        deep = sum(one.ends is not None or one.opacity is not None for one in self.traits)
        found = examine(data, deep < _MOST_EXAMINED)
        if not self.colour:
            self.colour = not is_grey(decode(data, ImageRequest(max_side=LARGEST_NATIVE)))
        if found is not None:
            self.traits.append(found)
        self.sizes[size] += 1
        self.extensions[extension_of(data)] += 1

    def choose(self) -> tuple[Reading, int]:
        opaque = [one.opacity for one in self.traits if one.opacity is not None and one.is_tiff]
        notes = [pixels[..., -1].ravel() for pixels in opaque]
        bands = bool(notes) and not is_opacity(np.concatenate(notes))
        channels = Counter(one.channels for one in self.traits if one.channels)
        for one in self.traits if bands else ():
            if one.is_tiff and one.opacity is not None:
                channels[one.channels] -= one.channels > 0
                channels[one.opacity.shape[2]] += 1
        plain = 3 if self.colour else 1
        channels[plain] += self.sizes.total() - channels.total()
        most = channels.most_common(1)[0][0]
        low, high = self._levels()
        ground = choose_background(
            one.opacity
            for one in self.traits
            if one.opacity is not None and not (bands and one.is_tiff)
        )
        return Reading(most, low, high, ground, bands), plain if most in (1, 3) else most

    def _levels(self) -> tuple[float | None, float | None]:
        ends = [one.ends for one in self.traits if one.ends is not None and one.ends.size]
        if not ends or len({end.dtype for end in ends}) > 1:
            return None, None
        return value_range(np.concatenate(ends))

    def remarks(self, reading: Reading) -> tuple[str, ...]:
        remarks = []
        moving = sum(one.moves for one in self.traits)
        if moving:
            some = f"{moving:,} of " if moving < self.sizes.total() else ""
            remarks.append(
                f"{some}the {self.sizes.total():,} sampled images are animated (GIF, WebP, "
                "PNG): the first frame of each is used; to have all as rows, save them as files."
            )
        if reading.low is not None and (reading.low, reading.high) != _FULL_16_BITS:
            remarks.append(
                f"Of images of more than 8 bits, {reading.low:g} is read as black and "
                f"{reading.high:g} as white, as the sampled ones need."
            )
        if reading.bands:
            remarks.append(
                "What TIFF files here declare as opacity does not look like it, and is read as a "
                "channel."
            )
        if reading.ground != WHITE:
            name = "black" if reading.ground == BLACK else "grey"
            remarks.append(
                f"Transparent images have a {name} background, as some would vanish on white."
            )
        return tuple(remarks)


def make_encoded_source(
    store: EncodedStore, label: str, image_size: tuple[int, int] | None = None
) -> EncodedSource:
    """Sample some of the images to choose one shape for all.

    That is their own size, if nearly all have one of at most 64 pixels a side; else `image_size`
    or 64×64. Grey if all sampled images are grey; other channels if most have them.
    """
    survey, first = _Survey(), store.some(_FIRST).tolist()
    survey.add_rows(store, first)
    count = min(_MOST, _MOST_BYTES * _FIRST // max(survey.n_bytes, 1))
    if min(count, store.n_rows) > _FIRST:
        # not by setdiff1d, which imports numpy.ma: 30 ms
        survey.add_rows(store, sorted(set(store.some(count).tolist()).difference(first)))
    sizes = survey.sizes
    if not sizes:
        raise SourceError(
            f"none of the {min(survey.sampled, store.n_rows):,} sampled images in {label} can be "
            f"read (the first is {survey.first_reason})"
        )
    (common, often), several = sizes.most_common(1)[0], len(sizes) > 1
    small = max(common) <= LARGEST_NATIVE and often >= _NEARLY_ALL * sizes.total()
    size = image_size or (common if small else (LARGEST_NATIVE, LARGEST_NATIVE))
    size_text = show(common) if small or not several else "mixed sizes"
    scaled = size != common or not (small or not several)
    reading, channels = survey.choose()
    heights, widths = zip(*sizes.elements(), strict=True)
    return EncodedSource(
        store,
        (*size, channels),
        scaled,
        size_text,
        label,
        typical_size=(int(np.median(heights)), int(np.median(widths))),
        extension=survey.extensions.most_common(1)[0][0],
        reading=reading,
        remarks=survey.remarks(reading),
    )


def _read_rows(store: EncodedStore, rows: list[int]) -> Iterator[tuple[int, bytes | SourceError]]:
    ends = [at for at in range(1, len(rows)) if rows[at] != rows[at - 1] + 1]
    spans = [rows[a:b] for a, b in pairwise([0, *ends, len(rows)])] if rows else []
    if store.is_remote:  # each span is a request: many at a time

        def fetch(span: list[int]) -> list[bytes | SourceError]:
            return list(store.blobs(span[0], span[-1] + 1))

        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            for span, blobs in zip(spans, pool.map(fetch, spans), strict=True):
                yield from zip(span, blobs, strict=True)
        return
    for span in spans:
        found = iter(store.blobs(span[0], span[-1] + 1))
        for row in span:  # zip would keep a file while the next one is read
            yield row, next(found)


def is_grey(image: NDArray[np.uint8]) -> bool:
    if image.shape[-1] != 3:
        return True
    wide = image.astype(np.int16)
    return bool((wide.max(axis=-1) - wide.min(axis=-1)).max() <= _GREY_TOLERANCE)


@dataclass(frozen=True)
class ImageTraits:
    channels: int = 0  # without opacity; 0 for grey or colour
    # smallest and largest value, if of more than 8 bits; None if not examined
    ends: NDArray[Any] | None = None
    # (H, W, S): some of its pixels, opacity last; None without opacity, or if not
    # examined
    opacity: NDArray[np.uint8] | None = None
    is_tiff: bool = False  # in TIFF files opacity may be declared wrongly
    moves: bool = False  # whether there are more frames than the first


def examine(data: bytes, deep: bool) -> ImageTraits | None:
    """Examine an image file; None if it is plain grey or colour of 8 bits."""
    if data[:3] == JPEG:
        return None
    with reasons_for_errors():
        if is_raw(data):
            return None
        return _examine_tiff(data, deep) if is_tiff(data) else _examine_pillow(data, deep)


def _examine_tiff(data: bytes, deep: bool) -> ImageTraits | None:
    pages = tiff_picture(data)
    layout = pages[0].layout
    is_usual = len(pages) == 1 and layout.is_usual
    if is_usual and layout.opacity is None and layout.bits <= 8:
        return None
    if is_usual and (layout.opacity is None or layout.bits > 8 or not layout.has_byte_codec):
        return _examine_pillow(data, deep)
    opacity = layout.opacity if len(pages) == 1 else None
    channels = sum(page.layout.samples for page in pages) - (opacity is not None)
    found = ImageTraits(channels if channels not in (1, 3) else 0, is_tiff=True)
    if not deep:
        return found
    check_pixels(layout.height, layout.width)
    check_samples(pages)
    with room_for_pixels(layout.height, layout.width, samples_size(pages)):
        samples = read_samples(pages)
        ends = None if samples.dtype == np.uint8 else extremes(samples)
        step = max(1, max(samples.shape[:2]) // _SIDE)
        small = np.ascontiguousarray(samples[::step, ::step])
    if opacity is None:
        return ImageTraits(found.channels, ends, None, True)
    low, high = USUAL.levels(extremes(small), max(layout.bits, 8))
    order = [at for at in range(small.shape[2]) if at != opacity]
    return ImageTraits(
        found.channels, ends, to_bytes(small, low, high)[..., [*order, opacity]], True
    )


def _examine_pillow(data: bytes, deep: bool) -> ImageTraits | None:
    with open_picture(data) as picture:
        moves = bool(getattr(picture, "is_animated", False)) and picture.format != "TIFF"
        is_wide = picture.mode.startswith("I") or picture.mode == "F"
        is_clear = picture.mode in ("LA", "La", "PA", "RGBA", "RGBa")
        is_clear |= "transparency" in picture.info
        if not deep or not (is_wide or is_clear):
            return ImageTraits(moves=moves) if moves else None
        needed = needed_bytes(picture, 1, data)
        with room_for_pixels(picture.height, picture.width, needed):
            picture.load()
            if is_wide:
                return ImageTraits(ends=picture_extremes(picture), moves=moves)
            step = max(1, max(picture.size) // _SIDE)
            size = max(1, picture.width // step), max(1, picture.height // step)
            small = picture.resize(size, Image.Resampling.NEAREST).convert("RGBA")
        return ImageTraits(opacity=np.asarray(small), is_tiff=is_tiff(data), moves=moves)
