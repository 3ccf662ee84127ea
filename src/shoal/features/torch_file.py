"""Torch's old file format (before zip files), read without torch and without running its code.

Such a file has four pickles (magic number, protocol number, machine, names and shapes of tensors),
a fifth with the order of the storages, and the raw storages.
https://github.com/pytorch/pytorch/blob/main/torch/serialization.py (`_legacy_save`)
"""

from __future__ import annotations

import math
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_STORAGES = {"FloatStorage": "<f4", "LongStorage": "<i8"}
_MOST_NUMBERS = 1 << 28


@dataclass(frozen=True)
class _Tensor:
    """A tensor as described in the pickle; offset and strides count numbers."""

    key: str
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Reader(pickle.Unpickler):
    """An unpickler that accepts only a few names, and calls no code of theirs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _STORAGES:
            return np.dtype(_STORAGES[name])
        raise pickle.UnpicklingError(f"it refers to {module}.{name}, which weights do not need")

    def persistent_load(self, pid: Any) -> Any:
        """Return a storage's type, key and length; nested views are obsolete since 2017."""
        kind, dtype, key, _, length, view = pid
        if kind != "storage" or view is not None:
            raise pickle.UnpicklingError("it holds something other than storages")
        return dtype, key, length


def _tensor(
    storage: Any, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> _Tensor:
    """Replace ``torch._utils._rebuild_tensor_v2``, with a check of the bounds."""
    dtype, key, length = storage
    shape, strides = tuple(map(int, shape)), tuple(map(int, strides))
    if len(shape) != len(strides) or min((0, offset, length, *shape, *strides)) < 0:
        raise pickle.UnpicklingError(f"a tensor of shape {shape} has strides {strides}")
    reach = sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if length > _MOST_NUMBERS or (math.prod(shape) and offset + reach >= length):
        raise pickle.UnpicklingError(f"a tensor of shape {shape} reaches out of its storage")
    return _Tensor(str(key), dtype, int(offset), shape, strides)


def read_torch_file(path: Path) -> dict[str, NDArray]:
    """Read the float32 and int64 tensors of a state dictionary, by name.

    `path`: a file that ``torch.save`` wrote before version 1.6, or with
    ``_use_new_zipfile_serialization=False``.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: it should hold a network's weights") from None
    except Exception as error:  # a damaged pickle raises a dozen kinds
        raise InputError(f"{path} cannot be read as weights of torch: {error}") from None


def _read(file: BinaryIO) -> dict[str, NDArray]:
    if _Reader(file).load() != _MAGIC or _Reader(file).load() != _PROTOCOL:
        raise ValueError("it does not begin like such a file")
    machine = _Reader(file).load()
    if machine.get("little_endian") is not True:
        raise ValueError("it was written on a big-endian machine")
    described = _Reader(file).load()
    tensors = {str(name): tensor for name, tensor in described.items()}
    if not all(isinstance(tensor, _Tensor) for tensor in tensors.values()):
        raise ValueError("it holds something other than tensors")
    types = {tensor.key: tensor.dtype for tensor in tensors.values()}
    storages = {key: _storage(file, types[key]) for key in _Reader(file).load()}
    return {name: _view(tensor, storages[tensor.key]) for name, tensor in tensors.items()}


def _storage(file: BinaryIO, dtype: np.dtype[Any]) -> NDArray:
    length = int.from_bytes(file.read(8), "little")
    if length > _MOST_NUMBERS:
        raise ValueError(f"a storage of {length:,} numbers")
    raw = file.read(length * dtype.itemsize)
    return np.frombuffer(raw, dtype, length)


def _view(tensor: _Tensor, storage: NDArray) -> NDArray:
    step = storage.itemsize
    shape, strides = tensor.shape, tuple(step * s for s in tensor.strides)
    if math.prod(shape):
        reach = sum((n - 1) * s for n, s in zip(shape, tensor.strides, strict=True))
        if tensor.offset + reach >= len(storage):
            raise ValueError(f"a storage has {len(storage):,} numbers, fewer than its tensor needs")
    view = np.lib.stride_tricks.as_strided(storage[tensor.offset :], shape, strides)
    return np.array(view, order="C")
