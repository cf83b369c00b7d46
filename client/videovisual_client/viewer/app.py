"""The viewer's web application, between the page and a client."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Collection, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from videovisual import render
from videovisual.attribution import catalogue
from videovisual.clips.limits import MIB
from videovisual.errors import InvalidRequest, TooLarge, VideoVisualError, WriteError
from videovisual.protocol import Output, names_in
from videovisual.version import __version__
from videovisual_client.result import FORMATS, Explained, formats_with_video
from videovisual_client.viewer.middleware import SameOriginMiddleware
from videovisual_client.viewer.session import Session
from videovisual_client.viewer.task import Task

MAX_BYTES = 512 * MIB
"""Largest clip; the server may have a lower limit."""

MAX_TASK_BYTES = 64 * 1024
POLL_S = 1.0

PAGE = resources.files("videovisual_client.viewer") / "page"
REPORT = resources.files("videovisual.render") / "page"
ASSETS = {
    "viewer.css": (PAGE, "text/css"),
    "viewer.js": (PAGE, "text/javascript"),
    "report.css": (REPORT, "text/css"),
    "report.js": (REPORT, "text/javascript"),
}


class Viewer:
    """The routes of the page and of its requests."""

    def __init__(self, session: Session, models: Sequence[str], place: str) -> None:
        self._session = session
        self._models = list(models)
        self._place = place

    def routes(self) -> list[Route]:
        """All routes."""
        return [
            Route("/", self.page),
            Route("/assets/{name}", self.asset),
            Route("/api/about", self.about),
            Route("/api/clips", self.add_clip, methods=["POST"]),
            Route("/api/tasks", self.add_task, methods=["POST"]),
            Route("/api/tasks/{task}", self.cancel, methods=["DELETE"]),
            Route("/api/tasks/{task}/events", self.events),
            Route("/api/tasks/{task}/report", self.report),
            Route("/api/tasks/{task}/files/{suffix}", self.file),
        ]

    async def page(self, _: Request) -> Response:
        """The page."""
        return Response((PAGE / "viewer.html").read_text("utf-8"), media_type="text/html")

    async def asset(self, request: Request) -> Response:
        """One of the page's style sheets and scripts."""
        name = request.path_params["name"]
        if name not in ASSETS:
            return Response(status_code=404)
        folder, kind = ASSETS[name]
        return Response((folder / name).read_text("utf-8"), media_type=kind)

    async def about(self, _: Request) -> Response:
        """The models, the methods with their parameters, and the limits."""
        methods = [
            {
                "name": entry.name,
                "title": entry.title,
                "paper": entry.paper,
                "schema": entry.parameters.model_json_schema(),
            }
            for entry in catalogue.ENTRIES
        ]
        return JSONResponse(
            {
                "version": __version__,
                "place": self._place,
                "models": self._models,
                "methods": methods,
                "default_method": catalogue.DEFAULT,
                "formats": formats_with_video(),
                "max_bytes": MAX_BYTES,
            }
        )

    async def add_clip(self, request: Request) -> Response:
        """Store a clip: the body is the file, the query parameter `name` its name."""
        path = self._session.new_file()
        size = 0
        try:
            with path.open("wb") as file:
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > MAX_BYTES:
                        raise TooLarge(
                            f"The clip is larger than {MAX_BYTES // MIB} MiB, the viewer's limit. "
                            "Cut it, or encode it smaller.",
                            allowed=MAX_BYTES,
                        )
                    await run_in_threadpool(file.write, chunk)
            if size == 0:
                raise InvalidRequest("The file is empty. Choose a video, a GIF, a zip or an npz.")
        except OSError as error:
            path.unlink(missing_ok=True)
            raise WriteError(
                f"The clip can't be stored: {error.strerror}. Make room in {path.parent}."
            ) from None
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        name = request.query_params.get("name", "clip")[:200]
        return JSONResponse({"clip": self._session.add_clip(path), "name": name, "bytes": size})

    async def add_task(self, request: Request) -> Response:
        """Start an explanation."""
        fields = await _json(request)
        try:
            clip, model, method = (str(fields[name]) for name in ("clip", "model", "method"))
        except KeyError as error:
            raise InvalidRequest(f"The request lacks {error}.") from None
        options = fields.get("options") or {}
        if not isinstance(options, dict):
            raise InvalidRequest("`options` must be an object.")
        for name in ("clip", "model", "method", "target", "stream", "job", "output"):
            options.pop(name, None)
        # Wrong parameters are refused before the clip is sent.
        parameters = catalogue.find(method).parameters.model_fields
        own = {name: value for name, value in options.items() if name in parameters}
        catalogue.find(method).parse(own)
        target = names_in(str(fields.get("target") or "top1"))
        return JSONResponse({"task": self._session.start(clip, model, method, target, options)})

    async def cancel(self, request: Request) -> Response:
        """Cancel a task."""
        self._task(request).cancel()
        return JSONResponse({"cancelled": True})

    async def events(self, request: Request) -> Response:
        """All events of a task from its start to its end, as lines of JSON."""
        task = self._task(request)

        async def lines() -> AsyncIterator[bytes]:
            sent, ended = 0, False
            while not ended and not await request.is_disconnected():
                events, ended = await asyncio.to_thread(task.events, sent, POLL_S)
                sent += len(events)
                for event in events:
                    yield json.dumps(event, default=str).encode() + b"\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def report(self, request: Request) -> Response:
        """The data of the page's report of a result."""
        result = self._task(request).result()
        data = await run_in_threadpool(lambda: render.report_data(result.answer, result.panels()))
        return JSONResponse(data)

    async def file(self, request: Request) -> Response:
        """A result as a file to download."""
        result = self._task(request).result()
        suffix = request.path_params["suffix"]
        if suffix not in FORMATS:
            raise InvalidRequest(f"There is no format {suffix!r}. Allowed: {', '.join(FORMATS)}.")
        path = self._session.new_file().with_suffix(f".{suffix}")
        data = await run_in_threadpool(_saved, result, path)
        name = re.sub("[^A-Za-z0-9_-]", "-", f"{result.model}-{result.explanations[0].method}")
        return Response(
            data,
            media_type=Output(suffix).content_type,
            headers={"Content-Disposition": f'attachment; filename="{name}.{suffix}"'},
        )

    def _task(self, request: Request) -> Task:
        return self._session.task(request.path_params["task"])


def build(session: Session, models: Sequence[str], place: str, hosts: Collection[str]) -> Starlette:
    """The viewer as an ASGI application.

    The page offers `models`, which run at `place`, in words. `hosts` are the allowed `Host`
    headers, with port.
    """
    return Starlette(
        routes=Viewer(session, models, place).routes(),
        middleware=[Middleware(SameOriginMiddleware, hosts=hosts)],
        exception_handlers={VideoVisualError: _error_response},
    )


async def _error_response(_: Request, error: Exception) -> Response:
    assert isinstance(error, VideoVisualError)
    return JSONResponse(error.as_json(), status_code=error.status)


async def _json(request: Request) -> dict[str, Any]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_TASK_BYTES:
            raise TooLarge(f"The request is larger than {MAX_TASK_BYTES // 1024} KiB.")
    try:
        data = json.loads(body)
    except ValueError:
        raise InvalidRequest("The request is not JSON.") from None
    if not isinstance(data, dict):
        raise InvalidRequest("The request must be a JSON object.")
    return data


def _saved(result: Explained, path: Path) -> bytes:
    try:
        return result.save(path).read_bytes()
    finally:
        path.unlink(missing_ok=True)
