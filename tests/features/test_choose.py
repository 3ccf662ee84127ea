from dataclasses import dataclass

import pytest

from shoal.errors import SettingError
from shoal.features import CHOICES, Gradients, Pixels, Vectors, choose_encoder


@dataclass(frozen=True)
class Rows:
    kind: str
    shape: tuple[int, ...]
    mixed_sizes: bool = False


DIGITS = Rows("images", (8, 8, 1))
VECTORS = Rows("vectors", (20,))


@pytest.mark.parametrize(
    ("name", "rows", "encoder", "said"),
    [
        ("auto", DIGITS, Gradients((8, 8, 1)), "small images of 8×8"),
        ("gradients", DIGITS, Gradients((8, 8, 1)), "as you asked"),
        ("pixels", DIGITS, Pixels((8, 8, 1)), "as you asked"),
        ("auto", VECTORS, Vectors(20), "because the rows are vectors"),
        ("vectors", VECTORS, Vectors(20), "as you asked"),
        ("auto", Rows("table", (4,)), Vectors(4), "columns of a table"),
    ],
)
def test_chooses_by_name_or_by_what_the_rows_are(name, rows, encoder, said):
    chosen, sentence = choose_encoder(name, rows)
    assert chosen == encoder
    assert said in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (Rows("images", (96, 80, 3)), "of 96×80"),
        (Rows("images", (64, 64, 3), mixed_sizes=True), "of mixed sizes"),
    ],
)
def test_photos_fall_back_to_gradients_and_it_is_said(rows, said):
    chosen, sentence = choose_encoder("auto", rows)
    assert chosen == Gradients(rows.shape)
    assert said in sentence
    assert "fallback" in sentence
    assert "photo network is not in this version" in sentence


@pytest.mark.parametrize("name", ["gradient", "", "AUTO"])
def test_an_unknown_name_lists_the_choices(name):
    with pytest.raises(SettingError, match="auto, pixels, gradients, vectors") as caught:
        choose_encoder(name, DIGITS)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "rows"), [("vectors", DIGITS), ("pixels", VECTORS), ("gradients", VECTORS)]
)
def test_names_that_do_not_go_with_the_rows_are_refused(name, rows):
    with pytest.raises(SettingError, match="but the rows are"):
        choose_encoder(name, rows)


def test_every_choice_goes_with_some_rows():
    for name in CHOICES:
        rows = VECTORS if name == "vectors" else DIGITS
        assert choose_encoder(name, rows)[0].n_features > 0
