"""25 colours for photos of 1365 × 2048: beside Pillow's median cut and k-means on all pixels.

Constants of `shoal.palettes` were settled on scikit-learn's two photos (*chosen*). Photos of
Imagenette, which had no part in it, are judged beside them where they are given (*judged*): those
of the largest files. All are enlarged, as none of them is so large.
"""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.base import Inputs, Measurement, Must, Row, at_least, at_most
from benchmarks.measure import processor_seconds

PART = "palette"
_SIZE = (2048, 1365)
_COLOURS = 25
_JUDGED = 6
_SECONDS, _ABOVE, _WITHIN = 2.0, 1.0, 0.1


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Reduce each photo."""
    few, out = inputs.scratch / "few.png", inputs.scratch / "out.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(few)
    processor_seconds(_command(few, out))  # compiles
    for name, photo in photos(inputs.photos):
        path = inputs.scratch / "photo.png"
        large = photo.convert("RGB").resize(_SIZE, Image.Resampling.LANCZOS)
        large.save(path)
        seconds, peak = processor_seconds(_command(path, out))
        pixels = np.asarray(large)
        cut = large.quantize(_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        facts = {
            "psnr": psnr(pixels, out),
            "median_cut": psnr(pixels, cut),
            "k_means": full_k_means(pixels),
        }
        shown = {key: round(value, 3) for key, value in facts.items()}
        case = f"palette, {name}"
        yield Measurement(case, pixels.shape[0] * pixels.shape[1], seconds, peak, None, shown)


def _command(path: Path, out: Path) -> list[str]:
    words = [sys.executable, "-m", "shoal", "palette", path, "--colors", _COLOURS, "-o", out]
    return [str(word) for word in (*words, "--space", "rgb", "--force")]


def photos(archive: Path | None) -> Iterator[tuple[str, Image.Image]]:
    """Return photos with what they are: chosen or judged."""
    from sklearn.datasets import load_sample_images

    bundle = load_sample_images()
    for path, pixels in zip(bundle.filenames, bundle.images, strict=True):
        yield f"chosen: {Path(path).stem}", Image.fromarray(pixels)
    if archive is None:
        return
    with tarfile.open(archive) as tar:
        files = sorted((m for m in tar if m.isfile()), key=lambda m: (-m.size, m.name))
        for member in files[:_JUDGED]:
            opened = tar.extractfile(member)
            assert opened is not None
            yield f"judged: {Path(member.name).stem}", Image.open(io.BytesIO(opened.read()))


def psnr(pixels: NDArray[np.uint8], other: Path | Image.Image | NDArray) -> float:
    """Return the peak signal-to-noise ratio of a picture, in dB."""
    if isinstance(other, Path):
        other = Image.open(other)
    if isinstance(other, Image.Image):
        other = np.asarray(other.convert("RGB"))
    return float(10 * np.log10(255**2 / ((pixels.astype(float) - other) ** 2).mean()))


def full_k_means(pixels: NDArray[np.uint8]) -> float:
    """Return the PSNR of scikit-learn's k-means on all pixels: each colour by how often it is."""
    from sklearn.cluster import KMeans

    colours, weights = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    model = KMeans(_COLOURS, n_init=3, random_state=0)
    model.fit(colours.astype(float), sample_weight=weights)
    apart = colours - model.cluster_centers_.round()[model.labels_]
    error = weights @ (apart**2).sum(axis=1) / pixels.size
    return float(10 * np.log10(255**2 / error))


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge time and PSNR, of the photos that constants were chosen on and of others."""
    found = []
    for part in ("chosen", "judged"):
        mine = [row for row in rows if row["case"].startswith(f"palette, {part}")]
        seconds = max((row["seconds"] for row in mine), default=0.0)
        if not mine:
            continue
        facts, what = [row["quality"] for row in mine], f"palettes of {len(mine)} {part} photos"
        above = min(one["psnr"] - one["median_cut"] for one in facts)
        below = max(one["k_means"] - one["psnr"] for one in facts)
        found += [
            at_most(f"{what}, processor seconds, the most", seconds, _SECONDS),
            at_least(f"{what}, dB above median cut, the least", above, _ABOVE),
            at_most(f"{what}, dB below full k-means, the most", below, _WITHIN),
        ]
    return found
