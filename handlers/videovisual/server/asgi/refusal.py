"""Errors as responses, in the one shape that all errors have."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from videovisual.errors import AuthenticationFailed, InvalidRequest, VideoVisualError
from videovisual.server.inference_protocol import v2
from videovisual.server.reply import error_reply
from videovisual.utils.text import shown


class RouteError(InvalidRequest, code="no_route", status=404):
    """There is no such address, or it doesn't take this HTTP method."""


def refusal(error: VideoVisualError, status: int | None = None, *, path: str = "") -> Response:
    """The response to a request that failed, with the error's own status unless given.

    Below `/v2` it has the shape of the open inference protocol.
    """
    inference = path == "/v2" or path.startswith("/v2/")
    reply = v2.error_of(error) if inference else error_reply(error)
    headers = dict(reply.headers)
    if error.status == AuthenticationFailed.status:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(reply.body, status or reply.status, headers, reply.content_type)


async def refused(request: Request, error: Exception) -> Response:
    """The response to one of our errors."""
    assert isinstance(error, VideoVisualError)
    return refusal(error, path=request.url.path)


async def unrouted(request: Request, error: Exception) -> Response:
    """The response where no route takes the request: 404 or 405."""
    assert isinstance(error, HTTPException)
    where = f"{shown(request.method)} {shown(request.url.path)}"
    told = RouteError(f"{error.detail}: {where}. GET /docs has all routes.")
    response = refusal(told, error.status_code, path=request.url.path)
    response.headers.update(error.headers or {})
    return response


async def failed(request: Request, _: Exception) -> Response:
    """The response to a fault of the server, which logs it."""
    error = VideoVisualError("The server failed on this request; see its log.")
    return refusal(error, path=request.url.path)
