"""The application: its models, its routes, and its end."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from videovisual import zoo
from videovisual.errors import InvalidParameter, UnknownModel, VideoVisualError
from videovisual.names import default_store
from videovisual.server.admission import Admission
from videovisual.server.asgi import openapi
from videovisual.server.asgi.conversation import Conversation
from videovisual.server.asgi.exposition import TEXT, Exposition
from videovisual.server.asgi.form import by_name
from videovisual.server.asgi.guard import Guard
from videovisual.server.asgi.inference import Inference
from videovisual.server.asgi.jobs import ADDRESS, job_routes
from videovisual.server.asgi.keys import KeyFile, write_keys
from videovisual.server.asgi.refusal import failed, refused, unrouted
from videovisual.server.asgi.upload import Uploads
from videovisual.server.inference_protocol.metadata import VERSION
from videovisual.server.jobs import Jobs, stopping
from videovisual.server.metrics import Counts
from videovisual.server.process import Housekeeper, devices, tune_process
from videovisual.server.request import Request as IncomingRequest
from videovisual.server.service import Service
from videovisual.server.settings import Settings
from videovisual.utils.suggest import nearest
from videovisual.utils.text import shown

KEY_FILE = "key_file.json"
NO_KEYS_VARIABLE = "TS_DISABLE_TOKEN_AUTHORIZATION"
TELL_S = 5.0
"""How long clients may take, at the end, to hear that their requests are ended."""


class Server:
    """The services of one process, which share its limits on memory and requests.

    Args:
        classifiers: what is served, by the names of their cards.
        settings: of the process.
    """

    def __init__(self, classifiers: Sequence[zoo.Classifier], settings: Settings) -> None:
        counts = Counts()
        admission = Admission(settings)
        self.jobs = Jobs(settings, ADDRESS)
        self._services = {
            each.card.name: Service(each, devices(), settings, counts, admission, self.jobs)
            for each in classifiers
        }
        self._uploads = Uploads(settings)
        self._metrics = Exposition()
        self._keeper = Housekeeper(
            list(self._services.values()), counts, self._metrics.take, self.jobs.tidy
        )
        self._running: set[asyncio.Task[None]] = set()
        self._retry_after_s = settings.retry_after_s
        self._ready = False

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Warm the models up; at the end, tell the clients of requests that still run."""
        for service in self._services.values():
            service.warm_up()
        self._keeper.start()
        self._ready = True
        try:
            yield
        finally:
            self._ready = False
            if self._running:
                await asyncio.wait(self._running, timeout=TELL_S)
            self._keeper.stop()
            for service in self._services.values():
                service.close()

    def routes(self) -> list[Route]:
        """All routes."""
        predict, explain = (_Endpoint(self, explain=explain) for explain in (False, True))
        infer = _Endpoint(self, explain=False, inference=True)
        inference = Inference(list(self._services), self.service, lambda: self._ready)
        return [
            Route("/ping", self.ping),
            Route("/docs", self.docs),
            Route("/openapi.json", self.docs),
            Route("/metrics", self.metrics),
            Route("/models", self.models),
            Route("/models/{model}", self.model),
            *(
                Route(f"/{name}/{{model}}{rest}", endpoint, methods=["POST"])
                for name, endpoint in (("predictions", predict), ("explanations", explain))
                for rest in ("", "/{version}", "/{version}/{method:path}")
            ),
            Route("/v1/models/{model}:predict", predict, methods=["POST"]),
            Route("/v1/models/{model}:explain", explain, methods=["POST"]),
            *job_routes(self.jobs),
            *inference.routes(infer),
        ]

    async def ping(self, _: Request) -> Response:
        """Whether the server is up: with its first connection all models are ready."""
        return JSONResponse({"status": "Healthy"})

    async def docs(self, _: Request) -> Response:
        """The OpenAPI document."""
        return JSONResponse(openapi.document(asgi=True))

    async def metrics(self, _: Request) -> Response:
        """The metrics, as Prometheus reads them."""
        await asyncio.to_thread(self._keeper.report)
        return PlainTextResponse(self._metrics.text(), headers={"Content-Type": TEXT})

    async def models(self, _: Request) -> Response:
        """The names of all models, as TorchServe lists them."""
        names = [{"modelName": name, "modelUrl": f"{name}.mar"} for name in self._services]
        return JSONResponse({"models": names})

    async def model(self, request: Request) -> Response:
        """One model, as TorchServe describes it, and its card."""
        name = request.path_params["model"]
        card = self.service(name).classifier.card
        worker = {"id": "0", "status": "READY", "pid": os.getpid()}
        about: dict[str, Any] = {"modelName": name, "modelVersion": VERSION, "workers": [worker]}
        return JSONResponse([{**about, "card": card.to_json()}])

    def service(self, name: str, version: str = VERSION) -> Service:
        """The service of a model.

        Raises:
            UnknownModel: it isn't served, or not in this version.
        """
        service = self._services.get(name)
        if service is None or version != VERSION:
            what = f"{shown(name)!r}" + (f", version {shown(version)!r}" if service else "")
            raise UnknownModel(
                f"This server has no model {what}. It serves {', '.join(self._services)}, version "
                f"{VERSION}.",
                nearest=nearest(name, list(self._services)),
            )
        return service

    async def answer(
        self, scope: Scope, receive: Receive, send: Send, *, explain: bool, inference: bool = False
    ) -> None:
        """Serve one request, whose work ends when the server is stopped or its client leaves.

        Raises:
            VideoVisualError: the request is refused before a service has it.
        """
        request = Request(scope, receive)
        path = request.path_params
        service = self.service(path["model"], path.get("version", VERSION))
        incoming = IncomingRequest(
            parts={},
            headers=dict(request.headers),
            explain=explain,
            method=path.get("method") or None,
            query=by_name(request.query_params.multi_items()),
            inference=inference,
        )
        conversation = Conversation(service, receive, send)
        work = asyncio.ensure_future(conversation.run(request, incoming, self._uploads))
        self._running.add(work)
        work.add_done_callback(self._running.discard)
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            # uvicorn's time for running requests is over. A second time it means this one.
            conversation.stop(stopping(self._retry_after_s))
            await work


class _Endpoint:
    """The route of one verb, which reads the body itself."""

    def __init__(self, server: Server, *, explain: bool, inference: bool = False) -> None:
        self._server = server
        self._explain = explain
        self._inference = inference

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._server.answer(
            scope, receive, send, explain=self._explain, inference=self._inference
        )


def create(
    models: Sequence[str],
    *,
    store: Path | None = None,
    key_file: Path | None = None,
    settings: Settings | None = None,
) -> Starlette:
    """The application of some models, which are loaded; its `state.jobs` has their `Jobs`.

    Args:
        models: names of archives in the store, or of published models.
        store: the folder of the archives; by default `$VIDEOVISUAL_STORE`, else `model_store`.
        key_file: the keys that clients need, read again whenever it changes; None for no keys.
        settings: by default those of `$VIDEOVISUAL_SETTINGS`.

    Raises:
        UnknownModel, WeightsError, DownloadError: as `videovisual.load`.
        InvalidParameter: the settings can't be used.
    """
    settings = settings or Settings.from_environment()
    tune_process()
    classifiers = [_load(model, store or default_store()) for model in dict.fromkeys(models)]
    return build(classifiers, settings, key_file)


def build(
    classifiers: Sequence[zoo.Classifier], settings: Settings, key_file: Path | None
) -> Starlette:
    """The application of some classifiers; see `create`."""
    server = Server(classifiers, settings)
    app = Starlette(
        routes=server.routes(),
        middleware=[Middleware(Guard, keys=KeyFile(key_file) if key_file else None)],
        exception_handlers={VideoVisualError: refused, HTTPException: unrouted, Exception: failed},
        lifespan=server.lifespan,
    )
    app.state.jobs = server.jobs
    return app


def from_environment(settings: Settings | None = None) -> ASGIApp:
    """The application that the environment describes, for `uvicorn --factory`.

    `$VIDEOVISUAL_MODELS` names the models, with spaces between them. `$VIDEOVISUAL_KEY_FILE` names
    the file of the keys; without it new ones are written to `key_file.json` in the working
    directory, unless `$TS_DISABLE_TOKEN_AUTHORIZATION` is `true`.

    Args:
        settings: by default those of `$VIDEOVISUAL_SETTINGS`.

    Raises:
        InvalidParameter: no model is named, or the settings can't be used.
        UnknownModel, WeightsError, DownloadError, WriteError: see `create`.
    """
    models = os.environ.get("VIDEOVISUAL_MODELS", "").split()
    if not models:
        raise InvalidParameter("No model is named. Set $VIDEOVISUAL_MODELS, as in `i3d-motion`.")
    key_file = keys(os.environ.get("VIDEOVISUAL_KEY_FILE"), Path.cwd())
    return create(models, key_file=key_file, settings=settings)


def keys(given: str | os.PathLike[str] | None, folder: Path) -> Path | None:
    """The file of the keys: the given one, or a new one in the folder; None for no keys.

    Raises:
        WriteError: the new one can't be written.
    """
    if given:
        return Path(given)
    if os.environ.get(NO_KEYS_VARIABLE, "").lower() == "true":
        return None
    write_keys(folder / KEY_FILE)
    return folder / KEY_FILE


def _load(model: str, store: Path) -> zoo.Classifier:
    archive = store / f"{model}.mar"
    return zoo.load(str(archive) if archive.is_file() else model, store=store)
