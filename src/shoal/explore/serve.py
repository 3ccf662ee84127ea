"""The server: routes, static files, and its life from start to end."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from shoal.core.text import encodable
from shoal.errors import InputError, SettingError
from shoal.explore.events import event_stream
from shoal.explore.explorer import Explorer
from shoal.explore.guard import App, Guard
from shoal.explore.params import endpoint
from shoal.explore.responses import JsonAnswer, refusal
from shoal.explore.routes import READS, WRITES, openapi

LOCAL = "127.0.0.1"
_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml",
}


def static_files() -> dict[str, bytes]:
    """Read the page: every file under its path."""
    folder = Path(__file__).parent / "static"
    files = [path for path in folder.rglob("*") if path.suffix[1:] in _TYPES]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def page_file(page: dict[str, bytes], name: str) -> Response:
    """Return a file of the page, or refuse what is none."""
    if name not in page:
        return refusal(404, "missing", "there is no such file")
    # Browsers ask for the icon whenever the address changes, which it does at every click.
    kept = "max-age=3600" if name == "icon.svg" else "no-cache"
    kind = _TYPES[name.rpartition(".")[2]]
    return Response(page[name], media_type=kind, headers={"cache-control": kept})


def make_app(explorer: Explorer, state: State | None = None) -> Starlette:
    """Return the app without the access guard; apps that share a state stop together."""
    page = static_files()

    def file(request: Request) -> Response:
        return page_file(page, request.path_params.get("name", "index.html"))

    routes = [
        Route("/", file),
        Route("/static/{name:path}", file),
        Route("/api/events", event_stream(explorer)),
        Route("/api/openapi.json", lambda _request: JsonAnswer(openapi())),
    ]
    for method, calls in (("GET", READS), ("POST", WRITES)):
        routes += [
            Route(f"/api/{name}", endpoint(explorer, call.answer), methods=[method])
            for name, call in calls.items()
        ]
    return stoppable(routes, state)


def stoppable(routes: Sequence[BaseRoute], state: State | None = None) -> Starlette:
    """Make an app whose open streams end once its ``state.stopping`` is true."""
    app = Starlette(routes=routes, exception_handlers={404: missing, 405: missing})
    app.state = state or State({"stopping": False})
    return app


def missing(_request: Request, error: Exception | None = None) -> Response:
    return refusal(getattr(error, "status_code", 404), "missing", "there is nothing here")


@dataclass(frozen=True)
class Address:
    """Where a server is reached."""

    listening: socket.socket
    host: str
    port: int
    token: str | None  # that the address must contain; None on this machine alone

    @property
    def url(self) -> str:
        name = "localhost" if self.host in ("0.0.0.0", "::") else self.host
        name = f"[{name}]" if ":" in name else name
        rest = f"?token={quote(self.token, safe='')}" if self.token else ""
        return f"http://{name}:{self.port}/{rest}"

    def guarded(self, app: App, framed: bool = False) -> Guard:
        """Put the guard before an app; `framed` lets a notebook of this machine show it."""
        names = {"127.0.0.1", "localhost", "[::1]"}
        hosts = frozenset(f"{name}:{self.port}" for name in names)
        if self.port == 80:
            hosts |= names
        return Guard(app, None if self.token else hosts, self.token, self.port, framed)


def listen(host: str | None, port: int | None, token: str | None) -> Address:
    """Open a socket at a port, by default a free one; SettingError if it would lack a token."""
    where = host or LOCAL
    local = where in (LOCAL, "localhost", "::1")
    if token is not None and len(token) < 8:
        raise SettingError(f"--token {token!r}: give at least 8 characters")
    if token is not None and encodable(token) != token:
        raise SettingError(f"--token {token!r}: give text in UTF-8")
    if not local and token is None:
        raise SettingError(
            f"--host {where} lets others in: give a --token for them, such as "
            f"{secrets.token_urlsafe(12)}"
        )
    family = socket.AF_INET6 if ":" in where else socket.AF_INET
    # Named, or asyncio would not switch off Nagle's algorithm: 40 ms more for every answer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((where, port or 0))
        listening.listen(128)  # two can be bound to one port until one of them listens
    except OSError as error:
        listening.close()
        raise InputError(
            f"{where}:{port or 0} cannot be used ({error.strerror}): give another --port or --host"
        ) from error
    return Address(listening, where, listening.getsockname()[1], token)


def serve(app: Starlette, address: Address, ready: Callable[[], None]) -> None:
    """Answer requests until the process is interrupted; see `make_server`."""
    asyncio.run(make_server(app, address, ready).serve([address.listening]))


def make_server(
    app: Starlette, address: Address, ready: Callable[[], None], framed: bool = False
) -> uvicorn.Server:
    """Return a server, to be run in an event loop; it ends when its `should_exit` is set.

    `ready` is called when requests are answered; `framed` lets a notebook of this machine show the
    page in a frame.
    """
    config = uvicorn.Config(
        address.guarded(app, framed),
        log_level="warning",
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=1,
        ws="none",
    )
    return _Server(config, app.state, ready)


class _Server(uvicorn.Server):
    """Calls `ready` once it answers, and ends open streams when it stops."""

    def __init__(self, config: uvicorn.Config, state: State, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._state, self._ready = state, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._state.stopping = True
        await super().shutdown(sockets)
