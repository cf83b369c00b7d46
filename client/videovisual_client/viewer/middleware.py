"""Keeps other web sites away from a server that trusts whoever can reach it."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from videovisual.errors import InvalidRequest

READING = ("GET", "HEAD")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class SameOriginMiddleware:
    """Answers only requests that this very page, or no page at all, can have made.

    A name of another site that was made to point here arrives with that site's `Host`; a page of
    another site that writes here arrives with its own `Origin`.

    Args:
        app: what is guarded.
        hosts: the `Host` headers under which it is reached, with port.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope["method"], Headers(scope=scope))
        if refusal is not None:
            answer = JSONResponse(InvalidRequest(refusal).as_json(), status_code=403)
            await answer(scope, receive, send)
            return

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_on)

    def _refusal(self, method: str, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if host not in self._hosts:
            return f"The viewer is not {host[:80]!r}. Open it at http://{min(self._hosts)}/."
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return "Another site's page may not use the viewer."
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return "Another site's page may not use the viewer."
        if method not in READING and origin is None:
            return "What changes anything must come from the viewer's own page."
        return None
