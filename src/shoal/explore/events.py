"""Tells every open page when something changed, within half a second."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
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


class Events:
    """A stream of what happens: ``{"seq": …, "map": …}`` whenever one of them changes.

    Edits of other processes are seen too: the log is looked at as long as a page is open.
    """

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer
        self.stopping = False

    async def answer(self, request: Request) -> StreamingResponse:
        """Open a stream."""
        return StreamingResponse(self._lines(request), media_type="text/event-stream")

    async def _lines(self, request: Request) -> AsyncIterator[str]:
        """Write an event for each change, and a sign of life now and then."""
        said, silent = "", 0.0
        while not self.stopping and not await request.is_disconnected():
            now = json.dumps(await run_in_threadpool(self._now))
            if now == said:
                await run_in_threadpool(self._look_ahead)
            if now != said or silent >= _STILL:
                yield f"data: {now}\n\n" if now != said else ": still here\n\n"
                said, silent = now, 0.0
            await asyncio.sleep(_PAUSE)
            silent += _PAUSE

    def _look_ahead(self) -> None:
        """Make the review queue while nobody waits for it, where that is a matter of moments."""
        explorer = self._explorer
        quiet = time.monotonic() - explorer.asked_at > _QUIET
        if quiet and not explorer.read_only and explorer.run.n_rows <= _QUICK:
            with suppress(ShoalError):  # who asks for it is told
                explorer.questions()

    def _now(self) -> dict[str, object]:
        explorer = self._explorer
        drawn = explorer.atlas.has_map
        state = {"ready": True} if drawn else {"ready": False, **explorer.drawing}
        try:
            return {"seq": explorer.curation.refresh(), "map": state}
        except ShoalError as error:
            return {"seq": None, "map": state, "trouble": str(error)}
