"""What an encoder is: images or vectors in, one feature row each out."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray


@runtime_checkable
class Encoder(Protocol):
    """Turns rows into features. Picklable, frozen, no state but what `setup` loads."""

    @property
    def name(self) -> str:
        """The word that chooses it: ``gradients``."""

    @property
    def n_features(self) -> int:
        """Length of one feature row."""

    @property
    def whiten(self) -> float:
        """The whitening that suits these features: see `projection.fit_projection`."""

    def settings(self) -> dict[str, Any]:
        """JSON-able settings and version: a change of them redoes the features."""

    def setup(self) -> None:
        """Load what is heavy, once a worker."""

    def encode(self, data: NDArray) -> NDArray:
        """Give float32 ``(n, n_features)`` for a batch's `data`."""
