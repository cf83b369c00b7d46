"""Whatever arrives, the clients raise their own errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.unit.client import broken
from tests.unit.client.raw_server import RawServer, raw_serving

from videovisual.protocol.npz import to_npz
from videovisual_client import AsyncClient, Client, Timeouts, VideoVisualError
from videovisual_client.describe import describe
from videovisual_client.result import Explained

Frames = npt.NDArray[np.uint8]
GIVEN: dict[str, Any] = {"token": "secret", "retries": 0, "timeouts": Timeouts(read=0.2)}
LONGEST_MESSAGE = 2300


def use(result: Explained) -> None:
    """Read all of a result that the client took for whole."""
    assert result.predictions[0].label is not None
    for explanation in result.explanations:
        saliency = explanation.to_saliency()
        assert np.isfinite(saliency.map).all()
        assert list(describe(explanation))
    if result.explanations:
        assert to_npz(result.answer)


def followed(client: Client, clip: Frames) -> None:
    with client.submit(clip, model="m") as job:
        for _ in job:
            """Events are read, and checked by their classes."""
        use(job.result())


def many(client: Client, clip: Frames) -> None:
    (result,) = client.explain_many([clip], model="m", return_errors=True)
    if isinstance(result, VideoVisualError):
        raise result
    use(result)


ASKS: list[Callable[[Client, Frames], None]] = [
    lambda client, clip: use(client.explain(clip, model="m")),
    lambda client, clip: use(client.explain(clip, model="m", on_partial=lambda it: it.map.sum())),
    followed,
    many,
]


def check(error: VideoVisualError) -> str:
    """The code of an error that a terminal and a program can show."""
    assert 0 < len(error.message) <= LONGEST_MESSAGE
    assert error.message.isprintable()
    assert error.as_json()
    return error.code


def outcome(ask: Callable[[Client, Frames], None], client: Client, clip: Frames) -> str:
    try:
        ask(client, clip)
    except VideoVisualError as error:
        failed = error
    else:
        return "answer"
    return check(failed)


def fuzz(server: RawServer, clip: Frames, seeds: range) -> set[str]:
    """The codes of all errors."""
    seen = set()
    with Client(server.url, **GIVEN) as client:
        for seed in seeds:
            raw = broken.response(Random(seed))
            server.answer = lambda _, raw=raw: raw
            try:
                seen.add(outcome(ASKS[seed % len(ASKS)], client, clip))
            except Exception as error:
                raise AssertionError(f"seed {seed}: {error!r}, {raw.data[:300]!r}") from error
    return seen


async def asked(client: AsyncClient, clip: Frames, *, submit: bool) -> str:
    try:
        if submit:
            async with await client.submit(clip, model="m") as job:
                use(await job.result())
        else:
            use(await client.explain(clip, model="m"))
    except VideoVisualError as error:
        failed = error
    else:
        return "answer"
    return check(failed)


async def fuzz_awaited(server: RawServer, clip: Frames, seeds: range) -> None:
    async with AsyncClient(server.url, **GIVEN) as client:
        for seed in seeds:
            raw = broken.response(Random(seed))
            server.answer = lambda _, raw=raw: raw
            try:
                await asked(client, clip, submit=seed % 2 == 0)
            except Exception as error:
                raise AssertionError(f"seed {seed}: {error!r}, {raw.data[:300]!r}") from error


def test_some_broken_answers(clip: Frames) -> None:
    with raw_serving() as server:
        seen = fuzz(server, clip, range(400))
        asyncio.run(fuzz_awaited(server, clip, range(400, 500)))
    assert {"answer", "connection_failed", "invalid_target", "authentication_failed"} <= seen


@pytest.mark.slow
def test_ten_thousand_broken_answers(clip: Frames) -> None:
    with raw_serving() as server:
        fuzz(server, clip, range(1000, 9000))
        asyncio.run(fuzz_awaited(server, clip, range(9000, 11000)))
