import datetime
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.rows.tables.cells import DATE_FORMATS, ISO, to_codes, to_days, to_numbers, to_text


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        *(("7", 7), (" 7.5 ", 7.5), ("+3", 3), ("-1e5", -1e5), ("5.", 5), (".5", 0.5)),
        *(("1,200.50", 1200.5), ("$15.5", 15.5), ("€ 1 200", 1200), ("1'000", 1000)),
        *(("12%", 12), ("- 5", -5), ("1,234,567", 1234567), ("-$3", -3)),
        *(("inf", math.inf), ("-Infinity", -math.inf), ("1e300", math.inf)),
        *(("", None), ("NA", None), ("n/a", None), ("?", None), ("NaN", None), ("null", None)),
        *(("x", None), ("1,2", None), ("1.5.2", None), ("1_000", None), ("12 kg", None)),
    ],
)
def test_numbers_and_amounts(cell, number):
    # beside a plain number, and beside one that has to be parsed slowly
    for other in ("1", "$1"):
        found = to_numbers(pa.array([other, cell, None]))
        assert found[0] == 1
        np.testing.assert_equal(found[1:], [math.nan if number is None else number, math.nan])


def test_a_comma_for_a_point():
    cells = pa.array(["1.200,50", "3,5", "12", "1.200", "4.5.6"])
    np.testing.assert_equal(to_numbers(cells, ","), [1200.5, 3.5, 12, 1200, math.nan])


@given(st.lists(st.floats(allow_nan=False, min_value=-1e99, max_value=1e99) | st.none()))
def test_any_number_that_is_written_comes_back(numbers):
    expected = np.array([math.nan if x is None else x for x in numbers])
    written = pa.array([None if x is None else repr(x) for x in numbers], pa.string())
    np.testing.assert_array_equal(to_numbers(written), expected)
    np.testing.assert_array_equal(to_numbers(pa.array(numbers, pa.float64())), expected)


@pytest.mark.parametrize(
    ("form", "cell"),
    [
        ("%Y-%m-%d", "2024-02-29"),
        ("%d.%m.%Y", "29.02.2024"),
        ("%m/%d/%Y", "02/29/2024"),
        ("%d %b %Y", "29 Feb 2024"),
        (ISO, "2024-02-29"),
        (ISO, "2024-02-29T01:00:00+01:00"),
        ("%Y-%m-%d %H:%M:%S", "2024-02-29 00:00:00"),
    ],
)
def test_dates_are_days_since_1970(form, cell):
    assert form in DATE_FORMATS
    expected = (datetime.date(2024, 2, 29) - datetime.date(1970, 1, 1)).days
    found = to_days(pa.array([cell, "x", None, "2024"]), form)
    np.testing.assert_equal(found, [expected, math.nan, math.nan, math.nan])


def test_stored_dates_and_times_need_no_form():
    noon = datetime.datetime(1970, 1, 3, 12)
    aware = noon.replace(tzinfo=datetime.UTC)
    for value, days in ((noon, 2.5), (aware, 2.5), (noon.date(), 2)):
        column = pa.array([value, None])
        np.testing.assert_equal(to_days(column, None), [days, math.nan])
        np.testing.assert_equal(to_numbers(column), [days, math.nan])
    assert np.isnan(to_days(pa.array([1, 2]), None)).all()


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pa.array(["a ", " a", "?", "3.0", "None", "3.10"]), ["a", "a", None, "3", "None", "3.10"]),
        (pa.array([1.0, 2.5, None]), ["1", "2.5", None]),
        (pa.array([1, None]), ["1", None]),
        (pa.array([True, None]), ["true", None]),
        (pa.array(["x", None, "x"]).dictionary_encode(), ["x", None, "x"]),
        (pa.chunked_array([["x"], ["y "]]), ["x", "y"]),
        (pa.array([[1], None]), [None, None]),
        (pa.array([b"x"]), [None]),
    ],
)
def test_text_is_trimmed_and_missing_cells_are_null(column, text):
    assert to_text(column).to_pylist() == text


def test_codes_are_places():
    text = to_text(pa.chunked_array([["a", "b"], ["c", None, " a"]]))
    codes, missing = to_codes(text, ("a", "b"))
    assert codes.tolist() == [0, 1, -1, -1, 0]
    assert missing.tolist() == [False, False, False, True, False]
