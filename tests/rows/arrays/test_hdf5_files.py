import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.rows.arrays.hdf5_files import FIXED_COPIES, VARIABLE_COPIES, cell_bytes

WAYS = {
    "contiguous": {},
    "chunked": {"chunks": (4,)},
    "gzip": {"chunks": (4,), "compression": "gzip", "shuffle": True},
    "lzf": {"chunks": (4,), "compression": "lzf"},
}
LENGTHS = [1, 0, 70_000, 3, 5, 0, 8, 2, 9, 11]


def counted(path, low=0, high=10):
    with h5py.File(path) as file, path.open("rb") as stream:
        return cell_bytes(file["x"], low, high, stream).tolist()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("userblock", [0, 1024])
def test_cells_of_variable_length_tell_theirs_unread(tmp_path, way, userblock):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", userblock_size=userblock) as file:
        kind = h5py.vlen_dtype(np.uint16)
        rows = file.create_dataset("x", (len(LENGTHS),), kind, **WAYS[way])
        for row, length in enumerate(LENGTHS):
            if length:
                rows[row] = np.zeros(length, np.uint16)
    expected = [2 * VARIABLE_COPIES * length for length in LENGTHS]
    assert counted(path) == expected
    assert counted(path, 3, 9) == expected[3:9]


def test_cells_that_nobody_wrote_are_empty(tmp_path):
    for options in WAYS.values():
        path = tmp_path / "x.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("x", (10,), h5py.vlen_dtype(np.uint8), **options)
        assert counted(path) == [0] * 10


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=10, max_size=10
    )
)
def test_texts_tell_their_bytes(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("texts") / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=texts, dtype=h5py.string_dtype())
    assert counted(path) == [VARIABLE_COPIES * len(text.encode()) for text in texts]


def test_blocks_of_fixed_length(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", (10,), "V700")
    assert counted(tmp_path / "x.h5", 2, 4) == [FIXED_COPIES * 700] * 2
