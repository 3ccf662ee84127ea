"""Tell every open page when something changed, within half a second."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from shoal.errors import ShoalError
from shoal.explore.explorer import Explorer

_PAUSE = 0.3
_STILL = 15.0
_QUIET = 2.0  # seconds without a request: longer than between the clicks of someone who works fast
_QUICK = 1_000_000


def event_stream(explorer: Explorer) -> Callable[[Request], Awaitable[StreamingResponse]]:
    """Return an endpoint that sends ``{"seq": …, "map": …}`` whenever one of them changes.

    Edits of other processes are seen too: the log is read as long as a page is open. Streams end
    once ``app.state.stopping`` is true.
    """

    async def answer(request: Request) -> StreamingResponse:
        return StreamingResponse(events(explorer, request), media_type="text/event-stream")

    return answer


async def events(explorer: Explorer, request: Request) -> AsyncIterator[str]:
    """Yield an event for each change, and a sign of life now and then."""
    sent, silent = "", 0.0
    while not request.app.state.stopping and not await request.is_disconnected():
        now = json.dumps(await run_in_threadpool(_now, explorer))
        if now == sent:
            await run_in_threadpool(look_ahead, explorer)
        if now != sent or silent >= _STILL:
            yield f"data: {now}\n\n" if now != sent else ": still here\n\n"
            sent, silent = now, 0.0
        await asyncio.sleep(_PAUSE)
        silent += _PAUSE


def look_ahead(explorer: Explorer) -> None:
    """Prepare the review queue between requests, where that takes only a moment."""
    quiet = time.monotonic() - explorer.last_request > _QUIET
    if quiet and not explorer.read_only and explorer.run.n_rows <= _QUICK:
        with suppress(ShoalError):  # a request for the queue gets the message
            explorer.questions()


def _now(explorer: Explorer) -> dict[str, object]:
    state = {"ready": True} if explorer.atlas.has_map else {"ready": False, **explorer.progress}
    try:
        return {"seq": explorer.curation.refresh(), "map": state}
    except ShoalError as error:
        return {"seq": None, "map": state, "trouble": str(error)}
