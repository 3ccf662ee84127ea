import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

from shoal.core import products

# In a process of its own: other tests load libraries in ways that no fit does.
SCRIPT = """
import sys
from threadpoolctl import threadpool_info, threadpool_limits
from shoal.core import products

def threads(*_):
    return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}

with threadpool_limits(2, "blas"):
    before = threads()
    found = products.in_threads(threads, [(1,), (2,)], int(sys.argv[1]))
    assert threads() == before == {2}, before
assert found == [{1}, {1}], found
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_blas_has_one_thread_meanwhile(workers):
    command = [sys.executable, "-c", SCRIPT, str(workers)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_libraries_are_looked_for_again_after_an_import(monkeypatch):
    monkeypatch.setitem(sys.modules, "this", ModuleType("this"))
    first = products._libraries(frozenset(sys.modules))
    assert products._libraries(frozenset(sys.modules)) is first
    monkeypatch.setitem(sys.modules, "a module of this test", ModuleType("new"))
    assert products._libraries(frozenset(sys.modules)) is not first
    monkeypatch.delitem(sys.modules, "this")  # as many modules as at first, but others
    assert products._libraries(frozenset(sys.modules)) is not first


def test_products_that_overflow_give_no_warning():
    x = np.full((3, 2), 3e38, np.float32)
    one_cell = np.zeros((3, 1), np.int32), -x, np.full(3, np.inf, np.float32), np.array([0, 3])
    found, _ = products.search(x, np.full(3, -1, np.int32), *one_cell, 2)
    assert ((found >= -1) & (found < 3)).all()
