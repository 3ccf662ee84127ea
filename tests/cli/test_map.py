import shutil

import pyarrow.parquet as pq
import pytest


@pytest.fixture(scope="module")
def run(run, tmp_path_factory):
    """A copy of the run, which gets a map."""
    return shutil.copytree(run, tmp_path_factory.mktemp("own") / "digits.shoal")


def test_a_map_is_written_and_new_images_placed_on_it(shoal, told, run, digits, tmp_path):
    out = tmp_path / "map.parquet"
    result = shoal("map", run, "-o", out, "--quiet")
    assert result.exit_code == 0, result.stderr
    table = pq.read_table(out)
    assert table.num_rows == 600
    assert table["x"].null_count == 0
    facts = told("map", run, "--new", digits, "--key", "images", "-o", tmp_path / "new.csv")
    assert facts["rows"] == 600
    assert (tmp_path / "new.csv").read_text().startswith('"row","name","x","y","cluster"')


def test_bad_input_is_one_sentence(shoal, run, tmp_path):
    (tmp_path / "there.csv").touch()
    for words, said in (
        (("-o", tmp_path / "map.npy"), "must end in one of .parquet, .csv"),
        (("-o", tmp_path / "there.csv"), "exists"),
        (("-o", tmp_path / "a.csv", "--key", "images"), "--key only applies to --new"),
        (("-o", tmp_path / "a.csv", "--new", tmp_path / "none"), "does not exist"),
    ):
        result = shoal("map", run, *words)
        assert result.exit_code == 2
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
