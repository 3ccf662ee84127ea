"""The former name of `shoal.synthetic`, deprecated since 0.2."""

import warnings
from typing import Any

from shoal import synthetic


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    warnings.warn("shoal.tiles is now shoal.synthetic", DeprecationWarning, stacklevel=2)
    return getattr(synthetic, name)
