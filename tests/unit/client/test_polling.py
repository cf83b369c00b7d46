"""A client that follows jobs, and servers that answer it badly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.unit.client.conftest import Run
from tests.unit.client.fake_server import FakeServer, Received, Reply, answer

from videovisual_client import Client, errors, exchange, polling
from videovisual_client.events import Progress

Clip = npt.NDArray[np.uint8]

STATE: dict[str, Any] = {
    "job": "a job",
    "model": "i3d-motion",
    "state": "running",
    "queue": 0,
    "progress": None,
    "partial": None,
    "address": "/jobs/a job",
}
PROGRESS = {
    **{"event": "progress", "step": 1, "of": 2, "objective": None, "probability": None},
    **{"eta_s": None, "method": "rise", "target": "ironing"},
}
DONE = STATE | {"state": "done", "status": 200}
DROPPED = {"error": {"code": "job_dropped", "message": "Dropped.", "detail": {}}}


@pytest.fixture
def client(fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setattr(exchange, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(polling, "FIRST_PAUSE_S", 0.001)
    with Client(fake.url, token="secret", poll=True) as client:
        yield client


def served(*states: dict[str, Any], result: Reply | None = None) -> Callable[[Received], Reply]:
    """The job's states in turn, the last one for ever, and its result."""
    waiting = list(states)

    def handle(request: Received) -> Reply:
        if request.verb == "DELETE":
            return Reply(b"", 204)
        if request.path.endswith("/result"):
            return result or Reply(answer().model_dump(mode="json"))
        status = 202 if request.verb == "POST" else 200
        return Reply(waiting.pop(0) if len(waiting) > 1 else waiting[0], status)

    return handle


def asked(fake: FakeServer) -> list[tuple[str, str]]:
    return [(request.verb, request.path) for request in fake.received]


def test_what_is_asked_and_told(fake: FakeServer, client: Client, clip: Clip) -> None:
    fake.handler = served(
        STATE, STATE | {"progress": PROGRESS}, STATE | {"progress": PROGRESS}, DONE
    )
    told: list[Progress] = []
    result = client.explain(clip, model="i3d-motion", method="rise", on_progress=told.append)
    assert result.predictions[0].label == "ironing"
    assert told == [Progress(1, 2, method="rise", target="ironing")]
    state = ("GET", "/jobs/a%20job")
    assert asked(fake) == [
        ("POST", "/explanations/i3d-motion"),
        *[state] * 3,
        ("GET", "/jobs/a%20job/result"),
    ]
    assert fake.received[0].field("job") == "true"
    assert fake.received[0].field("stream") is None
    assert all(request.token == "secret" for request in fake.received)


def test_without_an_address_everything_is_posted_to_the_model(
    fake: FakeServer, client: Client, clip: Clip
) -> None:
    bodies = [STATE | {"address": None}, DONE | {"address": None}, answer().model_dump(mode="json")]
    fake.reply_with(*(Reply(body) for body in bodies))
    assert client.classify(clip, model="i3d-motion").predictions[0].label == "ironing"
    assert asked(fake) == [("POST", "/predictions/i3d-motion")] * 3
    members = [json.loads(request.body) for request in fake.received[1:]]
    assert members == [{"job_state": "a job"}, {"job_result": "a job"}]


def test_what_fails_for_good_ends_the_job(fake: FakeServer, client: Client, clip: Clip) -> None:
    failures = iter([Reply(b"<html>", 504)] * 10)

    def handle(request: Received) -> Reply:
        return next(failures) if request.verb == "GET" else served(STATE)(request)

    fake.handler = handle
    with pytest.raises(errors.ConnectionFailed, match="HTTP 504"):
        client.classify(clip, model="i3d-motion")
    verbs = [verb for verb, _ in asked(fake)]
    assert verbs == ["POST", *["GET"] * (1 + exchange.RETRIES), "DELETE"]


def test_a_jobs_own_error_is_raised_and_not_asked_for_again(
    fake: FakeServer, client: Client, clip: Clip
) -> None:
    error = {"code": "overloaded", "message": "Stopping.", "detail": {"retry_after_s": 0}}
    fake.handler = served(STATE, STATE | {"state": "failed", "status": 503, "error": error})
    with pytest.raises(errors.Overloaded, match="Stopping"):
        client.classify(clip, model="i3d-motion")
    assert len(fake.received) == 2


def test_a_job_that_ended_before_it_was_cancelled_is_cancelled(
    fake: FakeServer, client: Client, clip: Clip
) -> None:
    fake.handler = served(STATE, DONE, result=Reply(DROPPED, 410))
    with client.submit(clip, model="i3d-motion") as job:
        assert job.cancel()
        with pytest.raises(errors.Cancelled):
            job.result()
    fake.handler = served(STATE, DONE, result=Reply(DROPPED, 410))
    with pytest.raises(errors.JobDropped):
        client.classify(clip, model="i3d-motion")


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"<html>", json.dumps({**STATE, "queue": "x"}).encode()]
)
def test_a_state_that_is_none(fake: FakeServer, client: Client, clip: Clip, body: bytes) -> None:
    fake.reply_with(Reply(body, 202))
    with pytest.raises(errors.ConnectionFailed):
        client.classify(clip, model="i3d-motion")


def test_the_command_polls_a_server_only(run: Run, folder: Any) -> None:
    done = run("classify", folder, "--model", "i3d-motion", "--poll", "--local")
    assert done.exit_code == 2
    assert "--poll is for a server" in done.output
