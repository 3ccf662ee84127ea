import numpy as np
import pytest

from shoal.errors import InputError, SourceError
from shoal.rows import open_source

TILES = np.random.default_rng(5).integers(0, 256, (300, 4, 4, 3), dtype=np.uint8)


@pytest.fixture
def tiles(tmp_path):
    """Raw shards with the truth of their rows beside them, as a data set comes."""
    for at in range(12):
        TILES[25 * at : 25 * at + 25].tofile(tmp_path / f"tiles-{at}.bin")
    np.save(tmp_path / "source.npy", np.arange(300))
    (tmp_path / "truth.csv").write_text("source\n" + "1\n" * 300)
    (tmp_path / "about.json").write_text("{}")
    (tmp_path / "truth.parquet").write_bytes(b"PAR1")
    (tmp_path / "LICENSE").write_text("none")
    return tmp_path


def test_raw_shards_beside_their_truth(tiles):
    source = open_source(tiles, shape=(4, 4, 3))
    np.testing.assert_array_equal(source.read(0, 300).data, TILES)
    assert source.names(249, 251) == ["tiles-9.bin:24", "tiles-10.bin:0"]


def test_a_raw_shard_cut_off_is_named(tiles):
    (tiles / "tiles-7.bin").write_bytes(bytes(100))
    message = r"tiles-7\.bin has 100 bytes, not a multiple of 4×4×3 uint8 rows of 48 bytes"
    with pytest.raises(SourceError, match=message):
        open_source(tiles, shape=(4, 4, 3))


def test_raw_shards_numbered_as_those_of_records(tmp_path):
    for at in range(2):
        TILES[150 * at : 150 * at + 150].tofile(tmp_path / f"tiles-0000{at}-of-00002")
    np.testing.assert_array_equal(open_source(tmp_path, shape=(4, 4, 3)).read(0, 300).data, TILES)
    one = open_source(tmp_path / "tiles-00001-of-00002", shape=(4, 4, 3))
    np.testing.assert_array_equal(one.read(0, 150).data, TILES[150:])


def test_patterns_and_lists_of_shards(tiles):
    by_pattern = open_source(f"{tiles}/tiles-{{0..11}}.bin", shape=(4, 4, 3))
    np.testing.assert_array_equal(by_pattern.read(0, 300).data, TILES)
    for at in range(2):
        np.save(tiles / f"part-{at}.npy", TILES[150 * at : 150 * at + 150])
    by_list = open_source([tiles / "part-0.npy", tiles / "part-1.npy"])
    np.testing.assert_array_equal(by_list.read(100, 200).data, TILES[100:200])
    np.save(tiles / "part-2.npy", TILES[:, :3])
    with pytest.raises(SourceError, match=r"part-2\.npy has rows of 3×4×3 uint8, but part-0\.npy"):
        open_source(f"{tiles}/part-*.npy")
    with pytest.raises(InputError, match=r"tiles-0\.bin is of another kind than part-0\.npy"):
        open_source([tiles / "part-0.npy", tiles / "part-1.npy", tiles / "tiles-0.bin"])
