"""The viewer's web application, between the page and a client."""

import asyncio
import importlib.util
import json
import re
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from videovisual import render
from videovisual.attribution import catalogue
from videovisual.errors import InvalidRequest, TooLarge, VideoVisualError
from videovisual.protocol import Output, names_in
from videovisual.version import __version__
from videovisual_client.result import FORMATS, formats_with_video
from videovisual_client.viewer import uploads
from videovisual_client.viewer.middleware import SameOriginMiddleware
from videovisual_client.viewer.session import Session

MAX_TASK_BYTES = 64 * 1024
POLL_S = 1.0

PAGE = resources.files("videovisual_client.viewer") / "page"
REPORT = resources.files("videovisual.render") / "page"
TYPES = {"css": "text/css", "js": "text/javascript"}

REPORT_POLICY = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
)
"""Reports are pages that anyone may have sent: they can neither run scripts nor load anything."""

UNCHANGING = {"Cache-Control": "private, max-age=31536000, immutable"}


@dataclass(frozen=True)
class Offer:
    """What the page offers.

    Attributes:
        models: names of models.
        place: where they run, in words.
        problem: looks whether they can be reached; the reason why not, or nothing.
    """

    models: Sequence[str]
    place: str
    problem: Callable[[], str] = str


class Viewer:
    """The routes of the page and of its requests."""

    def __init__(self, session: Session, offer: Offer) -> None:
        self._session = session
        self._offer = offer

    def routes(self) -> list[Route]:
        """All routes."""
        return [
            Route("/", self.page),
            Route("/assets/{name}", self.asset),
            Route("/api/about", self.about),
            Route("/api/server", self.server),
            Route("/api/clips", self.add_clip, methods=["POST"]),
            Route("/api/clips/{clip}/picture", self.clip_picture),
            Route("/api/sample", self.add_sample, methods=["POST"]),
            Route("/api/tasks", self.add_task, methods=["POST"]),
            Route("/api/tasks/{task}", self.cancel, methods=["DELETE"]),
            Route("/api/tasks/{task}/events", self.events),
            Route("/api/results", self.results),
            Route("/api/results", self.clear, methods=["DELETE"]),
            Route("/api/results/{id}", self.remove, methods=["DELETE"]),
            Route("/api/results/{id}/data", self.data),
            Route("/api/results/{id}/picture", self.result_picture),
            Route("/api/results/{id}/files/{suffix}", self.file),
            Route("/api/reports", self.add_report, methods=["POST"]),
            Route("/api/reports/{id}", self.report),
        ]

    async def page(self, _: Request) -> Response:
        """The page."""
        return Response((PAGE / "viewer.html").read_text("utf-8"), media_type="text/html")

    async def asset(self, request: Request) -> Response:
        """One of the page's style sheets and scripts."""
        name = request.path_params["name"]
        kind = TYPES.get(name.rpartition(".")[2])
        for folder in (PAGE, REPORT):
            if kind and re.fullmatch(r"[a-z]+\.[a-z]+", name) and (folder / name).is_file():
                return Response((folder / name).read_text("utf-8"), media_type=kind)
        return Response(status_code=404)

    async def about(self, _: Request) -> Response:
        """The models, the methods that are installed with their parameters, and the limits."""
        methods = [
            {
                "name": entry.name,
                "title": entry.title,
                "paper": entry.paper,
                "schema": entry.parameters.model_json_schema(),
            }
            for entry in catalogue.ENTRIES
            if entry.extra is None or importlib.util.find_spec(entry.extra)
        ]
        return JSONResponse(
            {
                "version": __version__,
                "place": self._offer.place,
                "models": list(self._offer.models),
                "methods": methods,
                "default_method": catalogue.DEFAULT,
                "formats": formats_with_video(),
                "max_bytes": uploads.MAX_BYTES,
            }
        )

    async def server(self, _: Request) -> Response:
        """Why the models can't be reached; empty if they can."""
        return JSONResponse({"problem": await run_in_threadpool(self._offer.problem)})

    async def add_clip(self, request: Request) -> Response:
        """Store a clip: the body is the file, the query parameter `name` its name."""
        return JSONResponse(await uploads.receive(request, self._session, "clip"))

    async def add_sample(self, _: Request) -> Response:
        """Store a clip to try."""
        return JSONResponse(await run_in_threadpool(self._session.add_sample))

    async def clip_picture(self, request: Request) -> Response:
        """A few frames of a clip."""
        path = self._session.history.content(request.path_params["clip"]).with_suffix(".jpg")
        return _picture(path)

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
        self._session.task(request.path_params["task"]).cancel()
        return JSONResponse({"cancelled": True})

    async def events(self, request: Request) -> Response:
        """All events of a task from its start to its end, as lines of JSON."""
        task = self._session.task(request.path_params["task"])

        async def lines() -> AsyncIterator[bytes]:
            sent, ended = 0, False
            while not ended and not await request.is_disconnected():
                events, ended = await asyncio.to_thread(task.events, sent, POLL_S)
                sent += len(events)
                for event in events:
                    yield json.dumps(event, default=str).encode() + b"\n"

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def results(self, _: Request) -> Response:
        """All kept results and reports without their content, running tasks, and their size."""
        history = self._session.history

        def found() -> dict[str, Any]:
            return {
                "results": history.results(),
                "running": self._session.running(),
                "reports": self._session.reports(),
                "folder": str(history.folder),
                "bytes": history.size(),
                "max_bytes": history.max_bytes,
            }

        return JSONResponse(await run_in_threadpool(found))

    async def clear(self, _: Request) -> Response:
        """Delete all clips, results and uploaded reports."""
        await run_in_threadpool(self._session.history.clear)
        return JSONResponse({})

    async def remove(self, request: Request) -> Response:
        """Delete a result, or an uploaded report."""
        await run_in_threadpool(self._session.history.remove, request.path_params["id"])
        return JSONResponse({})

    async def data(self, request: Request) -> Response:
        """The data of the page's report of a result."""

        def drawn() -> dict[str, Any]:
            facts, result = self._session.result(request.path_params["id"])
            return render.report_data(result.answer, result.panels(), name=facts["name"])

        return JSONResponse(await run_in_threadpool(drawn))

    async def result_picture(self, request: Request) -> Response:
        """A few frames of a result's clip with its map."""
        history = self._session.history
        facts = await run_in_threadpool(history.result, request.path_params["id"])
        return _picture(history.result_file(facts, "jpg"))

    async def file(self, request: Request) -> Response:
        """A result as a file to download."""
        suffix = request.path_params["suffix"]
        if suffix not in FORMATS:
            raise InvalidRequest(f"There is no format {suffix!r}. Allowed: {', '.join(FORMATS)}.")
        facts, result = await run_in_threadpool(self._session.result, request.path_params["id"])
        data = await run_in_threadpool(result.to_bytes, suffix, name=facts["name"])
        name = re.sub("[^A-Za-z0-9_-]", "-", f"{facts['model']}-{facts['method']}")
        return Response(
            data,
            media_type=Output(suffix).content_type,
            headers={"Content-Disposition": f'attachment; filename="{name}.{suffix}"'},
        )

    async def add_report(self, request: Request) -> Response:
        """Store a report of `videovisual audit` or `diff`, as `add_clip`."""
        return JSONResponse(await uploads.receive(request, self._session, "report"))

    async def report(self, request: Request) -> Response:
        """The page of a report."""
        data = await run_in_threadpool(self._session.report, request.path_params["id"])
        headers = {"Content-Security-Policy": REPORT_POLICY}
        return Response(data, media_type="text/html", headers=headers)


def build(session: Session, offer: Offer, hosts: Collection[str]) -> Starlette:
    """The viewer as an ASGI application; `hosts` are the allowed `Host` headers, with port."""
    return Starlette(
        routes=Viewer(session, offer).routes(),
        middleware=[Middleware(SameOriginMiddleware, hosts=hosts)],
        exception_handlers={VideoVisualError: _error_response},
    )


async def _error_response(_: Request, error: Exception) -> Response:
    assert isinstance(error, VideoVisualError)
    return JSONResponse(error.as_json(), status_code=error.status)


def _picture(path: Any) -> Response:
    if not path.is_file() or not path.stat().st_size:
        return Response(status_code=404)
    return FileResponse(path, media_type="image/jpeg", headers=UNCHANGING)


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
