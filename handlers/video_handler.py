"""TorchServe's entry point: the only file of the server that knows TorchServe.

TorchServe 0.12 runs this with `continuousBatching: true` and one worker a model. It calls `handle`
again and again with every active request. Each round answers a request with nothing yet, with a
part of its reply, or with the end of it.
"""

import json
import logging
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from http.client import responses
from io import BufferedReader
from pathlib import Path
from typing import Any

from videovisual import zoo
from videovisual.errors import InvalidRequest
from videovisual.server import request_state, service
from videovisual.server.jobs import Jobs
from videovisual.server.metrics import METRICS, Counts, Metric, Sample
from videovisual.server.process import Housekeeper, devices, tune_process
from videovisual.server.reply import JOB_HEADER
from videovisual.server.request import Repeated
from videovisual.server.request import Request as IncomingRequest
from videovisual.server.settings import Settings

WAIT_S = 0.005
"""How long one round waits for a change. TorchServe passes new requests only between two rounds,
and each takes CPU from decoding and passes: with 1 ms a classification took 10 ms longer."""

CALM_WAIT_S = 0.02
CALM_S = 1.0
"""Longer wait when no request came for CALM_S: every round takes CPU from running explanations."""

YOUNG_S = 0.05
"""A round waits until the newest classification is this old, because most are ready by then; an
answer that comes between two rounds has to wait for the next one."""

LONE_S = 0.2
"""The same where no two requests came at once for CALM_S: then nobody waits for the next round, and
each takes CPU from the pass. As the wait of all, two clients got 11 answers a second, not 16."""

QUEUED_S = 0.01
"""A request that follows the last round within this time was there before, and had to wait."""

HOLD_S = 2.0
"""How long a request is left without any answer, so that its status is still open for an error."""

LOST_S = 5.0
"""TorchServe calls `handle` all the time while it has requests. After this long without a call, all
clients have left."""

READ_BYTES = 2**20
"""How much is read from TorchServe's socket at once."""

SEQUENCE_HEADERS = "ts_request_sequence"
"""What the names of the headers begin with that TorchServe gives to a gRPC call."""

CLIENT_CLOSED = "Client Closed Request"
"""The phrase of status 499, which is in no standard."""


class VideoHandler:
    """Classifies clips and explains the classifications."""

    def __init__(self) -> None:
        self._open: dict[str, request_state.RequestState] = {}
        self._begun: set[str] = set()
        self._changes: int | None = None
        self._called = self._newest = self._crowded = time.monotonic()

    def initialize(self, context: Any) -> None:
        """Load the archive that TorchServe unpacked, and warm it up."""
        _filter_logs()
        tune_process()
        _read_ahead()
        _keep_repeated_parts()
        folder = Path(context.system_properties["model_dir"])
        counts = Counts()
        settings = Settings.from_environment()
        jobs = Jobs(settings)
        self._service = service.Service(
            zoo.load_folder(folder), devices(), settings, counts, jobs=jobs
        )
        self._service.warm_up()
        metrics = _declared(context.metrics)

        def report(sample: Sample) -> None:
            metrics[sample.metric].add_or_update(sample.value, list(sample.labels))

        Housekeeper([self._service], counts, report, self._cancel_lost, jobs.tidy).start()

    def handle(self, data: list[Mapping[str, Any]], context: Any) -> list[bytes]:
        """One round of TorchServe's loop over all active requests."""
        # Set before its requests are open: `_cancel_lost` would take them for lost ones.
        ended, self._called = self._called, time.monotonic()
        numbers = [context.get_request_id(index) for index in range(len(data))]
        # A client's request has other headers or parts: TorchServe's own has none.
        if len(data) == 1 and not data[0] and _headers(context, 0) == {"describe": "True"}:
            return [self._describe(context, numbers[0])]
        for gone in self._open.keys() - set(numbers):
            self._close(gone).cancel()
        for index, number in enumerate(numbers):
            if number not in self._open:
                if self._open or self._called - ended < QUEUED_S:
                    self._crowded = self._called
                self._open[number] = self._accept(data[index], context, index, number)
                self._newest = time.monotonic()
        answered = any(self._open[number].reply is not None for number in numbers)
        self._changes = self._service.wait(
            0.0 if answered else self._round_s(numbers), self._changes
        )

        bodies: list[bytes] = []
        criteria: list[Callable[[Any], bool | None]] = []
        for index, number in enumerate(numbers):
            body, last = self._part(context, index, number)
            bodies.append(body)
            criteria.append(_criterion(last))
        context.stopping_criteria = criteria
        self._called = time.monotonic()
        return bodies

    def _accept(
        self, parts: Mapping[str, Any], context: Any, index: int, number: str
    ) -> request_state.RequestState:
        if _is_grpc(context, index):
            return self._service.refuse(
                InvalidRequest(
                    "gRPC is not served: its answers can be neither cancelled nor sent in parts. "
                    "Send the same parts over HTTP, to POST /predictions/MODEL."
                ),
                number,
            )
        return self._service.submit(_request(parts, context, index), number)

    def _round_s(self, numbers: Sequence[str]) -> float:
        """How long a round may wait for a change, in seconds."""
        now = time.monotonic()
        states = [self._open[number] for number in numbers]
        youngest = max((state.issued for state in states if not state.explains), default=0.0)
        wait = CALM_WAIT_S if now - self._newest > CALM_S else WAIT_S
        is_lone = len(states) == 1 and now - self._crowded > CALM_S
        return max(wait, youngest + (LONE_S if is_lone else YOUNG_S) - now)

    def _part(self, context: Any, index: int, number: str) -> tuple[bytes, bool | None]:
        """What to send now; False for a part, True for the last part, None for a whole reply."""
        current = self._open[number]
        reply = current.reply
        begun = number in self._begun
        if reply is not None and not begun and not current.streaming:
            self._close(number)
            context.set_response_status(
                reply.status, responses.get(reply.status, CLIENT_CLOSED), index
            )
            _head(context, index, number, reply.content_type, reply.headers)
            # A whole reply to a gRPC stream kills the worker's connection; its last part doesn't.
            return reply.body, True if _is_grpc(context, index) else None
        # The head of an answer of tensors is known only with the answer.
        held = current.inference or time.monotonic() - current.issued < HOLD_S
        if not begun and not current.streaming and held:
            context.request_ids.pop(index)
            return b"", None
        if not begun:
            self._begun.add(number)
            _head(context, index, number, current.content_type)
        body = current.take_lines()
        if not current.is_sent:
            return body, False
        self._close(number)
        return body, True if begun else None

    def _describe(self, context: Any, number: str) -> bytes:
        """The model's card, for the management address's `?customized=true`.

        TorchServe 0.12 then repeats the request for ever and serves the model no more, whatever is
        answered. Only a restart of TorchServe ends that.
        """
        context.stopping_criteria = [_criterion(True)]
        context.set_response_content_type(0, request_state.JSON)
        return json.dumps(self._service.classifier.card.to_json()).encode()

    def _close(self, number: str) -> request_state.RequestState:
        self._begun.discard(number)
        return self._open.pop(number)

    def _cancel_lost(self) -> None:
        """Cancel all open requests when TorchServe has not called for LOST_S.

        Open requests are read first, since a request that comes meanwhile must survive.
        """
        states = list(self._open.values())
        if time.monotonic() - self._called > LOST_S:
            for state in states:
                state.cancel()


def _criterion(last: bool | None) -> Callable[[Any], bool | None]:
    return lambda _body: last


def _declared(cache: Any) -> dict[Metric, Any]:
    """Our metrics, registered with TorchServe, which serves them at its metrics address."""
    from ts.metrics.metric_type_enum import MetricTypes  # noqa: PLC0415

    return {
        metric: cache.add_metric_to_cache(
            metric_name=metric.name,
            unit=metric.unit,
            dimension_names=list(metric.labels),
            metric_type=MetricTypes(metric.form.value),
        )
        for metric in METRICS
    }


def _keep_repeated_parts() -> None:
    """Have TorchServe hand over all parts of one name, of which it keeps the last."""
    from ts.service import Service  # noqa: PLC0415

    given = Service.retrieve_data_for_inference

    def retrieve(batch: Any) -> Any:
        headers, inputs, numbers = given(batch)
        for request, parts in zip(batch, inputs, strict=True):
            if len(request["parameters"]) > len(parts):
                found: dict[str, list[Any]] = {}
                for each in request["parameters"]:
                    found.setdefault(each["name"], []).append(each["value"])
                several = {name: Repeated(all_) for name, all_ in found.items() if len(all_) > 1}
                parts.update(several)
        return headers, inputs, numbers

    Service.retrieve_data_for_inference = staticmethod(retrieve)


def _read_ahead() -> None:
    """Have TorchServe read its socket in large pieces.

    It asks the system for every length and every text of a request, six times a part, in each
    round again, and each time gives up the interpreter's lock, which an explanation then takes.
    """
    from ts.protocol import otf_message_handler  # noqa: PLC0415

    @lru_cache(maxsize=1)
    def opened(connection: socket.socket) -> BufferedReader:
        return connection.makefile("rb", READ_BYTES)

    def retrieve(connection: socket.socket, length: int) -> bytes:
        data = opened(connection).read(length)
        if len(data) < length:
            # As TorchServe's own function does.
            logging.info("Frontend disconnected.")
            sys.exit(0)
        return data

    otf_message_handler._retrieve_buffer = retrieve


def _filter_logs() -> None:
    """Drop what TorchServe logs for each round, a hundred a second, and for each body that isn't
    the JSON or text it is called: the client is told, and a traceback each would fill the disk."""
    for name, noise in (
        ("ts.metrics.caching_metric", "PredictionTime"),
        ("root", "Backend received inference"),
        ("root", "Failed json decoding"),
        ("root", "Failed utf-8 decoding"),
    ):
        logging.getLogger(None if name == "root" else name).addFilter(
            lambda record, noise=noise: noise not in str(record.msg)  # type: ignore[misc]
        )


def _head(
    context: Any,
    index: int,
    number: str,
    content_type: str,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Set the response's headers; one that is not a string would kill the worker."""
    context.set_response_content_type(index, content_type)
    for name, value in {JOB_HEADER: number, **(headers or {})}.items():
        context.set_response_header(index, name, str(value))


def _headers(context: Any, index: int) -> dict[str, str]:
    """A request's own headers, by lower-case name; those of its parts are not strings."""
    return {
        name.lower(): value
        for name, value in context.get_all_request_header(index).items()
        if isinstance(value, str)
    }


def _is_grpc(context: Any, index: int) -> bool:
    """Whether a request came over gRPC: only then TorchServe gives it no headers of a client's."""
    return all(name.startswith(SEQUENCE_HEADERS) for name in _headers(context, index))


def _request(parts: Mapping[str, Any], context: Any, index: int) -> IncomingRequest:
    headers = _headers(context, index)
    method = context.get_request_header(index, "url_path")
    return IncomingRequest(
        parts=parts,
        headers=headers,
        # TorchServe's own two headers, spelled as it does: a client's `Explain` is another.
        explain=context.get_request_header(index, "explain") == "True",
        method=method if method and isinstance(method, str) else None,
    )
