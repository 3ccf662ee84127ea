"""Files of named encoders: their location and download."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from shoal.core.known_encoders import KNOWN_ENCODERS, KnownEncoder
from shoal.core.spec import Spec
from shoal.errors import InputError, SettingError
from shoal.features.graph_cache import cache_folder
from shoal.storage.download import copy_file, download, file_sha256

FOLDER = "SHOAL_ENCODERS"
"""Environment variable: a folder for these files instead of the user's cache."""

MIRROR = "HF_ENDPOINT"
"""Environment variable: a server instead of huggingface.co, as in its own tools."""


@dataclass(frozen=True)
class EncoderFile:
    encoder: KnownEncoder
    path: Path  # Where its file is, or would be
    is_here: bool  # In full length


def encoder_folder() -> Path:
    """Return the folder of the files: ``$SHOAL_ENCODERS``, or one in the user's cache."""
    named = os.environ.get(FOLDER, "")
    if named:
        return Path(named).expanduser()
    cache = cache_folder()
    if cache is None:
        raise InputError(f"no home folder was found to keep encoders in: set {FOLDER} to a folder")
    return cache / "encoders"


def find_encoder(name: str) -> EncoderFile:
    if name not in KNOWN_ENCODERS:
        raise SettingError(f"encoder {name!r} is not known: there are {', '.join(KNOWN_ENCODERS)}")
    encoder = KNOWN_ENCODERS[name]
    path = encoder_folder() / f"{name}-{encoder.sha256[:16]}.onnx"
    try:
        return EncoderFile(encoder, path, path.stat().st_size == encoder.size)
    except OSError:
        return EncoderFile(encoder, path, False)


def encoders() -> tuple[EncoderFile, ...]:
    """List the named encoders, and whether they are on this machine."""
    return tuple(map(find_encoder, KNOWN_ENCODERS))


def get_encoder(
    name: str,
    file: str | os.PathLike[str] | None = None,
    advance: Callable[[int], None] | None = None,
) -> Path:
    """Download an encoder unless it exists; an interrupted download resumes.

    Parameters
    ----------
    name
        One of `encoders`.
    file
        A file downloaded elsewhere, to copy instead.
    advance
        Receives the number of downloaded bytes.

    Returns
    -------
    Path
        The file, with its SHA-256 checksum verified.

    Raises
    ------
    ShoalError
        With the problem and what to do.
    """
    found = find_encoder(name)
    encoder, path = found.encoder, found.path
    if found.is_here and file_sha256(path) == encoder.sha256:
        return path
    if file is not None:
        copy_file(Path(file), path, encoder.size, encoder.sha256)
    else:
        download(_address(encoder), path, encoder.size, encoder.sha256, advance)
    return path


def _address(encoder: KnownEncoder) -> str:
    mirror = os.environ.get(MIRROR, "").rstrip("/")
    if not mirror:
        return encoder.url
    if not mirror.startswith(("https://", "http://")):
        raise SettingError(f"{MIRROR} is {mirror!r}: give an address that begins with https://")
    return f"{mirror}/{encoder.path}"


def encoder_spec(name: str) -> Spec:
    """Return an encoder on this machine as ``onnx:FILE`` with its options."""
    found = find_encoder(name)
    encoder = found.encoder
    if not found.is_here:
        raise InputError(
            f"features {name!r}: this encoder is not on this machine: run shoal encoder get {name} "
            f"({encoder.megabytes}, {encoder.licence})"
        )
    status = found.path.stat()
    if _sum(str(found.path), status.st_mtime_ns, status.st_ino) != encoder.sha256:
        raise InputError(
            f"{found.path} is damaged or another file: run shoal encoder get {name} again"
        )
    return Spec("onnx", str(found.path), encoder.options)


def encoder_for_photos() -> str | None:
    """Return the first encoder on this machine that ``auto`` may choose."""
    try:
        here = [one.encoder for one in encoders() if one.is_here]
    except InputError:  # no home folder, so none is kept
        return None
    return next((encoder.name for encoder in here if encoder.auto), None)


@lru_cache(maxsize=4)
def _sum(path: str, _changed: int, _inode: int) -> str:
    """Sum a file up once, until it changes."""
    return file_sha256(Path(path))
