import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.killing import killed_at

from shoal.errors import InputError, SettingError, StorageFullError
from shoal.progress import Silent
from shoal.rows import open_source
from shoal.synthetic import TileSet, folder, make_tiles

FEW = TileSet(5, 1)


@pytest.fixture(autouse=True)
def small_files(monkeypatch):
    """Files of 1,000 rows, made 300 at a time."""
    monkeypatch.setattr(folder, "SHARD_ROWS", 1000)
    monkeypatch.setattr(folder, "_PIECE_ROWS", 300)


def contents(out):
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def test_the_folder_describes_itself(tmp_path):
    out = tmp_path / "t"
    make_tiles(out, 40, TileSet(5))
    described = (out / "shoal.toml").read_text()
    source = open_source(out)
    assert np.array_equal(source.read(0, 40).data, TileSet(5).images(0, 40))
    assert np.array_equal(source.labels(), TileSet(5).truth(0, 40)[0])
    assert np.array_equal(source.labels("digit"), TileSet(5).truth(0, 40)[1])
    (out / "shoal.toml").unlink()  # as it was before tiles were described
    assert make_tiles(out, 40, TileSet(5)).kept == 1
    assert (out / "shoal.toml").read_text() == described
    make_tiles(out, 60, TileSet(5))
    assert open_source(out).n_rows == 60


def test_files_hold_the_rows_in_order_and_the_truth(tmp_path):
    made = make_tiles(tmp_path / "t", 2_500, FEW)
    assert [path.name for path in made.files] == [f"tiles-0000{at}.bin" for at in range(3)]
    assert (made.kept, made.made_bytes) == (0, 2_500 * 768)
    stored = b"".join(path.read_bytes() for path in made.files)
    assert stored == FEW.images(0, 2_500).tobytes()
    truth = pq.read_table(made.truth)
    assert truth.column_names == ["source", "digit"]
    for column, values in zip(truth.columns, FEW.truth(0, 2_500), strict=True):
        assert np.array_equal(column, values)
    receipt = json.loads((tmp_path / "t" / ".receipts" / "tiles-00002.json").read_text())
    assert receipt["bytes"] == 500 * 768


def test_any_number_of_workers_gives_the_same_bytes(tmp_path):
    for workers in (1, 2, 3):
        make_tiles(tmp_path / str(workers), 3_700, FEW, workers=workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "2") == contents(tmp_path / "3")


def test_files_can_be_made_alone_in_any_order(tmp_path):
    make_tiles(tmp_path / "whole", 2_500, FEW)
    for shard in (2, 0, 1):
        assert not (tmp_path / "alone" / "truth.parquet").exists()
        made = make_tiles(tmp_path / "alone", 2_500, FEW, shard=shard)
        assert len(made.files) == 1
    assert contents(tmp_path / "alone") == contents(tmp_path / "whole")
    with pytest.raises(InputError, match="shard must be from 0 to 2 for 2,500 tiles; got 3"):
        make_tiles(tmp_path / "alone", 2_500, FEW, shard=3)


def test_a_finished_set_is_left_alone_and_a_damaged_one_mended(tmp_path):
    first = make_tiles(tmp_path, 2_500, FEW)
    before, times = contents(tmp_path), {p: p.stat().st_mtime_ns for p in first.files}
    assert make_tiles(tmp_path, 2_500, FEW).kept == 3
    assert {p: p.stat().st_mtime_ns for p in first.files} == times
    first.files[1].write_bytes(b"cut short")
    (tmp_path / ".receipts" / "tiles-00002.json").write_text("{")
    (tmp_path / ".tiles-00002.bin.0123456789ab.tmp").write_bytes(b"left by a kill")
    first.truth.unlink()
    assert make_tiles(tmp_path, 2_500, FEW).kept == 1
    assert contents(tmp_path) == before


def test_progress_goes_by_pieces_and_counts_what_is_to_be_made(tmp_path):
    class Heard(Silent):
        def __init__(self):
            self.total, self.steps, self.notes = None, [], []

        def stage(self, name, total=None, unit="rows"):
            self.total = total

        def advance(self, n=1):
            self.steps.append(n)

        def note(self, text):
            self.notes.append(text)

    make_tiles(tmp_path, 2_500, FEW, shard=1)
    heard = Heard()
    make_tiles(tmp_path, 2_500, FEW, progress=heard, workers=1)
    assert heard.notes == ["1 of 3 files exist already"]
    assert heard.total == 1_500
    assert heard.steps == [300, 300, 300, 100, 300, 200]


def test_a_larger_set_keeps_what_is_there(tmp_path):
    make_tiles(tmp_path / "grown", 1_500, FEW)
    assert make_tiles(tmp_path / "grown", 3_200, FEW).kept == 1
    make_tiles(tmp_path / "whole", 3_200, FEW)
    assert contents(tmp_path / "grown") == contents(tmp_path / "whole")
    with pytest.raises(InputError, match="holds 3,200 tiles, more than the 1,500 requested"):
        make_tiles(tmp_path / "grown", 1_500, FEW)


def test_other_content_is_refused_and_kept(tmp_path):
    make_tiles(tmp_path / "tiles", 10, FEW)
    before = contents(tmp_path / "tiles")
    with pytest.raises(InputError, match=r"sources 5, seed 1, recipe \d\), not .* seed 2"):
        make_tiles(tmp_path / "tiles", 10, TileSet(5, 2))
    (tmp_path / "tiles" / "tiles.json").rename(tmp_path / "about")
    with pytest.raises(InputError, match=r"holds other files \(.receipts\)"):
        make_tiles(tmp_path / "tiles", 10, FEW)
    (tmp_path / "about").rename(tmp_path / "tiles" / "tiles.json")
    assert contents(tmp_path / "tiles") == before
    (tmp_path / "tiles" / "tiles.json").write_text("[]")
    with pytest.raises(InputError, match=r"tiles.json is damaged"):
        make_tiles(tmp_path / "tiles", 10, FEW)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(InputError, match=r"holds other files \(cat.jpg\)"):
        make_tiles(tmp_path / "photos", 10, FEW)
    with pytest.raises(InputError, match="is a file: give a folder"):
        make_tiles(tmp_path / "photos" / "cat.jpg", 10, FEW)
    assert contents(tmp_path / "photos") == {"cat.jpg": b"cat"}


def test_too_many_for_the_disk_are_refused_before_anything_is_written(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=2_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(StorageFullError, match="2,310,000 more bytes, but only 2,000,000 are free"):
        make_tiles(tmp_path / "deep" / "t", 3_000, FEW)
    assert list(tmp_path.iterdir()) == []
    make_tiles(tmp_path / "t", 2_500, FEW)
    assert make_tiles(tmp_path / "t", 2_500, FEW).kept == 3


@pytest.mark.parametrize("n", [0, -5, 10**10 + 1])
def test_numbers_that_cannot_be_are_refused(tmp_path, n):
    with pytest.raises(SettingError, match="n must be from 1 to 10,000,000,000"):
        make_tiles(tmp_path / "t", n, FEW)


FILL = """
import resource, sys
from pathlib import Path
from shoal.errors import StorageFullError
from shoal.synthetic import TileSet, folder, make_tiles
folder.SHARD_ROWS, folder._PIECE_ROWS = 1000, 300
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    make_tiles(Path(sys.argv[1]), 2_500, TileSet(5, 1))
except StorageFullError as error:
    print(error)
"""


def test_a_disk_that_fills_is_said_and_the_rest_made_later(tmp_path):
    words = [sys.executable, "-c", FILL, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "needs 768,000 bytes" in done.stdout
    assert not list(tmp_path.glob("tiles-0000[01].bin"))
    # The short last file may or may not be made before the others fail; nothing else may be left.
    assert {path.name for path in tmp_path.glob(".*")} <= {".receipts"}
    make_tiles(tmp_path, 2_500, FEW)
    make_tiles(tmp_path.with_name("whole"), 2_500, FEW)
    assert contents(tmp_path) == contents(tmp_path.with_name("whole"))


MAKE = """
import sys
from pathlib import Path
from shoal.synthetic import TileSet, folder, make_tiles
folder.SHARD_ROWS, folder._PIECE_ROWS = 1000, 300
make_tiles(Path(sys.argv[1]), 40_000, TileSet(5, 1))
"""


def test_killed_again_and_again_it_ends_with_the_same_bytes(tmp_path):
    make_tiles(tmp_path / "straight", 40_000, FEW)
    for files in (9, 14):
        assert killed_at(files, MAKE, tmp_path / "killed")
    made = make_tiles(tmp_path / "killed", 40_000, FEW)
    assert made.kept > 0
    assert contents(tmp_path / "killed") == contents(Path(tmp_path / "straight"))
