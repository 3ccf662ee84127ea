"""Parse encoder names: a word, or a library and a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_OPTION = re.compile(r"[a-z]+=[^&]*")


@dataclass(frozen=True)
class Spec:
    """An encoder name: ``kind``, or ``kind:what?option=value&option=value``.

    Attributes
    ----------
    kind
        ``photo``, ``onnx``, ``timm`` …
    what
        A file or a name; empty for a plain word.
    options
        Values as written, by name.

    Examples
    --------
    >>> parse_spec("onnx:nets/a.onnx?size=224&layout=nhwc")
    Spec(kind='onnx', what='nets/a.onnx', options={'size': '224', 'layout': 'nhwc'})
    >>> parse_spec("photo"), str(parse_spec("timm:resnet18?size=96"))
    (Spec(kind='photo', what='', options={}), 'timm:resnet18?size=96')
    """

    kind: str
    what: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        text = f"{self.kind}:{self.what}" if self.what else self.kind
        given = "&".join(f"{name}={value}" for name, value in self.options.items())
        return f"{text}?{given}" if given else text


def parse_spec(text: str) -> Spec:
    """Parse an encoder name; a question mark without options is part of the name."""
    kind, colon, rest = text.partition(":")
    what, mark, tail = rest.rpartition("?")
    pairs = tail.split("&")
    if not mark or not all(_OPTION.fullmatch(pair) for pair in pairs):
        what, pairs = rest, []
    if not colon:
        return Spec(text)
    return Spec(kind, what, dict(pair.split("=", 1) for pair in pairs))
