"""The routes of jobs."""

from collections.abc import AsyncIterator
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from videovisual.server.jobs import Jobs
from videovisual.server.reply import JOB_HEADER, Reply
from videovisual.server.request_state import PART_BYTES

ADDRESS = "/jobs"


def job_routes(jobs: Jobs) -> list[Route]:
    """`GET` and `DELETE` of a job, and `GET` of its result."""

    async def state(request: Request) -> Response:
        # A state may have a map of megabytes.
        return _response(request, await run_in_threadpool(jobs.state, request.path_params["job"]))

    async def result(request: Request) -> Response:
        return _response(request, jobs.result(request.path_params["job"]))

    async def delete(request: Request) -> Response:
        jobs.delete(request.path_params["job"])
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return [
        Route(ADDRESS + "/{job}", state),
        Route(ADDRESS + "/{job}", delete, methods=["DELETE"]),
        Route(ADDRESS + "/{job}/result", result),
    ]


def _response(request: Request, reply: Reply) -> Response:
    headers = {
        **reply.headers,
        JOB_HEADER: request.path_params["job"],
        "Content-Length": str(len(reply.body)),
        "Cache-Control": "no-store",
    }
    return StreamingResponse(_parts(reply.body), reply.status, headers, reply.content_type)


async def _parts(body: bytes) -> AsyncIterator[bytes]:
    """A body in parts, so that a slow client has no copy of all of it."""
    for start in range(0, len(body), PART_BYTES):
        yield body[start : start + PART_BYTES]
