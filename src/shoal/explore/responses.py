"""What the server says: JSON that can always be written, and errors in one form."""

from __future__ import annotations

import functools
import json
import math
from typing import Any

from starlette.responses import JSONResponse

_LONGEST = 1000  # characters of an error's message: requests are quoted in it
_dumps = functools.partial(json.dumps, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class JsonAnswer(JSONResponse):
    """JSON; numbers that are not finite become null, what is not text is replaced."""

    def render(self, content: Any) -> bytes:
        try:
            text = _dumps(content)
        except ValueError:  # a number is not finite
            text = _dumps(_finite(content))
        return text.encode("utf-8", "replace")


def refusal(status: int, kind: str, message: str, **more: Any) -> JsonAnswer:
    if len(message) > _LONGEST:
        message = f"{message[:_LONGEST]}…"
    return JsonAnswer({"error": {"kind": kind, "message": message, **more}}, status)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value
