from dataclasses import dataclass

import numpy as np
import pytest

from shoal.errors import SettingError
from shoal.features import (
    Colours,
    Columns,
    Gradients,
    Photo,
    Pixels,
    Vectors,
    choose_encoder,
)
from shoal.settings import FEATURES


@dataclass(frozen=True)
class Rows:
    kind: str
    shape: tuple[int, ...]
    typical_size: tuple[int, int] = (8, 8)


@dataclass(frozen=True)
class Column:
    role: str
    quantiles: tuple[float, ...] = ()
    step: float = 0.0
    labels: tuple[str, ...] = ()
    atom: tuple[float, float] | None = None


@dataclass(frozen=True)
class Table:
    columns: tuple[Column, ...]
    probabilities = (0.0, 1.0)
    donors = np.zeros((1, 2))
    description = "as numbers: age; as categories: sex (2 values)."


@dataclass(frozen=True)
class TableRows(Rows):
    schema: Table = Table(
        (Column("number", (0.0, 9.0), 1.0), Column("category", labels=("f", "m")))
    )


TABLE = TableRows("table", (2,))
DIGITS = Rows("images", (8, 8, 1))
LARGE = Rows("images", (64, 64, 3), (200, 180))
STROKE = np.full((100, 100, 1), 255, np.uint8)
STROKE[20:80, 48:52] = 0
SHADES = np.tile(np.linspace(0, 255, 100).astype(np.uint8), (100, 1))[..., None]
BLANK = np.full((100, 100, 3), 90, np.uint8)
VECTORS = Rows("vectors", (20,))


@pytest.mark.parametrize(
    ("name", "rows", "encoder", "said"),
    [
        ("auto", DIGITS, Gradients((8, 8, 1)), "small images of 8×8"),
        ("gradients", DIGITS, Gradients((8, 8, 1)), "as requested"),
        ("pixels", DIGITS, Pixels((8, 8, 1)), "as requested"),
        ("photo", DIGITS, Photo(), "as requested"),
        ("gradients", LARGE, Gradients((64, 64, 3)), "as requested"),
        ("colours", LARGE, Colours((64, 64, 3)), "as requested"),
        ("auto", VECTORS, Vectors(20), "because the rows are vectors"),
        ("vectors", VECTORS, Vectors(20), "as requested"),
    ],
)
def test_chooses_by_name_or_by_what_the_rows_are(name, rows, encoder, said):
    chosen, sentence = choose_encoder(name, rows)
    assert chosen == encoder
    assert said in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("images", "photos", "said"),
    [
        (
            [SHADES, SHADES, STROKE],
            True,
            "about 200×180, and 2 of the 3 sampled are not drawings",
        ),
        ([STROKE, STROKE, SHADES], False, "2 of 3 sampled images are drawings"),
        ([SHADES, STROKE, BLANK], True, "1 of the 2 sampled"),
        ([BLANK], True, "0 of the 0 sampled"),
    ],
)
def test_large_images_are_looked_at(images, photos, said):
    chosen, sentence = choose_encoder("auto", LARGE, lambda: images)
    assert chosen == (Photo() if photos else Gradients((64, 64, 3)))
    assert said in sentence


BANDS = Rows("images", (64, 64, 5), (300, 300))


def test_images_of_other_channels_are_no_photos():
    chosen, sentence = choose_encoder("auto", BANDS, lambda: [SHADES])
    assert chosen == Gradients((64, 64, 5))
    assert "these images have 5, and the photo network takes grey or colour" in sentence
    for name in ("photo", "onnx:none.onnx"):
        with pytest.raises(SettingError, match="have 5 channels, and the network takes"):
            choose_encoder(name, BANDS)
    assert choose_encoder("colours", BANDS)[0] == Colours((64, 64, 5))


def test_small_images_are_not_looked_at():
    def look():
        raise AssertionError

    assert choose_encoder("auto", DIGITS, look)[0] == Gradients((8, 8, 1))


@pytest.mark.parametrize("name", ["gradient", "", "AUTO"])
def test_an_unknown_name_lists_the_choices(name):
    with pytest.raises(
        SettingError, match="auto, photo, pixels, gradients, colours, autoencoder"
    ) as caught:
        choose_encoder(name, DIGITS)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", ["auto", "columns"])
def test_a_table_is_encoded_by_its_columns(name):
    chosen, sentence = choose_encoder(name, TABLE)
    assert isinstance(chosen, Columns)
    assert chosen.n_features == 3
    assert sentence == f"Features: {Table.description}"


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        *(("vectors", DIGITS), ("columns", DIGITS), ("columns", VECTORS), ("vectors", TABLE)),
        *(
            (name, rows)
            for name in ("pixels", "gradients", "colours", "photo")
            for rows in (VECTORS, TABLE)
        ),
    ],
)
def test_names_that_do_not_go_with_the_rows_are_refused(name, rows):
    with pytest.raises(SettingError, match="but the rows are"):
        choose_encoder(name, rows)


def test_every_choice_goes_with_some_rows():
    for name in FEATURES:
        rows = {"vectors": VECTORS, "columns": TABLE}.get(name, DIGITS)
        assert choose_encoder(name, rows)[0].n_features > 0


SMALL = Rows("images", (32, 32, 3), (32, 32))
CLOUD = np.random.default_rng(0).normal(size=(300, 12)).astype(np.float32)
GROUPS = CLOUD + 12 * np.eye(12, dtype=np.float32)[np.arange(300) % 3]


def features(gradients, photo):
    """Take the place of images: the features that each encoder is to give, and who was asked."""
    asked = []

    def encode(encoder):
        asked.append(encoder.name)
        return {"gradients": gradients, "photo": photo}[encoder.name]

    return encode, asked


@pytest.mark.parametrize(
    ("gradients", "photo", "name", "said"),
    [
        (
            CLOUD,
            GROUPS,
            "photo",
            "structure in these small photos of 32×32 that gradients do not",
        ),
        (CLOUD, CLOUD[:, :5], "gradients", "in which a network for photos shows no more"),
        (CLOUD, np.ones((300, 4), np.float32), "gradients", "shows no more"),
        (GROUPS, GROUPS, "gradients", "because these are small images of 32×32."),
    ],
)
def test_small_photos_get_a_network_where_only_it_shows_structure(gradients, photo, name, said):
    encode, asked = features(gradients, photo)
    chosen, sentence = choose_encoder("auto", SMALL, lambda: [SHADES], encode)
    assert chosen.name == name
    assert said in sentence
    assert asked == (["gradients"] if gradients is GROUPS else ["gradients", "photo"])


@pytest.mark.parametrize(
    ("rows", "image"),
    [
        (SMALL, STROKE),
        (SMALL, BLANK),
        (Rows("images", (32, 32, 1), (32, 32)), SHADES),
        (Rows("images", (32, 32, 5), (32, 32)), SHADES),
        (Rows("images", (15, 32, 3), (15, 32)), SHADES),
    ],
)
def test_drawings_grey_and_tiny_images_are_not_compared(rows, image):
    encode, asked = features(CLOUD, GROUPS)
    assert choose_encoder("auto", rows, lambda: [image], encode)[0] == Gradients(rows.shape)
    assert asked == []
