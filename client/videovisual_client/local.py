"""The same questions answered in this process, without a server; needs the extra `server`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from videovisual.protocol import Answer
from videovisual.utils.extras import needs
from videovisual_client import upload
from videovisual_client.base_client import BaseClient
from videovisual_client.errors import VideoVisualError, from_response
from videovisual_client.job import Job
from videovisual_client.request import ClipRequest

if TYPE_CHECKING:
    from videovisual.server.request_state import RequestState
    from videovisual.server.service import Service

LISTEN_S = 0.1


class Local(BaseClient):
    """Loads the models that are asked for, and keeps them.

    The answers are those of a server: it is the server's own service, without TorchServe.

    Args:
        device: `cpu`, `cuda`, `cuda:1`, …; by default a GPU if there is one.

    Raises:
        MissingExtra: torch is not installed.
    """

    def __init__(self, device: str | None = None) -> None:
        with needs("server", "Without them, ask a server instead of working locally."):
            import torch  # noqa: PLC0415

            from videovisual.server.service import Service  # noqa: PLC0415
        self._make = Service
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._services: dict[str, Service] = {}

    def close(self) -> None:
        """Let go of the models."""
        for service in self._services.values():
            service.close()
        self._services.clear()

    def load(self, model: str) -> None:
        """Load a model now instead of at the first question.

        Raises:
            UnknownModel, WeightsError, DownloadError: as `videovisual.load`.
        """
        self._service(model)

    def _service(self, model: str) -> Service:
        from videovisual import zoo  # noqa: PLC0415

        name = zoo.card(model).name
        if name not in self._services:
            self._services[name] = self._make(zoo.load(name), self._device)
        return self._services[name]

    def _ask(self, call: ClipRequest) -> Answer:
        service, ticket = self._submit(call)
        try:
            news = service.wait(0)
            while ticket.reply is None:
                news = service.wait(LISTEN_S, news)
        finally:
            ticket.cancel()
        problem = from_response(ticket.reply.status, ticket.reply.body)
        if problem is not None:
            raise problem
        return Answer.model_validate_json(ticket.reply.body)

    def _open(self, call: ClipRequest) -> Job:
        service, ticket = self._submit(call)
        news = service.wait(0)
        while ticket.reply is None and not ticket.streaming:
            news = service.wait(LISTEN_S, news)
        if ticket.reply is not None and not ticket.streaming:
            raise from_response(ticket.reply.status, ticket.reply.body) or VideoVisualError(
                "The answer came without the events that were asked for."
            )

        def cancel(_: str) -> bool:
            ticket.cancel()
            return True

        return Job(call.clip, _chunks(service, ticket), cancel)

    def _submit(self, call: ClipRequest) -> tuple[Service, RequestState]:
        from videovisual.server.request import Request  # noqa: PLC0415

        service = self._service(call.model)
        parts: dict[str, Any] = dict(call.fields)
        for name, (_, file) in upload.parts(call.clip):
            file.seek(0)
            parts[name] = file.read()
        return service, service.submit(Request(parts, explain=call.route == "explanations"))


@contextmanager
def _chunks(service: Service, ticket: RequestState) -> Iterator[Iterator[bytes]]:
    try:
        yield _pieces(service, ticket)
    finally:
        ticket.cancel()


def _pieces(service: Service, ticket: RequestState) -> Iterator[bytes]:
    news = service.wait(0)
    while True:
        # Asked for before the lines are, so that none is left behind.
        ended = ticket.reply is not None
        lines = ticket.take_lines()
        if lines:
            yield lines
        elif ended:
            return
        else:
            news = service.wait(LISTEN_S, news)
