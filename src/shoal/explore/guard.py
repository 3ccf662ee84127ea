"""Who may ask: the address, the page's own origin, the token; and what browsers may do with it."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from shoal.explore.responses import refusal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADER = "x-shoal"
"""Requests that change something carry this header: other sites' forms cannot send it."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
# In a notebook the page is framed by another page of this machine; other sites never may.
_FRAMED = "frame-ancestors http://localhost:* http://127.0.0.1:* vscode-webview:"  # CSP has no IPv6
_ALONE = "frame-ancestors 'none'"
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True)
class Guard:
    """Lets requests through to an app when they come from the page itself."""

    app: App
    # Names under which this server is known, with the port: a page of another name that leads
    # here (DNS rebinding) is refused. None where any name will do, as there is a token.
    hosts: frozenset[str] | None
    token: str | None = None  # expected in the first address, then in a cookie
    port: int = 0  # in the cookie's name, as cookies know no ports
    framed: bool = False  # whether pages of this machine, such as a notebook, may frame it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_ALWAYS)
                ancestors = _FRAMED if self.framed else _ALONE
                headers["content-security-policy"] = f"{_POLICY}; {ancestors}"
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer = self._refused(scope) or self._admitted(scope)
        await (answer or self.app)(scope, receive, send_with_headers)

    def _refused(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        if self.hosts is not None and host not in self.hosts:
            return refusal(
                421, "host", f"{host[:80]!r} is not this server: use the address it printed"
            )
        origin = headers.get("origin")
        foreign = origin is not None and origin.lower().partition("://")[2] != host
        site = headers.get("sec-fetch-site", "none")
        if foreign or (site not in ("same-origin", "none") and scope["path"] != "/"):
            return refusal(403, "origin", "another site asked for this: open the page itself")
        if scope["method"] not in _SAFE and HEADER not in headers:
            return refusal(403, "origin", f"give the header {HEADER}: 1 with what changes things")
        return None

    def _admitted(self, scope: Scope) -> Response | None:
        """Ask for the token; keep it in a cookie when it was in the address."""
        if self.token is None:
            return None
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = query.pop("token", [""])[0]
        if self._is_token(given):
            # Two slashes would lead to another site, and browsers take "\\" for a slash.
            there = "/" + scope["path"].lstrip("/\\")
            there = f"{there}?{urlencode(query, doseq=True)}".rstrip("?")
            answer = RedirectResponse(there, 303)
            # Quoted, as a cookie holds Latin-1 only.
            kept = quote(given, safe="")
            answer.set_cookie(self._cookie, kept, httponly=True, samesite="strict")
            return answer
        if self._is_token(unquote(self._token_in_cookie(scope))):
            return None
        if scope["path"].startswith("/api/"):
            return refusal(401, "token", "a token is needed: open the address that was printed")
        return PlainTextResponse(
            "A token is needed: open the whole address that shoal explore printed.\n", 401
        )

    @property
    def _cookie(self) -> str:
        return f"shoal-token-{self.port}"

    def _token_in_cookie(self, scope: Scope) -> str:
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(Headers(scope=scope).get("cookie", ""))
        except CookieError:
            return ""
        return jar[self._cookie].value if self._cookie in jar else ""

    def _is_token(self, given: str) -> bool:
        """Return whether it is the token, in the same time for any."""
        return hmac.compare_digest(given.encode(), (self.token or "").encode())
