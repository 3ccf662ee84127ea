import numpy as np
import pytest

from shoal import time_forecast
from shoal.planning import make_plan
from shoal.rows import open_source
from shoal.settings import fit_settings
from shoal.time_forecast import Rates, measure_speed, seconds

RATES = Rates(read=1e6, encode=1e5, project=1e6, search=1e8, product=1e9)


def plan(n, **settings):
    tiles = open_source(np.broadcast_to(np.uint8(0), (n, 16, 16, 3)))
    return make_plan(tiles, fit_settings(**{"workers": 1, **settings}))


def test_two_passes_of_a_case_by_hand(monkeypatch):
    monkeypatch.setattr(time_forecast, "_SMALL", 0)
    found = seconds(plan(10**6), RATES)
    assert found["index"] == 0
    assert found["features"] == pytest.approx(1 + 10 + 1e6 * 176**2 / 1e9)
    assert found["project"] == pytest.approx(1 + 10 + 2)
    assert found["assign"] == 0


def test_time_is_linear_in_the_rows_and_shared_by_the_workers():
    few, many = seconds(plan(10**7), RATES), seconds(plan(3 * 10**7), RATES)
    for stage in ("project", "assign"):
        assert many[stage] == pytest.approx(3 * few[stage])
    for stage in ("features", "tree"):  # of a sample, and of the representatives
        assert many[stage] == few[stage]
    two = seconds(plan(10**7, workers=2), RATES)
    assert sum(two.values()) == pytest.approx(sum(few.values()) / 1.8)


def test_the_rates_are_those_of_real_work():
    images = np.random.default_rng(0).integers(0, 256, (3000, 12, 12), np.uint8)
    source = open_source(images)
    found = measure_speed(make_plan(source, fit_settings(workers=1)))
    assert all(0 < rate < np.inf for rate in vars(found).values())


@pytest.mark.parametrize("rows", [2, 7])
def test_a_few_rows_can_be_measured_too(rows):
    source = open_source(np.random.default_rng(0).normal(size=(rows, 3)))
    made = make_plan(source, fit_settings())
    assert 0 < sum(seconds(made, measure_speed(made)).values()) < 10
