import numpy as np

from shoal.export import profiles
from shoal.export.profiles import mean_profiles, profile_svg
from shoal.rows import open_source


def test_profiles_are_in_standard_deviations_from_the_mean_of_all():
    x = np.array([[0, 5, 1], [2, 5, 1], [4, 5, 7], [6, 5, 7]], np.float32)
    found = mean_profiles(open_source(x), np.array([0, 0, 1, 1]), 3)
    assert np.allclose(found.values[:2], [[-2 / 5**0.5, 0, -1], [2 / 5**0.5, 0, 1]])
    assert np.isnan(found.values[2]).all()
    assert found.rows == 4


def test_blocks_from_all_over_stand_for_many_rows(monkeypatch):
    monkeypatch.setattr(profiles, "_BLOCK", 10)
    monkeypatch.setattr(profiles, "_MOST_BLOCKS", 20)
    x = np.random.default_rng(0).normal(size=(4000, 2)).astype(np.float32)
    found = mean_profiles(open_source(x), (x[:, 0] > 0).astype(int), 2)
    assert found.rows == 200
    assert np.allclose(found.values[:, 0], [-0.8, 0.8], atol=0.2)


def test_a_drawing_has_a_bar_for_each_number_up_to_48():
    assert profile_svg(np.array([1.0, -2.0, 0.0]), "said").count("<rect") == 3
    assert profile_svg(np.linspace(-9, 9, 500), "said").count("<rect") == 48
