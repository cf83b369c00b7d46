"""The blocking client."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import httpx

from videovisual.protocol import Answer
from videovisual_client import upload
from videovisual_client.base_client import BaseClient
from videovisual_client.exchange import (
    Exchange,
    Pause,
    Read,
    Send,
    Step,
    Steps,
    Timeouts,
    speaker,
)
from videovisual_client.job import Job
from videovisual_client.request import ClipRequest

DEFAULT_URL = "http://127.0.0.1:8080"
RETRIES = 3

T = TypeVar("T")


class Client(BaseClient):
    """Talks to one VideoVisual server; may be used from several threads.

    Args:
        url: the inference address.
        token: the inference key; `videovisual_client.token.Token` says where it is looked for
            otherwise, and how it is renewed when it expires.
        key_file: TorchServe's key file.
        management_url: where TorchServe renews tokens, if no `config.properties` beside the key
            file says it.
        timeouts: of each phase of a request.
        retries: how often a request is sent again that could not connect or found the server full.
        transport: another httpx transport, for a proxy or a test.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        key_file: str | os.PathLike[str] | None = None,
        management_url: str | None = None,
        timeouts: Timeouts | None = None,
        retries: int = RETRIES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._speaker = speaker(url, token, key_file, management_url, timeouts, retries)
        self._http = httpx.Client(transport=transport)

    @property
    def url(self) -> str:
        """The inference address."""
        return self._speaker.url

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _ask(self, call: ClipRequest) -> Answer:
        return self._hold(self._speaker.ask(call, upload.parts(call.clip)))

    def _open(self, call: ClipRequest) -> Job:
        response = self._hold(self._speaker.open(call, upload.parts(call.clip)))
        return Job(call.clip, _chunks(response, self._speaker), partial(self._cancel, call.model))

    def _cancel(self, model: str, job: str) -> bool:
        return self._hold(self._speaker.cancel(model, job))

    def _hold(self, conversation: Steps[T]) -> T:
        """Take a conversation's steps, one after the other."""
        try:
            step = next(conversation)
            while True:
                try:
                    came = self._take(step)
                except httpx.RequestError as error:
                    step = conversation.throw(error)
                else:
                    step = conversation.send(came)
        except StopIteration as end:
            value: T = end.value
            return value

    def _take(self, step: Step) -> Any:
        match step:
            case Send(request):
                return self._http.send(request, stream=True)
            case Read(response):
                try:
                    return response.read()
                finally:
                    response.close()
            case Pause(seconds):
                return time.sleep(seconds)


@contextmanager
def _chunks(response: httpx.Response, speaker: Exchange) -> Iterator[Iterator[bytes]]:
    try:
        yield response.iter_bytes()
    except httpx.RequestError as error:
        raise speaker.broken(error) from error
    finally:
        response.close()
