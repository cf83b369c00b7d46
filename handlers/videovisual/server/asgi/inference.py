"""The routes of the open inference protocol that tell of the server and of its models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from videovisual.server.inference_protocol import metadata
from videovisual.server.inference_protocol.metadata import VERSION
from videovisual.server.inference_protocol.wire import Alive, ModelList, ModelReady, ServerReady
from videovisual.server.service import Service

MODEL = "/v2/models/{model}"


@dataclass(frozen=True)
class Inference:
    """The routes.

    Attributes:
        models: the names of what is served.
        service: a model's service, by name and version.
        is_ready: whether all models are ready.
    """

    models: Sequence[str]
    service: Callable[[str, str], Service]
    is_ready: Callable[[], bool]

    def routes(self, infer: ASGIApp) -> list[Route]:
        """All routes; `infer` answers requests with tensors."""
        versions = (MODEL, f"{MODEL}/versions/{{version}}")
        return [
            Route("/", self.alive),
            Route("/v1/models", self.listed),
            Route("/v1/models/{model}", self.model_ready),
            Route("/v2", self.server),
            Route("/v2/health/live", self.live),
            Route("/v2/health/ready", self.ready),
            *(Route(path, self.model) for path in versions),
            *(Route(f"{path}/ready", self.model_ready) for path in versions),
            *(Route(f"{path}/infer", infer, methods=["POST"]) for path in versions),
        ]

    async def alive(self, _: Request) -> Response:
        """Version 1's sign of life."""
        return _json(Alive())

    async def listed(self, _: Request) -> Response:
        """The names of all models."""
        return _json(ModelList(models=list(self.models)))

    async def server(self, _: Request) -> Response:
        """The server and its extensions."""
        return _json(metadata.server())

    async def live(self, _: Request) -> Response:
        """Version 2's sign of life."""
        return _json(ServerReady(live=True, ready=self.is_ready()))

    async def ready(self, _: Request) -> Response:
        """Whether all models are ready; else 503."""
        return self._ready(ServerReady(live=True, ready=self.is_ready()))

    async def model(self, request: Request) -> Response:
        """A model's inputs and outputs."""
        return _json(metadata.model(self._service(request).classifier.card))

    async def model_ready(self, request: Request) -> Response:
        """Whether a model is ready; else 503."""
        card = self._service(request).classifier.card
        return self._ready(ModelReady(name=card.name, ready=self.is_ready()))

    def _service(self, request: Request) -> Service:
        path = request.path_params
        return self.service(path["model"], path.get("version", VERSION))

    def _ready(self, told: BaseModel) -> Response:
        return _json(told, HTTPStatus.OK if self.is_ready() else HTTPStatus.SERVICE_UNAVAILABLE)


def _json(told: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(told.model_dump_json(), status, media_type="application/json")
