import zlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shoal.edits.rows import pack, parse_rows, row_set, rows_text, unpack
from shoal.errors import InputError

ROWS = st.sets(st.integers(0, 2**40), max_size=60).map(sorted)
FAR = 2**32  # what a run has rows for


@given(st.sets(st.integers(0, FAR - 2) | st.integers(0, 9), max_size=60).map(sorted))
@example([0, FAR - 1])
def test_packed_rows_come_back(rows):
    assert unpack(pack(np.array(rows, np.int64))).tolist() == rows


def test_the_bytes_are_as_the_run_folder_page_says():
    data = zlib.decompress(pack(np.array([0, 5, 6])))
    assert np.frombuffer(data, "<u4").tolist() == [1, 5, 1]


def test_a_million_rows_in_one_piece_are_a_few_kilobytes():
    assert len(pack(np.arange(10**6, 2 * 10**6))) < 20_000


@given(ROWS.filter(len))
def test_rows_in_words_come_back(rows):
    assert parse_rows(rows_text(np.array(rows, np.int64)), 2**41).tolist() == rows


@pytest.mark.parametrize("text", ["", "x", "3-1", "-3", "1,,2", "1.5"])
def test_what_are_no_rows_is_refused(text):
    with pytest.raises(InputError, match="are not rows: give numbers such as 17,20-29"):
        parse_rows(text, 100)


def test_a_row_that_is_not_there_is_refused_before_any_are_made():
    with pytest.raises(InputError, match="row 99999999999999, but the rows are numbered 0 to 99"):
        parse_rows("0-99999999999999", 100)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no rows were given"),
        ([1.5], "must be whole numbers"),
        ([3, -1], "row -1, but the rows are numbered 0 to 9"),
        ([10], "row 10, but the rows are numbered 0 to 9"),
        ([[1]], "no rows were given"),
    ],
)
def test_a_set_of_rows_is_checked(rows, said):
    with pytest.raises(InputError, match=said):
        row_set(rows, 10)


def test_a_set_is_sorted_and_has_each_row_once():
    assert row_set([3, 1, 3], 5).tolist() == [1, 3]


def test_rows_out_of_order_are_not_packed():
    with pytest.raises(ValueError, match="sorted, distinct"):
        pack(np.array([2, 1]))
