import numpy as np
import pytest

from shoal.rows.opening import open_source
from shoal.rows.tables.sniff import Encoding, find_encoding, open_text, sniff

TEXTS = {
    "utf-8": "name,größe\nä,1\n",
    "cp1252": "name,größe\nä,1\n",
    "utf-16-le": "name,größe\nжук,1\n",
    "utf-16-be": "name\tgröße\n日本\t1\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_each_is_found_and_read(tmp_path, name):
    path = tmp_path / "x.csv"
    path.write_bytes(TEXTS[name].encode(name))
    assert find_encoding(path.read_bytes()) == Encoding(name)
    with open_text(path) as file:
        assert file.read() == TEXTS[name]


@pytest.mark.parametrize("name", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_mark_is_no_part_of_the_text(tmp_path, name):
    path = tmp_path / "x.csv"
    path.write_bytes("\ufeff日本\n語\n".encode(name))
    with open_text(path) as file:
        assert file.read() == "日本\n語\n"


def test_a_letter_cut_in_half_at_the_end_of_the_head_is_utf_8():
    assert find_encoding("aé".encode()[:-1]).name == "utf-8"
    assert find_encoding(b"").name == "utf-8"
    assert find_encoding(b"\0" * 50).name == "utf-8"


def test_names_of_files_need_be_no_text(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"a\xff.png\n")
    with open_text(tmp_path / "x.txt", "surrogateescape") as file:
        assert file.read() == "a\udcff.png\n"


@pytest.mark.parametrize("delimiter", ["\t", ";"])
def test_numbers_with_a_decimal_comma_and_thousands_dots(tmp_path, delimiter):
    rows = [f"{at}.234,5{delimiter}{at}.000.000,25" for at in range(1, 9)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join([f"a{delimiter}b", *rows]) + "\n")
    dialect, _ = sniff(path)
    assert (dialect.delimiter, dialect.decimal, dialect.names) == (delimiter, ",", ("a", "b"))
    np.testing.assert_allclose(
        open_source(path).read(0, 2).data, [[1234.5, 1000000.25], [2234.5, 2000000.25]]
    )


def test_numbers_with_a_decimal_point_and_thousands_commas(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a;b", *(f"1,234.5;{at},000.25" for at in range(1, 9))]) + "\n")
    assert sniff(path)[0].decimal == "."
