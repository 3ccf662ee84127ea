"""Training on the CPU with torch: the same weights for a seed, whatever the number of threads.

Each step takes two half batches, each on one thread, and adds their gradients in order. What a
step draws depends on the seed and its number only, so an interrupted training goes on from its
last checkpoint to the same weights.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import MissingExtraError
from shoal.features.learned.augmentation import altered
from shoal.features.learned.encoder import METHODS
from shoal.features.learned.network import CONVOLUTIONS, FLAT, Weights, initial, shapes

if TYPE_CHECKING:
    from torch import Tensor

HALF = 128
"""Images in half a batch, each with all others of it as negatives in a contrastive step."""

# 1,500 steps of 256 are five passes over MNIST, and 200 over the digits.
STEPS = {"autoencoder": 2_000, "contrastive": 1_500}
EVERY = 100
"""Steps between checkpoints, and between looks at the held-out images."""

_PATIENCE = 3  # looks without a better reconstruction after which an autoencoder stops
_HELD_OUT, _MOST_HELD_OUT = 0.05, 1_000
_RATE, _BETAS, _TINY = 1e-3, (0.9, 0.999), 1e-8  # Adam's defaults (Kingma, Ba 2015)
_TEMPERATURE = 0.2
_HEAD = 64


@dataclass
class State:
    """Weights and Adam's moments after some steps, and how training went."""

    weights: Weights
    first: Weights  # Moments, zero at first
    second: Weights
    step: int = 0  # Number of steps so far
    best: float = float("inf")  # Least held-out loss …
    waited: int = 0  # … and checks since

    @classmethod
    def new(cls, method: str, channels: int, seed: int) -> State:
        of = _all_shapes(method, channels)
        weights = initial(of, np.random.default_rng([seed, 0]))
        zeros = {name: np.zeros(shape, np.float32) for name, shape in of.items()}
        return cls(weights, zeros, {name: zero.copy() for name, zero in zeros.items()})

    def packed(self) -> NDArray[np.float64]:
        parts = [part[name].ravel() for part in self._parts() for name in self.weights]
        return np.concatenate([[self.step, self.best, self.waited], *parts])

    def unpack(self, array: NDArray[np.float64]) -> None:
        self.step, self.best, self.waited = int(array[0]), float(array[1]), int(array[2])
        at = 3
        for part in self._parts():
            for name, old in part.items():
                part[name] = array[at : at + old.size].reshape(old.shape).astype(np.float32)
                at += old.size

    def _parts(self) -> tuple[Weights, ...]:
        return self.weights, self.first, self.second


def _all_shapes(method: str, channels: int) -> dict[str, tuple[int, ...]]:
    of = shapes(channels, METHODS[method])
    if method == "contrastive":
        return {**of, "head.weight": (_HEAD, METHODS[method]), "head.bias": (_HEAD,)}
    of |= {"back.weight": (FLAT, METHODS[method]), "back.bias": (FLAT,)}
    inside = CONVOLUTIONS[-1][0]
    for number, out in enumerate((64, 32, channels)):
        of |= {f"up{number}.weight": (out, inside, 3, 3), f"up{number}.bias": (out,)}
        inside = out
    return of


def train(
    method: str,
    images: NDArray[np.uint8],
    seed: int,
    threads: int,
    state: State,
    look: Callable[[State], None],
) -> Weights:
    """Train a network on images, and return the weights of its encoding part.

    `images`: (n, 32, 32, C), uint8.
    """
    torch = import_torch()
    order = np.random.default_rng([seed, 1]).permutation(len(images))
    aside = min(int(_HELD_OUT * len(images)), _MOST_HELD_OUT)
    held_out, rows = order[:aside], order[aside:]
    most = STEPS[method]
    before = torch.get_num_threads()
    with ThreadPoolExecutor(
        min(threads, 2), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        while state.step < most and state.waited < _PATIENCE:
            rate = _RATE
            if method == "contrastive":  # its number of steps is known: the rate falls to zero
                rate *= (1 + np.cos(np.pi * state.step / most)) / 2
            halves = _halves(rows, seed, state.step)
            found = pool.map(
                lambda half, state=state: _gradients(method, state.weights, images, *half), halves
            )
            _adam(state, [sum(parts) / 2 for parts in zip(*found, strict=True)], rate)
            if state.step % EVERY == 0:
                if method == "autoencoder" and aside:
                    _judge(state, pool.submit(_loss_of, state.weights, images[held_out]).result())
                look(state)
    torch.set_num_threads(before)
    return {name: state.weights[name] for name in shapes(images.shape[3], METHODS[method])}


def import_torch() -> Any:
    try:
        import torch
    except ImportError:
        raise MissingExtraError(
            "features that are learned from the images need torch: pip install 'shoal[torch]'"
        ) from None
    return torch


def _halves(rows: NDArray, seed: int, step: int) -> list[tuple[NDArray, int]]:
    """Draw the rows of both half batches of a step, and a seed for the views of each."""
    generator = np.random.default_rng([seed, 2, step])
    drawn = generator.choice(rows, 2 * HALF, replace=len(rows) < 2 * HALF)
    seeds = generator.integers(1 << 31, size=2).tolist()
    return [(np.sort(drawn[:HALF]), seeds[0]), (np.sort(drawn[HALF:]), seeds[1])]


def _numbers(images: NDArray[np.uint8]) -> Tensor:
    import torch

    scaled = images.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    return torch.from_numpy(np.ascontiguousarray(scaled))


def _gradients(
    method: str, weights: Weights, images: NDArray[np.uint8], rows: NDArray, seed: int
) -> list[NDArray[np.float32]]:
    import torch

    tensors = {name: torch.from_numpy(w).requires_grad_() for name, w in weights.items()}
    seen = _numbers(images[rows])
    if method == "autoencoder":
        loss = _reconstruction(tensors, seen)
    else:
        generator = torch.Generator().manual_seed(seed)
        views = torch.cat([altered(seen, generator), altered(seen, generator)])
        loss = _contrast(tensors, views)
    return [grad.numpy() for grad in torch.autograd.grad(loss, list(tensors.values()))]


def _encoded(tensors: dict[str, Tensor], at: Tensor) -> Tensor:
    from torch.nn import functional

    for number, (_, stride) in enumerate(CONVOLUTIONS):
        weight, bias = tensors[f"conv{number}.weight"], tensors[f"conv{number}.bias"]
        at = functional.relu(functional.conv2d(at, weight, bias, stride=stride, padding=1))
    return functional.linear(at.flatten(1), tensors["linear.weight"], tensors["linear.bias"])


def _reconstruction(tensors: dict[str, Tensor], images: Tensor) -> Tensor:
    from torch.nn import functional

    code = _encoded(tensors, images)
    at = functional.linear(code, tensors["back.weight"], tensors["back.bias"])
    at = at.reshape(len(at), CONVOLUTIONS[-1][0], 4, 4)
    for number in range(3):
        at = functional.interpolate(functional.relu(at), scale_factor=2, mode="nearest")
        weight, bias = tensors[f"up{number}.weight"], tensors[f"up{number}.bias"]
        at = functional.conv2d(at, weight, bias, padding=1)
    return functional.mse_loss(at, images)


def _contrast(tensors: dict[str, Tensor], views: Tensor) -> Tensor:
    """Return NT-Xent of two views of each image (Chen et al. 2020, equation 1)."""
    import torch
    from torch.nn import functional

    code = functional.relu(_encoded(tensors, views))
    head = functional.linear(code, tensors["head.weight"], tensors["head.bias"])
    units = functional.normalize(head)
    alike = units @ units.T / _TEMPERATURE
    alike = alike.masked_fill(torch.eye(len(units), dtype=torch.bool), -torch.inf)
    n = len(units) // 2
    return functional.cross_entropy(alike, torch.cat([torch.arange(n) + n, torch.arange(n)]))


def _loss_of(weights: Weights, images: NDArray[np.uint8]) -> float:
    import torch

    with torch.inference_mode():
        tensors = {name: torch.from_numpy(w) for name, w in weights.items()}
        return float(_reconstruction(tensors, _numbers(images)))


def _judge(state: State, loss: float) -> None:
    """Count the looks since the reconstruction of held-out images was last better."""
    better = loss < state.best * 0.995  # by half a percent, or noise would go on for ever
    state.best, state.waited = (loss, 0) if better else (state.best, state.waited + 1)


def _adam(state: State, gradients: list[NDArray[np.float32]], rate: float) -> None:
    """Take a step (Kingma, Ba 2015, algorithm 1)."""
    state.step += 1
    one, two = _BETAS
    for name, gradient in zip(state.weights, gradients, strict=True):
        first = one * state.first[name] + (1 - one) * gradient
        second = two * state.second[name] + (1 - two) * gradient**2
        state.first[name], state.second[name] = first, second
        scaled = first / (1 - one**state.step)
        root = np.sqrt(second / (1 - two**state.step)) + _TINY
        state.weights[name] = (state.weights[name] - rate * scaled / root).astype(np.float32)
