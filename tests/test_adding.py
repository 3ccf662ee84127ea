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
from shoal.methods.run import run_method
from shoal.settings import fit_settings

rows = np.arange(40, dtype=np.float32)[:, None] * [1, -1]
assert fit_settings(method="Quantiles", k=4).method == "quantiles"
found = run_method("quantiles", rows, k=4, parameters={"column": 1})
assert np.bincount(found.labels).tolist() == [10] * 4
"""

ENCODER = """
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from shoal.features.base import Needs


@dataclass(frozen=True)
class Brightness:
    name: ClassVar[str] = "brightness"
    whiten: ClassVar[float] = 0.0
    needs: ClassVar[Needs] = Needs()
    n_features: ClassVar[int] = 1

    shape: tuple[int, int, int]

    def settings(self):
        return {"name": self.name, "version": 1, "shape": list(self.shape)}

    def setup(self):
        ...

    def encode(self, data):
        return data.mean(axis=(1, 2, 3), dtype=np.float32)[:, None]
"""
USE_ENCODER = """
import numpy as np
from shoal.features import choose_encoder
from shoal.rows import open_source
from shoal.settings import fit_settings

images = np.arange(3, dtype=np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2)
assert fit_settings(features="brightness").features == "brightness"
encoder, why = choose_encoder("brightness", open_source(images))
assert why == "Features: brightness, as requested."
assert encoder.encode(images).tolist() == [[0], [1], [2]]
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return shutil.copytree(Path(shoal.__file__).parent, tmp_path / "shoal")


def add_line(path: Path, after: str, line: str) -> None:
    text = path.read_text()
    assert text.count(after) == 1
    path.write_text(text.replace(after, after + line))


def run(package: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    command = [sys.executable, *words]
    found = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return found.stdout


def test_a_method_is_one_file_and_one_line(package):
    (package / "methods/quantiles.py").write_text(METHOD)
    add_line(package / "methods/__init__.py", '    "leiden",\n', '    "quantiles",\n')
    run(package, "-c", USE_METHOD)
    assert "Cuts one column into equal parts." in run(package, "-m", "shoal", "methods", "--json")


def test_an_encoder_of_images_is_one_file_and_one_line(package):
    (package / "features/brightness.py").write_text(ENCODER)
    last = '    "contrastive": "learned.contrastive",\n'
    add_line(package / "settings.py", last, '    "brightness": "brightness.Brightness",\n')
    run(package, "-c", USE_ENCODER)
