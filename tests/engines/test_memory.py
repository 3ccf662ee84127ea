import subprocess
import sys

import pytest

HOLES = """
import numpy as np
from pathlib import Path
from shoal.engines.memory import return_memory_to_os

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

pieces = [np.ones(8_000) for _ in range(3_000)]  # 64 kB each: from the heap
kept = pieces[::100]
del pieces
before = resident()
return_memory_to_os()
print(before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is told to give memory back")
def test_what_lies_free_in_the_heap_is_given_back():
    told = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, check=True, text=True)
    assert int(told.stdout) > 50 << 20
