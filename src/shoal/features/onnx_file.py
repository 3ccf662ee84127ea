"""Features from a user's network in an ONNX file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from shoal.core.image_request import FITS, SAMPLINGS
from shoal.core.spec import Spec
from shoal.errors import InputError, SettingError
from shoal.features import onnx_graph
from shoal.features.base import Needs
from shoal.features.network_input import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    NetworkInput,
    Options,
    as_input_error,
    pooled,
)
from shoal.features.onnx_graph import GraphInput
from shoal.features.sessions import BATCH, COMPONENTS, encode_blocks, open_session

OPTIONS = (
    *("input", "output", "pool", "layout", "size", "mean", "std"),
    *("kept", "fit", "sampling"),
)
_SCRATCH = 256 << 20
# Peak memory while a file of 350 MB was opened, in multiples of its size: unchanged, and with
# another output.
_COPIES, _COPIES_REWRITTEN = 2.2, 5.0


@dataclass(frozen=True)
class OnnxFile:
    """Features from an ONNX file, of length 1. Build it with `open_onnx`."""

    whiten: ClassVar[float] = 0.0  # No whitening: the network's distances are used as they are

    path: str
    digest: str  # Hash of all bytes; features are recomputed when it changes
    input: GraphInput
    output: str  # Tensor whose maps are averaged over the image, or tokens pooled
    given: NetworkInput  # Size and normalisation of images
    n_features: int
    beside: tuple[str, ...] = ()  # Files with the weights
    whole: bool = False  # Run the file unchanged, else only the part up to the output
    pool: str = "mean"  # Of tokens: their mean, or the first (``cls``)
    alone: bool = False  # Run images one by one, as the network quantises by the whole batch
    name: str = "onnx"  # ``onnx``, or that of a known encoder

    @property
    def needs(self) -> Needs:
        size = sum(Path(path).stat().st_size for path in (self.path, *self.beside))
        copies = _COPIES if self.whole else _COPIES_REWRITTEN
        return Needs(
            self.given.wanted,
            components=COMPONENTS,
            scratch=_SCRATCH,
            shared=int(copies * size),
            expensive=True,
        )

    def settings(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": 2 if self.alone else 1,
            "file": self.digest,
            "input": self.input.name,
            "output": self.output,
            **({} if self.pool == "mean" else {"pool": self.pool}),
            **self.given.as_dict(),
        }

    def setup(self) -> None:
        self._session()

    def encode(self, data: NDArray) -> NDArray:
        size = 1 if self.alone else self.batch
        return encode_blocks(data, self.given.shape, self.n_features, size, self.raw)

    @property
    def batch(self) -> int:
        return self.input.dims[0] or (1 if self.alone else BATCH)

    def raw(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run up to `batch` images; padded to it, for the same sums in the same order."""
        full = np.zeros((self.batch, *images.shape[1:]), np.uint8)
        full[: len(images)] = images
        numbers = self.given.numbers(full).astype(self.input.dtype, copy=False)
        session = self._session()
        (found,) = session.run([self.output], {self.input.name: numbers})
        return pooled(found, self.given.layout, self.pool)[: len(images)]

    def _session(self) -> Any:
        return _session(self.path, self.beside, self.digest, None if self.whole else self.output)


def open_onnx(spec: Spec, name: str = "onnx") -> tuple[OnnxFile, str]:
    """Open an ONNX file, and test it on a black image.

    `spec`: the file, and options: `input`, `output` (names), `pool` (of an output of tokens:
    ``mean`` or ``cls``), `layout`, `size`, `mean`, `std` (for pixels between 0 and 1), `kept`
    (share of the largest crop), `fit` and `sampling` (see `ImageRequest`). By default they are read
    from the file; mean and std default to ImageNet's.
    """
    options, path = Options(spec), Path(spec.what)
    options.check_names(OPTIONS)
    model = onnx_graph.read_graph(path)
    taken = onnx_graph.find_input(path, model, spec.options.get("input"))
    output = onnx_graph.find_output(path, model, spec.options.get("output"))
    given = _network_input(options, model, taken)
    _, *beside = onnx_graph.graph_files(path, model)
    trial = OnnxFile(
        str(path),
        onnx_graph.files_digest([path, *beside]),
        taken,
        output,
        given,
        1,
        tuple(map(str, beside)),
        onnx_graph.runs_as_it_is(model, output),
        options.word("pool", ("mean", "cls"), "mean"),
        onnx_graph.scales_by_batch(model),
        name,
    )
    del model  # its numbers are read again, by the runtime
    with as_input_error(f"{path} cannot be run on an image"):
        row = trial.raw(np.zeros((1, *given.shape), np.uint8))
    words = f"{row.shape[1]:,} numbers of {output!r} in {path.name}"
    return replace(trial, n_features=row.shape[1]), words


def _network_input(options: Options, model: Any, taken: GraphInput) -> NetworkInput:
    spec = options.spec
    layout = options.word("layout", ("nchw", "nhwc"), _layout(spec, taken))
    own, *sides = taken.dims[1:] if layout == "nchw" else (taken.dims[3], *taken.dims[1:3])
    channels = own or 3  # exports often leave it open
    if channels not in (1, 3):
        raise InputError(f"{spec.what} takes {channels} channels: networks of 1 or 3 are run")
    mean, std = _mean_and_std(options, model, taken, channels)
    fit = options.word("fit", FITS, "crop")
    sampling = options.word("sampling", SAMPLINGS, "bicubic")
    size, share = _size(options, sides), options.share(1.0)
    return NetworkInput(size, channels, mean, std, layout, share, sampling, fit)


def _layout(spec: Spec, taken: GraphInput) -> str:
    first, last = taken.dims[1] in (1, 3), taken.dims[3] in (1, 3)
    if first == last and "layout" not in spec.options:
        raise InputError(
            f"{spec.what} takes images of {taken.dims}, where the channels cannot be told: give "
            "?layout=nchw or ?layout=nhwc"
        )
    return "nchw" if first else "nhwc"


def _size(options: Options, sides: list[int | None]) -> tuple[int, int]:
    """Return the size of images: the file's, or the requested one if the file takes any."""
    spec, wanted = options.spec, options.size()
    wrong = wanted and any(own not in (None, side) for own, side in zip(sides, wanted, strict=True))
    if wrong:
        own = "×".join(str(side or "any") for side in sides)
        raise SettingError(f"features {str(spec)!r}: size={spec.options['size']}: it takes {own}")
    if wanted:
        return wanted
    height, width = sides
    if height is None or width is None:
        raise InputError(
            f"{spec.what} takes images of any size: say which it was made for, as in "
            f"onnx:{spec.what}?size=224"
        )
    return height, width


def _mean_and_std(
    options: Options, model: Any, taken: GraphInput, channels: int
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Return mean and std: requested, from the file, or ImageNet's; none for bytes."""
    spec = options.spec
    if taken.dtype == "uint8":
        for name in ("mean", "std"):
            if name in spec.options:
                raise SettingError(f"features {str(spec)!r}: {name}: the network takes bytes")
        return None, None
    found = []
    for name, usual in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)):
        stored = onnx_graph.metadata_numbers(model, name)
        own = Options(Spec(spec.kind, spec.what, {name: stored} if stored else {}))
        otherwise = usual if channels == 3 else (sum(usual) / 3,)
        found.append(options.numbers(name, channels) or own.numbers(name, channels) or otherwise)
    return found[0], found[1]


@lru_cache(maxsize=2)
def _session(path: str, beside: tuple[str, ...], digest: str, output: str | None) -> Any:
    if onnx_graph.files_digest(map(Path, (path, *beside))) != digest:
        raise InputError(f"{path} has changed since it was opened: run the command again")
    if output is None:
        return open_session(path)
    return open_session(
        onnx_graph.with_output(onnx_graph.read_graph(Path(path)), output), Path(path).parent
    )
