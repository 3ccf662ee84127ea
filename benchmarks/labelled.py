"""Labelled sets of many kinds, split into those that a rule was chosen on and those judged on.

The split was written down before anything was tuned. Each half has one or more of every kind:
handwriting, garments, photos, tiny photos, turning objects, faces, letters, glyphs in tens, sounds,
textures, tables, and drawn points.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import data
from benchmarks.base import Inputs
from benchmarks.made import glyphs, solids, spoken, textures
from benchmarks.shapes import spread

Vectors = tuple[NDArray[np.float32], NDArray[np.int64]]


@dataclass(frozen=True)
class LabelledSet:
    """A set of vectors with the truth.

    Attributes
    ----------
    name
    half
        ``chosen`` (rules were chosen on it) or ``judged``.
    draw
        Vectors, float32 (n, d), as Shoal clusters them, and the true group of each row.
    needs
        The input without which it cannot be made.
    """

    name: str
    half: str
    draw: Callable[[Inputs], Vectors]
    needs: str | None = None

    def available(self, inputs: Inputs) -> bool:
        """Return whether all that it is made of is there."""
        if self.needs == "espeak":
            return spoken.available()
        if self.needs == "fonts":
            return glyphs.FONTS.exists() and len(glyphs.text_fonts()) >= 20
        if self.needs == "emoji":
            return glyphs.EMOJI.exists() and inputs.photos is not None
        return self.needs is None or getattr(inputs, self.needs) is not None


def gradients(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Encode small images as ``--features auto`` would."""
    from shoal.features import Gradients, Moments, fit_projection

    images = images if images.ndim == 4 else images[..., None]
    encoder = Gradients(images.shape[1:])
    encoder.setup()
    rows = np.concatenate(
        [
            encoder.encode(np.ascontiguousarray(images[a : a + 5000]))
            for a in range(0, len(images), 5000)
        ]
    )
    return fit_projection(Moments.of(rows), whiten=encoder.whiten).apply(rows)


def photos(images: list[Image.Image]) -> NDArray[np.float32]:
    """Encode photos by the photo network, each enlarged or shrunk to what that takes."""
    from shoal.features import Moments, Photo, fit_projection

    encoder = Photo()
    encoder.setup()
    rows = []
    for a in range(0, len(images), 64):
        batch = [image.resize((224, 224), Image.Resampling.BICUBIC) for image in images[a : a + 64]]
        rows.append(encoder.encode(np.stack([np.asarray(one) for one in batch])))
    full = np.concatenate(rows)
    moments = Moments.of(full)
    return fit_projection(moments, encoder.needs.components, whiten=encoder.whiten).apply(full)


@cache
def imagenette(path: Path) -> tuple[list[Image.Image], NDArray[np.int64]]:
    """Read the photos, the middle square of each at 224 × 224, and the number of their folder."""
    images, names = [], []
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile() and member.name.lower().endswith((".jpeg", ".jpg", ".png")):
                file = tar.extractfile(member)
                assert file is not None
                image = Image.open(io.BytesIO(file.read())).convert("RGB")
                side = min(image.size)
                left, top = (image.width - side) // 2, (image.height - side) // 2
                box = (left, top, left + side, top + side)
                images.append(image.resize((224, 224), Image.Resampling.BICUBIC, box=box))
                names.append(Path(member.name).parent.name)
    return images, np.unique(names, return_inverse=True)[1]


def _digits(inputs: Inputs) -> Vectors:
    from shoal.synthetic import digits

    images, truth = digits()
    return gradients(images), truth


def _mnist(n: int, side: int, seed: int) -> Callable[[Inputs], Vectors]:
    def draw(inputs: Inputs) -> Vectors:
        assert inputs.mnist is not None
        images, truth = data.mnist_images(inputs.mnist), data.mnist_labels(inputs.mnist)
        rows = np.sort(np.random.default_rng(seed).permutation(len(images))[:n])
        images = images[rows]
        if side != 28:
            small = [Image.fromarray(i).resize((side, side), Image.Resampling.BOX) for i in images]
            images = np.stack([np.asarray(i) for i in small])
        return gradients(images), truth[rows].astype(np.int64)

    return draw


def _fashion(n: int) -> Callable[[Inputs], Vectors]:
    def draw(inputs: Inputs) -> Vectors:
        images, truth = _fashion_images(inputs)
        rows = np.sort(np.random.default_rng(0).permutation(len(images))[:n])
        return gradients(images[rows]), truth[rows].astype(np.int64)

    return draw


def _fashion_images(inputs: Inputs) -> tuple[NDArray[np.uint8], NDArray]:
    import gzip

    assert inputs.fashion is not None
    path, truth = data.fashion(inputs.fashion)
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28), truth


def _garments(inputs: Inputs) -> Vectors:
    """Turn 20 garments, two of each kind, in 72 steps of 5 degrees."""
    images, truth = _fashion_images(inputs)
    rows = np.concatenate([np.flatnonzero(truth == kind)[5:7] for kind in range(10)])
    turned = [
        np.asarray(Image.fromarray(images[row]).rotate(5 * step, Image.Resampling.BILINEAR))
        for row in rows
        for step in range(72)
    ]
    return gradients(np.stack(turned)), np.repeat(np.arange(20), 72)


def _tiles(n: int, sources: int) -> Callable[[Inputs], Vectors]:
    def draw(inputs: Inputs) -> Vectors:
        from shoal.synthetic import TileSet

        tiles = TileSet(sources)
        return gradients(tiles.images(0, n)), tiles.truth(0, n)[0].astype(np.int64)

    return draw


def _photos(inputs: Inputs) -> Vectors:
    assert inputs.photos is not None
    images, truth = imagenette(inputs.photos)
    return photos(images), truth


def _thumbs(encoded: str) -> Callable[[Inputs], Vectors]:
    def draw(inputs: Inputs) -> Vectors:
        assert inputs.photos is not None
        images, truth = imagenette(inputs.photos)
        small = [image.resize((32, 32), Image.Resampling.BOX) for image in images]
        if encoded == "photo":
            return photos(small), truth
        return gradients(np.stack([np.asarray(image) for image in small])), truth

    return draw


def _crops(inputs: Inputs) -> Vectors:
    """Cut a small piece out of photos of five kinds: weak structure, as of parts of things."""
    assert inputs.photos is not None
    images, truth = imagenette(inputs.photos)
    generator = np.random.default_rng(7)
    rows = np.flatnonzero(np.isin(truth, (1, 3, 4, 6, 8)))
    cut = []
    for row in rows:
        left, top = generator.integers(0, 224 - 72, 2).tolist()
        cut.append(images[row].crop((left, top, left + 72, top + 72)))
    return photos(cut), truth[rows]


def _uneven(n_kinds: int, most: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw kinds of uneven size, 20 rows at least."""
    sizes = np.geomspace(20, most, n_kinds).astype(int)
    return np.repeat(np.arange(n_kinds), generator.permutation(sizes))


def _emoji(inputs: Inputs) -> Vectors:
    """Paste emoji of a hundred kinds, turned and scaled, onto photos."""
    assert inputs.photos is not None
    backgrounds, _ = imagenette(inputs.photos)
    generator = np.random.default_rng(8)
    things = [Image.fromarray(one) for one in glyphs.emoji(100)]
    truth = _uneven(len(things), 90, generator)
    images = []
    for kind in truth:
        side = int(generator.integers(110, 200))
        angle = float(generator.normal(0, 15))
        thing = things[kind].resize((side, side)).rotate(angle, Image.Resampling.BICUBIC)
        images.append(_pasted(backgrounds, thing, generator))
    return photos(images), truth


def _solids_on_photos(inputs: Inputs) -> Vectors:
    """Paste solids of sixty kinds, each from any side, onto photos."""
    assert inputs.photos is not None
    backgrounds, _ = imagenette(inputs.photos)
    generator = np.random.default_rng(9)
    kinds = [(solids.random_object(generator), generator.uniform(0.2, 1, 3)) for _ in range(60)]
    truth = _uneven(len(kinds), 120, generator)
    images = []
    for kind in truth:
        solid, colour = kinds[kind]
        yaw, pitch = generator.uniform(-0.8, 0.8), generator.normal(0, 0.2)
        shade = solids.render(
            solid.turned(solids.rotation(yaw, pitch)), 128, np.array([0.3, -0.5, 1])
        )
        rgba = np.zeros((128, 128, 4), np.uint8)
        rgba[..., :3] = np.clip(shade, 0, 1)[..., None] * colour * 255
        rgba[..., 3] = 255 * (shade >= 0)
        side = int(generator.integers(130, 210))
        images.append(_pasted(backgrounds, Image.fromarray(rgba).resize((side, side)), generator))
    return photos(images), truth


def _pasted(
    backgrounds: list[Image.Image], thing: Image.Image, generator: np.random.Generator
) -> Image.Image:
    """Paste a thing somewhere onto a random photo."""
    image = backgrounds[int(generator.integers(len(backgrounds)))].copy()
    left, top = generator.integers(0, 225 - thing.width, 2).tolist()
    image.paste(thing, (left, top), thing)
    return image


def _made(make: Callable[[], tuple[NDArray[np.uint8], NDArray]]) -> Callable[[Inputs], Vectors]:
    def draw(inputs: Inputs) -> Vectors:
        images, truth = make()
        return gradients(images), truth

    return draw


def _points(sizes: list[int], d: int, gap: float, seed: int) -> Callable[[Inputs], Vectors]:
    return lambda inputs: spread(sizes, [1.0] * len(sizes), d, gap, seed)


def _table(name: str) -> Callable[[Inputs], Vectors]:
    def draw(inputs: Inputs) -> Vectors:
        import sklearn.datasets

        x, truth = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
        scaled = (x - x.mean(0)) / x.std(0)
        return np.asarray(scaled, np.float32), truth

    return draw


_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SETS = (
    LabelledSet("digits", "chosen", _digits),
    LabelledSet("mnist, 5,000", "chosen", _mnist(5_000, 28, 0), "mnist"),
    LabelledSet("fashion, 10,000", "chosen", _fashion(10_000), "fashion"),
    LabelledSet("photos", "chosen", _photos, "photos"),
    LabelledSet("tiny photos, gradients", "chosen", _thumbs("gradients"), "photos"),
    LabelledSet("emoji on photos", "chosen", _emoji, "emoji"),
    LabelledSet("tiles, 12 sources", "chosen", _tiles(12_000, 12)),
    LabelledSet("20 objects × 72", "chosen", _made(lambda: solids.turning_objects(20, 72, 48, 0))),
    LabelledSet("40 heads × 10", "chosen", _made(lambda: solids.heads(40, 10, 48, 0))),
    LabelledSet("capitals", "chosen", _made(lambda: glyphs.letters(_CAPITALS)), "fonts"),
    LabelledSet("spoken digits", "chosen", _made(lambda: spoken.spoken_digits(150, 0)), "espeak"),
    LabelledSet("500 groups of 6", "chosen", _points([6] * 500, 12, 2.5, 0)),
    LabelledSet("7 groups that touch", "chosen", _points([300] * 7, 6, 1.7, 1)),
    LabelledSet("wine", "chosen", _table("wine")),
    LabelledSet("mnist", "judged", _mnist(70_000, 28, 0), "mnist"),
    LabelledSet("mnist, 16×16, 11,000", "judged", _mnist(11_000, 16, 1), "mnist"),
    LabelledSet("fashion", "judged", _fashion(60_000), "fashion"),
    LabelledSet("20 garments × 72", "judged", _garments, "fashion"),
    LabelledSet("tiny photos, network", "judged", _thumbs("photo"), "photos"),
    LabelledSet("pieces of photos, 5 kinds", "judged", _crops, "photos"),
    LabelledSet("solids on photos", "judged", _solids_on_photos, "photos"),
    LabelledSet("tiles, 60 sources", "judged", _tiles(30_000, 60)),
    LabelledSet("30 objects × 36", "judged", _made(lambda: solids.turning_objects(30, 36, 48, 1))),
    LabelledSet("25 heads × 16", "judged", _made(lambda: solids.heads(25, 16, 48, 1))),
    LabelledSet("40 glyphs × 10", "judged", _made(lambda: glyphs.tens(40, 10, 0)), "fonts"),
    LabelledSet(
        "small letters", "judged", _made(lambda: glyphs.letters(_CAPITALS.lower())), "fonts"
    ),
    LabelledSet("hand signs", "judged", _made(lambda: solids.hands(200, 48, 0))),
    LabelledSet("textures", "judged", _made(lambda: textures.textures(12, 120, 0))),
    LabelledSet(
        "100 uneven groups",
        "judged",
        _points(np.geomspace(10, 2000, 100).astype(int).tolist(), 10, 2.2, 2),
    ),
    LabelledSet("2 groups that touch", "judged", _points([5_000, 5_000], 8, 1.6, 3)),
    LabelledSet("breast cancer", "judged", _table("breast_cancer")),
)
