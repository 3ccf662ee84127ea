import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.features.scales import MISMATCH, learn_scale

P = np.linspace(0, 1, 1001)
DRAW = np.random.default_rng(0)


def learned(numbers, step=0.0, plain=False):
    return learn_scale(P, np.quantile(numbers, P), step, plain)


def test_a_symmetric_column_is_standardised():
    scale = learned(np.array([-1.0, 0.0, 1.0]))
    assert (scale.power, scale.fill, scale.mean) == ("as it is", 0, pytest.approx(0))
    # uniform from −1 to 1, as the quantiles between three values are: deviation 1/√3
    np.testing.assert_allclose(
        scale.apply(np.array([-1.0, 0.0, 1.0])), [-(3**0.5), 0, 3**0.5], 1e-2, 1e-9
    )


@pytest.mark.parametrize(
    ("numbers", "power"),
    [
        (DRAW.normal(size=5000), "as it is"),
        (DRAW.uniform(5, 6, 5000), "as it is"),
        (DRAW.normal(10, 1, 5000) ** 2, "as it is"),
        (np.abs(DRAW.normal(3, 1, 5000)) ** 2, "root"),
        (np.exp(DRAW.normal(size=5000)), "log"),
        (np.exp(DRAW.normal(size=5000)) * (DRAW.random(5000) < 0.8), "root"),
        (DRAW.standard_cauchy(5000), "as it is"),
        (-np.exp(DRAW.normal(size=5000)), "as it is"),
    ],
)
def test_the_ladder_makes_long_tails_symmetric(numbers, power):
    assert learned(numbers).power == power


def test_dates_are_not_re_expressed():
    assert learned(np.exp(DRAW.normal(size=5000)), plain=True).power == "as it is"


@given(
    st.sampled_from(["normal", "lognormal", "cauchy", "counts", "two"]),
    st.floats(1e-6, 1e9),
    st.integers(0, 99),
)
def test_the_unit_of_a_column_does_not_matter(law, unit, seed):
    draw = np.random.default_rng(seed)
    numbers = {
        "normal": draw.normal(size=500),
        "lognormal": np.exp(draw.normal(size=500)),
        "cauchy": draw.standard_cauchy(500),
        "counts": draw.poisson(1.5, 500).astype(float),
        "two": draw.normal(size=500) + 40 * (draw.random(500) < 0.3),
    }[law]
    step = 1.0 if law == "counts" else 0.0
    scaled = learned(numbers * unit, step * unit).apply(numbers * unit)
    np.testing.assert_allclose(scaled, learned(numbers, step).apply(numbers), 1e-6, 1e-6)
    assert abs(scaled.mean()) < 0.15
    assert 0.7 < scaled.std() < 1.2


def test_an_outlier_does_not_squeeze_the_others():
    numbers = np.append(DRAW.normal(size=999), 1e12)
    scaled = learned(numbers).apply(numbers)
    assert scaled[:999].std() > 0.8
    assert scaled.max() < 12


@given(st.lists(st.floats(-1e90, 1e90), min_size=2, max_size=30, unique=True))
def test_order_is_kept_and_all_is_finite(numbers):
    numbers = np.sort(np.array(numbers))
    scaled = learned(numbers).apply(numbers)
    assert np.isfinite(scaled).all()
    assert (np.diff(scaled) >= -1e-9 * np.abs(scaled[1:])).all()


def test_whole_numbers_are_spread_over_a_step_but_not_widely_over_a_rare_one():
    counts = DRAW.poisson(3, 5000).astype(float)
    assert learned(counts, 1.0).step == 1
    rare = np.where(DRAW.random(5000) < 0.01, DRAW.integers(1, 4, 5000), 0).astype(float)
    assert 0 < learned(rare, 1.0).step < 1


@pytest.mark.parametrize("atom", [0.0, 1e6, 150.0])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_number_that_many_rows_have_adjoins_the_others(atom, share):
    others = np.exp(DRAW.normal(5, 1, 5000))
    scale = learn_scale(P, np.quantile(others, P), 1e-6, False, (atom, share))
    n = round(5000 * share / (1 - share))
    numbers = np.append(others, np.full(n, atom))
    placed = scale.apply(numbers, DRAW.random(len(numbers)))
    here, there = placed[5000:], placed[:5000]
    assert abs(placed.mean()) < 0.1
    assert placed.std() < 1.1
    assert abs(here.mean() - there.mean()) < 1.1 * MISMATCH
    assert here.std() > 0.15
    assert (np.diff(np.sort(placed)[60:-60]) < 0.1).all()  # no gap
    assert scale.apply(np.array([atom]))[0] == pytest.approx(
        (here.min() + here.max()) / 2, abs=0.02
    )
    assert scale.fill == (atom if share >= 0.5 else pytest.approx(np.median(others)))


def test_without_such_a_number_nothing_of_it_is_stored():
    assert "atom" not in learned(DRAW.normal(size=99)).as_dict()
    assert "atom" in learn_scale((0, 1), (1, 2), 0.1, False, (0.0, 0.5)).as_dict()
