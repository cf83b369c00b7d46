"""Answers that are too large, too slow or for somebody else, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.unit.client.fake_server import FakeServer, Reply, answer, serving
from tests.unit.client.raw_server import Raw, raw_serving

from videovisual_client import AsyncClient, Client, Timeouts, errors, events, exchange
from videovisual_client.errors import from_response
from videovisual_client.token import Token

Frames = npt.NDArray[np.uint8]
OK = b"HTTP/1.1 200 OK\r\n"


def test_an_answer_has_a_largest_size(
    monkeypatch: pytest.MonkeyPatch, fake: FakeServer, client: Client, clip: Frames
) -> None:
    monkeypatch.setattr(exchange, "MAX_ANSWER_BYTES", 2**20)
    monkeypatch.setattr(events, "MAX_ANSWER_BYTES", 2**20)
    fake.reply_with(Reply(b" " * (2**20 + 1)))
    with pytest.raises(errors.ConnectionFailed, match="more than 1 MiB"):
        client.classify(clip, model="m")
    with pytest.raises(errors.ConnectionFailed, match="a line of more than 1 MiB"):
        client.submit(clip, model="m").result()


def test_a_compressed_answer_counts_in_full(
    monkeypatch: pytest.MonkeyPatch, fake: FakeServer, client: Client, clip: Frames
) -> None:
    monkeypatch.setattr(exchange, "MAX_ANSWER_BYTES", 2**20)
    bomb = gzip.compress(b" " * 2**24)
    fake.reply_with(Reply(bomb, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(errors.ConnectionFailed, match="more than 1 MiB"):
        client.classify(clip, model="m")


def test_a_long_error_is_not_read(fake: FakeServer, client: Client, clip: Frames) -> None:
    fake.reply_with(Reply(b"x" * 2**21, 500))
    with pytest.raises(errors.ConnectionFailed, match="more than 1 MiB"):
        client.classify(clip, model="m")


def test_a_broken_chunk_is_not_repeated_whole(clip: Frames) -> None:
    with raw_serving() as server, Client(server.url, token="") as client:
        server.answer = lambda _: Raw(
            OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"x" * 50_000 + b"\r\n"
        )
        with pytest.raises(errors.ConnectionFailed, match="illegal chunk header") as caught:
            client.classify(clip, model="m")
    assert len(caught.value.message) < 500


def test_a_response_that_drips_ends_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch, clip: Frames
) -> None:
    monkeypatch.setattr(exchange, "MARGIN_S", 0.0)
    monkeypatch.setattr(exchange, "SLOWEST", 1e12)
    with raw_serving() as server, Client(server.url, token="") as client:
        server.answer = lambda _: Raw(OK + b"\r\n" + b" " * 10)
        with pytest.raises(errors.TimedOut) as late:
            client.classify(clip, model="m", timeout_s=1e-9)
        assert late.value.phase == "read"


def test_the_key_follows_no_redirect(fake: FakeServer, clip: Frames) -> None:
    with serving() as other, Client(fake.url, token="secret") as client:
        for status in (301, 302, 303, 307, 308):
            fake.reply_with(Reply(b"", status, {"Location": f"{other.url}/predictions/m"}))
            with pytest.raises(errors.ConnectionFailed, match="redirects to http"):
                client.classify(clip, model="m")
        assert other.received == []


@pytest.mark.parametrize("token", ["schlüssel", "a\nb", "日本", "a\0", "\ud800"])
def test_a_token_that_no_header_can_hold(token: str) -> None:
    with pytest.raises(errors.AuthenticationFailed, match="outside ASCII"):
        Token(token)


def test_a_token_may_end_in_a_line_break() -> None:
    assert Token(" secret\n").value == "secret"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file"),
        (b"\xff", "no inference key"),
        (b"[]", "no inference key"),
        (b"[" * 100_000, "no inference key"),
        (b'{"inference": {"key": "\xc3\xbc"}}', "outside ASCII"),
    ],
)
def test_a_key_file_that_holds_no_key(tmp_path: Path, text: bytes | None, reason: str) -> None:
    path = tmp_path / "keys.json"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(errors.AuthenticationFailed, match=reason) as refused:
        Token(None, path)
    assert "Error(" not in refused.value.message


def test_no_key_is_not_a_wrong_key(fake: FakeServer, clip: Frames) -> None:
    refusal = {"code": 400, "type": "InvalidKeyException", "message": "Token Authorization failed."}
    fake.reply_with(Reply(refusal, 400))
    with (
        Client(fake.url, token="") as client,
        pytest.raises(errors.AuthenticationFailed, match="needs a key, and none was given"),
    ):
        client.classify(clip, model="m")


@pytest.mark.parametrize("url", ["", "here", "ftp://x", "http://", "http://[::1", "http://a:x", 5])
def test_an_address_that_is_none(url: Any) -> None:
    for kind in (Client, AsyncClient):
        with pytest.raises(errors.InvalidRequest, match="no address of a server"):
            kind(url)


@pytest.mark.parametrize(
    ("wait", "least", "most"),
    [
        ("7", 7, 7),
        ("0.5", 0.5, 0.5),
        ("-5", 0, 0),
        *((other, 2, 2) for other in ("nan", "inf", "soon", "", "9" * 5000, "Foo, 99 Bar 2020")),
    ],
)
def test_retry_after_is_seconds(wait: str, least: float, most: float) -> None:
    assert least <= retry_after(wait) <= most


@pytest.mark.parametrize(("seconds", "least", "most"), [(100, 50, 100), (-100, 0, 0)])
def test_retry_after_is_a_date(seconds: float, least: float, most: float) -> None:
    wait = formatdate(time.time() + seconds, usegmt=True)
    assert least <= retry_after(wait) <= most


def retry_after(header: str) -> float:
    error = from_response(503, b"", {"retry-after": header})
    assert isinstance(error, errors.Overloaded)
    return error.retry_after


def test_a_refused_connection_is_one_error(fake: FakeServer, clip: Frames) -> None:
    with (
        Client("http://127.0.0.1:9", token="", retries=0) as client,
        pytest.raises(errors.ConnectionFailed) as refused,
    ):
        client.classify(clip, model="m")
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None or refused.value.__suppress_context__


BAD_ITEMS: list[Any] = [*(None, 5, "nowhere.mp4", "a\0b", np.array([None, {}]), [1, 2], object())]


@pytest.mark.parametrize("awaited", [False, True])
def test_no_item_ends_the_others(fake: FakeServer, clip: Frames, awaited: bool) -> None:
    lines = [{"event": "result", "answer": answer().model_dump(mode="json")}, {"event": "done"}]
    fake.handler = lambda _: Reply(lines=iter(lines))
    items = [clip, *BAD_ITEMS, clip]
    given: dict[str, Any] = {"model": "m", "return_errors": True}

    async def main() -> list[Any]:
        async with AsyncClient(fake.url, token="") as client:
            return [one async for one in client.explain_many(items, **given)]

    if awaited:
        results = asyncio.run(main())
    else:
        with Client(fake.url, token="") as client:
            results = list(client.explain_many(items, **given))
    assert [isinstance(one, errors.VideoVisualError) for one in results] == (
        [False] + [True] * len(BAD_ITEMS) + [False]
    )


@pytest.mark.parametrize("concurrency", [0, -1, "4", 1.5])
def test_concurrency_is_a_number_of_requests(client: Client, concurrency: Any) -> None:
    with pytest.raises(errors.InvalidParameter, match="concurrency"):
        client.explain_many([], model="m", concurrency=concurrency)
    with pytest.raises(errors.InvalidParameter, match="concurrency"):
        AsyncClient("http://127.0.0.1:9", token="").explain_many(
            [], model="m", concurrency=concurrency
        )


def test_options_that_no_request_can_hold(client: Client, clip: Frames, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidRequest, match="UTF-8"):
        client.explain(clip, model="m", target="\ud800")
    with pytest.raises(errors.InvalidParameter, match="timeout_s"):
        client.explain(clip, model="m", timeout_s="soon")
    client.classify(clip, model="\ud800")


def test_a_stream_without_a_last_line_break_is_whole(client: Client, clip: Frames) -> None:
    line = json.dumps({"event": "result", "answer": answer().model_dump(mode="json")}).encode()
    with raw_serving() as server, Client(server.url, token="") as raw:
        server.answer = lambda _: Raw(OK + b"\r\n" + line)
        assert raw.submit(clip, model="m").result().predictions
        server.answer = lambda _: Raw(OK + b"\r\n" + line[:-1])
        with pytest.raises(errors.ConnectionFailed):
            raw.submit(clip, model="m").result()


def test_silence_is_a_timeout(clip: Frames) -> None:
    given: dict[str, Any] = {"token": "", "timeouts": Timeouts(read=0.05)}
    with raw_serving() as server, Client(server.url, **given) as client:
        server.answer = lambda _: Raw(OK + b"Content-Length: 5\r\n\r\n{", stalls=True)
        with pytest.raises(errors.TimedOut):
            client.classify(clip, model="m")
