"""What an encoder is: images or vectors in, one feature row each out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from shoal.core.image_request import ImageRequest
from shoal.features.projection import COMPONENTS

WORDED = ("open_clip",)
"""Names of encoders that know words too: see `Worded`."""


@dataclass(frozen=True)
class Needs:
    """What an encoder asks of those who run it; the defaults suit the light ones."""

    # The pixels that it is given; None for those that the source gives by itself
    wanted: ImageRequest | None = None
    components: int = COMPONENTS  # How many the projection keeps at most
    scratch: int = 0  # Bytes that it takes a worker, beyond the rows and their features
    shared: int = 0  # Bytes that it takes once, however many workers there are: its weights
    # Whether it takes so long a row that the features are kept, whatever room they take
    expensive: bool = False
    passes: int = 0  # About how often all rows are read before the first one is encoded for good


@runtime_checkable
class Encoder(Protocol):
    """Turns rows into features. Picklable, frozen, no state but what `setup` loads."""

    @property
    def name(self) -> str: ...  # The word that chooses it: ``gradients``
    @property
    def n_features(self) -> int: ...  # Length of one feature row
    # The whitening that suits these features: see `projection.fit_projection`
    @property
    def whiten(self) -> float: ...
    @property
    def needs(self) -> Needs: ...  # What it asks of those who run it
    # JSON-able settings and version: a change of them redoes the features
    def settings(self) -> dict[str, Any]: ...
    def setup(self) -> None: ...  # Load what is heavy, once a worker
    # Return float32 ``(n, n_features)`` for a batch's `data`
    def encode(self, data: NDArray) -> NDArray: ...


@runtime_checkable
class Worded(Encoder, Protocol):
    """An encoder of images that knows words too: it puts them where what they say would be."""

    # Return float32 ``(n, n_features)``: the greater the inner product, the nearer
    def encode_words(self, texts: Sequence[str]) -> NDArray: ...
