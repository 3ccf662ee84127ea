"""Errors of stores and servers in words, and retries of those that may be temporary."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from shoal.errors import MissingExtraError, PlaceError, ShoalError, because

WAITS = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each retry."""

_EXTRAS = {
    **dict.fromkeys(("s3", "s3a"), ("s3fs", "shoal[s3]")),
    **dict.fromkeys(("gs", "gcs"), ("gcsfs", "shoal[gs]")),
    **dict.fromkeys(("http", "https"), ("aiohttp", "shoal[http]")),
    **dict.fromkeys(("abfs", "abfss", "az"), ("adlfs", "adlfs")),
}
_NO_CREDENTIALS = ("NoCredentials", "PartialCredentials", "DefaultCredentials", "RefreshError")
_REFUSED = (401, 403)
_GONE = (404, 410)
_LONGEST = 200  # characters of a library's message
_PERMANENT_ERRORS = (
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
    NotImplementedError,
    ImportError,
    TypeError,
    ValueError,
)

P = ParamSpec("P")
T = TypeVar("T")


def as_place_errors(work: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], T]:
    """Convert exceptions of a path's method to `PlaceError`, except for missing files."""

    @wraps(work)
    def done(path: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(path, *args, **kwargs)
        except Exception as error:
            raise place_error(str(path), error) from error

    return done


def again(work: Callable[[], T], waits: Sequence[float] = WAITS) -> T:
    """Call `work`, and retry after each of `waits` seconds if the error may be temporary."""
    for wait in waits:
        try:
            return work()
        except Exception as error:
            if not is_transient(error):
                raise
        time.sleep(wait)
    return work()


def is_transient(error: BaseException) -> bool:
    """Return whether an error may be temporary: not if a file is missing or access denied."""
    if isinstance(error, ShoalError):
        return False
    if isinstance(error, FileNotFoundError):
        return not is_missing(error)
    if isinstance(error, _PERMANENT_ERRORS):
        return False
    status = _status(error)
    transient = status is None or status >= 500 or status in (408, 429)
    return transient and not _is_about_credentials(error)


def is_missing(error: FileNotFoundError) -> bool:
    """Return whether the file does not exist; fsspec also says so of unreachable servers."""
    cause = error.__cause__
    if cause is None or isinstance(cause, FileNotFoundError | KeyError):
        return True
    status = _status(cause)
    return status in _GONE if status is not None else not _is_of_network(cause)


def place_error(url: str, error: Exception) -> Exception:
    """Return the error to raise for one of a store: the same if a `Path` would raise it."""
    protocol = url.partition(":")[0]
    if isinstance(error, ShoalError | IsADirectoryError | NotADirectoryError):
        return error
    if isinstance(error, FileNotFoundError):
        if is_missing(error):
            return error
        error = error.__cause__ if isinstance(error.__cause__, Exception) else error
    if isinstance(error, ImportError) and protocol in _EXTRAS:
        library, extra = _EXTRAS[protocol]
        return MissingExtraError(f"{url} needs {library}: pip install '{extra}'")
    if isinstance(error, ValueError) and "Protocol not known" in str(error):
        return PlaceError(
            f"{url} cannot be reached: {protocol}:// is not a protocol that fsspec knows"
        )
    if isinstance(error, ValueError):
        return error
    reason = because(error).splitlines()[0][:_LONGEST].rstrip(" .:")
    if _is_about_credentials(error):
        return PlaceError(
            f"{url} cannot be used without credentials ({reason}): give them as the store's own "
            "tools take them, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "GOOGLE_APPLICATION_CREDENTIALS"
        )
    if isinstance(error, PermissionError) or _status(error) in _REFUSED:
        return PlaceError(
            f"{url} denies access to these credentials ({reason}): give others, or ask its owner "
            "for access, then run the same command again to resume"
        )
    return PlaceError(
        f"{url} cannot be reached ({reason}): check the address, the server and the network, then "
        "run the same command again to resume"
    )


def _status(error: BaseException) -> int | None:
    for one in (error, error.__cause__):
        status = getattr(one, "status", None) or (one is error and getattr(one, "code", None))
        if isinstance(status, int) and status > 0:
            return status
        answer = getattr(one, "response", None)
        if isinstance(answer, dict):
            found = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if isinstance(found, int):
                return found
    return None


def _is_about_credentials(error: BaseException) -> bool:
    return any(name in type(error).__name__ for name in _NO_CREDENTIALS)


def _is_of_network(error: BaseException) -> bool:
    return isinstance(error, OSError) or any(
        word in kind.__name__ for kind in type(error).__mro__ for word in ("Client", "Timeout")
    )
