"""Textures: noise of a spectrum of its own each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labelled = tuple[NDArray[np.uint8], NDArray[np.int64]]


def textures(n_kinds: int, each: int, seed: int, side: int = 64) -> Labelled:
    """Draw pieces of random textures: fields of one or two bands of waves, softly thresholded."""
    generator = np.random.default_rng([seed, 6])
    frequency = np.fft.fftfreq(side)
    fx, fy = np.meshgrid(frequency, frequency)
    images = []
    for _ in range(n_kinds):
        filters = []
        for _ in range(int(generator.integers(1, 3))):
            angle, centre = generator.uniform(0, np.pi), generator.uniform(0.05, 0.3)
            narrow, along = generator.uniform(0.01, 0.05), generator.uniform(0.01, 0.12)
            u, v = np.cos(angle) * fx + np.sin(angle) * fy, -np.sin(angle) * fx + np.cos(angle) * fy
            filters.append(
                np.exp(-(((np.abs(u) - centre) / narrow) ** 2) / 2 - (v / along) ** 2 / 2)
            )
        hardness = generator.uniform(0.5, 4.0)
        for _ in range(each):
            field = np.zeros((side, side))
            for one in filters:
                waves = np.fft.fft2(generator.normal(size=(side, side))) * one
                part = np.fft.ifft2(waves).real
                field += part / part.std()
            field = np.tanh(hardness * field / field.std())
            light = 1 + 0.2 * generator.normal()
            images.append(np.clip(127.5 + 90 * light * field, 0, 255).astype(np.uint8))
    return np.stack(images), np.repeat(np.arange(n_kinds), each)
