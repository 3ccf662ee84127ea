"""Pickles: never opened, as that executes code; messages explain how to convert them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from shoal.errors import SourceError
from shoal.rows.handles import both_ends, head_of

# https://docs.python.org/3/library/pickle.html#data-stream-format: PROTO with its number and a
# frame or what begins an object; before protocol 2 a mark, a container or a global name.
_BINARY = re.compile(rb"\x80[\x02-\x05][\x95}\](c)XUCN]")
_OLD = re.compile(
    rb"\(dp?\d*\n|\(lp?\d*\n|\]q\x00|\}q\x00|c(numpy|pandas|copy_reg|__builtin__)[^\n]*\n"
)
_DICTIONARY = re.compile(rb"(\x80[\x02-\x05](\x95.{8})?)?(\}|\(d)", re.DOTALL)
_EXTENSIONS = (".pkl", ".pickle", ".p", ".pk", ".joblib")
_PACKED = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}
_LOOKED = 1 << 12
_CIFAR_KEYS = (b"fine_labels", b"labels")
_MOST_FILES = 20
_PLAIN_NAME = re.compile(r"[\w.,@=+ -]{1,80}")
_WHY = (
    "opening one runs the code in it, so Shoal never does; if you trust where it comes from, "
    "convert it once by:"
)


def is_pickle(path: Path, magic: bytes) -> bool:
    """Return whether a file is a pickle, by its first bytes, or by its name if compressed."""
    known = _BINARY.match(magic) or _OLD.match(magic)
    name, ending = os.path.splitext(path.name)  # of an address too
    ending = os.path.splitext(name)[1] if ending.lower() in _PACKED else ending
    return bool(known) or ending.lower() in _EXTENSIONS


def refuse_pickle(path: Path) -> SourceError:
    return SourceError(f'{path} is a pickle: {_WHY} python -c "{_conversion([path])}"')


def convert_pickles(paths: Sequence[Path]) -> str:
    """Return how to convert the pickles among a folder's files; empty without any."""
    found = [path for path in paths[:_MOST_FILES] if _looks_like_one(path)]
    if not found:
        return ""
    batches = [path for path in found if _cifar_label_key(_words(path))]
    return f'{found[0].name} is a pickle: {_WHY} python -c "{_conversion(batches or found[:1])}"'


def _looks_like_one(path: Path) -> bool:
    try:
        return is_pickle(path, head_of(path, _LOOKED))
    except OSError:
        return False


def _words(path: Path) -> bytes:
    """Return the first and last bytes of a file, which contain names; none if compressed."""
    return b"" if path.suffix.lower() in _PACKED else both_ends(path, _LOOKED)


def _cifar_label_key(words: bytes) -> str:
    key = next((key.decode() for key in _CIFAR_KEYS if key in words), "")
    return key if b"data" in words else ""


def _conversion(paths: Sequence[Path]) -> str:
    """Return Python code that converts pickles of arrays, CIFAR, data frames and dictionaries.

    Their content is guessed from words in their first and last bytes.
    """
    # the command may be pasted into a shell, where an odd name could do harm
    names = [path.name if _PLAIN_NAME.fullmatch(path.name) else "FILE" for path in paths]
    stem, words = names[0].split(".")[0], _words(paths[0])
    if b"pandas" in words:
        return f"import pandas; pandas.read_pickle({names[0]!r}).to_parquet('{stem}.parquet')"
    labels = _cifar_label_key(words)
    if labels:
        opened = f"[pickle.load(open(f, 'rb'), encoding='latin1') for f in {names}]"
        return (
            f"import pickle, numpy; d = {opened}; images, labels = "
            f"[numpy.concatenate([b[k] for b in d]) for k in ('data', {labels!r})]; "
            f"numpy.savez('{stem}.npz', images=images.reshape(-1, 3, 32, 32), labels=labels)"
        )
    modules, opened = _opening(names[0])
    if names[0].startswith("mnist.pkl"):  # three pairs: https://deeplearning.net/data/mnist
        return (
            f"import {modules}; d = {opened}; images, labels = map(numpy.concatenate, zip(*d)); "
            f"numpy.savez('mnist.npz', images=images.reshape(-1, 28, 28), labels=labels)"
        )
    if _DICTIONARY.match(words):
        return f"import {modules}; numpy.savez('{stem}.npz', **{opened})"
    return f"import {modules}; numpy.save('{stem}.npy', {opened})"


def _opening(name: str) -> tuple[str, str]:
    if ".joblib" in name:
        return "joblib, numpy", f"joblib.load({name!r})"
    module = _PACKED.get(Path(name).suffix.lower())
    if module is None:
        return "pickle, numpy", f"pickle.load(open({name!r}, 'rb'), encoding='latin1')"
    return f"{module}, pickle, numpy", f"pickle.load({module}.open({name!r}), encoding='latin1')"
