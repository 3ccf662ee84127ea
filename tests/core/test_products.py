import sys
from types import ModuleType

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from shoal.core import products


def blas_threads(*_):
    return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}


@pytest.mark.parametrize("workers", [1, 2])
def test_blas_has_one_thread_meanwhile(workers):
    products._libraries.cache_clear()  # other tests take modules out again that loaded libraries
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        found = products.in_threads(blas_threads, [(1,), (2,)], workers)
        assert blas_threads() == before
    assert found == [{1}, {1}]
    assert before == {2}


def test_libraries_are_looked_for_again_after_an_import(monkeypatch):
    monkeypatch.setitem(sys.modules, "this", ModuleType("this"))
    first = products._libraries(frozenset(sys.modules))
    assert products._libraries(frozenset(sys.modules)) is first
    monkeypatch.setitem(sys.modules, "a module of this test", ModuleType("new"))
    assert products._libraries(frozenset(sys.modules)) is not first
    monkeypatch.delitem(sys.modules, "this")  # as many modules as at first, but others
    assert products._libraries(frozenset(sys.modules)) is not first
