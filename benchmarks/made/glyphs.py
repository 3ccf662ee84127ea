"""Letters of many fonts, odd glyphs drawn ten times, emoji: from the fonts installed here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Labelled = tuple[NDArray[np.uint8], NDArray[np.int64]]

FONTS = Path("/usr/share/fonts")
EMOJI = FONTS / "truetype" / "noto" / "NotoColorEmoji.ttf"
_EMOJI_SIZE = 109  # the one size that its bitmaps have


def text_fonts() -> list[Path]:
    """List the installed fonts that draw Latin letters."""
    found = sorted([*FONTS.rglob("*.ttf"), *FONTS.rglob("*.otf")])
    return [path for path in found if "emoji" not in path.name.lower() and _latin(path)]


def _latin(path: Path) -> bool:
    """Tell whether a font has letters of its own for A and B."""
    try:
        font = ImageFont.truetype(str(path), 24)
        drawn = [bytes(font.getmask(letter)) for letter in ("A", "B", "\uffff")]
    except OSError:
        return False
    return drawn[0] != drawn[2] and drawn[0] != drawn[1]


def drawn(font: ImageFont.FreeTypeFont, text: str, side: int) -> NDArray[np.uint8]:
    """Draw a text in the middle of a square, white on black."""
    image = Image.new("L", (side, side), 0)
    box = font.getbbox(text)
    place = ((side - box[0] - box[2]) / 2, (side - box[1] - box[3]) / 2)
    ImageDraw.Draw(image).text(place, text, fill=255, font=font)
    return np.asarray(image)


def letters(alphabet: str, side: int = 28) -> Labelled:
    """Draw each letter once in every installed font."""
    images, truth = [], []
    for path in text_fonts():
        font = ImageFont.truetype(str(path), round(side * 0.75))
        for number, letter in enumerate(alphabet):
            images.append(drawn(font, letter, side))
            truth.append(number)
    return np.stack(images), np.asarray(truth)


def tens(n_kinds: int, each: int, seed: int, side: int = 48) -> Labelled:
    """Draw few distorted, unevenly lit pictures of each of many similar glyphs."""
    generator = np.random.default_rng([seed, 4])
    font = ImageFont.truetype(str(FONTS / "truetype/dejavu/DejaVuSans.ttf"), round(side * 0.7))
    # Greek and Cyrillic capitals: like each other, as faces are.
    glyphs = [chr(c) for c in (*range(0x394, 0x3A0), *range(0x410, 0x42F))][:n_kinds]
    images = []
    for glyph in glyphs:
        image = Image.fromarray(drawn(font, glyph, side))
        images += [_distorted(image, generator, 0.09) for _ in range(each)]
    return np.stack(images), np.repeat(np.arange(len(glyphs)), each)


def _distorted(
    image: Image.Image, generator: np.random.Generator, much: float
) -> NDArray[np.uint8]:
    """Shear, turn and shift a picture a little, and light it from one side."""
    side = image.size[0]
    turn = np.eye(2) + generator.normal(0, much, (2, 2))
    middle = np.full(2, side / 2)
    shift = middle - turn @ middle + generator.normal(0, much * side / 4, 2)
    rows = (*turn[0], shift[0], *turn[1], shift[1])
    moved = image.transform(image.size, Image.Transform.AFFINE, rows, Image.Resampling.BILINEAR)
    grid = np.linspace(-1, 1, side)
    slope = generator.normal(0, 0.25, 2)
    light = 0.7 + slope[0] * grid[None, :] + slope[1] * grid[:, None]
    shade = 0.15 + 0.75 * np.asarray(moved) / 255
    noisy = shade * light + generator.normal(0, 0.02, (side, side))
    return np.asarray(np.clip(255 * noisy, 0, 255), np.uint8)


def emoji(count: int) -> list[NDArray[np.uint8]]:
    """Draw emoji of things, plants, animals and faces: RGBA, 128 × 128."""
    font = ImageFont.truetype(str(EMOJI), _EMOJI_SIZE)
    found: list[NDArray[np.uint8]] = []
    for code in (*range(0x1F400, 0x1F43F), *range(0x1F330, 0x1F37D), *range(0x1F680, 0x1F6A5)):
        image = Image.new("RGBA", (128, 128), (0, 0, 0, 0))
        ImageDraw.Draw(image).text((0, 0), chr(code), font=font, embedded_color=True)
        if np.asarray(image)[..., 3].any():
            found.append(np.asarray(image))
        if len(found) == count:
            break
    return found
