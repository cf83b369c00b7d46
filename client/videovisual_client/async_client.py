"""The awaited client."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal, TypeVar, overload

import httpx

from videovisual.protocol import Answer
from videovisual_client import request, upload
from videovisual_client.client import DEFAULT_URL, RETRIES
from videovisual_client.errors import VideoVisualError
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
from videovisual_client.job import AsyncJob, OnPartial, OnProgress, tell
from videovisual_client.many import AHEAD, CONCURRENCY
from videovisual_client.request import ClipRequest, Methods, Target
from videovisual_client.result import Classification, Explained
from videovisual_client.upload import ClipLike

T = TypeVar("T")


class AsyncClient:
    """As `Client`, with `await`, in an asyncio program.

    Args:
        url, token, key_file, management_url, timeouts, retries, transport: as `Client`.
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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._speaker = speaker(url, token, key_file, management_url, timeouts, retries)
        self._http = httpx.AsyncClient(transport=transport)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def url(self) -> str:
        """The inference address."""
        return self._speaker.url

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def classify(
        self,
        clip: ClipLike,
        *,
        model: str,
        top_k: int = 5,
        views: int | None = None,
        timeline: bool | None = None,
        on_progress: OnProgress | None = None,
        **options: Any,
    ) -> Classification:
        """As `Client.classify`."""
        fields = {"top_k": top_k, "views": views, "timeline": timeline, **options}
        question = request.classification(model, clip, fields)
        return Classification(await self._answer(question, on_progress, None), clip)

    async def explain(
        self,
        clip: ClipLike,
        *,
        model: str,
        method: Methods | None = None,
        target: Target = "top1",
        on_progress: OnProgress | None = None,
        on_partial: OnPartial | None = None,
        **options: Any,
    ) -> Explained:
        """As `Client.explain`."""
        question = request.explanation(model, clip, method, target, options)
        return Explained(await self._answer(question, on_progress, on_partial), clip)

    async def submit(
        self,
        clip: ClipLike,
        *,
        model: str,
        method: Methods | None = None,
        target: Target = "top1",
        partial_every_s: float | None = None,
        **options: Any,
    ) -> AsyncJob:
        """As `Client.submit`."""
        given = options | ({"partial_every_s": partial_every_s} if partial_every_s else {})
        question = request.explanation(model, clip, method, target, given)
        return await self._open(question.streamed(partial=partial_every_s is not None))

    @overload
    def explain_many(
        self,
        clips: Iterable[ClipLike],
        *,
        model: str,
        concurrency: int = CONCURRENCY,
        return_errors: Literal[False] = False,
        **options: Any,
    ) -> AsyncIterator[Explained]: ...

    @overload
    def explain_many(
        self,
        clips: Iterable[ClipLike],
        *,
        model: str,
        concurrency: int = CONCURRENCY,
        return_errors: Literal[True],
        **options: Any,
    ) -> AsyncIterator[Explained | VideoVisualError]: ...

    async def explain_many(
        self,
        clips: Iterable[ClipLike],
        *,
        model: str,
        concurrency: int = CONCURRENCY,
        return_errors: bool = False,
        **options: Any,
    ) -> AsyncIterator[Explained | VideoVisualError]:
        """As `Client.explain_many`, with `async for`."""
        places = asyncio.Semaphore(concurrency)

        async def work(clip: ClipLike) -> Explained:
            async with places:
                job = await self.submit(clip, model=model, **options)
                try:
                    return await job.result()
                except asyncio.CancelledError:
                    await asyncio.shield(job.cancel())
                    raise
                finally:
                    await job.close()

        window: deque[asyncio.Task[Explained]] = deque()
        remaining = iter(clips)
        try:
            while True:
                while len(window) < AHEAD * concurrency:
                    try:
                        clip = next(remaining)
                    except StopIteration:
                        break
                    window.append(asyncio.create_task(work(clip)))
                if not window:
                    return
                try:
                    yield await window[0]
                except VideoVisualError as error:
                    if not return_errors:
                        raise
                    yield error
                window.popleft()
        finally:
            for task in window:
                task.cancel()
            await asyncio.gather(*window, return_exceptions=True)

    async def _answer(
        self, question: ClipRequest, on_progress: OnProgress | None, on_partial: OnPartial | None
    ) -> Answer:
        if on_progress is None and on_partial is None:
            parts = await asyncio.to_thread(upload.parts, question.clip)
            return await self._hold(self._speaker.ask(question, parts))
        opened = await self._open(question.streamed(partial=on_partial is not None))
        async with opened as job:
            async for event in job:
                tell(event, on_progress, on_partial)
            return await job.answer()

    async def _open(self, question: ClipRequest) -> AsyncJob:
        parts = await asyncio.to_thread(upload.parts, question.clip)
        response = await self._hold(self._speaker.open(question, parts))
        cancel = partial(self._cancel, question.model)
        return await AsyncJob(question.clip, _chunks(response, self._speaker), cancel).begin()

    async def _cancel(self, model: str, job: str) -> bool:
        return await self._hold(self._speaker.cancel(model, job))

    async def _hold(self, conversation: Steps[T]) -> T:
        """Take a conversation's steps, one after the other."""
        try:
            step = next(conversation)
            while True:
                try:
                    came = await self._take(step)
                except httpx.RequestError as error:
                    step = conversation.throw(error)
                else:
                    step = conversation.send(came)
        except StopIteration as end:
            value: T = end.value
            return value

    async def _take(self, step: Step) -> Any:
        match step:
            case Send(request):
                return await self._http.send(request, stream=True)
            case Read(response):
                try:
                    return await response.aread()
                finally:
                    await response.aclose()
            case Pause(seconds):
                return await asyncio.sleep(seconds)


@asynccontextmanager
async def _chunks(
    response: httpx.Response, speaker: Exchange
) -> AsyncIterator[AsyncIterator[bytes]]:
    try:
        yield response.aiter_bytes()
    except httpx.RequestError as error:
        raise speaker.broken(error) from error
    finally:
        await response.aclose()
