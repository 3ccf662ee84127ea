import numpy as np
import pyarrow as pa
import pytest

from shoal.rows.tables.cells import ParsedCells
from shoal.rows.tables.schema import PROBABILITIES, date_form, decide, may_name

DRAW = np.random.default_rng(0)
PLANS = ["basic"] * 60 + ["pro"] * 30 + ["gold"] * 10


def decided(values, name="x", **options):
    decimal = options.pop("decimal", ".")
    given = {"coded": False, "named": False, **options}
    column = values if isinstance(values, pa.Array) else pa.array(values)
    return decide(name, ParsedCells(column, decimal), **given)


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ([1, 2, 5, 9] * 5, 1),
        (["1.5", "2.5", "4.0", "n/a"] * 5, 1),
        ([0.1, 0.2, 0.4] * 5, 0.1),
        (["$1,200", "$1,300", "$2,000"] * 5, 100),
        (["1", "2", "3"] * 10 + ["lots"], 1),
    ],
)
def test_numbers(values, step):
    found = decided(values)
    assert found.role == "number"
    assert found.step == pytest.approx(step)
    assert len(found.quantiles) == len(PROBABILITIES)
    assert (np.diff(found.quantiles) >= 0).all()


def test_quantiles_are_those_of_the_finite_cells():
    found = decided([*range(100, -1, -1), None, float("inf")])
    np.testing.assert_allclose(found.quantiles, 100 * np.array(PROBABILITIES), atol=1e-9)


@pytest.mark.parametrize(
    ("values", "form"),
    [
        ([f"2024-01-{d:02}" for d in range(1, 29)], "%Y-%m-%d"),
        ([f"{d:02}.01.2024" for d in range(1, 29)], "%d.%m.%Y"),
        ([f"01/{d:02}/2024" for d in range(1, 29)], "%m/%d/%Y"),
        ([f"{d:02}/01/2024" for d in range(1, 12)], "%d/%m/%Y"),
        (pa.array(range(9), pa.date32()), None),
        (pa.array(range(9), pa.timestamp("s", "UTC")), None),
    ],
)
def test_dates(values, form):
    found = decided(values)
    assert (found.role, found.form) == ("date", form)


def test_texts_without_digits_are_not_tried_as_dates():
    assert date_form(pa.array(["May", "June"])) is None
    assert date_form(pa.array([], pa.string())) is None


def test_categories_are_ordered_by_how_common_they_are():
    found = decided(PLANS)
    assert (found.role, found.labels) == ("category", ("basic", "pro", "gold"))


def test_rare_values_are_pooled_and_missing_ones_are_a_category():
    rare = [f"town {n}" for n in range(10)]
    assert decided(PLANS + rare).labels == ("basic", "pro", "gold", "other")
    assert decided(PLANS + [None] * 5).labels == ("basic", "pro", "gold", "missing")
    assert decided([*PLANS, "town"]).labels == ("basic", "pro", "gold")
    assert decided(["a", "b"] * 200 + [None]).labels == ("a", "b")


@pytest.mark.parametrize(
    "values",
    [
        [True, False, True, None] * 3,
        [0, 1, 1] * 4,
        ["2", "7"] * 5,
        pa.array([1, 2, 3] * 4).dictionary_encode(),
    ],
)
def test_yes_and_no_and_stored_categories_are_categories(values):
    assert decided(values).role == "category"


def test_codes_that_are_told_are_categories():
    values = [1, 2, 3] * 9
    assert decided(values).role == "number"
    assert decided(values, coded=True).labels == ("1", "2", "3")
    assert decided([1.0, 2.0] * 9, coded=True).labels == decided(["1", "2"] * 9, coded=True).labels


def flagged(share, yes, no, n=2000):
    return [yes if at < share * n else no for at in range(n)]


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        *((1, 0), (0, 1), (1.0, 0.0), (1, -1), (7, 3), ("1", "0"), (True, False)),
        *(("yes", "no"), ("True", "False"), ("Y", "N")),
        *((1, None), ("x", None), (1.5, float("nan"))),
    ],
)
def test_a_flag_is_the_same_whatever_it_is_written_as(yes, no):
    rare = decided(flagged(0.005, yes, no))
    assert isinstance(rare, str), rare
    assert "always" in rare
    common = decided(flagged(0.05, yes, no))
    assert (common.role, len(common.labels)) == ("category", 2)


@pytest.mark.parametrize(
    "rest", [[1, 2, 3], [1.25, 40.5, 3e6], [-5, 5], np.exp(DRAW.normal(size=12)).tolist()]
)
def test_numbers_that_are_nearly_always_one_value_tell_nothing(rest):
    assert decided([0] * 2000 + rest) == "nearly always '0'"
    assert decided(["0.0"] * 2000 + list(map(str, rest))) == "nearly always '0'"


def test_counts_of_which_all_but_two_are_rare_are_categories():
    found = decided([0] * 900 + [1] * 95 + [2] * 4 + [5])
    assert (found.role, found.labels) == ("category", ("0", "1"))
    assert decided([0] * 900 + [1] * 70 + [2] * 30).role == "number"


AMOUNTS = np.exp(DRAW.normal(5, 1, 100)).tolist()
COUNTS = np.arange(1, 51).repeat(2).tolist()


@pytest.mark.parametrize(
    ("values", "atom"),
    [
        ([0.0] * 300 + AMOUNTS, (0, 0.75)),
        ([0.0] * 25 + AMOUNTS, (0, 0.2)),
        ([500.0] * 100 + AMOUNTS, (500, 0.5)),
        ([0] * 300 + COUNTS, (0, 0.75)),
        ([0] * 40 + COUNTS, None),
        (AMOUNTS, None),
        ([1, 2, 3, 4, 5] * 9, None),
    ],
)
def test_a_number_that_many_rows_have(values, atom):
    found = decided(values)
    assert found.atom == (atom and pytest.approx(atom))
    others = [value for value in values if atom is None or value != atom[0]]
    assert (found.quantiles[0], found.quantiles[-1]) == (min(others), max(others))


TEMPERATURES = DRAW.normal(15, 8, 200).round(1).tolist()


@pytest.mark.parametrize(
    ("values", "absent"),
    [
        (TEMPERATURES + [-999] * 5, (-999,)),
        (TEMPERATURES + [9999.0] * 5 + [-9999] * 9, (-9999, 9999)),
        ([*map(str, TEMPERATURES), *["-999.0"] * 5], (-999,)),
        (TEMPERATURES + [99, 98, 97] * 5, (97, 98, 99)),
        (TEMPERATURES + [-32768] * 5 + [1e20] * 5, (-32768, 1e20)),
        ([*TEMPERATURES, -999], ()),  # one may be wrong, and is limited like any other
        (TEMPERATURES + [1000] * 5, ()),
        ([*range(18, 99)] * 9 + [99] * 9, ()),
        ([5, 7, 200, 1900, 999] * 9, ()),
        ([999] * 90 + [1, 5, 9] * 3, ()),
        ([0, 1] * 90 + [99] * 9, (99,)),
    ],
)
def test_numbers_that_stand_for_a_missing_one(values, absent):
    found = decided(values)
    assert found.absent == absent
    assert set(found.labels) <= {"0", "1", "missing"} or found.role == "number"


def test_dates_that_stand_for_a_missing_one():
    days = [f"2024-0{1 + d % 9}-11" for d in range(90)]
    assert decided(days + ["9999-12-31"] * 4 + ["1900-01-01"] * 4).absent == (-25567, 2932896)
    assert decided(days).absent == ()


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("x", ["", "NA", None], "empty"),
        ("x", pa.nulls(5), "empty"),
        ("x", [float("nan"), float("inf")], "empty"),
        ("x", [3.0, 3.0, None], "always the same"),
        ("x", ["DE"] * 9, "always 'DE'"),
        ("x", ["DE"] * 300 + ["FR"], "nearly always 'DE'"),
        ("x", ["a", "b", "c"], "every value differs"),
        ("x", ["a", None, None], "only one value"),
        ("x", [f"{n % 250} is what they said then" for n in range(500)], "free text"),
        ("x", [f"v{n % 250}" for n in range(500)], "250 values, most of them rare"),
        ("customer_id", [5, 9, 7], "an id"),
        ("storeID", list(range(300)) * 2, "an id"),
        ("zip", [f"{n % 250 + 10_000}" for n in range(500)], "an id"),
        ("Individual ID", [f"N{n % 250}" for n in range(500)], "an id"),
        ("x", list(range(7, 40)), "it counts the rows"),
        ("x", [[1, 2], [3]], "no plain values"),
        ("x", [b"x"], "no plain values"),
    ],
)
def test_reasons_for_leaving_a_column_out(name, values, why):
    assert decided(values, name) == why


def test_a_code_that_comes_again_is_a_category_and_one_asked_for_is_a_number():
    values = [4, 5, 9] * 9
    assert decided(values, "store_id").role == "category"
    assert decided(values, "store_id", named=True).role == "number"
    assert decided(list(range(50)), "x", named=True).role == "number"


@pytest.mark.parametrize(
    ("name", "values", "fit"),
    [
        *(("id", [5, 9], 4), ("CustomerID", ["5", "9"], 4), ("user id", ["u1", "u2"], 3)),
        *(("name", ["Ann", "Bob"], 2), ("who", ["Ann", "Bob"], 1)),
        *(("age", [5, 9], 0), ("who", ["Ann", "Ann"], 0), ("who", ["Ann", None], 0)),
        *(("when", ["2024-01-01", "2024-01-02"], 0), ("id", [0.5, 1.5], 0)),
        *(("said", ["x" * 100, "y"], 0), ("said", ["x\ny", "y"], 0)),
    ],
)
def test_what_names_the_rows(name, values, fit):
    assert may_name(name, ParsedCells(pa.array(values), ".")) == fit
