"""The viewer's own small server, between the page and whoever answers."""

from __future__ import annotations

import asyncio
import json
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
from videovisual.errors import InvalidRequest, TooLarge, VideoVisualError
from videovisual.protocol import Output
from videovisual.version import __version__
from videovisual_client.result import FORMATS
from videovisual_client.viewer.middleware import SameOriginMiddleware
from videovisual_client.viewer.session import Session

MAX_BYTES = 512 * MIB
"""Of one clip; who answers may take less, and says so."""

MAX_QUESTION_BYTES = 64 * 1024
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
    """The routes.

    Args:
        desk: where clips and tasks are.
        models: the models that are offered.
        place: who answers, in words.
    """

    def __init__(self, desk: Session, models: Sequence[str], place: str) -> None:
        self._desk = desk
        self._models = list(models)
        self._place = place

    def routes(self) -> list[Route]:
        """All there is."""
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
        """One of the page's own files."""
        name = request.path_params["name"]
        if name not in ASSETS:
            return Response(status_code=404)
        folder, kind = ASSETS[name]
        return Response((folder / name).read_text("utf-8"), media_type=kind)

    async def about(self, _: Request) -> Response:
        """What can be asked, and of whom."""
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
                "formats": list(FORMATS),
                "max_bytes": MAX_BYTES,
            }
        )

    async def add_clip(self, request: Request) -> Response:
        """Take in a clip: its bytes are the body, its file's name a parameter."""
        path = self._desk.new_file()
        size = 0
        try:
            with path.open("wb") as file:
                async for piece in request.stream():
                    size += len(piece)
                    if size > MAX_BYTES:
                        raise TooLarge(
                            f"The clip has more than {MAX_BYTES // MIB} MiB, the most that the "
                            "viewer takes. Cut it, or encode it smaller.",
                            allowed=MAX_BYTES,
                        )
                    await run_in_threadpool(file.write, piece)
            if size == 0:
                raise InvalidRequest("The file is empty. Choose a video, a GIF, a zip or an npz.")
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        name = request.query_params.get("name", "clip")[:200]
        return JSONResponse({"clip": self._desk.add_clip(path, name), "name": name, "bytes": size})

    async def add_task(self, request: Request) -> Response:
        """Begin an explanation."""
        asked = await _question(request)
        try:
            clip, model, method = (str(asked[name]) for name in ("clip", "model", "method"))
        except KeyError as error:
            raise InvalidRequest(f"The question lacks {error}.") from None
        options = asked.get("options") or {}
        if not isinstance(options, dict):
            raise InvalidRequest("`options` must be an object.")
        given = {
            str(name): value
            for name, value in options.items()
            if name not in ("clip", "model", "method", "target", "stream", "output")
        }
        # A name or a value that doesn't fit is told before anything is sent.
        entry = catalogue.find(method)
        entry.parse({name: value for name, value in given.items() if name in _own(entry)})
        target = str(asked.get("target") or "top1")
        return JSONResponse({"task": self._desk.start(clip, model, method, target, given)})

    async def cancel(self, request: Request) -> Response:
        """Give a task up."""
        self._desk.task(request.path_params["task"]).cancel()
        return JSONResponse({"cancelled": True})

    async def events(self, request: Request) -> Response:
        """All that is told of a task, as lines of JSON, from its beginning to its end."""
        task = self._desk.task(request.path_params["task"])

        async def lines() -> AsyncIterator[bytes]:
            known, over = 0, False
            while not over and not await request.is_disconnected():
                pieces, over = await asyncio.to_thread(task.news, known, POLL_S)
                known += len(pieces)
                for piece in pieces:
                    yield json.dumps(piece, default=str).encode() + b"\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def report(self, request: Request) -> Response:
        """What the page draws of a result."""
        result = self._desk.task(request.path_params["task"]).result()
        data = await run_in_threadpool(lambda: render.report_data(result.answer, result.panels()))
        return JSONResponse(data)

    async def file(self, request: Request) -> Response:
        """A result as a file to keep."""
        result = self._desk.task(request.path_params["task"]).result()
        suffix = request.path_params["suffix"]
        if suffix not in FORMATS:
            raise InvalidRequest(f"There is no format {suffix!r}. Allowed: {', '.join(FORMATS)}.")
        path = self._desk.new_file().with_suffix(f".{suffix}")
        try:
            data = await run_in_threadpool(lambda: _written(result.save(path)))
        finally:
            path.unlink(missing_ok=True)
        method = result.explanations[0].method
        name = "".join(
            letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "-"
            for letter in f"{result.model}-{method}"
        )
        return Response(
            data,
            media_type=Output(suffix).content_type,
            headers={"Content-Disposition": f'attachment; filename="{name}.{suffix}"'},
        )


def build(desk: Session, models: Sequence[str], place: str, hosts: Collection[str]) -> Starlette:
    """The viewer as an ASGI application.

    Args:
        desk: where clips and tasks are.
        models: the models that are offered.
        place: who answers, in words.
        hosts: the `Host` headers under which it is reached.
    """
    return Starlette(
        routes=Viewer(desk, models, place).routes(),
        middleware=[Middleware(SameOriginMiddleware, hosts=hosts)],
        exception_handlers={VideoVisualError: _told},
    )


async def _told(_: Request, error: Exception) -> Response:
    assert isinstance(error, VideoVisualError)
    return JSONResponse(error.as_json(), status_code=error.status)


async def _question(request: Request) -> dict[str, Any]:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_QUESTION_BYTES:
            raise TooLarge("The question is too long.")
    try:
        asked = json.loads(body)
    except ValueError:
        raise InvalidRequest("The question is not JSON.") from None
    if not isinstance(asked, dict):
        raise InvalidRequest("The question must be an object.")
    return asked


def _own(entry: catalogue.Entry) -> Collection[str]:
    return entry.parameters.model_fields


def _written(path: Path) -> bytes:
    return path.read_bytes()
