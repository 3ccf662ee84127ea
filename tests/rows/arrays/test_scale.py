import numpy as np
import pytest
from PIL import Image

from shoal.errors import InputError
from shoal.rows import open_source
from shoal.rows.arrays.scale import Values, on_scale_of, sample_values, vectors_remark

DRAW = np.random.default_rng(0)
BYTES = DRAW.integers(0, 256, (40, 9, 9), np.uint8)
BYTES[:, 0, :2] = 0, 255
UNIT = BYTES.astype(np.float32) / 255
LEVELS = np.rint(BYTES / 255 * 16)

WAYS = {
    "bytes": BYTES,
    "floats 0 to 1": UNIT,
    "float64 0 to 255": BYTES.astype(np.float64),
    "-1 to 1": UNIT * 2 - 1,
    "16 bits": BYTES.astype(np.uint16) * 257,
    "16 bits in floats": BYTES.astype(np.float32) * 257,
    "int64": BYTES.astype(np.int64),
    "half floats": UNIT.astype(np.float16),
}


def read_as(fitted, new):
    """Read new images as those of a fit."""
    before = open_source(fitted)
    return on_scale_of(open_source(new, as_="images"), before.rule.facts, sample_values(before))


@pytest.mark.parametrize("fitted", WAYS)
@pytest.mark.parametrize("new", WAYS)
def test_the_same_pictures_are_the_same_on_any_scale(fitted, new):
    found = read_as(WAYS[fitted], WAYS[new])
    pixels = found.read(0, 40).data[..., 0].astype(int)
    assert np.abs(pixels - BYTES).max() <= 1
    rule = found.rule
    same = (rule.low, rule.high) == (
        open_source(WAYS[fitted]).rule.low,
        open_source(WAYS[fitted]).rule.high,
    )
    assert bool(found.remarks) != same


@pytest.mark.parametrize(
    ("fitted", "new", "right"),
    [
        ("floats 0 to 1", UNIT[:1] * 0.3, BYTES[:1] * 0.3),
        ("floats 0 to 1", UNIT[:1] * 1.05, BYTES[:1] * 1.05),  # beyond the end by resampling
        ("floats 0 to 1", (BYTES[:1] // 20).astype(np.uint8), BYTES[:1] // 20),
        ("bytes", UNIT[:1] * 0.3, BYTES[:1] * 0.3),
        ("bytes", (BYTES[:1] // 10).astype(np.float32), BYTES[:1] // 10),
        ("bytes", (BYTES[:1] // 200).astype(np.uint8), BYTES[:1] // 200),
        ("bytes", BYTES[:1] > 127, (BYTES[:1] > 127) * 255),
        ("16 bits", BYTES[:1].astype(np.uint16), BYTES[:1] / 257),
        ("-1 to 1", UNIT[:1] * 0.6 - 1, BYTES[:1] * 0.3),
        ("float64 0 to 255", UNIT[:1] * 0.3, BYTES[:1] * 0.3),
    ],
)
def test_one_dark_or_odd_image_is_read_by_its_type(fitted, new, right):
    pixels = read_as(WAYS[fitted], new).read(0, 1).data[..., 0]
    assert np.abs(pixels - np.clip(right, 0, 255)).max() <= 1


def test_few_levels_are_told_from_shares_of_them_and_from_bytes():
    for new in (LEVELS, LEVELS.astype(np.uint8), LEVELS / 16, LEVELS * 255 / 16):
        pixels = read_as(LEVELS, new).read(0, 40).data[..., 0].astype(int)
        assert np.abs(pixels - LEVELS * 255 / 16).max() <= 1
    assert read_as(LEVELS, LEVELS.astype(np.uint8)).remarks == ()
    assert "read as 0 to 1" in read_as(LEVELS, LEVELS / 16).remarks[0]


def test_files_of_the_fit_are_bytes():
    source = on_scale_of(open_source(UNIT), None, None)
    assert np.abs(source.read(0, 40).data[..., 0].astype(int) - BYTES).max() <= 1
    dark = on_scale_of(open_source(BYTES[:1] / 10.0), None, None)
    assert dark.read(0, 1).data.max() <= 26


def test_files_of_more_bits_are_read_alike_in_arrays():
    deep = {"low": 0.0, "high": 65535.0, "channels": 1}
    for new in (BYTES.astype(np.uint16) * 257, BYTES, UNIT, BYTES.astype(np.int32) * 257):
        pixels = on_scale_of(open_source(new), deep, None).read(0, 40).data[..., 0]
        assert np.abs(pixels.astype(int) - BYTES).max() <= 1
    dark = on_scale_of(open_source(BYTES[:1].astype(np.uint16) * 3), deep, None)
    assert dark.read(0, 1).data.max() <= 3


@pytest.mark.parametrize(
    ("fitted", "new"),
    [
        (UNIT, UNIT * 12 - 5),
        (BYTES, BYTES * 1e6),
        (BYTES, UNIT * 4 - 2.1),
        (UNIT * 4 - 2.1, BYTES),
        (BYTES * 40.0 - 1000, UNIT * 9e4),
    ],
)
def test_what_is_on_no_known_scale_is_refused(fitted, new):
    with pytest.raises(InputError, match="but the run was fitted to images with values from"):
        read_as(fitted, new)


def test_values_of_one_s_own_are_read_as_those_of_the_fit():
    own = BYTES * 40.0 - 1000
    found = read_as(own, own[5:6] * 0.9)
    assert (found.rule.low, found.rule.high) == (own.min(), own.max())
    assert found.remarks == ()
    assert "on the scale of the fit" in read_as(UNIT * 5 - 2.1, UNIT).remarks[0]


def test_images_without_a_finite_number_are_read_as_those_of_the_fit():
    found = read_as(UNIT, np.full((2, 9, 9), np.nan))
    assert (found.rule.low, found.rule.high) == (0, 1)


def test_values_of_other_rows_are_looked_at(tmp_path):
    assert sample_values(open_source(BYTES)) == Values("uint8", 0, 255, True)
    (tmp_path / "x.csv").write_text("e0,e1\n1,2.5\n3,4\n5,6\n")
    found = sample_values(open_source(tmp_path / "x.csv", as_="vectors"))
    assert (found.least, found.most, found.whole) == (1, 6, False)
    Image.fromarray(BYTES[0]).save(tmp_path / "x.png")
    assert sample_values(open_source(tmp_path / "x.png")) is None


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (DRAW.normal(size=(9, 4)), False),
        (DRAW.normal(size=(9, 4)) * 3 + 1, False),
        (DRAW.normal(size=(9, 4)) / 255, True),
        (DRAW.normal(size=(9, 4)) * 255, True),
        (DRAW.normal(size=(9, 4)) + 500, True),
        (np.zeros((1, 4)), False),
    ],
)
def test_vectors_far_from_all_that_were_fitted_are_remarked(new, said):
    fitted = sample_values(open_source(np.random.default_rng(1).normal(size=(99, 4))))
    assert (vectors_remark(open_source(new), fitted) is not None) == said
    assert vectors_remark(open_source(new), None) is None
