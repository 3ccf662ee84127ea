"""Autoencoder and contrastive features: trained on some of the images, then run on all."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from shoal.core.image_request import ImageRequest
from shoal.features.base import Needs
from shoal.features.learned.network import SIDE
from shoal.features.sessions import open_session, unit_rows
from shoal.features.shapes import check_images

METHODS = {"autoencoder": 64, "contrastive": 128}
"""Features of each: an autoencoder's code is narrow, or it would copy the pixels."""

_BATCH = 64
_SCRATCH = 64 << 20  # of the maps of a batch, and onnxruntime's own
_SHARED = 768 << 20  # torch, the images that are trained on, and the maps of two half batches


@dataclass(frozen=True)
class Learned:
    """Features of a small network that was trained on the images themselves.

    An *autoencoder* is trained to draw an image again from 64 numbers; a *contrastive* network to
    know two altered views of an image from views of others. Training needs torch, running does not.

    Hinton, Salakhutdinov: Reducing the dimensionality of data with neural networks. Science 2006.
    Chen, Kornblith, Norouzi, Hinton: A simple framework for contrastive learning of visual
    representations. ICML 2020.
    """

    whiten: ClassVar[float] = 0.0  # None: training gave the features their scale

    method: str  # ``autoencoder`` or ``contrastive``
    channels: int  # 1 or 3
    # Its network, the bytes of an ONNX file as ``.npy``; None before there is a run
    path: Path | None = None

    @property
    def name(self) -> str:
        return self.method

    @property
    def n_features(self) -> int:
        return METHODS[self.method]

    @property
    def needs(self) -> Needs:
        wanted = ImageRequest((SIDE, SIDE), channels=self.channels)
        return Needs(wanted, scratch=_SCRATCH, shared=_SHARED, expensive=True)

    def settings(self) -> dict[str, Any]:
        return {"name": self.method, "version": 1, "channels": self.channels}

    def at(self, path: Path) -> Learned:
        return replace(self, path=path)

    def setup(self) -> None:
        assert self.path is not None, "not trained"
        _session(self.path)

    def encode(self, data: NDArray) -> NDArray:
        """Return float32 ``(n, n_features)`` for uint8 ``(n, 32, 32, C)``."""
        check_images(data, (SIDE, SIDE, self.channels))
        assert self.path is not None, "not trained"
        session = _session(self.path)
        blocks = [
            session.run(None, {"images": np.ascontiguousarray(data[a : a + _BATCH])})[0]
            for a in range(0, len(data), _BATCH)
        ]
        features = np.concatenate([np.zeros((0, self.n_features), np.float32), *blocks])
        return unit_rows(features) if self.method == "contrastive" else features


def autoencoder(shape: tuple[int, int, int]) -> Learned:
    return Learned("autoencoder", shape[2])


def contrastive(shape: tuple[int, int, int]) -> Learned:
    return Learned("contrastive", shape[2])


@lru_cache(maxsize=2)
def _session(path: Path) -> Any:
    stored = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
    return open_session(stored.tobytes())
