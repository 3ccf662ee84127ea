"""Encoders with a name: location of their weights, and preprocessing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_HUB = "https://huggingface.co"
_IMAGENET = {"mean": "0.485,0.456,0.406", "std": "0.229,0.224,0.225"}
# 256 pixels along the shorter side, then the 224 in the middle; token 0 stands for the picture.
_DINO = {"output": "last_hidden_state", "pool": "cls", "kept": "0.875", **_IMAGENET}
_SIGLIP = {
    "output": "pooler_output",
    "fit": "stretch",
    "sampling": "bilinear",
    "mean": "0.5",
    "std": "0.5",
}
_CLIP = {
    "output": "image_embeds",
    "mean": "0.48145466,0.4578275,0.40821073",
    "std": "0.26862954,0.26130258,0.27577711",
}


@dataclass(frozen=True)
class KnownEncoder:
    """A network that `shoal encoder get` can fetch.

    Attributes
    ----------
    name
        Its name in `features`.
    about
        The network, in words.
    licence
        Licence of its weights; all are permissive.
    repository, revision, file
        Location of the file on the Hugging Face hub; a revision never changes.
    size
        Bytes of the file.
    sha256
        Of the file, as published.
    n_features
        Length of one feature row.
    options
        Preprocessing and output: options of ``onnx:FILE``.
    auto
        ``auto`` may choose it for photos.
    """

    name: str
    about: str
    licence: str
    repository: str
    revision: str
    file: str
    size: int
    sha256: str
    n_features: int
    options: Mapping[str, str]
    auto: bool = True

    @property
    def path(self) -> str:
        """Path of the file on the hub or a mirror."""
        return f"{self.repository}/resolve/{self.revision}/{self.file}"

    @property
    def url(self) -> str:
        return f"{_HUB}/{self.path}"

    @property
    def megabytes(self) -> str:
        """The size as text: ``88 MB``."""
        return f"{self.size / 1e6:.0f} MB"


def _known(*facts: object, options: Mapping[str, str], auto: bool = True) -> KnownEncoder:
    """Build an encoder that takes colour images of 224 pixels, channels first."""
    given = {"input": "pixel_values", "layout": "nchw", "size": "224", **options}
    return KnownEncoder(*facts, options=MappingProxyType(given), auto=auto)  # type: ignore[arg-type, misc]


_ALL = (
    _known(
        "dinov2-base",
        "DINOv2 ViT-B/14, self-supervised",
        "Apache-2.0",
        "Xenova/dinov2-base",
        "d623d125a29e343851bcedff293fdc8b6bda292b",
        "onnx/model.onnx",
        346_555_570,
        "de9c675d214f0171285f90f1d1d7716bce1c5e280e93826d071d57f7b9314d98",
        768,
        options=_DINO,
    ),
    _known(
        "dinov2-small",
        "DINOv2 ViT-S/14, self-supervised",
        "Apache-2.0",
        "Xenova/dinov2-small",
        "c2bb04a51fab207c420665f1946016107bffc701",
        "onnx/model.onnx",
        88_459_888,
        "83141175ec78b4ff9a2bb58a4c7c264ba0054d1c2e122e5a8114b79a8d4179ea",
        384,
        options=_DINO,
    ),
    _known(
        "dinov2-small-int8",
        "DINOv2 ViT-S/14, weights in 8 bits",
        "Apache-2.0",
        "Xenova/dinov2-small",
        "c2bb04a51fab207c420665f1946016107bffc701",
        "onnx/model_quantized.onnx",
        24_451_943,
        "3afdc8bc63b50558d6e5770f5b799bb82455c2311183a2de43803f343a29d917",
        384,
        options=_DINO,
    ),
    _known(
        "siglip2-base",
        "SigLIP 2 ViT-B/16, images and words",
        "Apache-2.0",
        "onnx-community/siglip2-base-patch16-224-ONNX",
        "ba1f3b0843f24bc5417d38e19c37b287d719b2f4",
        "onnx/vision_model.onnx",
        371_807_752,
        "c0573e3f4140c3a7c4e9cc5912bd6b26a033b46a6a8e8af26cbea262b163bcad",
        768,
        options=_SIGLIP,
    ),
    _known(
        "siglip2-base-int8",
        "SigLIP 2 ViT-B/16, weights in 8 bits",
        "Apache-2.0",
        "onnx-community/siglip2-base-patch16-224-ONNX",
        "ba1f3b0843f24bc5417d38e19c37b287d719b2f4",
        "onnx/vision_model_int8.onnx",
        94_553_333,
        "0dd31785a2713f1113ef2272472165c69d580473dae38d7b47568ac587795e70",
        768,
        options=_SIGLIP,
    ),
    _known(
        "tinyclip-int8",
        "TinyCLIP ViT-8M/16, images and words, weights in 8 bits",
        "MIT",
        "onnx-community/TinyCLIP-ViT-8M-16-Text-3M-YFCC15M-ONNX",
        "9463a9c508a344c837ffefe9d724f3827bf2dc79",
        "onnx/model_int8.onnx",
        24_683_626,
        "844d1a46ab18acf50c989e541b12fe3b6dc7f8d6004725b4e992d142788e0600",
        512,
        options=_CLIP,
        # Its published accuracy on ImageNet is 41%; EfficientNet-Lite0, which is there, has 75%.
        auto=False,
    ),
)

KNOWN_ENCODERS: Mapping[str, KnownEncoder] = MappingProxyType({one.name: one for one in _ALL})
"""By name, in the order in which ``auto`` prefers them: by published k-NN accuracy on ImageNet
(DINOv2: B/14 82.1%, S/14 79.0%; Oquab et al. 2023, table 4), SigLIP 2 behind, of which no such
figure is published; each before its 8-bit version."""
