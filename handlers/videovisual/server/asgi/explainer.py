"""The application of an explainer: a model that is served elsewhere, explained by its scores."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from videovisual.errors import InvalidRequest, UnknownModel
from videovisual.server.asgi.app import build
from videovisual.server.asgi.upload import Uploads
from videovisual.server.reply import JSON
from videovisual.server.settings import Settings
from videovisual.utils.text import shown
from videovisual.zoo import Classifier
from videovisual.zoo.predictor.predictor import Predictor
from videovisual.zoo.predictor.v1 import V1


def create(
    classifier: Classifier, predictor: Predictor, settings: Settings, key_file: Path | None
) -> Starlette:
    """The application of one classifier, which is closed with it.

    Args:
        classifier: whose scores the predictor gives.
        predictor: is also given what comes to `/v1/models/MODEL:predict`, as it is, if it speaks
            v1.
        settings: of the process.
        key_file: the keys that clients need; None for no keys.
    """
    app = build([classifier], settings, key_file)
    if isinstance(predictor.protocol, V1):
        endpoint = _passed_on(classifier.card.name, predictor, Uploads(settings))
        app.router.routes.insert(0, Route("/v1/models/{model}:predict", endpoint, methods=["POST"]))
    served = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with served(app):
            try:
                yield
            finally:
                # What still waits for the predictor ends now, and not when its time is over.
                predictor.close()

    app.router.lifespan_context = lifespan
    return app


def _passed_on(
    name: str, predictor: Predictor, uploads: Uploads
) -> Callable[[Request], Awaitable[Response]]:
    async def predict(request: Request) -> Response:
        model = request.path_params["model"]
        if model != name:
            raise UnknownModel(f"This server has no model {shown(model)!r}. It explains {name}.")
        with uploads.one() as upload:
            body = (await upload.parts(request)).get("body")
            if not isinstance(body, bytes):
                raise InvalidRequest("The predictor takes JSON with `instances`, and no form.")
            kind = request.headers.get("content-type", JSON)
            reply = await asyncio.to_thread(predictor.forward, body, kind)
        return Response(
            reply.body, reply.status, media_type=reply.headers.get("content-type", JSON)
        )

    return predict
