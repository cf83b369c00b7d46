"""The client that runs models in this process, without a server; needs the extra `server`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videovisual.protocol import Answer
from videovisual.utils.extras import needs
from videovisual_client import upload
from videovisual_client.base_client import BaseClient
from videovisual_client.errors import VideoVisualError, from_response
from videovisual_client.job import AsyncJob
from videovisual_client.request import ClipRequest

if TYPE_CHECKING:
    from videovisual.server.request_state import RequestState
    from videovisual.server.service import Service

WAIT_S = 0.1
"""How long one wait for seen of a request takes."""


class Local(BaseClient):
    """Loads each model at its first request, and keeps it.

    The answers equal a server's, because the server's own service computes them.

    Args:
        device: `cpu`, `cuda`, `cuda:1`, …; by default a GPU if there is one.
        store: folder of the archives of your own models; as of `videovisual.load`.

    Raises:
        MissingExtra: torch is not installed.
    """

    def __init__(self, device: str | None = None, store: Path | None = None) -> None:
        with needs("server", "Without them, leave out --local, or use `Client`."):
            import torch  # noqa: PLC0415

            from videovisual.server.service import Service  # noqa: PLC0415
        self._make = Service
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._store = store
        self._services: dict[str, Service] = {}

    def close(self) -> None:
        """Release the models."""
        for service in self._services.values():
            service.close()
        self._services.clear()

    def load(self, model: str) -> None:
        """Load a model now instead of at its first request.

        Raises:
            UnknownModel, WeightsError, DownloadError: as `videovisual.load`.
        """
        self._service(model)

    def _service(self, model: str) -> Service:
        from videovisual import zoo  # noqa: PLC0415

        name = zoo.card(model, self._store).name
        if name not in self._services:
            classifier = zoo.load(model, store=self._store)
            self._services[name] = self._make(classifier, self._device)
        return self._services[name]

    async def _answer(self, request: ClipRequest) -> Answer:
        service, state = self._start(request)
        try:
            seen = service.wait(0)
            while state.reply is None:
                seen = service.wait(WAIT_S, seen)
        finally:
            state.cancel()
        problem = from_response(state.reply.status, state.reply.body)
        if problem is not None:
            raise problem
        return Answer.model_validate_json(state.reply.body)

    async def _open(self, request: ClipRequest) -> AsyncJob:
        service, state = self._start(request)
        seen = service.wait(0)
        while state.reply is None and not state.streaming:
            seen = service.wait(WAIT_S, seen)
        if state.reply is not None and not state.streaming:
            error = from_response(state.reply.status, state.reply.body)
            raise error or VideoVisualError("The answer came without the requested events.")

        async def cancel(_: str) -> bool:
            state.cancel()
            return True

        return await AsyncJob(request.clip, _chunks(service, state), cancel).begin()

    def _start(self, request: ClipRequest) -> tuple[Service, RequestState]:
        from videovisual.server.request import Request  # noqa: PLC0415

        service = self._service(request.model)
        parts: dict[str, Any] = dict(request.fields)
        for name, (_, file) in upload.parts(request.clip):
            file.seek(0)
            parts[name] = file.read()
        return service, service.submit(Request(parts, explain=request.route == "explanations"))


async def _chunks(service: Service, state: RequestState) -> AsyncGenerator[bytes, None]:
    try:
        seen = service.wait(0)
        while True:
            # Checked before the lines are taken, so that none is lost.
            ended = state.reply is not None
            lines = state.take_lines()
            if lines:
                yield lines
            elif ended:
                return
            else:
                seen = service.wait(WAIT_S, seen)
    finally:
        state.cancel()
