"""Networks out of timm, torchvision and open_clip, each without its classifier.

Each library loads its weights by itself, or from a file. This module imports them, and so does
nothing else in Shoal.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shoal.core.spec import Spec
from shoal.errors import InputError, MissingExtraError
from shoal.features.network_input import NetworkInput, first_line

_PACKAGES = {"timm": "timm", "torchvision": "torchvision", "open_clip": "open_clip"}
_TOPS = ("classifier", "fc", "heads", "head")


@dataclass(frozen=True)
class Network:
    """A network with its weights: gives rows, maps or words for images ``(n, C, H, W)``."""

    module: Any  # Of torch; what it gives is averaged over maps and words
    call: Callable[[Any], Any]
    given: NetworkInput  # What it was trained with
    # Gives rows for texts, where the network knows words
    words: Callable[[Sequence[str]], Any] | None = None


def load_network(spec: Spec) -> Network:
    library = import_library(spec)
    loaders = {"timm": _timm, "torchvision": _torchvision, "open_clip": _open_clip}
    known = _known_names(spec.kind, library)
    name = spec.what
    if name not in known and ":" not in name and "." not in name:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f": did you mean {spec.kind}:{close[0]}?" if close else ""
        raise InputError(f"{spec.kind} has no network {name!r}{hint}")
    try:
        return loaders[spec.kind](library, spec)
    except InputError:
        raise
    except Exception as error:  # each library and its helpers raise kinds of their own
        raise InputError(_refused(spec, error)) from None


def import_library(spec: Spec) -> Any:
    package = _PACKAGES[spec.kind]
    try:
        importlib.import_module("torch")
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"features {str(spec)!r} needs {error.name}: pip install 'shoal[torch]'"
        ) from None
    except Exception as error:  # a torch that does not fit the machine raises a dozen kinds
        raise InputError(f"{package} cannot be imported: {first_line(error)}") from None


def _known_names(kind: str, library: Any) -> list[str]:
    if kind == "torchvision":
        return list(library.models.list_models(module=library.models))
    found = library.list_models()
    return [str(name) for name in found]


def _refused(spec: Spec, error: BaseException) -> str:
    because = first_line(error)
    weights = spec.options.get("weights")
    if weights is not None:
        return f"{weights} cannot be loaded into {spec.kind}:{spec.what}: {because}"
    return (
        f"the weights of {spec.kind}:{spec.what} cannot be fetched ({because}): give a file of "
        f"them, as in {spec.kind}:{spec.what}?weights=FILE"
    )


def _timm(timm: Any, spec: Spec) -> Network:
    weights = spec.options.get("weights")
    overlay = {"pretrained_cfg_overlay": {"file": weights}} if weights else {}
    module = timm.create_model(spec.what, pretrained=True, num_classes=0, **overlay)
    facts = timm.data.resolve_model_data_config(module)
    channels, height, width = facts["input_size"]
    given = NetworkInput(
        (height, width),
        channels,
        tuple(facts["mean"]),
        tuple(facts["std"]),
        kept=float(facts["crop_pct"]),
        sampling=_sampling(facts["interpolation"]),
        fit="stretch" if facts.get("crop_mode") == "squash" else "crop",
    )
    return Network(module, module, given)


def _torchvision(torchvision: Any, spec: Spec) -> Network:
    models = torchvision.models
    usual = models.get_model_weights(spec.what).DEFAULT
    facts = usual.transforms()
    if not hasattr(facts, "crop_size"):
        raise InputError(f"torchvision:{spec.what} is not a network for classifying images")
    weights = spec.options.get("weights")
    module = models.get_model(spec.what, weights=None if weights else usual)
    if weights:
        module.load_state_dict(_state(weights))
    _take_top_off(module)
    given = NetworkInput(
        (facts.crop_size[0], facts.crop_size[0]),
        3,
        tuple(facts.mean),
        tuple(facts.std),
        kept=facts.crop_size[0] / max(facts.resize_size[0], facts.crop_size[0]),
        sampling=_sampling(facts.interpolation.value),
    )
    return Network(module, module, given)


def _take_top_off(module: Any) -> None:
    """Leave out the classifier; VGG and its like then average their last map."""
    torch = importlib.import_module("torch")
    for name in _TOPS:
        if hasattr(module, name):
            setattr(module, name, torch.nn.Identity())
    if hasattr(module, "features") and hasattr(module, "avgpool"):
        module.avgpool = torch.nn.AdaptiveAvgPool2d(1)


def _open_clip(open_clip: Any, spec: Spec) -> Network:
    tags = open_clip.list_pretrained_tags_by_model(spec.what)
    weights = spec.options.get("weights") or spec.options.get("pretrained")
    if not (weights or tags):
        raise InputError(
            f"open_clip has no weights of {spec.what}: give a file, as in "
            f"open_clip:{spec.what}?weights=FILE"
        )
    module = open_clip.create_model(
        spec.what, pretrained=weights or tags[0], require_pretrained=True
    )
    facts = open_clip.get_model_preprocess_cfg(module)
    size = facts["size"]
    given = NetworkInput(
        (size, size) if isinstance(size, int) else (size[0], size[1]),
        3,
        tuple(facts["mean"]),
        tuple(facts["std"]),
        sampling=_sampling(facts["interpolation"]),
        fit="stretch" if facts["resize_mode"] == "squash" else "crop",
    )

    def words(texts: Sequence[str]) -> Any:
        tokens = open_clip.get_tokenizer(spec.what)(list(texts))
        return module.encode_text(tokens.to(next(module.parameters()).device))

    return Network(module, module.encode_image, given, words)


def _state(path: str) -> Any:
    """Read weights from a file: tensors alone, nothing that could be run."""
    torch = importlib.import_module("torch")
    if path.endswith(".safetensors"):
        return importlib.import_module("safetensors.torch").load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _sampling(word: str) -> Any:
    return "bilinear" if word == "bilinear" else "bicubic"
