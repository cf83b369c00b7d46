"""The client that runs models in this process, without a server; needs the extra `server`."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from videovisual.names import is_elsewhere
from videovisual.protocol import Answer
from videovisual.utils.extras import needs
from videovisual_client import upload
from videovisual_client.base_client import BaseClient
from videovisual_client.errors import ClientClosed, VideoVisualError, from_response
from videovisual_client.job import AsyncJob
from videovisual_client.request import ClipRequest
from videovisual_client.wire import parse_answer, parse_json

if TYPE_CHECKING:
    from videovisual.server.request_state import RequestState
    from videovisual.server.service import Service
    from videovisual.zoo import Classifier

WAIT_S = 0.1
"""How long one wait for seen of a request takes."""


class Local(BaseClient):
    """Loads each model at its first request, and keeps it.

    The answers equal a server's, because the server's own service computes them. May be used from
    several threads.

    Args:
        device: `cpu`, `cuda`, `cuda:1`, …; by default a GPU if there is one.
        store: folder of the archives of your own models; as of `videovisual.load`.

    Raises:
        MissingExtra: torch is not installed.
        InvalidParameter: the device can't be used here.
    """

    def __init__(self, device: str | None = None, store: Path | None = None) -> None:
        with needs("server", "Without them, leave out --local, or use `Client`."):
            import torch  # noqa: PLC0415

            from videovisual.server.service import Service  # noqa: PLC0415
            from videovisual.utils.devices import usable_device  # noqa: PLC0415
        self._make = Service
        self._device = usable_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._store = store
        self._services: dict[str, Service] = {}
        self._loading = threading.Lock()
        # Held for moments only, so that a request doesn't wait while another model is loaded.
        self._lock = threading.Lock()
        self._closed = False

    def close(self) -> None:
        """Release the models; requests that run in other threads end with `ClientClosed`."""
        with self._lock:
            self._closed = True
            services, self._services = list(self._services.values()), {}
        for service in services:
            service.close()

    def load(self, model: str) -> None:
        """Load a model now instead of at its first request.

        Raises:
            UnknownModel, WeightsError, DownloadError: as `videovisual.load`.
            ClientClosed: `close` was called.
        """
        self._service(model)

    def classifier(self, model: str) -> Classifier:
        """The classifier of a model, which is loaded; raises as `load`."""
        return self._service(model).classifier

    def _service(self, model: str) -> Service:
        from videovisual import zoo  # noqa: PLC0415

        name = model if is_elsewhere(model) else zoo.card(model, self._store).name
        service = self._loaded(name)
        if service is not None:
            return service
        with self._loading:
            # Another thread may have loaded it meanwhile.
            service = self._loaded(name)
            if service is None:
                service = self._make(zoo.load(model, store=self._store), str(self._device))
                self._keep(name, service)
            return service

    def _loaded(self, name: str) -> Service | None:
        with self._lock:
            if self._closed:
                raise ClientClosed("This client is closed. Make a new one.")
            return self._services.get(name)

    def _keep(self, name: str, service: Service) -> None:
        with self._lock:
            if not self._closed:
                self._services[name] = service
                return
        service.close()
        raise ClientClosed("The client was closed while the model was loaded.")

    async def _answer(self, request: ClipRequest) -> Answer:
        service, state = self._start(request)
        try:
            self._wait(service, lambda: state.reply is not None)
        finally:
            state.cancel()
        assert state.reply is not None
        problem = from_response(state.reply.status, state.reply.body)
        if problem is not None:
            raise problem
        return parse_answer(parse_json(state.reply.body))

    async def _open(self, request: ClipRequest) -> AsyncJob:
        service, state = self._start(request)
        self._wait(service, lambda: state.reply is not None or state.streaming)
        if state.reply is not None and not state.streaming:
            error = from_response(state.reply.status, state.reply.body)
            raise error or VideoVisualError("The answer came without the requested events.")

        async def cancel(_: str) -> bool:
            state.stop()
            return True

        chunks = self._chunks(service, state)
        return await AsyncJob(request.clip, chunks, cancel, state.cancel).begin()

    def _start(self, request: ClipRequest) -> tuple[Service, RequestState]:
        from videovisual.server.request import Request  # noqa: PLC0415

        service = self._service(request.model)
        parts: dict[str, Any] = dict(request.fields)
        for name, (_, file) in upload.parts(request.clip):
            file.seek(0)
            parts[name] = file.read()
        asked = Request(parts, explain=request.route == "explanations")
        with self._lock:
            if self._closed:
                raise ClientClosed("This client is closed. Make a new one.")
            return service, service.submit(asked)

    def _wait(self, service: Service, ready: Callable[[], bool]) -> None:
        seen = service.wait(0)
        while not ready():
            seen = self._changes(service, seen)

    def _changes(self, service: Service, seen: int) -> int:
        # A closed service may leave a request without a reply.
        if self._closed:
            raise ClientClosed("The client was closed while the request was running.")
        return service.wait(WAIT_S, seen)

    async def _chunks(self, service: Service, state: RequestState) -> AsyncGenerator[bytes, None]:
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
                    seen = self._changes(service, seen)
        finally:
            state.cancel()
