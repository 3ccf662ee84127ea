"""The choice of an encoder: by name, or by what the rows are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shoal.core.chain import join_chain, split_chain
from shoal.core.known_encoders import KNOWN_ENCODERS
from shoal.core.spec import Spec, parse_spec
from shoal.errors import SettingError
from shoal.features.base import Encoder
from shoal.features.columns import Columns, TableLike
from shoal.features.content import count_drawings
from shoal.features.encoder_files import encoder_for_photos, encoder_spec
from shoal.features.gradients import Gradients
from shoal.features.learned import METHODS as LEARNED
from shoal.features.photo import Photo
from shoal.features.reduced import reduced
from shoal.features.shapes import is_plain
from shoal.features.structure_score import COMPARED, is_weak, shown_splits, shows_more
from shoal.features.vectors import Vectors
from shoal.settings import FEATURES, IMAGE_ENCODERS, NETWORKS

_SMALLEST, _LARGEST_SMALL = 16, 64  # pixels: of less, a network for photos sees nothing

Look = Callable[[], Sequence[NDArray[np.uint8]]]
Encode = Callable[[Encoder], NDArray[np.float32]]


class Rows(Protocol):
    @property
    def kind(self) -> str: ...  # Images, vectors or table
    @property
    def shape(self) -> tuple[int, ...]: ...  # Shape of one row


def choose_encoder(
    name: str, source: Rows, look: Look = list, encode: Encode | None = None
) -> tuple[Encoder, str]:
    """Choose the encoder called `name` for the rows of `source`, and say why.

    Parameters
    ----------
    name : str
        One of `FEATURES`; a known encoder that is on this machine, such as ``dinov2-small``; or a
        network, see `core.spec.Spec`: ``onnx:FILE`` … Steps may follow, see `core.chain`.
    source : Source
        Its `kind`, `shape` and, for ``auto``, `typical_size`, and the `schema` of a table.
    look : callable
        Returns some of the images, to count drawings.
    encode : callable, optional
        Returns the features of some rows by an encoder, to compare encoders of small photos;
        without it these get gradients.
    """
    base, chain = split_chain(name)
    if chain:
        encoder, why = choose_encoder(base, source, look, encode)
        images = source.kind == "images"
        size = getattr(source, "typical_size", source.shape[:2]) if images else source.shape
        found = reduced(encoder, chain, size)
        return found, f"{why} Then {join_chain('', found.chain)[1:]}."
    spec = parse_spec(name)
    if name not in (*FEATURES, *KNOWN_ENCODERS) and not (spec.kind in NETWORKS and spec.what):
        raise SettingError(f"features {name!r}: choose one of {', '.join(FEATURES)}")
    if source.kind == "images":
        return _for_images(name, source, look, encode)
    if source.kind == "table":
        return _for_table(name, source)
    if name in (*IMAGE_ENCODERS, *KNOWN_ENCODERS, "columns") or spec.what:
        as_ = "table" if name == "columns" else "images"
        raise SettingError(
            f"features {name!r}, but the rows are vectors: "
            f"choose vectors or auto, or read the rows --as {as_}"
        )
    n = source.shape[0]
    why = "as requested" if name == "vectors" else "because the rows are vectors"
    return Vectors(n), f"Features: the {n:,} numbers of each row as given, {why}."


def _for_images(name: str, source: Rows, look: Look, encode: Encode | None) -> tuple[Encoder, str]:
    height, width, channels = source.shape
    if name in ("vectors", "columns"):
        raise SettingError(
            f"features {name!r}, but the rows are images: "
            "choose auto, photo, gradients, pixels or colours"
        )
    shape = (height, width, channels)
    spec = parse_spec(name)
    is_network = bool(spec.what) or name in {*KNOWN_ENCODERS, *LEARNED, "photo"}
    if not is_plain(channels) and is_network:
        raise SettingError(
            f"features {name!r}, but the images have {channels} channels, and the network takes "
            "grey or colour: choose auto, gradients, pixels or colours, or save three channels "
            "as RGB"
        )
    if spec.what:
        network, what = open_network(spec)
        return network, f"Features: {what}, as requested."
    if name in KNOWN_ENCODERS:
        return _known(name), f"Features: {name} ({KNOWN_ENCODERS[name].about}), as requested."
    if name == "auto":
        size = getattr(source, "typical_size", shape[:2])
        if max(size) <= _LARGEST_SMALL:
            return _for_small(shape, size, look, encode)
        return _by_content(shape, size, look)
    module, make = IMAGE_ENCODERS[name].split(".")
    encoder = getattr(import_module(f"shoal.features.{module}"), make)(shape)
    about = ", a small network trained on these images first" if name in LEARNED else ""
    return encoder, f"Features: {name}{about}, as requested."


def open_network(spec: Spec) -> tuple[Encoder, str]:
    """Open a network, and import its library; return also a description."""
    if spec.kind == "onnx":
        from shoal.features.onnx_file import open_onnx

        return open_onnx(spec)
    from shoal.features.torch_network import open_torch

    return open_torch(spec)


def _for_small(
    shape: tuple[int, int, int], size: tuple[int, int], look: Look, encode: Encode | None
) -> tuple[Encoder, str]:
    """Choose gradients for small images, unless a network shows clearly more structure.

    Gradients are a hundred times as fast.
    """
    usual = Gradients(shape)
    why = f"Features: gradients, because these are small images of {'×'.join(map(str, size))}"
    if encode is None or shape[2] != 3 or min(size) < _SMALLEST:
        return usual, f"{why}."
    drawings, seen = count_drawings(look())
    if 2 * drawings >= seen or not is_weak(plain := shown_splits(encode(usual), usual)):
        return usual, f"{why}."
    network, called = _for_photos()
    if not shows_more(shown_splits(encode(network), network), plain):
        return usual, f"{why}, in which a network for photos shows no more."
    return network, (
        f"Features: {called}, because it shows structure in these small photos of "
        f"{'×'.join(map(str, size))} that gradients do not (by {COMPARED:,} of them; --features "
        "gradients is much faster)."
    )


def _by_content(
    shape: tuple[int, int, int], size: tuple[int, int], look: Look
) -> tuple[Encoder, str]:
    across = "×".join(map(str, size))
    if not is_plain(shape[2]):
        return Gradients(shape), (
            f"Features: gradients of each channel, because these images have {shape[2]}, and "
            "the photo network takes grey or colour."
        )
    drawings, seen = count_drawings(look())
    if 2 * drawings > seen:
        return Gradients(shape), (
            f"Features: gradients, because {drawings} of {seen} sampled images are drawings, with "
            "hard marks on an even background (--features photo treats them as photos)."
        )
    network, called = _for_photos()
    return network, (
        f"Features: {called}, because these are images of about {across}, and "
        f"{seen - drawings} of the {seen} sampled are not drawings."
    )


def _for_photos() -> tuple[Encoder, str]:
    """Choose the best network installed on this machine; nothing is downloaded."""
    name = encoder_for_photos()
    if name is None:
        return Photo(), "photo (EfficientNet-Lite0)"
    return _known(name), f"{name} ({KNOWN_ENCODERS[name].about}), which is on this machine"


def _known(name: str) -> Encoder:
    from shoal.features.onnx_file import open_onnx

    return open_onnx(encoder_spec(name), name)[0]


def _for_table(name: str, source: Rows) -> tuple[Encoder, str]:
    if name not in ("auto", "columns"):
        other = ", or read the rows --as vectors" if name == "vectors" else ""
        raise SettingError(
            f"features {name!r}, but the rows are columns of a table: choose columns or auto{other}"
        )
    table: TableLike = source.schema  # type: ignore[attr-defined]
    return Columns.of(table), f"Features: {table.description}"
