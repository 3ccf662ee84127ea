"""A network of timm, torchvision or open_clip as an encoder; behind the extra ``torch``."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from shoal.core.spec import Spec, parse_spec
from shoal.errors import InputError
from shoal.features.base import Needs
from shoal.features.network_input import NetworkInput, Options, as_input_error, pooled
from shoal.features.sessions import COMPONENTS, encode_blocks, unit_rows
from shoal.features.torch_libraries import Network, import_library, load_network

OPTIONS = ("weights", "size", "mean", "std", "kept", "device")
_WIDEST = 8192
_BATCH, _BATCH_ON_GPU = 8, 128  # on an H200, 64 run at .65 of the speed of 256
_LEAST_COSINE = 0.99  # of the rows in 16 and 32 bits, below which a network needs 32
_SCRATCH = 512 << 20


@dataclass(frozen=True)
class TorchNetwork:
    """Features of a network run by torch, each row of length 1. Build it with `open_torch`.

    On a GPU convolutions and products are done in 16 bits and sums in 32, unless the network's
    activations leave the range of 16 bits.
    """

    whiten: ClassVar[float] = 0.0  # No whitening: the network's distances are used as they are

    spec: str  # Its name, with its options
    digest: str  # Hash of all its weights
    given: NetworkInput  # Size and normalisation of images
    device: str  # ``cpu`` or ``cuda``
    n_features: int
    precision: str = "float32"  # ``float16`` or ``float32``

    @property
    def name(self) -> str:
        return parse_spec(self.spec).kind

    @property
    def needs(self) -> Needs:
        return Needs(self.given.wanted, components=COMPONENTS, scratch=_SCRATCH, expensive=True)

    def settings(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": 1,
            "network": parse_spec(self.spec).what,
            "weights": self.digest,
            "precision": self.precision,
            **self.given.as_dict(),
        }

    def setup(self) -> None:
        self._module()

    def encode(self, data: NDArray) -> NDArray:
        return encode_blocks(data, self.given.shape, self.n_features, self.batch, self.raw)

    def encode_words(self, texts: Sequence[str]) -> NDArray:
        """Return float32 ``(n, n_features)``, rows of length 1, for texts."""
        import torch

        network = self._module()
        if network.words is None:
            raise InputError(f"{self.spec} knows no words: open_clip has networks that do")
        with as_input_error(f"{self.spec} cannot read the words"), torch.inference_mode():
            return unit_rows(network.words(texts).float().cpu().numpy())

    @property
    def batch(self) -> int:
        return _BATCH_ON_GPU if self.device == "cuda" else _BATCH

    def raw(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run up to `batch` images; padded to it, for the same sums in the same order."""
        import torch

        module = self._module()
        full = np.zeros((self.batch, *images.shape[1:]), np.uint8)
        full[: len(images)] = images
        half = self.precision == "float16"
        with torch.inference_mode(), torch.autocast(self.device, enabled=half):
            found = module.call(self._numbers(full))
        return pooled(found.float().cpu().numpy(), "nchw")[: len(images)]

    def _numbers(self, images: NDArray[np.uint8]) -> Any:
        """Return what the network takes; on a GPU it is worked out there, from the bytes."""
        import torch

        if self.device == "cpu":
            torch.set_num_threads(1)  # the engine runs as many calls as there are workers
            return torch.from_numpy(self.given.numbers(images).astype(np.float32, copy=False))
        pixels = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2) / 255
        mean, std = (
            torch.tensor(each, device=self.device).reshape(1, -1, 1, 1)
            for each in (self.given.mean, self.given.std)
        )
        return (pixels - mean) / std

    def _module(self) -> Network:
        network, digest = _loaded(_named(self.spec), self.device)
        if self.digest and digest != self.digest:
            raise InputError(f"the weights of {self.spec} have changed since the run was fitted")
        return network


def open_torch(spec: Spec) -> tuple[TorchNetwork, str]:
    """Load a network with its weights, and try it on one image of noise.

    `spec`: ``timm:NAME``, ``torchvision:NAME`` or ``open_clip:NAME``, and options: `weights` (a
    file, in place of those that the library fetches), `size`, `mean`, `std`, `kept` (otherwise as
    the network was trained), `device` (``cpu`` or ``cuda``; by default a GPU if there is one), and
    for open_clip `pretrained` (which of its weights).
    """
    options = Options(spec)
    options.check_names((*OPTIONS, "pretrained") if spec.kind == "open_clip" else OPTIONS)
    options.word("device", ("cpu", "cuda"), "cpu")
    device = spec.options.get("device") or _best_device(spec)
    network, digest = _loaded(_named(str(spec)), device)
    given = _with_options(options, network.given)
    trial = TorchNetwork(str(spec), digest, given, device, 1)
    image = np.random.default_rng(0).integers(0, 256, (1, *given.shape), np.uint8)
    with as_input_error(f"{spec} cannot be run on an image"):
        row = trial.raw(image)
        if device == "cuda":
            half = replace(trial, precision="float16")
            if (unit_rows(half.raw(image)) * unit_rows(row)).sum() >= _LEAST_COSINE:
                trial = half
    if row.shape[1] > _WIDEST:
        raise InputError(
            f"{spec} gives {row.shape[1]:,} numbers an image: up to {_WIDEST:,} will do"
        )
    place = "GPU" if device == "cuda" else "CPU"
    words = f"{row.shape[1]:,} numbers of {spec.kind}:{spec.what} on the {place}"
    return replace(trial, n_features=row.shape[1]), words


def _best_device(spec: Spec) -> str:
    import_library(spec)
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _with_options(options: Options, given: NetworkInput) -> NetworkInput:
    return replace(
        given,
        size=options.size() or given.size,
        mean=options.numbers("mean", given.channels) or given.mean,
        std=options.numbers("std", given.channels) or given.std,
        kept=options.share(given.kept),
    )


def _named(text: str) -> str:
    spec = parse_spec(text)
    options = {k: v for k, v in spec.options.items() if k in ("weights", "pretrained")}
    return str(replace(spec, options=options))


@lru_cache(maxsize=1)
def _loaded(text: str, device: str) -> tuple[Network, str]:
    network = load_network(parse_spec(text))
    import torch

    module = network.module.eval()
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    module.to(device)
    return network, digest.hexdigest()
