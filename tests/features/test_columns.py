import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform

from shoal.errors import InputError
from shoal.features import Columns, Encoder
from shoal.features.columns import MISMATCH
from shoal.features.scales import learn_scale

P = tuple(np.linspace(0, 1, 101))
DRAW = np.random.default_rng(0)


@dataclass(frozen=True)
class Column:
    role: str
    quantiles: tuple[float, ...] = ()
    step: float = 0.0
    labels: tuple[str, ...] = ()
    atom: tuple[float, float] | None = None


@dataclass(frozen=True)
class Table:
    columns: tuple[Column, ...]
    donors: np.ndarray
    probabilities: tuple[float, ...] = P
    said: str = ""


def table(numbers, codes, donors=None, step=0.0):
    """A table of columns of numbers and of columns of codes."""
    columns = [Column("number", tuple(np.quantile(x, P)), step) for x in numbers.T]
    columns += [Column("category", labels=tuple("abcdefghij"[: int(c.max()) + 1])) for c in codes.T]
    rows = np.concatenate([numbers, codes], axis=1)
    return Table(tuple(columns), rows[:50] if donors is None else donors), rows


def test_it_is_an_encoder_that_can_be_pickled():
    known, rows = table(DRAW.normal(size=(80, 2)), DRAW.integers(0, 3, (80, 1)))
    encoder = Columns.of(known)
    assert isinstance(encoder, Encoder)
    assert encoder.n_features == 5
    again = pickle.loads(pickle.dumps(encoder))
    assert again.settings() == encoder.settings()
    np.testing.assert_array_equal(again.encode(rows), encoder.encode(rows))


def test_categories_lie_on_lines_from_the_middle_through_corners_that_are_equally_far():
    codes = np.repeat(np.arange(4.0), 5000)[:, None]
    numbers = DRAW.normal(size=(20_000, 1))
    known, rows = table(numbers, codes)
    found = Columns.of(known).encode(rows)[:, 1:]
    middles = np.stack([found[codes[:, 0] == c].mean(axis=0) for c in range(4)])
    np.testing.assert_allclose(pdist(middles), MISMATCH, atol=0.04)
    for c in range(4):
        along = found[codes[:, 0] == c]
        direction = middles[c] / np.linalg.norm(middles[c])
        reach = along @ direction
        np.testing.assert_allclose(along, reach[:, None] * direction, atol=0.02)
        # from where all meet to twice the corner, evenly
        twice = 2 * np.linalg.norm(middles[c])
        np.testing.assert_allclose(
            np.quantile(reach, [0, 0.25, 0.5, 0.75, 1]), np.linspace(0, twice, 5), atol=0.05
        )


def test_numbers_are_spread_over_a_step_and_otherwise_scaled():
    ages = DRAW.integers(20, 70, (4000, 1)).astype(float)
    known, rows = table(ages, np.zeros((4000, 0)), step=1.0)
    found = Columns.of(known).encode(rows)[:, 0]
    scale = learn_scale(P, np.quantile(ages, P), 1.0, False)
    half = scale.apply(np.array([0.5]))[0] - scale.apply(np.array([0.0]))[0]
    away = found - scale.apply(ages[:, 0])
    assert np.abs(away).max() <= half + 1e-5
    assert found.std() == pytest.approx(1, abs=0.02)
    assert len(np.unique(found)) == len(np.unique(ages))  # one draw for each different row


def test_the_same_row_has_the_same_features_in_any_batch():
    known, rows = table(DRAW.normal(size=(300, 3)), DRAW.integers(0, 3, (300, 2)), step=0.5)
    rows[5] = rows[77]
    encoder = Columns.of(known)
    whole = encoder.encode(rows)
    assert np.array_equal(whole[5], whole[77])
    for part in (slice(0, 1), slice(7, 140), slice(299, 300)):
        np.testing.assert_array_equal(encoder.encode(rows[part]), whole[part])


def test_no_column_counts_more_by_its_unit():
    numbers = DRAW.normal(size=(3000, 4)) * [1e-3, 1, 1e3, 1e9] + [5, 0, 1e6, 0]
    known, rows = table(numbers, np.zeros((3000, 0)))
    assert Columns.of(known).encode(rows).std(axis=0) == pytest.approx(1, abs=0.05)


def test_gaps_are_filled_from_similar_rows():
    group = DRAW.integers(0, 2, 400)
    numbers = np.stack([20.0 * group, -20.0 * group], 1) + DRAW.normal(size=(400, 2))
    codes = group[:, None].astype(float)
    known, rows = table(numbers, codes)
    encoder = Columns.of(known)
    gaps = rows.copy()
    gaps[:, 1] = np.nan
    gaps[::2, 2] = -1
    gaps[1::2, 0] = np.inf
    away = squareform(pdist(np.concatenate([encoder.encode(rows), encoder.encode(gaps)])))
    nearest = np.argmin(away[400:, :400], axis=1)
    assert (group[nearest] == group).all()


def test_cells_that_no_donor_knows_are_medians_and_the_most_common():
    donors = np.array([[np.nan, -1.0], [np.nan, np.nan]])
    known, rows = table(DRAW.normal(7, 1, (200, 1)), DRAW.integers(0, 2, (200, 1)), donors)
    encoder = Columns.of(known)
    filled = encoder._filled(np.array([[np.nan, 1.0], [8.0, np.nan], [np.nan, np.nan]]))
    assert filled[1:, 1].tolist() == [0, 0]
    assert filled[[0, 2], 0] == pytest.approx(7, abs=0.4)
    assert np.isfinite(encoder.encode(rows)).all()


def test_very_wide_tables_are_shortened_and_keep_distances():
    rows = DRAW.integers(0, 10, (30, 600)).astype(float)
    rows[0] = 9
    known, _ = table(np.zeros((30, 0)), rows)
    encoder = Columns.of(known)
    assert (encoder.wide, encoder.n_features) == (6000, 4096)
    found = encoder.encode(rows)
    assert found.shape == (30, 4096)
    # two rows differ in nearly all columns: E |r a − s b|² of two lines
    assert np.median(pdist(found)) == pytest.approx((600 * 0.9 * 2) ** 0.5, rel=0.15)


def test_settings_change_with_scales_and_donors():
    known, _ = table(DRAW.normal(size=(80, 2)), DRAW.integers(0, 3, (80, 1)))
    first = Columns.of(known).settings()
    assert first["name"] == "columns"
    other = Table(known.columns, known.donors + 1)
    assert Columns.of(other).settings() != first
    assert Columns.of(Table(known.columns[:2], known.donors)).settings() != first


def test_refuses_rows_of_another_length():
    known, rows = table(DRAW.normal(size=(80, 2)), DRAW.integers(0, 3, (80, 1)))
    with pytest.raises(InputError, match=r"\(80, 2\): \(rows, 3\) is needed"):
        Columns.of(known).encode(rows[:, :2])


@pytest.mark.parametrize(
    ("columns", "step", "rows", "chance"),
    [(3, 1.0, 5000, True), (3, 1e-3, 5000, False), (30, 1.0, 5000, False), (1, 0.01, 10**5, True)],
)
def test_rows_are_equal_by_chance_where_there_are_few_different_cells(columns, step, rows, chance):
    law = np.sort(np.random.default_rng(0).normal(size=99))
    scale = learn_scale(np.linspace(0, 1, 99), law, step, False)
    assert Columns((scale,) * columns, np.zeros((1, columns))).equal_by_chance(rows) == chance


def test_categories_are_equal_by_chance_one_in_as_many_as_there_are():
    encoder = Columns((4, 4, 4), np.zeros((1, 3)))
    assert encoder.equal_by_chance(64)
    assert not encoder.equal_by_chance(4)
