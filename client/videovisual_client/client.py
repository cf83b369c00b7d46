"""The blocking client."""

import os

import httpx

from videovisual.protocol import Answer
from videovisual_client.base_client import BaseClient
from videovisual_client.exchange import DEFAULT_URL, RETRIES, Exchange, Timeouts
from videovisual_client.job import AsyncJob
from videovisual_client.polling import PolledExchange
from videovisual_client.request import ClipRequest
from videovisual_client.token import Token
from videovisual_client.transport import BlockingTransport, run


class Client(BaseClient):
    """Sends requests to one VideoVisual server; may be used from several threads.

    Args:
        url: the inference address.
        token: the inference key. `videovisual_client.token.Token` describes where the client looks
            for a key otherwise, and how an expired one is renewed.
        key_file: TorchServe's key file.
        management_url: where TorchServe renews tokens, unless the `config.properties` beside the
            key file gives the address.
        timeouts: of each phase of a request.
        retries: how often to resend a request that could not connect or found the server full.
        poll: submit each request as a job, and follow it by short requests. For gateways that cut
            streams or long requests. Lost connections don't end a job; leaving it does.
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
        poll: bool = False,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        key = Token(token, key_file, management_url)
        exchange = PolledExchange if poll else Exchange
        self._exchange = exchange(url, key, timeouts, retries, BlockingTransport(transport))

    @property
    def url(self) -> str:
        """The inference address."""
        return self._exchange.url

    def close(self) -> None:
        """Close the connections."""
        run(self._exchange.transport.close())

    async def _answer(self, request: ClipRequest) -> Answer:
        return await self._exchange.answer(request)

    async def _open(self, request: ClipRequest) -> AsyncJob:
        return await self._exchange.open(request)
