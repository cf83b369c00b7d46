"""Bodies that come in pieces, or don't."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

pytest.importorskip("starlette", reason="needs the extra `asgi`")

from starlette.requests import Request
from starlette.types import Message

from videovisual.clips import Limits
from videovisual.errors import Overloaded, TooLarge, UploadStalled, VideoVisualError
from videovisual.server.asgi import upload
from videovisual.server.asgi.upload import Uploads
from videovisual.server.settings import Settings

SETTINGS = Settings(max_bytes=100, limits=Limits(max_bytes=3_000_000))


def request(pieces: Sequence[bytes], **headers: str) -> Request:
    left = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]

    async def receive() -> Message:
        if left:
            return left.pop(0)
        return await asyncio.Event().wait()  # type: ignore[return-value]

    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": pairs}, receive)


def read(uploads: Uploads, *requests: Request) -> list[Any]:
    """What comes of requests that are read at once."""

    async def one(each: Request) -> Any:
        with uploads.one() as reading:
            return await reading.parts(each)

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*map(one, requests), return_exceptions=True)

    return asyncio.run(all_of_them())


def test_a_body_that_stops_coming_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "STALLED_S", 0.01)
    (error,) = read(Uploads(SETTINGS), request([b"some"]))
    assert isinstance(error, UploadStalled)
    assert error.status == 408


def test_all_bodies_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "STALLED_S", 0.01)
    uploads = Uploads(SETTINGS)
    first, second = read(uploads, request([b"x" * 60]), request([b"x" * 30, b"x" * 20]))
    assert isinstance(first, UploadStalled)
    assert isinstance(second, Overloaded)
    assert second.detail == {"retry_after_s": SETTINGS.retry_after_s, "reason": "memory"}
    # Nothing is counted any more.
    (error,) = read(uploads, request([b"x" * 100]))
    assert isinstance(error, UploadStalled)


@pytest.mark.parametrize("length", ["5048577", "9" * 400])
def test_a_body_is_refused_by_its_header(length: str) -> None:
    (error,) = read(Uploads(SETTINGS), request([], content_length=length))
    assert isinstance(error, TooLarge)


@pytest.mark.parametrize("length", ["-1", "x", "²", ""])
def test_a_length_that_is_none(length: str) -> None:
    (error,) = read(Uploads(SETTINGS), request([], content_length=length))
    assert isinstance(error, VideoVisualError)
    assert error.status == 400
