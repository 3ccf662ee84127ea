import numpy as np

from shoal.core.packing import pack, unpack
from shoal.stages.vectors import read_vectors, write_vectors
from shoal.storage import StageFolder


def test_vectors_come_back_whole_or_packed(tmp_path):
    rows = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    folder = StageFolder(tmp_path)
    folder.begin("x")
    for number, packed in enumerate((False, True)):
        write_vectors(folder, number, rows, packed)
    assert np.array_equal(read_vectors(folder, 0), rows)
    assert np.array_equal(read_vectors(folder, 1), unpack(*pack(rows)))
    for number in (0, 1):
        some = read_vectors(folder, number, np.array([3, 40]))
        assert np.array_equal(some, read_vectors(folder, number)[[3, 40]])
