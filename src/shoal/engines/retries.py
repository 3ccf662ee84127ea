"""Attempts at a task on a worker, and the sentences for what no attempt could do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from shoal import errors

TRIES = 3
"""Attempts at an item where it is, and starts of an item whose worker was lost."""

_PAUSE = 0.5  # seconds before the second try, twice as many before the third


def attempt(work: Callable[[], None]) -> Exception | None:
    """Try some times, as a network or a disk may come back; return the last error, if any."""
    for again in range(1, TRIES + 1):
        try:
            work()
            return None
        except Exception as error:
            last = error
            if isinstance(error, errors.InputError):
                break
            time.sleep(_PAUSE * again if again < TRIES else 0)
    return last


def describe(error: Exception) -> dict[str, str]:
    """Describe an error in words that travel from any worker to the launcher."""
    ours = isinstance(error, errors.ShoalError)
    said = str(error) if ours else f"{type(error).__name__}: {last_line(error)}"
    return {"kind": type(error).__name__, "said": said}


def raise_first(failed: Mapping[int, dict[str, str]], name: Callable[[int], str]) -> None:
    """Raise what `describe` described of the first item that failed, if any did.

    Raises
    ------
    ShoalError
        Of the same kind where it is Shoal's own, else a `WorkError`; the item's name is in front.
    """
    if failed:
        first = min(failed)
        kind = getattr(errors, failed[first]["kind"], errors.WorkError)
        raise kind(f"{name(first)}: {failed[first]['said']}")


def incomplete(names: Sequence[str], why: str) -> errors.WorkError:
    """Return the error that says what was not done, and why: workers were lost, or results."""
    more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    what = f"{names[0]}{more} could not be done in {TRIES} passes"
    if why:
        return errors.WorkError(
            f"{what}, workers were lost ({why}): run the same command again and it continues"
        )
    return errors.WorkError(
        f"{what}: workers ended well, but what they wrote is not here; give a run folder with -o "
        "that all workers reach"
    )


def last_line(error: BaseException) -> str:
    """Return the last line of an error: runners put whole tracebacks into theirs."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip()[:300] if lines else type(error).__name__
