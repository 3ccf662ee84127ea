import numpy as np
import pyarrow as pa
import pytest

from shoal.rows.tables.columns import Column, answers_in, by_type, describe, find_answers

DRAW = np.random.default_rng(0)
N = 300
CODES = DRAW.integers(0, 3, N)
WORDS = np.array(["ant", "bee", "cat"])[CODES]


def described(columns):
    table = pa.table(columns)
    rows = np.arange(len(table))
    return [describe(by_type(f), table[f.name], rows, ".") for f in table.schema]


def floats(count, stem="e"):
    return {f"{stem}{at}": DRAW.normal(size=N) for at in range(count)}


def named(*names):
    return {name: DRAW.normal(10.0**at, 3.0**at, N) for at, name in enumerate(names)}


def answers(**columns):
    return set(find_answers(described(columns)))


@pytest.mark.parametrize(
    "name",
    [
        *("label", "Labels", "TARGET", "y_true", "classLabel", "class-id", "species", "fine_label"),
        *("target_name", "ground truth", "cluster", "cluster_id"),
        *("class", "y", "category", "Outcome"),
    ],
)
@pytest.mark.parametrize("values", [CODES, WORDS, CODES.astype(float), CODES == 1, CODES - 1])
def test_columns_called_like_answers(name, values):
    assert answers(**named("width", "height", "depth"), **{name: values}) == {name}


@pytest.mark.parametrize(
    "columns",
    [
        {"x": DRAW.normal(size=N), "y": DRAW.normal(size=N)},
        {"x": DRAW.integers(0, 9, N), "y": DRAW.integers(0, 9, N), "value": DRAW.normal(size=N)},
        {**named("age", "fare"), "sex": WORDS, "class": CODES},  # of passengers
        {**named("age", "fare"), "sex": CODES > 1, "Class": WORDS},
        {**named("price", "weight"), "category": WORDS, "brand": WORDS[::-1]},
        {f"q{at}": DRAW.integers(1, 6, N) for at in range(12)},
        {**named("age", "pay"), "children": CODES},
        {**named(*"abcdefghij"), "plan": WORDS},
        {**named(*"abcdefghij"), "member": CODES > 1},
        {**named(*"abcdefghij"), "items": DRAW.integers(0, 90, N), "tenure": CODES + 6},
        {"labelled_area": DRAW.normal(size=N), "classics": CODES, "targets_hit_rate": CODES / 7},
        {"label": WORDS},
        {"label": WORDS, "target": CODES},
        {**named("width", "height"), "label": ["same"] * N},
        {"name": [f"n{at}" for at in range(N)], "class": WORDS},
    ],
)
def test_columns_that_are_no_answers(columns):
    assert answers(**columns) == set()


@pytest.mark.parametrize("values", [CODES, WORDS, CODES == 1, 2 * CODES - 1.0, CODES + 7])
def test_the_only_codes_beside_a_vector_are_the_answer_whatever_they_are_called(values):
    assert answers(**floats(8), kind=values) == {"kind"}
    assert answers(**floats(7), kind=values) == set()


def test_few_whole_numbers_beside_many_fractions_are_the_answer():
    assert answers(**named(*"abcdefgh"), grade=CODES + 3) == {"grade"}
    assert answers(**named(*"abcdefgh"), grade=CODES + 3, zone=CODES) == set()


def test_beside_the_output_of_a_network_all_codes_are_answers():
    beside = {"fold": CODES, "animal": WORDS, "class_nr": DRAW.integers(0, 250, N)}
    assert answers(**floats(32), **beside) == set(beside)
    assert answers(**floats(32), **beside, age=DRAW.integers(18, 90, N)) == set()


def test_classes_may_lack_their_first_numbers_where_many_are_left_out():
    several = DRAW.choice(np.arange(1, 200), 120, replace=False)
    numbers = np.resize(several[several > 3], N)
    assert answers(**floats(32), nr=numbers) == {"nr"}
    assert answers(**floats(32), nr=np.resize(np.arange(4, 100), N)) == set()


def test_the_first_of_columns_without_names():
    wine = {"column 1": CODES + 1, **{f"column {at}": DRAW.normal(size=N) for at in range(2, 12)}}
    wine["column 12"] = DRAW.integers(70, 162, N)
    assert answers(**wine) == {"column 1"}


def test_what_shoal_wrote_is_no_feature():
    own = {"row": np.arange(N), "cluster": CODES, "confidence": DRAW.random(N)}
    own |= {"outlier": CODES > 1, "cluster_name": WORDS}
    assert answers(**named("width", "height"), **own) == set(own)
    assert answers(**named("width", "height"), confidence=DRAW.random(N)) == set()


def test_the_reason_offers_a_comparison_where_there_is_one():
    found = find_answers(described({**floats(4), "label": CODES, "target": DRAW.normal(size=N)}))
    assert "--truth label" in found["label"]
    assert answers_in([*found.items(), ("id", "an id")]) == ["label"]
    assert find_answers([Column("label", False, False, known=9, values=2)], aside=True)
