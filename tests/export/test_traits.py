import re

import numpy as np
import pyarrow as pa
import pytest

from shoal.export import traits
from shoal.export.traits import column_quantiles, gather_traits
from shoal.rows import open_source

DRAW = np.random.default_rng(0)


def test_medians_shares_and_gaps_by_hand():
    table = {
        "age": [20, 30, 40, 60, None, 70],
        "plan": ["a", "b", "a", "b", "b", None],
        "since": pa.array([0, 10, 20, 30, 40, 50], pa.date32()),
    }
    source = open_source(table, as_="table")
    found = gather_traits(source, np.array([0, 0, 0, 1, 1, -1]), 2)
    assert [c.name for c in found.columns] == ["age", "plan", "since"]
    np.testing.assert_allclose(found.quartiles[:, 0, 1], [30, 60, 35])
    np.testing.assert_allclose(found.quartiles[:, 2, 1], [10, 35, 20])
    b_then_a = found.shares[1]
    np.testing.assert_allclose(b_then_a, [[1 / 3, 2 / 3], [1, 0], [3 / 5, 2 / 5]])
    np.testing.assert_allclose(found.gaps[:, 0], [0, 0.5, 0.2])
    assert found.rows == 5
    assert found.figure(found.quartiles[0, 2, 1], 2) == "1970-01-11"


def test_what_tells_most_comes_first_and_is_said():
    n = 600
    group = np.repeat([0, 1], n // 2)
    table = {
        "noise": DRAW.normal(size=n),
        "pay": 1000 + 100 * DRAW.normal(size=n) + 2000 * group,
        "plan": np.where(DRAW.random(n) < 0.9, group, 1 - group).astype(str),
    }
    found = gather_traits(open_source(table, as_="table"), group, 2)
    assert np.argsort(-found.telling[0]).tolist()[-1] == 0
    assert found.telling[:, 1].min() > 0.5
    # 40% have another plan than in all: a shift of .4 / .383 deviations
    assert found.telling[0, 2] == pytest.approx(0.4 / 0.383, rel=0.1)
    said = found.phrases(1, 5)
    assert len(said) == 2
    assert any(re.fullmatch(r"plan 1 (8|9)\d% \(all: (4|5)\d%\)", part) for part in said)
    assert any(part.startswith("pay ") for part in said)


def slow_quantiles(matrix, probabilities):
    columns = [column[np.isfinite(column)] for column in matrix.T]
    return np.array(
        [
            np.quantile(c, probabilities) if len(c) else [np.nan] * len(probabilities)
            for c in columns
        ]
    )


@pytest.mark.parametrize("seed", range(20))
def test_quantiles_equal_the_slow_twin(seed):
    draw = np.random.default_rng(seed)
    matrix = draw.normal(size=(draw.integers(0, 12), 5))
    matrix[draw.random(matrix.shape) < 0.4] = draw.choice([np.nan, np.inf])
    found = column_quantiles(matrix, [0, 0.25, 0.5, 1])
    np.testing.assert_allclose(found, slow_quantiles(matrix, [0, 0.25, 0.5, 1]))


def test_blocks_from_all_over_stand_for_many_rows(monkeypatch):
    monkeypatch.setattr(traits, "_BLOCK", 10)
    monkeypatch.setattr(traits, "_MOST_ROWS", 400)
    numbers = DRAW.normal(size=8000)
    found = gather_traits(open_source({"x": numbers}, as_="table"), (numbers > 0).astype(int), 2)
    assert found.rows == 400
    np.testing.assert_allclose(found.quartiles[:2, 0, 1], [-0.67, 0.67], atol=0.2)


def test_clusters_without_rows_have_no_numbers():
    found = gather_traits(open_source({"x": [1.0, 2, 4, 9]}, as_="table"), np.zeros(4, int), 2)
    assert np.isnan(found.quartiles[1]).all()
    assert found.phrases(1, 3) == []
