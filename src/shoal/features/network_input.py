"""What a network is given: the size and cut of images, and how pixels become its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.image_request import Fit, ImageRequest, Sampling
from shoal.core.spec import Spec
from shoal.errors import InputError, SettingError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class NetworkInput:
    """The pixels that a network takes, and what is done to them first."""

    size: tuple[int, int]  # Height and width
    channels: int = 3  # 1 or 3
    # Taken off pixels between 0 and 1, and what they are divided by, one number a channel; None
    # where the network takes bytes
    mean: tuple[float, ...] | None = IMAGENET_MEAN
    std: tuple[float, ...] | None = IMAGENET_STD
    layout: str = "nchw"  # ``nchw`` or ``nhwc``: where its channels lie
    kept: float = 1.0  # Share of the largest cut that is kept, see `ImageRequest`
    # How images are scaled, and how they fill the size; see `ImageRequest`
    sampling: Sampling = "bicubic"
    fit: Fit = "crop"

    @property
    def wanted(self) -> ImageRequest:
        return ImageRequest(
            self.size, channels=self.channels, fit=self.fit, sampling=self.sampling, kept=self.kept
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        return (*self.size, self.channels)

    def numbers(self, images: NDArray[np.uint8]) -> NDArray:
        """Turn uint8 ``(n, H, W, C)`` into what the network takes, contiguous."""
        found: NDArray = images
        if self.mean is not None and self.std is not None:
            mean, std = np.array(self.mean), np.array(self.std)
            found = images * (1 / (255 * std)).astype(np.float32)
            found -= (mean / std).astype(np.float32)
        if self.layout == "nchw":
            found = np.moveaxis(found, 3, 1)
        return np.ascontiguousarray(found)

    def as_dict(self) -> dict[str, Any]:
        return {
            "mean": None if self.mean is None else list(self.mean),
            "std": None if self.std is None else list(self.std),
            "layout": self.layout,
            "wanted": self.wanted.as_dict(),
        }


def pooled(found: NDArray, layout: str, pool: str = "mean") -> NDArray[np.float32]:
    """Return one feature row an image: maps averaged over the picture; of words mean or first."""
    rows = found.astype(np.float32, copy=False)
    if rows.ndim == 4:
        return rows.mean(axis=(2, 3) if layout == "nchw" else (1, 2))
    if rows.ndim == 3:
        return rows[:, 0] if pool == "cls" else rows.mean(axis=1)
    if rows.ndim != 2:
        raise InputError(f"the network's output has shape {found.shape}: 2 to 4 sides are needed")
    return rows


@dataclass(frozen=True)
class Options:
    """The options of a network, such as ``?size=224&kept=0.9``; each is checked when it is read."""

    spec: Spec

    def check_names(self, known: tuple[str, ...]) -> None:
        for name in self.spec.options:
            if name not in known:
                raise SettingError(
                    f"features {str(self.spec)!r}: {name} is not an option of {self.spec.kind}: "
                    f"there are {', '.join(known)}"
                )

    def size(self) -> tuple[int, int] | None:
        """Return ``size=224`` or ``size=224x160`` (height, width)."""
        if "size" not in self.spec.options:
            return None
        words = self.spec.options["size"].replace("×", "x").split("x")
        sides = [int(word) for word in words if word.isascii() and word.isdigit()]
        if len(sides) != len(words) or len(sides) > 2 or not all(1 <= s <= 4096 for s in sides):
            raise self._wrong("size", "a number of pixels such as 224, or height x width")
        return sides[0], sides[-1]

    def numbers(self, name: str, channels: int) -> tuple[float, ...] | None:
        """Return one number a channel, such as ``mean=0.5,0.5,0.5``, or one for all."""
        if name not in self.spec.options:
            return None
        try:
            found = tuple(float(word) for word in self.spec.options[name].split(","))
        except ValueError:
            found = ()
        good = len(found) in (1, channels) and all(np.isfinite(found))
        if not good or (name == "std" and min(found) <= 0):
            above = " above 0" if name == "std" else ""
            raise self._wrong(name, f"1 or {channels} numbers{above} for pixels between 0 and 1")
        return found * channels if len(found) == 1 else found

    def share(self, otherwise: float) -> float:
        """Return ``kept``, the share of the largest cut."""
        try:
            share = float(self.spec.options.get("kept", otherwise))
        except ValueError:
            share = 0.0
        if not 0 < share <= 1:
            raise self._wrong("kept", "a share above 0 to 1, such as 0.875")
        return share

    def word(self, name: str, choices: tuple[str, ...], otherwise: str) -> Any:
        word = self.spec.options.get(name, otherwise)
        if word not in choices:
            raise self._wrong(name, f"one of {', '.join(choices)}")
        return word

    def _wrong(self, name: str, rule: str) -> SettingError:
        return SettingError(
            f"features {str(self.spec)!r}: {name}={self.spec.options[name]}: give {rule}"
        )


@contextmanager
def as_input_error(problem: str) -> Iterator[None]:
    """Raise errors of a library as an InputError: the problem, and the first line of the error."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # libraries and their helpers raise kinds of their own
        raise InputError(f"{problem}: {first_line(error)}") from None


def first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200].rstrip(".")
