"""Quality of every image of a source."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw
from typer.testing import CliRunner

from shoal.cli.app import app
from shoal.errors import InputError
from shoal.quality import quality_tables


@pytest.fixture
def folder(photos, tmp_path):
    """Three photos, a strip, a page of text, a black picture and a damaged file."""
    for name in ("china/00.jpg", "china/07.jpg", "flower/03.jpg"):
        (tmp_path / name.replace("/", "-")).write_bytes((photos / name).read_bytes())
    Image.open(photos / "china" / "20.jpg").resize((800, 120)).save(tmp_path / "strip.jpg")
    page = Image.new("L", (300, 240), 255)
    draw = ImageDraw.Draw(page)
    for line in range(12):
        draw.text((10, 10 + 18 * line), "the quick brown fox jumps over the dog", fill=0)
    page.save(tmp_path / "text.png")
    Image.new("RGB", (100, 100)).save(tmp_path / "black.png")
    (tmp_path / "damaged.jpg").write_bytes(b"no picture")
    return tmp_path


def test_every_row_is_measured_once(folder):
    table = pa.concat_tables(quality_tables(folder))
    notes = dict(zip(table["name"].to_pylist(), table["notes"].to_pylist(), strict=True))
    assert notes == {
        "black.png": "blank; dark",
        "china-00.jpg": "",
        "china-07.jpg": notes["china-07.jpg"],
        "damaged.jpg": "unreadable",
        "flower-03.jpg": notes["flower-03.jpg"],
        "strip.jpg": "odd shape",
        "text.png": "drawing or text",
    }
    line = table.slice(table["name"].to_pylist().index("strip.jpg"), 1).to_pylist()[0]
    assert (line["width"], line["height"]) == (800, 120)


def test_workers_do_not_matter(folder):
    one, two = (pa.concat_tables(quality_tables(folder, workers=n)) for n in (1, 2))
    assert one.equals(two)


def test_rows_of_an_array():
    rows = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3), np.uint8)
    rows[7] = 3
    notes = pa.concat_tables(quality_tables(rows))["notes"].to_pylist()
    assert notes[7] == "blank; dark"
    assert len(notes) == 50


def test_vectors_are_refused():
    with pytest.raises(InputError, match="images only"):
        list(quality_tables(np.random.default_rng(0).normal(size=(20, 7))))


def test_the_command_counts_and_writes(folder, tmp_path):
    out = tmp_path / "quality.parquet"
    done = CliRunner().invoke(app, ["quality", str(folder), "-o", str(out), "--json", "-q"])
    facts = json.loads(done.stdout)
    assert facts["rows"] == 7
    assert facts["notes"]["unreadable"] == 1
    assert pq.read_table(out).num_rows == 7
    done = CliRunner().invoke(app, ["quality", str(folder), "-q"])
    assert "unreadable" in done.stdout
