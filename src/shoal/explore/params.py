"""Parameters of requests, checked: every value has a range, and errors have one form."""

from __future__ import annotations

import json
import math
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from shoal.core.text import encodable
from shoal.edits import ConflictError, LockedError, NameTakenError
from shoal.errors import InputError, ShoalError, StorageFullError
from shoal.explore.explorer import Explorer
from shoal.explore.responses import JsonAnswer, refusal

MOST_BYTES = 32 << 20
"""Of a request's body."""

_DEEPEST = 20
_LARGEST = 1 << 63
_SET = re.compile(r"[0-9a-f]{18}")


class GoneError(LookupError):
    """A set of rows is no longer known; the page has to create it again."""


@dataclass(frozen=True)
class Params:
    query: Mapping[str, str]
    body: bytes = b""

    def text(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self.query.get(name, default)
        if value not in choices:
            raise InputError(f"{name} {value[:40]!r}: give one of {', '.join(choices)}")
        return value

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        value = self.query.get(name)
        if value is None and default is not None:
            return default
        if value is None or not re.fullmatch(r"-?[0-9]{1,15}", value, re.ASCII):
            raise InputError(f"{name} {(value or '')[:40]!r}: give a whole number")
        return _ranged(name, int(value), low, high)

    def real(self, name: str, low: float, high: float) -> float:
        value = self.query.get(name, "")
        if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,20})?(e-?[0-9]{1,3})?", value, re.ASCII):
            raise InputError(f"{name} {value[:40]!r}: give a number")
        if not low <= float(value) <= high:
            raise InputError(f"{name} {value}: give a number from {low:g} to {high:g}")
        return float(value)

    def k(self, explorer: Explorer) -> int | None:
        """Return the K of the cut, or None for the clusters as edited."""
        if self.query.get("k", "") == "":
            return None
        return self.whole("k", 1, explorer.atlas.result.tree.n_leaves)

    def rows(self, explorer: Explorer, most: int) -> list[int]:
        """Return a list of rows: ``rows=3,17,4``."""
        found = self.numbers("rows", most)
        for row in found:
            _ranged("row", row, 0, explorer.atlas.n_rows - 1)
        return found

    def numbers(self, name: str, most: int) -> list[int]:
        """Return a list of whole numbers: ``3,17,4``."""
        value = self.query.get(name, "")
        if not re.fullmatch(r"[0-9]{1,15}(,[0-9]{1,15})*", value, re.ASCII):
            raise InputError(f"{name}: give whole numbers such as 3,17,4")
        found = [int(word) for word in value.split(",")]
        if len(found) > most:
            raise InputError(f"{name}: {len(found):,} are too many, give at most {most:,}")
        return found

    def set(self, explorer: Explorer) -> str | None:
        """Return the name of a set of rows; None for all rows."""
        value = self.query.get("set", "")
        if value == "":
            return None
        if not _SET.fullmatch(value) or value not in explorer.specs:
            raise GoneError(value[:40])
        return value

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object of limited depth, with finite numbers and valid text."""
        try:
            found = _plain(json.loads(self.body.decode() or "{}", parse_constant=_no_constant))
        except (ValueError, RecursionError) as error:
            raise InputError(f"the body is not JSON: {str(error)[:80]}") from None
        if not isinstance(found, dict):
            raise InputError("the body is not JSON: an object is expected")
        return found


def _ranged(name: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise InputError(f"{name} {value}: give {low:,} to {high:,}")
    return value


def _plain(value: Any, depth: int = 0) -> Any:
    """Check a value of a body recursively; replace invalid text."""
    kind = type(value)
    if kind is str:
        return encodable(value)
    if kind is float and not math.isfinite(value):
        raise ValueError("a number is too large")
    if kind is int and abs(value) > _LARGEST:
        raise ValueError("a whole number is too large")
    if kind is not list and kind is not dict:
        return value
    if depth == _DEEPEST:
        raise ValueError(f"lists and objects are nested more than {_DEEPEST} deep")
    if kind is dict:
        return {encodable(name): _plain(inner, depth + 1) for name, inner in value.items()}
    if all(type(inner) is int for inner in value):  # millions of rows
        _ = [_plain(end) for end in (min(value), max(value))] if value else []
        return value
    return [_plain(inner, depth + 1) for inner in value]


def whole_numbers(
    body: Mapping[str, Any], name: str, most: int = 100_000, end: int = 1 << 40
) -> list[int]:
    """Return a list of whole numbers below `end` out of a body; empty by default."""
    found = body.get(name, [])
    if not isinstance(found, list) or len(found) > most:
        raise InputError(f"{name}: give a list of at most {most:,} whole numbers")
    if not all(type(value) is int and 0 <= value < end for value in found):
        raise InputError(f"{name}: give whole numbers from 0 to {end - 1:,}")
    return found


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


_REFUSALS = {  # status and kind; the first that fits
    ConflictError: (409, "conflict"),
    LockedError: (423, "locked"),
    StorageFullError: (507, "storage"),
    InputError: (400, "input"),
    ShoalError: (503, "busy"),
}
Answer = Callable[[Explorer, Params], Response | dict[str, Any]]


def endpoint(explorer: Explorer, answer: Answer) -> Callable[[Request], Any]:
    """Return an endpoint that runs a plain function in a thread, with errors in one form."""

    async def answered(request: Request) -> Response:
        body = b""
        if request.method == "POST":
            try:
                found = await _body(request)
            except ClientDisconnect:
                return Response(status_code=400)
            if found is None:
                return refusal(413, "input", f"more than {MOST_BYTES >> 20} MiB: send less")
            body = found
        return await run_in_threadpool(
            _answered, explorer, answer, Params(request.query_params, body)
        )

    return answered


async def _body(request: Request) -> bytes | None:
    pieces, length = [], 0
    async for piece in request.stream():
        length += len(piece)
        if length > MOST_BYTES:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _answered(explorer: Explorer, answer: Answer, params: Params) -> Response:
    explorer.last_request = time.monotonic()
    try:
        found = answer(explorer, params)
    except GoneError:
        return refusal(410, "gone", "this set of rows is no longer known: send it again")
    except NameTakenError as error:
        return refusal(409, "name", str(error), proposal=asdict(error.proposal))
    except ShoalError as error:
        status, kind = next(
            r for error_type, r in _REFUSALS.items() if isinstance(error, error_type)
        )
        return refusal(status, kind, str(error))
    except Exception as error:
        traceback.print_exception(error, file=sys.stderr)
        return refusal(500, "fault", f"internal error: {type(error).__name__}")
    return found if isinstance(found, Response) else JsonAnswer(found)
