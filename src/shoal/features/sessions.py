"""Networks on onnxruntime: opened with one thread, run in small batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

COMPONENTS = 128
"""What the projection keeps of a network's features: 64 lose some of the classes."""

BATCH = 4
"""Images at a time: more do not stay in a core's cache and go no faster."""


def open_session(model: bytes | str, folder: Path | None = None) -> Any:
    """Open a network, its bytes or its file, on the CPU, one thread for each call of ``run``.

    The engine runs as many calls at once as there are workers, so that all cores are busy, no
    more than were allowed, and a sum's order is the same for any number of workers.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors: its warnings are about its own optimisations
    if folder is not None:  # where numbers lie that are not in the model
        key = "session.model_external_initializers_file_folder_path"
        options.add_session_config_entry(key, str(folder))
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def unit_rows(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide each row by its length; rows of zeros stay."""
    lengths = np.sqrt((features * features).sum(axis=1, keepdims=True))
    return features / np.maximum(lengths, np.finfo(np.float32).tiny)
