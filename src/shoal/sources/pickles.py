"""Pickles: never opened, as that runs what they say; how to convert one is said instead."""

from __future__ import annotations

import re
from pathlib import Path

from shoal.errors import SourceError

# https://docs.python.org/3/library/pickle.html#data-stream-format: PROTO with its number and a
# frame or what begins an object; before protocol 2 a mark, a container or a global name.
_BINARY = re.compile(rb"\x80[\x02-\x05][\x95}\](c)XUCN]")
_OLD = re.compile(
    rb"\(dp?\d*\n|\(lp?\d*\n|\]q\x00|\}q\x00|c(numpy|pandas|copy_reg|__builtin__)[^\n]*\n"
)
_DICTIONARY = re.compile(rb"(\x80[\x02-\x05](\x95.{8})?)?(\}|\(d)", re.DOTALL)
_EXTENSIONS = (".pkl", ".pickle", ".p", ".pk", ".joblib")
_LOOKED = 1 << 12
_CIFAR_KEYS = (b"fine_labels", b"labels")
_SHOWN = 60


def is_pickle(path: Path, magic: bytes) -> bool:
    """Whether a file is a pickle, by its first bytes, or by its name where these are packed."""
    known = _BINARY.match(magic) or _OLD.match(magic)
    return bool(known) or path.suffix.lower() in _EXTENSIONS


def refuse_pickle(path: Path) -> SourceError:
    """Say why a pickle is not read, and how to convert this one."""
    return SourceError(
        f"{path} is a pickle: opening one runs the code in it, so Shoal never does; if you trust "
        f'where it comes from, convert it once by: python -c "{_conversion(path)}"'
    )


def _conversion(path: Path) -> str:
    """Lines of Python that convert a pickle: of CIFAR's batches, of a data frame, or of an array.

    What it holds is guessed by words among its first and last bytes.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        words = file.read(_LOOKED)
        file.seek(max(0, size - _LOOKED))
        words += file.read(_LOOKED)
    name = path.name if len(path.name) <= _SHOWN and '"' not in path.name else "FILE"
    if b"pandas" in words:
        return f"import pandas; pandas.read_pickle({name!r}).to_parquet('{path.stem}.parquet')"
    opened = f"pickle.load(open({name!r}, 'rb'), encoding='latin1')"
    labels = next((key.decode() for key in _CIFAR_KEYS if key in words), None)
    if labels and b"data" in words:
        return (
            f"import pickle, numpy; d = {opened}; numpy.savez('{path.stem}.npz', "
            f"images=numpy.reshape(d['data'], (-1, 3, 32, 32)), labels=d[{labels!r}])"
        )
    if _DICTIONARY.match(words):
        return f"import pickle, numpy; numpy.savez('{path.stem}.npz', **{opened})"
    return f"import pickle, numpy; numpy.save('{path.stem}.npy', {opened})"
