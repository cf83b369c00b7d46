"""Refuses requests of other web sites, because the viewer has no login of its own."""

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from videovisual.errors import InvalidRequest

READ_METHODS = ("GET", "HEAD")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class SameOriginMiddleware:
    """Refuses requests that a page of another site may have made.

    DNS rebinding arrives with the other site's `Host`; a cross-site write arrives with the other
    site's `Origin`.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on and add the security headers to its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope["method"], Headers(scope=scope))
        if refusal is not None:
            response = JSONResponse(InvalidRequest(refusal).as_json(), status_code=403)
            await response(scope, receive, send)
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
            return f"The viewer has no host {host[:80]!r}. Open it at http://{min(self._hosts)}/."
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return "Pages of other sites may not use the viewer."
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return "Pages of other sites may not use the viewer."
        if method not in READ_METHODS and origin is None:
            return "Only the viewer's own page may change anything."
        return None
