"""Errors, retries and tokens, over real sockets, blocking and awaited."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.unit.client.fake_server import FakeServer, Received, Reply, answer

import videovisual_client
from videovisual_client import AsyncClient, Client, Timeouts, errors, exchange

Frames = npt.NDArray[np.uint8]
Ask = Callable[..., videovisual_client.Explained]

FULL = {"error": {"code": "overloaded", "message": "Full.", "detail": {"retry_after_s": 0.002}}}
REFUSED = {"code": 400, "type": "InvalidKeyException", "message": "Token Authorization failed."}
FINE = Reply(answer().model_dump(mode="json"))


@pytest.fixture(params=["Client", "AsyncClient"])
def ask(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """`explain` of either client."""
    monkeypatch.setattr(exchange, "FIRST_PAUSE_S", 0.001)

    def blocking(url: str, clip: Frames, given: dict[str, Any], **options: Any) -> Any:
        with Client(url, **given) as client:
            return client.explain(clip, model="i3d-motion", **options)

    def awaited(url: str, clip: Frames, given: dict[str, Any], **options: Any) -> Any:
        async def main() -> Any:
            async with AsyncClient(url, **given) as client:
                return await client.explain(clip, model="i3d-motion", **options)

        return asyncio.run(main())

    return blocking if request.param == "Client" else awaited


def test_all_fields_arrive(fake: FakeServer, ask: Ask, clip: Frames) -> None:
    result = ask(
        fake.url, clip, {"token": "secret"}, method=["gradient", "rise"], evaluate=True, seed=None
    )
    (request,) = fake.received
    assert request.path == "/explanations/i3d-motion"
    assert request.token == "secret"
    assert request.field("method") == '["gradient", "rise"]'
    assert request.field("target") == "top1"
    assert request.field("evaluate") == "true"
    assert request.field("seed") is None
    assert result.predictions[0].label == "ironing"
    np.testing.assert_array_equal(result.saliency.map.ravel(), np.arange(8))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (422, {"error": {"code": "invalid_target", "message": "No."}}, errors.InvalidTarget),
        (422, {"error": {"code": "unknown_method", "message": "No."}}, errors.UnknownMethod),
        (422, {"error": {"code": "of_the_future", "message": "No."}}, errors.VideoVisualError),
        (400, {"error": {"code": "malformed_clip", "message": "No."}}, errors.MalformedClip),
        (504, {"error": {"code": "deadline_exceeded", "message": "No."}}, errors.DeadlineExceeded),
        (499, {"error": {"code": "cancelled", "message": "No."}}, errors.Cancelled),
        (500, {"error": {"code": "internal", "message": "No."}}, errors.ServerFailed),
        (200, {"error": {"code": "internal", "message": "No."}}, errors.VideoVisualError),
        (500, {"code": 500, "type": "InternalServerException"}, errors.ServerFailed),
        (400, REFUSED, errors.AuthenticationFailed),
        (404, {"code": 404, "type": "ModelNotFoundException"}, errors.UnknownModel),
        (413, b"", errors.TooLarge),
        (502, b"<html>", errors.ConnectionFailed),
        (200, b"<html>", errors.ConnectionFailed),
        (200, {"status": "Healthy"}, errors.ConnectionFailed),
    ],
)
def test_every_failure_has_its_class_and_is_not_retried(
    fake: FakeServer, ask: Ask, clip: Frames, status: int, body: Any, kind: type[Exception]
) -> None:
    fake.reply_with(Reply(body, status))
    with pytest.raises(kind) as raised:
        ask(fake.url, clip, {"token": ""})
    assert type(raised.value) is kind
    # A request that may have begun is never sent twice.
    assert len(fake.received) == 1


def test_a_full_server_is_retried_after_its_delay(fake: FakeServer, ask: Ask, clip: Frames) -> None:
    fake.reply_with(Reply(FULL, 503), Reply(FULL, 503), FINE)
    assert ask(fake.url, clip, {"token": ""}).predictions
    bodies = [request.body.partition(b"\r\n\r\n")[2][:60] for request in fake.received]
    assert len(bodies) == 3
    assert len({request.size for request in fake.received}) == 1


def test_a_server_that_stays_full(fake: FakeServer, ask: Ask, clip: Frames) -> None:
    fake.reply_with(Reply(FULL, 503, {"Retry-After": "0"}))
    with pytest.raises(errors.Overloaded) as refused:
        ask(fake.url, clip, {"token": "", "retries": 2})
    assert len(fake.received) == 3
    assert refused.value.retry_after == 0


def test_retries_end_at_the_deadline_or_a_minute(fake: FakeServer, ask: Ask, clip: Frames) -> None:
    fake.reply_with(Reply(FULL, 503, {"Retry-After": "30"}))
    with pytest.raises(errors.Overloaded) as refused:
        ask(fake.url, clip, {"token": ""}, timeout_s=5)
    assert refused.value.retry_after == 30
    fake.reply_with(Reply(b"busy", 503, {"Retry-After": "61"}))
    with pytest.raises(errors.Overloaded):
        ask(fake.url, clip, {"token": ""})
    assert len(fake.received) == 2


def test_a_refused_connection_is_retried(
    ask: Ask, clip: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    real = exchange._pause
    monkeypatch.setattr(
        exchange, "_pause", lambda *given: pauses.append(real(*given)) or pauses[-1]
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(errors.ConnectionFailed, match="did not answer"):
            ask(url, clip, {"token": "", "retries": 2})
    assert len(pauses) == 3
    assert pauses[0] < pauses[1] < pauses[2]


def test_a_read_timeout_is_not_retried(ask: Ask, clip: Frames) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(errors.TimedOut, match=r"read timeout of 0\.05 s") as late:
            ask(url, clip, {"token": "", "timeouts": Timeouts(read=0.05)})
        assert late.value.phase == "read"
        connection, _ = silent.accept()
        connection.close()
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_a_late_deadline_raises_the_read_timeout() -> None:
    assert Timeouts(read=10).for_request(600)["read"] == 610
    assert Timeouts(read=900).for_request(600)["read"] == 900
    assert Timeouts(read=None).for_request(600)["read"] is None


def key_file(folder: Path, inference: str, **more: Any) -> Path:
    path = folder / "key_file.json"
    path.write_text(json.dumps({"inference": {"key": inference}, **more}))
    return path


def wants(token: str) -> Callable[[Received], Reply]:
    return lambda request: FINE if request.token == token else Reply(REFUSED, 400)


def test_a_rewritten_key_file_is_read_again(
    fake: FakeServer, ask: Ask, clip: Frames, tmp_path: Path
) -> None:
    path = key_file(tmp_path, "old")

    def handler(request: Received) -> Reply:
        key_file(tmp_path, "new")
        return wants("new")(request)

    fake.handler = handler
    assert ask(fake.url, clip, {"key_file": path}).predictions
    assert [request.token for request in fake.received] == ["old", "new"]


@pytest.mark.parametrize("source", ["argument", "config"])
def test_an_expired_token_is_renewed_with_the_api_key(
    fake: FakeServer, ask: Ask, clip: Frames, tmp_path: Path, source: str
) -> None:
    path = key_file(tmp_path, "expired", API={"key": "master"})

    def handler(request: Received) -> Reply:
        if request.path != "/token?type=inference":
            return wants("fresh")(request)
        # Like TorchServe: the new token is in the key file, and the response is empty.
        key_file(tmp_path, "fresh", API={"key": "master"})
        return Reply(b"\n")

    fake.handler = handler
    given: dict[str, Any] = {"key_file": path}
    if source == "argument":
        given["management_url"] = fake.url + "/"
    else:
        config = tmp_path / "config.properties"
        config.write_text(f"model_store=/x\nmanagement_address={fake.url}\n")
    assert ask(fake.url, clip, given).predictions
    assert [request.token for request in fake.received] == ["expired", "master", "fresh"]


@pytest.mark.parametrize("given", ["token", "key_file"])
def test_a_token_that_cannot_be_renewed_fails_at_once(
    fake: FakeServer, ask: Ask, clip: Frames, tmp_path: Path, given: str
) -> None:
    fake.handler = wants("right")
    value = "wrong" if given == "token" else key_file(tmp_path, "wrong", API={"key": "master"})
    with pytest.raises(errors.AuthenticationFailed, match="key_file"):
        ask(fake.url, clip, {given: value})
    assert len(fake.received) == 1


def test_renewals_end_when_new_tokens_are_refused_too(
    fake: FakeServer, ask: Ask, clip: Frames, tmp_path: Path
) -> None:
    path = key_file(tmp_path, "expired", API={"key": "master"})

    def handler(request: Received) -> Reply:
        key_file(tmp_path, f"fresh {len(fake.received)}", API={"key": "master"})
        return Reply(b"\n") if "token" in request.path else Reply(REFUSED, 400)

    fake.handler = handler
    with pytest.raises(errors.AuthenticationFailed):
        ask(fake.url, clip, {"key_file": path, "management_url": fake.url})
    assert len(fake.received) < 10
