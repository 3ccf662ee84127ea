"""Train encoders that learn from the images, at the start of the features stage."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError
from shoal.features import Encoder, Learned, Reduced
from shoal.features.learned.network import onnx_graph
from shoal.features.learned.training import EVERY, STEPS, State, import_torch, train
from shoal.rows import Source, Taken
from shoal.rows.base import spread
from shoal.stages.context import Context
from shoal.storage import StageFolder, delete_file, read_npy, write_npy

# Training images: 60,000 of 32 x 32 in colour are 176 MiB.
MOST_IMAGES = 60_000
_AT_ONCE = 512
_FEWEST = 16


def placed(encoder: Encoder, folder: StageFolder) -> Encoder:
    """Return an encoder that finds its learned parameters, if any, in the features folder."""
    if isinstance(encoder, Reduced):
        return replace(encoder, base=placed(encoder.base, folder)).at(folder.path)
    if isinstance(encoder, Learned) and encoder.path is None:
        return encoder.at(folder.whole("network"))
    return encoder


def learn(context: Context, folder: StageFolder, encoder: Learned) -> None:
    """Train the network of a run from its last checkpoint, unless it is already trained.

    Raises
    ------
    MissingExtraError
        When torch is not installed.
    SourceError
        When too few images can be read.
    """
    path = encoder.path
    if path is None or path.exists():
        return
    import_torch()
    checkpoint = folder.whole("checkpoint")
    state = State.new(encoder.method, encoder.channels, context.settings.seed)
    if checkpoint.exists():
        state.unpack(read_npy(checkpoint))
    context.progress.stage("training", STEPS[encoder.method], "steps")
    context.progress.advance(state.step)

    def look(state: State) -> None:
        write_npy(checkpoint, state.packed())
        context.progress.advance(EVERY)

    images = _some_images(context.source)
    weights = train(
        encoder.method, images, context.settings.seed, context.settings.workers or 1, state, look
    )
    write_npy(path, np.frombuffer(onnx_graph(weights), np.uint8))
    if checkpoint.exists():
        delete_file(checkpoint)
    context.progress.stage("features", context.shards.n_rows)


def _some_images(source: Source) -> NDArray[np.uint8]:
    """Read images from all over a source, uint8 (n, 32, 32, C)."""
    rows = spread(source.n_rows, MOST_IMAGES)
    some = source.take(Taken(rows, source.n_rows))
    blocks = []
    for start in range(0, len(rows), _AT_ONCE):
        batch = some.read(start, min(start + _AT_ONCE, len(rows)))
        good = np.ones(len(batch.data), np.bool_)
        good[list(batch.bad)] = False
        blocks.append(batch.data[good])
    images = np.concatenate(blocks)
    if len(images) < _FEWEST:
        raise SourceError(
            f"only {len(images)} images can be read, but training a network needs at least "
            f"{_FEWEST}: choose --features gradients or photo"
        )
    return cast("NDArray[np.uint8]", images)
