"""The tree's kernels are compiled by a second process, once, where that pays."""

import subprocess
import sys

import pytest

from shoal.engines import compiling
from shoal.engines.compiling import LEAST_MEMORY, compiled_beside


@pytest.fixture
def cold(monkeypatch):
    monkeypatch.setattr(compiling, "_is_cold", lambda: True)


def test_nothing_is_started_where_all_is_compiled():
    compiling._is_cold()  # compiles what it looks at
    with compiled_beside(2, LEAST_MEMORY) as process:
        assert process is None


@pytest.mark.parametrize(("workers", "memory"), [(1, LEAST_MEMORY), (0, 1 << 40), (2, 1 << 29)])
def test_nothing_is_started_without_a_core_or_memory_for_it(cold, workers, memory):
    with compiled_beside(workers, memory) as process:
        assert process is None


def test_the_process_ends_with_the_work(cold):
    with compiled_beside(2, LEAST_MEMORY) as process:
        assert process.poll() is None
    assert process.returncode is not None


def test_a_fit_after_it_compiles_nothing_for_its_tree(tmp_path):
    code = (
        "from numba.core import event; import numpy as np\n"
        "from shoal.engines.compiling import main; main()\n"
        "from shoal.core.structure import fit_structure\n"
        "with event.install_recorder('numba:compile') as seen:\n"
        "    rows = np.random.default_rng(1).normal(size=(700, 64)).astype('f4')\n"
        "    fit_structure(rows, np.ones(700, np.int64), workers=2)\n"
        "print(len(seen.buffer))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
