import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoal.core.morton import BITS, SIDE, cell_bounds, raster, to_codes, to_places

coordinates = st.integers(0, SIDE - 1)


def slow_code(x, y):
    return sum(((x >> b & 1) << 2 * b) | ((y >> b & 1) << 2 * b + 1) for b in range(BITS))


@given(st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=30))
def test_codes_interleave_bits_and_give_the_places_back(places):
    x, y = np.array(places).T
    codes = to_codes(x, y)
    assert codes.dtype == np.uint32
    assert codes.tolist() == [slow_code(*place) for place in places]
    assert np.array_equal(np.stack(to_places(codes), 1), places)


@given(coordinates, coordinates, st.integers(0, BITS))
def test_a_place_is_in_the_cell_around_it_and_in_no_other(x, y, level):
    down = BITS - level
    code = int(to_codes(np.array([x]), np.array([y]))[0])
    low, high = cell_bounds(x >> down, y >> down, level)
    assert low <= code < high
    assert high - low == 4**down
    if level:
        low, high = cell_bounds((x >> down) ^ 1, y >> down, level)
        assert not low <= code < high


def test_a_raster_is_row_by_row():
    assert raster(1).tolist() == [0, 1, 2, 3]
    assert raster(2).reshape(4, 4)[1].tolist() == [2, 3, 6, 7]
    assert sorted(raster(3).tolist()) == list(range(64))
