"""What CONTRIBUTING says it takes to add something, done to a copy of the package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import shoal

METHOD = """
import numpy as np

from shoal.methods.base import Method, Parameter, Partition


def fit(rows, seed, k, column):
    place = np.argsort(np.argsort(rows.vectors[:, column]))
    return Partition(place * k // len(rows))


METHOD = Method(
    "quantiles",
    "centres",
    "Cuts one column into equal parts.",
    fit,
    "time m·log m, memory m",
    parameters=(Parameter("column", 0, "Column to cut.", 0, 100, whole=True),),
)
"""
USE_METHOD = """
import numpy as np
from shoal.cli.methods import method_facts
from shoal.methods.run import run_method
from shoal.settings import fit_settings

rows = np.arange(40, dtype=np.float32)[:, None] * [1, -1]
assert fit_settings(method="Quantiles", k=4).method == "quantiles"
assert "quantiles" in [fact["name"] for fact in method_facts()]
found = run_method("quantiles", rows, k=4, parameters={"column": 1})
assert np.bincount(found.labels).tolist() == [10] * 4
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return shutil.copytree(Path(shoal.__file__).parent, tmp_path / "shoal")


def add_line(path: Path, after: str, line: str) -> None:
    text = path.read_text()
    assert text.count(after) == 1
    path.write_text(text.replace(after, after + line))


def run(package: Path, script: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)


def test_a_method_is_one_file_and_one_line(package):
    (package / "methods/quantiles.py").write_text(METHOD)
    add_line(package / "methods/__init__.py", '    "leiden",\n', '    "quantiles",\n')
    run(package, USE_METHOD)
