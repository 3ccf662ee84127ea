"""A run of known content, made without a fit."""

import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from shoal.core.layers import Layer
from shoal.core.tree import Tree
from shoal.rows import open_source


@dataclass(frozen=True)
class FakeRun:
    """`size` rows in k equal clusters, in row order; every 7th is an outlier, the last is bad."""

    path: Path
    source: object
    k: int = 4
    outlier_every: int = 7
    changes: dict = field(default_factory=dict)
    cluster_names: dict = field(default_factory=dict)

    @property
    def n(self):
        return self.source.n_rows - 1

    @property
    def tree(self):
        splits = np.linspace(0, self.n, self.k + 1).astype(np.int32)[1:-1]
        rest = np.setdiff1d(np.arange(1, self.n), splits).astype(np.int32)
        excess = np.full(self.n - 1, -np.inf, np.float32)
        excess[: self.k - 1] = np.linspace(9, 2, self.k - 1)
        order = np.concatenate([splits, rest]).astype(np.int32)
        return Tree(np.arange(self.n, dtype=np.int32), order, excess)

    @property
    def layers(self):
        coarse = () if self.k < 3 else (Layer(2, 9.0, 0.99, False),)
        return (*coarse, Layer(self.k, 2.0, 0.9, True))

    @property
    def primary(self):
        return self.layers[-1]

    @property
    def representatives(self):
        rng = np.random.default_rng(0)
        vectors = rng.normal(size=(self.n, 3)).astype(np.float32)
        return SimpleNamespace(vectors=vectors, weights=np.ones(self.n), rows=np.arange(self.n))

    @property
    def changed(self):
        return np.zeros(self.n + 1, bool)

    @property
    def quarantine(self):
        return pa.table(
            {"row": [self.n], "name": self._names()[-1:], "reason": ["it is <cut> short"]}
        )

    def labels(self, layer=None, k=None, raw=False):
        if layer is not None:
            k = self.layers[layer].k
        return np.concatenate([self.tree.labels(k or self.k), [-1]]).astype(np.int32)

    def clustering(self, layer=None, k=None, raw=False):
        k = self.layers[layer].k if layer is not None else k or self.k
        return SimpleNamespace(
            k=k,
            ids=list(range(k)),
            names=self.cluster_names,
            edited=bool(self.cluster_names),
            of_representative=self.tree.labels(k),
            linkage=lambda: self.tree.linkage(k),
        )

    def table(self, layer=None, k=None, raw=False):
        rows = np.arange(self.n + 1)
        return pa.table(
            {
                "row": rows,
                "name": pa.array(self._names(), pa.string()),
                "cluster": self.labels(layer, k),
                "confidence": np.append(np.linspace(0.5, 1, self.n), 0).astype(np.float32),
                "outlier": np.append(rows[:-1] % self.outlier_every == 0, False),
            }
        )

    def info(self):
        return {"rows": self.n + 1, "settings": {"seed": 0, "odd": "<script>"}, **self.changes}

    def _names(self):
        return self.source.names(0, self.n + 1) or [None] * (self.n + 1)


@pytest.fixture
def image_run(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (41, 12, 12), np.uint8)
    np.save(tmp_path / "images.npy", images)
    return FakeRun(tmp_path / "images.shoal", open_source(tmp_path / "images.npy"))


@pytest.fixture
def vector_run(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(41, 5)).astype(np.float32)
    np.save(tmp_path / "vectors.npy", vectors)
    return FakeRun(tmp_path / "vectors.shoal", open_source(tmp_path / "vectors.npy"))


@pytest.fixture
def table_run(tmp_path):
    """41 rows of a table: numbers, categories with an odd name, dates, ids, gaps."""
    lines = [
        f"r{n},{n * n},{'<b>' if n % 3 else 'x'},2024-01-{n % 28 + 1:02},{n % 5 or ''}"
        for n in range(41)
    ]
    text = "id,pay & more,<plan>,since,gaps\n" + "\n".join(lines)
    (tmp_path / "table.csv").write_text(text)
    return FakeRun(tmp_path / "table.shoal", open_source(tmp_path / "table.csv"))


@pytest.fixture
def folder_run(tmp_path):
    """41 files in folders; their names collide when they are put together."""
    rng = np.random.default_rng(0)
    for at in range(41):
        path = tmp_path / "photos" / f"part{at // 5}" / f"Img{at % 5}.{'PNG' if at % 2 else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (10, 10, 3), np.uint8)
        Image.fromarray(pixels).save(path, "PNG")
    return FakeRun(tmp_path / "photos.shoal", open_source(tmp_path / "photos"))


@pytest.fixture
def archive_run(folder_run, tmp_path):
    """The same files in a tar archive."""
    names = folder_run.source.names(0, 41)
    subprocess.run(["tar", "-cf", "../photos.tar", *names], cwd=tmp_path / "photos", check=True)
    return FakeRun(tmp_path / "photos.shoal", open_source(tmp_path / "photos.tar"))


class Broken:
    """Passes everything on, but fails to read from one row on."""

    def __init__(self, source, row):
        self._source, self._row = source, row

    def __getattr__(self, name):
        return getattr(self._source, name)

    def read_original(self, row, max_side=None):
        if row >= self._row:
            raise KeyboardInterrupt
        return self._source.read_original(row, max_side)


@pytest.fixture
def broken():
    return lambda run, row: replace(run, source=Broken(run.source, row))
