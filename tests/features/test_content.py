import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont
from sklearn.datasets import load_sample_images

from shoal.features.content import LOOKED_SIDE, count_drawings, is_drawing


def as_seen(picture, form="PNG"):
    """Save a picture, and give it as a source shows it."""
    file = io.BytesIO()
    picture.save(file, form, quality=75)
    shown = Image.open(file)
    shown.thumbnail((LOOKED_SIDE, LOOKED_SIDE), Image.Resampling.BILINEAR)
    pixels = np.asarray(shown)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def letter(text, ink=0, paper=255, side=200):
    picture = Image.new("L", (side, side), paper)
    font = ImageFont.load_default(size=0.7 * side)
    ImageDraw.Draw(picture).text((side // 6, side // 12), text, fill=ink, font=font)
    return picture


def sketch(seed, colour):
    draw, picture = np.random.default_rng(seed), Image.new("RGB", (500, 400), "white")
    for _ in range(10):
        strokes = draw.normal(0, 20, (30, 2)).cumsum(axis=0) + draw.uniform(100, 300, 2)
        ImageDraw.Draw(picture).line([tuple(p) for p in strokes], fill=colour, width=3)
    return picture


def pieces():
    return [
        Image.fromarray(photo[y : y + 200, x : x + 200])
        for photo in load_sample_images().images
        for y in (0, 113, 227)
        for x in (0, 220, 440)
    ]


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("text", list("AgQ8&"))
def test_letters_are_drawings_in_black_and_in_white(text, form):
    assert is_drawing(as_seen(letter(text), form))
    assert is_drawing(as_seen(letter(text, ink=255, paper=0), form))
    assert is_drawing(as_seen(letter(text, ink=90, paper=200), form))


@pytest.mark.parametrize("colour", ["black", "navy"])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_sketches_are_drawings(colour, form):
    assert count_drawings([as_seen(sketch(seed, colour), form) for seed in range(8)]) == (8, 8)


def test_a_noisy_scan_of_a_sketch_is_a_drawing():
    paper = np.random.default_rng(0).normal(0, 2, (400, 500, 3))
    scan = np.asarray(sketch(3, "black")) * 0.7 + 60 + paper
    assert is_drawing(as_seen(Image.fromarray(scan.astype(np.uint8)), "JPEG"))


def test_most_pieces_of_photos_are_not_in_colour_or_grey():
    for mode in ("RGB", "L"):
        drawings, seen = count_drawings([as_seen(piece.convert(mode)) for piece in pieces()])
        assert drawings <= 2  # of those with much sky
        assert seen == 18


def test_a_thing_before_an_empty_background_is_a_photo():
    mask = Image.new("L", (200, 200), 0)
    ImageDraw.Draw(mask).ellipse([50, 50, 150, 150], fill=255)
    found = []
    for piece in pieces():
        studio = Image.new("RGB", (200, 200), "white")
        studio.paste(piece, (0, 0), mask)
        found.append(as_seen(studio, "JPEG"))
    drawings, seen = count_drawings(found)
    assert drawings < seen / 2


def test_blank_images_are_neither():
    assert is_drawing(np.full((50, 50, 3), 200, np.uint8)) is None
    assert count_drawings([np.zeros((9, 9, 1), np.uint8)]) == (0, 0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]))
def test_any_image_gets_an_answer_that_light_and_sides_do_not_change(seed, height, width, c):
    image = np.random.default_rng(seed).integers(0, 120, (height, width, c), np.uint8)
    assert is_drawing(image) in (True, False, None)
    assert is_drawing(image) == is_drawing(image[::-1, ::-1])
