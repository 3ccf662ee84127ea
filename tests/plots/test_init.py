import pytest

from shoal.errors import InputError
from shoal.plots import KINDS, Plots


def test_every_kind_has_a_method_and_every_method_a_kind():
    methods = {name for name in vars(Plots) if not name.startswith("_")} - {"draw"}
    assert {kind.replace("-", "_") for kind in KINDS} == methods


def test_kinds_are_drawn_by_name(digits):
    assert digits.plot.draw("k-distance").get_title(loc="left") == "Distance to neighbour 4"
    with pytest.raises(InputError, match="unknown kind of plot"):
        digits.plot.draw("pie")
    assert "dendrogram" in repr(digits.plot)


def test_former_names_of_arguments_still_work_with_a_warning(digits):
    with pytest.warns(DeprecationWarning, match="of is now called image"):
        old = digits.plot.centroids(of="middle")
    assert old.get_title(loc="left") == digits.plot.centroids(image="typical").get_title(loc="left")
