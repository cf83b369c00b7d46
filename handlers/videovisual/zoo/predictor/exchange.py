"""HTTP exchanges with a predictor, in an event loop of their own: retries, time, size."""

import asyncio
import concurrent.futures
import contextlib
import random
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from videovisual.errors import PredictorError, PredictorTimeout, PredictorUnreachable
from videovisual.utils.network import client_options, network_settings
from videovisual.utils.text import shown

Result = TypeVar("Result")

BUSY = (429, 502, 503)
"""Statuses that are tried again."""

BACKOFF_S = 0.25
MOST_WAIT_S = 30.0
CONNECT_S = 10.0
MAX_ANSWER_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Reply:
    """What a predictor answered.

    Attributes:
        status: of HTTP.
        headers: by lower-case name.
        body: whole.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchange:
    """Sends requests, from any thread.

    Args:
        url: the predictor's; others of its server may be asked too.
        timeout_s: how long one attempt may take, in seconds.
        retries: how often a request is sent again after a broken connection or a busy answer.
        headers: of every request.

    Raises:
        NetworkSettingsError: a variable about proxies or certificates can't be used.
    """

    def __init__(
        self, url: httpx.URL, timeout_s: float, retries: int, headers: Mapping[str, str]
    ) -> None:
        # Credentials stay out of messages and of the provenance.
        self._url = url.copy_with(userinfo=b"")
        self._timeout_s = timeout_s
        self._retries = retries
        with network_settings():
            self._client = httpx.AsyncClient(
                headers=dict(headers),
                auth=(url.username, url.password) if url.userinfo else None,
                timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_S)),
                **client_options(url),
            )
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._closed = False
        threading.Thread(
            target=_serve, args=(self._loop,), name="videovisual-predictor", daemon=True
        ).start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine to its end.

        Raises:
            PredictorUnreachable: the exchange is closed, or is closed meanwhile.
        """
        with self._lock:
            if self._closed:
                work.close()
                raise self._unreachable("its classifier is closed")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise self._unreachable("its classifier was closed") from None
        finally:
            future.cancel()

    def close(self) -> None:
        """End what runs, in all threads."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            asyncio.run_coroutine_threadsafe(self._end(), self._loop)

    async def _end(self) -> None:
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._client.aclose()
        self._loop.stop()

    async def ask(
        self,
        method: str,
        url: httpx.URL,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """The reply to a request, whatever its status, unless that stays busy.

        Raises:
            PredictorUnreachable: the connection failed, or the predictor was busy, each time.
            PredictorTimeout: an attempt took too long.
            PredictorError: the answer is too large.
        """
        for attempt in range(self._retries + 1):
            least = 0.0
            try:
                attempted = self._once(method, url, body, headers)
                reply = await asyncio.wait_for(attempted, self._timeout_s)
            except httpx.ConnectTimeout:
                why = f"it took no connection within {CONNECT_S:g} s"
            except (asyncio.TimeoutError, httpx.TimeoutException):
                raise PredictorTimeout(
                    f"The predictor at {self._url} didn't answer within {self._timeout_s:g} s. "
                    "Allow more time, or let it take smaller batches.",
                    url=str(self._url),
                    timeout_s=self._timeout_s,
                ) from None
            except httpx.RequestError as error:
                why = f"{type(error).__name__} {error}".strip()
            else:
                if reply.status not in BUSY:
                    return reply
                why = f"it answered {reply.status}"
                least = _seconds(reply.headers.get("retry-after", ""))
            if attempt < self._retries:
                pause = BACKOFF_S * 2**attempt * random.uniform(0.5, 1.5)
                await asyncio.sleep(min(max(pause, least), MOST_WAIT_S))
        raise self._unreachable(why)

    async def _once(
        self, method: str, url: httpx.URL, body: bytes | None, headers: Mapping[str, str] | None
    ) -> Reply:
        async with self._client.stream(method, url, content=body, headers=headers) as response:
            parts, size = [], 0
            async for part in response.aiter_bytes():
                size += len(part)
                if size > MAX_ANSWER_BYTES:
                    raise PredictorError(
                        f"The predictor's answer has more than {MAX_ANSWER_BYTES} bytes. Is this "
                        "the address of a classifier?"
                    )
                parts.append(part)
            return Reply(response.status_code, dict(response.headers), b"".join(parts))

    def _unreachable(self, why: str) -> PredictorUnreachable:
        return PredictorUnreachable(
            f"The predictor at {self._url} can't be reached: {shown(why, 200)}. Check that it "
            "runs, and try again.",
            url=str(self._url),
        )


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def _seconds(text: str) -> float:
    """Of a `Retry-After`; 0 for a date."""
    with contextlib.suppress(ValueError):
        return max(0.0, float(text))
    return 0.0
