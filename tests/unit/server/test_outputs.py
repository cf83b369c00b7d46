"""The pictures that a request asks for, from the upload to the bytes."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator

import av
import numpy as np
import pytest
from PIL import Image
from tests.frames import blocks
from tests.unit.server.requests import wait

from videovisual.server.request import Request
from videovisual.server.request_state import RequestState
from videovisual.server.service import Service
from videovisual.zoo import Classifier

FRAMES = 40
FPS = 20.0


@pytest.fixture(scope="module")
def service(small: Classifier) -> Iterator[Service]:
    service = Service(small)
    yield service
    service.close()


def request(output: str) -> Request:
    buffer = io.BytesIO()
    np.savez(buffer, frames=blocks(FRAMES, 64, 80), fps=FPS)
    return Request({"video": buffer.getvalue(), "method": b"gradient", "output": output.encode()})


def ask(service: Service, output: str) -> tuple[str, bytes]:
    reply = wait(service, service.submit(request(output)))
    assert reply.status == 200, reply.body[:500]
    return reply.content_type, reply.body


def seen(service: Service) -> int:
    """Of how many source frames the window is."""
    _, body = ask(service, "json")
    indices = json.loads(body)["clip"]["frame_indices"]
    gap = sorted(np.diff(indices))[len(indices) // 2]
    first, last = indices[0] - gap // 2, indices[-1] + gap // 2
    return int(min(last, FRAMES - 1) - max(first, 0) + 1)


def test_mp4_plays_at_the_sources_timing(service: Service) -> None:
    kind, body = ask(service, "mp4")
    assert kind == "video/mp4"
    with av.open(io.BytesIO(body)) as container:
        times = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert np.diff(times) == pytest.approx(1 / FPS, abs=2e-3)
    assert len(times) == seen(service) > 16


def test_gif_is_as_long_as_the_window(service: Service) -> None:
    kind, body = ask(service, "gif")
    assert kind == "image/gif"
    with Image.open(io.BytesIO(body)) as gif:
        total = 0
        for place in range(getattr(gif, "n_frames", 1)):
            gif.seek(place)
            total += gif.info["duration"]
    assert total == pytest.approx(1000 * seen(service) / FPS, abs=10)


def test_html_is_a_page(service: Service) -> None:
    kind, body = ask(service, "html")
    assert kind == "text/html; charset=utf-8"
    assert body.startswith(b"<!doctype html>")
    assert body.count(b"data:image/jpeg") == seen(service)


@pytest.mark.parametrize("output", ["mp4", "gif", "html"])
@pytest.mark.parametrize("end", ["cancelled", "deadline_exceeded"])
def test_drawing_ends_with_its_request(
    service: Service, output: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that ends while its picture is drawn is answered before the next shot."""
    drawn: list[RequestState] = []
    check = RequestState.check

    def check_fifth(state: RequestState) -> None:
        drawn.append(state)
        if len(drawn) == 5:
            if end == "cancelled":
                service.cancel(state.number)
            else:
                state.deadline = time.monotonic()
        check(state)

    monkeypatch.setattr(RequestState, "check", check_fifth)
    state = service.submit(request(output))
    reply = wait(service, state)
    assert json.loads(reply.body)["error"]["code"] == end
    assert len(drawn) == 5
