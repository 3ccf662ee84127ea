import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

import shoal
from shoal.errors import InputError


@pytest.fixture
def palette(drawing):
    pixels = np.dstack([drawing, np.full(drawing.shape[:2], 255, np.uint8)])
    pixels[0] = 0
    return shoal.make_palette(pixels, 8)


def test_every_form_says_the_same(palette, tmp_path):
    for ending in ("csv", "json", "gpl", "png"):
        palette.write_swatches(tmp_path / f"a.{ending}")
    records = palette.records()
    assert json.loads((tmp_path / "a.json").read_text()) == records
    rows = list(csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text())))
    assert [row["hex"] for row in rows] == palette.hex
    assert sum(float(row["share"]) for row in rows) == pytest.approx(1)
    lines = (tmp_path / "a.gpl").read_text().splitlines()
    assert lines[0] == "GIMP Palette"
    numbers = {tuple(map(int, line.split("\t")[0].split())) for line in lines[4:]}
    opaque = palette.colours[palette.colours[:, 3] > 0]
    assert numbers == set(map(tuple, opaque[:, :3].tolist()))
    picture = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).reshape(-1, 3)
    assert set(map(tuple, opaque[:, :3])) <= set(map(tuple, picture))


def test_the_most_frequent_colour_is_first_and_clear_ones_say_so(palette):
    shares = [record["share"] for record in palette.records()]
    assert shares == sorted(shares, reverse=True)
    assert "#00000000" in palette.hex


def test_other_endings_are_refused(palette, tmp_path):
    with pytest.raises(InputError, match=r"\.gpl"):
        palette.write_swatches(tmp_path / "a.txt")
