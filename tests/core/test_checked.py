import numpy as np
import pytest

from shoal.core.checked import checked_whole
from shoal.errors import InputError


@pytest.mark.parametrize("value", [1, np.int8(2), 3])
def test_whole_numbers_within_bounds_pass(value):
    assert checked_whole("n", value, 1, 3) == value


@pytest.mark.parametrize("value", [0, 4, 2.0, "2", None, True, np.bool_(True), [2]])
def test_all_else_is_refused(value):
    with pytest.raises(InputError, match="n must be a whole number from 1 to 3; got"):
        checked_whole("n", value, 1, 3)


def test_there_may_be_no_upper_bound():
    assert checked_whole("n", 10**20, 1) == 10**20
    with pytest.raises(InputError, match="of at least 1; got 0"):
        checked_whole("n", 0, 1)
