"""TorchServe's entry point: the only file of the server that knows TorchServe.

TorchServe 0.12 runs this with `continuousBatching: true` and one worker a model: `handle` is
called again and again with every active request, and answers each with nothing yet, a part of
its reply, or the end of it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from videovisual import service, ticket, zoo
from videovisual.intake import Request as IncomingRequest

logger = logging.getLogger(__name__)

WAIT_S = 0.01
HOLD_S = 2.0
"""So long a request is left without any answer, so that its status can still tell the truth."""

PHRASES = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Entity",
    499: "Client Closed Request",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class VideoHandler:
    """Classifies clips and explains the classifications."""

    def __init__(self) -> None:
        self._open: dict[str, ticket.Ticket] = {}
        self._begun: set[str] = set()

    def initialize(self, context: Any) -> None:
        """Load the archive that TorchServe unpacked, and warm it up."""
        folder = Path(context.system_properties["model_dir"])
        gpu = context.system_properties.get("gpu_id")
        cuda = torch.cuda.is_available() and gpu is not None
        device = torch.device("cuda", int(gpu)) if cuda else torch.device("cpu")
        self._service = service.Service(
            zoo.load_folder(folder), device, service.Settings.from_environment()
        )
        self._service.warm_up()

    def handle(self, data: list[Mapping[str, Any]], context: Any) -> list[bytes]:
        """One round of TorchServe's loop over all active requests."""
        numbers = [context.get_request_id(index) for index in range(len(data))]
        for gone in self._open.keys() - set(numbers):
            self._close(gone).cancel()
        for index, number in enumerate(numbers):
            if number not in self._open:
                self._open[number] = self._service.submit(_request(data[index], context, index))
        if not any(self._news(number) for number in numbers):
            self._service.wait(WAIT_S)

        bodies: list[bytes] = []
        criteria: list[Callable[[Any], bool | None]] = []
        for index, number in enumerate(numbers):
            body, last = self._part(context, index, number)
            bodies.append(body)
            criteria.append(lambda _body, last=last: last)
        context.stopping_criteria = criteria
        return bodies

    def _news(self, number: str) -> bool:
        return self._open[number].reply is not None

    def _part(self, context: Any, index: int, number: str) -> tuple[bytes, bool | None]:
        """What to send now, and TorchServe's word for whether it is a part, the last, or all."""
        open_ticket = self._open[number]
        reply = open_ticket.reply
        begun = number in self._begun
        if reply is not None:
            self._close(number)
            if open_ticket.streaming:
                context.set_response_content_type(index, open_ticket.content_type)
                return open_ticket.take_lines(), True if begun else None
            if begun:
                return reply.body, True
            context.set_response_status(reply.status, PHRASES[reply.status], index)
            context.set_response_content_type(index, reply.content_type)
            for name, value in reply.headers.items():
                context.set_response_header(index, name, str(value))
            return reply.body, None
        if open_ticket.streaming or begun or time.monotonic() - open_ticket.issued > HOLD_S:
            self._begun.add(number)
            context.set_response_content_type(index, open_ticket.content_type)
            return open_ticket.take_lines(), False
        context.request_ids.pop(index)
        return b"", None

    def _close(self, number: str) -> ticket.Ticket:
        self._begun.discard(number)
        return self._open.pop(number)


def _request(parts: Mapping[str, Any], context: Any, index: int) -> IncomingRequest:
    headers = {
        name.lower(): value
        for name, value in context.get_all_request_header(index).items()
        if isinstance(value, str)
    }
    if "json" in headers.get("content-type", "") and "body" in parts:
        parts = {"body": _json(parts["body"])}
    return IncomingRequest(
        parts=parts,
        headers=headers,
        explain=headers.get("explain") == "True",
        method=headers.get("url_path") or None,
    )


def _json(body: Any) -> Any:
    if isinstance(body, bytes | bytearray):
        try:
            return json.loads(body)
        except ValueError:
            return body
    return body
