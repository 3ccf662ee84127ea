import numpy as np
import pytest

from shoal.errors import SourceError
from shoal.rows.arrays.views import joined
from shoal.rows.store import MemoryStore

ROWS = np.arange(24.0).reshape(8, 3)


@pytest.mark.parametrize("cuts", [[3], [0, 8], [1, 1, 5]])
def test_rows_are_those_of_each_in_order(cuts):
    parts = np.split(ROWS, cuts)
    store = joined(list(map(MemoryStore, parts)), [str(at) for at in range(len(parts))])
    assert store.n_rows == 8
    for start in range(9):
        for stop in range(start, 9):
            assert np.array_equal(store.read(start, stop).data, ROWS[start:stop])


def test_facts_are_those_of_all():
    facts = {
        str(joined([MemoryStore(ROWS), MemoryStore(m)], "ab").facts()) for m in (ROWS, ROWS + 1)
    }
    assert len(facts) == 2


def test_unlike_rows_are_refused():
    with pytest.raises(SourceError, match="b has rows of 2 float64, but a of 3 float64"):
        joined([MemoryStore(ROWS), MemoryStore(ROWS[:, :2])], ["a", "b"])
